/** Runs a pipeline with everything around it: channels, signals, reload, webserver, metrics, the end's statistics. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import type { Config, ConfigFile, LoadedConfig } from '../config/index.ts';
import { log, writeStderr } from '../log.ts';
import { type Channel, type Message, type Outputs, openOutputs } from '../outputs/index.ts';
import type { Pipeline, PipelineEnd, PipelineSetup, PipelineSnapshot } from '../sensor/contract.ts';
import { formatInternalAlert, type InternalAlert } from '../sensor/internal-alert.ts';
import { applyLogging } from '../sensor/logging.ts';
import { statisticsText } from '../sensor/statistics.ts';
import { CommandError } from './command.ts';
import type { JudgeThread } from './judge-threads.ts';

/** One state of configuration and rules. */
export interface RunInput {
  readonly loaded: LoadedConfig;
  readonly setup: PipelineSetup;
  readonly rulesDirectories: readonly string[];
}

export interface RunOptions {
  /** Reads configuration and rules anew for a reload; null when there is none. */
  readonly reread: (() => Promise<RunInput>) | null;
  readonly verbose: boolean;
  /** Wall-clock seconds after which to stop; 0 for no limit. */
  readonly stopAfterSeconds: number;
  readonly pidfile: string | null;
  /** Channels beside those of the configuration. */
  readonly channels: readonly Channel[];
  /** Where the statistics at the end go. */
  readonly statistics: 'stdout' | 'stderr' | 'nowhere';
  /** Replay: threads that judge beside this one. */
  readonly judges?: readonly JudgeThread[];
}

export interface RunResult {
  readonly end: PipelineEnd;
  readonly snapshot: PipelineSnapshot;
  /** Severity of the worst alert, 0 the worst; null when there was none. */
  readonly worst: number | null;
}

/** Alerts that may wait while a capture is replayed, before judging waits for the channels. */
const REPLAY_WAITING = 1000;

export async function runSensor(first: RunInput, options: RunOptions): Promise<RunResult> {
  let input = first;
  await applyLogging(input.loaded.config, options.verbose);
  let outputs = await openOutputs(input.loaded.config, options.channels);
  let worst: number | null = null;
  const emit = (messages: readonly Message[]): void => {
    for (const message of messages) {
      if (worst === null || message.severity < worst) worst = message.severity;
      outputs.push(message);
    }
  };
  const raise = (alert: InternalAlert): void => outputs.push(formatInternalAlert(alert, form(input)));

  const pipeline = await openPipelineFor(input.setup, emit, () => outputs.drainedTo(REPLAY_WAITING), options);
  log.info(`Enabled event sources: ${pipeline.sources.join(', ')}`);
  if (options.pidfile !== null) writeFileSync(options.pidfile, `${process.pid}\n`);
  const service = await startService(
    () => input,
    pipeline,
    () => outputs,
    raise,
  );
  const stopWatching = listenForSignals({
    stop: (signal) => pipeline.stop(signal),
    reopen: () => {
      log.info('Reopening outputs');
      outputs.reopen().catch((error: Error) => log.error(`Cannot reopen outputs: ${error.message}`));
    },
    reload,
  });
  let watcher = await watchInput(input, options, reload);
  let stopTimer: NodeJS.Timeout | null = null;
  if (options.stopAfterSeconds > 0)
    stopTimer = setTimeout(() => pipeline.stop('SIGTERM'), options.stopAfterSeconds * 1000);

  /** One reload at a time; a change during one is seen by the next. */
  let reloading: Promise<void> = Promise.resolve();
  function reload(reason: string): void {
    const { reread } = options;
    if (reread === null) return;
    reloading = reloading.then(async () => {
      log.info(`${reason}, restarting...`);
      try {
        const next = await reread();
        const opened = await openOutputs(next.loaded.config, options.channels);
        try {
          await pipeline.reload(next.setup);
        } catch (error) {
          await opened.close(0);
          throw error;
        }
        for (const key of changedForRestart(input.loaded.config, next.loaded.config)) {
          log.warning(`The change of '${key}' takes effect with the next start.`);
        }
        const before = outputs;
        outputs = opened;
        input = next;
        await before.close(next.loaded.config.output_timeout);
        await applyLogging(next.loaded.config, options.verbose);
        watcher();
        watcher = await watchInput(next, options, reload);
        service.reloaded();
        log.info('Reloaded configuration and rules');
      } catch (error) {
        const { message } = error as Error;
        log.critical(`The new configuration or rules are not used: ${message}`);
        raise({
          rule: 'Falco internal: hot restart failure',
          priority: 'Critical',
          message: `Falco internal: hot restart failure: ${message}`,
          fields: {},
          time: BigInt(Date.now()) * 1_000_000n,
        });
      }
    });
  }

  let end: PipelineEnd;
  try {
    end = await pipeline.run();
  } finally {
    if (stopTimer !== null) clearTimeout(stopTimer);
    stopWatching();
    watcher();
    await reloading;
    await service.close();
    await outputs.close(Math.max(input.loaded.config.output_timeout, 1000));
  }
  const snapshot = await pipeline.snapshot();
  reportEnd(snapshot, outputs, options);
  return { end, snapshot, worst };
}

