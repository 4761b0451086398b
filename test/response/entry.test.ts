import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { loadResponseConfig, type Responder } from '../../src/response/index.ts';
import { type RespondServer, serveResponder } from '../../src/server/respond.ts';

/** Who may make the responder act: what each kind of authentication lets in, and what it does not. */
let folder: string;
const accepted: string[] = [];
const responder = {
  accept: async (body: Buffer) => void accepted.push(body.toString()),
  approve: async (id: string) => void accepted.push(`approve ${id}`),
  log: () => [],
} as unknown as Responder;
const servers: RespondServer[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'windhover-entry-'));
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore', cwd: folder });
  const issue = (name: string, ca: string) => {
    openssl(
      'req',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
      '-subj',
      '/CN=localhost',
    );
    openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      `${ca}.crt`,
      '-CAkey',
      `${ca}.key`,
      '-CAcreateserial',
      '-days',
      '2',
      '-out',
      `${name}.crt`,
    );
  };
  for (const ca of ['ca', 'other'])
    openssl(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '2',
      '-keyout',
      `${ca}.key`,
      '-out',
      `${ca}.crt`,
      '-subj',
      `/CN=${ca}`,
    );
  issue('server', 'ca');
  issue('client', 'ca');
  issue('stranger', 'other');
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
  accepted.length = 0;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Election = Parameters<typeof serveResponder>[3];

async function serve(config: Record<string, unknown>, election: Election = null): Promise<number> {
  const settings = loadResponseConfig(stringify({ listen_port: 0, ...config }), 'c', {});
  const server = await serveResponder(settings, responder, async () => '', election);
  servers.push(server);
  return server.port;
}

/** The status; the code of the error when there is no answer. */
function ask(
  port: number,
  {
    path = '/',
    body = 'x',
    headers = {},
    tls,
  }: { path?: string; body?: string; headers?: Record<string, string>; tls?: RequestOptions },
): Promise<number | string> {
  return new Promise((resolve) => {
    const options = { host: 'localhost', port, path, method: 'POST', headers, agent: false as const };
    const request =
      tls === undefined ? httpRequest({ ...options, host: '127.0.0.1' }) : httpsRequest({ ...options, ...tls });
    request.on('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    request.end(body);
  });
}

describe('the entry', () => {
  it('takes the bearer of the token, and nobody else', async () => {
    const port = await serve({ auth: { token: 'secret-token' } });
    for (const authorization of ['', 'Bearer wrong', 'secret-token', 'Bearer secret-tokenn', 'Basic c2VjcmV0LXRva2Vu'])
      expect(await ask(port, { headers: { authorization } })).toBe(401);
    for (const path of ['/', '/log', '/metrics', '/undo?id=1', '/approve?id=1', '/status'])
      expect(await ask(port, { path }), path).toBe(401);
    expect(accepted).toEqual([]);
    expect(await ask(port, { headers: { authorization: 'Bearer secret-token' } })).toBe(200);
    expect(await ask(port, { path: '/healthz' })).toBe(200);
  });

  it('takes a signature of this body, this path and this time', async () => {
    const port = await serve({ auth: { hmac_secret: 'shared' } });
    const signed = (time: number, path: string, body: string, secret = 'shared') => ({
      'x-windhover-timestamp': String(time),
      'x-windhover-signature': `sha256=${createHmac('sha256', secret).update(`${time}.${path}.${body}`).digest('hex')}`,
    });
    const now = Math.floor(Date.now() / 1000);
    const refused = [
      {},
      { headers: signed(now, '/', 'another body') },
      { headers: signed(now, '/approve', 'x') },
      { headers: signed(now - 3600, '/', 'x') },
      { headers: signed(now + 3600, '/', 'x') },
      { headers: signed(now, '/', 'x', 'guessed') },
      { headers: { ...signed(now, '/', 'x'), 'x-windhover-timestamp': String(now - 1) } },
    ];
    for (const each of refused) expect(await ask(port, each)).toBe(401);
    expect(accepted).toEqual([]);
    expect(await ask(port, { headers: signed(now, '/', 'x') })).toBe(200);
  });

  it('takes the holder of a certificate of its authority, also on an open address', async () => {
    const at = (name: string) => join(folder, name);
    const port = await serve({
      listen_address: '0.0.0.0',
      tls: { certfile: at('server.crt'), keyfile: at('server.key'), cacertfile: at('ca.crt') },
    });
    const ca = readFileSync(at('ca.crt'));
    const identity = (name: string) => ({
      ca,
      cert: readFileSync(at(`${name}.crt`)),
      key: readFileSync(at(`${name}.key`)),
    });
    expect(await ask(port, { tls: { ca } })).toMatch(/ECONNRESET|ERR_SSL|EPIPE/);
    expect(await ask(port, { tls: identity('stranger') })).toMatch(/ECONNRESET|ERR_SSL|EPIPE/);
    expect(accepted).toEqual([]);
    expect(await ask(port, { tls: identity('client') })).toBe(200);
  });

  it('lets no page of a browser act, whatever it knows', async () => {
    const port = await serve({ auth: { token: 't0ken' } });
    const headers = { authorization: 'Bearer t0ken', origin: 'http://127.0.0.1' };
    expect(await ask(port, { headers })).toBe(403);
    expect(await ask(await serve({}), { headers: { origin: 'null' } })).toBe(403);
    expect(accepted).toEqual([]);
  });

  it('needs nothing on this host alone, and refuses to start open', async () => {
    expect(await ask(await serve({}), {})).toBe(200);
    expect(() => loadResponseConfig('listen_address: 0.0.0.0', 'c', {})).toThrow('AUTH_TOKEN_FILE');
    const open = loadResponseConfig('listen_address: 0.0.0.0', 'c', { AUTH_TOKEN: 'from-the-environment' });
    expect(open.auth.token).toBe('from-the-environment');
  });

  it('of several responders takes alerts at the leader alone, and is ready only there', async () => {
    let leads = false;
    const port = await serve({}, { isLeader: () => leads, leader: () => 'responder-1' });
    expect([await ask(port, {}), await ask(port, { path: '/readyz' }), await ask(port, { path: '/healthz' })]).toEqual([
      503, 503, 200,
    ]);
    expect(accepted).toEqual([]);
    leads = true;
    expect([await ask(port, {}), await ask(port, { path: '/readyz' })]).toEqual([200, 200]);
    expect(accepted).toEqual(['x']);
  });
});
