/**
 * The sensor's metrics under Falco's names (userspace/falco/stats_writer.cpp and falco_metrics.cpp of 0.44):
 * as fields of the internal alert and of `metrics.output_file`, and as Prometheus text.
 */
import type { Config } from '../config/index.ts';
import type { EventTotals } from './drops.ts';
import type { HostUsage } from './host.ts';

export interface RuleMetric {
  readonly rule: string;
  /** Falco's name of the priority. */
  readonly priority: string;
  readonly source: string;
  readonly tags: readonly string[];
  readonly count: number;
  /** See RuleExpense. */
  readonly evaluations: number;
  readonly nanoseconds: number;
}

export interface SourceMetric extends EventTotals {
  readonly name: string;
  /** What Falco calls the engine: `modern_bpf`, `savefile`, `nodriver`. */
  readonly engine: string;
}

export interface StateMetric {
  readonly threads: number;
  readonly fds: number;
  readonly unknownThreads: number;
  readonly droppedThreads: number;
  readonly purgedThreads: number;
}

export interface Metrics {
  /** Nanoseconds since the epoch. */
  readonly time: bigint;
  readonly startTime: bigint;
  readonly reloadTime: bigint;
  readonly version: string;
  readonly hostname: string;
  readonly kernelRelease: string;
  readonly bootTime: bigint;
  readonly cpus: number;
  readonly sources: readonly SourceMetric[];
  readonly state: StateMetric | null;
  readonly rules: readonly RuleMetric[];
  readonly usage: HostUsage;
  /** File name → SHA-256, in hexadecimal. */
  readonly rulesFiles: Readonly<Record<string, string>>;
  readonly configFiles: Readonly<Record<string, string>>;
  /** Interface → its addresses, by protocol. */
  readonly addresses: Readonly<Record<string, { readonly ipv4: readonly string[]; readonly ipv6: readonly string[] }>>;
  /** Alerts that a full channel lost. */
  readonly queueDrops: number;
}

type Options = Config['metrics'];
type Fields = Record<string, string | number>;

/** The output fields of a snapshot for one event source; `previous` is the snapshot before it, for rates. */
export function metricFields(now: Metrics, previous: Metrics | null, source: SourceMetric, options: Options): Fields {
  const fields: Fields = {};
  const set = (name: string, value: string | number): void => {
    if (value === 0 && !options.include_empty_values) return;
    fields[name] = value;
  };
  const before = previous?.sources.find((s) => s.name === source.name);
  const seconds = previous === null ? 0 : Number(now.time - previous.time) / 1e9;
  const rate = (value: number, last: number | undefined): number =>
    seconds > 0 ? round((value - (last ?? 0)) / seconds) : 0;

  fields['evt.time'] = Number(now.time);
  fields['evt.hostname'] = now.hostname;
  fields['evt.source'] = source.name;
  fields['falco.version'] = now.version;
  set('falco.start_ts', Number(now.startTime));
  set('falco.duration_sec', Math.floor(Number(now.time - now.startTime) / 1e9));
  fields['falco.kernel_release'] = now.kernelRelease;
  set('falco.host_boot_ts', Number(now.bootTime));
  set('falco.host_num_cpus', now.cpus);
  set('falco.reload_ts', Number(now.reloadTime));
  set('falco.outputs_queue_num_drops', now.queueDrops);
  for (const [file, hash] of Object.entries(now.rulesFiles))
    fields[`falco.sha256_rules_file.${fieldName(file)}`] = hash;
  for (const [file, hash] of Object.entries(now.configFiles))
    fields[`falco.sha256_config_file.${fieldName(file)}`] = hash;
  for (const [name, { ipv4, ipv6 }] of Object.entries(now.addresses)) {
    const prefix = `falco.host_netinfo.interfaces.${name}.protocols`;
    if (ipv4.length > 0) fields[`${prefix}.ipv4.addresses`] = ipv4.join(',');
    if (ipv6.length > 0) fields[`${prefix}.ipv6.addresses`] = ipv6.join(',');
  }
  set('falco.evts_rate_sec', rate(source.events, before?.events));
  set('falco.num_evts', source.events);
  set('falco.num_evts_prev', before?.events ?? 0);
  if (options.rules_counters_enabled) {
    set(
      'falco.rules.matches_total',
      now.rules.reduce((sum, { count }) => sum + count, 0),
    );
    for (const { rule, count } of now.rules) set(`falco.rules.${fieldName(rule)}`, count);
  }
  if (options.resource_utilization_enabled) resourceFields(now.usage, options, set);
  if (options.state_counters_enabled && now.state !== null) {
    for (const [name, value] of Object.entries(stateValues(now.state))) set(`falco.${name}`, value);
  }
  fields['scap.engine_name'] = source.engine;
  if (options.kernel_event_counters_enabled) {
    set('scap.n_evts', source.events);
    set('scap.n_drops', source.drops);
    set('scap.n_drops_perc', percentage(source.drops - (before?.drops ?? 0), source.events - (before?.events ?? 0)));
    set('scap.evts_rate_sec', rate(source.events, before?.events));
    set('scap.evts_drop_rate_sec', rate(source.drops, before?.drops));
    for (const [reason, value] of Object.entries(source.byReason)) set(`scap.n_drops_${reason}`, value);
    if (options.kernel_event_counters_per_cpu_enabled) {
      for (const [cpu, value] of (source.perCpu ?? []).entries()) set(`scap.n_evts_cpu_${cpu}`, value);
    }
  }
  return fields;
}

