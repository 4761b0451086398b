import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest, type Server } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { makeCertificate } from '../peers/index.ts';
import { freePort } from '../ports.ts';
import { HOSTILE } from './alert.ts';

/** The commands as processes: routes, signals, certificates. */
const PROGRAM = new URL('../../bin/windhover', import.meta.url).pathname;
const run = promisify(execFile);
let folder: string;
let sink: Server;
let sinkPort: number;
const got: string[] = [];
let answer = 200;
const children: ChildProcess[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'windhover-command-'));
  sink = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += chunk));
    request.on('end', () => {
      if (answer < 300) got.push(text);
      response.writeHead(answer).end();
    });
  });
  await new Promise<void>((resolve) => sink.listen(0, '127.0.0.1', resolve));
  sinkPort = (sink.address() as AddressInfo).port;
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    }
  }
  got.length = 0;
  answer = 200;
});
afterAll(() => {
  sink.closeAllConnections();
  sink.close();
  rmSync(folder, { recursive: true, force: true });
});

let files = 0;
function writeConfig(config: unknown, name = `config-${files++}.yaml`): string {
  const file = join(folder, name);
  writeFileSync(file, stringify(config));
  return file;
}

/** Starts a command and waits for its "Listening". */
async function start(
  ...args: string[]
): Promise<{ child: ChildProcess; log: () => string; end: (signal?: NodeJS.Signals) => Promise<number | null> }> {
  const child = spawn(PROGRAM, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (log += text));
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  while (!log.includes('Listening')) {
    if (child.exitCode !== null) throw new Error(log);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    child,
    log: () => log,
    end(signal = 'SIGTERM') {
      child.kill(signal);
      return ended;
    },
  };
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}
const post = (url: string, body = HOSTILE, headers: Record<string, string> = {}) =>
  fetch(url, { method: 'POST', body, headers });
const webhook = () => ({ address: `http://127.0.0.1:${sinkPort}/` });

