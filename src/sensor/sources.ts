/** Opens the event sources that a setup asks for, each with a state of its own. */
import { loadedPlugins } from '../config/index.ts';
import { openCapture } from '../source/index.ts';
import { State } from '../state/index.ts';
import type { PipelineSetup } from './contract.ts';
import { type OpenSource, SourceError } from './open-source.ts';
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
  return opened;
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

function newState({ config }: PipelineSetup): State {
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
  };
}
