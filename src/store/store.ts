import { type Alert, fingerprint, type Incoming, type Place, placeOf, readAlert, titleOf, uidOf } from './alert.ts';
import { dictionaryOf, pack, unpack } from './body.ts';
import type { Query, Verdict } from './query.ts';
import type { AlertRow, Row, Sql, Writer } from './sql.ts';
import { type Need, termsOf } from './terms.ts';

export type State = 'open' | 'acknowledged' | 'muted' | 'resolved';
export const STATES: readonly State[] = ['open', 'acknowledged', 'muted', 'resolved'];

/** Alerts of one fingerprint (or several, merged). Times in microseconds. */
export interface Group {
  readonly id: number;
  readonly rule: string;
  readonly source: string;
  /** 0 the worst … 7; the worst that was seen in it. */
  priority: number;
  /** The message of its first alert. */
  readonly title: string;
  state: State;
  /** Muted until then; null for good. */
  mutedUntil: number | null;
  /** Muted until it counts this many alerts. */
  muteCount: number | null;
  assignee: string | null;
  firstSeen: number;
  lastSeen: number;
  /** All alerts ever, also those that the retention has removed. */
  count: number;
  /** When an alert came after it was resolved; null when none did. */
  reopened: number | null;
  /** Its latest alert, as text. */
  sample: string;
}

/** What alerts have in common, held once; alerts are counted by it. */
export interface Series extends Place {
  readonly id: number;
  readonly fingerprint: number;
  group: number;
  readonly rule: string;
  readonly source: string;
  readonly priority: number;
  readonly tags: readonly string[];
}

interface Fingerprint {
  readonly id: number;
  readonly key: string;
  group: number;
  readonly dictionary: Uint8Array;
}

export interface StoredAlert {
  readonly id: number;
  readonly text: string;
  readonly alert: Alert;
  readonly series: Series;
  readonly uid: string;
}

/** Which alerts: of a time [from, to) in microseconds, matching a query, in groups of some states, or of one group. */
export interface Filter {
  readonly from: number;
  readonly to: number;
  readonly query?: Query | null;
  readonly states?: readonly State[];
  readonly group?: number;
}

export interface Cursor {
  readonly time: number;
  readonly id: number;
}

export interface AlertPage {
  readonly alerts: readonly StoredAlert[];
  /** Where to go on; null at the end. */
  readonly next: Cursor | null;
  /** True when reading was stopped for its time before the page was full: `next` goes on. */
  readonly stopped: boolean;
}

/** Alerts counted by series and bucket. */
export interface Counts {
  /** Microseconds: the range, widened to whole buckets. */
  readonly from: number;
  readonly to: number;
  /** Width of a bucket in microseconds. */
  readonly step: number;
  readonly rows: readonly { readonly series: Series; readonly bucket: number; readonly n: number }[];
  /** Set when alerts had to be read one by one and time ran out: counted from there to the end of the range. */
  readonly since: number | null;
}

export interface Retention {
  /** Microseconds; null keeps for ever. */
  readonly maxAge: number | null;
  /** Bytes on disk; null for no bound. */
  readonly maxBytes: number | null;
}

export interface HistoryEntry {
  readonly id: number;
  readonly time: number;
  readonly who: string;
  readonly action: string;
  readonly group: number | null;
  readonly detail: string;
}

export type Triage =
  | { readonly action: 'acknowledge' | 'resolve' | 'reopen' }
  | { readonly action: 'mute'; readonly until: number | null; readonly count: number | null }
  | { readonly action: 'assign'; readonly assignee: string | null }
  | { readonly action: 'comment'; readonly text: string };

