import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generate } from '../../bench/machine.ts';
import { concat, written } from '../../src/scap/testing/collect.ts';

/** Replay by several threads, as it is called, against replay by one. */
const program = fileURLToPath(new URL('../../bin/windhover', import.meta.url));
const rules = fileURLToPath(new URL('../../rules', import.meta.url));
let folder: string;
let whole: Uint8Array;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'windhover-threads-'));
  // Ten portions of a megabyte, and a second section.
  const machine = (seed: number, events: number) =>
    written((writer) => {
      for (const _ of generate(writer, { events, seed, mix: 'ruled', suspicious: 0.01 }));
    });
  whole = concat([machine(1, 60_000), machine(2, 20_000)]);
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

interface Outcome {
  readonly status: number;
  readonly alerts: string;
  readonly stderr: string;
}

function replay(capture: string, threads: number, ...options: string[]): Promise<Outcome> {
  const args = ['replay', '--threads', String(threads), '-r', rules, '-o', 'json_output=true', ...options, capture];
  return new Promise((resolve) => {
    execFile(program, args, { maxBuffer: 1 << 28, env: { ...process.env, TZ: 'UTC' } }, (error, alerts, stderr) =>
      resolve({
        status: error === null ? 0 : Number(error.code),
        alerts,
        stderr: stderr.replace(/^\w{3} \w{3} .*? \d{4}: /gm, ''),
      }),
    );
  });
}

/** Events, alerts, evaluations and matches of each rule. */
function counts(stderr: string): unknown {
  const { events, rules } = JSON.parse(stderr.trim().split('\n').at(-1) ?? '') as {
    events: number;
    rules: { rule: string; alerts: number; evaluations: number; matches: number; ns: number }[];
  };
  return { events, rules: rules.map(({ ns: _, ...rest }) => rest).sort((a, b) => (a.rule < b.rule ? -1 : 1)) };
}

describe('several threads say what one says, in the same order', { timeout: 240_000 }, () => {
  it.for([
    { matching: 'first', threads: 2, form: (bytes: Uint8Array) => bytes },
    { matching: 'all', threads: 3, form: (bytes: Uint8Array) => gzipSync(bytes) },
  ])('rule_matching: $matching, $threads threads; and count the same', async ({ matching, threads, form }) => {
    const capture = file(`${matching}.scap`, form(whole));
    const options = ['--stats', '-o', `rule_matching=${matching}`];
    const one = await replay(capture, 1, ...options);
    const several = await replay(capture, threads, ...options);
    expect([one.status, several.status]).toEqual([0, 0]);
    expect(one.alerts.split('\n').length).toBeGreaterThan(200);
    expect(several.alerts === one.alerts).toBe(true);
    expect(counts(several.stderr)).toEqual(counts(one.stderr));
  });

  it('stop at the same event with -M', async () => {
    const capture = file('stopped.scap', whole);
    const [one, two] = [await replay(capture, 1, '-M', '0.02'), await replay(capture, 2, '-M', '0.02')];
    expect(one.alerts.length).toBeGreaterThan(0);
    expect(one.alerts.length).toBeLessThan((await replay(capture, 1)).alerts.length);
    expect(two).toEqual(one);
  });

  it('of a capture that is cut off, damaged, or none', async () => {
    const [start, rest] = [gzipSync(whole.subarray(0, 4_000_000)), gzipSync(whole.subarray(4_000_000))];
    rest[2] = 9; // A compression method that does not exist.
    const damaged = concat([start, rest]);
    const forms = {
      cut: whole.subarray(0, 6_000_001),
      damaged,
      text: new TextEncoder().encode('this is no capture'),
    };
    for (const [name, bytes] of Object.entries(forms)) {
      const capture = file(`${name}.scap`, bytes);
      const one = await replay(capture, 1);
      const two = await replay(capture, 2);
      expect(one.status, name).toBe(name === 'cut' ? 0 : 1);
      expect(one.alerts.length > 0, name).toBe(name !== 'text');
      expect(two, name).toEqual(one);
    }
    expect((await replay(join(folder, 'cut.scap'), 2)).stderr).toContain('stops in the middle of a block');
  });

  it('with wrong rules, without a file, and with what one thread has to do', async () => {
    const capture = file('small.scap', whole.subarray(0, 1_000_000));
    const wrong = file('wrong.yaml', new TextEncoder().encode('- rule: a\n'));
    for (const args of [[capture, '-r', wrong], [join(folder, 'absent.scap')]] as const) {
      const [path, ...options] = args;
      const one = await replay(path, 1, ...options);
      expect(one.status).toBe(1);
      expect(await replay(path, 2, ...options)).toEqual(one);
    }
    const recording = ['-o', 'capture.enabled=true', '-o', `capture.path_prefix=${join(folder, 'around')}`];
    const { status, stderr } = await replay(capture, 2, ...recording);
    expect(status).toBe(0);
    expect(stderr).toContain('One thread judges');
    expect((await replay(capture, 9)).status).toBe(2);
  });
});
