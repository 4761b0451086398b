import { randomUUID } from 'node:crypto';
import { stream, streamSSE } from 'hono/streaming';
import { z } from 'zod';
import { PRIORITIES, type Priority } from '../../rules/ruleset.ts';
import {
  type Counts,
  type Filter,
  type Group,
  parseQuery,
  readAlert,
  readAlerts,
  type Series,
  STATES,
  type State,
  type Store,
  type StoredAlert,
  textOf,
} from '../../store/index.ts';
import type { FacetName, Facets, GroupDetail, GroupRow, Histogram, HistoryRow, Inbox } from '../api.ts';
import { tacticOf } from './attack.ts';
import { bodyText, type Call, Refusal, type Route } from './route.ts';

const DAY = 86_400_000_000;

/** The filter in a request's query string: `q`, `from`, `to` (milliseconds), `state` (repeated by commas), `group`. */
export function filterOf(call: Call, defaultDays = 1): Filter {
  const now = Date.now() * 1000;
  const number = (name: string): number | undefined => {
    const text = call.query(name);
    if (text === undefined || text === '') return undefined;
    const value = Number(text);
    if (!Number.isFinite(value)) throw new Refusal(400, `"${name}" is a number`);
    return value;
  };
  const from = number('from');
  const to = number('to');
  const group = number('group');
  const states = call
    .query('state')
    ?.split(',')
    .filter((state) => state !== '');
  for (const state of states ?? []) {
    if (!STATES.includes(state as State)) throw new Refusal(400, `"state" is one of ${STATES.join(', ')}`);
  }
  return {
    from: from === undefined ? now - defaultDays * DAY : Math.round(from * 1000),
    // A minute ahead, for sensors whose clock is.
    to: to === undefined ? now + 60_000_000 : Math.round(to * 1000),
    query: parseQuery(call.query('q') ?? ''),
    ...(states === undefined || states.length === 0 ? {} : { states: states as State[] }),
    ...(group === undefined ? {} : { group }),
  };
}

/** Stands for an alert's text until it is put in; nobody who sends an alert can guess it. */
const PLACE = randomUUID();
const PLACES = new RegExp(`"${PLACE} (\\d+)"`, 'g');

/** JSON of something that holds alerts, with each alert's own text in its place, byte for byte. */
export function spliced(value: unknown, texts: ReadonlyMap<string, string>): Response {
  const json = JSON.stringify(value).replace(PLACES, (_, id: string) => texts.get(id) as string);
  return new Response(json, { headers: { 'content-type': 'application/json', 'cache-control': 'no-store' } });
}

export function rowsOf(alerts: readonly StoredAlert[]): { rows: object[]; texts: Map<string, string> } {
  const texts = new Map<string, string>();
  const rows = alerts.map((one) => {
    texts.set(String(one.id), one.text);
    return { id: one.id, group: one.series.group, time: one.alert.time / 1000, alert: `${PLACE} ${one.id}` };
  });
  return { rows, texts };
}

export function histogramOf(counts: Counts): Histogram {
  const buckets = Math.min(2000, Math.max(1, Math.round((counts.to - counts.from) / counts.step)));
  const out = PRIORITIES.map(() => new Array<number>(buckets).fill(0));
  for (const { series, bucket, n } of counts.rows) {
    const row = out[series.priority] as number[];
    if (bucket >= 0 && bucket < buckets) row[bucket] = (row[bucket] as number) + n;
  }
  return { from: counts.from / 1000, step: counts.step / 1000, counts: out };
}

const FACETS: Readonly<Record<FacetName, (series: Series) => readonly string[]>> = {
  priority: (series) => [PRIORITIES[series.priority] as string],
  rule: (series) => [series.rule],
  namespace: (series) => [series.namespace],
  workload: (series) => [series.workload],
  host: (series) => [series.host],
  image: (series) => [series.image],
  tactic: (series) => [...new Set(series.tags.flatMap((tag) => tacticOf(tag) ?? []))],
  source: (series) => [series.source],
};

function facetsOf(perSeries: ReadonlyMap<Series, number>): Facets {
  const facet = (name: FacetName) => {
    const counts = new Map<string, number>();
    for (const [series, n] of perSeries) {
      for (const value of FACETS[name](series)) if (value !== '') counts.set(value, (counts.get(value) ?? 0) + n);
    }
    const list = [...counts].map(([value, n]) => ({ value, n }));
    if (name === 'priority') {
      return list.sort((a, b) => PRIORITIES.indexOf(a.value as Priority) - PRIORITIES.indexOf(b.value as Priority));
    }
    return list.sort((a, b) => b.n - a.n || a.value.localeCompare(b.value)).slice(0, 50);
  };
  return {
    priority: facet('priority'),
    rule: facet('rule'),
    namespace: facet('namespace'),
    workload: facet('workload'),
    host: facet('host'),
    image: facet('image'),
    tactic: facet('tactic'),
    source: facet('source'),
  };
}

