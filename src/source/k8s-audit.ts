import { createReadStream, watch } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { basename, dirname } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { toByteString } from '../bytes.ts';
import { buildEvent, Event, EventType } from '../event/index.ts';
import type { Source, SourceStats } from './index.ts';

/** Parameters of Falco's k8saudit plugin 0.18 (`init_config`). */
export interface K8sAuditOptions {
  /** PEM file with certificate and key, for https. */
  readonly sslCertificate?: string;
  /** Larger events are left out; default 262144 bytes. */
  readonly maxEventSize?: number;
  /** Largest request that the webhook takes; default 12582912 bytes. */
  readonly webhookMaxBatchSize?: number;
  /** Told what was not taken. */
  readonly warn: (message: string) => void;
}

export interface K8sAuditSource extends Source {
  /** The webhook's port; null for files. */
  readonly port: number | null;
}

/** Number of the plugin in the registry of falcosecurity/plugins; every event carries it. */
const PLUGIN_ID = 1;
const PLUGIN_EVENT = EventType.PLUGINEVENT_E as number;
const NOT_AN_EVENT = 'data not recognized as a k8s audit event';
const DEFAULT_EVENT_SIZE = 262_144;
const DEFAULT_BATCH_SIZE = 12_582_912;
/** Most events and bytes that wait to be judged; a webhook answers, and a file is read on, once there is room again. */
const MAX_WAITING = 50_000;
const MAX_WAITING_BYTES = 64 << 20;
/** An API server has few connections; each may be sending a batch. */
const MAX_CONNECTIONS = 64;
const REQUEST_MS = 60_000;
/** How often a followed file is looked at, should the file system not tell of changes. */
const FOLLOW_MS = 1000;
/** Longest line of a followed file, in characters. */
const MAX_LINE = 16 << 20;

interface Queued {
  readonly ts: bigint;
  readonly json: string;
}

/**
 * Audit events of Kubernetes from where `open_params` says: a webhook (`http://HOST:PORT/PATH`, `https://…`), a file that
 * is followed across rotations (`file://PATH`), or a file that is read once (`PATH`).
 * Rejects when the port or the file cannot be opened.
 */
export async function openK8sAudit(openParams: string, options: K8sAuditOptions): Promise<K8sAuditSource> {
  const queue: Queued[] = [];
  let queuedBytes = 0;
  let wake: () => void = () => {};
  /** Who waits for room. */
  let waiters: (() => void)[] = [];
  const room = (): void => {
    const told = waiters;
    waiters = [];
    for (const tell of told) tell();
  };
  let complete = false;
  const lost = { refused_requests: 0, oversized_events: 0, unrecognized_lines: 0 };
  const intake: Intake = {
    lost,
    take(text) {
      const events = auditEvents(text, options.maxEventSize ?? DEFAULT_EVENT_SIZE, (size) => {
        lost.oversized_events++;
        options.warn(
          `k8s audit event of ${size} bytes left out: maxEventSize is ${options.maxEventSize ?? DEFAULT_EVENT_SIZE}`,
        );
      });
      for (const event of events) {
        queue.push(event);
        queuedBytes += event.json.length;
      }
      if (events.length > 0) wake();
    },
    end() {
      complete = true;
      wake();
    },
    async room() {
      while (!complete && (queue.length >= MAX_WAITING || queuedBytes >= MAX_WAITING_BYTES)) {
        await new Promise<void>((done) => waiters.push(done));
      }
    },
  };
  const reader = await openReader(openParams, options, intake);
  const event = new Event();
  let events = 0;

  return {
    name: 'k8s_audit',
    port: reader.port,
    async next(visit, timeoutMs) {
      if (queue.length === 0 && !complete) {
        await new Promise<void>((done) => {
          const timer = setTimeout(done, timeoutMs);
          wake = () => {
            clearTimeout(timer);
            done();
          };
        });
      }
      const batch = queue.splice(0);
      queuedBytes = 0;
      for (const { ts, json } of batch) {
        const bytes = buildEvent(PLUGIN_EVENT, {
          ts,
          tid: -1n,
          params: { plugin_id: PLUGIN_ID, event_data: toByteString(json) },
        });
        event.attach(bytes, new DataView(bytes.buffer));
        event.read(0, 0, ++events);
        visit(event);
      }
      room();
      return batch.length;
    },
    get ended() {
      return complete && queue.length === 0;
    },
    stats: (): SourceStats => ({ events, drops: { ...lost } }),
    close() {
      complete = true;
      queue.length = 0;
      wake();
      room();
      reader.close();
    },
  };
}

