import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHub, type Hub } from '../../src/server/hub/index.ts';
import { openSqlite, openStore, type Store } from '../../src/store/index.ts';

/** The parts of oidc-provider that are used; the package brings no types. */
interface Provider {
  callback(): (request: IncomingMessage, response: ServerResponse) => void;
}
type ProviderClass = new (issuer: string, configuration: object) => Provider;

/** A browser's cookies and redirects, by hand. */
class Browser {
  readonly #jars = new Map<string, Map<string, string>>();
  readonly #send: (request: Request) => Response | Promise<Response>;
  constructor(send: (request: Request) => Response | Promise<Response>) {
    this.#send = send;
  }
  async request(url: string, init: RequestInit = {}): Promise<Response> {
    const { host } = new URL(url);
    const jar = this.#jars.get(host) ?? new Map<string, string>();
    this.#jars.set(host, jar);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await this.#send(
      new Request(url, { ...init, redirect: 'manual', headers: { ...init.headers, cookie } }),
    );
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '') jar.delete(name);
      else jar.set(name, value);
    }
    return response;
  }
  /** Follows redirects until an answer that is none. */
  async open(url: string, init: RequestInit = {}): Promise<{ url: string; response: Response }> {
    let at = url;
    let response = await this.request(at, init);
    for (let i = 0; i < 12 && response.status >= 300 && response.status < 400; i++) {
      at = new URL(response.headers.get('location') as string, at).href;
      response = await this.request(at);
    }
    return { url: at, response };
  }
  forget(host: string): void {
    this.#jars.delete(host);
  }
}

describe('logging in through an identity provider', () => {
  let idp: Server;
  let issuer: string;
  let hub: Hub;
  let store: Store;
  let directory: string;
  const publicUrl = 'http://hub.test';
  const groups: Record<string, string[]> = { ana: ['security', 'staff'], ben: ['staff'], eve: [] };

  const browser = () =>
    new Browser((request) => (request.url.startsWith(publicUrl) ? hub.fetch(request) : fetch(request)));

  beforeAll(async () => {
    const { default: ProviderMade } = (await import('oidc-provider' as string)) as { default: ProviderClass };
    idp = createServer();
    await new Promise<void>((resolve) => idp.listen(0, '127.0.0.1', resolve));
    issuer = `http://127.0.0.1:${(idp.address() as { port: number }).port}`;
    const provider = new ProviderMade(issuer, {
      clients: [
        {
          client_id: 'windhover',
          client_secret: 'a client secret of the test',
          redirect_uris: [`${publicUrl}/api/oidc/callback`],
          response_types: ['code'],
          grant_types: ['authorization_code'],
        },
      ],
      pkce: { required: () => true },
      claims: { openid: ['sub', 'preferred_username', 'groups'], profile: [], email: [] },
      conformIdTokenClaims: false,
      findAccount: async (_: unknown, id: string) => ({
        accountId: id,
        claims: async () => ({ sub: id, preferred_username: id, groups: groups[id] ?? [] }),
      }),
    });
    idp.on('request', provider.callback());
    directory = mkdtempSync(join(tmpdir(), 'windhover-oidc-'));
    store = await openStore(openSqlite(join(directory, 'hub.db')));
    hub = createHub({
      store,
      directory,
      publicUrl,
      oidc: {
        issuer,
        clientId: 'windhover',
        clientSecret: 'a client secret of the test',
        label: 'Company login',
        rolesClaim: 'groups',
        roles: { security: 'admin', staff: 'viewer' },
        defaultRole: null,
      },
    });
  });
  afterAll(async () => {
    await hub.close();
    await store.close();
    idp.closeAllConnections();
    await new Promise((resolve) => idp.close(resolve));
    rmSync(directory, { recursive: true });
  });

  /** Fills in the provider's forms: the name, then the consent. */
  async function logIn(user: Browser, name: string): Promise<{ url: string; response: Response }> {
    let step = await user.open(`${publicUrl}/api/oidc`);
    for (const body of [`prompt=login&login=${name}&password=any`, 'prompt=consent']) {
      if (step.url.startsWith(publicUrl)) break;
      step = await user.open(step.url, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body,
      });
    }
    return step;
  }

  it('gives the role that the provider’s groups stand for', async () => {
    for (const [name, role] of [
      ['ana', 'admin'],
      ['ben', 'viewer'],
    ] as const) {
      const user = browser();
      const { url } = await logIn(user, name);
      expect(url).toBe(`${publicUrl}/`);
      const session = await user.request(`${publicUrl}/api/session`);
      expect(await session.json()).toMatchObject({ name, role });
    }
    expect((await store.sql.all('SELECT name, password FROM users ORDER BY name')).map((row) => ({ ...row }))).toEqual([
      { name: 'ana', password: null },
      { name: 'ben', password: null },
    ]);
  });

  it('takes away what the provider took away', async () => {
    groups.ana = ['staff'];
    const user = browser();
    await logIn(user, 'ana');
    expect(await (await user.request(`${publicUrl}/api/session`)).json()).toMatchObject({
      name: 'ana',
      role: 'viewer',
    });
  });

  it('lets nobody in without a role', async () => {
    const { response } = await logIn(browser(), 'eve');
    expect(response.status).toBe(403);
  });

  it('refuses a login that another browser began, a state twice, and a code of its own', async () => {
    const user = browser();
    const begun = await user.request(`${publicUrl}/api/oidc`);
    const state = new URL(begun.headers.get('location') as string).searchParams.get('state') as string;
    const callback = `${publicUrl}/api/oidc/callback?code=made-up&state=${encodeURIComponent(state)}`;
    expect((await browser().request(callback)).status).toBe(401);
    expect((await user.request(callback)).status).toBe(502);
    expect((await user.request(callback)).status).toBe(401);
    expect(
      (await user.request(`${publicUrl}/api/oidc/callback?error=access_denied&state=${encodeURIComponent(state)}`))
        .status,
    ).toBe(401);
  });

  it('does not let the provider’s user take a local user’s name', async () => {
    await hub.ensureAdmin(null);
    await store.write((writer) =>
      writer.run('INSERT INTO users(name, password, role, created) VALUES(?,?,?,?)', 'carl', 'scrypt$x$y', 'admin', 0),
    );
    groups.carl = ['staff'];
    const { response } = await logIn(browser(), 'carl');
    expect(response.status).toBe(403);
    expect(await response.text()).toContain('belongs to another user');
  });
});
