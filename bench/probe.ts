/**
 * What watching costs, by CPU time, as differences and ratios to the same without being watched:
 * `node bench/probe.ts` (root, gcc). Everything watched is a child of this process.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { EventType } from '../src/event/index.ts';
import { runScoped } from '../src/source/run.ts';
import { openSyscallSource, type SyscallOptions, type SyscallSource } from '../src/source/syscall.ts';
import { workload } from '../test/actions/watch.ts';

process.env.WINDHOVER_REQUIRE_SCOPE = '1';
const program = workload();
if (program === undefined) throw new Error('gcc is needed');
const directory = mkdtempSync('/tmp/windhover-bench-');

/** Nanoseconds a turn, as the workload measures them itself. */
function bare(family: string): number {
  return Number(execFileSync(program ?? '', [family, directory], { encoding: 'utf8' }));
}

async function scoped(source: SyscallSource, argv: string[]): Promise<{ output: string; events: number; ns: number }> {
  const run = runScoped(argv, source, { stdio: ['ignore', 'pipe', 'ignore'] });
  let output = '';
  run.child.stdout?.on('data', (chunk) => (output += chunk));
  let running = true;
  void run.status.then(() => (running = false));
  let events = 0;
  const before = process.threadCpuUsage();
  while (running) events += await source.next(() => {}, 20);
  for (let n = 1; n > 0; ) events += n = await source.next(() => {}, 0);
  const { user, system } = process.threadCpuUsage(before);
  return { output, events, ns: ((user + system) * 1000) / events };
}

async function watched(family: string, options: Partial<SyscallOptions>, inScope = true): Promise<number> {
  const source = openSyscallSource({ scope: { kind: 'tree', pids: [] }, ...options });
  try {
    return inScope ? Number((await scoped(source, [program ?? '', family, directory])).output) : bare(family);
  } finally {
    source.close();
  }
}

function row(what: string, value: string, goal: string): void {
  console.log(`${what.padEnd(58)} ${value.padStart(22)}   ${goal}`);
}

const plus = (ns: number, base: number): string => `+${(ns - base).toFixed(0)} ns (× ${(ns / base).toFixed(2)})`;

try {
  const getppid = bare('measure-getppid');
  const open = bare('measure-open');
  row('getppid, not watched', `${getppid.toFixed(0)} ns`, '');
  row('  call not selected', plus(await watched('measure-getppid', { selected: [] }), getppid), 'goal +25 ns');
  row('  call selected, process out of scope', plus(await watched('measure-getppid', {}, false), getppid), '');
  row('  event written', plus(await watched('measure-getppid', {}), getppid), '');
  row('open + close of a file four directories deep, not watched', `${open.toFixed(0)} ns`, '');
  row(
    '  two events, path resolved by the kernel',
    plus(await watched('measure-open', { selected: [] }), open),
    'goal +300 ns',
  );

  const dd = ['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=1', 'count=1000000'];
  const from = performance.now();
  spawnSync(dd[0], dd.slice(1));
  const bareMs = performance.now() - from;
  const source = openSyscallSource({
    scope: { kind: 'tree', pids: [] },
    selected: [EventType.SYSCALL_READ_X, EventType.SYSCALL_WRITE_X],
  });
  const started = performance.now();
  const { events, ns } = await scoped(source, dd);
  const seconds = (performance.now() - started) / 1000;
  const { dropped } = source.counters();
  const drops = Object.values(dropped).reduce((sum, count) => sum + count, 0);
  row('dd bs=1, a million blocks: run time', `× ${((seconds * 1000) / bareMs).toFixed(2)}`, '');
  row('  events a second', (events / seconds / 1e6).toFixed(2).concat(' M'), 'goal 1 M');
  row('  dropped', `${drops} of ${drops + events}`, 'goal 0');
  row('  ring to visitor, CPU time an event', `${ns.toFixed(0)} ns`, 'goal 30 ns');
  const idle = process.threadCpuUsage();
  const idleFrom = performance.now();
  await source.next(() => {}, 3000);
  const { user, system } = process.threadCpuUsage(idle);
  row('idle', `${((user + system) / 10 / (performance.now() - idleFrom)).toFixed(2)} % of a CPU`, 'goal 1 %');
  row('resident memory of this process', `${(process.memoryUsage.rss() / 1e6).toFixed(0)} MB`, 'goal 100 MB');
  source.close();
} finally {
  rmSync(directory, { recursive: true });
}
