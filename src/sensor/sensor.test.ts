import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { load as loadConfig } from '../config/load.ts';
import { fieldCatalogue } from '../fields/index.ts';
import { appendOutput, extraFields } from './append-output.ts';
import { createDropMonitor, type DropAction, type DropReport } from './drops.ts';
import { createHostUsage } from './host.ts';
import { formatInternalAlert, type InternalAlertForm } from './internal-alert.ts';
import { type Metrics, metricFields, prometheusText } from './metrics.ts';
import { statisticsText } from './statistics.ts';
import { watchFiles } from './watch.ts';

const directory = mkdtempSync(join(tmpdir(), 'windhover-sensor-'));
afterAll(() => rmSync(directory, { recursive: true }));

function configOf(text: string) {
  const file = join(directory, 'falco.yaml');
  writeFileSync(file, text);
  return loadConfig({ file }).config;
}

describe('lost events', () => {
  function monitor(options: Partial<Parameters<typeof createDropMonitor>[0]>) {
    const taken: [DropAction, DropReport][] = [];
    const drops = createDropMonitor(
      { threshold: 0.1, actions: ['log'], rate: 1, maxBurst: 1, simulate: false, ...options },
      true,
      (action, report) => taken.push([action, report]),
    );
    return { drops, taken };
  }
  const second = 1e9;

  test('looked at once a second of event time', () => {
    const { drops } = monitor({});
    expect(drops.due(5 * second)).toBe(false);
    expect(drops.due(5.5 * second)).toBe(false);
    expect(drops.due(6.1 * second)).toBe(true);
    drops.check(6.1 * second, { events: 0, drops: 0, byReason: {} });
    expect(drops.due(7 * second)).toBe(false);
    expect(drops.due(7.2 * second)).toBe(true);
  });

  test('only a share above the threshold counts, with the change since the last second', () => {
    const { drops, taken } = monitor({ actions: ['log', 'alert'], maxBurst: 10 });
    drops.check(second, { events: 95, drops: 5, byReason: { buffer_total: 5 } });
    expect(taken).toEqual([]);
    drops.check(2 * second, { events: 145, drops: 55, byReason: { buffer_total: 55, buffer_open_exit: 50 } });
    expect(taken.map(([action]) => action)).toEqual(['log', 'alert']);
    expect(taken[0]?.[1]).toMatchObject({
      drops: 50,
      fields: {
        n_evts: '50',
        n_drops: '50',
        n_drops_buffer_total: '50',
        n_drops_buffer_open_exit: '50',
        ebpf_enabled: '1',
      },
    });
    expect(drops.summary()).toContain('event drop detected: 1 occurrences');
  });

  test('actions are limited by rate and burst', () => {
    const { drops, taken } = monitor({ simulate: true, rate: 0.5, maxBurst: 2 });
    for (let i = 1; i <= 9; i++) drops.check(i * second, { events: 0, drops: 0, byReason: {} });
    expect(taken).toHaveLength(6);
    expect(drops.summary()).toContain('event drop detected: 9 occurrences\n   - num times actions taken: 6');
  });
});

test('statistics as Falco prints them: only what fired, by severity and in the order of the rules', () => {
  expect(
    statisticsText([
      { rule: 'b', severity: 4, count: 2 },
      { rule: 'never', severity: 0, count: 0 },
      { rule: 'a', severity: 6, count: 1 },
    ]),
  ).toBe(
    'Events detected: 3\nRule counts by severity:\n   WARNING: 2\n   INFO: 1\nTriggered rules by rule name:\n   b: 2\n   a: 1\n',
  );
});

