import { statSync } from 'node:fs';
import { stringify } from 'yaml';
import { fromByteString } from '../../bytes.ts';
import { createEngine } from '../../engine/index.ts';
import type { Event } from '../../event/index.ts';
import { fieldCatalogue } from '../../fields/index.ts';
import { loadRules, type Rule, type Value } from '../../rules/index.ts';
import { openCapture } from '../../source/index.ts';
import { State } from '../../state/index.ts';
import type { CaptureTimeline, TimelineEvent } from '../api.ts';
import { Refusal } from './route.ts';

/** Events shown at most: those nearest to the alert. */
const SHOWN = 400;
/** Reading stops this long after the alert, in nanoseconds. */
const AFTER = 60_000_000_000n;

const catalogue = fieldCatalogue();

/** The filter as a rule, so that it means what it means there. */
function compile(filter: string): Rule | null {
  if (filter.trim() === '') return null;
  const text = stringify([
    { rule: 'timeline', desc: 'the filter of a timeline', condition: filter, output: 'x', priority: 'DEBUG' },
  ]);
  const result = loadRules([{ name: 'filter', text }], catalogue);
  const [rule] = result.ruleSet?.rules ?? [];
  if (rule !== undefined) return rule;
  const [problem] = result.files[0]?.diagnostics.filter((one) => one.severity === 'error') ?? [];
  throw new Refusal(400, problem === undefined ? 'the filter cannot be read' : fromByteString(problem.message));
}

const bind = (name: string) => catalogue.bind(name, null);
const READ = {
  process: bind('proc.name'),
  pid: bind('proc.pid'),
  type: bind('evt.type'),
  args: bind('evt.args'),
  file: bind('fd.name'),
};

const say = (value: Value | null): string =>
  value === null ? '' : typeof value === 'string' ? fromByteString(value) : String(value);

/**
 * What a recording holds around a moment (nanoseconds since the epoch), filtered by a condition.
 * Rejects with a Refusal for a filter that is none, with the reader's error for a file that is no recording.
 */
export async function readTimeline(file: string, at: bigint, filter: string): Promise<CaptureTimeline> {
  const rule = compile(filter);
  const state = new State();
  const before: TimelineEvent[] = [];
  const after: TimelineEvent[] = [];
  let read = 0;
  let matched = 0;
  let over = false;
  const keep = (event: Event): void => {
    matched++;
    const earlier = event.ts <= at;
    if (!earlier && after.length >= SHOWN / 2) return;
    const args = say(READ.args(event, state));
    const name = say(READ.file(event, state));
    (earlier ? before : after).push({
      num: event.num,
      time: Number(event.ts / 1000n) / 1000,
      type: say(READ.type(event, state)),
      pid: Number(READ.pid(event, state) ?? event.tid),
      process: say(READ.process(event, state)),
      text: (name === '' || args.includes(name) ? args : `${name} ${args}`).slice(0, 500),
    });
    if (before.length > SHOWN) before.splice(0, SHOWN / 2);
  };
  const engine =
    rule === null
      ? null
      : createEngine([rule], state, { matching: 'first', codegen: false, onMatch: (_, event) => keep(event) });
  const source = await openCapture(file, state.sink, { thread: false, chunkSize: 256 << 10 });
  try {
    while (!source.ended && !over) {
      await source.next((event) => {
        if (over) return;
        if (event.ts > at + AFTER) {
          over = true;
          return;
        }
        read++;
        state.apply(event);
        if (engine === null) keep(event);
        else engine.process(event);
      }, 1000);
      // Others are served between two portions.
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    source.close();
  }
  const events = [...before.slice(-SHOWN / 2), ...after];
  return { events, read, matched, more: matched > events.length };
}

/**
 * When the first and the last event of a recording were, in microseconds since the epoch. Null for one that holds none,
 * that is too long to be read for this, or that is no recording.
 */
export async function spanOf(file: string): Promise<{ from: number; to: number } | null> {
  let [first, last] = [0n, 0n];
  try {
    if (statSync(file).size > JUDGED_BYTES) return null;
    const source = await openCapture(file, new State().sink, { thread: false, chunkSize: 256 << 10 });
    try {
      while (!source.ended) {
        await source.next((event) => {
          if (first === 0n) first = event.ts;
          last = event.ts;
        }, 5000);
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      source.close();
    }
  } catch {
    // What was read until there counts.
  }
  return first === 0n ? null : { from: Number(first / 1000n), to: Number(last / 1000n) };
}

/** A recording longer than this, in bytes, is not judged anew for a back-test. */
const JUDGED_BYTES = 64 * 1024 * 1024;

/**
 * Judges a recording by rules: for each rule's name, the numbers of the events that it fires on.
 * Gives null for a file that is too long or no recording.
 */
export async function judgeRecording(file: string, rules: readonly Rule[]): Promise<Map<string, Set<number>> | null> {
  const found = new Map<string, Set<number>>(rules.map((rule) => [fromByteString(rule.name), new Set()]));
  const state = new State();
  const engine = createEngine(rules, state, {
    matching: 'all',
    onMatch: (rule, event) => found.get(fromByteString(rule.name))?.add(event.num),
  });
  try {
    if (statSync(file).size > JUDGED_BYTES) return null;
    const source = await openCapture(file, state.sink, { thread: false, chunkSize: 256 << 10 });
    try {
      while (!source.ended) {
        await source.next((event) => {
          state.apply(event);
          engine.process(event);
        }, 1000);
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      source.close();
    }
  } catch {
    return null;
  }
  return found;
}
