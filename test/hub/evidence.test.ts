import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildEvent, viewEvent } from '../../src/event/build.ts';
import { EventType } from '../../src/event/index.ts';
import { captureFileName, ScapWriter } from '../../src/scap/index.ts';
import type {
  AlertDetail,
  Backtest,
  CaptureTimeline,
  ExceptionProposals,
  ExplainNode,
  Explanation,
  HealthDetail,
  RuleCheck,
} from '../../src/server/api.ts';
import { createHub, type Hub } from '../../src/server/hub/index.ts';
import { openSqlite, openStore, readAlert, type Store } from '../../src/store/index.ts';

const PASSWORD = 'a long first password';
const T0 = 1_790_000_000_000_000_000n;

const RULES = `- macro: opened
  condition: evt.type in (open, openat)
- list: quiet
  items: [sshd, cron]
- rule: Sensitive file read
  desc: somebody looks for passwords
  condition: opened and fd.typechar = f and (fd.name = /etc/shadow or proc.cwd = /etc) and not proc.name in (quiet)
  output: read %fd.name by %proc.name
  priority: WARNING
  tags: [T1555, mitre_credential_access]
`;

function alertText(n: number, name: string, parent = 'bash'): string {
  return JSON.stringify({
    hostname: 'node-1',
    output: `10:00:00.000000000: Warning read /etc/shadow by ${name}`,
    priority: 'Warning',
    rule: 'Sensitive file read',
    source: 'syscall',
    tags: ['T1555', 'mitre_credential_access'],
    time: new Date(Date.now() - 60_000 + n).toISOString(),
    output_fields: {
      'evt.time': 0,
      'evt.type': 'openat',
      'fd.name': '/etc/shadow',
      'proc.name': name,
      'proc.pname': parent,
      'proc.exepath': `/usr/bin/${name}`,
    },
  }).replace('"evt.time":0', `"evt.time":${T0 + 2_000_000_000n}`);
}

