import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer as createUnixServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Channel, Message } from './channel.ts';
import { fileChannel } from './file.ts';
import { type HttpOptions, httpChannel } from './http.ts';
import { createLane } from './lane.ts';
import { programChannel } from './program.ts';
import { syslogChannel, syslogLine } from './syslog.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'windhover-outputs-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

const message = (line: string, severity = 4): Message => ({ line, severity });

/** Polls until `condition` holds; the test's own time limit is the only clock. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((done) => setTimeout(done, 5));
}

describe('lane', () => {
  const quiet = {
    capacity: 0,
    timeoutMs: 10,
    lingerMs: 0,
    onBlocked: () => {},
    onDropped: () => {},
    onError: () => {},
  };

  test('keeps order, counts what is lost, reports a blocked channel, and never makes push wait', async () => {
    const seen: string[] = [];
    const blocked: string[] = [];
    const lost: number[] = [];
    let release: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow: Channel = {
      name: 'slow',
      async write(messages) {
        await gate;
        seen.push(...messages.map((m) => m.line));
      },
      close: async () => {},
    };
    const lane = createLane(slow, {
      ...quiet,
      capacity: 3,
      onBlocked: (name) => blocked.push(name),
      onDropped: (_name, total) => lost.push(total),
    });
    for (let i = 0; i < 10; i++) lane.push(message(String(i)));
    await until(() => blocked.length > 0);
    expect(lane.stats()).toMatchObject({ written: 0, dropped: 7, waiting: 3 });
    release();
    await lane.drainedTo(0);
    expect(seen).toEqual(['0', '1', '2']);
    expect(blocked[0]).toBe('slow');
    expect(lost).toEqual([1]);
  });

  test('a refused write is counted and the next one is tried', async () => {
    const errors: string[] = [];
    let tries = 0;
    const channel: Channel = {
      name: 'flaky',
      async write() {
        if (tries++ === 0) throw new Error('refused');
      },
      close: async () => {},
    };
    const lane = createLane(channel, { ...quiet, onError: (_name, error) => errors.push(error.message) });
    lane.push(message('a'));
    await lane.drainedTo(0);
    lane.push(message('b'));
    await lane.drainedTo(0);
    expect(lane.stats()).toMatchObject({ written: 1, failed: 1, waiting: 0 });
    expect(errors).toEqual(['refused']);
  });

  test('closing gives up on a channel that stays blocked', async () => {
    const lane = createLane({ name: 'stuck', write: () => new Promise(() => {}), close: async () => {} }, quiet);
    lane.push(message('a'));
    await lane.close(20);
    expect(lane.stats().dropped).toBe(1);
  });
});

describe('stdout', () => {
  const script = `
    import { stdoutChannel } from ${JSON.stringify(new URL('./stdout.ts', import.meta.url).href)};
    const channel = stdoutChannel();
    const line = 'x'.repeat(1000);
    let pending = 0;
    for (let i = 0; i < 1000; i++) { pending++; channel.write([{ line: i + line, severity: 0 }]).then(() => pending--, () => {}); }
    setTimeout(() => process.stderr.write('alive ' + (pending > 0) + '\\n'), 20);
    const wait = () => (pending > 0 ? setTimeout(wait, 5) : process.stderr.write('done\\n'));
    wait();`;

  test('a reader that does not read stops nothing else; everything arrives once it does', async () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    await until(() => stderr.includes('alive'));
    expect(stderr).toContain('alive true');
    let lines = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      for (const byte of chunk) if (byte === 10) lines++;
    });
    await once(child, 'close');
    expect(lines).toBe(1000);
    expect(stderr).toContain('done');
  });

  test('a file as standard output', async () => {
    const path = join(directory, 'stdout.txt');
    execFileSync('sh', ['-c', `"$0" --input-type=module -e "$1" > ${path} 2>&1`, process.execPath, script]);
    expect(readFileSync(path, 'utf8').match(/^\d+x{1000}$/gm)?.length).toBe(1000);
  });
});

describe('file', () => {
  test('without keep_alive each write opens the file by its name', async () => {
    const path = join(directory, 'events.txt');
    const channel = fileChannel(path, false);
    await channel.write([message('one')]);
    renameSync(path, `${path}.1`);
    await channel.write([message('two'), message('three')]);
    expect(readFileSync(`${path}.1`, 'utf8')).toBe('one\n');
    expect(readFileSync(path, 'utf8')).toBe('two\nthree\n');
    await channel.close();
  });

  test('with keep_alive it stays open until reopened', async () => {
    const path = join(directory, 'kept.txt');
    const channel = fileChannel(path, true);
    await channel.write([message('one')]);
    renameSync(path, `${path}.1`);
    await channel.write([message('two')]);
    await channel.reopen?.();
    await channel.write([message('three')]);
    await channel.close();
    expect(readFileSync(`${path}.1`, 'utf8')).toBe('one\ntwo\n');
    expect(readFileSync(path, 'utf8')).toBe('three\n');
  });

  test('a path that cannot be opened rejects', async () => {
    await expect(fileChannel(join(directory, 'no', 'x'), false).write([message('a')])).rejects.toThrow('ENOENT');
  });
});

describe('program', () => {
  test('once for each alert, or kept running; what stands in an event is only data', async () => {
    const path = join(directory, 'program.txt');
    const harmless = join(directory, 'injected');
    const lines = [`$(touch ${harmless})`, `\`touch ${harmless}\`; touch ${harmless}`];
    for (const keepAlive of [false, true]) {
      const channel = programChannel(`(echo start; cat) >> ${path}`, keepAlive);
      for (const line of lines) await channel.write([message(line)]);
      await channel.close();
    }
    expect(readFileSync(path, 'utf8')).toBe(`start\n${lines[0]}\nstart\n${lines[1]}\nstart\n${lines.join('\n')}\n`);
    expect(existsSync(harmless)).toBe(false);
  });

  test('a program that ends early is started again for the next alert', async () => {
    const path = join(directory, 'early.txt');
    const channel = programChannel(`head -n 1 >> ${path}`, true);
    await channel.write([message('one')]);
    await until(() => existsSync(path) && readFileSync(path, 'utf8') === 'one\n');
    await new Promise((done) => setTimeout(done, 100));
    await channel.write([message('two')]);
    await channel.close();
    expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n');
  });
});

describe('http', () => {
  interface Call {
    readonly headers: IncomingMessage['headers'];
    readonly body: Buffer;
    readonly port: number | undefined;
  }
  type Answer = (call: Call, n: number) => { status: number; headers?: Record<string, string>; body?: string } | null;

  /** A server that keeps what it was sent; the answer null lets the caller wait. */
  async function serve(answer: Answer, tls?: Parameters<typeof createTlsServer>[0]) {
    const calls: Call[] = [];
    const listener = (request: IncomingMessage, response: import('node:http').ServerResponse): void => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', () => {
        const call = { headers: request.headers, body: Buffer.concat(chunks), port: request.socket.remotePort };
        calls.push(call);
        const given = answer(call, calls.length);
        if (given !== null) response.writeHead(given.status, given.headers).end(given.body ?? '');
      });
    };
    const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    return {
      calls,
      port,
      close: () => {
        server.close();
        server.closeAllConnections();
      },
    };
  }

  const base: HttpOptions = {
    url: '',
    userAgent: 'test/1',
    json: true,
    insecure: false,
    caCert: '',
    caBundle: '',
    caPath: '/etc/ssl/certs',
    client: null,
    compress: false,
    keepAlive: false,
    echo: null,
    timeoutMs: 5000,
    maxRetries: 3,
    maxConsecutiveTimeouts: 5,
    retryDelayMs: 1,
  };

  test('one request an alert, with its headers; compressed on demand; the connection is used again on demand', async () => {
    const echoed: string[] = [];
    const server = await serve(() => ({ status: 200, body: 'thanks' }));
    const url = `http://127.0.0.1:${server.port}/path?q=1`;
    const plain = httpChannel({ ...base, url, echo: (body) => echoed.push(body) });
    await plain.write([message('{"a":1}'), message('{"a":2}')]);
    await plain.close();
    const kept = httpChannel({ ...base, url, json: false, compress: true, keepAlive: true });
    await kept.write([message('text'), message('é')]);
    await kept.close();
    server.close();

    const [first, second, third, fourth] = server.calls;
    expect(first?.headers).toMatchObject({
      'user-agent': 'test/1',
      'content-type': 'application/json',
      'content-length': '7',
    });
    expect(second?.body.toString()).toBe('{"a":2}');
    expect(first?.port).not.toBe(second?.port);
    expect(third?.headers).toMatchObject({ 'content-type': 'text/plain', 'content-encoding': 'gzip' });
    expect(gunzipSync(fourth?.body ?? '').toString()).toBe('é');
    expect(third?.port).toBe(fourth?.port);
    expect(echoed).toEqual(['thanks', 'thanks']);
  });

  test('429 and 5xx are tried again, a bounded number of times; 4xx is final', async () => {
    const statuses = [503, 429, 200, 400, 500, 500, 500, 500];
    const server = await serve((_call, n) => ({ status: statuses[n - 1] ?? 200 }));
    const channel = httpChannel({ ...base, url: `http://127.0.0.1:${server.port}/` });
    await channel.write([message('recovers')]);
    await expect(channel.write([message('refused')])).rejects.toThrow('1 of 1 alerts not delivered: 127.0.0.1');
    await expect(channel.write([message('broken'), message('after')])).rejects.toThrow('answered 500');
    await channel.close();
    server.close();
    expect(server.calls.map((call) => call.body.toString())).toEqual([
      ...['recovers', 'recovers', 'recovers'],
      'refused',
      ...['broken', 'broken', 'broken', 'broken'],
      'after',
    ]);
  });

  test('an answer that does not come is a time-out', async () => {
    const server = await serve(() => null);
    const channel = httpChannel({ ...base, url: `http://127.0.0.1:${server.port}/`, timeoutMs: 20, maxRetries: 1 });
    await expect(channel.write([message('a')])).rejects.toThrow('within 20 ms');
    await channel.close();
    server.close();
    expect(server.calls).toHaveLength(2);
  });

  test('TLS: a private CA, a client certificate, and neither', async () => {
    const pem = (name: string): string => join(directory, `${name}.pem`);
    const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' });
    const subject = (name: string): string[] => [
      '-nodes',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-subj',
      `/CN=${name}`,
    ];
    openssl('req', '-x509', ...subject('ca'), '-keyout', pem('ca-key'), '-out', pem('ca'), '-days', '2');
    for (const name of ['server', 'client']) {
      openssl(
        'req',
        ...subject(name),
        '-keyout',
        pem(`${name}-key`),
        '-out',
        pem(`${name}-request`),
        '-addext',
        'subjectAltName=IP:127.0.0.1',
      );
      openssl(
        'x509',
        '-req',
        '-in',
        pem(`${name}-request`),
        '-CA',
        pem('ca'),
        '-CAkey',
        pem('ca-key'),
        '-out',
        pem(name),
        '-days',
        '2',
        '-copy_extensions',
        'copy',
      );
    }
    const server = await serve(() => ({ status: 200 }), {
      cert: readFileSync(pem('server')),
      key: readFileSync(pem('server-key')),
      ca: readFileSync(pem('ca')),
      requestCert: true,
      rejectUnauthorized: true,
    });
    const client = { cert: pem('client'), key: pem('client-key') };
    const options = { ...base, url: `https://127.0.0.1:${server.port}/`, maxRetries: 0 };
    const send = async (more: Partial<HttpOptions>) => {
      const channel = httpChannel({ ...options, ...more });
      await channel.write([message('secret')]).finally(() => channel.close());
    };
    await send({ caCert: pem('ca'), client });
    await send({ caBundle: pem('ca'), client });
    await send({ caPath: directory, client });
    await send({ insecure: true, client });
    await expect(send({ caCert: pem('ca') })).rejects.toThrow();
    await expect(send({ client })).rejects.toThrow('certificate');
    server.close();
    expect(server.calls).toHaveLength(4);
  });
});