interface Intake {
  /** What was not taken since the start. */
  readonly lost: { refused_requests: number; oversized_events: number; unrecognized_lines: number };
  /** Takes one JSON text: an event, a list of them, or an array. Throws an Error when it is none of these. */
  take(text: string): void;
  /** No more will come. */
  end(): void;
  /** Resolves once more can be taken. */
  room(): Promise<void>;
}

interface Reader {
  readonly port: number | null;
  close(): void;
}

async function openReader(openParams: string, options: K8sAuditOptions, intake: Intake): Promise<Reader> {
  if (/^https?:/.test(openParams)) return openWebhook(openParams, options, intake);
  if (openParams.startsWith('file://')) return followFile(openParams.slice('file://'.length), options, intake);
  return readWhole(openParams, options, intake);
}

/** The events in a JSON text; big integers keep their digits. `tooLarge` gets the size of each that is left out. */
function auditEvents(text: string, maxSize: number, tooLarge: (size: number) => void): Queued[] {
  const value: unknown = JSON.parse(text);
  const found: Queued[] = [];
  const add = (item: unknown, json: () => string): void => {
    const { stageTimestamp } = item as { stageTimestamp?: unknown };
    const ts = typeof stageTimestamp === 'string' ? nanoseconds(stageTimestamp) : null;
    if (ts === null) throw new Error(NOT_AN_EVENT);
    const line = json();
    const size = Buffer.byteLength(line);
    if (size > maxSize) tooLarge(size);
    else found.push({ ts, json: line });
  };
  const kind = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined;
  const items = Array.isArray(value) ? value : kind === 'EventList' ? (value as { items?: unknown }).items : undefined;
  if (Array.isArray(items)) {
    const exact = exactItems(text, Array.isArray(value));
    items.forEach((item, i) => {
      if (typeof item !== 'object' || item === null) throw new Error(NOT_AN_EVENT);
      add(item, () => JSON.stringify(exact[i]));
    });
  } else if (kind === 'Event') {
    add(value, () => text.trim());
  } else {
    throw new Error(NOT_AN_EVENT);
  }
  return found;
}

