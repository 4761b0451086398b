import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { getCookie, setCookie } from 'hono/cookie';
import { z } from 'zod';
import type { Store } from '../../store/index.ts';
import type { RetentionSettings, SavedSearch } from '../api.ts';
import { type Access, addressOf } from './access.ts';
import type { Oidc } from './oidc.ts';
import { type Call, Refusal, type Route } from './route.ts';

const role = z.enum(['viewer', 'analyst', 'admin']);
const STATE_COOKIE = 'windhover_login';

/** Logging in and out, with a password or through the identity provider. */
export function sessionRoutes(access: Access, oidc: Oidc | null, secureCookies: boolean): Route[] {
  return [
    {
      method: 'GET',
      path: '/api/login',
      access: 'open',
      handle: async () => ({ oidc: oidc === null ? null : { label: oidc.label } }),
    },
    {
      method: 'POST',
      path: '/api/login',
      access: 'open',
      handle: async (call) => {
        const { name, password } = await call.body(
          z.strictObject({ name: z.string().max(64), password: z.string().max(1000) }),
        );
        return access.login(call.context, name, password);
      },
    },
    {
      method: 'POST',
      path: '/api/logout',
      access: 'viewer',
      handle: async (call) => {
        await access.logout(call.context);
        return null;
      },
    },
    {
      method: 'GET',
      path: '/api/session',
      access: 'viewer',
      handle: async (call) =>
        (await access.session(call.context)) ?? { name: call.caller.name, role: call.caller.role, csrf: '' },
    },
    {
      method: 'POST',
      path: '/api/password',
      access: 'viewer',
      handle: async (call) => {
        const { old, new: next } = await call.body(
          z.strictObject({ old: z.string().max(1000), new: z.string().max(1000) }),
        );
        await access.changePassword(call.caller.name, old, next, addressOf(call.context));
        return null;
      },
    },
    {
      method: 'GET',
      path: '/api/oidc',
      access: 'open',
      handle: async (call) => {
        if (oidc === null) throw new Refusal(404, 'no identity provider is configured');
        const { url, state } = await oidc.start();
        setCookie(call.context, STATE_COOKIE, state, {
          httpOnly: true,
          sameSite: 'Lax',
          secure: secureCookies,
          path: '/api/oidc',
          maxAge: 600,
        });
        return call.context.redirect(url);
      },
    },
    {
      method: 'GET',
      path: '/api/oidc/callback',
      access: 'open',
      handle: async (call) => {
        if (oidc === null) throw new Refusal(404, 'no identity provider is configured');
        const state = call.query('state') ?? '';
        // The login must come back to the browser that began it, or one could be logged in as somebody else.
        if (state === '' || getCookie(call.context, STATE_COOKIE) !== state) {
          throw new Refusal(401, 'this login was begun elsewhere; start again');
        }
        const said = call.query('error');
        if (said !== undefined) throw new Refusal(401, `the identity provider refused: ${said.slice(0, 100)}`);
        const { name, subject, role: given } = await oidc.finish(state, call.query('code') ?? '');
        setCookie(call.context, STATE_COOKIE, '', { path: '/api/oidc', maxAge: 0 });
        await access.loginAs(call.context, name, subject, given);
        return call.context.redirect('/');
      },
    },
  ];
}

