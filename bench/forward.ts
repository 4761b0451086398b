/**
 * What the forwarder does when things go wrong: each row is a fault, a load, and what became of every alert that was
 * answered with 200.
 *
 *     node bench/forward.ts [--long] [--only NAME] [--json]
 *
 * `lost`: accepted and neither delivered nor counted as dropped. `inversions`: alerts of one connection that came
 * after a later one of the same connection. `twice`: delivered more than once (with the same id). `p99`: how long
 * alerts took meanwhile to the other destination, which is well. The sinks and the load run in this process, so rates are
 * lower bounds; `bare` is the same load against a server that does nothing.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, styleText } from 'node:util';
import { stringify } from 'yaml';

const { values: flags } = parseArgs({
  options: {
    long: { type: 'boolean', default: false },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const root = mkdtempSync(join(tmpdir(), 'windhover-bench-forward-'));
const PROGRAM = new URL('../bin/windhover', import.meta.url).pathname;
const PADDING = 'x'.repeat(900);
/** Fields of our alerts: found without the cost of reading JSON. */
const NUMBERS = [/"connection":(\d+)/, /"n":(\d+)/, /"at":(\d+)/];

/** A receiver that remembers what came, and misbehaves as told. */
class Sink {
  readonly got = new Map<string, number>();
  readonly order = new Map<number, number[]>();
  readonly delays: number[] = [];
  /** Share of requests answered with 503. */
  failing = 0;
  delay = 0;
  hanging = false;
  port = 0;
  #server: Server | null = null;

  async listen(port = this.port): Promise<void> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', async () => {
        if (this.hanging) return;
        if (this.delay > 0) await sleep(this.delay);
        if (Math.random() < this.failing) {
          response.writeHead(503, { 'Retry-After': '0' }).end();
          return;
        }
        const now = Date.now();
        for (const line of Buffer.concat(chunks).toString('latin1').split('\n')) {
          const [connection, n, at] = NUMBERS.map((name) => Number(name.exec(line)?.[1]));
          const key = `${connection}:${n}`;
          const times = (this.got.get(key) ?? 0) + 1;
          this.got.set(key, times);
          if (times > 1) continue;
          this.delays.push(now - at);
          const order = this.order.get(connection) ?? [];
          order.push(n);
          this.order.set(connection, order);
        }
        response.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
  }
  close(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }
  inversions(): number {
    let found = 0;
    for (const order of this.order.values()) {
      let highest = -1;
      for (const n of order) {
        if (n < highest) found++;
        highest = Math.max(highest, n);
      }
    }
    return found;
  }
  p99(): number {
    const sorted = this.delays.toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length * 0.99)] ?? 0;
  }
}

/** The forwarder as a process of its own. */
class Forwarder {
  readonly port: number;
  readonly folder: string;
  readonly #config: string;
  #child: ChildProcess | null = null;
  peak = 0;
  #watch: NodeJS.Timeout | null = null;

  constructor(name: string, port: number, outputs: Record<string, unknown>, queue: Record<string, unknown> = {}) {
    this.port = port;
    this.folder = join(root, name);
    mkdirSync(this.folder, { recursive: true });
    this.#config = join(this.folder, 'config.yaml');
    writeFileSync(
      this.#config,
      stringify({
        listenaddress: '127.0.0.1',
        listenport: port,
        queue: { path: join(this.folder, 'data'), ...queue },
        shutdown_timeout: '2s',
        ...outputs,
      }),
    );
  }
  async start(): Promise<void> {
    const output = openSync(join(this.folder, 'log'), 'a');
    const child = spawn(PROGRAM, ['forward', '-c', this.#config], { stdio: ['ignore', output, output] });
    this.#child = child;
    this.#watch = setInterval(() => {
      const found = /VmRSS:\s+(\d+)/.exec(readStatus(child.pid as number));
      if (found !== null) this.peak = Math.max(this.peak, Number(found[1]) / 1024);
    }, 100);
    for (let i = 0; i < 600; i++) {
      if (child.exitCode !== null)
        throw new Error(`the forwarder ended: ${readFileSync(join(this.folder, 'log'), 'utf8').slice(-500)}`);
      if ((await this.ask('/ping').catch(() => '')) === 'pong\n') return;
      await sleep(50);
    }
    throw new Error('the forwarder does not answer');
  }
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
      await ended;
    }
    if (this.#watch !== null) clearInterval(this.#watch);
    this.#child = null;
  }
  async ask(path: string): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`);
    return response.text();
  }
  /** Seconds of CPU that it has used so far. */
  cpu(): number {
    const [utime, stime] = readFileSync(`/proc/${this.#child?.pid}/stat`, 'latin1')
      .split(') ')[1]
      .split(' ')
      .slice(11, 13);
    return (Number(utime) + Number(stime)) / 100;
  }
  async waiting(id: string): Promise<number> {
    const { outputs } = JSON.parse(await this.ask('/status')) as { outputs: { id: string; waiting: number }[] };
    return outputs.find((output) => output.id === id)?.waiting ?? 0;
  }
  async dropped(): Promise<number> {
    const text = await this.ask('/metrics');
    return [...text.matchAll(/^windhover_forward_dropped_total\{[^}]*\} (\d+)/gm)].reduce(
      (sum, [, count]) => sum + Number(count),
      0,
    );
  }
}

