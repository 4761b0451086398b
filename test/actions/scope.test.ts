/** Scope, selection, the gate, and the counts of the live source. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EventType } from '../../src/event/index.ts';
import { runScoped } from '../../src/source/run.ts';
import {
  openSyscallSource,
  ScopeRequiredError,
  type SyscallOptions,
  type SyscallSource,
} from '../../src/source/syscall.ts';
import { cannotWatch, copyEvent, openWatch, text, type WatchedEvent, watch, watchFamily, workload } from './watch.ts';

process.env.WINDHOVER_REQUIRE_SCOPE = '1';

const sources: SyscallSource[] = [];
function open(options: Partial<SyscallOptions> = {}): SyscallSource {
  const source = openWatch(options);
  sources.push(source);
  return source;
}

beforeEach((ctx) => {
  const reason = cannotWatch();
  if (reason !== undefined) ctx.skip(reason);
});
afterEach(() => {
  for (const source of sources.splice(0)) source.close();
});

/** Reads until `done`, or for 20 s. */
async function collect(source: SyscallSource, done: (events: WatchedEvent[]) => boolean): Promise<WatchedEvent[]> {
  const events: WatchedEvent[] = [];
  for (let i = 0; i < 400 && !done(events); i++) await source.next((event) => events.push(copyEvent(event)), 50);
  return events;
}

test('an unscoped load is refused', () => {
  expect(() => openSyscallSource({ scope: { kind: 'all' } })).toThrow(ScopeRequiredError);
  expect(() => openSyscallSource({ scope: { kind: 'all' }, requireScope: true })).toThrow(/scope is required/);
});

test('a command is seen from its exec on, its gate not at all', async () => {
  const { events, status, pid } = await watch(open(), ['/bin/sh', '-c', 'exit 7']);
  expect(status).toBe(7);
  expect(events[0].code).toBe('SYSCALL_EXECVE_19_X');
  expect(text(events[0], 'args')).toBe('-c\0exit 7');
  expect(events.every(({ tid }) => tid === pid)).toBe(true);
  expect(events.at(-1)?.code).toBe('PROCEXIT_1_E');
});

test('a command that is not there, and one that dies by a signal', async () => {
  const source = open();
  const missing = await watch(source, ['/nonexistent/command']);
  expect(missing.status).toBe(127);
  expect(missing.events).toEqual([]);
  const killed = await watch(source, ['/bin/sh', '-c', 'kill -9 $$']);
  expect(killed.status).toBe(128 + 9);
});

test('nothing outside of the scope is reported', async () => {
  const source = open();
  const outside = spawn('/bin/sh', ['-c', 'i=0; while [ $i -lt 200 ]; do : </dev/null; i=$((i+1)); done']);
  const ended = once(outside, 'exit');
  const { events, pid } = await watch(source, ['/bin/sh', '-c', 'cat /etc/hostname & wait']);
  await ended;
  const known = new Set([pid]);
  for (const { code, tid } of events) {
    if (code.startsWith('SYSCALL_CLONE') || code.startsWith('SYSCALL_VFORK')) known.add(tid);
    expect(known.has(tid)).toBe(true);
  }
  expect(known.has(outside.pid ?? -1)).toBe(false);
});

test('only what is selected is reported, and what the state needs', async () => {
  const source = open({ selected: [EventType.SYSCALL_MKDIR_2_X] });
  const script = ['/bin/sh', '-c', 'mkdir /tmp/windhover-selected; rmdir /tmp/windhover-selected; kill -0 $$'];
  const first = await watch(source, script);
  const codes = new Set(first.events.map(({ code }) => code));
  expect(codes).toContain('SYSCALL_MKDIR_2_X');
  expect(codes).toContain('SYSCALL_OPENAT_2_X');
  expect(codes).not.toContain('SYSCALL_RMDIR_2_X');
  expect(codes).not.toContain('SYSCALL_READ_X');
  expect(codes).not.toContain('GENERIC_X');
  source.select([EventType.SYSCALL_RMDIR_2_X]);
  const second = new Set((await watch(source, script)).events.map(({ code }) => code));
  expect(second).toContain('SYSCALL_RMDIR_2_X');
  expect(second).not.toContain('SYSCALL_MKDIR_2_X');
});

