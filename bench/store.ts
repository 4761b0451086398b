/**
 * The store by numbers: ingestion, bytes on disk, and the 95th percentile of the queries behind every page, on a
 * million alerts of a small fleet over a day. `node --max-semi-space-size=2 --heap-growing-percent=30 bench/store.ts
 * [COUNT [DIR]]` (Node's flags as in bin/windhover) prints JSON. In DIR the alerts stay, and the next call adds as many
 * to them: a million can be measured in pieces.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqlite, openStore, parseQuery, readAlert } from '../src/store/index.ts';
import { makeAlerts } from '../test/alerts/generate.ts';

/** The 95th percentile, to a tenth. */
function percentile(values: number[]): number {
  values.sort((a, b) => a - b);
  return Math.round((values[Math.floor(values.length * 0.95) - 1] as number) * 10) / 10;
}

const count = Number(process.argv[2] ?? 1_000_000);
const kept = process.argv[3];
const directory = kept ?? mkdtempSync(join(tmpdir(), 'windhover-bench-store-'));
const sql = openSqlite(join(directory, 'hub.db'));
const store = await openStore(sql);
const day = 86_400;
const end = 1_800_000_000;

try {
  const before = [...store.groups()].reduce((sum, group) => sum + group.count, 0);
  let microseconds = 0;
  let seconds = 0;
  let bytes = 0;
  const take = async (texts: readonly string[]): Promise<void> => {
    // Making the alerts up is no part of taking them in.
    const began = performance.now();
    const cpu = process.cpuUsage();
    await store.ingest(texts.map((text) => readAlert(text)));
    const used = process.cpuUsage(cpu);
    microseconds += used.user + used.system;
    seconds += (performance.now() - began) / 1000;
  };
  let batch: string[] = [];
  for (const { text } of makeAlerts(1 + before, count, end - day, end)) {
    bytes += Buffer.byteLength(text);
    batch.push(text);
    if (batch.length === 500) {
      await take(batch);
      batch = [];
    }
  }
  await take(batch);
  const alerts = before + count;
  const size = await sql.size();

  const to = end * 1_000_000;
  const hour = 3_600_000_000;
  const query = (text: string | null) => (text === null ? null : parseQuery(text));
  const QUERIES: Record<string, () => Promise<unknown>> = {
    'list, latest': () => store.alerts({ from: 0, to }, 50),
    'list, one rule': () =>
      store.alerts({ from: 0, to, query: query('rule = "Linux Kernel Module Injection Detected"') }, 50),
    'list, field': () => store.alerts({ from: 0, to, query: query('proc.name = insmod and user.name = root') }, 50),
    'list, words': () => store.alerts({ from: 0, to, query: query('monero xmrig') }, 50),
    'list, contains': () => store.alerts({ from: 0, to, query: query('proc.cmdline contains shadow') }, 50),
    'facets and groups, day': () => store.count({ from: to - 24 * hour, to }, 120),
    'facets and groups, hour': () => store.count({ from: to - hour, to }, 120),
    'facets and groups, namespace': () =>
      store.count({ from: to - 24 * hour, to, query: query('namespace = shop') }, 120),
    'facets and groups, rare field': () =>
      store.count({ from: to - 24 * hour, to, query: query('proc.name = xmrig') }, 120),
    'timeline of a group': () => store.count({ from: to - 24 * hour, to, group: 1 }, 120),
  };
  const p95: Record<string, number> = {};
  const p95Cpu: Record<string, number> = {};
  for (const [name, run] of Object.entries(QUERIES)) {
    const times: number[] = [];
    const cpus: number[] = [];
    for (let i = 0; i < 20; i++) {
      // An alert in between, as in life: nothing answered from what was asked before.
      const [made] = makeAlerts(1000 + i, 1, end - 60, end - 59);
      await store.ingest([readAlert((made as { text: string }).text.replace(/"uuid":"[^"]*",/, ''))]);
      const start = performance.now();
      const cpu = process.cpuUsage();
      await run();
      times.push(performance.now() - start);
      const spent = process.cpuUsage(cpu);
      cpus.push((spent.user + spent.system) / 1000);
    }
    p95[name] = percentile(times);
    p95Cpu[name] = percentile(cpus);
  }
  const { heapUsed, rss } = process.memoryUsage();
  console.log(
    JSON.stringify(
      {
        alerts,
        bytesPerAlertReceived: Math.round(bytes / count),
        bytesPerAlertOnDisk: Math.round(size / alerts),
        alertsPerSecond: Math.round(count / seconds),
        cpuMicrosecondsPerAlert: Math.round(microseconds / count),
        groups: store.totals().groups,
        series: store.totals().series,
        p95Milliseconds: p95,
        // What a query takes when the machine does nothing else.
        p95CpuMilliseconds: p95Cpu,
        rssMegabytes: Math.round(rss / 1e6),
        heapMegabytes: Math.round(heapUsed / 1e6),
        load: loadavg()[0],
      },
      null,
      2,
    ),
  );
} finally {
  await store.close();
  if (kept === undefined) rmSync(directory, { recursive: true });
}
