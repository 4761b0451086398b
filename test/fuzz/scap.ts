/**
 * Reads a million mutated captures: `node test/fuzz/scap.ts [--runs N] [--seed N] [FILE.scap …]`
 *
 * Files given are mutated too, beside the made-up ones. Ends with 1 when one crashes the reader, takes more than a
 * second, or when the memory grows; the capture is then left in the current folder.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { constants, gunzipSync } from 'node:zlib';
import { mutate, random, seeds, survive } from '../../src/scap/testing/mutate.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string', default: '1000000' }, seed: { type: 'string', default: '1' } },
});
const captures = seeds();
for (const path of positionals) {
  const bytes = readFileSync(path);
  captures.push(bytes[0] === 0x1f ? gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }) : bytes);
}

const next = random(Number(values.seed));
const runs = Number(values.runs);
const SLOW_MS = 1000;
const MEMORY = 512 << 20;
let events = 0;
let slowest = 0;
let memory = 0;

function fail(bytes: Uint8Array, why: string): never {
  const path = `crash-${values.seed}.scap`;
  writeFileSync(path, bytes);
  console.error(`${why}; the capture is ${path}`);
  process.exit(1);
}

for (let run = 0; run < runs; run++) {
  const bytes = mutate(captures[run % captures.length] as Uint8Array, next);
  const before = performance.now();
  try {
    events += survive(bytes, next() < 0.5 ? bytes.length || 1 : 1 + Math.floor(next() * 4000));
  } catch (error) {
    fail(bytes, String((error as Error).stack));
  }
  const took = performance.now() - before;
  slowest = Math.max(slowest, took);
  if (took > SLOW_MS) fail(bytes, `run ${run} took ${Math.round(took)} ms`);
  if (run % 10_000 === 0) {
    memory = Math.max(memory, process.memoryUsage.rss());
    if (memory > MEMORY) fail(bytes, `the process has grown to ${memory} bytes`);
  }
}
console.log(JSON.stringify({ runs, events, slowest_ms: Math.round(slowest), rss_mb: Math.round(memory / 1e6) }));
