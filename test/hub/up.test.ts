import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}

/** Processes that this one started, by what stands on their command line. */
function childOf(pid: number, word: string): number | null {
  const list = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(pid)], { encoding: 'utf8' });
  const line = list.split('\n').find((one) => one.split(/\s+/).includes(word));
  return line === undefined ? null : Number(line.trim().split(/\s+/)[0]);
}

describe('windhover up', () => {
  let directory: string;
  let tree: ChildProcess;
  let hub: string;
  let forwarder: string;
  let said = '';

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'windhover-up-'));
    const [hubPort, forwardPort] = [await freePort(), await freePort()];
    hub = `http://127.0.0.1:${hubPort}`;
    forwarder = `http://127.0.0.1:${forwardPort}`;
    tree = spawn(
      process.execPath,
      [
        join(import.meta.dirname, '../../src/main.ts'),
        ...[
          'up',
          '--no-sensor',
          '--data',
          directory,
          '--listen',
          `127.0.0.1:${hubPort}`,
          '--forward-port',
          String(forwardPort),
        ],
      ],
      { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, NO_COLOR: '1' } },
    );
    tree.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  }, 120_000);
  afterAll(async () => {
    if (tree.exitCode === null) {
      const ended = new Promise((resolve) => tree.once('close', resolve));
      tree.kill('SIGTERM');
      await ended;
    }
    rmSync(directory, { recursive: true, force: true });
  });

  const rules = async (): Promise<string[]> => {
    const password = /user admin, password (\S+)/.exec(said)?.[1] as string;
    const response = await fetch(`${hub}/api/inbox`, {
      headers: { authorization: `Basic ${Buffer.from(`admin:${password}`).toString('base64')}` },
    }).catch(() => null);
    if (response?.ok !== true) return [];
    return ((await response.json()) as { groups: { rule: string }[] }).groups.map((group) => group.rule).sort();
  };
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

  it('starts a member again that was killed, and loses nothing meanwhile', { timeout: 120_000 }, async () => {
    process.kill(childOf(tree.pid as number, 'hub') as number, 'SIGKILL');
    expect((await send('second')).status).toBe(200);
    await expect.poll(() => said, { timeout: 60_000 }).toMatch(/hub ended \(SIGKILL\)/);
    await expect.poll(rules, { timeout: 90_000 }).toEqual(['first', 'second']);
  });

  it('ends whole', { timeout: 60_000 }, async () => {
    const members = [childOf(tree.pid as number, 'hub'), childOf(tree.pid as number, 'forward')];
    const ended = new Promise<number | null>((resolve) => tree.once('close', resolve));
    tree.kill('SIGTERM');
    expect(await ended).toBe(0);
    for (const pid of members) expect(() => process.kill(pid as number, 0)).toThrow();
  });
});