describe('syslog', () => {
  const LINE = /^<12>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d falco\[\d+\]: /;

  /** A datagram socket at `path` that prints what it is sent. */
  async function daemon(path: string) {
    rmSync(path, { force: true });
    const code =
      'import socket,sys,os\ns=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM);s.bind(sys.argv[1]);print("ready",flush=True)\n' +
      'while 1: print(s.recv(65536).decode(),flush=True)';
    const child = spawn('python3', ['-c', code, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
    });
    await until(() => text.startsWith('ready\n'));
    return {
      lines: () => text.split('\n').slice(1, -1),
      stop: async () => {
        child.kill();
        await once(child, 'close');
      },
    };
  }

  test('a datagram socket, also after the daemon was restarted', async () => {
    const path = join(directory, 'log');
    const channel = syslogChannel(path, 'falco');
    const first = await daemon(path);
    await channel.write([message('one'), message('two', 2)]);
    await until(() => first.lines().length === 2);
    await first.stop();
    await expect(channel.write([message('lost')])).rejects.toThrow(path);
    const second = await daemon(path);
    await channel.write([message('three')]);
    await until(() => second.lines().length === 1);
    await second.stop();
    await channel.close();
    expect(first.lines()[0]).toMatch(LINE);
    expect(first.lines()[0]).toContain(': one');
    expect(first.lines()[1]).toMatch(/^<10>/);
    expect(second.lines()[0]).toContain(': three');
  });

  test('a stream socket', async () => {
    const path = join(directory, 'stream');
    let text = '';
    const server = createUnixServer((socket) => socket.on('data', (chunk) => (text += chunk))).listen(path);
    await once(server, 'listening');
    const channel = syslogChannel(path, 'falco');
    await channel.write([message('one'), message('two')]);
    await until(() => text.split('\n').length === 3);
    await channel.close();
    server.close();
    expect(text.split('\n')[1]).toMatch(LINE);
  });

  test('UDP', async () => {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const channel = syslogChannel(`udp://127.0.0.1:${socket.address().port}`, 'falco');
    const received = once(socket, 'message');
    await channel.write([message('one')]);
    const [bytes] = await received;
    await channel.close();
    socket.close();
    expect(String(bytes)).toMatch(LINE);
  });

  test('days of one digit are padded with a blank, as RFC 3164 asks', () => {
    expect(syslogLine(0, 'x', 'y', new Date(2026, 0, 2, 3, 4, 5))).toBe(`<8>Jan  2 03:04:05 x[${process.pid}]: y`);
  });
});