/** What ran and what it touched, in an alert's own words. */
export function essence(text: string): { what: string; touched: string } {
  if (text === '') return { what: '', touched: '' };
  const { fields } = readAlert(text).alert;
  const first = (...names: string[]) => names.map((name) => textOf(fields[name])).find((value) => value !== '') ?? '';
  const audit = [first('ka.user.name'), first('ka.verb'), first('ka.target.resource')].filter((word) => word !== '');
  return {
    what: (first('proc.cmdline', 'proc.exepath', 'proc.name') || audit.join(' ')).slice(0, 400),
    touched: first('fd.name', 'evt.arg.path', 'evt.arg.name', 'fs.path.name', 'ka.target.name').slice(0, 400),
  };
}

interface Tally {
  count: number;
  spark: number[];
  series: Map<Series, number>;
}

const SPARKS = 24;

export function groupRow(group: Group, tally: Tally | undefined, all: readonly Series[]): GroupRow {
  const ranked = [...(tally?.series ?? [])].sort((a, b) => b[1] - a[1]).map(([series]) => series);
  const main = ranked[0] ?? all[0];
  const places = ranked.length > 0 ? ranked : all;
  return {
    id: group.id,
    rule: group.rule,
    source: group.source,
    priority: PRIORITIES[group.priority] as Priority,
    title: group.title,
    state: group.state,
    mutedUntil: group.mutedUntil === null ? null : group.mutedUntil / 1000,
    assignee: group.assignee,
    firstSeen: group.firstSeen / 1000,
    lastSeen: group.lastSeen / 1000,
    reopened: group.reopened === null ? null : group.reopened / 1000,
    count: tally?.count ?? 0,
    total: group.count,
    spark: tally?.spark ?? new Array<number>(SPARKS).fill(0),
    ...essence(group.sample),
    namespace: main?.namespace ?? '',
    workload: main?.workload ?? '',
    image: main?.image ?? '',
    hosts: [...new Set(places.map((series) => series.host))].filter((host) => host !== '').slice(0, 20),
    tags: main?.tags ?? [],
  };
}

export function tallyOf(counts: Counts): { byGroup: Map<number, Tally>; bySeries: Map<Series, number> } {
  const buckets = Math.max(1, Math.round((counts.to - counts.from) / counts.step));
  const byGroup = new Map<number, Tally>();
  const bySeries = new Map<Series, number>();
  for (const { series, bucket, n } of counts.rows) {
    bySeries.set(series, (bySeries.get(series) ?? 0) + n);
    let tally = byGroup.get(series.group);
    if (tally === undefined) {
      tally = { count: 0, spark: new Array<number>(SPARKS).fill(0), series: new Map() };
      byGroup.set(series.group, tally);
    }
    tally.count += n;
    tally.series.set(series, (tally.series.get(series) ?? 0) + n);
    const step = Math.min(SPARKS - 1, Math.max(0, Math.floor((bucket * SPARKS) / buckets)));
    tally.spark[step] = (tally.spark[step] as number) + n;
  }
  return { byGroup, bySeries };
}

type Order = (a: Group, b: Group, count: (group: Group) => number) => number;
const ORDERS: Readonly<Record<string, Order>> = {
  priority: (a, b) => a.priority - b.priority || b.lastSeen - a.lastSeen,
  last: (a, b) => b.lastSeen - a.lastSeen,
  first: (a, b) => b.firstSeen - a.firstSeen,
  count: (a, b, count) => count(b) - count(a),
};

async function inbox(store: Store, call: Call): Promise<Inbox> {
  const filter = filterOf(call);
  const counts = await store.count(filter, 120);
  const { byGroup, bySeries } = tallyOf(counts);
  const limit = Math.min(500, Math.max(1, Number(call.query('limit') ?? 100) || 100));
  const offset = Math.max(0, Number(call.query('offset') ?? 0) || 0);
  const order = ORDERS[call.query('sort') ?? 'priority'];
  if (order === undefined) throw new Refusal(400, `"sort" is one of ${Object.keys(ORDERS).join(', ')}`);
  const sorted = [...byGroup.keys()]
    .flatMap((id) => store.group(id) ?? [])
    .sort((a, b) => order(a, b, (group) => byGroup.get(group.id)?.count ?? 0));
  const states: Record<State, number> = { open: 0, acknowledged: 0, muted: 0, resolved: 0 };
  const everyState = filter.states === undefined ? counts : await store.count({ ...filter, states: STATES }, 120);
  for (const id of new Set(everyState.rows.map((row) => row.series.group))) {
    const group = store.group(id);
    if (group !== undefined) states[group.state]++;
  }
  let alertCount = 0;
  for (const n of bySeries.values()) alertCount += n;
  let oldest: number | null = null;
  for (const { firstSeen } of store.groups()) if (oldest === null || firstSeen < oldest) oldest = firstSeen;
  return {
    groups: sorted.slice(offset, offset + limit).map((group) => groupRow(group, byGroup.get(group.id), [])),
    groupCount: sorted.length,
    alertCount,
    oldest: oldest === null ? null : oldest / 1000,
    histogram: histogramOf(counts),
    facets: facetsOf(bySeries),
    states,
    since: counts.since === null ? null : counts.since / 1000,
  };
}