/** Keys that are read when sources and servers are opened. */
const FIXED_KEYS = ['engine', 'webserver', 'plugins', 'load_plugins', 'falco_libs'] as const;

function changedForRestart(before: Config, after: Config): string[] {
  return FIXED_KEYS.filter((key) => !isDeepStrictEqual(before[key], after[key]));
}

/**
 * Replay runs on this thread (and others, if asked to): nothing can overflow, and alerts come in the order of the
 * capture. A sensor judges on a thread of its own, so that nothing else delays it; where there is nothing else, the
 * process is smaller by a thread.
 */
async function openPipelineFor(
  setup: PipelineSetup,
  alerts: (messages: readonly Message[]) => void,
  room: () => Promise<void>,
  { verbose, judges = [] }: Pick<RunOptions, 'verbose' | 'judges'>,
): Promise<Pipeline> {
  if (setup.config.engine.kind === 'replay') {
    if (judges.length > 0) {
      const { canShareReplay, openSharedReplay } = await import('./shared-replay.ts');
      if (canShareReplay(setup)) return openSharedReplay(setup, judges, { alerts, room });
      await Promise.all(judges.map((judge) => judge.close()));
      log.warning('One thread judges: capture.enabled and simulate_drops need all events on one.');
    }
    const { openPipeline } = await import('../pipeline.ts');
    return openPipeline(setup, { alerts, room });
  }
  if (isAlone(setup)) {
    const { openPipeline } = await import('../pipeline.ts');
    const pipeline = await openPipeline(setup, { alerts, room: null });
    (await import('../sensor/privileges.ts')).giveUpCapabilities(setup);
    return pipeline;
  }
  const { openRemotePipeline } = await import('./remote.ts');
  return openRemotePipeline(setup, { alerts }, verbose);
}

/** Whether a run watches a command and does nothing beside writing to standard output, so needs no power of its own for anything. */
function isAlone({ config, command, record, behaviour }: PipelineSetup): boolean {
  if (command === null || record !== null || behaviour || config.capture.enabled) return false;
  const { syslog_output, file_output, program_output, http_output, webserver, metrics, log_syslog, windhover } = config;
  const others = [syslog_output, file_output, program_output, http_output, webserver, metrics];
  return !log_syslog && !others.some(({ enabled }) => enabled) && Object.keys(windhover.forward).length === 0;
}

function form({ loaded: { config }, setup }: RunInput): Parameters<typeof formatInternalAlert>[1] {
  return {
    json: config.json_output,
    iso8601: config.time_format_iso_8601,
    hostname: setup.hostname,
    withOutput: config.json_include_output_property,
    withFields: config.json_include_output_fields_property,
    withMessage: config.json_include_message_property,
  };
}