function resourceFields(usage: HostUsage, options: Options, set: (name: string, value: number) => void): void {
  const [unit, scale] = options.convert_memory_to_mb ? ['mb', 1e6] : ['kb', 1024];
  set('falco.cpu_usage_perc', round(usage.cpuPercent));
  set(`falco.memory_rss_${unit}`, round(usage.rssBytes / scale));
  set(`falco.memory_vsz_${unit}`, round(usage.vszBytes / scale));
  set(`falco.memory_pss_${unit}`, round(usage.pssBytes / scale));
  set(`falco.container_memory_used_${unit}`, round(usage.containerBytes / scale));
  set('falco.host_cpu_usage_perc', round(usage.hostCpuPercent));
  set(`falco.host_memory_used_${unit}`, round(usage.hostMemoryBytes / scale));
  set('falco.host_procs_running', usage.hostProcessesRunning);
  set('falco.host_open_fds', usage.hostOpenFds);
}

function stateValues(state: StateMetric): Record<string, number> {
  return {
    n_threads: state.threads,
    n_fds: state.fds,
    n_noncached_thread_lookups: state.unknownThreads,
    n_drops_full_threadtable: state.droppedThreads,
    n_removed_threads: state.purgedThreads,
  };
}

/** The text of `/metrics` (exposition format 0.0.4). */
export function prometheusText(now: Metrics, options: Options): string {
  const out = new Exposition(options.include_empty_values);
  const falco = 'falcosecurity_falco';
  out.info(`${falco}_version_info`, { version: now.version });
  out.info(`${falco}_kernel_release_info`, { kernel_release: now.kernelRelease });
  out.info('falcosecurity_evt_hostname_info', { evt_hostname: now.hostname });
  for (const source of now.sources) out.info('falcosecurity_evt_source_info', { evt_source: source.name });
  for (const source of now.sources) {
    out.info('falcosecurity_scap_engine_name_info', { engine_name: source.engine, evt_source: source.name });
  }
  for (const [file, sha256] of Object.entries(now.rulesFiles)) {
    out.info(`${falco}_sha256_rules_files_info`, { file_name: baseName(file), sha256 });
  }
  for (const [file, sha256] of Object.entries(now.configFiles)) {
    out.info(`${falco}_sha256_config_files_info`, { file_name: baseName(file), sha256 });
  }
  for (const [name, { ipv4, ipv6 }] of Object.entries(now.addresses)) {
    const addresses = [...ipv4, ...ipv6].join(',');
    out.info(`${falco}_host_netinfo_addresses_info`, { interface_name: name, addresses });
  }
  out.value('gauge', `${falco}_start_timestamp_nanoseconds`, 'When the sensor started.', now.startTime);
  out.value(
    'gauge',
    `${falco}_reload_timestamp_nanoseconds`,
    'When rules and configuration were last loaded.',
    now.reloadTime,
  );
  out.value('gauge', 'falcosecurity_falco_host_boot_timestamp_nanoseconds', 'When the host started.', now.bootTime);
  out.value(
    'counter',
    `${falco}_duration_seconds_total`,
    'How long the sensor runs.',
    (now.time - now.startTime) / 1_000_000_000n,
  );
  out.value('gauge', `${falco}_host_num_cpus_total`, 'CPUs of the host.', now.cpus);
  out.value(
    'counter',
    `${falco}_outputs_queue_num_drops_total`,
    'Alerts lost because a channel was full.',
    now.queueDrops,
    {},
    true,
  );
  if (options.rules_counters_enabled) {
    for (const { rule, priority, source, tags, count, evaluations, nanoseconds } of now.rules) {
      const labels: Record<string, string> = { priority: severityOf(priority), rule_name: rule, source };
      for (const tag of tags) labels[`tag_${tag.replace(/[^a-zA-Z0-9_]/g, '_')}`] = 'true';
      out.value('counter', `${falco}_rules_matches_total`, 'Alerts of each rule.', count, labels);
      const own = { rule_name: rule, source };
      out.value(
        'counter',
        'windhover_rules_evaluations_total',
        'Events on which the whole condition of a rule had to be judged, since it was loaded.',
        evaluations,
        own,
      );
      out.value(
        'counter',
        'windhover_rules_evaluation_seconds_total',
        'Time of that, estimated from samples.',
        nanoseconds / 1e9,
        own,
      );
    }
  }
  if (options.resource_utilization_enabled) resourceMetrics(out, now.usage);
  if (options.state_counters_enabled && now.state !== null) {
    for (const [name, value] of Object.entries(stateValues(now.state))) {
      out.value('gauge', `${falco}_${name}_total`, 'A counter of the thread and descriptor tables.', value);
    }
  }
  if (options.kernel_event_counters_enabled) {
    for (const source of now.sources) scapMetrics(out, source, options);
  }
  return out.text();
}