function readStatus(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}

interface Load {
  /** Those that were answered with 200. */
  readonly accepted: Set<string>;
  readonly refused: number;
  readonly seconds: number;
}

/** One kept-alive connection, written by hand: the load must not cost more than what it measures. */
function openConnection(port: number) {
  let socket: Socket | null = null;
  let settle: { resolve(status: number): void; reject(error: Error): void } | null = null;
  let received = '';

  function fail(error: Error): void {
    socket?.destroy();
    socket = null;
    received = '';
    settle?.reject(error);
    settle = null;
  }
  function take(chunk: Buffer): void {
    received += chunk.toString('latin1');
    const head = received.indexOf('\r\n\r\n');
    if (head === -1) return;
    const length = Number(/content-length: *(\d+)/i.exec(received.slice(0, head))?.[1] ?? 0);
    if (received.length < head + 4 + length) return;
    const status = Number(received.slice(9, 12));
    received = '';
    settle?.resolve(status);
    settle = null;
  }

  return {
    /** @returns the status of the answer. @throws when there is none; the next post opens a new connection. */
    post: (body: string) =>
      new Promise<number>((resolve, reject) => {
        settle = { resolve, reject };
        if (socket === null) {
          const opened = connect(port, '127.0.0.1').setNoDelay(true);
          socket = opened;
          opened.on('data', take);
          opened.on('error', fail);
          opened.on('close', () => {
            if (socket === opened) fail(new Error('closed'));
          });
        }
        socket.write(
          `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
        );
      }),
    close: () => void socket?.destroy(),
  };
}

/** Posts alerts over several connections; what is not answered is posted again. @param rate a second; 0: as fast as it goes */
async function load(port: number, count: number, connections: number, rate = 0, firstN = 0): Promise<Load> {
  const accepted = new Set<string>();
  let refused = 0;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: connections }, async (_, connection) => {
      const { post, close } = openConnection(port);
      for (let i = 0; i < count / connections; i++) {
        const n = firstN + i;
        if (rate > 0) {
          const due = started + (i * connections * 1000) / rate;
          const wait = due - performance.now();
          if (wait > 0) await sleep(wait);
        }
        const now = Date.now();
        const body = `{"rule":"Terminal shell in container","priority":"Notice","time":"${new Date(now).toISOString()}","output":"shell ${connection}:${n}","output_fields":{"connection":${connection},"n":${n},"at":${now},"evt.time":1767366245123456789,"padding":"${PADDING}"}}`;
        for (;;) {
          try {
            if ((await post(body)) === 200) accepted.add(`${connection}:${n}`);
            else refused++;
            break;
          } catch {
            await sleep(20);
          }
        }
      }
      close();
    }),
  );
  return { accepted, refused, seconds: (performance.now() - started) / 1000 };
}

interface Row {
  readonly fault: string;
  readonly accepted: number;
  readonly lost: number;
  readonly inversions: number;
  readonly twice: number;
  readonly dropped: number;
  readonly rss: number;
  /** Milliseconds from sending to arrival at the destination that is well, 99 of 100; null: there is none. */
  readonly p99: number | null;
  readonly note: string;
}

async function until(condition: () => boolean | Promise<boolean>, seconds: number): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end && !(await condition())) await sleep(50);
}

function judge(
  fault: string,
  accepted: Iterable<string>,
  sink: Sink,
  forwarder: Forwarder,
  note: string,
  well: Sink | null = null,
  dropped = 0,
): Row {
  const all = new Set(accepted);
  const lost = [...all].filter((key) => !sink.got.has(key)).length;
  const twice = [...sink.got.values()].filter((times) => times > 1).length;
  return {
    fault,
    accepted: all.size,
    lost,
    inversions: sink.inversions(),
    twice,
    dropped,
    rss: Math.round(forwarder.peak),
    p99: well?.p99() ?? null,
    note,
  };
}

const webhook = (sink: Sink, more: Record<string, unknown> = {}) => ({
  address: `http://127.0.0.1:${sink.port}/`,
  ...more,
});
const BATCHES = { batching: { enabled: true, batchsize: 500, flushinterval: '10ms' } };
let nextPort = 23_000 + (process.pid % 1000) * 10;

const SCENARIOS: Record<string, () => Promise<Row>> = {
  async healthy() {
    const bare = createServer((request, response) => request.resume().on('end', () => response.end()));
    await new Promise<void>((resolve) => bare.listen(0, '127.0.0.1', resolve));
    const base = await load((bare.address() as AddressInfo).port, 20_000, 16);
    bare.close();
    const [sink, forwarder] = await pair('healthy', BATCHES);
    const cpuBefore = forwarder.cpu();
    const result = await load(forwarder.port, 100_000, 16);
    await until(() => sink.got.size >= result.accepted.size, 30);
    const rate = result.accepted.size / result.seconds;
    const cpu = Math.round(((forwarder.cpu() - cpuBefore) * 1e6) / result.accepted.size);
    const row = judge(
      'none, 16 connections',
      result.accepted,
      sink,
      forwarder,
      `${Math.round(rate)}/s in, ${cpu} µs CPU each (bare server ${Math.round(20_000 / base.seconds)}/s: ${((rate * base.seconds) / 20_000).toFixed(2)})`,
    );
    await finish(forwarder, sink);
    return row;
  },
  async outage() {
    const seconds = flags.long ? 600 : 10;
    const [sink, forwarder, other] = await trio('outage', {});
    const loading = load(forwarder.port, (seconds + 15) * 200, 4, 200);
    await sleep(5000);
    sink.close();
    await sleep(seconds * 1000);
    await sink.listen();
    const result = await loading;
    await until(() => sink.got.size >= result.accepted.size, 120);
    const row = judge(`destination down ${seconds} s, 200/s`, result.accepted, sink, forwarder, '', other);
    await finish(forwarder, sink, other);
    return row;
  },
  async errors() {
    const [sink, forwarder, other] = await trio('errors', {});
    sink.failing = 0.1;
    const result = await load(forwarder.port, 3000, 4, 1000);
    await until(() => sink.got.size >= result.accepted.size, 300);
    const row = judge('10 % answers are 503', result.accepted, sink, forwarder, '', other);
    await finish(forwarder, sink, other);
    return row;
  },
  async slow() {
    const [sink, forwarder, other] = await trio('slow', BATCHES);
    sink.delay = 20;
    const started = performance.now();
    const result = await load(forwarder.port, 20_000, 16);
    await until(() => sink.got.size >= result.accepted.size, 120);
    const rate = sink.got.size / ((performance.now() - started) / 1000);
    await until(() => other.got.size >= result.accepted.size, 60);
    // Now at a rate that leaves the processors time.
    other.delays.length = 0;
    const calm = await load(forwarder.port, 20_000, 16, 2500, 20_000);
    await until(() => sink.got.size >= result.accepted.size + calm.accepted.size, 60);
    const row = judge(
      'each answer takes 20 ms',
      [...result.accepted, ...calm.accepted],
      sink,
      forwarder,
      `${Math.round(result.accepted.size / result.seconds)}/s in, ${Math.round(rate)}/s delivered; p99 at 2,500/s`,
      other,
    );
    await finish(forwarder, sink, other);
    return row;
  },
  async sigterm() {
    const [sink, forwarder] = await pair('sigterm', BATCHES);
    sink.close();
    const result = await load(forwarder.port, 20_000, 16);
    await forwarder.end('SIGTERM');
    await sink.listen();
    await forwarder.start();
    await until(() => sink.got.size >= result.accepted.size, 60);
    const row = judge('SIGTERM with 20,000 queued', result.accepted, sink, forwarder, '');
    await finish(forwarder, sink);
    return row;
  },
  async hung() {
    const [hung, forwarder, sink] = await trio('hung', {}, { max_bytes: '4GiB' });
    hung.hanging = true;
    const count = flags.long ? 1_000_000 : 30_000;
    const filling = await load(forwarder.port, count, 16);
    await until(() => sink.got.size >= filling.accepted.size, 120);
    const filled = sink.p99();
    sink.delays.length = 0;
    const result = await load(forwarder.port, 2000, 4, 200, count);
    await until(() => sink.got.size >= filling.accepted.size + result.accepted.size, 60);
    const waiting = await forwarder.waiting('webhook:faulty');
    const row = judge(
      'another destination hangs',
      [...filling.accepted, ...result.accepted],
      sink,
      forwarder,
      `${waiting} wait for it; p99 while they came, ${Math.round(filling.accepted.size / filling.seconds)}/s: ${filled} ms`,
      sink,
    );
    await finish(forwarder, sink, hung);
    return row;
  },
  async kill() {
    const times = flags.long ? 200 : 10;
    const [sink, forwarder] = await pair('kill', BATCHES);
    const loading = load(forwarder.port, times * 600, 8, 600);
    for (let i = 0; i < times; i++) {
      await sleep(200 + Math.random() * 500);
      await forwarder.end('SIGKILL');
      await forwarder.start();
    }
    const result = await loading;
    await until(() => [...result.accepted].every((key) => sink.got.has(key)), 60);
    const row = judge(`kill -9, ${times} times under load`, result.accepted, sink, forwarder, '');
    await finish(forwarder, sink);
    return row;
  },
  async full() {
    const folder = join(root, 'full', 'data');
    mkdirSync(folder, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder]);
    try {
      const [sink, forwarder] = await pair('full', BATCHES, { when_full: 'block' });
      sink.close();
      const first = await load(forwarder.port, 8000, 8);
      await sink.listen();
      await until(async () => (await forwarder.waiting('webhook')) === 0, 60);
      const second = await load(forwarder.port, 800, 8, 0, 8000);
      const accepted = [...first.accepted, ...second.accepted];
      await until(() => accepted.every((key) => sink.got.has(key)), 60);
      const row = judge(
        'disk full (4 MiB)',
        accepted,
        sink,
        forwarder,
        `${first.refused + second.refused} refused with 503`,
      );
      await finish(forwarder, sink);
      return row;
    } finally {
      execFileSync('umount', ['-l', folder]);
    }
  },
  async bits() {
    const [sink, forwarder] = await pair('bits', BATCHES);
    sink.close();
    const result = await load(forwarder.port, 10_000, 8);
    await forwarder.end('SIGTERM');
    const folder = join(forwarder.folder, 'data', 'queue');
    const segments = readdirSync(folder).filter((name) => name.endsWith('.seg'));
    for (let i = 0; i < 20; i++) {
      const path = join(folder, segments[i % segments.length]);
      const file = openSync(path, 'r+');
      const at = 16 + Math.floor(Math.random() * (statSync(path).size - 16));
      writeSync(file, Buffer.from([readFileSync(path)[at] ^ 0x10]), 0, 1, at);
    }
    // And a tail that a power cut left half written.
    const last = join(folder, segments.at(-1) as string);
    appendFileSync(last, readFileSync(last).subarray(16, 60));
    truncateSync(last, statSync(last).size - 7);
    await sink.listen();
    await forwarder.start();
    const dropped = await forwarder.dropped();
    await until(async () => (await forwarder.waiting('webhook')) === 0, 60);
    const row = judge(
      '20 flipped bits, torn tail',
      result.accepted,
      sink,
      forwarder,
      'every one is counted',
      null,
      dropped,
    );
    await finish(forwarder, sink);
    return { ...row, lost: Math.max(0, row.lost - dropped) };
  },
};

/** A forwarder with one destination. */
async function pair(
  name: string,
  more: Record<string, unknown>,
  queue: Record<string, unknown> = {},
): Promise<[Sink, Forwarder]> {
  const sink = new Sink();
  await sink.listen();
  const forwarder = new Forwarder(name, nextPort++, { webhook: webhook(sink, more) }, queue);
  await forwarder.start();
  return [sink, forwarder];
}
/** A forwarder with a destination that will misbehave, and another one that is well. */
async function trio(
  name: string,
  more: Record<string, unknown>,
  queue: Record<string, unknown> = {},
): Promise<[Sink, Forwarder, Sink]> {
  const [sink, other] = [new Sink(), new Sink()];
  await sink.listen();
  await other.listen();
  const both = [
    { instance: 'faulty', ...webhook(sink, more) },
    { instance: 'well', ...webhook(other, BATCHES) },
  ];
  const forwarder = new Forwarder(name, nextPort++, { webhook: both }, queue);
  await forwarder.start();
  return [sink, forwarder, other];
}
async function finish(forwarder: Forwarder, ...sinks: Sink[]): Promise<void> {
  await forwarder.end();
  for (const sink of sinks) sink.close();
}

const rows: Row[] = [];
const HEADS = ['fault', 'accepted', 'lost', 'inversions', 'twice', 'dropped', 'RSS MB', 'p99 ms', 'note'];
const line = (cells: readonly (string | number | null)[]) =>
  cells
    .map((cell, i) => (i === 0 ? String(cell).padEnd(30) : i === 8 ? `  ${cell}` : String(cell ?? '').padStart(11)))
    .join('');
if (!flags.json) process.stdout.write(`${styleText('bold', line(HEADS))}\n`);
try {
  for (const [name, run] of Object.entries(SCENARIOS)) {
    if (flags.only !== undefined && flags.only !== name) continue;
    const row = await run();
    rows.push(row);
    if (!flags.json) process.stdout.write(`${line(Object.values(row))}\n`);
  }
} finally {
  rmSync(root, { recursive: true, force: true });
}
if (flags.json) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
process.exit(rows.some(({ lost, inversions }) => lost > 0 || inversions > 0) ? 1 : 0);