describe('windhover forward', () => {
  const base = (port: number) => ({
    listenaddress: '127.0.0.1',
    listenport: port,
    queue: { path: join(folder, `queue-${port}`) },
  });

  it("has Falcosidekick's routes, answers as it does, and keeps numbers", async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const { end } = await start('forward', '-c', writeConfig({ ...base(port), webhook: webhook() }));
    expect(await (await fetch(`${url}/ping`)).text()).toBe('pong\n');
    expect(await (await fetch(`${url}/healthz`)).text()).toBe('{"status": "ok"}');
    const accepted = await post(url);
    expect([accepted.status, await accepted.text()]).toEqual([200, '']);
    expect([(await fetch(url)).status, await (await fetch(url)).text()]).toEqual([
      400,
      'Please send with post http method\n',
    ]);
    const rejected = await post(url, '{');
    expect([rejected.status, await rejected.text()]).toEqual([
      400,
      expect.stringMatching(/^Please send a valid request body/),
    ]);
    expect((await fetch(`${url}/test`)).status).toBe(200);
    await until(() => got.length === 2);
    expect(got[0]).toContain('"evt.time":1767366245123456789');
    expect(JSON.parse(got[1])).toMatchObject({
      rule: 'Test rule',
      priority: 'Debug',
      source: 'internal',
      hostname: 'falcosidekick',
      tags: ['example', 'test'],
    });
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toContain('falcosecurity_falcosidekick_outputs_total{destination="webhook",status="ok"} 2');
    expect(metrics).toContain('process_resident_memory_bytes');
    expect(await end()).toBe(0);
  });

  it('shows status and dead letters to this host only, and replays', async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    await start('forward', '-c', writeConfig({ ...base(port), webhook: webhook() }));
    answer = 400;
    await post(url);
    const ask = async (...args: string[]) =>
      JSON.parse((await run(PROGRAM, ['forward', ...args, '--url', url])).stdout);
    await until(async () => (await ask('status')).outputs[0].deadLetters === 1);
    expect(await ask('dead-letters', '--output', 'webhook')).toMatchObject([
      { output: 'webhook', reason: 'HTTP 400', rule: 'Read sensitive file untrusted' },
    ]);
    const foreign: Record<string, string>[] = [{ Origin: 'http://evil' }, { Host: 'evil' }];
    for (const headers of foreign) {
      const status = await new Promise((resolve) => {
        httpRequest({ host: '127.0.0.1', port, path: '/status', headers }, (response) =>
          resolve(response.resume().statusCode),
        ).end();
      });
      expect(status).toBe(403);
    }
    answer = 200;
    expect(await ask('replay', '--output', 'webhook')).toEqual({ delivered: 1, refused: 0 });
    expect(got).toHaveLength(1);
  });

  it('loses nothing at SIGTERM and at kill -9, and takes another configuration at SIGHUP', async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const file = writeConfig({ ...base(port), shutdown_timeout: '100ms', webhook: webhook() });
    answer = 503;
    const first = await start('forward', '-c', file);
    for (let i = 0; i < 5; i++) expect((await post(url)).status).toBe(200);
    expect(await first.end()).toBe(0);
    const second = await start('forward', '-c', file);
    for (let i = 0; i < 5; i++) await post(url);
    await second.end('SIGKILL');
    const third = await start('forward', '-c', file);
    writeFileSync(file, 'listenport: [');
    third.child.kill('SIGHUP');
    await until(() => third.log().includes('was not reloaded'));
    answer = 200;
    writeFileSync(file, stringify({ ...base(port), customfields: { added: 'yes' }, webhook: webhook() }));
    third.child.kill('SIGHUP');
    await until(() => third.log().includes('Reloaded'));
    await post(url);
    await until(() => got.length === 11);
    expect(got.at(-1)).toContain('"added":"yes"');
    expect(await third.end()).toBe(0);
  });

  it('listens with TLS, asks for certificates, and leaves chosen paths open', async () => {
    const [port, plain] = [await freePort(), await freePort()];
    const { cert, key } = makeCertificate(folder);
    const tlsserver = {
      deploy: true,
      certfile: cert,
      keyfile: key,
      mutualtls: true,
      cacertfile: cert,
      notlsport: plain,
      notlspaths: ['/metrics'],
    };
    await start('forward', '-c', writeConfig({ ...base(port), tlsserver, webhook: webhook() }));
    expect((await fetch(`http://127.0.0.1:${plain}/metrics`)).status).toBe(200);
    expect((await fetch(`http://127.0.0.1:${plain}/ping`)).status).toBe(404);
    const ping = (identity: object) =>
      new Promise<string>((resolve) => {
        const request = httpsRequest(
          { host: '127.0.0.1', port, path: '/ping', ca: readFileSync(cert), ...identity },
          (response) => resolve(String(response.statusCode)),
        );
        request.on('error', () => resolve('refused'));
        request.end();
      });
    expect(await ping({ cert: readFileSync(cert), key: readFileSync(key) })).toBe('200');
    expect(await ping({})).toBe('refused');
  });

  it('check says which output is not well', async () => {
    const file = writeConfig({ webhook: webhook(), gotify: { hostport: 'http://127.0.0.1:9', token: 'x' }, slakc: {} });
    const result = await run(PROGRAM, ['forward', 'check', '-c', file]).catch((error) => error);
    expect(result.code).toBe(1);
    expect(result.stdout).toContain('gotify: failed: connect ECONNREFUSED 127.0.0.1:9');
    expect(result.stdout).toContain('webhook: configured; only --send can try it');
    expect(result.stderr).toContain('unknown key slakc; did you mean slack?');
    const sent = await run(PROGRAM, ['forward', 'check', '--send', '-c', writeConfig({ webhook: webhook() })]);
    expect(sent.stdout).toBe('webhook: the test alert was delivered\n');
    expect(got).toHaveLength(1);
    const wrong = await run(PROGRAM, ['forward', '-c', writeConfig({ listenport: 'x' })]).catch((error) => error);
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('listenport: expected a whole number')]);
  });
});