function resourceMetrics(out: Exposition, usage: HostUsage): void {
  const gauge = (name: string, help: string, value: number): void =>
    out.value('gauge', `falcosecurity_${name}`, help, value);
  gauge('falco_cpu_usage_ratio', 'CPU time of the sensor, of one CPU.', usage.cpuPercent / 100);
  gauge('falco_memory_rss_bytes', 'Resident memory of the sensor.', usage.rssBytes);
  gauge('falco_memory_vsz_bytes', 'Address space of the sensor.', usage.vszBytes);
  gauge('falco_memory_pss_bytes', 'Proportional memory of the sensor.', usage.pssBytes);
  gauge('falco_container_memory_used_bytes', 'Memory of the sensor’s cgroup.', usage.containerBytes);
  gauge('falco_host_cpu_usage_ratio', 'CPU time of the host.', usage.hostCpuPercent / 100);
  gauge('falco_host_memory_used_bytes', 'Memory in use on the host.', usage.hostMemoryBytes);
  gauge('falco_host_procs_running_total', 'Processes that run on the host.', usage.hostProcessesRunning);
  gauge('falco_host_open_fds_total', 'Open descriptors on the host.', usage.hostOpenFds);
}

function scapMetrics(out: Exposition, source: SourceMetric, options: Options): void {
  const labels = { evt_source: source.name };
  out.value('counter', 'falcosecurity_scap_n_evts_total', 'Events read.', source.events, labels, true);
  out.value('counter', 'falcosecurity_scap_n_drops_total', 'Events lost.', source.drops, labels, true);
  for (const [reason, value] of Object.entries(source.byReason)) {
    const buffer = /^buffer_(\w+)_(exit|enter)$/.exec(reason);
    if (buffer !== null) {
      const [, drop = '', dir = ''] = buffer;
      out.value('counter', 'falcosecurity_scap_n_drops_buffer_total', 'Events lost, by class.', value, {
        ...labels,
        drop,
        dir,
      });
    } else {
      out.value(
        'counter',
        `falcosecurity_scap_n_drops_${reason.replace(/_total$/, '')}_total`,
        'Events lost, by reason.',
        value,
        labels,
      );
    }
  }
  if (options.kernel_event_counters_per_cpu_enabled) {
    source.perCpu?.forEach((value, cpu) => {
      out.value('counter', 'falcosecurity_scap_n_evts_cpu_total', 'Events read, by CPU.', value, {
        ...labels,
        cpu: String(cpu),
      });
    });
  }
}

/** Collects samples by name, so that each name's HELP and TYPE stand once before all its samples. */
class Exposition {
  readonly #families = new Map<string, { head: string; samples: string[] }>();
  readonly #empty: boolean;
  constructor(empty: boolean) {
    this.#empty = empty;
  }

  info(name: string, labels: Readonly<Record<string, string>>): void {
    this.value('gauge', name, 'Constant 1; the labels say it.', 1, labels);
  }

  /** Leaves a zero out, unless it was asked for or `always` is set. */
  value(
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    value: number | bigint,
    labels: Readonly<Record<string, string>> = {},
    always = false,
  ): void {
    if (Number(value) === 0 && !always && !this.#empty) return;
    let family = this.#families.get(name);
    if (family === undefined) {
      family = { head: `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`, samples: [] };
      this.#families.set(name, family);
    }
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`);
    family.samples.push(`${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`);
  }

  text(): string {
    return [...this.#families.values()].map(({ head, samples }) => head + samples.join('')).join('');
  }
}

function escapeLabel(text: string): string {
  return text.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`));
}

/** Falco's label holds the number of the priority. */
const SEVERITIES = ['Emergency', 'Alert', 'Critical', 'Error', 'Warning', 'Notice', 'Informational', 'Debug'];
function severityOf(priority: string): string {
  return String(SEVERITIES.indexOf(priority));
}

function fieldName(text: string): string {
  return baseName(text)
    .replace(/\.(ya?ml)$/, '')
    .replace(/[^a-zA-Z0-9]+/g, '_');
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function percentage(drops: number, events: number): number {
  return drops <= 0 ? 0 : round((100 * drops) / (drops + events));
}