test('a running process and the children that it has already', async () => {
  const source = open();
  const parent = spawn('/bin/sh', ['-c', 'exec 3<&0; (read go <&3; : </dev/null) & echo ready; wait'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  await once(parent.stdout, 'data');
  source.add(parent.pid ?? -1);
  expect(source.inScope()?.length).toBeGreaterThanOrEqual(2);
  parent.stdin.end('go\n');
  const events = await collect(source, (seen) => seen.filter(({ code }) => code === 'PROCEXIT_1_E').length === 2);
  expect(events.some((event) => text(event, 'wh.path') === '/dev/null')).toBe(true);
  expect(source.inScope()).toEqual([]);
});

/** A control group of ours in a hierarchy that the probe can watch; undefined where none can be made. */
function makeCgroup(): string | undefined {
  const roots = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(
      ([, , type, options]) => type === 'cgroup2' || (type === 'cgroup' && /\b(memory|cpu)\b/.test(options ?? '')),
    )
    .map(([, at]) => at);
  for (const root of roots) {
    const directory = join(root, `windhover-test-${process.pid}`);
    try {
      mkdirSync(join(directory, 'inner'), { recursive: true });
      if (existsSync(join(directory, 'inner', 'cgroup.procs'))) return directory;
    } catch {
      // Not writable here: the next.
    }
  }
  return undefined;
}

test('a control group, and what is below it', async (ctx) => {
  const directory = makeCgroup();
  if (directory === undefined) return ctx.skip('no control group can be made here');
  try {
    const source = open({ scope: { kind: 'cgroup', path: directory } });
    expect(source.inScope()).toBeNull();
    const inside = spawn('/bin/sh', ['-c', 'read go; cat /etc/hostname; exit 5'], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const outside = spawn('/bin/sh', ['-c', 'cat /etc/hostname'], { stdio: 'ignore' });
    writeFileSync(join(directory, 'inner', 'cgroup.procs'), String(inside.pid));
    inside.stdin.end('go\n');
    const events = await collect(source, (seen) =>
      seen.some(({ tid, code }) => tid === inside.pid && code === 'PROCEXIT_1_E'),
    );
    expect(events.some((event) => event.code === 'SYSCALL_EXECVE_19_X' && text(event, 'exe') === 'cat')).toBe(true);
    expect(events.some(({ tid }) => tid === outside.pid)).toBe(false);
    const exec = events.find(({ code }) => code === 'SYSCALL_EXECVE_19_X');
    expect(exec && text(exec, 'cgroups')).toMatch(/windhover-test-\d+\/inner\0?/);
  } finally {
    rmdirSync(join(directory, 'inner'));
    rmdirSync(directory);
  }
});

test('produced = delivered + dropped, exactly, when the ring is full', async (ctx) => {
  if (workload() === undefined) ctx.skip('no C compiler (gcc)');
  const source = open({ ringBytes: 64 << 10 });
  const run = runScoped([workload() ?? '', 'many', '/tmp'], source, { stdio: 'ignore' });
  // Nobody reads meanwhile.
  expect(await run.status).toBe(0);
  let delivered = 0;
  while ((await source.next(() => delivered++, 0)) > 0);
  const { produced, dropped } = source.counters();
  const drops = Object.values(dropped).reduce((sum, count) => sum + count, 0);
  expect(produced).toBeGreaterThan(40_000);
  expect(drops).toBeGreaterThan(0);
  expect(delivered + drops).toBe(produced);
  expect(dropped.open).toBeGreaterThan(1000);
  expect(dropped.close).toBeGreaterThan(1000);
  // The gap shows in the stream too: the first event behind it says how many are missing before it.
  let gap = 0;
  // Each CPU tells of its own losses, so the next event of the one that had them is waited for.
  for (let i = 0; i < 100 && gap === 0; i++) {
    await runScoped(['/bin/true'], source, { stdio: 'ignore' }).status;
    while ((await source.next(({ view, at }) => (gap += view.getUint32(at - 4, true)), 0)) > 0);
  }
  expect(gap).toBeGreaterThan(0);
});

test('the source ends with its scope', async () => {
  const source = open({ endWithScope: true });
  const run = runScoped(['/bin/true'], source, { stdio: 'ignore' });
  let last = '';
  while (!source.ended) await source.next((event) => (last = event.info.code), 1000);
  expect(last).toBe('PROCEXIT_1_E');
  expect(await run.status).toBe(0);
});

test('the environment is kept, long arguments are cut and marked', async (ctx) => {
  if (workload() === undefined) ctx.skip('no C compiler (gcc)');
  const { events } = await watchFamily(open(), 'images');
  const long = events.find((event) => text(event, 'exe') === 'long');
  expect(long && text(long, 'args').length).toBe(4095 - 'long\0'.length - 1);
  expect(long && text(long, 'env')).toBe('KEY=value');
  const flags = long?.params.find(({ name }) => name === 'wh.flags')?.bytes.readUInt32LE(0) ?? 0;
  expect(flags & 8).toBe(8);
});

test('a sensor in a pid namespace of its own', async (ctx) => {
  const script = fileURLToPath(new URL('run-inside.ts', import.meta.url));
  const inside = ['--pid', '--fork', '--mount-proc', process.execPath, '--no-warnings', script];
  const { status, stdout, stderr } = spawnSync('unshare', inside, { encoding: 'utf8' });
  if (/unshare failed|mount/.test(stderr)) ctx.skip(stderr.trim());
  expect(status, stderr).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ pid: 1, status: 7, first: 'SYSCALL_EXECVE_19_X', last: 'PROCEXIT_1_E' });
});
