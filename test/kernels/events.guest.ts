/**
 * Runs in a guest: every family of the scripted workload, and what the probe made of it; one line of JSON.
 * Each kernel's events are held against the same files as those of the machine that runs the tests.
 */

import { readdirSync } from 'node:fs';
import { EventType } from '../../src/event/index.ts';
import { openWatch, type WatchedEvent, watchFamily } from '../actions/watch.ts';

/** Events by code. */
function count(events: readonly WatchedEvent[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { code } of events) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}

const source = openWatch();
const unfiltered = count((await watchFamily(source, 'open')).events);
const families: Record<string, { lines: string[]; status: number; lost: number }> = {};
for (const file of readdirSync(new URL('../actions/golden/', import.meta.url))) {
  const family = file.replace('.txt', '');
  const { lines, status, produced, delivered } = await watchFamily(source, family);
  families[family] = { lines, status, lost: produced - delivered };
}
// Opens for reading that nobody wants, and what is done to their descriptors.
const except = async (programs: readonly string[]): Promise<Record<string, number>> => {
  source.select(undefined, {
    opens: { failed: 'none', prefixes: [], tails: [], comms: [], programs, dots: false, compat: false },
    quiet: [EventType.SYSCALL_CLOSE_X],
    generic: null,
    thirdArgument: new Map(),
  });
  return count((await watchFamily(source, 'open')).events);
};
const filtered = await except([]);
const others = await except(['/nonexistent/']);
const everyProgram = await except(['/']);
// A map of rings is something that a kernel's verifier has to know.
const byCpu = openWatch({ cpusPerRing: 1, ringBytes: 8 << 20 });
const { lines, produced, delivered } = await watchFamily(byCpu, 'processes');
const missed = source.counters().missed + byCpu.counters().missed;
byCpu.close();
console.log(
  JSON.stringify({
    families,
    unfiltered,
    filtered,
    others,
    everyProgram,
    rings: { lines, lost: produced - delivered },
    missed,
    skipped: Object.fromEntries(source.skipped),
  }),
);
source.close();
