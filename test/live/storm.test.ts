/** A storm of processes: the table of threads stays within its limit, and what did not fit is counted. */
import { beforeEach, expect, test } from 'vitest';
import type { Event } from '../../src/event/index.ts';
import { State } from '../../src/state/index.ts';
import { cannotWatch, openWatch, watch } from '../actions/watch.ts';

process.env.WINDHOVER_REQUIRE_SCOPE = '1';
const reason = cannotWatch();

beforeEach((ctx) => {
  if (reason !== undefined) ctx.skip(reason);
});

/** Runs a shell script under a state; the most threads that it had at a time. */
async function storm(state: State, script: string): Promise<{ most: number; lost: number; pid: number }> {
  const source = openWatch({ selected: [] });
  let most = 0;
  try {
    const { produced, delivered, pid } = await watch(
      {
        arm: (started) => source.arm(started),
        inScope: () => source.inScope(),
        counters: () => source.counters(),
        stats: () => source.stats(),
        next: (visit, timeoutMs) =>
          source.next((event: Event) => {
            state.apply(event);
            most = Math.max(most, state.threads.size);
            visit(event);
          }, timeoutMs),
      },
      ['/bin/sh', '-c', script],
    );
    return { most, lost: produced - delivered, pid };
  } finally {
    source.close();
  }
}

/** All live at once: each waits for a line of its own from a pipe. */
const AT_ONCE = (processes: number): string =>
  `pipe=/tmp/windhover-storm-$$; mkfifo $pipe; exec 9<>$pipe; rm $pipe
   i=0; while [ $i -lt ${processes} ]; do (read line <&9) & i=$((i + 1)); done
   while [ $i -gt 0 ]; do echo >&9; i=$((i - 1)); done; wait`;

test('more processes at once than the table holds', async () => {
  const state = new State({ threadTableSize: 40 });
  const { most, lost } = await storm(state, AT_ONCE(120));
  expect(lost).toBe(0);
  expect(most).toBe(40);
  expect(state.counters.droppedThreads).toBeGreaterThanOrEqual(80);
});

test('thousands of short ones leave nothing behind', async () => {
  const state = new State();
  const { most, lost, pid } = await storm(state, 'i=0; while [ $i -lt 2000 ]; do (:); i=$((i + 1)); done');
  expect(lost).toBe(0);
  expect(most).toBeLessThan(20);
  expect(state.counters.droppedThreads).toBe(0);
  expect([...state.threads].filter(({ dead, tid }) => !dead && tid !== pid).length).toBeLessThan(5);
});
