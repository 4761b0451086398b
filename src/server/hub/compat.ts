import { PRIORITIES } from '../../rules/ruleset.ts';
import {
  type Filter,
  memberText,
  parseLossless,
  parseQuery,
  readAlerts,
  type Series,
  type Store,
} from '../../store/index.ts';
import { VERSION } from '../../version.ts';
import { rowsOf, spliced } from './alerts.ts';
import { bodyText, type Call, Refusal, type Route } from './route.ts';

/**
 * The API of Falcosidekick-UI 2.3 under `/api/v1`, for forwarders and scripts that know it: the same paths,
 * parameters and answers. Unlike there, adding events asks for credentials (a token as the password of Basic
 * authentication, or the admin's name and password).
 */

/** "15m", "24h", "7d" → microseconds; Falcosidekick-UI's units. */
const UNITS: Readonly<Record<string, number>> = {
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
  W: 604_800,
  M: 2_592_000,
  y: 31_536_000,
};

function filterOf(call: Call): Filter {
  const given = (name: string): string[] => {
    const text = call.query(name) ?? '';
    return text === '' || text === 'null' ? [] : text.split(',').map((item) => item.trim());
  };
  const now = Date.now() * 1000;
  const [since] = given('since');
  let from = 0;
  if (since !== undefined) {
    const [, amount = '', unit = ''] = /^(\d+)(min|second|seconds|hour|hours|day|days|[smhdWMy])?$/.exec(since) ?? [];
    const seconds = UNITS[unit === 'min' ? 'm' : (unit[0] ?? 's')];
    if (amount === '' || seconds === undefined) throw new Refusal(400, `"since" is a number and a unit, as in 24h`);
    from = now - Number(amount) * seconds * 1_000_000;
  }
  const quote = (text: string) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  const terms: string[] = [];
  const priorities = given('priority').map((name) => {
    const found = PRIORITIES.find((other) => other.toLowerCase() === name.toLowerCase());
    if (found === undefined) throw new Refusal(400, `there is no priority "${name}"`);
    return found;
  });
  if (priorities.length > 0) terms.push(`priority in (${priorities.join(', ')})`);
  for (const name of ['source', 'rule', 'hostname', 'tags']) {
    const values = given(name);
    if (values.length > 0)
      terms.push(`${name} ${name === 'tags' ? 'intersects' : 'in'} (${values.map(quote).join(', ')})`);
  }
  const [words] = [call.query('filter') ?? ''];
  if (words !== '' && words !== 'null') terms.push(`output icontains ${quote(words)}`);
  return { from, to: now + 60_000_000, query: parseQuery(terms.join(' and ')) };
}

function answer(call: Call, body: unknown): Response {
  const text = call.query('pretty') === 'true' ? JSON.stringify(body, null, ' ') : JSON.stringify(body);
  return new Response(text, { headers: { 'content-type': 'application/json' } });
}

