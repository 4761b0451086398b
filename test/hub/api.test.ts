import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AlertList, GroupDetail, Inbox, TokenRole } from '../../src/server/api.ts';
import { createHub, type Hub } from '../../src/server/hub/index.ts';
import { openPostgres, openSqlite, openStore, parseLossless, type Store } from '../../src/store/index.ts';
import { makeAlerts } from '../alerts/generate.ts';
import { type Database, postgresPrograms, startPostgres } from './database.ts';

const PASSWORD = 'a long first password';
const DAY = 86_400_000;

interface Harness {
  hub: Hub;
  store: Store;
  close(): Promise<void>;
}

let postgres: Database | null = null;
let databases = 0;
const programs = postgresPrograms();
beforeAll(async () => {
  if (programs !== null) postgres = await startPostgres(programs);
}, 60_000);
afterAll(() => postgres?.stop());

async function start(kind: 'sqlite' | 'postgres', clock?: () => number): Promise<Harness> {
  const directory = mkdtempSync(join(tmpdir(), 'windhover-hub-'));
  const sql =
    kind === 'sqlite'
      ? openSqlite(join(directory, 'hub.db'))
      : await openPostgres(await (postgres as Database).create(`hub${++databases}`));
  const store = await openStore(sql);
  const hub = createHub({ store, directory, uiDirectory: directory, now: clock });
  await hub.ensureAdmin(PASSWORD);
  return {
    hub,
    store,
    close: async () => {
      await hub.close();
      await store.close();
      rmSync(directory, { recursive: true });
    },
  };
}

const basic = `Basic ${Buffer.from(`admin:${PASSWORD}`).toString('base64')}`;

