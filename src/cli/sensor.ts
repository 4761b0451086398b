/** The part of the sensor command that needs the configuration, in Falco's order of actions. */
import { hostname, release, version } from 'node:os';
import { type Config, type LoadedConfig, loadedPlugins } from '../config/index.ts';
import type { BoundCatalogue } from '../fields/index.ts';
import { log } from '../log.ts';
import type { PipelineSetup } from '../sensor/contract.ts';
import { FALCO_VERSION, VERSION } from '../version.ts';
import { CommandError } from './command.ts';
import { listFormat } from './falco.ts';
import type { FalcoFlags } from './flags.ts';
import type { RunInput } from './runtime.ts';
import { configErrorText, rulesToLoad, setUp } from './setup.ts';

export async function sensor(flags: FalcoFlags): Promise<number> {
  const loaded = await setUp(flags);
  const { config } = loaded;
  orRefuse(() => loadedPlugins(config));
  if (flags.listPlugins || flags.pluginInfo !== undefined) {
    const { listPluginsText, pluginInfoText } = await import('./plugins.ts');
    return print(
      flags.pluginInfo === undefined ? listPluginsText(loadedPlugins(config)) : pluginInfoText(flags.pluginInfo),
    );
  }
  if (flags.list !== undefined) {
    const { listFields } = await import('./list-fields.ts');
    const catalogue = await catalogueOf(config);
    const source = flags.list === true ? null : flags.list;
    if (source !== null && !catalogue.sources.includes(source)) {
      throw new CommandError(`Error: Value for --list must be a valid source type: ${catalogue.sources.join(', ')}`);
    }
    const format = listFormat(flags, config.json_output);
    return print(listFields(catalogue.fields, source, catalogue.sources, format, flags.namesOnly === true));
  }
  if (flags.validate !== undefined) {
    const { validate } = await import('./validate.ts');
    return validate(flags.validate, flags, config, await catalogueOf(config));
  }
  if (flags.listRules || flags.describeRule !== undefined) {
    const { files } = rulesToLoad(flags, loaded);
    const { describe } = await import('./validate.ts');
    return describe(files, flags, config, await catalogueOf(config));
  }
  if (flags.support) {
    const { files } = rulesToLoad(flags, loaded);
    return import('./support.ts').then((m) => print(m.supportText(loaded, files)));
  }
  return watch(flags, loaded);
}

/** Loaded only where it is asked for: a running sensor needs it on its judging thread, not here. */
async function catalogueOf(config: Config): Promise<BoundCatalogue> {
  return (await import('../sensor/rule-set.ts')).catalogueFor(config);
}

async function watch(flags: FalcoFlags, loaded: LoadedConfig): Promise<number> {
  const input = runInput(flags, loaded);
  const { config } = loaded;
  reportStart(input);
  if (config.engine.kind === 'kmod' || config.engine.kind === 'ebpf') {
    log.warning(`engine.kind '${config.engine.kind}' is taken as 'modern_ebpf': there is one probe.`);
  }
  if (flags.dryRun) {
    const { loadRuleSet } = await import('../sensor/rule-set.ts');
    const { enabledSources } = await import('../sensor/sources.ts');
    loadRuleSet(input.setup);
    enabledSources(input.setup);
    log.info('Dry run: everything was loaded.');
    return 0;
  }
  const { runSensor } = await import('./runtime.ts');
  const { end } = await runSensor(input, {
    reread: async () => runInput(flags, await setUp(flags)),
    verbose: flags.verbose === true,
    stopAfterSeconds: config.engine.kind === 'replay' ? 0 : seconds(flags.duration),
    pidfile: flags.pidfile ?? null,
    channels: [],
    statistics: 'stdout',
  });
  return end.kind === 'drops' ? 1 : 0;
}

/** The setup of a run from the flags and what the configuration says; throws {@link CommandError}. */
export function runInput(flags: FalcoFlags, loaded: LoadedConfig): RunInput {
  const config = withChannel(flags.unbuffered === true ? { ...loaded.config, buffered_outputs: false } : loaded.config);
  const { files, directories } = rulesToLoad(flags, loaded);
  const setup: PipelineSetup = {
    config,
    rulesFiles: files,
    print: flags.print === undefined || /^(c|k|m|g)$/.test(flags.print) ? '' : flags.print,
    enabledSources: flags.enableSource ?? [],
    disabledSources: flags.disableSource ?? [],
    hostname: process.env.FALCO_HOSTNAME ?? hostname(),
    stopAfterNs: config.engine.kind === 'replay' ? seconds(flags.duration) * 1e9 : 0,
    command: null,
    record: null,
  };
  return { loaded: { ...loaded, config }, setup, rulesDirectories: directories };
}

/** Alerts that no channel takes would be lost without a word, so they go to standard output. */
function withChannel(config: Config): Config {
  const { stdout_output, syslog_output, file_output, program_output, http_output, windhover } = config;
  const channels = [stdout_output, syslog_output, file_output, program_output, http_output];
  if (channels.some(({ enabled }) => enabled) || Object.keys(windhover.forward).length > 0) return config;
  log.warning('No output channel is enabled, so alerts go to standard output. Set stdout_output.enabled to say so.');
  return { ...config, stdout_output: { ...stdout_output, enabled: true } };
}

function seconds(text: string | undefined): number {
  if (text === undefined) return 0;
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) {
    throw new CommandError(`Error: -M takes a number of seconds, not '${text}'`);
  }
  return value;
}

function reportStart({ loaded, setup }: RunInput): void {
  log.info(`Windhover version: ${VERSION} (${process.arch}), compatible with Falco ${FALCO_VERSION}`);
  if (loaded.files.length === 0 || loaded.embedded) log.info('Windhover initialized with its embedded configuration');
  else log.info('Windhover initialized with configuration files:');
  for (const { path } of loaded.embedded ? [] : loaded.files) {
    log.info(`   ${path} | schema validation: ${loaded.doubtful.has(path) ? 'failed' : 'ok'}`);
  }
  log.info(`System info: Linux ${release()} ${version()}`);
  log.info('Loading rules from:');
  for (const path of setup.rulesFiles) log.info(`   ${path}`);
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

/** Turns a configuration error that shows only when something is used into the user's message. */
function orRefuse<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new CommandError(`Error: ${configErrorText(error as Error)}`);
  }
}