export function compatRoutes(store: Store, started: number): Route[] {
  /** Destinations that the forwarder said it sends to. */
  let outputs: string[] = [];

  const add = async (call: Call): Promise<Response> => {
    const text = (await bodyText(call.context)).trim();
    let incoming: ReturnType<typeof readAlerts>;
    try {
      incoming = readAlerts(text);
    } catch (error) {
      throw new Refusal(400, (error as Error).message);
    }
    await store.ingest(incoming);
    if (text.startsWith('{') && incoming.length === 1 && incoming[0]?.text !== text) {
      const list = parseLossless(memberText(text, 'outputs') ?? '[]');
      if (Array.isArray(list)) outputs = list.map(String).slice(0, 200);
    }
    return answer(call, '{}');
  };

  const total = async (call: Call): Promise<Map<Series, number>> => {
    const counts = await store.count(filterOf(call), 120);
    const perSeries = new Map<Series, number>();
    for (const { series, n } of counts.rows) perSeries.set(series, (perSeries.get(series) ?? 0) + n);
    return perSeries;
  };
  const sum = (counts: Iterable<number>): number => [...counts].reduce((a, b) => a + b, 0);

  const GROUPINGS: Readonly<Record<string, (series: Series) => readonly string[]>> = {
    priority: (series) => [(PRIORITIES[series.priority] as string).toLowerCase()],
    rule: (series) => [series.rule],
    source: (series) => [series.source],
    tags: (series) => series.tags,
    hostname: (series) => (series.host === '' ? [] : [series.host]),
  };

  const configuration = async (call: Call) =>
    answer(call, { listenaddress: '', listenport: 0, displaymode: 'light', ttl: 0 });
  const healthy = async (call: Call) => {
    await store.sql.all('SELECT 1 AS ok');
    return answer(call, { status: 'ok' });
  };

  return [
    { method: 'GET', path: '/api/v1/healthz', access: 'open', handle: healthy },
    { method: 'GET', path: '/api/v1/health', access: 'open', handle: healthy },
    { method: 'GET', path: '/healthz', access: 'open', handle: healthy },
    { method: 'POST', path: '/', access: 'ingest', handle: add },
    { method: 'POST', path: '/api/v1', access: 'ingest', handle: add },
    { method: 'POST', path: '/api/v1/', access: 'ingest', handle: add },
    { method: 'POST', path: '/api/v1/events/add', access: 'ingest', handle: add },
    { method: 'POST', path: '/api/v1/auth', access: 'viewer', handle: async (call) => answer(call, '{}') },
    { method: 'POST', path: '/api/v1/authenticate', access: 'viewer', handle: async (call) => answer(call, '{}') },
    { method: 'GET', path: '/api/v1/config', access: 'viewer', handle: configuration },
    { method: 'GET', path: '/api/v1/configuration', access: 'viewer', handle: configuration },
    {
      method: 'GET',
      path: '/api/v1/version',
      access: 'viewer',
      handle: async (call) => answer(call, { version: VERSION, started: new Date(started).toISOString() }),
    },
    { method: 'GET', path: '/api/v1/outputs', access: 'viewer', handle: async (call) => answer(call, outputs) },
    {
      method: 'GET',
      path: '/api/v1/events/count',
      access: 'viewer',
      handle: async (call) => answer(call, { statistics: { all: sum((await total(call)).values()) } }),
    },
    {
      method: 'GET',
      path: '/api/v1/events/count/:groupby',
      access: 'viewer',
      handle: async (call) => {
        const values = GROUPINGS[call.param('groupby')];
        if (values === undefined) throw new Refusal(400, `events are counted by ${Object.keys(GROUPINGS).join(', ')}`);
        const perSeries = await total(call);
        const results = new Map<string, number>();
        for (const [series, n] of perSeries) {
          for (const value of values(series)) results.set(value, (results.get(value) ?? 0) + n);
        }
        return answer(call, {
          results: Object.fromEntries(results),
          statistics: { distincts: results.size, all: sum(perSeries.values()) },
        });
      },
    },
    {
      method: 'GET',
      path: '/api/v1/events/search',
      access: 'viewer',
      handle: async (call) => {
        const filter = filterOf(call);
        const limit = Math.min(10_000, Math.max(1, Number(call.query('limit') ?? 100) || 100));
        const pageNumber = Math.max(1, Number(call.query('page') ?? 1) || 1);
        let before: { time: number; id: number } | undefined;
        let page = await store.alerts(filter, limit);
        for (let i = 1; i < pageNumber; i++) {
          if (page.next === null)
            return answer(call, { results: [], statistics: { returned: 0, all: sum((await total(call)).values()) } });
          before = page.next;
          page = await store.alerts(filter, limit, before);
        }
        const { rows, texts } = rowsOf(page.alerts);
        const body = {
          results: rows.map((row) => (row as { alert: string }).alert),
          statistics: { returned: rows.length, all: sum((await total(call)).values()) },
        };
        return spliced(body, texts);
      },
    },
  ];
}