describe('windhover respond', () => {
  const rules = [
    {
      rule: 'keep',
      match: { rules: ['Read sensitive file untrusted'] },
      actions: [{ action: 'keep', actionner: 'program:run', parameters: { program: 'keep' } }],
    },
  ];
  const config = (port: number, more: Record<string, unknown>) => ({
    listen_port: port,
    journal: { path: join(folder, `journal-${port}`) },
    programs: { keep: ['tee', join(folder, `kept-${port}`)] },
    ...more,
  });

  it('asks for a token or a signature, acts, and tells what it did', async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const { end } = await start(
      'respond',
      '-c',
      writeConfig(config(port, { auth: { token: 'secret-token', hmac_secret: 'shared' } })),
      '-r',
      writeConfig(rules),
    );
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    for (const path of ['/', '/undo?id=x', '/approve?id=x', '/log', '/metrics']) {
      expect(
        (await fetch(url + path, path === '/log' || path === '/metrics' ? {} : { method: 'POST', body: HOSTILE }))
          .status,
      ).toBe(401);
    }
    expect((await post(url, HOSTILE, { Authorization: 'Bearer wrong' })).status).toBe(401);
    const time = String(Math.floor(Date.now() / 1000));
    const sign = (at: string, path: string) =>
      `sha256=${createHmac('sha256', 'shared').update(`${at}.${path}.`).update(HOSTILE).digest('hex')}`;
    expect(
      (await post(url, HOSTILE, { 'X-Windhover-Timestamp': '1000', 'X-Windhover-Signature': sign('1000', '/') }))
        .status,
    ).toBe(401);
    expect(
      (
        await post(`${url}/undo?id=x`, HOSTILE, {
          'X-Windhover-Timestamp': time,
          'X-Windhover-Signature': sign(time, '/'),
        })
      ).status,
    ).toBe(401);
    expect(
      (await post(url, HOSTILE, { 'X-Windhover-Timestamp': time, 'X-Windhover-Signature': sign(time, '/') })).status,
    ).toBe(200);
    await until(() => existsSync(join(folder, `kept-${port}`)));
    const log = async () =>
      JSON.parse((await run(PROGRAM, ['respond', 'log', '--url', url, '--token', 'secret-token'])).stdout);
    await until(async () => (await log())[0].state === 'done');
    const undo = await run(PROGRAM, [
      'respond',
      'undo',
      '--id',
      (await log())[0].id,
      '--url',
      url,
      '--token',
      'secret-token',
    ]).catch((error) => error);
    expect([undo.code, undo.stderr]).toEqual([1, 'program:run has no way back here\n']);
    expect((await post(url, HOSTILE, { Authorization: 'Bearer secret-token', Origin: 'http://evil' })).status).toBe(
      403,
    );
    expect(await end()).toBe(0);
  });

  it('check names what is wrong, and refuses to listen to everybody', async () => {
    const file = writeConfig(config(0, {}));
    const wrong = writeConfig([
      { rule: 'a', match: {}, notifiers: ['nobody'], actions: [{ action: 'x', actionner: 'kubernetes:sysdick' }] },
    ]);
    const result = await run(PROGRAM, ['respond', 'check', '-c', file, '-r', wrong]).catch((error) => error);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('there is no actionner kubernetes:sysdick');
    expect(result.stderr).toContain('there is no notifier nobody');
    const open = await run(PROGRAM, ['respond', '-c', writeConfig(config(0, { listen_address: '0.0.0.0' }))]).catch(
      (error) => error,
    );
    expect([open.code, open.stderr]).toEqual([
      1,
      expect.stringContaining('whoever reaches it could have pods deleted'),
    ]);
  });
});