describe('what stands behind an alert', () => {
  let directory: string;
  let store: Store;
  let hub: Hub;
  const asked: string[] = [];

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'windhover-evidence-'));
    writeFileSync(join(directory, 'rules.yaml'), RULES);
    const pieces: Uint8Array[] = [];
    const writer = new ScapWriter((piece) => pieces.push(piece));
    ['/etc/hosts', '/etc/one', '/etc/shadow', '/tmp/é', '/etc/two'].forEach((path, i) => {
      const bytes = buildEvent(EventType.SYSCALL_OPENAT_2_X as number, {
        ts: T0 + BigInt(i) * 1_000_000_000n,
        tid: 42,
        params: { fd: 3, dirfd: -100, name: Buffer.from(path).toString('latin1'), flags: 1, mode: 0, dev: 1, ino: 1n },
      });
      writer.event(viewEvent(bytes, i + 1), 0);
    });
    writer.flush();
    const recording = captureFileName(join(directory, 'alert'), T0 + 2_000_000_000n, 3);
    writeFileSync(recording, Buffer.concat(pieces));
    const other = captureFileName(join(directory, 'other'), T0 - 900_000_000_000n, 1);
    writeFileSync(other, 'no recording');
    utimesSync(other, new Date(), Number(T0 / 1_000_000_000n) - 800);
    utimesSync(recording, new Date(), Number(T0 / 1_000_000_000n) + 10);
    store = await openStore(openSqlite(join(directory, 'hub.db')));
    hub = createHub({
      store,
      directory,
      ruleFiles: [join(directory, 'rules.yaml')],
      captureDirectories: [directory],
      forwarders: [{ url: 'http://127.0.0.1:2801' }, { url: 'http://10.0.0.1:2801', token: 't' }],
      fetch: (async (url: URL, init?: RequestInit) => {
        asked.push(`${init?.method} ${url} ${JSON.stringify(init?.headers)}`);
        if (url.host === '10.0.0.1:2801') throw new Error('no route');
        if (url.pathname === '/status') {
          return Response.json({
            outputs: [
              {
                id: 'slack',
                circuit: 'open',
                waiting: 12,
                lastError: '503',
                failingSince: '2026-01-01T00:00:00Z',
                nextTry: null,
                deadLetters: 2,
              },
            ],
          });
        }
        return Response.json({ delivered: 2, refused: 0 });
      }) as typeof fetch,
    });
    await hub.ensureAdmin(PASSWORD);
    // The alert that the recording is of lies where the recording does.
    const texts = [alertText(0, 'cat'), alertText(1, 'cat'), alertText(2, 'less', 'ssh')];
    await store.ingest([
      readAlert(
        alertText(3, 'cat').replace(
          /"time":"[^"]*"/,
          `"time":"${new Date(Number(T0 / 1_000_000n) + 2000).toISOString()}"`,
        ),
      ),
      ...texts.map((text) => readAlert(text)),
    ]);
  });
  afterAll(async () => {
    await hub.close();
    await store.close();
    rmSync(directory, { recursive: true });
  });

  async function ask<T>(method: string, path: string, body?: object): Promise<{ status: number; body: T }> {
    const response = await hub.fetch(
      new Request(`http://hub${path}`, {
        method,
        headers: {
          authorization: `Basic ${Buffer.from(`admin:${PASSWORD}`).toString('base64')}`,
          'content-type': 'application/json',
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    );
    const text = await response.text();
    return { status: response.status, body: (text === '' ? null : JSON.parse(text)) as T };
  }

  it('finds the recording of an alert where the sensor left it, and shows it through a filter', async () => {
    const { body: alert } = await ask<AlertDetail>('GET', '/api/alerts/1');
    expect(alert.captures).toHaveLength(1);
    const timeline = (filter: string) =>
      ask<CaptureTimeline>('GET', `/api/alerts/1/timeline?filter=${encodeURIComponent(filter)}`);
    const all = (await timeline('')).body;
    expect(all.events.map((event) => [event.num, event.type, event.time])).toEqual(
      [0, 1, 2, 3, 4].map((i) => [i + 1, 'openat', Number(T0 / 1_000_000n) + i * 1000]),
    );
    expect(all.events[3]?.text).toContain('/tmp/é');
    const some = (await timeline('evt.type = openat and fd.name startswith /etc/ and fd.name != /etc/one')).body;
    expect([some.read, some.matched, some.more]).toEqual([5, 3, false]);
    const wrong = await ask<{ error: string }>('GET', '/api/alerts/1/timeline?filter=fd.nam%20exists');
    expect([wrong.status, wrong.body.error]).toEqual([400, expect.stringContaining('fd.nam')]);
    expect((await ask('GET', '/api/alerts/2/timeline')).status).toBe(404);
  });

  it('says term by term why a rule fired, and what must have been so', async () => {
    const { body } = await ask<Explanation>('GET', '/api/alerts/2/explanation');
    expect(body.rule).toMatchObject({
      name: 'Sensitive file read',
      description: 'somebody looks for passwords',
      file: 'rules.yaml',
    });
    const terms = new Map<string, ExplainNode>();
    const walk = (node: ExplainNode): void => {
      if (node.kind === 'term') terms.set(node.text, node);
      node.children.forEach(walk);
    };
    walk(body.tree as ExplainNode);
    const said = (text: string) => [terms.get(text)?.result, terms.get(text)?.deduced, terms.get(text)?.value];
    expect(said('evt.type in (open, openat)')).toEqual([true, false, 'openat']);
    expect(said('fd.typechar = f')).toEqual([true, true, null]);
    expect(said('fd.name = /etc/shadow')).toEqual([true, false, '/etc/shadow']);
    expect(said('proc.cwd = /etc')).toEqual([null, false, null]);
    expect(said('proc.name in (sshd, cron)')).toEqual([false, false, 'cat']);
  });

  it('proposes exceptions from narrow to wide, counts what they hide, and warns', async () => {
    const { body } = await ask<ExceptionProposals>('GET', '/api/alerts/2/exceptions?days=7');
    const numbers = body.proposals.map((one) => [one.width, one.fields, one.hidden, one.remaining, one.problems]);
    expect(numbers).toEqual([
      ['narrow', ['proc.exepath', 'proc.pname', 'fd.name'], 2, 1, []],
      ['medium', ['proc.exepath', 'proc.pname'], 2, 1, []],
      ['wide', ['proc.exepath'], 2, 1, []],
    ]);
    expect(body.proposals[0]?.remainingGroups).toMatchObject([{ what: '/usr/bin/less', n: 1 }]);
  });

  it('checks a rule file, tries it on the alerts, saves it, and judges by it from then on', async () => {
    const broken = await ask<RuleCheck>('POST', '/api/rules/check', {
      name: 'a.yaml',
      text: '- rule: x\n  desc: d\n  condition: proc.nam = y\n  output: o\n  priority: INFO\n',
    });
    expect(broken.body.problems[0]).toMatchObject({ severity: 'error', line: 3 });
    const narrower = `- rule: Sensitive file read\n  condition: and proc.name != cat\n  override:\n    condition: append\n`;
    const tried = await ask<Backtest>('POST', '/api/rules/backtest', { name: 'a.yaml', text: narrower, days: 7 });
    expect(tried.body.rules).toMatchObject([{ rule: 'Sensitive file read', unchanged: 0, gone: 2, unknown: 1 }]);
    const wider =
      '- rule: Sensitive file read\n  condition: evt.type = openat and fd.name startswith /etc/\n  override:\n    condition: replace\n';
    const found = await ask<Backtest>('POST', '/api/rules/backtest', { name: 'a.yaml', text: wider, days: 7 });
    expect(found.body).toMatchObject({ captures: 1, rules: [{ unchanged: 3, gone: 0, unknown: 0, added: 3 }] });
    expect((await ask('PUT', '/api/rules/files/a.yaml', { text: 'nonsense' })).status).toBe(400);
    expect((await ask('PUT', '/api/rules/files/..%2Fa.yaml', { text: narrower })).status).toBe(400);
    expect((await ask('PUT', '/api/rules/files/a.yaml', { text: narrower })).status).toBe(200);
    const { body } = await ask<Explanation>('GET', '/api/alerts/2/explanation');
    expect(body.rule?.condition).toContain('proc.name != cat');
    expect((await ask('DELETE', '/api/rules/files/a.yaml')).status).toBe(204);
    expect((await ask<Explanation>('GET', '/api/alerts/2/explanation')).body.rule?.condition).not.toContain('!= cat');
  });

  it('shows rules with their hits and the matrix of techniques', async () => {
    const rules = await ask<{ rules: object[] }>('GET', '/api/rules');
    expect(rules.body.rules).toMatchObject([{ name: 'Sensitive file read', hits: 3, groups: 2, priority: 'Warning' }]);
    const { body } = await ask<{
      tactics: { name: string; techniques: { id: string; fired: number; rules: string[] }[] }[];
    }>('GET', '/api/attack');
    const fired = body.tactics.flatMap((tactic) =>
      tactic.techniques.filter((one) => one.fired > 0).map((one) => [tactic.name, one.id, one.fired, one.rules]),
    );
    expect(fired).toEqual([['Credential Access', 'T1555', 3, ['Sensitive file read']]]);
  });

  it('asks forwarders how they are, and has them deliver dead letters again', async () => {
    const { body } = await ask<HealthDetail>('GET', '/api/health');
    expect(body.reports).toMatchObject([
      {
        kind: 'forwarder',
        name: '127.0.0.1:2801',
        body: { destinations: [{ name: 'slack', circuit: 'open', depth: 12, dead: 2 }] },
      },
      { kind: 'forwarder', name: '10.0.0.1:2801', body: { error: 'no route' } },
    ]);
    expect((await ask('POST', '/api/forwarders/127.0.0.1:2801/replay', { output: 'slack' })).body).toEqual({
      delivered: 2,
      refused: 0,
    });
    expect(asked.at(-1)).toContain('POST http://127.0.0.1:2801/dead-letters/replay?output=slack');
    expect((await ask('POST', '/api/forwarders/10.0.0.1:2801/replay', { output: 'slack' })).status).toBe(502);
    expect((await ask('POST', '/api/forwarders/elsewhere/replay', { output: 'slack' })).status).toBe(404);
  });

  it('quotes what an exception would otherwise misread, and writes it where it is asked to', async () => {
    const odd = alertText(4, 'odd').replace(
      '"evt.type"',
      `"proc.cmdline":${JSON.stringify('sh -c "a, b" > (c) \'d\'')},"evt.type"`,
    );
    const [id] = await store.ingest([readAlert(odd)]);
    const { body } = await ask<ExceptionProposals>('GET', `/api/alerts/${id}/exceptions?days=7`);
    expect(body.proposals.map((one) => [one.hidden, one.problems])).toEqual([
      [1, []],
      [1, []],
      [1, []],
    ]);
    const name = body.proposals[0]?.name;
    const written = await ask('POST', `/api/alerts/${id}/exceptions`, { name });
    expect([written.status, written.body]).toEqual([200, { file: 'exceptions.yaml', rules: false }]);
    expect((await ask('POST', `/api/alerts/${id}/exceptions`, { name: 'another' })).status).toBe(404);
    const { body: judged } = await ask<Explanation>('GET', `/api/alerts/${id}/explanation`);
    expect(JSON.stringify(judged.tree)).toContain('proc.cmdline');
    expect((await ask('DELETE', '/api/rules/files/exceptions.yaml')).status).toBe(204);
  });
});
