/**
 * What reading a capture costs: `node bench/scap.ts [FILE.scap | FILE.scap.gz] [--rules RULES.yaml …] [--work NS] [--runs N]`
 *
 * Without a file a million events are generated. Prints, as JSON, nanoseconds of CPU and of wall time per event (the best
 * of the runs, which are interleaved) for
 * - `walk`: the reader alone, over memory;
 * - `plain`, `gzip`: a file through openCapture, whose reading and inflating run on the pool;
 * - `plain_thread`, `gzip_thread`: the same, with checks and conversion on a thread of their own too;
 * - `plain_in_line`, `gzip_in_line`: all of it on the thread that judges;
 * and the ratios of wall times, which mean something on an idle machine with two cores only. With `--rules` every event is judged
 * and every alert written as JSON; `--work` adds that much computing to every event instead.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import { createFormatter } from '../src/alert.ts';
import { createEngine } from '../src/engine/index.ts';
import type { Event } from '../src/event/index.ts';
import { fieldCatalogue } from '../src/fields/index.ts';
import { loadRules } from '../src/rules/index.ts';
import { type InitialStateSink, ScapReader, ScapWriter } from '../src/scap/index.ts';
import { openCapture } from '../src/source/index.ts';
import { State } from '../src/state/index.ts';
import { generate } from './machine.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    work: { type: 'string', default: '0' },
    runs: { type: 'string', default: '5' },
    rules: { type: 'string', multiple: true, default: [] },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'windhover-bench-'));
const nothing = (): void => {};
const nowhere: InitialStateSink = {
  machine: nothing,
  process: nothing,
  fd: nothing,
  userOrGroup: nothing,
  interface: nothing,
};

/** Characters of all alerts of all runs. */
let written = 0;
/** State and rules, judged all; null without rules. */
function makeJudge(): { sink: InitialStateSink; visit(event: Event): void } | null {
  if (values.rules.length === 0) return null;
  const catalogue = fieldCatalogue();
  const { ruleSet } = loadRules(
    values.rules.map((name) => ({ name, text: readFileSync(name, 'utf8') })),
    catalogue,
  );
  const rules = (ruleSet?.rules ?? []).filter((rule) => rule.enabled && rule.source === 'syscall');
  const state = new State();
  const formatter = createFormatter({
    json: true,
    iso8601: false,
    withOutput: true,
    withTags: true,
    withMessage: false,
    withFields: true,
    hostname: '',
    base64: false,
    extraFields: () => [],
    catalogue,
  });
  const engine = createEngine(rules, state, {
    matching: 'all',
    onMatch(rule, event) {
      written += formatter.line(rule, event, state)?.length ?? 0;
    },
  });
  const visit = (event: Event): void => {
    state.apply(event);
    engine.process(event);
  };
  return { sink: state.sink, visit };
}
const judge = makeJudge();
const sink = judge?.sink ?? nowhere;

function content(): Uint8Array {
  const [file] = positionals;
  if (file !== undefined) {
    const bytes = readFileSync(file);
    return bytes[0] === 0x1f ? gunzipSync(bytes) : bytes;
  }
  const pieces: Uint8Array[] = [];
  const writer = new ScapWriter((piece) => pieces.push(piece));
  for (const _ of generate(writer, { events: 1_000_000 })) writer.flush();
  writer.flush();
  return Buffer.concat(pieces);
}

const plainBytes = content();
const gzipBytes = gzipSync(plainBytes);
const plain = join(folder, 'plain.scap');
const gzip = join(folder, 'gzip.scap.gz');
writeFileSync(plain, plainBytes);
writeFileSync(gzip, gzipBytes);

let total = 0;
/** Computing that the compiler cannot leave out. */
function spin(rounds: number): void {
  let value = total;
  for (let i = 0; i < rounds; i++) value = Math.imul(value ^ i, 0x01000193);
  total = value;
}
/** Rounds of {@link spin} that take so many nanoseconds. */
function calibrate(ns: number): number {
  spin(3e7);
  const from = process.hrtime.bigint();
  spin(3e7);
  return Math.round((ns * 3e7) / Number(process.hrtime.bigint() - from));
}
const rounds = calibrate(Number(values.work));
const visit =
  judge?.visit ??
  ((event: Event): void => {
    total = (total + event.type) | 0;
    if (rounds > 0) spin(rounds);
  });

const PIECE = 1 << 20;
function walk(bytes: Uint8Array): number {
  const reader = new ScapReader(sink);
  for (let at = 0; at < bytes.length; at += PIECE) reader.push(bytes.subarray(at, at + PIECE), visit);
  return reader.stats.events;
}
async function replay(path: string, thread: boolean): Promise<number> {
  const source = await openCapture(path, sink, { thread });
  while (!source.ended) await source.next(visit, 1000);
  return source.stats().events;
}

const cases: Record<string, () => number | Promise<number>> = {
  walk: () => walk(plainBytes),
  plain: () => replay(plain, false),
  plain_thread: () => replay(plain, true),
  plain_in_line: () => walk(readFileSync(plain)),
  gzip: () => replay(gzip, false),
  gzip_thread: () => replay(gzip, true),
  gzip_in_line: () => walk(gunzipSync(readFileSync(gzip))),
};
const cpu: Record<string, number> = {};
const own: Record<string, number> = {};
const wall: Record<string, number> = {};
let events = 0;
// Compiled code before the clock starts.
if (judge !== null) for (let i = 0; i < 5; i++) walk(plainBytes.subarray(0, 64 << 20));
for (let run = 0; run < Number(values.runs); run++) {
  for (const [name, work] of Object.entries(cases)) {
    const cpuBefore = process.cpuUsage();
    const judgeBefore = process.threadCpuUsage();
    const wallBefore = process.hrtime.bigint();
    events = await work();
    const wallTime = Number(process.hrtime.bigint() - wallBefore) / events;
    const { user, system } = process.cpuUsage(cpuBefore);
    const thread = process.threadCpuUsage(judgeBefore);
    own[name] = Math.min(own[name] ?? Number.POSITIVE_INFINITY, ((thread.user + thread.system) * 1000) / events);
    cpu[name] = Math.min(cpu[name] ?? Number.POSITIVE_INFINITY, ((user + system) * 1000) / events);
    wall[name] = Math.min(wall[name] ?? Number.POSITIVE_INFINITY, wallTime);
  }
}
rmSync(folder, { recursive: true });

const round = (record: Record<string, number>) =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, Math.round(value * 10) / 10]));
const ratio = (a: number | undefined, b: number | undefined) => Math.round(((a ?? 0) / (b ?? 1)) * 100) / 100;
console.log(
  JSON.stringify(
    {
      events,
      bytes_per_event: Math.round(plainBytes.length / events),
      compressed_to: ratio(gzipBytes.length, plainBytes.length),
      rules: values.rules.length,
      alert_characters: written,
      work_ns: Number(values.work),
      cpu_ns_per_event: round(cpu),
      cpu_ns_per_event_of_the_judging_thread: round(own),
      wall_ns_per_event: round(wall),
      gain: {
        gzip: ratio(wall.gzip_in_line, wall.gzip),
        gzip_thread: ratio(wall.gzip_in_line, wall.gzip_thread),
        plain: ratio(wall.plain_in_line, wall.plain),
        plain_thread: ratio(wall.plain_in_line, wall.plain_thread),
      },
      load: loadavg().map((value) => Math.round(value * 100) / 100),
    },
    null,
    2,
  ),
);
