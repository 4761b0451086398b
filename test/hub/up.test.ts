import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../ports.ts';

/** Processes that this one started, by what stands on their command line. */
function childOf(pid: number, word: string): number | null {
  const list = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(pid)], { encoding: 'utf8' });
  const line = list.split('\n').find((one) => one.split(/\s+/).includes(word));
  return line === undefined ? null : Number(line.trim().split(/\s+/)[0]);
}

/** What the responder does about the first alert: something that needs neither a cluster nor a process of the alert. */
const RESPONSE = `- action: Say so
  actionner: program:run
  parameters: { program: say }

- rule: what to do
  match: { rules: [first] }
  actions: [{ action: Say so }]
`;
const CONFIG = 'programs: { say: [/bin/true] }\n';

describe('windhover up', () => {
  let directory: string;
  let tree: ChildProcess;
  let hub: string;
  let forwarder: string;
  let arguments_: string[];
  let said = '';

  function start(): void {
    tree = spawn(process.execPath, arguments_, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, NO_COLOR: '1' },
    });
    tree.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  }

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'windhover-up-'));
    const [hubPort, forwardPort, respondPort] = [await freePort(), await freePort(), await freePort()];
    hub = `http://127.0.0.1:${hubPort}`;
    forwarder = `http://127.0.0.1:${forwardPort}`;
    writeFileSync(join(directory, 'response.yaml'), RESPONSE);
    writeFileSync(join(directory, 'respond.yaml'), `rules_files: [${join(directory, 'response.yaml')}]\n${CONFIG}`);
    arguments_ = [
      join(import.meta.dirname, '../../src/main.ts'),
      ...['up', '--no-sensor', '--data', directory, '--listen', `127.0.0.1:${hubPort}`],
      ...['--forward-port', String(forwardPort), '--respond-port', String(respondPort)],
      ...['--respond-config', join(directory, 'respond.yaml')],
    ];
    start();
  }, 120_000);
  afterAll(async () => {
    if (tree.exitCode === null) {
      const ended = new Promise((resolve) => tree.once('close', resolve));
      tree.kill('SIGTERM');
      await ended;
    }
    rmSync(directory, { recursive: true, force: true });
  });

  async function get<T>(path: string): Promise<T | null> {
    const password = /user admin, password (\S+)/.exec(said)?.[1] as string;
    const response = await fetch(`${hub}${path}`, {
      headers: { authorization: `Basic ${Buffer.from(`admin:${password}`).toString('base64')}` },
    }).catch(() => null);
    return response?.ok === true ? ((await response.json()) as T) : null;
  }
  const rules = async (): Promise<string[]> =>
    ((await get<{ groups: { rule: string }[] }>('/api/inbox'))?.groups ?? []).map((group) => group.rule).sort();
  const send = (rule: string) =>
    fetch(`${forwarder}/`, {
      method: 'POST',
      body: JSON.stringify({
        rule,
        priority: 'Notice',
        output: 'x',
        time: new Date().toISOString(),
        output_fields: { 'proc.name': 'cat' },
      }),
    });

  it('takes alerts through the forwarder into the hub', { timeout: 200_000 }, async () => {
    await expect.poll(() => said, { timeout: 90_000 }).toMatch(/The hub listens on/);
    await expect.poll(() => said, { timeout: 90_000 }).toMatch(/forwarder .*Listening/);
    expect((await send('first')).status).toBe(200);
    await expect.poll(rules, { timeout: 60_000 }).toEqual(['first']);
    // The token that they come with is nobody else's to read.
    expect(execFileSync('stat', ['-c', '%a', join(directory, 'ingest-token')], { encoding: 'utf8' }).trim()).toBe(
      '600',
    );
    expect(execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })).not.toContain(
      readFileSync(join(directory, 'ingest-token'), 'utf8').trim(),
    );
  });

  it('acts upon alerts, and shows beside each what was done', { timeout: 120_000 }, async () => {
    await expect.poll(() => said, { timeout: 60_000 }).toMatch(/responder .*1 rules/);
    const done = async () =>
      (await get<{ actions: object[] }>('/api/alerts/1'))?.actions.map((action) => ({ ...action, time: 0, id: '' }));
    await expect.poll(done, { timeout: 60_000 }).toEqual([
      {
        time: 0,
        id: '',
        responder: hostname(),
        rule: 'what to do',
        action: 'Say so (program:run)',
        target: 'program say',
        status: 'done',
        detail: 'ran say',
        undo: false,
      },
    ]);
  });

  it('starts a member again that was killed, and loses nothing meanwhile', { timeout: 120_000 }, async () => {
    process.kill(childOf(tree.pid as number, 'hub') as number, 'SIGKILL');
    expect((await send('second')).status).toBe(200);
    await expect.poll(() => said, { timeout: 60_000 }).toMatch(/hub ended \(SIGKILL\)/);
    await expect.poll(rules, { timeout: 90_000 }).toEqual(['first', 'second']);
  });

  const members = () => ['hub', 'forward', 'respond'].map((word) => childOf(tree.pid as number, word) as number);
  const isAlive = (pid: number): boolean => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };

  it('ends whole when it is killed, and goes on where it was', { timeout: 200_000 }, async () => {
    const before = members();
    expect(before.every(isAlive)).toBe(true);
    const ended = new Promise((resolve) => tree.once('close', resolve));
    tree.kill('SIGKILL');
    await expect.poll(() => before.some(isAlive), { timeout: 60_000 }).toBe(false);
    await ended;
    start();
    await expect.poll(rules, { timeout: 120_000 }).toEqual(['first', 'second']);
  });

  it('says at once that an address is taken', { timeout: 60_000 }, async () => {
    const second = spawn(process.execPath, arguments_, { stdio: ['ignore', 'ignore', 'pipe'] });
    let complaint = '';
    second.stderr.on('data', (chunk: Buffer) => {
      complaint += chunk.toString();
    });
    expect(await new Promise((resolve) => second.once('close', resolve))).toBe(1);
    expect(complaint).toContain('Choose another with --listen');
  });

  it('ends whole', { timeout: 60_000 }, async () => {
    await expect.poll(() => members().every(isAlive), { timeout: 60_000 }).toBe(true);
    const before = members();
    const ended = new Promise<number | null>((resolve) => tree.once('close', resolve));
    tree.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(before.some(isAlive)).toBe(false);
  });
});
