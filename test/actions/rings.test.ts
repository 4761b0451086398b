/** A ring for each CPU, merged: the same events as with one ring, in the order in which they happened. */
import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Event } from '../../src/event/index.ts';
import type { SyscallSource } from '../../src/source/syscall.ts';
import { cannotWatch, openWatch, type WatchedEvent, watch, watchFamily, workload } from './watch.ts';

process.env.WINDHOVER_REQUIRE_SCOPE = '1';

const reason = cannotWatch() ?? (workload() === undefined ? 'no C compiler (gcc)' : undefined);
let source: SyscallSource;

beforeAll(() => {
  if (reason === undefined) source = openWatch({ cpusPerRing: 1, ringBytes: 8 << 20 });
});
beforeEach((ctx) => {
  if (reason !== undefined) ctx.skip(reason);
});
afterAll(() => source?.close());

/** Those that every machine can run. */
const FAMILIES = readdirSync(new URL('golden/', import.meta.url))
  .map((file) => file.replace('.txt', ''))
  .filter((family) => family !== 'compat' && family !== 'uring');

test.for(FAMILIES)('events of the family %s', async (family) => {
  const { lines, status, produced, delivered } = await watchFamily(source, family);
  expect(status).toBe(0);
  await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(`golden/${family}.txt`);
  expect(produced).toBe(delivered);
});

const number = ({ params }: WatchedEvent, name: string): number =>
  Number(params.find((param) => param.name === name)?.bytes.readBigInt64LE(0) ?? -1);

test('a storm of processes on all CPUs: parents before children, in the order of time, nothing lost, nothing twice', async (ctx) => {
  const before = source.counters().producedPerCpu;
  const drains: bigint[][] = [];
  const timed = {
    arm: (pid: number) => source.arm(pid),
    inScope: () => source.inScope(),
    counters: () => source.counters(),
    stats: () => source.stats(),
    next: (visit: (event: Event) => void, timeoutMs: number) => {
      const times: bigint[] = [];
      drains.push(times);
      return source.next((event) => {
        times.push(event.ts);
        visit(event);
      }, timeoutMs);
    },
  };
  const script =
    'for i in 1 2 3 4; do (for j in 1 2 3 4 5 6 7 8 9 10; do /bin/true & /bin/true; done; wait) & done; wait';
  const { events, status, pid, produced, delivered } = await watch(timed, ['/bin/sh', '-c', script]);
  expect(status).toBe(0);
  expect(delivered).toBe(produced);
  expect(events).toHaveLength(produced);

  // With a ring for each CPU, each ring is in order itself.
  for (const times of drains) expect(times).toEqual([...times].sort((a, b) => Number(a - b)));

  const born = new Set([pid]);
  const ended = new Set<number>();
  for (const event of events) {
    // A child's first event is its own return of the call that made it.
    if (event.code === 'SYSCALL_CLONE_20_X' && number(event, 'res') === 0) {
      expect(born).toContain(number(event, 'ptid'));
      expect(ended).not.toContain(number(event, 'ptid'));
      expect(born).not.toContain(event.tid);
      born.add(event.tid);
    }
    expect(born, `${event.code} of ${event.tid}`).toContain(event.tid);
    expect(ended).not.toContain(event.tid);
    if (event.code === 'PROCEXIT_1_E') ended.add(event.tid);
  }
  expect(born.size).toBe(1 + 4 + 4 * 20);
  expect(ended).toEqual(born);

  const perCpu = source.counters().producedPerCpu.map((count, cpu) => count - (before[cpu] ?? 0));
  if (perCpu.filter((count) => count > 0).length < 2) ctx.skip('everything ran on one CPU');
});