/** Users and tokens: for admins; what is changed is written into the history. */
export function accountRoutes(store: Store, access: Access): Route[] {
  const noted = async (call: Call, action: string, detail: string, work: Promise<unknown>): Promise<null> => {
    await work;
    await store.record(call.caller.name, action, null, detail);
    return null;
  };
  return [
    { method: 'GET', path: '/api/users', access: 'admin', handle: () => access.users() },
    {
      method: 'POST',
      path: '/api/users',
      access: 'admin',
      handle: async (call) => {
        const user = await call.body(z.strictObject({ name: z.string(), password: z.string().max(1000), role }));
        return noted(
          call,
          'add user',
          `${user.name} (${user.role})`,
          access.addUser(user.name, user.password, user.role),
        );
      },
    },
    {
      method: 'PUT',
      path: '/api/users/:name',
      access: 'admin',
      handle: async (call) => {
        const change = await call.body(
          z.strictObject({ role: role.optional(), password: z.string().max(1000).optional() }),
        );
        const name = call.param('name');
        const what = [change.role, change.password === undefined ? undefined : 'password']
          .filter((one) => one)
          .join(', ');
        return noted(
          call,
          'change user',
          `${name} (${what})`,
          access.changeUser(name, {
            ...(change.role === undefined ? {} : { role: change.role }),
            ...(change.password === undefined ? {} : { password: change.password }),
          }),
        );
      },
    },
    {
      method: 'DELETE',
      path: '/api/users/:name',
      access: 'admin',
      handle: (call) => noted(call, 'remove user', call.param('name'), access.removeUser(call.param('name'))),
    },
    { method: 'GET', path: '/api/tokens', access: 'admin', handle: () => access.tokens() },
    {
      method: 'POST',
      path: '/api/tokens',
      access: 'admin',
      handle: async (call) => {
        const made = await call.body(
          z.strictObject({ name: z.string().min(1).max(64), role: z.enum(['ingest', 'viewer', 'analyst', 'admin']) }),
        );
        const token = await access.addToken(made.name, made.role);
        await store.record(call.caller.name, 'add token', null, `${made.name} (${made.role})`);
        return { token };
      },
    },
    {
      method: 'DELETE',
      path: '/api/tokens/:id',
      access: 'admin',
      handle: (call) => noted(call, 'remove token', String(call.id()), access.removeToken(call.id())),
    },
  ];
}

const RETENTION_KEY = 'retention';

/** What the retention is set to; nothing is removed by default but what is older than 90 days. */
export async function readRetention(store: Store): Promise<RetentionSettings> {
  const [row] = await store.sql.all('SELECT value FROM settings WHERE key=?', RETENTION_KEY);
  return row === undefined ? { days: 90, gigabytes: null } : (JSON.parse(row.value as string) as RetentionSettings);
}

export async function writeRetention(store: Store, settings: RetentionSettings): Promise<void> {
  await store.write((writer) =>
    writer.run(
      'INSERT INTO settings(key, value) VALUES(?,?) ON CONFLICT(key) DO UPDATE SET value=excluded.value',
      RETENTION_KEY,
      JSON.stringify(settings),
    ),
  );
}

export function storeRoutes(store: Store, directory: string, retain: () => void): Route[] {
  return [
    {
      method: 'PUT',
      path: '/api/retention',
      access: 'admin',
      handle: async (call) => {
        const settings = await call.body(
          z.strictObject({ days: z.number().positive().nullable(), gigabytes: z.number().positive().nullable() }),
        );
        await writeRetention(store, settings);
        await store.record(call.caller.name, 'change retention', null, JSON.stringify(settings));
        retain();
        return null;
      },
    },
    {
      method: 'POST',
      path: '/api/backup',
      access: 'admin',
      handle: async (call) => {
        if (store.sql.kind !== 'sqlite') throw new Refusal(409, 'PostgreSQL is backed up by its own tool, pg_dump');
        const folder = join(directory, 'backups');
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        const path = join(folder, `hub-${new Date().toISOString().replace(/[:.]/g, '-')}.db`);
        await store.sql.backup(path);
        await store.record(call.caller.name, 'backup', null, path);
        return { path };
      },
    },
    {
      method: 'GET',
      path: '/api/searches',
      access: 'viewer',
      handle: async () =>
        (await store.sql.all('SELECT id, name, url, who FROM searches ORDER BY name')) as unknown as SavedSearch[],
    },
    {
      method: 'POST',
      path: '/api/searches',
      access: 'analyst',
      handle: async (call): Promise<SavedSearch> => {
        const { name, url } = await call.body(
          // A path of this site, never an address elsewhere: `//host` would be one.
          z.strictObject({
            name: z.string().min(1).max(100),
            url: z
              .string()
              .max(4000)
              .regex(/^\/(?!\/)[^\\]*$/),
          }),
        );
        const [row] = await store.write((writer) =>
          writer.all<{ id: number }>(
            'INSERT INTO searches(name, url, who, created) VALUES(?,?,?,?) RETURNING id',
            name,
            url,
            call.caller.name,
            Date.now(),
          ),
        );
        return { id: (row as { id: number }).id, name, url, who: call.caller.name };
      },
    },
    {
      method: 'DELETE',
      path: '/api/searches/:id',
      access: 'analyst',
      handle: async (call) => {
        const removed = await store.write((writer) => writer.run('DELETE FROM searches WHERE id=?', call.id()));
        if (removed === 0) throw new Refusal(404, `there is no saved search ${call.id()}`);
        return null;
      },
    },
  ];
}