const cursorOf = (text: string | undefined) => {
  if (text === undefined || text === '') return undefined;
  const [time, id] = text.split('.').map(Number);
  if (!Number.isSafeInteger(time) || !Number.isSafeInteger(id)) throw new Refusal(400, '"before" is what "next" gave');
  return { time: time as number, id: id as number };
};

async function list(store: Store, call: Call): Promise<Response> {
  const limit = Math.min(1000, Math.max(1, Number(call.query('limit') ?? 100) || 100));
  const page = await store.alerts(filterOf(call), limit, cursorOf(call.query('before')));
  const { rows, texts } = rowsOf(page.alerts);
  const next = page.next === null ? null : `${page.next.time}.${page.next.id}`;
  return spliced({ alerts: rows, next, stopped: page.stopped }, texts);
}

export const historyRows = (entries: Awaited<ReturnType<Store['history']>>): HistoryRow[] =>
  entries.map((entry) => ({ ...entry, time: entry.time / 1000 }));

async function groupDetail(store: Store, id: number): Promise<GroupDetail> {
  const group = store.group(id);
  if (group === undefined) throw new Refusal(404, `there is no group ${id}; it may have been merged into another`);
  const to = Math.max(Date.now() * 1000, group.lastSeen) + 1;
  const counts = await store.count({ from: Math.min(group.firstSeen, to - DAY), to, group: id }, 120);
  const { byGroup, bySeries } = tallyOf(counts);
  const [latest] = (await store.alerts({ from: 0, to: Number.MAX_SAFE_INTEGER, group: id }, 1)).alerts;
  const series = store.seriesOf(id);
  return {
    group: groupRow(group, byGroup.get(id), series),
    series: series
      .map((one) => ({
        id: one.id,
        rule: one.rule,
        priority: PRIORITIES[one.priority] as Priority,
        host: one.host,
        namespace: one.namespace,
        workload: one.workload,
        image: one.image,
        count: bySeries.get(one) ?? 0,
      }))
      .sort((a, b) => b.count - a.count)
      .slice(0, 200),
    history: historyRows(await store.history(id, 200)),
    histogram: histogramOf(counts),
    latest: latest?.id ?? null,
  };
}

/** A value for a spreadsheet: quoted, and not a formula. */
function csv(value: string): string {
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return `"${safe.replaceAll('"', '""')}"`;
}

const CSV_COLUMNS = [
  'time',
  'priority',
  'rule',
  'source',
  'hostname',
  'namespace',
  'workload',
  'image',
  'output',
  'tags',
];

function exportAlerts(store: Store, call: Call): Response {
  const format = call.query('format') ?? 'jsonl';
  if (format !== 'jsonl' && format !== 'csv') throw new Refusal(400, '"format" is jsonl or csv');
  const filter = filterOf(call);
  const { context } = call;
  context.header('content-type', format === 'csv' ? 'text/csv; charset=utf-8' : 'application/x-ndjson');
  context.header('content-disposition', `attachment; filename="alerts.${format}"`);
  return stream(context, async (out) => {
    if (format === 'csv') await out.write(`${CSV_COLUMNS.join(',')}\r\n`);
    let before: { time: number; id: number } | null = null;
    do {
      const page: Awaited<ReturnType<Store['alerts']>> = await store.alerts(filter, 500, before ?? undefined);
      const lines = page.alerts.map(({ text, alert, series }) =>
        format === 'jsonl'
          ? `${text.replace(/[\r\n]+/g, ' ')}\n`
          : `${[
              new Date(alert.time / 1000).toISOString(),
              PRIORITIES[alert.priority] as string,
              alert.rule,
              alert.source,
              series.host,
              series.namespace,
              series.workload,
              series.image,
              alert.output,
              alert.tags.join(' '),
            ]
              .map(csv)
              .join(',')}\r\n`,
      );
      await out.write(lines.join(''));
      before = page.next;
    } while (before !== null && !out.aborted);
  });
}

/** Alerts that a slow viewer may lag behind before it loses some (it is told how many). */
const TAIL_BUFFER = 500;

