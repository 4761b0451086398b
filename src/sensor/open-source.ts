import type { Source } from '../source/index.ts';
import type { State } from '../state/index.ts';
import type { EventTotals } from './drops.ts';
import type { LoadedRules } from './rule-set.ts';

/** A source that cannot be opened, in words for the user. */
export class SourceError extends Error {
  override name = 'SourceError';
}

/** A source of events with the state that its events build up. */
export interface OpenSource {
  readonly name: string;
  /** What Falco calls the way of reading: `modern_bpf`, `savefile`, `nodriver`. */
  readonly engine: string;
  readonly source: Source;
  readonly state: State;
  totals(): EventTotals;
  /** Changes which events are read, for other rules. */
  select?(rules: LoadedRules): void;
  /** Called once, when judging begins. */
  start?(): void;
  /** Called once, after the last event that is judged: says what was not. */
  finish?(): void;
  /** Passes a signal on to the watched command; false when there is none any more. */
  signal?(signal: NodeJS.Signals): boolean;
  /** Exit status of the watched command, null while it runs; only where there is one. */
  commandStatus?(): number | null;
}
