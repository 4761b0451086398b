import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { type K8sAuditSource, openK8sAudit } from './k8s-audit.ts';

const directory = mkdtempSync(join(tmpdir(), 'windhover-audit-'));
afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

const audit = (name: string, more = ''): string =>
  `{"kind":"Event","auditID":"${name}","stageTimestamp":"2026-11-24T03:23:25.420785Z"${more}}`;

interface Seen {
  readonly num: number;
  readonly ts: bigint;
  readonly tid: number;
  readonly json: string;
}

/** Reads until `count` events came, or the source ended. */
async function read(source: K8sAuditSource, count: number): Promise<Seen[]> {
  const seen: Seen[] = [];
  while (seen.length < count && !source.ended) {
    await source.next((event) => {
      seen.push({
        num: event.num,
        ts: event.ts,
        tid: event.tid,
        json: Buffer.from(event.bytes(1) ?? '', 'latin1').toString(),
      });
    }, 50);
  }
  return seen;
}

const ids = (seen: readonly Seen[]): unknown[] =>
  seen.map(({ json }) => (JSON.parse(json) as { auditID: unknown }).auditID);

async function openWith(openParams: string, options: Partial<Parameters<typeof openK8sAudit>[1]> = {}) {
  const warnings: string[] = [];
  const source = await openK8sAudit(openParams, { warn: (message) => warnings.push(message), ...options });
  return { source, warnings };
}

