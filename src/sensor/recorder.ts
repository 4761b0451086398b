import type { Config } from '../config/index.ts';
import type { Event } from '../event/index.ts';
import { log } from '../log.ts';
import type { Rule } from '../rules/index.ts';
import { captureFileName, FlightRecorder } from '../scap/index.ts';
import { createCapture } from '../source/index.ts';
import type { State } from '../state/index.ts';

/** Records the events around alerts (`capture.*`). */
export interface Recorder {
  /** Takes each event before the state has changed by it. */
  event(event: Event): void;
  /** Begins or prolongs a capture, when the rule asks for one. */
  matched(rule: Rule, event: Event): void;
  close(): Promise<void>;
}

/** All events stand in one recording, as in Falco: what led to an alert may have happened elsewhere. */
const KEY = '';
const NANOSECONDS = 1_000_000n;
/** How far back a capture begins. */
const HISTORY_BYTES = 16 << 20;

/** null when recording is off. */
export function openRecorder({ capture }: Config, state: State): Recorder | null {
  if (!capture.enabled) return null;
  const all = capture.mode.toLowerCase() === 'all_rules';
  const recorder = new FlightRecorder({
    snapshot: (_key, sink) => state.snapshot(sink),
    open: (path) => createCapture(path),
    bytesPerKey: HISTORY_BYTES,
    maxFileBytes: capture.max_file_size_mb << 20,
    failed: (path, error) => log.error(`Cannot write the capture ${path}: ${error.message}`),
  });
  return {
    event: (event) => recorder.record(KEY, event),
    matched(rule, event) {
      if (!all && !rule.capture) return;
      const milliseconds = rule.captureDuration || capture.default_duration;
      const until = event.ts + BigInt(milliseconds) * NANOSECONDS;
      const path = captureFileName(capture.path_prefix, event.ts, event.num);
      if (recorder.flush(KEY, path, until) === path) log.info(`Capturing to ${path}`);
    },
    close: () => recorder.close(),
  };
}
