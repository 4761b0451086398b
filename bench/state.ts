/**
 * What keeping the state costs: the events of a capture, read into memory once, are applied over and over;
 * CPU time (user and system, all threads of the process) for each event.
 *
 * `node bench/state.ts CAPTURE.scap [rounds]`
 */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { Event } from '../src/event/index.ts';
import { ScapReader } from '../src/scap/index.ts';
import { State } from '../src/state/index.ts';

const [path, roundsText] = process.argv.slice(2);
if (path === undefined) {
  process.stderr.write('usage: node bench/state.ts CAPTURE.scap [rounds]\n');
  process.exit(2);
}
const rounds = Number(roundsText ?? '10');
const file = readFileSync(path);
const bytes = file[0] === 0x1f && file[1] === 0x8b ? gunzipSync(file) : file;

/** The events, one behind the other, as a ring buffer would give them. */
const all = new Uint8Array(bytes.length);
let size = 0;
let count = 0;
const state = new State();
new ScapReader(state.sink).push(bytes, (event) => {
  all.set(event.buffer.subarray(event.at, event.at + event.length), size);
  size += event.length;
  count++;
});
const view = new DataView(all.buffer);

function round(apply: ((event: Event) => void) | null): void {
  const event = new Event();
  event.attach(all, view);
  let at = 0;
  for (let num = 1; num <= count; num++) {
    event.read(at, 0, num);
    if (apply !== null) apply(event);
    at += event.length;
  }
}

function cost(apply: ((event: Event) => void) | null): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < rounds; i++) {
    const before = process.cpuUsage();
    round(apply);
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, ((user + system) * 1000) / count);
  }
  return best;
}

const walk = cost(null);
const both = cost((event) => state.apply(event));
const { rss } = process.memoryUsage();
process.stdout.write(
  `${JSON.stringify({
    events: count,
    rounds,
    walkNs: Math.round(walk * 10) / 10,
    stateNs: Math.round((both - walk) * 10) / 10,
    rssMB: Math.round(rss / 1048576),
    threads: state.threads.size,
  })}\n`,
);
