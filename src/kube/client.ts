import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { KubeConfig } from './config.ts';
import type { KubeObject } from './objects.ts';

/** An answer other than 2xx; `status` is the HTTP status, `reason` the API's word for it (`NotFound`, `Forbidden`, …). */
export class KubeError extends Error {
  override name = 'KubeError';
  readonly status: number;
  readonly reason: string;
  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

export type PatchType = 'merge' | 'strategic-merge' | 'json';

export interface KubeClient {
  readonly config: KubeConfig;
  /** The object or list at a place or path with its query (`/api/v1/pods?limit=1`). Rejects with {@link KubeError}. */
  get<T = KubeObject>(at: Place | string, options?: GetOptions): Promise<T>;
  /** Creates; the answer is the object as it is stored. */
  post<T = KubeObject>(at: Place | string, body: unknown): Promise<T>;
  patch<T = KubeObject>(at: Place | string, body: unknown, type?: PatchType): Promise<T>;
  put<T = KubeObject>(at: Place | string, body: unknown): Promise<T>;
  /** Deletes; `body` may hold DeleteOptions. */
  delete<T = KubeObject>(at: Place | string, body?: unknown): Promise<T>;
  /** The text at a place, for instance of a pod's log; at most `maxBytes` of it. */
  text(at: Place | string, maxBytes: number): Promise<string>;
  /** Gives the events of a watch (`…?watch=1&resourceVersion=…`) until the server ends it; rejects when it cannot go on. */
  watch<T>(path: string, each: (event: WatchEvent<T>) => void, signal: AbortSignal): Promise<void>;
  close(): void;
}

/** Where an object (or, without a name, a list of them) stands in the API. */
export interface Place {
  /** `v1`, `apps/v1`, … */
  readonly version: string;
  /** In the plural: `pods`. */
  readonly resource: string;
  /** Left out for resources of the whole cluster, and for lists over all namespaces. */
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
  readonly query?: Readonly<Record<string, string>> | undefined;
}

function pathOf(at: Place | string): string {
  if (typeof at === 'string') return at;
  const parts = [at.version.includes('/') ? 'apis' : 'api', ...at.version.split('/')];
  if (at.namespace) parts.push('namespaces', at.namespace);
  for (const part of [at.resource, at.name, at.subresource]) if (part) parts.push(part);
  const query = at.query === undefined ? '' : `?${new URLSearchParams(at.query)}`;
  return `/${parts.map(encodeURIComponent).join('/')}${query}`;
}

export interface GetOptions {
  /** Only the metadata of the object (PartialObjectMetadata): names, labels, owners. */
  readonly metadataOnly?: boolean;
  readonly signal?: AbortSignal;
}

export interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: T;
}

const TIMEOUT_MS = 20_000;
/** A watch that says nothing for that long is not alive any more: bookmarks come every minute. */
const WATCH_SILENCE_MS = 180_000;
const METADATA_ONLY = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
/** Largest line of a watch, and answer, that is taken. */
const MAX_BYTES = 64 << 20;

/** A thin client of the Kubernetes API: JSON over HTTP, nothing cached. */
export function createKubeClient(config: KubeConfig): KubeClient {
  const secure = config.server.startsWith('https:');
  const agent = secure
    ? new Agent({ keepAlive: true, maxSockets: 8, ...tlsOptions(config) })
    : new HttpAgent({ keepAlive: true, maxSockets: 8 });

  function send(
    method: string,
    path: string,
    headers: Record<string, string>,
    body: string | null,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const token = config.token();
    const options: RequestOptions = {
      method,
      agent,
      signal,
      headers: {
        accept: 'application/json',
        'user-agent': 'windhover',
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === null ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
        ...headers,
      },
    };
    return new Promise((resolve, reject) => {
      const made = (secure ? httpsRequest : httpRequest)(`${config.server}${path}`, options, resolve);
      made.once('error', reject);
      made.end(body ?? undefined);
    });
  }

  async function call<T>(
    method: string,
    path: string,
    options: { body?: unknown; type?: string; accept?: string; signal?: AbortSignal | undefined } = {},
  ): Promise<T> {
    const body = options.body === undefined ? null : JSON.stringify(options.body);
    const headers: Record<string, string> = {};
    if (body !== null) headers['content-type'] = options.type ?? 'application/json';
    if (options.accept !== undefined) headers.accept = options.accept;
    const signals = [AbortSignal.timeout(TIMEOUT_MS), ...(options.signal === undefined ? [] : [options.signal])];
    const response = await send(method, path, headers, body, AbortSignal.any(signals));
    const text = await readAll(response, MAX_BYTES);
    const status = response.statusCode ?? 0;
    if (status < 200 || status > 299) throw failure(status, text);
    return JSON.parse(text) as T;
  }

  return {
    config,
    get: (at, { metadataOnly = false, signal } = {}) =>
      call('GET', pathOf(at), { signal, ...(metadataOnly ? { accept: METADATA_ONLY } : {}) }),
    post: (at, body) => call('POST', pathOf(at), { body }),
    put: (at, body) => call('PUT', pathOf(at), { body }),
    patch: (at, body, type = 'merge') => call('PATCH', pathOf(at), { body, type: `application/${type}-patch+json` }),
    delete: (at, body) => call('DELETE', pathOf(at), { body }),
    async text(at, maxBytes) {
      const response = await send('GET', pathOf(at), { accept: '*/*' }, null, AbortSignal.timeout(TIMEOUT_MS));
      const text = await readAll(response, maxBytes);
      const status = response.statusCode ?? 0;
      if (status < 200 || status > 299) throw failure(status, text);
      return text;
    },
    async watch(path, each, signal) {
      const silence = new AbortController();
      const alarm = setTimeout(() => silence.abort(new Error('the watch went silent')), WATCH_SILENCE_MS).unref();
      try {
        const response = await send('GET', path, {}, null, AbortSignal.any([signal, silence.signal]));
        const status = response.statusCode ?? 0;
        if (status !== 200) throw failure(status, await readAll(response, MAX_BYTES));
        let rest = '';
        for await (const chunk of response.setEncoding('utf8')) {
          alarm.refresh();
          const lines = (rest + (chunk as string)).split('\n');
          rest = lines.pop() ?? '';
          if (rest.length > MAX_BYTES) throw new Error('the watch sent a line without end');
          for (const line of lines) if (line !== '') each(JSON.parse(line));
        }
      } finally {
        clearTimeout(alarm);
      }
    },
    close: () => agent.destroy(),
  };
}

/** What a TLS connection to the server of a configuration needs. */
export function tlsOptions(config: KubeConfig): {
  ca?: string;
  cert?: string;
  key?: string;
  rejectUnauthorized: boolean;
} {
  return {
    ...(config.ca === null ? {} : { ca: config.ca }),
    ...(config.certificate ?? {}),
    rejectUnauthorized: !config.insecure,
  };
}

async function readAll(response: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size > maxBytes) {
      response.destroy();
      break;
    }
  }
  return Buffer.concat(chunks).subarray(0, maxBytes).toString('utf8');
}

function failure(status: number, text: string): KubeError {
  try {
    const { reason, message } = JSON.parse(text) as { reason?: string; message?: string };
    return new KubeError(status, reason ?? '', message ?? text.slice(0, 300));
  } catch {
    return new KubeError(status, '', `HTTP ${status}: ${text.slice(0, 300)}`);
  }
}
