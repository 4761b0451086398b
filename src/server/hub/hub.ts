import type { Server } from 'node:http';
import { serve } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import type { Store, StoredAlert } from '../../store/index.ts';
import { createAccess } from './access.ts';
import { alertRoutes, rowsOf, spliced } from './alerts.ts';
import { createCaptures } from './captures.ts';
import { compatRoutes } from './compat.ts';
import { exceptionRoutes } from './exceptions.ts';
import { createForwarders, type ForwarderAddress } from './forwarders.ts';
import { healthRoutes } from './health.ts';
import { createOidc, type OidcSettings } from './oidc.ts';
import { createPages, SECURITY_HEADERS, UI_DIRECTORY } from './page.ts';
import { createResponders, type ResponderAddress } from './responders.ts';
import { BODY_BYTES, type Call, type Caller, mayUse, problem, Refusal, type Route } from './route.ts';
import { createRuleBook } from './rules.ts';
import { createSensors } from './sensors.ts';
import { accountRoutes, readRetention, sessionRoutes, storeRoutes } from './settings.ts';
import { readTimeline } from './timeline.ts';

export interface HubOptions {
  readonly store: Store;
  /** Where recordings and backups lie. */
  readonly directory: string;
  /** Where users reach the hub; https makes cookies secure. */
  readonly publicUrl?: string | undefined;
  readonly oidc?: Omit<OidcSettings, 'publicUrl'> | undefined;
  /** Rule files that alerts are explained with and exceptions are tried against. */
  readonly ruleFiles?: readonly string[] | undefined;
  /** Where rule files that are saved in the UI are written to, for sensors of this host. */
  readonly rulesDirectory?: string | undefined;
  /** Where sensors of this host record to. */
  readonly captureDirectories?: readonly string[] | undefined;
  /** Forwarders that are asked how they are. */
  readonly forwarders?: readonly ForwarderAddress[] | undefined;
  /** Responders that are asked how they are, and to take actions back. */
  readonly responders?: readonly ResponderAddress[] | undefined;
  /** Sensors whose metrics are asked for, as http://10.0.0.1:8765. */
  readonly sensors?: readonly string[] | undefined;
  readonly uiDirectory?: string | undefined;
  /** What goes wrong inside. */
  readonly log?: ((message: string) => void) | undefined;
  readonly fetch?: typeof fetch | undefined;
  /** The clock of sessions and of waits after wrong passwords, in milliseconds. */
  readonly now?: (() => number) | undefined;
}

export interface Hub {
  readonly routes: readonly Route[];
  /** Answers a request; the same that listens on a port. */
  readonly fetch: (request: Request, env?: unknown) => Response | Promise<Response>;
  /** Makes the first admin; gives the password when it made one up. */
  ensureAdmin(password: string | null): Promise<string | null>;
  /** A token with which alerts may be brought in, made up by whoever starts the hub. */
  acceptToken(name: string, token: string): Promise<void>;
  listen(host: string, port: number): Promise<{ server: Server; port: number }>;
  close(): Promise<void>;
}

/** Between two looks of the retention, in milliseconds. */
const RETAIN_EVERY = 20_000;

/**
 * Whether a browser sends this on behalf of another site's page: it names that site as Origin. Cookies have their
 * own protection; this one also covers logging in, and credentials that a browser remembers for Basic.
 */
function isForeign(context: Context, publicUrl: string | undefined): boolean {
  const origin = context.req.header('origin');
  if (origin === undefined) return false;
  const own = [context.req.header('host'), publicUrl === undefined ? undefined : new URL(publicUrl).host];
  return !URL.canParse(origin) || !own.includes(new URL(origin).host);
}