describe('a file', () => {
  test('one event a line: numbered, timed by its stage, without a thread; what is none is reported', async () => {
    const path = file('lines.jsonl', `${audit('é')}\n\n{"kind": 0}\n${audit('b')}\nnot json\n${audit('c')}`);
    const { source, warnings } = await openWith(path);
    const seen = await read(source, 9);
    expect(source.ended).toBe(true);
    expect(seen[0]).toEqual({ num: 1, ts: 1_795_490_605_420_785_000n, tid: -1, json: audit('é') });
    expect(ids(seen)).toEqual(['é', 'b', 'c']);
    expect(warnings[0]).toBe('data not recognized as a k8s audit event');
    expect(warnings[1]).toContain('not json');
  });

  test('one JSON text over many lines: an event, a list, an array; numbers keep all their digits', async () => {
    const long = audit('x', ',"n":12345678901234567890,"m":1.50');
    for (const text of [
      JSON.stringify(JSON.parse(audit('x')), null, 2),
      `{"kind":"EventList",\n"items":[${long},\n${audit('y')}]}`,
      `[${long},\n${audit('y')}\n]`,
    ]) {
      const { source, warnings } = await openWith(file('whole.json', text));
      const seen = await read(source, 9);
      expect(warnings).toEqual([]);
      expect(ids(seen)[0]).toBe('x');
      if (seen.length > 1) expect(seen[0]?.json).toBe(long);
    }
  });

  test('a path that is not there, and events that are too large', async () => {
    await expect(openWith(join(directory, 'none.json'))).rejects.toThrow('ENOENT');
    const { source, warnings } = await openWith(
      file('big.jsonl', `${audit('big', `,"x":"${'x'.repeat(200)}"`)}\n${audit('s')}`),
      {
        maxEventSize: 150,
      },
    );
    expect(ids(await read(source, 9))).toEqual(['s']);
    expect(warnings[0]).toContain('maxEventSize');
    expect(source.stats().drops.oversized_events).toBe(1);
  });

  test('any text gives events or a warning, and an end', async () => {
    const piece = fc.constantFrom(
      audit('a'),
      '{"kind":"EventList","items":[',
      ']}',
      '[',
      ']',
      ',',
      '\n',
      'null',
      '{"kind":"Event"}',
      '1',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 8 }), async (parts) => {
        const { source } = await openWith(file('any.json', parts.join('')));
        await read(source, 100);
        expect(source.ended).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});

test('a followed file: what is there, what is appended, rotation, truncation, half a line', async () => {
  const path = file('follow.log', `${audit('1')}\n`);
  const { source } = await openWith(`file://${path}`);
  expect(ids(await read(source, 1))).toEqual(['1']);
  appendFileSync(path, `${audit('2')}\n${audit('3').slice(0, 20)}`);
  expect(ids(await read(source, 1))).toEqual(['2']);
  appendFileSync(path, `${audit('3').slice(20)}\n`);
  expect(ids(await read(source, 1))).toEqual(['3']);
  renameSync(path, `${path}.1`);
  writeFileSync(path, `${audit('4')}\n`);
  expect(ids(await read(source, 1))).toEqual(['4']);
  // What was still written to the file before it was rotated is not lost.
  appendFileSync(path, `${audit('4b')}\n`);
  renameSync(path, `${path}.2`);
  writeFileSync(path, `${audit('4c')}\n`);
  expect(ids(await read(source, 2))).toEqual(['4b', '4c']);
  writeFileSync(path, '');
  await new Promise((done) => setTimeout(done, 50));
  writeFileSync(path, `${audit('5')}\n`);
  expect(ids(await read(source, 1))).toEqual(['5']);
  expect(source.ended).toBe(false);
  source.close();
  expect(source.ended).toBe(true);
});

test('a line without end does not fill the memory, and what comes after it is read', async () => {
  const path = file('endless.log', '');
  const { source, warnings } = await openWith(`file://${path}`);
  for (let i = 0; i < 20; i++) appendFileSync(path, 'x'.repeat(1 << 20));
  appendFileSync(path, `\n${audit('after')}\n`);
  expect(ids(await read(source, 1))).toEqual(['after']);
  expect(warnings).toHaveLength(1);
  expect(source.stats().drops.oversized_events).toBe(1);
  source.close();
});

describe('the webhook', () => {
  const post = (
    port: number | null,
    body: string,
    headers: Record<string, string> = { 'Content-Type': 'application/json' },
  ) => fetch(`http://127.0.0.1:${port}/k8s-audit?timeout=30s`, { method: 'POST', body, headers });

  test('takes events, lists and arrays, and answers once they are taken', async () => {
    const { source } = await openWith('http://127.0.0.1:0/k8s-audit');
    expect((await post(source.port, audit('a'))).status).toBe(200);
    expect((await post(source.port, `{"kind":"EventList","items":[${audit('b')},${audit('c')}]}`)).status).toBe(200);
    expect((await post(source.port, `[${audit('d')}]`)).status).toBe(200);
    expect(ids(await read(source, 4))).toEqual(['a', 'b', 'c', 'd']);
    source.close();
  });

  test('answers nobody while too much waits to be judged, and everybody once it is', async () => {
    const { source } = await openWith('http://127.0.0.1:0/k8s-audit');
    const item = audit('big', `,"x":"${'x'.repeat(200_000)}"`);
    const list = `[${Array.from({ length: 40 }, () => item).join()}]`;
    const answers: number[] = [];
    const posts = Array.from({ length: 12 }, () => post(source.port, list).then(({ status }) => answers.push(status)));
    // 64 MiB are between eight and nine of these lists.
    await expect.poll(() => answers.length, { timeout: 30_000 }).toBe(9);
    let seen = 0;
    while (seen < 12 * 40) seen += await source.next(() => {}, 50);
    await Promise.all(posts);
    expect(answers).toEqual(Array.from({ length: 12 }, () => 200));
    source.close();
  });

  test('refuses what is no audit event, the wrong path, method, type and size', async () => {
    const { source, warnings } = await openWith('http://127.0.0.1:0/k8s-audit', { webhookMaxBatchSize: 200 });
    expect((await post(source.port, 'nonsense')).status).toBe(400);
    expect(await (await post(source.port, '{"kind":"Pod"}')).text()).toBe('data not recognized as a k8s audit event');
    expect((await post(source.port, audit('a'), { 'Content-Type': 'text/plain' })).status).toBe(400);
    expect((await post(source.port, `[${audit('a')},${audit('b')},${audit('c')}]`)).status).toBe(400);
    expect((await fetch(`http://127.0.0.1:${source.port}/k8s-audit`)).status).toBe(405);
    expect((await fetch(`http://127.0.0.1:${source.port}/other`, { method: 'POST', body: '{}' })).status).toBe(404);
    expect(await read(source, 0)).toEqual([]);
    expect(warnings).toHaveLength(2);
    expect(source.stats().drops).toEqual({ refused_requests: 6, oversized_events: 0, unrecognized_lines: 0 });
    const taken = openWith(`http://127.0.0.1:${source.port}/k8s-audit`);
    await expect(taken).rejects.toThrow('EADDRINUSE');
    source.close();
  });

  test('with TLS', async () => {
    const pem = join(directory, 'server.pem');
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-subj', '/CN=x'],
        ...['-keyout', `${pem}.key`, '-out', `${pem}.crt`, '-days', '2'],
      ],
      { stdio: 'ignore' },
    );
    execFileSync('sh', ['-c', `cat ${pem}.key ${pem}.crt > ${pem}`]);
    const { source } = await openWith('https://127.0.0.1:0/k8s-audit', { sslCertificate: pem });
    const status = await new Promise((resolve, reject) => {
      const headers = { 'Content-Type': 'application/json' };
      request(
        {
          port: source.port,
          host: '127.0.0.1',
          path: '/k8s-audit',
          method: 'POST',
          headers,
          rejectUnauthorized: false,
        },
        (response) => resolve(response.statusCode),
      )
        .on('error', reject)
        .end(audit('tls'));
    });
    expect(status).toBe(200);
    expect(ids(await read(source, 1))).toEqual(['tls']);
    source.close();
  });
});
