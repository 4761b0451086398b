import type { Config } from '../config/index.ts';
import type { Event } from '../event/index.ts';
import { log } from '../log.ts';
import type { Rule } from '../rules/index.ts';
import { captureFileName, FlightRecorder } from '../scap/index.ts';
import { createCapture } from '../source/capture-file.ts';
import type { State, Thread } from '../state/index.ts';
import { type ContainerNews, containerEvent } from './recording.ts';

/** Records the events around alerts (`capture.*`): those of the alert's container, or of its session on the host. */
export interface Recorder {
  /** Takes each event before the state has changed by it. */
  event(event: Event): void;
  /** The state has changed by the event. */
  applied(event: Event): void;
  /** Begins or prolongs a capture, when the rule asks for one. */
  matched(rule: Rule, event: Event): void;
  /** Ends captures whose time is over; to be called also while no events come. */
  poll(): void;
  close(): Promise<void>;
}

const NANOSECONDS = 1_000_000n;
const MB = 2 ** 20;

/**
 * null when recording is off.
 * @param news what is being found out about containers; null when nothing is
 */
export function openRecorder(
  { capture, engine, windhover }: Config,
  state: State,
  news: (ContainerNews & { awaits(container: string): boolean }) | null,
): Recorder | null {
  if (!capture.enabled) return null;
  const all = capture.mode.toLowerCase() === 'all_rules';
  const live = engine.kind !== 'replay';
  const { max_memory_mb, per_container_kb } = windhover.flight_recorder;
  const recorder = new FlightRecorder({
    snapshot: (key, sink) => state.snapshot(sink, membersOf(key, state)),
    beginning(key, ts) {
      const info = state.containers.get(key);
      return info === undefined || info.type === 'bare' ? [] : [containerEvent(info, ts)];
    },
    // The name can be guessed, and the folder is often everybody's.
    open: (path) => createCapture(path, { atomic: true }),
    bytesPerKey: per_container_kb * 1024,
    maxBytes: max_memory_mb * MB,
    maxFileBytes: capture.max_file_size_mb * MB,
    failed: (path, error) => log.error(`Cannot write the capture ${path}: ${error.message}`),
  });
  /** Where the current event was put; null: nowhere yet. */
  let key: string | null = null;
  let lastTime = 0;
  /** Captures that wait for what engines say of their container, which stands at their beginning. */
  const waiting = new Map<string, { readonly path: string; until: bigint; limit: number }>();

  function begin(of: string, path: string, until: bigint): void {
    if (recorder.flush(of, path, until) === path) log.info(`Capturing to ${path}`);
  }

  function flushWaiting(all: boolean): void {
    for (const [of, one] of waiting) {
      const now = performance.now();
      if (news?.starting() === true) one.limit = now + news.waitMs;
      if (!all && now < one.limit && news?.awaits(of) === true) continue;
      waiting.delete(of);
      begin(of, one.path, one.until);
    }
  }

  return {
    event(event) {
      lastTime = event.tsApprox;
      const thread = state.threads.get(event.tid);
      key = thread === null ? null : keyOf(thread);
      if (key !== null) recorder.record(key, event, event.flags);
    },
    applied(event) {
      // What enters a container or begins a session belongs to both histories.
      const now = state.thread === null ? NOBODY : keyOf(state.thread);
      if (now === key) return;
      key = now;
      recorder.record(now, event, event.flags);
    },
    matched(rule, event) {
      if (key === null || (!all && !rule.capture)) return;
      const milliseconds = rule.captureDuration || capture.default_duration;
      const until = event.ts + BigInt(milliseconds) * NANOSECONDS;
      const path = captureFileName(capture.path_prefix, event.ts, event.num);
      const before = waiting.get(key);
      if (before !== undefined) before.until = until;
      else if (news?.awaits(key) !== true) begin(key, path, until);
      else waiting.set(key, { path, until, limit: performance.now() + news.waitMs });
    },
    poll() {
      if (waiting.size > 0) flushWaiting(false);
      recorder.tick(live ? BigInt(Date.now()) * NANOSECONDS : BigInt(Math.trunc(lastTime)));
    },
    close() {
      flushWaiting(true);
      return recorder.close();
    },
  };
}

/** Key of events without a thread, or of one of which nothing is known. */
const NOBODY = '';

/** Whose history a thread's events belong to: its container's, or that of its session. */
function keyOf(thread: Thread): string {
  if (thread.container !== '') return thread.container;
  return thread.sid < 0 ? NOBODY : sessionKey(thread.sid);
}

let lastSession = -1;
let lastSessionKey = NOBODY;

/** Made anew only when another session than before is asked for: nearly every event is of the same one. */
function sessionKey(sid: number): string {
  if (sid !== lastSession) {
    lastSession = sid;
    lastSessionKey = `session ${sid}`;
  }
  return lastSessionKey;
}

/** The threads of a history, with their ancestors, which rules ask for too. */
function membersOf(key: string, state: State): (thread: Thread) => boolean {
  const members = new Set<Thread>();
  for (const thread of state.threads) {
    if (keyOf(thread) !== key) continue;
    for (let one: Thread | null = thread; one !== null && !members.has(one); one = one.parent) members.add(one);
    // A descriptor table is that of the process.
    if (thread.main !== null) members.add(thread.main);
  }
  return (thread) => members.has(thread);
}