export interface Store {
  readonly sql: Sql;
  /** Stores alerts: resolved once they are committed. Gives ids, null for one that was there already. */
  ingest(incoming: readonly Incoming[]): Promise<readonly (number | null)[]>;
  /** Runs `work` in one transaction, after the writes before it. */
  write<T>(work: (writer: Writer) => Promise<T>): Promise<T>;
  /** Called after each commit with what was added. */
  watch(listener: (added: readonly StoredAlert[]) => void): () => void;
  alert(id: number): Promise<StoredAlert | null>;
  /** The latest first. */
  alerts(filter: Filter, limit: number, before?: Cursor): Promise<AlertPage>;
  /** About `buckets` buckets over the range. */
  count(filter: Filter, buckets: number): Promise<Counts>;
  group(id: number): Group | undefined;
  groups(): Iterable<Group>;
  seriesOf(group: number): readonly Series[];
  triage(groups: readonly number[], triage: Triage, who: string): Promise<void>;
  /** All alerts of `from`, earlier and later ones, belong to `into`. */
  merge(into: number, from: readonly number[], who: string): Promise<void>;
  /** These series of a group get a group of their own; gives its id. */
  split(group: number, series: readonly number[], who: string): Promise<number>;
  history(group: number | null, limit: number): Promise<HistoryEntry[]>;
  record(who: string, action: string, group: number | null, detail: string): Promise<void>;
  /** Removes what is beyond the bounds. Gives the number of alerts removed. */
  retain(retention: Retention): Promise<number>;
  totals(): { readonly groups: number; readonly series: number };
  close(): Promise<void>;
}

const MINUTE = 60_000_000;
const HOUR = 60 * MINUTE;
/** More kinds of alert than this from one rule go into one group: a program that invents names must not fill the memory. */
const FINGERPRINTS_PER_RULE = 500;
const SERIES_PER_FINGERPRINT = 2000;
/** Alerts stored in one transaction. */
const BATCH = 2000;
/** How long a request may read alerts one by one, in milliseconds. */
const READING_TIME = 1500;
/** As many matches as this are looked up by id; more are met soon enough when reading by time. */
const FEW = 20_000;