/** The items of a list such that writing them again gives the same numbers. */
function exactItems(text: string, isArray: boolean): unknown[] {
  const raw = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;
  type Reviver = (this: unknown, key: string, value: unknown, context: { source?: string }) => unknown;
  const keepDigits: Reviver = (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined && String(value) !== source ? raw(source) : value;
  const value = JSON.parse(text, keepDigits as Parameters<typeof JSON.parse>[1]) as { items: unknown[] } | unknown[];
  return isArray ? (value as unknown[]) : (value as { items: unknown[] }).items;
}

/** RFC 3339 with up to nine digits of a second, in nanoseconds since the epoch. */
function nanoseconds(time: string): bigint | null {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(time);
  const seconds = match === null ? Number.NaN : Date.parse(`${match[1]}${match[3]}`);
  if (match === null || Number.isNaN(seconds)) return null;
  return BigInt(seconds) * 1_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
}

async function openWebhook(openParams: string, options: K8sAuditOptions, intake: Intake): Promise<Reader> {
  // The plugin writes an empty host for "all addresses" (http://:9765/k8s-audit), which is no URL.
  const url = new URL(openParams.replace(/^(https?:\/\/):/, '$10.0.0.0:'));
  const limit = options.webhookMaxBatchSize ?? DEFAULT_BATCH_SIZE;
  const server = await webServer(url, options, (request, response) => {
    response.once('finish', () => {
      if (response.statusCode !== 200) intake.lost.refused_requests++;
    });
    serve(request, response, url.pathname, limit, intake).catch((error: Error) => {
      options.warn(`k8s audit webhook: ${error.message}`);
      reply(response, 400, error.message);
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.requestTimeout = REQUEST_MS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(Number(url.port || 9765), url.hostname.replace(/^\[|\]$/g, ''), () => {
      server.off('error', reject);
      resolve();
    });
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : null,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function webServer(url: URL, options: K8sAuditOptions, listener: RequestListener): Promise<Server> {
  if (url.protocol === 'http:') return (await import('node:http')).createServer(listener);
  const pem = await readFile(options.sslCertificate || '/etc/falco/falco.pem');
  return (await import('node:https')).createServer({ cert: pem, key: pem }, listener);
}

/** 200 once everything in the request is taken. */
async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  limit: number,
  intake: Intake,
): Promise<void> {
  if ((request.url ?? '').split('?')[0] !== path) return reply(response, 404, 'not found');
  if (request.method !== 'POST') return reply(response, 405, `${request.method} method not allowed`);
  if (!(request.headers['content-type'] ?? '').includes('application/json')) {
    return reply(response, 400, 'wrong Content Type');
  }
  await intake.room();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > limit) return reply(response, 400, `request larger than ${limit} bytes`);
    chunks.push(chunk as Buffer);
  }
  // Others that were being read meanwhile may have filled it.
  await intake.room();
  intake.take(Buffer.concat(chunks).toString());
  reply(response, 200, '');
}

function reply(response: ServerResponse, status: number, body: string): void {
  if (response.headersSent) return;
  response.writeHead(status, { 'Content-Type': 'text/plain', Connection: status === 200 ? 'keep-alive' : 'close' });
  response.end(body);
}

/** One JSON text, or one a line. */
async function readWhole(path: string, options: K8sAuditOptions, intake: Intake): Promise<Reader> {
  const handle = await open(path, 'r');
  await handle.close();
  const stream = createReadStream(path, { encoding: 'utf8' });
  let closed = false;
  const read = async (): Promise<void> => {
    let text = '';
    /** Whether each line is a JSON text of its own, which the first one tells; null before it is complete. */
    let byLine: boolean | null = null;
    for await (const chunk of stream) {
      text += chunk as string;
      if (byLine === false || !text.includes('\n')) continue;
      const lines = text.split('\n');
      byLine ??= isJson(lines[0] ?? '');
      if (!byLine) continue;
      text = lines.pop() ?? '';
      for (const line of lines) await takeLine(line, options, intake);
    }
    await takeLine(text, options, intake);
  };
  read()
    .catch((error: Error) => {
      if (!closed) options.warn(`k8s audit file ${path}: ${error.message}`);
    })
    .finally(() => intake.end());
  return {
    port: null,
    close() {
      closed = true;
      stream.destroy();
    },
  };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

async function takeLine(text: string, options: K8sAuditOptions, intake: Intake): Promise<void> {
  if (text.trim() === '') return;
  await intake.room();
  try {
    intake.take(text);
  } catch (error) {
    intake.lost.unrecognized_lines++;
    options.warn((error as Error).message);
  }
}

/** Reads a file of one event a line and follows it, also when it is rotated or truncated. */
async function followFile(path: string, options: K8sAuditOptions, intake: Intake): Promise<Reader> {
  // The file that is being read, under whatever name: after a rotation its rest is read before the new one.
  let handle = await open(path, 'r');
  let offset = 0;
  let text = '';
  let decoder = new StringDecoder('utf8');
  let closed = false;
  /** The line is too long to be an event: what is left of it is passed over. */
  let tooLong = false;
  const buffer = Buffer.alloc(1 << 16);
  const begin = (): void => {
    offset = 0;
    text = '';
    tooLong = false;
    decoder = new StringDecoder('utf8');
  };

  async function readOn(): Promise<void> {
    if ((await handle.stat()).size < offset) begin();
    await readToEnd();
    const there = await stat(path).catch(() => null);
    if (there === null || closed || there.ino === (await handle.stat()).ino) return;
    await handle.close();
    handle = await open(path, 'r');
    begin();
    await readToEnd();
  }

  async function readToEnd(): Promise<void> {
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset);
      if (bytesRead === 0 || closed) return;
      offset += bytesRead;
      text += decoder.write(buffer.subarray(0, bytesRead));
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) {
        if (tooLong) tooLong = false;
        else await takeLine(line, options, intake);
      }
      if (text.length > MAX_LINE) {
        if (!tooLong) {
          intake.lost.oversized_events++;
          options.warn(`${path}: a line of more than ${MAX_LINE} characters is left out`);
        }
        tooLong = true;
        text = '';
      }
    }
  }

  let busy = Promise.resolve();
  const look = (): void => {
    busy = busy
      .then(() => (closed ? undefined : readOn()))
      .catch((error: Error) => options.warn(`${path}: ${error.message}`));
  };
  const watcher = watch(dirname(path), { persistent: false }, (_event, name) => {
    if (name === null || name === basename(path)) look();
  });
  watcher.on('error', () => {});
  const timer = setInterval(look, FOLLOW_MS).unref();
  look();
  return {
    port: null,
    close() {
      closed = true;
      watcher.close();
      clearInterval(timer);
      void busy.then(() => handle.close());
    },
  };
}