async function call(hub: Hub, method: string, path: string, body?: unknown, authorization: string | null = basic) {
  const request = new Request(`http://hub${path}`, {
    method,
    headers: {
      ...(authorization === null ? {} : { authorization }),
      ...(body === undefined || typeof body === 'string' ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return hub.fetch(request);
}

async function get<T>(hub: Hub, path: string): Promise<T> {
  const response = await call(hub, 'GET', path);
  expect(response.status, await response.clone().text()).toBe(200);
  return (await response.json()) as T;
}

interface Said {
  readonly [key: string]: unknown;
}
const at = Math.floor(Date.now() / 1000) * 1000 - 3_600_000;
function alertText(change: Said = {}, fields: Said = {}, time = at): string {
  return JSON.stringify({
    hostname: 'node-1',
    output: '10:11:12.000000001: Warning A sensitive file was read | file=/etc/shadow',
    priority: 'Warning',
    rule: 'Sensitive file read',
    source: 'syscall',
    tags: ['T1555', 'mitre_credential_access'],
    time: `${new Date(time).toISOString().slice(0, -1)}000001Z`,
    output_fields: { 'proc.name': 'cat', 'proc.pname': 'bash', 'fd.name': '/etc/shadow', 'user.uid': 0, ...fields },
    ...change,
  });
}

const kinds = ['sqlite', 'postgres'] as const;

describe.each(kinds)('the hub on %s', (kind) => {
  const run = (name: string, test: (h: Harness) => Promise<void>) =>
    it(name, async (context) => {
      if (kind === 'postgres' && programs === null) return context.skip('PostgreSQL is not installed');
      const own = await start(kind);
      try {
        await test(own);
      } finally {
        await own.close();
      }
    });

  run('stores what Falco, a forwarder and a file of alerts send', async ({ hub }) => {
    expect((await call(hub, 'POST', '/api/v1/', alertText())).status).toBe(200);
    expect((await call(hub, 'POST', '/', `{"event": ${alertText()}, "outputs": ["slack", "loki"]}`)).status).toBe(200);
    const lines = await call(hub, 'POST', '/api/ingest', `${alertText()}\n\n${alertText()}\n`);
    expect(await lines.json()).toEqual({ accepted: 2, duplicates: 0 });
    const array = await call(hub, 'POST', '/api/ingest', `[${alertText()}, ${alertText()}]`);
    expect(await array.json()).toEqual({ accepted: 2, duplicates: 0 });
    const packed = await hub.fetch(
      new Request('http://hub/api/ingest', {
        method: 'POST',
        headers: { authorization: basic, 'content-encoding': 'gzip' },
        body: gzipSync(alertText()),
      }),
    );
    expect(await packed.json()).toEqual({ accepted: 1, duplicates: 0 });
    expect((await get<AlertList>(hub, '/api/alerts')).alerts).toHaveLength(7);
    expect(await get(hub, '/api/v1/outputs')).toEqual(['slack', 'loki']);
  });

  run('stores an alert with a uuid once, however often it is sent', async ({ hub }) => {
    const text = alertText({ uuid: '0b9e9a6a-6f3a-4d4c-9c1c-0a1b2c3d4e5f' });
    await call(hub, 'POST', '/api/ingest', text);
    const again = await call(hub, 'POST', '/api/ingest', `[${text},${text}]`);
    expect(await again.json()).toEqual({ accepted: 2, duplicates: 2 });
    const inbox = await get<Inbox>(hub, '/api/inbox');
    expect(inbox.alertCount).toBe(1);
    expect(inbox.groups[0]?.total).toBe(1);
  });

  run('refuses what is no alert, and stores nothing of it', async ({ hub }) => {
    for (const [body, reason] of [
      ['{', /not JSON/],
      ['[1]', /JSON object/],
      ['{"priority":"Debug"}', /"rule"/],
      ['{"rule":"x","priority":"Loud"}', /"priority" is one of Emergency/],
      ['{"rule":"x","priority":"Debug","time":"yesterday"}', /"time"/],
      [`${alertText()}\n{"rule":1}`, /line 2/],
    ] as const) {
      const response = await call(hub, 'POST', '/api/ingest', body);
      expect(response.status).toBe(400);
      expect(((await response.json()) as { error: string }).error).toMatch(reason);
    }
    expect((await get<Inbox>(hub, '/api/inbox')).alertCount).toBe(0);
  });

  run('keeps an alert byte for byte: long integers, every script, control characters, a megabyte', async ({ hub }) => {
    const hostile = [
      alertText({}, { 'evt.time': 1 }).replace('"evt.time":1', '"evt.time":1767366245123456789'),
      alertText({ output: 'résumé.txt 🦅 \u202e\u200fevil\u202c' }, { 'fd.name': '/tmp/é\u0000\u001b[31m\r\n🦅' }),
      alertText({ rule: '<script>alert(1)</script>', hostname: '"><img src=x onerror=alert(1)>' }),
      alertText({ output: `start ${'A'.repeat(1_000_000)} end` }),
      alertText({}, { __proto__x: 1 }).replace('__proto__x', '__proto__'),
      '{ "rule" : "spaces",\t"priority":"debug" , "output_fields": {"a.b": -9223372036854775808, "c.d": 1.0, "e.f": "\\ud800"} }',
      alertText({ rule: 'null and <NA>' }, { 'proc.name': null, 'proc.pname': '<NA>' }),
    ];
    for (const text of hostile) {
      expect((await call(hub, 'POST', '/api/ingest', text)).status, text.slice(0, 200)).toBe(200);
    }
    const list = await (await call(hub, 'GET', '/api/alerts?from=0')).text();
    for (const text of hostile) expect(list).toContain(text);
    expect(() => JSON.parse(list)).not.toThrow();
    const exported = await (await call(hub, 'GET', '/api/export?format=jsonl&from=0')).text();
    for (const text of hostile) expect(exported).toContain(text);
    const found = await get<AlertList>(hub, '/api/alerts?from=0&q=evt.time=1767366245123456789');
    expect(found.alerts).toHaveLength(1);
  });

  run('answers queries in the language of conditions', async ({ hub }) => {
    await call(
      hub,
      'POST',
      '/api/ingest',
      [
        alertText({}, { 'proc.name': 'cat', 'fd.name': '/etc/shadow' }),
        alertText(
          { hostname: 'node-2' },
          { 'proc.name': 'grep', 'fd.name': '/etc/pam.d/su', 'proc.cmdline': 'grep -r x /etc/pam.d' },
        ),
        alertText(
          { rule: 'Connection', priority: 'Critical', tags: ['network'] },
          { 'fd.name': '10.0.0.7:4444', 'fd.sip': '10.0.0.7', 'fd.sport': 4444 },
        ),
        alertText(
          { rule: 'In a pod' },
          {
            'k8s.ns.name': 'shop',
            'k8s.pod.name': 'cart-7f9c6d5b4d-qz4wn',
            'container.image.repository': 'r/cart',
            'proc.pid': 77,
          },
        ),
      ].join('\n'),
    );
    const expected: Record<string, number> = {
      'rule = "Sensitive file read"': 2,
      'priority = Critical': 1,
      'priority in (Critical, Warning)': 4,
      'not priority = Critical': 3,
      'proc.name = cat': 3,
      'proc.name in (cat, grep) and host = node-2': 1,
      'proc.name != cat': 1,
      'proc.cmdline exists': 1,
      'proc.cmdline contains pam.d': 1,
      'fd.name startswith /etc': 3,
      'fd.name glob "/etc/*.d/*"': 1,
      'fd.name regex "/etc/s[h]adow"': 2,
      'fd.name pmatch (/etc/pam.d)': 1,
      'fd.sip in ("10.0.0.0/8")': 1,
      'fd.sport > 4000 and fd.sport <= 4444': 1,
      'proc.pid = 77': 1,
      'namespace = shop and workload = cart': 1,
      'k8s.ns.name startswith sh': 1,
      'image exists': 1,
      'tags intersects (network)': 1,
      'tags in (network, T1555)': 1,
      'rule icontains "FILE" or proc.pid = 77': 3,
      'toupper(proc.name) = GREP': 1,
      'rule = "Connection" or (host = node-2 and proc.name = grep)': 2,
      sensitive: 4,
      'shadow node-2': 1,
      'text = "pam"': 0,
      'text = "connection"': 1,
      'output contains "sensitive file"': 4,
      'rule = none': 0,
    };
    for (const [query, n] of Object.entries(expected)) {
      const q = encodeURIComponent(query);
      const list = await get<AlertList>(hub, `/api/alerts?q=${q}`);
      const inbox = await get<Inbox>(hub, `/api/inbox?q=${q}`);
      expect([query, list.alerts.length, inbox.alertCount]).toEqual([query, n, n]);
    }
    for (const [query, offset] of [
      ['rule =', 6],
      ['proc.name = cat and', 19],
      ['open_write and rule = x', 0],
      ['proc.name in (lists', 13],
    ] as const) {
      const response = await call(hub, 'GET', `/api/alerts?q=${encodeURIComponent(query)}`);
      expect(response.status).toBe(400);
      const body = (await response.json()) as { error: string; offset: number };
      expect(Math.abs(body.offset - offset), `${query}: ${JSON.stringify(body)}`).toBeLessThanOrEqual(6);
    }
  });

  run('pages through a list without gap or repetition, and counts what it lists', async ({ hub, store }) => {
    const end = Math.floor(Date.now() / 1000);
    const texts = [...makeAlerts(7, 1200, end - 7200, end)].map((made) => made.text);
    await call(hub, 'POST', '/api/ingest', texts.join('\n'));
    for (const q of ['', 'priority = Notice', 'proc.name = grep', 'proc.cmdline contains "-r"']) {
      const seen = new Set<number>();
      let before = '';
      let last = Infinity;
      do {
        const page = await get<AlertList>(hub, `/api/alerts?limit=97&before=${before}&q=${encodeURIComponent(q)}`);
        for (const { id, time } of page.alerts) {
          expect(seen.has(id)).toBe(false);
          expect(time).toBeLessThanOrEqual(last);
          seen.add(id);
          last = time;
        }
        before = page.next ?? '';
      } while (before !== '');
      const inbox = await get<Inbox>(hub, `/api/inbox?q=${encodeURIComponent(q)}`);
      expect(inbox.alertCount).toBe(seen.size);
      expect(inbox.groups.reduce((sum, group) => sum + group.count, 0)).toBe(seen.size);
      expect(inbox.facets.priority.reduce((sum, one) => sum + one.n, 0)).toBe(seen.size);
      expect(inbox.histogram.counts.flat().reduce((a, b) => a + b, 0)).toBe(seen.size);
      if (q === '') expect(seen.size).toBe(1200);
    }
    expect(store.totals().groups).toBeLessThan(60);
  });

  run('groups alerts that differ in made-up names only', async ({ hub }) => {
    const lines = Array.from({ length: 50 }, (_, i) =>
      alertText({}, { 'proc.name': `worker${i}`, 'proc.pname': `tmp.Xq${i}bc9dz`, 'proc.pid': i }),
    );
    lines.push(alertText({}, { 'proc.name': 'other' }));
    await call(hub, 'POST', '/api/ingest', lines.join('\n'));
    const inbox = await get<Inbox>(hub, '/api/inbox?sort=count');
    expect(inbox.groups.map((group) => group.count)).toEqual([50, 1]);
  });

  run('triage: states, mute by time and by count, regression, comments, who did it', async ({ hub, store }) => {
    await call(hub, 'POST', '/api/ingest', alertText());
    const [group] = (await get<Inbox>(hub, '/api/inbox')).groups;
    const id = (group as { id: number }).id;
    const act = async (body: object) =>
      expect((await call(hub, 'POST', '/api/triage', { groups: [id], ...body })).status).toBe(204);
    const state = async () => (await get<GroupDetail>(hub, `/api/groups/${id}`)).group.state;
    await act({ action: 'acknowledge' });
    expect(await state()).toBe('acknowledged');
    expect((await get<Inbox>(hub, '/api/inbox?state=open')).groupCount).toBe(0);
    expect((await get<Inbox>(hub, '/api/inbox?state=open')).states.acknowledged).toBe(1);
    await act({ action: 'mute', until: Date.now() + DAY, count: 2 });
    await call(hub, 'POST', '/api/ingest', alertText());
    expect(await state()).toBe('muted');
    await call(hub, 'POST', '/api/ingest', alertText());
    expect(await state()).toBe('open');
    await act({ action: 'mute', until: Date.now() - 1, count: null });
    await call(hub, 'POST', '/api/ingest', alertText());
    expect(await state()).toBe('open');
    await act({ action: 'resolve' });
    await call(hub, 'POST', '/api/ingest', alertText());
    const detail = await get<GroupDetail>(hub, `/api/groups/${id}`);
    expect(detail.group.state).toBe('open');
    expect(detail.group.reopened).not.toBeNull();
    await act({ action: 'assign', assignee: 'ana' });
    await act({ action: 'comment', text: 'seen before <b>é</b>' });
    const { history } = await get<GroupDetail>(hub, `/api/groups/${id}`);
    expect(history.map((one) => one.action)).toEqual([
      'comment',
      'assign',
      'regression',
      'resolve',
      'unmute',
      'mute',
      'unmute',
      'mute',
      'acknowledge',
    ]);
    expect(history[0]).toMatchObject({ who: 'admin', detail: 'seen before <b>é</b>' });
    expect(store.group(id)?.assignee).toBe('ana');
    expect((await call(hub, 'POST', '/api/triage', { groups: [99], action: 'resolve' })).status).toBe(404);
    expect((await call(hub, 'POST', '/api/triage', { groups: [id], action: 'explode' })).status).toBe(400);
  });

  run('merges groups and splits them, for later alerts too', async ({ hub }) => {
    const send = (name: string, host: string) =>
      call(hub, 'POST', '/api/ingest', alertText({ hostname: host }, { 'proc.name': name }));
    await send('cat', 'node-1');
    await send('cat', 'node-2');
    await send('less', 'node-1');
    const before = await get<Inbox>(hub, '/api/inbox?sort=count');
    const [cats, less] = before.groups.map((group) => group.id) as [number, number];
    expect((await call(hub, 'POST', '/api/merge', { into: cats, from: [less] })).status).toBe(204);
    await send('less', 'node-1');
    const merged = await get<Inbox>(hub, '/api/inbox');
    expect(merged.groups.map((group) => [group.id, group.count, group.total])).toEqual([[cats, 4, 4]]);
    expect((await call(hub, 'GET', `/api/groups/${less}`)).status).toBe(404);
    const { series } = await get<GroupDetail>(hub, `/api/groups/${cats}`);
    const second = series.filter((one) => one.host === 'node-2').map((one) => one.id);
    const made = await call(hub, 'POST', '/api/split', { group: cats, series: second });
    const { group: apart } = (await made.json()) as { group: number };
    await send('cat', 'node-2');
    await send('cat', 'node-1');
    const after = await get<Inbox>(hub, '/api/inbox');
    expect(Object.fromEntries(after.groups.map((group) => [group.id, group.total]))).toEqual({ [cats]: 4, [apart]: 2 });
    expect((await call(hub, 'POST', '/api/split', { group: apart, series: second })).status).toBe(400);
  });

  run('forgets what is too old or too much, and nothing else', async ({ hub, store }) => {
    const now = Date.now();
    await call(hub, 'POST', '/api/ingest', `${alertText({}, {}, now - 10 * DAY)}\n${alertText({}, {}, now - DAY / 2)}`);
    expect(await store.retain({ maxAge: 5 * DAY * 1000, maxBytes: null })).toBe(1);
    expect((await get<AlertList>(hub, '/api/alerts?from=0')).alerts).toHaveLength(1);
    expect((await get<Inbox>(hub, '/api/inbox?from=0')).alertCount).toBe(1);
    expect((await get<AlertList>(hub, '/api/alerts?from=0&q=proc.name=cat')).alerts).toHaveLength(1);
    expect((await call(hub, 'PUT', '/api/retention', { days: 30, gigabytes: 2 })).status).toBe(204);
    expect(await get(hub, '/api/health')).toMatchObject({ retention: { days: 30, gigabytes: 2 } });
    expect((await call(hub, 'PUT', '/api/retention', { days: -1, gigabytes: null })).status).toBe(400);
  });

  run('speaks the API of Falcosidekick-UI', async ({ hub }) => {
    await call(hub, 'POST', '/api/v1/events/add', `{"event":${alertText()},"outputs":[]}`);
    await call(
      hub,
      'POST',
      '/api/v1/events/add',
      `{"event":${alertText({ priority: 'Critical', rule: 'Two, with comma', hostname: 'h2' })},"outputs":[]}`,
    );
    expect(await get(hub, '/api/v1/events/count')).toEqual({ statistics: { all: 2 } });
    expect(await get(hub, '/api/v1/events/count/priority?since=24h')).toEqual({
      results: { warning: 1, critical: 1 },
      statistics: { distincts: 2, all: 2 },
    });
    expect(await get(hub, '/api/v1/events/count/tags')).toMatchObject({ results: { T1555: 2 } });
    const found = await get<{ results: { rule: string }[]; statistics: object }>(
      hub,
      '/api/v1/events/search?limit=1&page=1&priority=critical&filter=SENSITIVE',
    );
    expect(found.results.map((one) => one.rule)).toEqual(['Two, with comma']);
    expect(found.statistics).toEqual({ returned: 1, all: 1 });
    const second = await get<{ results: object[] }>(hub, '/api/v1/events/search?limit=1&page=2');
    expect(second.results).toHaveLength(1);
    expect((await get<{ results: object[] }>(hub, '/api/v1/events/search?limit=1&page=3')).results).toHaveLength(0);
    expect((await call(hub, 'GET', '/api/v1/events/count/color')).status).toBe(400);
    expect((await call(hub, 'GET', '/api/v1/events/count?since=soon')).status).toBe(400);
    expect(await (await call(hub, 'GET', '/api/v1/healthz', undefined, null)).json()).toEqual({ status: 'ok' });
  });

  run('exports a table that no spreadsheet takes for a formula', async ({ hub }) => {
    await call(hub, 'POST', '/api/ingest', alertText({ output: '=cmd|"/C calc"!A1', rule: 'a "quoted", rule' }));
    const response = await call(hub, 'GET', '/api/export?format=csv');
    expect(response.headers.get('content-disposition')).toContain('alerts.csv');
    const text = await response.text();
    expect(text).toContain(`"'=cmd|""/C calc""!A1"`);
    expect(text).toContain('"a ""quoted"", rule"');
  });

  run('keeps recordings and says which alerts they are of', async ({ hub }) => {
    await call(hub, 'POST', '/api/ingest', alertText());
    const bytes = 'not really a recording';
    const path = `/api/captures?name=a_1.scap&host=node-1&from=${at - 1000}&to=${at + 1000}`;
    expect((await call(hub, 'POST', path, bytes)).status).toBe(200);
    const [{ id }] = (await get<AlertList>(hub, '/api/alerts')).alerts as unknown as [{ id: number }];
    const detail = await get<{ captures: { id: number; bytes: number }[] }>(hub, `/api/alerts/${id}`);
    expect(detail.captures).toMatchObject([{ name: 'a_1.scap', bytes: bytes.length }]);
    const file = await call(hub, 'GET', `/api/captures/${detail.captures[0]?.id}/file`);
    expect(await file.text()).toBe(bytes);
    for (const name of ['../../x.scap', 'x.sh', '.scap', '']) {
      expect((await call(hub, 'POST', `/api/captures?name=${encodeURIComponent(name)}&from=1&to=2`, 'x')).status).toBe(
        400,
      );
    }
  });

  run('shows what responders did and what senders report', async ({ hub }) => {
    const uuid = '0b9e9a6a-6f3a-4d4c-9c1c-0a1b2c3d4e5f';
    await call(hub, 'POST', '/api/ingest', alertText({ uuid }));
    const action = { alert: uuid, action: 'kubernetes:terminate', target: 'shop/cart-0' };
    const step = (id: string, status: string, moment: number) => ({ ...action, id, status, at: moment });
    expect((await call(hub, 'POST', '/api/actions', { ...action, status: 'done' })).status).toBe(204);
    // Of one action the latest state counts, in whatever order the reports come.
    await call(hub, 'POST', '/api/actions', [step('r/0', 'started', 2000), step('r/1', 'planned', 2000)]);
    await call(hub, 'POST', '/api/actions', [step('r/0', 'done', 3000), step('r/1', 'failed', 4000)]);
    await call(hub, 'POST', '/api/actions', [step('r/0', 'started', 2000)]);
    const [{ id }] = (await get<AlertList>(hub, '/api/alerts')).alerts as unknown as [{ id: number }];
    const { actions } = await get<{ actions: { id: string; status: string }[] }>(hub, `/api/alerts/${id}`);
    expect(actions.map((one) => [one.id, one.status]).sort()).toEqual([
      ['', 'done'],
      ['r/0', 'done'],
      ['r/1', 'failed'],
    ]);
    const undo = await call(hub, 'POST', `/api/alerts/${id}/actions`, { action: 'r/0', what: 'undo' });
    expect([undo.status, await undo.text()]).toEqual([502, expect.stringContaining('--responder')]);
    const report = { kind: 'sensor', name: 'node-1', body: { version: '1', drops: 3 } };
    await call(hub, 'POST', '/api/reports', report);
    await call(hub, 'POST', '/api/reports', report);
    expect(await get(hub, '/api/health')).toMatchObject({ reports: [report], hosts: [{ name: 'node-1' }] });
    const rule = { name: 'r', evaluations: 4, nanoseconds: 800, matches: 1 };
    for (const name of ['node-1', 'node-2'])
      await call(hub, 'POST', '/api/reports', { ...report, name, body: { rules: [rule, 'nonsense'] } });
    expect(await get(hub, '/api/health')).toMatchObject({
      rules: [{ name: 'r', evaluations: 8, nanoseconds: 1600, matches: 2 }],
    });
  });

  run('sends new alerts to who watches', async ({ hub }) => {
    const response = await call(
      hub,
      'GET',
      `/api/live?q=${encodeURIComponent('proc.name = cat and priority = Warning')}`,
    );
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const decoder = new TextDecoder();
    let text = '';
    const until = async (part: string) => {
      while (!text.includes(part)) text += decoder.decode((await reader.read()).value, { stream: true });
    };
    await until('event: ready');
    await call(hub, 'POST', '/api/ingest', alertText({}, { 'proc.name': 'other' }));
    await call(
      hub,
      'POST',
      '/api/ingest',
      alertText({ rule: 'seen\nlive' }, { 'evt.time': 1 }).replace('"evt.time":1', '"evt.time":1767366245123456789'),
    );
    await until('1767366245123456789');
    expect(text).not.toContain('"other"');
    const data = /data: (\{"alerts".*)\n/.exec(text)?.[1] as string;
    expect(parseLossless(data)).toMatchObject({ dropped: 0, alerts: [{ alert: { rule: 'seen\nlive' } }] });
    await reader.cancel();
  });

  run('saves searches, and only of its own pages', async ({ hub }) => {
    const saved = await call(hub, 'POST', '/api/searches', { name: 'critical', url: '/?q=priority%20%3D%20Critical' });
    expect(saved.status).toBe(200);
    expect(await get(hub, '/api/searches')).toMatchObject([{ name: 'critical', who: 'admin' }]);
    for (const url of ['//elsewhere/', 'https://elsewhere/', '/\\elsewhere', 'javascript:alert(1)']) {
      expect((await call(hub, 'POST', '/api/searches', { name: 'x', url })).status).toBe(400);
    }
    expect((await call(hub, 'DELETE', '/api/searches/1')).status).toBe(204);
    expect((await call(hub, 'DELETE', '/api/searches/1')).status).toBe(404);
  });

  run('remembers everything when it starts anew', async ({ hub, store }) => {
    await call(hub, 'POST', '/api/ingest', `${alertText()}\n${alertText()}`);
    const [group] = (await get<Inbox>(hub, '/api/inbox')).groups as unknown as [{ id: number }];
    await call(hub, 'POST', '/api/triage', { groups: [group.id], action: 'acknowledge' });
    const again = await openStore(store.sql);
    expect([...again.groups()]).toEqual([...store.groups()]);
    await again.ingest([]);
    expect((await again.alerts({ from: 0, to: Number.MAX_SAFE_INTEGER }, 10)).alerts).toHaveLength(2);
  });
});

it('goes on when PostgreSQL has broken its connection', { timeout: 60_000 }, async (context) => {
  if (programs === null) return context.skip('PostgreSQL is not installed');
  const { hub, store, close } = await start('postgres');
  await call(hub, 'POST', '/api/ingest', alertText());
  await store.sql.all(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  );
  await expect
    .poll(async () => (await call(hub, 'POST', '/api/ingest', alertText())).status, { timeout: 20_000 })
    .toBe(200);
  expect((await get<AlertList>(hub, '/api/alerts')).alerts.length).toBeGreaterThanOrEqual(2);
  await expect(openPostgres(`${(postgres as Database).url}/hub${databases}`)).rejects.toThrow('another hub');
  await close();
});

describe('who may do what', () => {
  const ROLES: (TokenRole | 'nobody')[] = ['nobody', 'ingest', 'viewer', 'analyst', 'admin'];
  let harness: Harness;
  const tokens = new Map<string, string | null>([['nobody', null]]);
  beforeAll(async () => {
    harness = await start('sqlite');
    await call(harness.hub, 'POST', '/api/ingest', alertText());
    for (const role of ROLES.slice(1)) {
      const made = await call(harness.hub, 'POST', '/api/tokens', { name: role, role });
      tokens.set(role, `Bearer ${((await made.json()) as { token: string }).token}`);
    }
  });
  afterAll(() => harness.close());

  it('holds for every route and role', async () => {
    const OPEN = ['/healthz', '/api/v1/healthz', '/api/v1/health', '/api/login', '/api/oidc', '/api/oidc/callback'];
    for (const { method, path, access } of harness.hub.routes) {
      expect([path, access === 'open'], 'only health and logging in are open').toEqual([path, OPEN.includes(path)]);
      for (const role of ROLES) {
        const url = path
          .replace(/:id/g, method === 'DELETE' ? '9999' : '1')
          .replace(/:name/g, 'nobody')
          .replace(/:groupby/g, 'rule');
        const body = method === 'POST' || method === 'PUT' ? 'nonsense' : undefined;
        const response = await call(harness.hub, method, url, body, tokens.get(role) ?? null);
        await response.body?.cancel();
        const allowed =
          access === 'open' ||
          (access === 'ingest' ? ['ingest', 'admin'] : ROLES.slice(ROLES.indexOf(access as TokenRole))).includes(role);
        const expected = allowed ? 'let in' : role === 'nobody' ? 401 : 403;
        const got = response.status === 401 || response.status === 403 ? response.status : 'let in';
        // Logging in is open, and refuses all the same what it is not given.
        if (path.startsWith('/api/oidc') || path === '/api/login') continue;
        expect([method, path, role, got]).toEqual([method, path, role, expected]);
      }
    }
  });

  it('knows no other paths under /api', async () => {
    expect((await call(harness.hub, 'GET', '/api/secrets')).status).toBe(404);
  });
});

describe('logging in', () => {
  const login = (hub: Hub, name: string, password: string) => call(hub, 'POST', '/api/login', { name, password }, null);

  it('gives a cookie that scripts cannot read, and takes changes only with the CSRF token', async () => {
    const { hub, close } = await start('sqlite');
    const response = await login(hub, 'admin', PASSWORD);
    const { csrf } = (await response.json()) as { csrf: string };
    const header = response.headers.get('set-cookie') as string;
    expect(header).toMatch(/HttpOnly/i);
    expect(header).toMatch(/SameSite=Lax/i);
    const cookie = header.split(';')[0] as string;
    const send = (path: string, headers: Record<string, string>) =>
      hub.fetch(
        new Request(`http://hub${path}`, { method: 'POST', headers: { cookie, ...headers }, body: alertText() }),
      );
    expect((await send('/api/ingest', {})).status).toBe(403);
    expect((await send('/api/ingest', { 'x-csrf-token': 'x'.repeat(csrf.length) })).status).toBe(403);
    expect((await send('/api/ingest', { 'x-csrf-token': csrf })).status).toBe(200);
    expect((await send('/api/logout', { 'x-csrf-token': csrf })).status).toBe(204);
    expect((await send('/api/ingest', { 'x-csrf-token': csrf })).status).toBe(401);
    await close();
  });

  it('takes no changes from pages of other sites, whatever credentials the browser adds', async () => {
    const { hub, close } = await start('sqlite');
    const send = (path: string, origin: string | null, body: string) =>
      hub.fetch(
        new Request(`http://hub${path}`, {
          method: 'POST',
          headers: { host: 'hub', authorization: basic, ...(origin === null ? {} : { origin }) },
          body,
        }),
      );
    for (const [origin, status] of [
      ['http://hub', 200],
      [null, 200],
      ['https://elsewhere.example', 403],
      ['null', 403],
    ] as const) {
      expect([origin, (await send('/api/ingest', origin, alertText())).status]).toEqual([origin, status]);
    }
    const login = JSON.stringify({ name: 'admin', password: PASSWORD });
    expect((await send('/api/login', 'https://elsewhere.example', login)).status).toBe(403);
    expect((await send('/api/login', 'http://hub', login)).status).toBe(200);
    await close();
  });

  it('makes who guesses passwords wait, longer each time', async () => {
    let now = Date.now();
    const { hub, close } = await start('sqlite', () => now);
    const statuses: number[] = [];
    for (let i = 0; i < 7; i++) statuses.push((await login(hub, 'admin', `wrong ${i}`)).status);
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429]);
    const refused = await login(hub, 'admin', PASSWORD);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
    now += 1001;
    expect((await login(hub, 'admin', 'wrong again')).status).toBe(401);
    expect((await login(hub, 'admin', PASSWORD)).headers.get('retry-after')).toBe('2');
    now += 2001;
    expect((await login(hub, 'admin', PASSWORD)).status).toBe(200);
    expect((await login(hub, 'admin', 'wrong once more')).status).toBe(401);
    await close();
  });

  it('makes up the first password, keeps one admin, and ends sessions with the password', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'windhover-hub-'));
    const store = await openStore(openSqlite(join(directory, 'hub.db')));
    const hub = createHub({ store, directory });
    const made = (await hub.ensureAdmin(null)) as string;
    expect(made.length).toBeGreaterThanOrEqual(20);
    expect(await hub.ensureAdmin(null)).toBeNull();
    const as = (password: string) => `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`;
    expect((await call(hub, 'DELETE', '/api/users/admin', undefined, as(made))).status).toBe(409);
    expect((await call(hub, 'PUT', '/api/users/admin', { role: 'viewer' }, as(made))).status).toBe(409);
    expect(
      (await call(hub, 'POST', '/api/users', { name: 'ana', password: 'short', role: 'viewer' }, as(made))).status,
    ).toBe(400);
    expect(
      (await call(hub, 'POST', '/api/users', { name: 'ana', password: 'long enough now', role: 'viewer' }, as(made)))
        .status,
    ).toBe(204);
    const cookie = ((await login(hub, 'ana', 'long enough now')).headers.get('set-cookie') as string).split(
      ';',
    )[0] as string;
    const session = () => hub.fetch(new Request('http://hub/api/session', { headers: { cookie } }));
    expect(await (await session()).json()).toMatchObject({ name: 'ana', role: 'viewer' });
    expect((await call(hub, 'PUT', '/api/users/ana', { password: 'another long one' }, as(made))).status).toBe(204);
    expect((await session()).status).toBe(401);
    const changed = await call(hub, 'POST', '/api/password', { old: made, new: 'my own long password' }, as(made));
    expect(changed.status).toBe(204);
    expect((await call(hub, 'GET', '/api/users', undefined, as(made))).status).toBe(401);
    expect((await call(hub, 'GET', '/api/users', undefined, as('my own long password'))).status).toBe(200);
    await hub.close();
    await store.close();
    rmSync(directory, { recursive: true });
  });

  it('lets nobody put its pages into a frame or run a script of elsewhere', async () => {
    const { hub, close } = await start('sqlite');
    for (const path of ['/', '/api/session', '/healthz']) {
      const response = await call(hub, 'GET', path, undefined, null);
      expect(response.headers.get('x-frame-options')).toBe('DENY');
      expect(response.headers.get('content-security-policy')).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
      expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    }
    await close();
  });
});
