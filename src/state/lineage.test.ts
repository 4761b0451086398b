import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { buildEvent, EventType, viewEvent } from '../event/index.ts';
import { CloneFlag, State, type Thread } from './index.ts';

/** What happens to processes 1 … 9, whichever of them exist. */
const step = fc.record({
  what: fc.constantFrom('fork', 'thread', 'child', 'exec', 'exit', 'other'),
  tid: fc.integer({ min: 1, max: 9 }),
  other: fc.integer({ min: 1, max: 9 }),
});

function ancestors(thread: Thread | null): number[] {
  const line: number[] = [];
  for (let at = thread; at !== null && line.length < 50; at = at.parent) line.push(at.tid);
  return line;
}

/** Everything that fields read of a thread itself, and of others. */
function own(thread: Thread): string {
  return [thread.pid, thread.comm, thread.exe, thread.exepath, thread.args, thread.uid, thread.container].join();
}

function lineage(thread: Thread): string {
  const line: string[] = [];
  for (let at = thread.parent; at !== null && line.length < 50; at = at.parent) line.push(`${at.tid} ${own(at)}`);
  return [...line, thread.main === null ? '' : own(thread.main)].join('; ');
}

test('parents, children, threads and epochs agree after any sequence of clones, execs and exits', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const state = new State();
      let ts = 1n;
      let name = 0;
      const seen = new Map<number, { epoch: number; own: string; lineageEpoch: number; lineage: string }>();
      for (const { what, tid, other } of steps) {
        ts += 3_000_000_000n;
        const of = state.threads.get(tid);
        const ids = { tid, pid: of?.pid ?? tid, ptid: of?.ptid ?? 1, vtid: tid, vpid: of?.pid ?? tid };
        const [code, params] =
          what === 'fork'
            ? (['SYSCALL_CLONE_20_X', { ...ids, res: other, comm: `c${name++}` }] as const)
            : what === 'thread'
              ? ([
                  'SYSCALL_CLONE_20_X',
                  { ...ids, res: other, comm: 't', flags: CloneFlag.THREAD | CloneFlag.FILES },
                ] as const)
              : what === 'child'
                ? ([
                    'SYSCALL_CLONE_20_X',
                    { res: 0, tid, pid: tid, ptid: other, vtid: tid, vpid: tid, comm: 'k' },
                  ] as const)
                : what === 'exec'
                  ? (['SYSCALL_EXECVE_19_X', { ...ids, res: 0, comm: `x${name++}`, exe: 'x' }] as const)
                  : what === 'exit'
                    ? (['PROCEXIT_1_E', { reaper_tid: other }] as const)
                    : (['SYSCALL_CLOSE_X', { res: 0, fd: 1 }] as const);
        state.apply(viewEvent(buildEvent(EventType[code] as number, { ts, tid, params })));
        for (const thread of state.threads) {
          const expected = thread.ptid > 0 && thread.ptid !== thread.tid ? state.threads.get(thread.ptid) : null;
          expect(thread.parent).toBe(expected);
          let found = expected === null;
          for (let child = expected?.firstChild ?? null; child !== null; child = child.nextSibling) {
            if (child === thread) found = true;
          }
          expect(found).toBe(true);
          expect(thread.group.threads.filter((one) => one === thread)).toHaveLength(1);
          expect(ancestors(thread).length).toBeLessThanOrEqual(50);
          // What is kept about a slot is only asked for again when an epoch says so.
          const before = seen.get(thread.slot);
          const now = {
            epoch: thread.epoch,
            own: own(thread),
            lineageEpoch: state.lineageEpoch,
            lineage: lineage(thread),
          };
          if (before !== undefined && before.epoch === now.epoch) {
            expect(now.own).toBe(before.own);
            if (before.lineageEpoch === now.lineageEpoch) expect(now.lineage).toBe(before.lineage);
          }
          seen.set(thread.slot, now);
        }
      }
    }),
    { numRuns: 300 },
  );
});