function live(store: Store, call: Call): Response {
  const { query } = filterOf(call);
  return streamSSE(call.context, async (out) => {
    let waiting: StoredAlert[] = [];
    let dropped = 0;
    let wake = () => {};
    const stop = store.watch((added) => {
      for (const one of added) {
        const result = query ? query.decide(one.series).result : true;
        if (result === false || (result === null && !query?.test(one.alert, one.series))) continue;
        if (waiting.length >= TAIL_BUFFER) dropped++;
        else waiting.push(one);
      }
      wake();
    });
    out.onAbort(() => {
      stop();
      wake();
    });
    try {
      await out.writeSSE({ event: 'ready', data: '{}' });
      while (!out.aborted) {
        if (waiting.length === 0) {
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, 15_000);
            wake = () => {
              clearTimeout(timer);
              resolve();
            };
          });
          if (waiting.length === 0 && !out.aborted) await out.writeSSE({ event: 'alive', data: '{}' });
          continue;
        }
        const taken = waiting;
        const lost = dropped;
        waiting = [];
        dropped = 0;
        const { rows, texts } = rowsOf(taken);
        // A line feed inside an alert's text would end the event's line; in JSON it is only blank space there.
        const data = (await spliced({ alerts: rows, dropped: lost }, texts).text()).replace(/[\r\n]+/g, ' ');
        await out.writeSSE({ event: 'alerts', data });
      }
    } finally {
      stop();
    }
  });
}

const ids = z.array(z.number().int()).min(1).max(1000);
const triageSchema = z.union([
  z.strictObject({ groups: ids, action: z.enum(['acknowledge', 'resolve', 'reopen']) }),
  z.strictObject({
    groups: ids,
    action: z.literal('mute'),
    until: z.number().nullable(),
    count: z.number().int().positive().nullable(),
  }),
  z.strictObject({ groups: ids, action: z.literal('assign'), assignee: z.string().max(64).nullable() }),
  z.strictObject({ groups: ids, action: z.literal('comment'), text: z.string().min(1).max(10_000) }),
]);

function known(store: Store, groups: readonly number[]): void {
  for (const id of groups) if (store.group(id) === undefined) throw new Refusal(404, `there is no group ${id}`);
}

/** Reads a request's body as alerts and stores them: answered when they are committed. */
export async function ingest(store: Store, call: Call): Promise<readonly (number | null)[]> {
  const text = await bodyText(call.context);
  let incoming: ReturnType<typeof readAlerts>;
  try {
    incoming = readAlerts(text);
  } catch (error) {
    throw new Refusal(400, (error as Error).message);
  }
  return store.ingest(incoming);
}

export function alertRoutes(store: Store): Route[] {
  return [
    { method: 'GET', path: '/api/inbox', access: 'viewer', handle: (call) => inbox(store, call) },
    { method: 'GET', path: '/api/alerts', access: 'viewer', handle: (call) => list(store, call) },
    { method: 'GET', path: '/api/export', access: 'viewer', handle: async (call) => exportAlerts(store, call) },
    { method: 'GET', path: '/api/live', access: 'viewer', handle: async (call) => live(store, call) },
    { method: 'GET', path: '/api/groups/:id', access: 'viewer', handle: (call) => groupDetail(store, call.id()) },
    {
      method: 'POST',
      path: '/api/triage',
      access: 'analyst',
      handle: async (call) => {
        const request = await call.body(triageSchema);
        known(store, request.groups);
        const change =
          request.action === 'mute' && request.until !== null ? { ...request, until: request.until * 1000 } : request;
        await store.triage(request.groups, change, call.caller.name);
        return null;
      },
    },
    {
      method: 'POST',
      path: '/api/merge',
      access: 'analyst',
      handle: async (call) => {
        const { into, from } = await call.body(z.strictObject({ into: z.number().int(), from: ids }));
        known(store, [into, ...from]);
        await store.merge(into, from, call.caller.name);
        return null;
      },
    },
    {
      method: 'POST',
      path: '/api/split',
      access: 'analyst',
      handle: async (call) => {
        const { group, series } = await call.body(z.strictObject({ group: z.number().int(), series: ids }));
        known(store, [group]);
        const own = store.seriesOf(group).filter((one) => series.includes(one.id)).length;
        if (own === 0 || own === store.seriesOf(group).length) {
          throw new Refusal(400, 'choose some of the places of the group, not none or all');
        }
        return { group: await store.split(group, series, call.caller.name) };
      },
    },
    {
      method: 'GET',
      path: '/api/history',
      access: 'viewer',
      handle: async () => historyRows(await store.history(null, 500)),
    },
    {
      method: 'POST',
      path: '/api/ingest',
      access: 'ingest',
      handle: async (call) => {
        const stored = await ingest(store, call);
        return { accepted: stored.length, duplicates: stored.filter((id) => id === null).length };
      },
    },
  ];
}
