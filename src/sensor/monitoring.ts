/** Takes the sensor's metrics at intervals and on request. */
import { createWriteStream, type WriteStream } from 'node:fs';
import { release } from 'node:os';
import { type Config, parseDuration } from '../config/index.ts';
import { log } from '../log.ts';
import type { LaneStats } from '../outputs/index.ts';
import { PRIORITIES } from '../rules/ruleset.ts';
import { FALCO_VERSION } from '../version.ts';
import type { PipelineSnapshot } from './contract.ts';
import { bootTime, createHostUsage, hostAddresses } from './host.ts';
import type { InternalAlert } from './internal-alert.ts';
import { type Metrics, metricFields, prometheusText } from './metrics.ts';

export interface MonitoringOptions {
  config(): Config;
  readonly hostname: string;
  /** File → SHA-256, of what is loaded now. */
  files(): { readonly config: Readonly<Record<string, string>>; readonly rules: Readonly<Record<string, string>> };
  snapshot(): Promise<PipelineSnapshot>;
  channels(): Readonly<Record<string, LaneStats>>;
  raise(alert: InternalAlert): void;
}

export interface Monitoring {
  /** The text of `/metrics`. */
  prometheus(): Promise<string>;
  /** Configuration and rules were loaded anew. */
  reloaded(): void;
  close(): void;
}

const RULE = 'Falco internal: metrics snapshot';

export function startMonitoring(options: MonitoringOptions): Monitoring {
  const root = process.env.HOST_ROOT ?? '/host';
  const usage = createHostUsage(root, process.env);
  const startTime = now();
  let reloadTime = startTime;
  let files = options.files();
  let previous: Metrics | null = null;
  let samples = 0;
  let file: { readonly path: string; readonly stream: WriteStream } | null = null;

  async function measure(): Promise<Metrics> {
    const { sources, state, rules } = await options.snapshot();
    return {
      time: now(),
      startTime,
      reloadTime,
      version: FALCO_VERSION,
      hostname: options.hostname,
      kernelRelease: release(),
      bootTime: bootTime(root),
      cpus: navigator.hardwareConcurrency,
      sources,
      state,
      rules: rules.map(({ rule, severity, source, tags, count, evaluations, nanoseconds }) => ({
        rule,
        priority: PRIORITIES[severity] ?? 'Debug',
        source,
        tags,
        count,
        evaluations,
        nanoseconds,
      })),
      usage: usage(),
      rulesFiles: files.rules,
      configFiles: files.config,
      addresses: hostAddresses(),
      queueDrops: Object.values(options.channels()).reduce((sum, { dropped }) => sum + dropped, 0),
    };
  }

  async function sample(): Promise<void> {
    const { metrics } = options.config();
    const current = await measure();
    samples++;
    for (const source of current.sources) {
      const fields = metricFields(current, previous, source, metrics);
      if (metrics.output_rule) {
        const message = 'Falco metrics snapshot';
        options.raise({ rule: RULE, priority: 'Informational', message, fields, time: current.time });
      }
      if (metrics.output_file !== '') append(metrics.output_file, { sample: samples, output_fields: fields });
    }
    previous = current;
  }

  function append(path: string, value: unknown): void {
    if (file?.path !== path) {
      file?.stream.end();
      const stream = createWriteStream(path, { flags: 'a', mode: 0o600 });
      stream.on('error', (error) => log.error(`metrics.output_file: ${error.message}`));
      file = { path, stream };
    }
    file.stream.write(`${JSON.stringify(value)}\n`);
  }

  let timer: NodeJS.Timeout | null = null;
  function schedule(): void {
    if (timer !== null) clearInterval(timer);
    timer = null;
    const { metrics } = options.config();
    if (!metrics.enabled || (!metrics.output_rule && metrics.output_file === '')) return;
    const interval = parseDuration(metrics.interval) ?? 3_600_000;
    timer = setInterval(() => {
      sample().catch((error: Error) => log.error(`metrics: ${error.message}`));
    }, interval);
    timer.unref();
  }
  schedule();

  return {
    prometheus: async () => prometheusText(await measure(), options.config().metrics),
    reloaded() {
      reloadTime = now();
      files = options.files();
      schedule();
    },
    close() {
      if (timer !== null) clearInterval(timer);
      file?.stream.end();
    },
  };
}

function now(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
