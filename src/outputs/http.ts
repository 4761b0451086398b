import { readdirSync, readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { getCACertificates } from 'node:tls';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Channel } from './channel.ts';

export interface HttpOptions {
  readonly url: string;
  readonly userAgent: string;
  /** JSON alerts, otherwise text. */
  readonly json: boolean;
  readonly insecure: boolean;
  /** PEM files; empty for none. */
  readonly caCert: string;
  readonly caBundle: string;
  /** Directory of PEM files, used when there is neither of the two. */
  readonly caPath: string;
  /** PEM files of our own certificate and key; null without mTLS. */
  readonly client: { readonly cert: string; readonly key: string } | null;
  readonly compress: boolean;
  readonly keepAlive: boolean;
  /** Takes the body of each answer; null to throw it away. */
  readonly echo: ((body: string) => void) | null;
  readonly timeoutMs: number;
  /** Further tries of one alert after a network error, a 429 or a 5xx. */
  readonly maxRetries: number;
  /** Time-outs in a row after which the channel pauses. */
  readonly maxConsecutiveTimeouts: number;
  /** Milliseconds before the first further try; doubled for each one after it. */
  readonly retryDelayMs: number;
}

/** The system's own CA directory: Node reads its contents as one set. */
const SYSTEM_CA_PATH = '/etc/ssl/certs';
const MAX_DELAY_MS = 30_000;
/** The last of several alerts of one write that were not taken; `retry`: it may be taken later. */
export class HttpOutputError extends Error {
  readonly retry: boolean;
  /** How long the receiver asked to be left alone, milliseconds. */
  readonly retryAfterMs: number;
  constructor(message: string, retry: boolean, retryAfterMs: number) {
    super(message);
    this.retry = retry;
    this.retryAfterMs = retryAfterMs;
  }
}
/** Most bytes of an answer that are kept to be echoed. */
const MAX_ANSWER = 64 * 1024;
const compressed = promisify(gzip);

/** Alerts as HTTP POST requests, one each. A refusal (4xx) is final; everything else is tried again. */
export function httpChannel(options: HttpOptions): Channel {
  const url = new URL(options.url);
  const secure = url.protocol === 'https:';
  const tls = secure ? tlsOptions(options) : {};
  const agent = secure
    ? new https.Agent({ keepAlive: options.keepAlive, maxSockets: 1, ...tls })
    : new http.Agent({ keepAlive: options.keepAlive, maxSockets: 1 });
  let timeouts = 0;
  const closed = new AbortController();

  async function post(line: string): Promise<void> {
    const text = Buffer.from(line);
    const body = options.compress ? await compressed(text) : text;
    for (let tries = 0; ; tries++) {
      const outcome = await request(body);
      if (outcome === null) return;
      if (!outcome.again || tries >= options.maxRetries || closed.signal.aborted)
        throw new HttpOutputError(outcome.error.message, outcome.again, outcome.retryAfterMs);
      const delay = Math.max(options.retryDelayMs * 2 ** tries, outcome.retryAfterMs);
      await pause(Math.min(delay, MAX_DELAY_MS));
    }
  }

  /** One try; null when the alert was taken. */
  function request(body: Uint8Array): Promise<Failure | null> {
    return new Promise((resolve) => {
      const call = (secure ? https : http).request(url, {
        method: 'POST',
        agent,
        timeout: options.timeoutMs,
        headers: {
          'User-Agent': options.userAgent,
          'Content-Type': options.json ? 'application/json' : 'text/plain',
          'Content-Length': body.length,
          ...(options.compress ? { 'Content-Encoding': 'gzip' } : {}),
        },
      });
      call.on('timeout', () => {
        timeouts++;
        call.destroy(new Error(`no answer from ${url.host} within ${options.timeoutMs} ms`));
      });
      call.on('error', (error) => resolve({ error, again: true, retryAfterMs: 0 }));
      call.on('response', (response) => {
        let answer = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          if (answer.length < MAX_ANSWER) answer += chunk;
        });
        response.on('error', (error) => resolve({ error, again: true, retryAfterMs: 0 }));
        response.on('end', () => {
          timeouts = 0;
          const status = response.statusCode ?? 0;
          options.echo?.(answer);
          if (status >= 200 && status < 300) return resolve(null);
          const again = status === 408 || status === 429 || status >= 500;
          const retryAfterMs = Number(response.headers['retry-after'] ?? 0) * 1000 || 0;
          resolve({ error: new Error(`${url.host} answered ${status}`), again, retryAfterMs });
        });
      });
      call.end(body);
    });
  }

  /** Ends early, and well, when it is stopped. */
  const pause = (milliseconds: number): Promise<void> =>
    sleep(milliseconds, undefined, { signal: closed.signal }).catch(() => {});

  return {
    name: 'http',
    async write(messages) {
      let lost: HttpOutputError | null = null;
      let count = 0;
      for (const { line } of messages) {
        if (timeouts > options.maxConsecutiveTimeouts) {
          await pause(Math.min(options.timeoutMs * (timeouts - options.maxConsecutiveTimeouts), MAX_DELAY_MS));
        }
        try {
          await post(line);
        } catch (error) {
          lost = error as HttpOutputError;
          count++;
        }
      }
      if (lost !== null)
        throw new HttpOutputError(
          `${count} of ${messages.length} alerts not delivered: ${lost.message}`,
          lost.retry,
          lost.retryAfterMs,
        );
    },
    async close() {
      closed.abort();
      agent.destroy();
    },
  };
}

interface Failure {
  readonly error: Error;
  readonly again: boolean;
  readonly retryAfterMs: number;
}

function tlsOptions(options: HttpOptions): https.AgentOptions {
  const client =
    options.client === null ? {} : { cert: readFileSync(options.client.cert), key: readFileSync(options.client.key) };
  return { rejectUnauthorized: !options.insecure, ca: authorities(options), ...client };
}

function authorities(options: HttpOptions): string[] {
  if (options.insecure) return [];
  const file = options.caCert || options.caBundle;
  if (file !== '') return [readFileSync(file, 'utf8')];
  if (options.caPath === SYSTEM_CA_PATH) return [...getCACertificates('default'), ...getCACertificates('system')];
  return readdirSync(options.caPath)
    .filter((name) => /\.(pem|crt|0)$/.test(name))
    .map((name) => readFileSync(join(options.caPath, name), 'utf8'));
}