/** Reads the state of groups and series, and gives the store. One store per database. */
export async function openStore(sql: Sql, options: { now?: () => number } = {}): Promise<Store> {
  const now = options.now ?? (() => Date.now() * 1000);
  const groups = new Map<number, Group>();
  const series = new Map<number, Series>();
  const seriesByKey = new Map<string, Series>();
  const fingerprints = new Map<string, Fingerprint>();
  const fingerprintById = new Map<number, Fingerprint>();
  const perRule = new Map<string, number>();
  const perFingerprint = new Map<number, number>();
  const listeners = new Set<(added: readonly StoredAlert[]) => void>();
  /** Rises with everything that changes what a count gives. */
  let revision = 0;

  const bump = <K>(map: Map<K, number>, key: K): void => void map.set(key, (map.get(key) ?? 0) + 1);

  function addFingerprint(print: Fingerprint, rule: string): void {
    fingerprints.set(print.key, print);
    fingerprintById.set(print.id, print);
    bump(perRule, rule);
  }
  function addSeries(one: Series, key: string): void {
    series.set(one.id, one);
    seriesByKey.set(key, one);
    bump(perFingerprint, one.fingerprint);
  }

  async function load(): Promise<void> {
    for (const map of [groups, series, seriesByKey, fingerprints, fingerprintById, perRule, perFingerprint])
      map.clear();
    for (const row of await sql.all('SELECT * FROM groups')) {
      const id = row.id as number;
      groups.set(id, {
        id,
        rule: row.rule as string,
        source: row.source as string,
        priority: row.priority as number,
        title: row.title as string,
        state: row.state as State,
        mutedUntil: row.muted_until as number | null,
        muteCount: row.mute_count as number | null,
        assignee: row.assignee as string | null,
        firstSeen: row.first_seen as number,
        lastSeen: row.last_seen as number,
        count: row.count as number,
        reopened: row.reopened as number | null,
        sample: row.sample as string,
      });
    }
    for (const row of await sql.all('SELECT id, key, group_id, dictionary FROM fingerprints')) {
      const key = row.key as string;
      addFingerprint(
        {
          id: row.id as number,
          key,
          group: row.group_id as number,
          dictionary: row.dictionary as Uint8Array,
        },
        (JSON.parse(key) as string[])[0] as string,
      );
    }
    for (const row of await sql.all('SELECT * FROM series')) {
      addSeries(
        {
          id: row.id as number,
          fingerprint: row.fingerprint_id as number,
          group: row.group_id as number,
          rule: row.rule as string,
          source: row.source as string,
          priority: row.priority as number,
          tags: JSON.parse(row.tags as string) as string[],
          host: row.host as string,
          namespace: row.namespace as string,
          workload: row.workload as string,
          image: row.image as string,
        },
        row.key as string,
      );
    }
    revision++;
  }
  await load();

  // Writing is one thing after another; readers do not wait for it.
  let tail: Promise<unknown> = Promise.resolve();
  function exclusive<T>(work: (writer: Writer) => Promise<T>): Promise<T> {
    const result = tail.then(async () => {
      try {
        return await sql.transaction(work);
      } catch (error) {
        await load();
        throw error;
      }
    });
    tail = result.catch(() => {});
    return result;
  }

  async function insert(writer: Writer, statement: string, ...values: Parameters<Writer['run']>[1][]): Promise<number> {
    const [row] = await writer.all<{ id: number }>(`${statement} RETURNING id`, ...values);
    return (row as { id: number }).id;
  }

  async function insertGroup(writer: Writer, group: Omit<Group, 'id'>): Promise<Group> {
    const id = await insert(
      writer,
      `INSERT INTO groups(rule, source, priority, title, state, muted_until, mute_count, assignee, first_seen, last_seen, count, reopened, sample)
       VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)`,
      group.rule,
      group.source,
      group.priority,
      group.title,
      group.state,
      group.mutedUntil,
      group.muteCount,
      group.assignee,
      group.firstSeen,
      group.lastSeen,
      group.count,
      group.reopened,
      group.sample,
    );
    const made = { ...group, id };
    groups.set(id, made);
    return made;
  }

  async function fingerprintFor(writer: Writer, { alert, text }: Incoming): Promise<Fingerprint> {
    let key = fingerprint(alert);
    const known = fingerprints.get(key);
    if (known !== undefined) return known;
    if ((perRule.get(alert.rule) ?? 0) >= FINGERPRINTS_PER_RULE) {
      key = JSON.stringify([alert.rule, alert.source, 'others']);
      const others = fingerprints.get(key);
      if (others !== undefined) return others;
    }
    const group = await insertGroup(writer, {
      rule: alert.rule,
      source: alert.source,
      priority: alert.priority,
      title: titleOf(alert.output),
      state: 'open',
      mutedUntil: null,
      muteCount: null,
      assignee: null,
      firstSeen: alert.time,
      lastSeen: alert.time,
      count: 0,
      reopened: null,
      sample: '',
    });
    const dictionary = dictionaryOf(text);
    const id = await insert(
      writer,
      'INSERT INTO fingerprints(key, group_id, dictionary) VALUES(?,?,?)',
      key,
      group.id,
      dictionary,
    );
    const print = { id, key, group: group.id, dictionary };
    addFingerprint(print, alert.rule);
    return print;
  }

  async function seriesFor(writer: Writer, incoming: Incoming): Promise<Series> {
    const { alert } = incoming;
    const print = await fingerprintFor(writer, incoming);
    const crowded = (perFingerprint.get(print.id) ?? 0) >= SERIES_PER_FINGERPRINT;
    const place = crowded ? { host: '', namespace: '', workload: '', image: '' } : placeOf(alert);
    const { host, namespace, workload, image } = place;
    const key = JSON.stringify([print.key, alert.priority, alert.tags, host, namespace, workload, image]);
    const known = seriesByKey.get(key);
    if (known !== undefined) return known;
    const id = await insert(
      writer,
      `INSERT INTO series(key, fingerprint_id, group_id, rule, source, priority, tags, host, namespace, workload, image)
       VALUES(?,?,?,?,?,?,?,?,?,?,?)`,
      key,
      print.id,
      print.group,
      alert.rule,
      alert.source,
      alert.priority,
      JSON.stringify(alert.tags),
      host,
      namespace,
      workload,
      image,
    );
    const one: Series = {
      id,
      fingerprint: print.id,
      group: print.group,
      rule: alert.rule,
      source: alert.source,
      priority: alert.priority,
      tags: alert.tags,
      ...place,
    };
    addSeries(one, key);
    return one;
  }

  async function saveGroup(writer: Writer, group: Group): Promise<void> {
    await writer.run(
      `UPDATE groups SET priority=?, state=?, muted_until=?, mute_count=?, assignee=?, first_seen=?, last_seen=?, count=?, reopened=?, sample=?
       WHERE id=?`,
      group.priority,
      group.state,
      group.mutedUntil,
      group.muteCount,
      group.assignee,
      group.firstSeen,
      group.lastSeen,
      group.count,
      group.reopened,
      group.sample,
      group.id,
    );
  }

  const note = (writer: Pick<Writer, 'run'>, who: string, action: string, group: number | null, detail: string) =>
    writer.run(
      'INSERT INTO history(time, who, action, group_id, detail) VALUES(?,?,?,?,?)',
      now(),
      who,
      action,
      group,
      detail,
    );

  /** A resolved group that is seen again is open again; a mute ends by time or by count. */
  async function wake(writer: Writer, group: Group): Promise<void> {
    if (group.state === 'resolved') {
      group.state = 'open';
      group.reopened = now();
      await note(writer, 'windhover', 'regression', group.id, 'seen again after it was resolved');
    } else if (group.state === 'muted') {
      const over = group.mutedUntil !== null && group.mutedUntil <= now();
      const loud = group.muteCount !== null && group.count >= group.muteCount;
      if (!over && !loud) return;
      group.state = 'open';
      group.mutedUntil = null;
      group.muteCount = null;
      await note(
        writer,
        'windhover',
        'unmute',
        group.id,
        over ? 'the time is over' : 'the number of alerts is reached',
      );
    }
  }

  async function store(
    writer: Writer,
    batch: readonly Incoming[],
  ): Promise<{ ids: (number | null)[]; added: StoredAlert[] }> {
    const rows: AlertRow[] = [];
    const owners: Series[] = [];
    for (const incoming of batch) {
      const one = await seriesFor(writer, incoming);
      const print = fingerprintById.get(one.fingerprint) as Fingerprint;
      owners.push(one);
      rows.push({
        time: incoming.alert.time,
        series: one.id,
        uid: uidOf(incoming.alert),
        body: pack(incoming.text, print.dictionary),
        terms: termsOf(incoming.alert),
      });
    }
    const ids = await writer.insertAlerts(rows);
    const added: StoredAlert[] = [];
    const minutes = new Map<string, number>();
    const hours = new Map<string, number>();
    const touched = new Set<Group>();
    for (const [i, id] of ids.entries()) {
      if (id === null) continue;
      const { alert, text } = batch[i] as Incoming;
      const one = owners[i] as Series;
      const group = groups.get(one.group) as Group;
      bump(minutes, `${Math.floor(alert.time / MINUTE)} ${one.id}`);
      bump(hours, `${Math.floor(alert.time / HOUR)} ${one.id}`);
      group.count++;
      group.priority = Math.min(group.priority, alert.priority);
      group.firstSeen = Math.min(group.firstSeen, alert.time);
      if (alert.time >= group.lastSeen) {
        group.lastSeen = alert.time;
        group.sample = text.length > 65_536 ? '' : text;
      }
      touched.add(group);
      added.push({ id, text, alert, series: one, uid: String((rows[i] as AlertRow).uid) });
    }
    for (const group of touched) {
      await wake(writer, group);
      await saveGroup(writer, group);
    }
    for (const [table, column, counts] of [
      ['counts', 'minute', minutes],
      ['hours', 'hour', hours],
    ] as const) {
      for (const [key, n] of counts) {
        const [at, id] = key.split(' ');
        await writer.run(
          `INSERT INTO ${table}(${column}, series_id, n) VALUES(?,?,?) ON CONFLICT(${column}, series_id) DO UPDATE SET n = ${table}.n + excluded.n`,
          Number(at),
          Number(id),
          n,
        );
      }
    }
    return { ids, added };
  }

  // Alerts that arrive while a transaction runs are stored together in the next one.
  const waiting: {
    incoming: readonly Incoming[];
    done: (ids: (number | null)[]) => void;
    failed: (e: unknown) => void;
  }[] = [];
  let draining = false;
  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      const taken: typeof waiting = [];
      let size = 0;
      while (waiting.length > 0 && (size === 0 || size + (waiting[0]?.incoming.length ?? 0) <= BATCH)) {
        const next = waiting.shift() as (typeof waiting)[number];
        size += next.incoming.length;
        taken.push(next);
      }
      try {
        const { ids, added } = await exclusive((writer) =>
          store(
            writer,
            taken.flatMap((t) => t.incoming),
          ),
        );
        revision++;
        let at = 0;
        for (const t of taken) t.done(ids.slice(at, (at += t.incoming.length)));
        if (added.length > 0) for (const listener of listeners) listener(added);
      } catch (error) {
        for (const t of taken) t.failed(error);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    draining = false;
  }
  function enqueue(incoming: readonly Incoming[]): Promise<(number | null)[]> {
    return new Promise((done, failed) => {
      waiting.push({ incoming, done, failed });
      if (draining) return;
      draining = true;
      void drain();
    });
  }

  function read(row: Row): StoredAlert {
    const one = series.get(row.series_id as number) as Series;
    const print = fingerprintById.get(one.fingerprint) as Fingerprint;
    const text = unpack(row.body as Uint8Array, print.dictionary);
    return { id: row.id as number, text, alert: readAlert(text).alert, series: one, uid: String(row.uid) };
  }

  // --- reading -----------------------------------------------------------------------------------------------

  /** Series that a filter says the same of: all alerts match, or those that the rest of the query accepts. */
  interface Part {
    readonly ids: number[];
    readonly verdict: Verdict;
  }

  function partsOf(filter: Filter): Part[] {
    const parts = new Map<string, Part>();
    for (const one of series.values()) {
      if (filter.group !== undefined && one.group !== filter.group) continue;
      if (filter.states !== undefined && !filter.states.includes((groups.get(one.group) as Group).state)) continue;
      const verdict = filter.query ? filter.query.decide(one) : YES;
      if (verdict.result === false) continue;
      const part = parts.get(verdict.key);
      if (part === undefined) parts.set(verdict.key, { ids: [one.id], verdict });
      else part.ids.push(one.id);
    }
    return [...parts.values()];
  }

  /** `series_id IN (…)`; nothing when these are all series. The ids are our own integers. */
  const among = (ids: readonly number[], column: string): string =>
    ids.length === series.size ? '1=1' : `${column} IN (${ids.join(',')})`;

  async function counted(ids: readonly number[], filter: Filter): Promise<number> {
    const [row] = await sql.search<{ n: number | null }>(
      `SELECT sum(n) AS n FROM hours WHERE hour >= ? AND hour <= ? AND ${among(ids, 'series_id')}`,
      Math.floor(filter.from / HOUR),
      Math.floor(filter.to / HOUR),
    );
    return Number(row?.n ?? 0);
  }

  async function matches(need: Need): Promise<number> {
    const { sql: select, value } = sql.matching(need);
    const [row] = await sql.search<{ n: number }>(`SELECT count(*) AS n FROM (${select} LIMIT ${FEW + 1}) m`, value);
    return (row as { n: number }).n;
  }

  /**
   * Alerts that may match, the latest first, page by page. Where few match, they are found by their index and
   * sorted; where many do, reading backwards in time meets them soon (a `+` keeps a column from its index).
   */
  async function* candidates(
    filter: Filter,
    parts: readonly Part[],
    pageSize: number,
    before?: Cursor,
  ): AsyncGenerator<StoredAlert[]> {
    if (parts.length === 0) return;
    let expected = 0;
    for (const { ids, verdict } of parts) {
      expected += Math.min(await counted(ids, filter), verdict.need === null ? Infinity : await matches(verdict.need));
    }
    const [last] = await sql.all<{ n: number | null }>('SELECT max(id) - min(id) AS n FROM alerts');
    const byTime = expected * 50 > (last?.n ?? 0);
    const [plusTime, plusOther] = byTime ? ['', '+'] : ['+', ''];
    const values: string[] = [];
    const either = parts.map(({ ids, verdict }) => {
      if (verdict.need === null) return among(ids, `${plusOther}series_id`);
      const { sql: select, value } = sql.matching(verdict.need);
      values.push(value);
      // By index, the terms are what narrows; the series are then only looked at.
      return `(${among(ids, '+series_id')} AND ${plusOther}id IN (${select}))`;
    });
    let cursor = before ?? { time: filter.to, id: 0 };
    for (;;) {
      const rows: Row[] = await sql.search(
        `SELECT id, time, series_id, uid_text AS uid, body FROM (SELECT id, time, series_id, CAST(uid AS TEXT) AS uid_text, body FROM alerts
         WHERE ${plusTime}time >= ? AND ${plusTime}time <= ? AND (time < ? OR id < ?) AND (${either.join(' OR ')})
         ORDER BY ${plusTime}time DESC, id DESC LIMIT ${pageSize}) page`,
        filter.from,
        cursor.time,
        cursor.time,
        cursor.id,
        ...values,
      );
      if (rows.length === 0) return;
      yield rows.map(read);
      if (rows.length < pageSize) return;
      const end = rows.at(-1) as Row;
      cursor = { time: end.time as number, id: end.id as number };
    }
  }

  const accepts = (filter: Filter, found: StoredAlert): boolean => {
    const verdict = filter.query ? filter.query.decide(found.series) : YES;
    return (
      verdict.result === true || (verdict.result === null && (filter.query as Query).test(found.alert, found.series))
    );
  };

  async function alerts(filter: Filter, limit: number, before?: Cursor): Promise<AlertPage> {
    const deadline = performance.now() + READING_TIME;
    const found: StoredAlert[] = [];
    let next: Cursor | null = null;
    for await (const page of candidates(filter, partsOf(filter), Math.min(500, Math.max(50, limit + 1)), before)) {
      for (const one of page) {
        if (!accepts(filter, one)) continue;
        if (found.length === limit) return { alerts: found, next, stopped: false };
        found.push(one);
        next = { time: one.alert.time, id: one.id };
      }
      if (performance.now() > deadline) {
        const end = page.at(-1) as StoredAlert;
        return { alerts: found, next: { time: end.alert.time, id: end.id }, stopped: true };
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    return { alerts: found, next: null, stopped: false };
  }

  /** Round widths, in minutes, that an eye can read a time from. */
  const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080];

  async function countNow(filter: Filter, buckets: number): Promise<Counts> {
    const span = Math.max(MINUTE, filter.to - filter.from) / MINUTE;
    const minutes = STEPS.find((step) => span / step <= buckets) ?? 10080;
    const step = minutes * MINUTE;
    const from = Math.floor(filter.from / step) * step;
    const to = Math.ceil(filter.to / step) * step;
    const rows: { series: Series; bucket: number; n: number }[] = [];
    const parts = partsOf(filter);
    const sure = parts.filter((part) => part.verdict.result === true).flatMap((part) => part.ids);
    if (sure.length > 0) {
      const [table, column, unit] = minutes % 60 === 0 ? ['hours', 'hour', HOUR] : ['counts', 'minute', MINUTE];
      const per = step / unit;
      const base = from / unit;
      for (const row of await sql.search<{ series_id: number; bucket: number; n: number }>(
        `SELECT series_id, (${column} - ${base}) / ${per} AS bucket, sum(n) AS n FROM ${table}
         WHERE ${column} >= ? AND ${column} < ? AND ${among(sure, 'series_id')} GROUP BY 1, 2`,
        base,
        to / unit,
      )) {
        rows.push({ series: series.get(row.series_id) as Series, bucket: row.bucket, n: Number(row.n) });
      }
    }
    let since: number | null = null;
    for (const part of parts) {
      const { ids, verdict } = part;
      if (verdict.result === true) continue;
      if (verdict.need !== null && verdict.exact) {
        const { sql: select, value } = sql.matching(verdict.need);
        const few = (await matches(verdict.need)) <= FEW;
        for (const row of await sql.search<{ series_id: number; bucket: number; n: number }>(
          `SELECT series_id, (time - ${from}) / ${step} AS bucket, count(*) AS n FROM alerts
           WHERE ${few ? '+' : ''}time >= ? AND ${few ? '+' : ''}time < ? AND ${among(ids, few ? '+series_id' : 'series_id')}
           AND ${few ? '' : '+'}id IN (${select}) GROUP BY 1, 2`,
          from,
          to,
          value,
        )) {
          rows.push({ series: series.get(row.series_id) as Series, bucket: row.bucket, n: Number(row.n) });
        }
        continue;
      }
      const seen = new Map<string, { series: Series; bucket: number; n: number }>();
      const deadline = performance.now() + READING_TIME;
      for await (const page of candidates({ ...filter, from, to }, [part], 500)) {
        for (const one of page) {
          if (!accepts(filter, one)) continue;
          const bucket = Math.floor((one.alert.time - from) / step);
          const cell = seen.get(`${one.series.id} ${bucket}`);
          if (cell === undefined) seen.set(`${one.series.id} ${bucket}`, { series: one.series, bucket, n: 1 });
          else cell.n++;
        }
        if (performance.now() > deadline) {
          since = Math.max(since ?? 0, (page.at(-1) as StoredAlert).alert.time);
          break;
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
      rows.push(...seen.values());
    }
    return { from, to, step, rows, since };
  }

  // The inbox asks for rows, facets and the histogram at once: they come from one count.
  let latest: { key: string; revision: number; counts: Promise<Counts> } | null = null;
  function count(filter: Filter, buckets: number): Promise<Counts> {
    const key = JSON.stringify([filter.from, filter.to, filter.query?.text, filter.states, filter.group, buckets]);
    if (latest !== null && latest.key === key && latest.revision === revision) return latest.counts;
    const counts = countNow(filter, buckets);
    latest = { key, revision, counts };
    counts.catch(() => {
      latest = null;
    });
    return counts;
  }

  // --- triage ------------------------------------------------------------------------------------------------

  function known(id: number): Group {
    const group = groups.get(id);
    if (group === undefined) throw new Error(`there is no group ${id}`);
    return group;
  }

  async function triage(ids: readonly number[], change: Triage, who: string): Promise<void> {
    await exclusive(async (writer) => {
      for (const id of ids) {
        const group = known(id);
        let detail = '';
        switch (change.action) {
          case 'acknowledge':
          case 'resolve':
          case 'reopen':
            group.state = ({ acknowledge: 'acknowledged', resolve: 'resolved', reopen: 'open' } as const)[
              change.action
            ];
            group.mutedUntil = null;
            group.muteCount = null;
            group.reopened = null;
            break;
          case 'mute':
            group.state = 'muted';
            group.mutedUntil = change.until;
            group.muteCount = change.count === null ? null : group.count + change.count;
            detail = JSON.stringify({ until: change.until, count: change.count });
            break;
          case 'assign':
            group.assignee = change.assignee;
            detail = change.assignee ?? '';
            break;
          case 'comment':
            detail = change.text;
        }
        await saveGroup(writer, group);
        await note(writer, who, change.action, id, detail);
      }
    });
    revision++;
  }

  async function moveSeries(writer: Writer, moved: readonly Series[], to: number): Promise<void> {
    for (const one of moved) {
      one.group = to;
      await writer.run('UPDATE series SET group_id=? WHERE id=?', to, one.id);
    }
  }

  const seriesOf = (group: number): Series[] => [...series.values()].filter((one) => one.group === group);

  async function merge(into: number, from: readonly number[], who: string): Promise<void> {
    await exclusive(async (writer) => {
      const target = known(into);
      for (const id of from) {
        if (id === into) continue;
        const group = known(id);
        await moveSeries(writer, seriesOf(id), into);
        for (const print of fingerprints.values()) if (print.group === id) print.group = into;
        await writer.run('UPDATE fingerprints SET group_id=? WHERE group_id=?', into, id);
        await writer.run('UPDATE history SET group_id=? WHERE group_id=?', into, id);
        await writer.run('DELETE FROM groups WHERE id=?', id);
        groups.delete(id);
        target.count += group.count;
        target.priority = Math.min(target.priority, group.priority);
        target.firstSeen = Math.min(target.firstSeen, group.firstSeen);
        if (group.lastSeen > target.lastSeen) {
          target.lastSeen = group.lastSeen;
          target.sample = group.sample;
        }
        await note(writer, who, 'merge', into, `group ${id}: ${group.rule}`);
      }
      await saveGroup(writer, target);
    });
    revision++;
  }

  async function split(id: number, chosen: readonly number[], who: string): Promise<number> {
    const made = await exclusive(async (writer) => {
      const group = known(id);
      const all = seriesOf(id);
      const moved = all.filter((one) => chosen.includes(one.id));
      if (moved.length === 0 || moved.length === all.length) {
        throw new Error('a split takes some of the series of a group, not none or all');
      }
      const ids = moved.map((one) => one.id).join(',');
      const [sum] = await writer.all<{ n: number | null }>(`SELECT sum(n) AS n FROM hours WHERE series_id IN (${ids})`);
      const [span] = await writer.all<{ first: number | null; last: number | null }>(
        `SELECT min(time) AS first, max(time) AS last FROM alerts WHERE series_id IN (${ids})`,
      );
      const [end] = await writer.all(
        `SELECT id, time, series_id, CAST(uid AS TEXT) AS uid, body FROM alerts WHERE series_id IN (${ids}) ORDER BY +time DESC LIMIT 1`,
      );
      const first = moved[0] as Series;
      const sample = end === undefined ? group.sample : read(end).text;
      const n = Number(sum?.n ?? 0);
      const apart = await insertGroup(writer, {
        ...group,
        rule: first.rule,
        priority: Math.min(...moved.map((one) => one.priority)),
        title: end === undefined ? group.title : titleOf(readAlert(sample).alert.output),
        count: n,
        firstSeen: Number(span?.first ?? group.firstSeen),
        lastSeen: Number(span?.last ?? group.lastSeen),
        sample,
      });
      await moveSeries(writer, moved, apart.id);
      // A fingerprint whose series all went takes its later alerts along.
      for (const print of fingerprints.values()) {
        if (print.group !== id || seriesOf(id).some((one) => one.fingerprint === print.id)) continue;
        print.group = apart.id;
        await writer.run('UPDATE fingerprints SET group_id=? WHERE id=?', apart.id, print.id);
      }
      group.count = Math.max(0, group.count - n);
      await saveGroup(writer, group);
      await note(writer, who, 'split', id, `group ${apart.id}`);
      await note(writer, who, 'split', apart.id, `from group ${id}`);
      return apart.id;
    });
    revision++;
    return made;
  }

  // --- retention ---------------------------------------------------------------------------------------------

  async function removeOldest(beforeTime: number, limit: number): Promise<number> {
    const rows = await sql.all<{ id: number }>(
      `SELECT id FROM alerts WHERE time < ? ORDER BY time LIMIT ${limit}`,
      beforeTime,
    );
    if (rows.length > 0) await exclusive((writer) => writer.deleteAlerts(rows.map((row) => row.id)));
    return rows.length;
  }

  async function retain({ maxAge, maxBytes }: Retention): Promise<number> {
    let removed = 0;
    if (maxAge !== null) {
      const oldest = now() - maxAge;
      for (let n = BATCH; n === BATCH; removed += n) n = await removeOldest(oldest, BATCH);
      await exclusive(async (writer) => {
        await writer.run('DELETE FROM counts WHERE minute < ?', Math.floor(oldest / MINUTE));
        await writer.run('DELETE FROM hours WHERE hour < ?', Math.floor(oldest / HOUR));
      });
      if (removed > 0) await sql.shrink();
    }
    if (maxBytes !== null) {
      // A tenth below the bound, so that what arrives until the next look stays within it.
      while ((await sql.size()) > maxBytes * 0.9) {
        const n = await removeOldest(Number.MAX_SAFE_INTEGER, BATCH);
        if (n === 0) break;
        removed += n;
        await sql.shrink();
      }
    }
    if (removed > 0) revision++;
    return removed;
  }

  return {
    sql,
    write: exclusive,
    ingest: async (incoming) => {
      const batches: Promise<(number | null)[]>[] = [];
      for (let i = 0; i < incoming.length; i += BATCH) batches.push(enqueue(incoming.slice(i, i + BATCH)));
      return (await Promise.all(batches)).flat();
    },
    watch: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    alert: async (id) => {
      const [row] = await sql.all(
        'SELECT id, time, series_id, CAST(uid AS TEXT) AS uid, body FROM alerts WHERE id=?',
        id,
      );
      return row === undefined ? null : read(row);
    },
    alerts,
    count,
    group: (id) => groups.get(id),
    groups: () => groups.values(),
    seriesOf,
    triage,
    merge,
    split,
    history: async (group, limit) =>
      (
        await sql.all(
          `SELECT * FROM history ${group === null ? '' : 'WHERE group_id=?'} ORDER BY id DESC LIMIT ${Math.floor(limit)}`,
          ...(group === null ? [] : [group]),
        )
      ).map((row) => ({
        id: row.id as number,
        time: row.time as number,
        who: row.who as string,
        action: row.action as string,
        group: row.group_id as number | null,
        detail: row.detail as string,
      })),
    record: async (who, action, group, detail) => {
      await exclusive((writer) => note(writer, who, action, group, detail));
    },
    retain,
    totals: () => ({ groups: groups.size, series: series.size }),
    close: async () => {
      await tail;
      await sql.close();
    },
  };
}

const YES: Verdict = { result: true, key: 'yes', need: null, exact: true };
