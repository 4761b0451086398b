/**
 * Runs in a guest: every family of the scripted workload, and what the probe made of it; one line of JSON.
 * Each kernel's events are held against the same files as those of the machine that runs the tests.
 */

import { readdirSync } from 'node:fs';
import { openWatch, watchFamily } from '../actions/watch.ts';

const source = openWatch();
const families: Record<string, { lines: string[]; status: number; lost: number }> = {};
for (const file of readdirSync(new URL('../actions/golden/', import.meta.url))) {
  const family = file.replace('.txt', '');
  const { lines, status, produced, delivered } = await watchFamily(source, family);
  families[family] = { lines, status, lost: produced - delivered };
}
// A map of rings is something that a kernel's verifier has to know.
const byCpu = openWatch({ cpusPerRing: 1, ringBytes: 8 << 20 });
const { lines, produced, delivered } = await watchFamily(byCpu, 'processes');
byCpu.close();
console.log(
  JSON.stringify({
    families,
    rings: { lines, lost: produced - delivered },
    skipped: Object.fromEntries(source.skipped),
  }),
);
source.close();