/** The hub: everything that the store holds, over HTTP, to whoever may see it. */
export function createHub(options: HubOptions): Hub {
  const { store, directory } = options;
  const log = options.log ?? (() => {});
  const started = Date.now();
  const secureCookies = options.publicUrl?.startsWith('https:') ?? false;
  const access = createAccess(store, { secureCookies, ...(options.now === undefined ? {} : { now: options.now }) });
  const oidc =
    options.oidc === undefined || options.publicUrl === undefined
      ? null
      : createOidc({ ...options.oidc, publicUrl: options.publicUrl }, options.fetch);
  const captures = createCaptures(store, directory, options.captureDirectories);
  const forwarders = createForwarders(store, options.forwarders ?? [], options.fetch);
  const responders = createResponders(store, options.responders ?? [], options.fetch);
  const sensors = createSensors(options.sensors ?? [], options.fetch);
  const book = createRuleBook(store, options.ruleFiles ?? [], {
    recordings: () => captures.latest(10),
    sensors: () => sensors.reports(),
    log,
    directory: options.rulesDirectory,
  });

  let retaining: Promise<unknown> | null = null;
  const retain = (): void => {
    retaining ??= (async () => {
      const { days, gigabytes } = await readRetention(store);
      await store.retain({
        maxAge: days === null ? null : days * 86_400_000_000,
        maxBytes: gigabytes === null ? null : gigabytes * 1e9,
      });
    })()
      .catch((error: Error) => log(`retention: ${error.message}`))
      .finally(() => {
        retaining = null;
      });
  };
  const timer = setInterval(retain, RETAIN_EVERY);
  timer.unref();
  // Under load the clock is too slow: look again after so many alerts, too.
  let sinceLook = 0;
  store.watch((added) => {
    sinceLook += added.length;
    if (sinceLook < 20_000) return;
    sinceLook = 0;
    retain();
  });

  async function found(id: number): Promise<StoredAlert> {
    const alert = await store.alert(id);
    if (alert === null) throw new Refusal(404, `there is no alert ${id}; it may be older than what is kept`);
    return alert;
  }

  const detailRoutes: Route[] = [
    {
      method: 'GET',
      path: '/api/alerts/:id',
      access: 'viewer',
      handle: async (call) => {
        const one = await found(call.id());
        const { rows, texts } = rowsOf([one]);
        const group = { from: 0, to: Number.MAX_SAFE_INTEGER, group: one.series.group };
        const [older] = (await store.alerts(group, 1, { time: one.alert.time, id: one.id })).alerts;
        const [newer] = await store.sql.all<{ id: number }>(
          `SELECT id FROM alerts WHERE series_id IN (${store
            .seriesOf(one.series.group)
            .map((series) => series.id)
            .join(',')}) AND (time > ? OR (time = ? AND id > ?)) ORDER BY time, id LIMIT 1`,
          one.alert.time,
          one.alert.time,
          one.id,
        );
        return spliced(
          {
            ...rows[0],
            captures: await captures.of(one),
            actions: await responders.of(one),
            newer: newer?.id ?? null,
            older: older?.id ?? null,
          },
          texts,
        );
      },
    },
    {
      method: 'GET',
      path: '/api/alerts/:id/timeline',
      access: 'viewer',
      handle: async (call) => {
        const one = await found(call.id());
        const [first] = await captures.of(one);
        const id = Number(call.query('capture') ?? first?.id ?? Number.NaN);
        if (!Number.isSafeInteger(id)) throw new Refusal(404, 'no recording covers this alert');
        const exact = one.alert.fields['evt.time'] ?? one.alert.fields['evt.rawtime'];
        const at = typeof exact === 'bigint' ? exact : BigInt(one.alert.time) * 1000n;
        const file = await captures.path(id);
        try {
          return await readTimeline(file, at, call.query('filter') ?? '');
        } catch (error) {
          if (error instanceof Refusal) throw error;
          throw new Refusal(422, `the recording cannot be read: ${(error as Error).message}`);
        }
      },
    },
    {
      // What else was seen on the same machine just before and after.
      method: 'GET',
      path: '/api/alerts/:id/around',
      access: 'viewer',
      handle: async (call) => {
        const one = await found(call.id());
        const seconds = Math.min(3600, Math.max(1, Number(call.query('seconds') ?? 300) || 300));
        const { time } = one.alert;
        const page = await store.alerts({ from: time - seconds * 1e6, to: time + seconds * 1e6 }, 500);
        const { rows, texts } = rowsOf(page.alerts.filter((other) => other.series.host === one.series.host));
        return spliced({ alerts: rows, next: null, stopped: page.next !== null }, texts);
      },
    },
  ];

  const routes: Route[] = [
    ...compatRoutes(store, started),
    ...sessionRoutes(access, oidc, secureCookies),
    ...alertRoutes(store),
    ...detailRoutes,
    ...captures.routes,
    ...book.routes,
    ...exceptionRoutes(store, book),
    ...forwarders.routes,
    ...responders.routes,
    ...healthRoutes(store, started, [sensors, forwarders, responders]),
    ...accountRoutes(store, access),
    ...storeRoutes(store, directory, retain),
  ];

  const app = new Hono();
  app.use(async (context, next) => {
    await next();
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) {
      if (!context.res.headers.has(name)) context.res.headers.set(name, value);
    }
  });
  app.onError((error, context) => {
    const { status, body, headers } = problem(error);
    if (status === 500) log(`${context.req.method} ${context.req.path}: ${error.stack ?? error.message}`);
    return new Response(JSON.stringify(body), {
      status,
      headers: { 'content-type': 'application/json', ...headers },
    });
  });

  for (const route of routes) {
    app.on(route.method, route.path, async (context) => {
      const length = Number(context.req.header('content-length') ?? 0);
      if (length > BODY_BYTES && route.path !== '/api/captures') throw new Refusal(413, 'the request is too large');
      if (route.method !== 'GET' && isForeign(context, options.publicUrl)) {
        throw new Refusal(403, 'the request comes from a page of another site');
      }
      let caller: Caller | null = null;
      if (route.access !== 'open') {
        caller = await access.identify(context);
        if (caller === null) {
          const scripts = context.req.path.startsWith('/api/v1');
          throw new Refusal(401, 'log in first', scripts ? { 'www-authenticate': 'Basic realm="Windhover"' } : {});
        }
        if (!mayUse(caller.role, route.access)) {
          throw new Refusal(403, `this is for the role ${route.access}; you are ${caller.role}`);
        }
        // A cookie goes along with whatever another site makes the browser send; the token in the header does not.
        if (caller.by === 'session' && route.method !== 'GET' && !(await access.csrf(context))) {
          throw new Refusal(403, 'the request does not carry the CSRF token of the session');
        }
      }
      const call: Call = {
        context,
        caller: caller as Caller,
        param: (name) => context.req.param(name) ?? '',
        id: (name = 'id') => {
          const id = Number(context.req.param(name));
          if (!Number.isSafeInteger(id)) throw new Refusal(404, 'not found');
          return id;
        },
        query: (name) => context.req.query(name),
        body: async (schema) => {
          const json: unknown = await context.req.json().catch(() => {
            throw new Refusal(400, 'the body is not JSON');
          });
          const parsed = schema.safeParse(json);
          if (parsed.success) return parsed.data;
          const [issue] = parsed.error.issues;
          throw new Refusal(400, `${issue?.path.join('.') ?? ''} ${issue?.message ?? 'is wrong'}`.trim());
        },
      };
      const result = await route.handle(call);
      if (result instanceof Response) return result;
      if (result === null) return context.body(null, 204);
      return context.json(result as object, 200, { 'cache-control': 'no-store' });
    });
  }
  app.all('/api/*', () => {
    throw new Refusal(404, 'there is no such route');
  });
  app.get('*', createPages(options.uiDirectory ?? UI_DIRECTORY));

  let server: Server | null = null;
  return {
    routes,
    fetch: (request, env) => app.fetch(request, env as object),
    ensureAdmin: (password) => access.ensureAdmin(password),
    acceptToken: (name, token) => access.acceptToken(name, token),
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        const listening = serve({ fetch: app.fetch, hostname: host, port }, (info) =>
          resolve({ server: listening, port: info.port }),
        ) as Server;
        listening.on('error', reject);
        server = listening;
      }),
    close: async () => {
      clearInterval(timer);
      sensors.close();
      captures.close();
      if (server !== null) {
        const closing = server;
        closing.closeAllConnections();
        await new Promise((resolve) => closing.close(resolve));
      }
      await retaining;
    },
  };
}
