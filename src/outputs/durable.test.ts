import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadConfig } from '../config/index.ts';
import type { Channel, Message } from './channel.ts';
import { durableChannel } from './durable.ts';
import { type HttpOutputError, httpChannel } from './http.ts';
import { openOutputs } from './index.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'windhover-durable-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A configuration of these overrides. */
const configOf = async (...overrides: string[]) =>
  (
    await loadConfig({
      embedded: true,
      options: ['stdout_output.enabled=false', 'syslog_output.enabled=false', ...overrides],
    })
  ).config;
const message = (line: string): Message => ({ line, severity: 4 });
const quiet = { onRefused() {}, onWaiting() {}, delayAfter: (error: Error) => (error instanceof TypeError ? null : 0) };

/** A channel that keeps what it gets; it can be made to fail. */
function memory() {
  const got: string[] = [];
  const state = { fail: null as Error | null, tried: () => {} };
  const channel: Channel = {
    name: 'http',
    async write(messages) {
      state.tried();
      if (state.fail !== null) throw state.fail;
      got.push(...messages.map(({ line }) => line));
    },
    async close() {},
  };
  return { got, state, channel };
}
const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};

it('delivers in order what was written while the receiver was away, also after a restart', async () => {
  const away = memory();
  away.state.fail = new Error('away');
  const first = await durableChannel(away.channel, { ...quiet, path: folder });
  const failing = new Promise<void>((resolve) => {
    away.state.tried = resolve;
  });
  await first.write([message('a'), message('b')]);
  await failing;
  await first.write([message('c')]);
  await first.close();
  const back = memory();
  const second = await durableChannel(back.channel, { ...quiet, path: folder });
  await until(() => back.got.length === 3);
  await second.write([message('d')]);
  await second.close();
  expect(away.got).toEqual([]);
  expect(back.got).toEqual(['a', 'b', 'c', 'd']);
  const third = memory();
  await (await durableChannel(third.channel, { ...quiet, path: folder })).close();
  expect(third.got).toEqual([]);
});

it('gives up what is refused for good, says so, and goes on', async () => {
  const { got, state, channel } = memory();
  const refused: string[] = [];
  const durable = await durableChannel(channel, { ...quiet, path: folder, onRefused: (e) => refused.push(e.message) });
  state.fail = new TypeError('never');
  await durable.write([message('a')]);
  await until(() => refused.length > 0);
  state.fail = null;
  await durable.write([message('b')]);
  await until(() => got.length === 1);
  await durable.close();
  expect([refused, got]).toEqual([['never'], ['b']]);
});

it('is shared with the channel that takes its place', async () => {
  const [before, after] = [memory(), memory()];
  before.state.fail = new Error('away');
  const first = await durableChannel(before.channel, { ...quiet, path: folder });
  await first.write([message('a')]);
  const second = await durableChannel(after.channel, { ...quiet, path: folder });
  await second.write([message('b')]);
  await first.close();
  await until(() => after.got.length === 2);
  await second.close();
  expect(after.got).toEqual(['a', 'b']);
});

it('lets other channels have a message once it is stored, and not before', async () => {
  const config = await configOf();
  const order: string[] = [];
  let store = () => {};
  const storing = new Promise<void>((resolve) => {
    store = resolve;
  });
  const outputs = await openOutputs(config, [
    {
      name: 'printed',
      write: async (messages) => void order.push(...messages.map(({ line }) => `printed ${line}`)),
      close: async () => {},
    },
    {
      name: 'stored',
      isDurable: true,
      async write(messages) {
        await storing;
        order.push(...messages.map(({ line }) => `stored ${line}`));
      },
      close: async () => {},
    },
  ]);
  outputs.push(message('a'));
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(order).toEqual([]);
  store();
  await outputs.drainedTo(0);
  outputs.push(message('b'));
  await outputs.close(1000);
  expect(order).toEqual(['stored a', 'printed a', 'stored b', 'printed b']);
});

it('keeps what http_output has for a receiver that is down, and only for that one', async () => {
  const got: string[] = [];
  const listen = (port: number) =>
    new Promise<Server>((resolve) => {
      const server = createServer((request, response) => {
        let text = '';
        request.on('data', (chunk) => (text += chunk));
        request.on('end', () => {
          got.push(text);
          response.end();
        });
      });
      server.listen(port, '127.0.0.1', () => resolve(server));
    });
  const probe = await listen(0);
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  const config = await configOf(
    'json_output=true',
    'http_output.enabled=true',
    `http_output.url=http://127.0.0.1:${port}/`,
    `windhover.http_output.queue=${folder}`,
  );
  const first = await openOutputs(config);
  for (const line of ['a', 'b', 'c']) first.push(message(line));
  await first.drainedTo(0);
  await first.close(1000);
  expect(first.stats().http).toMatchObject({ written: 3, failed: 0, dropped: 0 });
  expect(await readdir(folder)).toHaveLength(1);

  const server = await listen(port);
  const second = await openOutputs(config);
  second.push(message('d'));
  await until(() => got.length === 4);
  await second.close(1000);
  server.closeAllConnections();
  server.close();
  expect(got).toEqual(['a', 'b', 'c', 'd']);
});

it('tells what may be taken later from what may not', async () => {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(request.url === '/no' ? 400 : 503).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const retries: boolean[] = [];
  for (const path of ['/no', '/later']) {
    const channel = httpChannel({
      url: `${url}${path}`,
      userAgent: 'test',
      json: true,
      insecure: false,
      caCert: '',
      caBundle: '',
      caPath: '',
      client: null,
      compress: false,
      keepAlive: false,
      echo: null,
      timeoutMs: 1000,
      maxRetries: 0,
      maxConsecutiveTimeouts: 5,
      retryDelayMs: 1,
    });
    const error = await channel.write([message('a')]).catch((caught: HttpOutputError) => caught);
    retries.push((error as HttpOutputError).retry);
    await channel.close();
  }
  server.close();
  expect(retries).toEqual([false, true]);
});
