import { z } from 'zod';
import type { Json, Store } from '../../store/index.ts';
import { VERSION } from '../../version.ts';
import type { HealthDetail, ReportRow } from '../api.ts';
import { type Call, Refusal, type Route } from './route.ts';
import { expensesOf } from './sensors.ts';
import { readRetention } from './settings.ts';

/**
 * What sensors, forwarders and responders say of themselves, and how the hub itself is.
 * @param others those that are asked rather than waited for
 */
export function healthRoutes(
  store: Store,
  started: number,
  others: readonly { reports(): Promise<ReportRow[]> }[],
): Route[] {
  let ingested = 0;
  const perSecond: number[] = [];
  store.watch((added) => {
    ingested += added.length;
  });
  const timer = setInterval(() => {
    perSecond.push(ingested / 5);
    ingested = 0;
    if (perSecond.length > 12) perSecond.shift();
  }, 5000);
  timer.unref();

  async function detail(): Promise<HealthDetail> {
    const [span] = await store.sql.all<{ oldest: number | null }>('SELECT min(time) AS oldest FROM alerts');
    const [sum] = await store.sql.all<{ n: number | null }>('SELECT sum(n) AS n FROM hours');
    const now = Date.now() * 1000;
    const day = new Map<string, number>();
    for (const { series, n } of (await store.count({ from: now - 86_400_000_000, to: now }, 24)).rows) {
      if (series.host !== '') day.set(series.host, (day.get(series.host) ?? 0) + n);
    }
    const reports = (await store.sql.all('SELECT kind, name, time, body FROM reports ORDER BY kind, name')).map(
      (row): ReportRow => ({
        kind: row.kind as ReportRow['kind'],
        name: row.name as string,
        time: (row.time as number) / 1000,
        body: JSON.parse(row.body as string) as Record<string, Json>,
      }),
    );
    const lastSeen = new Map<string, number>();
    for (const group of store.groups()) {
      for (const series of store.seriesOf(group.id)) {
        if (series.host !== '') lastSeen.set(series.host, Math.max(lastSeen.get(series.host) ?? 0, group.lastSeen));
      }
    }
    const asked = (await Promise.all(others.map((other) => other.reports()))).flat();
    return {
      version: VERSION,
      started,
      store: {
        kind: store.sql.kind,
        bytes: await store.sql.size(),
        alerts: Number(sum?.n ?? 0),
        groups: store.totals().groups,
        oldest: span?.oldest === null || span?.oldest === undefined ? null : Number(span.oldest) / 1000,
        ingestedPerSecond: perSecond.length === 0 ? 0 : perSecond.reduce((a, b) => a + b, 0) / perSecond.length,
        rss: process.memoryUsage.rss(),
      },
      retention: await readRetention(store),
      // The costs of rules are given summed; a sensor's own would be most of the answer.
      reports: [...asked, ...reports].map((one) => ({ ...one, body: { ...one.body, rules: null } })),
      rules: expensesOf([...asked, ...reports]).slice(0, 200),
      hosts: [...lastSeen]
        .map(([name, time]) => ({ name, lastSeen: time / 1000, day: day.get(name) ?? 0 }))
        .sort((a, b) => a.name.localeCompare(b.name)),
    };
  }

  async function report(call: Call): Promise<null> {
    const { kind, name, body } = await call.body(
      z.strictObject({
        kind: z.enum(['sensor', 'forwarder', 'responder']),
        name: z.string().min(1).max(200),
        body: z.record(z.string(), z.unknown()),
      }),
    );
    const text = JSON.stringify(body);
    if (text.length > 262_144) throw new Refusal(413, 'a report has at most 256 KiB');
    await store.write(async (writer) => {
      // Names are the senders' own; more than a fleet has would fill the table.
      const [row] = await writer.all<{ n: number }>('SELECT count(*) AS n FROM reports WHERE name<>?', name);
      if (Number(row?.n ?? 0) >= 10_000) throw new Refusal(409, 'too many names have reported');
      await writer.run(
        'INSERT INTO reports(kind, name, time, body) VALUES(?,?,?,?) ON CONFLICT(kind, name) DO UPDATE SET time=excluded.time, body=excluded.body',
        kind,
        name,
        Date.now() * 1000,
        text,
      );
    });
    return null;
  }

  return [
    { method: 'GET', path: '/api/health', access: 'viewer', handle: detail },
    { method: 'POST', path: '/api/reports', access: 'ingest', handle: report },
  ];
}
