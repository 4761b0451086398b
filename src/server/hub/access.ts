import { createHash, createHmac, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import type { Context } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';
import type { Row, Store } from '../../store/index.ts';
import type { Role, Session, TokenRole, TokenRow, UserRow } from '../api.ts';
import { type Caller, Refusal } from './route.ts';

/**
 * Users, sessions and tokens. Passwords are kept as scrypt hashes; session cookies and tokens as SHA-256, which is
 * enough for 256 random bits, so that who reads the database cannot log in.
 */
export interface Access {
  /** Makes the first admin when there is no user; gives the password that was made up, to be shown once. */
  ensureAdmin(password: string | null): Promise<string | null>;
  login(context: Context, name: string, password: string): Promise<Session>;
  /** A session for somebody whom the identity provider vouched for. */
  loginAs(context: Context, name: string, subject: string, role: Role): Promise<Session>;
  logout(context: Context): Promise<void>;
  /** Who sent this request; null when nobody is named, or wrongly. */
  identify(context: Context): Promise<Caller | null>;
  session(context: Context): Promise<Session | null>;
  /** True when a request that a cookie vouches for carries the session's CSRF token too. */
  csrf(context: Context): Promise<boolean>;
  changePassword(name: string, old: string, next: string, address: string): Promise<void>;
  users(): Promise<UserRow[]>;
  addUser(name: string, password: string, role: Role): Promise<void>;
  changeUser(name: string, change: { role?: Role; password?: string }): Promise<void>;
  removeUser(name: string): Promise<void>;
  tokens(): Promise<TokenRow[]>;
  addToken(name: string, role: TokenRole): Promise<string>;
  removeToken(id: number): Promise<void>;
  /** A token that somebody else made up, with which alerts are brought in; nothing happens when it is known. */
  acceptToken(name: string, token: string): Promise<void>;
}

const SESSION_HOURS = 12;
const COOKIE = 'windhover_session';
/** OWASP's parameters for scrypt: N = 2^15, r = 8, p = 3 (32 MiB). */
const COST = { N: 32768, r: 8, p: 3, maxmem: 64 * 1024 * 1024 };
/** Wrong passwords after which a name, or an address, has to wait; the wait doubles from one second to a quarter of an hour. */
const FREE_TRIES = 5;
const MAX_WAIT = 900_000;
export const MIN_PASSWORD = 10;

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const secret = (): string => randomBytes(32).toString('base64url');

// One hash at a time: it costs 32 MiB and a tenth of a second, and logging in is open to everybody.
let hashing: Promise<unknown> = Promise.resolve();
function derive(password: string, salt: Buffer): Promise<Buffer> {
  const result = hashing.then(
    () =>
      new Promise<Buffer>((resolve, reject) =>
        scrypt(password.normalize('NFKC'), salt, 32, COST, (error, key) => (error ? reject(error) : resolve(key))),
      ),
  );
  hashing = result.catch(() => {});
  return result;
}

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  return `scrypt$${salt.toString('base64')}$${(await derive(password, salt)).toString('base64')}`;
}

async function verify(password: string, stored: string | null): Promise<boolean> {
  // The time is the same for a name that does not exist.
  const [, salt = '', hash = ''] = (stored ?? 'scrypt$AAAAAAAAAAAAAAAAAAAAAA==$AAAA').split('$');
  const key = await derive(password, Buffer.from(salt, 'base64'));
  const expected = Buffer.from(hash, 'base64');
  return expected.length === key.length && timingSafeEqual(expected, key);
}

/** Where a request comes from; behind a reverse proxy, the proxy's address (all of its users wait together). */
export function addressOf(context: Context): string {
  const incoming = (context.env as { incoming?: { socket?: { remoteAddress?: string } } } | undefined)?.incoming;
  return incoming?.socket?.remoteAddress ?? 'unknown';
}

function limiter(now: () => number) {
  const failures = new Map<string, { count: number; until: number }>();
  return {
    check(...keys: string[]): void {
      for (const key of keys) {
        const wait = (failures.get(key)?.until ?? 0) - now();
        if (wait > 0) {
          const seconds = Math.ceil(wait / 1000);
          throw new Refusal(429, `too many wrong passwords; try again in ${seconds} s`, {
            'retry-after': String(seconds),
          });
        }
      }
    },
    failed(...keys: string[]): void {
      // Whoever fills the table with names loses the oldest ones, not the memory.
      if (failures.size > 10_000) failures.delete(failures.keys().next().value as string);
      for (const key of keys) {
        const count = (failures.get(key)?.count ?? 0) + 1;
        const wait = count < FREE_TRIES ? 0 : Math.min(MAX_WAIT, 1000 * 2 ** (count - FREE_TRIES));
        failures.set(key, { count, until: now() + wait });
      }
    },
    succeeded(...keys: string[]): void {
      for (const key of keys) failures.delete(key);
    },
  };
}

