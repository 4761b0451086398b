/** Opens the event sources that a setup asks for, each with a state of its own. */
import { type LoadedPlugin, loadedPlugins } from '../config/index.ts';
import { log } from '../log.ts';
// Not through index.ts, which also loads what the kernel is talked to with.
import { openCapture } from '../source/capture.ts';
import { State } from '../state/index.ts';
import type { PipelineSetup } from './contract.ts';
import type { EventTotals } from './drops.ts';
import { type OpenSource, SourceError } from './open-source.ts';
import { reportReading } from './reading-report.ts';
import type { LoadedRules } from './rule-set.ts';

/** The names of the sources that the configuration provides, whether they are turned on or not. */
export function providedSources(setup: Pick<PipelineSetup, 'config'>): string[] {
  const plugins = loadedPlugins(setup.config).flatMap((plugin) => (plugin.source === null ? [] : [plugin.source.name]));
  return ['syscall', ...plugins];
}

/** Those of them that are on; throws {@link SourceError} when the flags contradict each other or leave none. */
export function enabledSources(setup: Pick<PipelineSetup, 'config' | 'enabledSources' | 'disabledSources'>): string[] {
  const provided = providedSources(setup);
  const { enabledSources: enabled, disabledSources: disabled } = setup;
  if (enabled.length > 0 && disabled.length > 0) {
    throw new SourceError('You can not mix --enable-source and --disable-source');
  }
  const unknown = [...enabled, ...disabled].find((name) => !provided.includes(name));
  if (unknown !== undefined) throw new SourceError(`Attempted to enable or disable unknown event source: ${unknown}`);
  const on = enabled.length > 0 ? [...enabled] : provided.filter((name) => !disabled.includes(name));
  if (on.length === 0) throw new SourceError('Must enable at least one event source');
  return on;
}

export async function openSources(setup: PipelineSetup, rules: LoadedRules): Promise<OpenSource[]> {
  const { kind } = setup.config.engine;
  if (kind === 'replay') return [await openReplay(setup)];
  const on = enabledSources(setup);
  const opened: OpenSource[] = [];
  if (on.includes('syscall')) {
    if (kind === 'nodriver') opened.push(openSilent(setup));
    else opened.push((await import('./live.ts')).openLive(setup, rules));
  }
  for (const plugin of loadedPlugins(setup.config)) {
    if (plugin.source !== null && on.includes(plugin.source.name)) opened.push(await openPlugin(setup, plugin));
  }
  return opened;
}

/** The source of a built-in plugin. */
async function openPlugin(setup: PipelineSetup, plugin: LoadedPlugin): Promise<OpenSource> {
  const { openK8sAudit } = await import('../source/k8s-audit.ts');
  const config = typeof plugin.initConfig === 'string' ? initConfig(plugin) : plugin.initConfig;
  const source = await openK8sAudit(plugin.openParams, {
    sslCertificate: String(config.sslCertificate ?? ''),
    maxEventSize: positive(config.maxEventSize),
    webhookMaxBatchSize: positive(config.webhookMaxBatchSize),
    warn: (message) => log.error(`${plugin.name}: ${message}`),
  }).catch((error: Error) => {
    throw new SourceError(
      `Cannot open the source of plugin '${plugin.name}' at '${plugin.openParams}': ${error.message}`,
    );
  });
  const state = newState(setup);
  const count = (): EventTotals => {
    const { events, drops } = source.stats();
    return { events, drops: Object.values(drops).reduce((sum, n) => sum + n, 0), byReason: drops };
  };
  return { name: source.name, engine: 'source_plugin', source, state, totals: count };
}

function initConfig({ name, initConfig: text }: LoadedPlugin): Readonly<Record<string, unknown>> {
  if (text === '') return {};
  try {
    return JSON.parse(String(text)) as Record<string, unknown>;
  } catch (error) {
    throw new SourceError(`init_config of plugin '${name}' is no JSON: ${(error as Error).message}`);
  }
}

function positive(value: unknown): number | undefined {
  const number = Number(value);
  return number > 0 ? number : undefined;
}

/** `nodriver`: a source of system calls that gives none, so that a sensor of plugins runs until it is told to stop. */
function openSilent(setup: PipelineSetup): OpenSource {
  let ended = false;
  return {
    name: 'syscall',
    engine: 'nodriver',
    state: newState(setup),
    totals: () => ({ events: 0, drops: 0, byReason: {} }),
    source: {
      name: 'syscall',
      next: (_visit, timeoutMs) => new Promise((done) => setTimeout(done, timeoutMs, 0)),
      get ended() {
        return ended;
      },
      stats: () => ({ events: 0, drops: {} }),
      close() {
        ended = true;
      },
    },
  };
}

/** An empty state with the bounds that the configuration sets. */
export function newState({ config }: PipelineSetup): State {
  return new State({
    threadTableSize: config.falco_libs.thread_table_size,
    threadTimeoutSeconds: config.falco_libs.thread_table_auto_purging_thread_timeout_s,
  });
}

async function openReplay(setup: PipelineSetup): Promise<OpenSource> {
  const path = setup.config.engine.replay.capture_file;
  const state = newState(setup);
  const source = await openCapture(path, state.sink).catch((error: NodeJS.ErrnoException) => {
    throw new SourceError(`Could not open the capture file ${path}: ${error.code ?? error.message}`);
  });
  return {
    name: 'syscall',
    engine: 'savefile',
    source,
    state,
    totals: () => ({ events: 0, drops: 0, byReason: {} }),
    finish: () => reportReading(path, source.read, source.truncated),
  };
}
