import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { workload } from '../actions/watch.ts';
import { type AlertLine, ROOT, windhover } from '../live/sensor.ts';
import { CACHE } from '../parts.ts';
import { guestsUnavailable, runInGuest } from './guest.ts';

/**
 * The rules that come with the program, on what only a guest can do: loading a module, which changes the kernel, and
 * calls by the numbering of x32, which Debian's kernel knows when it is started with `syscall.x32=y`.
 */

const KERNEL = '6.1-full';
const SCRIPT = 'test/kernels/rules.guest.ts';
const SENSITIVE = 'Read sensitive file untrusted';

/** What rules.guest.ts prints. */
interface Report {
  readonly status: number | null;
  readonly stderr: string;
  readonly alerts: readonly string[];
  /** Exit status of each act. */
  readonly told: Readonly<Record<string, string>>;
  /** /proc/modules. */
  readonly modules: string;
  /** base64. */
  readonly recording: string;
}

let folder = '';
let unavailable: string | undefined;
let report: Report;
let replayed: AlertLine[];

beforeAll(async () => {
  unavailable = guestsUnavailable();
  if (unavailable !== undefined) return;
  folder = mkdtempSync(`${tmpdir()}/windhover-guest-rules-`);
  const acts = join(folder, 'acts');
  const source = fileURLToPath(new URL('../evasions/evasions.c', import.meta.url));
  execFileSync('gcc', ['-static', '-no-pie', '-O1', '-pthread', '-o', acts, source], { stdio: 'pipe' });
  const files = [
    { path: 'acts', mode: 0o755, data: readFileSync(acts) },
    { path: 'module.ko', data: readFileSync(join(CACHE, 'kernels', KERNEL, 'module.ko')) },
    { path: 'etc/shadow', mode: 0o600, data: Buffer.from('root:*:20000:0:99999:7:::\n') },
    { path: 'etc/hosts', data: Buffer.from('127.0.0.1 localhost\n') },
  ];
  const packages = ['commander', 're2js', 'yaml', 'zod'];
  // Under emulation Node itself crashes now and then: such a guest is booted again.
  for (let boots = 0; boots < 3; boots++) {
    const guest = await runInGuest(KERNEL, [SCRIPT], workload()!, { files, packages, parameters: 'syscall.x32=y' });
    const [run] = guest.runs;
    if (run.status !== 0) {
      console.warn(`kernel ${KERNEL}, boot ${boots + 1}: ${guest.console.slice(-2000)}`);
      continue;
    }
    report = JSON.parse(run.output);
    break;
  }
  const recording = join(folder, 'guest.scap');
  writeFileSync(recording, Buffer.from(report.recording, 'base64'));
  const settings = ['-o', 'json_output=true', '-o', 'rule_matching=all', '-o', 'append_output=[]'];
  const every = ['-o', 'rules=[{enable: {rule: "*"}}]', '-r', `${ROOT}rules`];
  replayed = (await windhover(['replay', ...settings, ...every, recording])).alerts;
}, 900_000);
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A test of what the guest told, live and by its recording. */
function alerts(title: string, act: string, rule: string, texts: readonly string[], count: number): void {
  test(title, (ctx) => {
    if (unavailable !== undefined) return ctx.skip(unavailable);
    expect(report.status, report.stderr).toBe(0);
    expect(report.told[act]).toBe('0');
    const live = report.alerts.map((line): AlertLine => JSON.parse(line));
    for (const all of [live, replayed]) {
      const found = all.filter((alert) => alert.rule === rule && texts.every((text) => alert.output.includes(text)));
      expect(found, all.map(({ output }) => output).join('\n')).toHaveLength(count);
    }
  });
}

alerts('a module that is loaded', 'module', 'Linux Kernel Module Injection Detected', ['exe=/tmp/busybox-other '], 1);
test('the module is the kernel’s now', (ctx) => {
  if (unavailable !== undefined) return ctx.skip(unavailable);
  expect(report.modules).toMatch(/^dummy /m);
});
alerts('A04 calls that others delay', 'A04', SENSITIVE, ['file=/etc/shadow', 'exe=/tmp/A04 '], 40);
alerts('A06 an open through io_uring', 'A06', SENSITIVE, ['file=/etc/shadow', 'exe=/tmp/A06 '], 1);
alerts('A07 an open by the numbering of 32 bits', 'A07', SENSITIVE, ['file=/etc/shadow', 'exe=/tmp/A07 '], 1);
alerts('A08 an open by the numbering of x32', 'A08', SENSITIVE, ['file=/etc/shadow', 'exe=/tmp/A08 '], 1);
const STARTED = 'Program started from a world-writable directory';
alerts('A08 a program started by the numbering of x32', 'A08', STARTED, ['exe=/tmp/A08-program '], 1);
