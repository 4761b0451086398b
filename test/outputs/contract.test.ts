import { generateKeyPairSync } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DESTINATIONS } from '../../src/outputs/destinations/index.ts';
import type { Alert } from '../../src/outputs/forward/alert.ts';
import { SINGLY } from '../../src/outputs/forward/destination.ts';
import type { DeliveryError } from '../../src/outputs/forward/error.ts';
import { redactor } from '../../src/outputs/forward/forwarder.ts';
import { SETTINGS } from './alert.ts';
import { configure, hostile, openOutput } from './open.ts';

/**
 * The contract of docs/outputs/contract.md, for every destination there is. Those that speak HTTP are tried against
 * a server that answers as told; the others have real peers (test/peers) and are tried here for what needs none.
 */
interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

let server: Server;
let url = '';
let port = 0;
const received: Received[] = [];
let reply: { status: number; headers?: Record<string, string>; body?: string } | 'hang' = { status: 200 };

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const bytes = Buffer.concat(chunks);
      // Tokens are always given out: the destination itself is what is tried.
      if (request.url === '/token') {
        response.end(JSON.stringify({ access_token: 'granted', expires_in: 3600 }));
        return;
      }
      received.push({
        path: request.url ?? '',
        headers: request.headers,
        body: (request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes).toString('latin1'),
      });
      if (reply === 'hang') return;
      response.writeHead(reply.status, reply.headers).end(reply.body ?? answerFor(request.url ?? '', bytes.toString()));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
  url = `http://127.0.0.1:${port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

/** What services answer to a request that they accept. */
function answerFor(path: string, body: string): string {
  if (path.endsWith('/source/')) return JSON.stringify([{ uid: 'falcosidekick_org' }]);
  if (path.startsWith('/_bulk')) return JSON.stringify({ errors: false, items: [] });
  if (body.includes('"PartitionKey"')) return JSON.stringify({ Records: [] });
  return '{}';
}

const { privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});
function settingsOf(name: string, at = { url, port }): Record<string, unknown> {
  const settings = SETTINGS(at.url, '127.0.0.1', at.port)[name];
  if (!name.startsWith('gcp.') || name === 'gcp.cloudrun') return settings;
  const key = { type: 'service_account', client_email: 'a@b', private_key: privateKey, token_uri: `${url}/token` };
  return { ...settings, credentials: Buffer.from(JSON.stringify(key)).toString('base64') };
}

const NOT_HTTP = [
  'dogstatsd',
  'kafka',
  'logstash',
  'mqtt',
  'nats',
  'policyreport',
  'rabbitmq',
  'redis',
  'smtp',
  'stan',
  'statsd',
  'syslog',
  'timescaledb',
];
const UNACKNOWLEDGED = ['dogstatsd', 'statsd'];
/** Needs a kubeconfig: test/outputs/policyreport.test.ts. */
const ELSEWHERE = ['policyreport', 'stan'];
const http = DESTINATIONS.map(({ name }) => name).filter((name) => !NOT_HTTP.includes(name));

async function tryIt(
  name: string,
  answer: typeof reply,
  alerts: Alert[] = [hostile()],
  settings: Record<string, unknown> = {},
) {
  reply = answer;
  received.length = 0;
  const { sink, output } = await openOutput(name, { ...settingsOf(name), ...settings });
  let error: (DeliveryError & Error) | null = null;
  let refused: readonly { index: number; error: Error & { retry?: boolean } }[] = [];
  try {
    refused = (await sink.send(alerts)) ?? [];
  } catch (caught) {
    error = caught as DeliveryError;
  }
  await sink.close?.();
  return { error: error ?? (refused[0]?.error as DeliveryError | undefined) ?? null, output };
}

it('has settings for every destination, and only for those', () => {
  expect(Object.keys(SETTINGS('', '', 0)).sort()).toEqual(DESTINATIONS.map(({ name }) => name).sort());
});

describe.each(http)('%s', (name) => {
  it('delivers, and says so only then', async () => {
    const { error } = await tryIt(name, { status: 200 });
    expect(error).toBeNull();
    expect(received.length).toBeGreaterThan(0);
  });

  it('takes 500, 503, 429 and 408 as "later"', async () => {
    for (const status of [500, 503, 429, 408]) {
      const { error } = await tryIt(name, { status });
      expect(error, String(status)).not.toBeNull();
      expect(error?.retry, String(status)).toBe(true);
    }
  });

  it('takes 400 and 413 as "never"', async () => {
    for (const status of [400, 413]) {
      const { error } = await tryIt(name, { status });
      expect(error?.retry, String(status)).toBe(false);
    }
  });

  it('honours Retry-After', async () => {
    const { error } = await tryIt(name, { status: 429, headers: { 'Retry-After': '7' } });
    expect(error?.retryAfter).toBe(7000);
  });

  it('gives up on a server that never answers', async () => {
    const { error } = await tryIt(name, 'hang', [hostile()], { timeout: 50 });
    expect(error?.retry).toBe(true);
    expect(error?.message).toContain('no answer within 50 ms');
  });

  it('never puts a secret into an error', async () => {
    const { config } = configure(name, settingsOf(name));
    const echo = config.secrets.map((secret) => `you sent ${secret} and ${encodeURIComponent(secret)}`).join(' ');
    const { error } = await tryIt(name, { status: 400, body: echo });
    const text = redactor(config.secrets)(error?.message ?? '');
    for (const secret of config.secrets.filter(({ length }) => length >= 4)) expect(text).not.toContain(secret);
  });

  it('sends the same alert as the same request', async () => {
    const bodies: string[] = [];
    for (let i = 0; i < 2; i++) {
      await tryIt(name, { status: 200 });
      bodies.push((received.at(-1) as Received).body);
    }
    // Points of a counter carry the time of their sending, Spyderbat's records a number of the request.
    if (name !== 'otlp.metrics' && name !== 'spyderbat' && name !== 'aws.securitylake')
      expect(bodies[1]).toBe(bodies[0]);
  });

  it('keeps the order within a batch and sends each alert', async () => {
    const batch =
      DESTINATIONS.find((other) => other.name === name)?.batch?.(
        configure(name, settingsOf(name)).output.options as never,
      ) ?? SINGLY;
    const count = Math.min(5, batch.count);
    const alerts = Array.from({ length: count }, (_, i) => hostile({ output: `alertnumber${i}` }));
    const { error } = await tryIt(name, { status: 200 }, alerts);
    expect(error).toBeNull();
    if (name === 'otlp.metrics' || name === 'wavefront' || name === 'aws.securitylake') return;
    const { body } = received.at(-1) as Received;
    const text = decoded(body);
    const order = [...text.matchAll(/alertnumber(\d)/g)].map(([, digit]) => Number(digit));
    expect([...new Set(order)]).toEqual(alerts.map((_, i) => i));
    expect(order).toEqual(order.toSorted((a, b) => a - b));
  });

  it('survives what an attacker can put into an alert', async () => {
    const nasty = `\r\nX-Injected: yes\r\n\r\n"'\`\\|=,{{.}}<script>\u0000\u2028 ${'é'.repeat(20_000)}`;
    const fields = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`proc.env[${i}]\n`, nasty.slice(0, 300)]));
    const { error } = await tryIt(name, { status: 200 }, [
      hostile({
        output: nasty,
        rule: `rule ${nasty.slice(0, 200)}`,
        hostname: nasty.slice(0, 100),
        output_fields: { ...fields, 'k8s.ns.name': 42, nested: { a: [1, null] } },
      }),
    ]);
    expect(error).toBeNull();
    for (const { headers } of received) expect(headers['x-injected']).toBeUndefined();
    expect((received.at(-1) as Received).path).not.toMatch(/[\r\n ]/);
  });

  it('does not refuse an alert without output fields', async () => {
    const { error } = await tryIt(name, { status: 200 }, [hostile({ output_fields: {}, tags: [], hostname: '' })]);
    expect(error).toBeNull();
  });
});

describe.each(
  DESTINATIONS.map(({ name }) => name).filter((name) => !UNACKNOWLEDGED.includes(name) && !ELSEWHERE.includes(name)),
)('%s', (name) => {
  it('takes a closed port as "later"', async () => {
    const { sink } = await openOutput(name, {
      ...settingsOf(name, { url: 'http://127.0.0.1:9', port: 9 }),
      timeout: 1000,
    });
    const error = await sink.send([hostile()]).then(
      () => null,
      (caught: DeliveryError) => caught,
    );
    await sink.close?.();
    expect(error?.retry).toBe(true);
  });
});

/** Base64 parts of a body made readable. */
function decoded(body: string): string {
  const form = body.includes('=') && body.startsWith('Action=') ? decodeURIComponent(body.replaceAll('+', ' ')) : body;
  return form.replace(/"([A-Za-z0-9+/]{40,}={0,2})"/g, (_all, text: string) => Buffer.from(text, 'base64').toString());
}