describe('internal alerts', () => {
  const alert = {
    rule: 'Falco internal: syscall event drop',
    priority: 'Debug' as const,
    message: 'Falco internal: syscall event drop. 1 system calls dropped in last second.',
    fields: { n_evts: '0', ebpf_enabled: '0' },
    time: 1_470_327_477_000_000_042n,
  };
  const form: InternalAlertForm = {
    json: false,
    iso8601: true,
    hostname: 'host',
    withOutput: true,
    withFields: true,
    withMessage: false,
  };

  test('as text: fields sorted, in quotes', () => {
    expect(formatInternalAlert(alert, form)).toEqual({
      severity: 7,
      line: '2016-08-04T16:17:57.000000042+0000: Debug Falco internal: syscall event drop. 1 system calls dropped in last second. (ebpf_enabled="0" n_evts="0")',
    });
  });

  test('as JSON: source internal, no tags', () => {
    const { line } = formatInternalAlert(alert, { ...form, json: true, withMessage: true });
    expect(JSON.parse(line)).toEqual({
      hostname: 'host',
      message: alert.message,
      output: `2016-08-04T16:17:57.000000042+0000: Debug ${alert.message}`,
      output_fields: alert.fields,
      priority: 'Debug',
      rule: alert.rule,
      source: 'internal',
      time: '2016-08-04T16:17:57.000000042Z',
    });
    const bare = formatInternalAlert(alert, { ...form, json: true, withOutput: false, withFields: false });
    expect(Object.keys(JSON.parse(bare.line))).toEqual(['hostname', 'priority', 'rule', 'source', 'time']);
  });
});

describe('append_output', () => {
  const rule = { name: 'R', source: 'syscall', tags: ['a', 'b'] };
  const append = (text: string, print = '') => {
    const config = configOf(text);
    return appendOutput(config, fieldCatalogue({ staticFields: config.static_fields }), print)(rule, 'out');
  };

  test('entries whose rule, source and tags all fit add their text; suggested fields come by default', () => {
    expect(append('append_output: []\n')).toBe('out');
    expect(append('append_output: []\n', 'cmd=%proc.cmdline')).toBe('out cmd=%proc.cmdline');
    expect(
      append(
        'append_output:\n- {match: {rule: R, tags: [a]}, extra_output: one}\n- {match: {tags: [a, c]}, extra_output: two}\n' +
          '- {match: {source: k8s_audit}, extra_output: three}\n- {extra_output: four}\n',
      ),
    ).toBe('out one four');
    expect(append('static_fields: {env: prod}\n')).toContain(' static_env=%static.env');
    expect(append('static_fields: {env: prod}\nappend_output: {suggested_output: false}\n')).toBe('out');
  });

  test('extra fields are names or formats', () => {
    const config = configOf('append_output: [{extra_fields: [proc.pid, {who: "%user.name x"}]}]\n');
    expect(extraFields(config, rule)).toEqual([
      { key: 'proc.pid', format: null },
      { key: 'who', format: '%user.name x' },
    ]);
  });
});

describe('watch', () => {
  async function changes(act: () => void, files: string[], directories: string[] = []): Promise<number> {
    let count = 0;
    let seen: () => void = () => {};
    const first = new Promise<void>((resolve) => {
      seen = resolve;
    });
    const stop = watchFiles(files, directories, () => {
      count++;
      seen();
    });
    act();
    await first;
    stop();
    return count;
  }

  test('a write, a replacement and a swapped symbolic link are one change each', async () => {
    const file = join(directory, 'watched.yaml');
    writeFileSync(file, 'a');
    const writeTwice = () => {
      writeFileSync(file, 'bb');
      writeFileSync(file, 'ccc');
    };
    expect(await changes(writeTwice, [file])).toBe(1);
    const replace = () => {
      writeFileSync(`${file}.new`, 'dddd');
      renameSync(`${file}.new`, file);
    };
    expect(await changes(replace, [file])).toBe(1);
    const link = join(directory, 'linked.yaml');
    symlinkSync(file, link);
    const other = join(directory, 'other.yaml');
    writeFileSync(other, 'eeeee');
    const swap = () => {
      symlinkSync(other, `${link}.new`);
      renameSync(`${link}.new`, link);
    };
    expect(await changes(swap, [link])).toBe(1);
  });

  test('a new file in a directory', async () => {
    expect(await changes(() => writeFileSync(join(directory, 'new.yaml'), ''), [], [directory])).toBe(1);
  });
});