export function createAccess(store: Store, options: { secureCookies: boolean; now?: () => number }): Access {
  const now = options.now ?? Date.now;
  const limits = limiter(now);
  const sql = store.sql;
  /** Basic sends the password with each request: what was right a minute ago need not be hashed again. */
  const remembered = new Map<string, { caller: Caller; until: number }>();
  const memoryKey = randomBytes(32);

  const userRow = async (name: string): Promise<Row | undefined> =>
    (await sql.all('SELECT * FROM users WHERE name=?', name))[0];

  async function checkPassword(name: string, password: string, address: string): Promise<Row> {
    const keys = [`name ${name}`, `from ${address}`];
    limits.check(...keys);
    // Counted before it is known, so that tries at the same time are counted too.
    limits.failed(...keys);
    const row = await userRow(name);
    const good = await verify(password, (row?.password as string | null) ?? null);
    if (!good || row === undefined) throw new Refusal(401, 'the name or the password is wrong');
    limits.succeeded(...keys);
    return row;
  }

  async function open(context: Context, name: string, role: Role): Promise<Session> {
    const token = secret();
    const csrf = secret();
    const expires = now() + SESSION_HOURS * 3_600_000;
    await store.write(async (writer) => {
      await writer.run('DELETE FROM sessions WHERE expires < ?', now());
      await writer.run(
        'INSERT INTO sessions(hash, user_name, csrf, expires) VALUES(?,?,?,?)',
        sha256(token),
        name,
        csrf,
        expires,
      );
    });
    setCookie(context, COOKIE, token, {
      httpOnly: true,
      sameSite: 'Lax',
      secure: options.secureCookies,
      path: '/',
      maxAge: SESSION_HOURS * 3600,
    });
    return { name, role, csrf };
  }

  async function session(context: Context): Promise<Session | null> {
    const token = getCookie(context, COOKIE);
    if (token === undefined) return null;
    const [row] = await sql.all(
      'SELECT s.csrf, u.name, u.role FROM sessions s JOIN users u ON u.name = s.user_name WHERE s.hash=? AND s.expires > ?',
      sha256(token),
      now(),
    );
    if (row === undefined) return null;
    return { name: row.name as string, role: row.role as Role, csrf: row.csrf as string };
  }

  async function byToken(token: string): Promise<Caller | null> {
    const hash = sha256(token);
    const [row] = await sql.all('SELECT id, name, role, used FROM tokens WHERE hash=?', hash);
    if (row === undefined) return null;
    if (now() - Number(row.used ?? 0) > 60_000) {
      await store.write((writer) => writer.run('UPDATE tokens SET used=? WHERE id=?', now(), row.id as number));
    }
    return { name: `token ${row.name}`, role: row.role as TokenRole, by: 'token' };
  }

  async function byPassword(name: string, password: string, address: string): Promise<Caller | null> {
    if (password.startsWith('wh_')) {
      const caller = await byToken(password);
      return caller === null ? null : { ...caller, by: 'basic' };
    }
    const key = createHmac('sha256', memoryKey).update(`${name}\0${password}`).digest('hex');
    const old = remembered.get(key);
    if (old !== undefined && old.until > now()) return old.caller;
    const row = await checkPassword(name, password, address);
    const caller: Caller = { name, role: row.role as Role, by: 'basic' };
    if (remembered.size > 100) remembered.clear();
    remembered.set(key, { caller, until: now() + 60_000 });
    return caller;
  }

  function checkNew(name: string, password: string): void {
    if (!/^[\w.@+-]{1,64}$/.test(name)) throw new Refusal(400, 'a name has letters, digits and . @ + - _ only');
    if (password.length < MIN_PASSWORD) throw new Refusal(400, `a password has at least ${MIN_PASSWORD} characters`);
  }

  async function otherAdmin(name: string): Promise<void> {
    const [row] = await sql.all<{ n: number }>("SELECT count(*) AS n FROM users WHERE role='admin' AND name<>?", name);
    if (Number(row?.n ?? 0) === 0) throw new Refusal(409, 'this is the last admin');
  }

  async function setPassword(name: string, password: string): Promise<void> {
    const hash = await hashPassword(password);
    remembered.clear();
    await store.write(async (writer) => {
      await writer.run('UPDATE users SET password=? WHERE name=?', hash, name);
      await writer.run('DELETE FROM sessions WHERE user_name=?', name);
    });
  }

  return {
    ensureAdmin: async (password) => {
      const [row] = await sql.all<{ n: number }>('SELECT count(*) AS n FROM users');
      if (Number(row?.n ?? 0) > 0) return null;
      const made = password ?? randomBytes(15).toString('base64url');
      const hash = await hashPassword(made);
      await store.write((writer) =>
        writer.run('INSERT INTO users(name, password, role, created) VALUES(?,?,?,?)', 'admin', hash, 'admin', now()),
      );
      return password === null ? made : null;
    },
    login: async (context, name, password) => {
      const row = await checkPassword(name, password, addressOf(context));
      return open(context, name, row.role as Role);
    },
    loginAs: async (context, name, subject, role) => {
      const taken = await userRow(name);
      if (taken !== undefined && taken.subject !== subject) {
        throw new Refusal(403, `the name ${name} belongs to another user here`);
      }
      await store.write(async (writer) => {
        const changed = await writer.run('UPDATE users SET role=?, name=? WHERE subject=?', role, name, subject);
        if (changed === 0) {
          await writer.run(
            'INSERT INTO users(name, password, role, subject, created) VALUES(?,?,?,?,?)',
            name,
            null,
            role,
            subject,
            now(),
          );
        }
      });
      return open(context, name, role);
    },
    logout: async (context) => {
      const token = getCookie(context, COOKIE);
      if (token !== undefined) {
        await store.write((writer) => writer.run('DELETE FROM sessions WHERE hash=?', sha256(token)));
      }
      setCookie(context, COOKIE, '', { path: '/', maxAge: 0, httpOnly: true, sameSite: 'Lax' });
    },
    identify: async (context) => {
      const header = context.req.header('authorization');
      if (header !== undefined) {
        const [, scheme = '', rest = ''] = /^(\w+)\s+(.+)$/.exec(header) ?? [];
        if (/^bearer$/i.test(scheme)) return byToken(rest.trim());
        if (!/^basic$/i.test(scheme)) return null;
        const decoded = Buffer.from(rest, 'base64').toString();
        const colon = decoded.indexOf(':');
        if (colon < 0) return null;
        try {
          return await byPassword(decoded.slice(0, colon), decoded.slice(colon + 1), addressOf(context));
        } catch (error) {
          if (error instanceof Refusal && error.status === 401) return null;
          throw error;
        }
      }
      const known = await session(context);
      return known === null ? null : { name: known.name, role: known.role, by: 'session' };
    },
    session,
    csrf: async (context) => {
      const sent = Buffer.from(context.req.header('x-csrf-token') ?? '');
      const expected = Buffer.from((await session(context))?.csrf ?? '');
      return expected.length > 0 && sent.length === expected.length && timingSafeEqual(sent, expected);
    },
    changePassword: async (name, old, next, address) => {
      const row = await userRow(name);
      if (row === undefined || row.password === null) {
        throw new Refusal(409, 'this user logs in elsewhere and has no password here');
      }
      checkNew(name, next);
      await checkPassword(name, old, address);
      await setPassword(name, next);
    },
    users: async () =>
      (await sql.all('SELECT name, role, subject, created FROM users ORDER BY name')).map((row) => ({
        name: row.name as string,
        role: row.role as Role,
        oidc: row.subject !== null,
        created: row.created as number,
      })),
    addUser: async (name, password, role) => {
      checkNew(name, password);
      if ((await userRow(name)) !== undefined) throw new Refusal(409, `there is a user ${name} already`);
      const hash = await hashPassword(password);
      await store.write((writer) =>
        writer.run('INSERT INTO users(name, password, role, created) VALUES(?,?,?,?)', name, hash, role, now()),
      );
    },
    changeUser: async (name, change) => {
      if ((await userRow(name)) === undefined) throw new Refusal(404, `there is no user ${name}`);
      if (change.role !== undefined && change.role !== 'admin') await otherAdmin(name);
      const { role } = change;
      remembered.clear();
      if (role !== undefined) {
        await store.write((writer) => writer.run('UPDATE users SET role=? WHERE name=?', role, name));
      }
      if (change.password !== undefined) {
        checkNew(name, change.password);
        await setPassword(name, change.password);
      }
    },
    removeUser: async (name) => {
      if ((await userRow(name)) === undefined) throw new Refusal(404, `there is no user ${name}`);
      await otherAdmin(name);
      remembered.clear();
      await store.write(async (writer) => {
        await writer.run('DELETE FROM sessions WHERE user_name=?', name);
        await writer.run('DELETE FROM users WHERE name=?', name);
      });
    },
    tokens: async () =>
      (await sql.all('SELECT id, name, role, created, used FROM tokens ORDER BY id')).map((row) => ({
        id: row.id as number,
        name: row.name as string,
        role: row.role as TokenRole,
        created: row.created as number,
        used: row.used as number | null,
      })),
    addToken: async (name, role) => {
      const token = `wh_${secret()}`;
      await store.write((writer) =>
        writer.run('INSERT INTO tokens(hash, name, role, created) VALUES(?,?,?,?)', sha256(token), name, role, now()),
      );
      return token;
    },
    acceptToken: async (name, token) => {
      await store.write((writer) =>
        writer.run(
          'INSERT INTO tokens(hash, name, role, created) VALUES(?,?,?,?) ON CONFLICT(hash) DO NOTHING',
          sha256(token),
          name,
          'ingest',
          now(),
        ),
      );
    },
    removeToken: async (id) => {
      const removed = await store.write((writer) => writer.run('DELETE FROM tokens WHERE id=?', id));
      if (removed === 0) throw new Refusal(404, `there is no token ${id}`);
    },
  };
}