function listenForSignals(actions: {
  stop(signal: NodeJS.Signals): void;
  reopen(): void;
  reload(reason: string): void;
}): () => void {
  const handlers: [NodeJS.Signals, () => void][] = [
    ['SIGINT', () => actions.stop('SIGINT')],
    ['SIGTERM', () => actions.stop('SIGTERM')],
    ['SIGUSR1', () => actions.reopen()],
    ['SIGHUP', () => actions.reload('SIGHUP received')],
  ];
  for (const [signal, handler] of handlers) process.on(signal, handler);
  return () => {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  };
}

/** Watches everything that was read; returns what stops it. */
async function watchInput(input: RunInput, options: RunOptions, reload: (reason: string) => void): Promise<() => void> {
  if (options.reread === null || !input.loaded.config.watch_config_files) return () => {};
  const { watchFiles } = await import('../sensor/watch.ts');
  const files = [...input.loaded.files.map((file) => file.path), ...input.setup.rulesFiles];
  const directories = [...input.loaded.directories, ...input.rulesDirectories];
  return watchFiles(files, directories, () => reload('Configuration or rules changed'));
}

interface Service {
  reloaded(): void;
  close(): Promise<void>;
}

/** The webserver and the periodic metrics, where they are on. */
async function startService(
  input: () => RunInput,
  pipeline: Pipeline,
  outputs: () => Outputs,
  raise: (alert: InternalAlert) => void,
): Promise<Service> {
  const { config } = input().loaded;
  if (!config.webserver.enabled && !config.metrics.enabled) return { reloaded() {}, close: async () => {} };
  const { startMonitoring } = await import('../sensor/monitoring.ts');
  const monitoring = startMonitoring({
    config: () => input().loaded.config,
    hostname: input().setup.hostname,
    files: () => ({ config: hashes(input().loaded.files), rules: hashes(read(input().setup.rulesFiles)) }),
    snapshot: () => pipeline.snapshot(),
    channels: () => outputs().stats(),
    raise,
  });
  let server: { close(): Promise<void> } | null = null;
  if (config.webserver.enabled) {
    const { startSensorServer } = await import('../server/sensor.ts');
    const { versionText } = await import('./version.ts');
    const { listen_address, listen_port } = config.webserver;
    log.info(`Starting health webserver, listening on ${listen_address}:${listen_port}`);
    server = await startSensorServer({
      webserver: config.webserver,
      versions: versionText(true).trim(),
      metrics: config.webserver.prometheus_metrics_enabled && config.metrics.enabled ? monitoring.prometheus : null,
    }).catch((error: Error) => {
      throw new CommandError(
        `Error: the webserver cannot listen on ${listen_address}:${listen_port}: ${error.message}`,
      );
    });
  }
  return {
    reloaded: monitoring.reloaded,
    async close() {
      monitoring.close();
      await server?.close();
    },
  };
}

function read(paths: readonly string[]): ConfigFile[] {
  return paths.map((path) => ({ path, text: readFileSync(path, 'utf8') }));
}

function hashes(files: readonly ConfigFile[]): Record<string, string> {
  return Object.fromEntries(files.map(({ path, text }) => [path, createHash('sha256').update(text).digest('hex')]));
}

function reportEnd(snapshot: PipelineSnapshot, outputs: Outputs, options: RunOptions): void {
  if (options.statistics === 'nowhere') return;
  const text = statisticsText(snapshot.rules);
  if (options.statistics === 'stdout') process.stdout.write(text);
  else writeStderr(text);
  writeStderr(snapshot.dropSummary);
  for (const [name, { dropped, failed }] of Object.entries(outputs.stats())) {
    if (dropped > 0) log.warning(`${name} output: ${dropped} alerts lost because it was blocked`);
    if (failed > 0) log.warning(`${name} output: ${failed} alerts lost because it refused them`);
  }
}