describe('metrics', () => {
  const usage = createHostUsage('', {});
  const options = configOf('metrics: {enabled: true, kernel_event_counters_per_cpu_enabled: true}\n').metrics;
  const metrics = (events: number, drops: number, time: bigint): Metrics => ({
    time,
    startTime: 0n,
    reloadTime: 5n,
    version: '0.44.1',
    hostname: 'host',
    kernelRelease: '6.1',
    bootTime: 1n,
    cpus: 2,
    sources: [
      {
        name: 'syscall',
        engine: 'modern_bpf',
        events,
        drops,
        byReason: { buffer_total: drops, buffer_open_exit: drops, bug: 0 },
        perCpu: [events - 1, 1],
      },
    ],
    state: { threads: 3, fds: 4, unknownThreads: 0, droppedThreads: 0, purgedThreads: 1 },
    rules: [
      {
        rule: 'Some "rule"',
        priority: 'Warning',
        source: 'syscall',
        tags: ['mitre_x', 'T1.2'],
        count: 7,
        evaluations: 9,
        nanoseconds: 2e9,
      },
      { rule: 'Quiet', priority: 'Debug', source: 'syscall', tags: [], count: 0, evaluations: 0, nanoseconds: 0 },
    ],
    usage: usage(),
    rulesFiles: { '/etc/falco/falco_rules.yaml': 'abc' },
    configFiles: { '/etc/falco/falco.yaml': 'def' },
    addresses: { eth0: { ipv4: ['10.0.0.1'], ipv6: [] } },
    queueDrops: 0,
  });

  test('fields: totals, rates against the last snapshot, zeros left out', () => {
    const before = metrics(100, 0, 1_000_000_000n);
    const now = metrics(300, 100, 3_000_000_000n);
    const source = now.sources[0];
    if (source === undefined) throw new Error('no source');
    const fields = metricFields(now, before, source, options);
    expect(fields).toMatchObject({
      'evt.source': 'syscall',
      'falco.version': '0.44.1',
      'falco.duration_sec': 3,
      'falco.num_evts': 300,
      'falco.num_evts_prev': 100,
      'falco.evts_rate_sec': 100,
      'falco.rules.matches_total': 7,
      'falco.rules.Some_rule_': 7,
      'falco.sha256_rules_file.falco_rules': 'abc',
      'falco.host_netinfo.interfaces.eth0.protocols.ipv4.addresses': '10.0.0.1',
      'falco.n_threads': 3,
      'scap.engine_name': 'modern_bpf',
      'scap.n_drops': 100,
      'scap.n_drops_perc': 33.3,
      'scap.evts_drop_rate_sec': 50,
      'scap.n_drops_buffer_open_exit': 100,
      'scap.n_evts_cpu_1': 1,
    });
    expect(fields).not.toHaveProperty('falco.rules.Quiet');
    expect(fields).not.toHaveProperty('scap.n_drops_bug');
    expect(fields['falco.memory_rss_mb']).toBeGreaterThan(10);
    const all = metricFields(now, null, source, {
      ...options,
      include_empty_values: true,
      convert_memory_to_mb: false,
    });
    expect(all['falco.rules.Quiet']).toBe(0);
    expect(all['falco.memory_rss_kb']).toBeGreaterThan(10_000);
  });

  test('Prometheus text: Falco’s names and labels, one head for each name, quotes escaped', () => {
    const text = prometheusText(metrics(300, 100, 3_000_000_000n), options);
    const labels = 'rule_name="Some \\"rule\\"",source="syscall"';
    expect(text).toContain(`\nwindhover_rules_evaluations_total{${labels}} 9\n`);
    expect(text).toContain(`\nwindhover_rules_evaluation_seconds_total{${labels}} 2\n`);
    expect(text).toContain('falcosecurity_falco_version_info{version="0.44.1"} 1\n');
    expect(text).toContain(
      'falcosecurity_falco_rules_matches_total{priority="4",rule_name="Some \\"rule\\"",source="syscall",tag_mitre_x="true",tag_T1_2="true"} 7\n',
    );
    expect(text).toContain('falcosecurity_scap_n_evts_total{evt_source="syscall"} 300\n');
    expect(text).toContain(
      'falcosecurity_scap_n_drops_buffer_total{evt_source="syscall",drop="open",dir="exit"} 100\n',
    );
    expect(text).toContain('falcosecurity_scap_n_evts_cpu_total{evt_source="syscall",cpu="1"} 1\n');
    expect(text).toContain(
      'falcosecurity_falco_sha256_rules_files_info{file_name="falco_rules.yaml",sha256="abc"} 1\n',
    );
    expect(text).not.toContain('Quiet');
    const heads = text.match(/^# TYPE \S+/gm) ?? [];
    expect(new Set(heads).size).toBe(heads.length);
    for (const line of text.trimEnd().split('\n')) {
      expect(line).toMatch(
        /^(# (HELP|TYPE) (falcosecurity|windhover)_\w+ .+|(falcosecurity|windhover)_\w+(\{.*\})? -?[\d.e+-]+)$/,
      );
    }
  });
});
