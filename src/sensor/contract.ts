/** What runs a sensor's hot path, wherever it runs: on this thread or on another one. */
import type { Config } from '../config/index.ts';
import type { Message } from '../outputs/index.ts';
import type { Behaviour, BehaviourSetup } from './behaviour.ts';
import type { EventTotals } from './drops.ts';
import type { RuleCount, RuleExpense } from './statistics.ts';

/** All that a pipeline needs to know; plain data, so that it can be handed to another thread. */
export interface PipelineSetup {
  readonly config: Config;
  readonly rulesFiles: readonly string[];
  /** Text appended to every output (`-p`). */
  readonly print: string;
  /** `--enable-source` and `--disable-source`. */
  readonly enabledSources: readonly string[];
  readonly disabledSources: readonly string[];
  readonly hostname: string;
  /** Replay: nanoseconds of the capture after which to stop; 0 for no limit. */
  readonly stopAfterNs: number;
  /** Watch only the process tree of this command; null to watch what `windhover.scope` says. */
  readonly command: readonly string[] | null;
  /** Write all events to this .scap file as well; null not to. */
  readonly record: string | null;
  /** Note what the command does, and hold it against a lock file. */
  readonly behaviour?: BehaviourSetup | null;
}

/** What the pipeline reports to whoever runs it. */
export interface PipelineHost {
  /** Takes the alerts of a few events; must not wait. */
  alerts(messages: readonly Message[]): void;
  /** Resolves once there is room for more alerts; null when events must not wait for it. */
  readonly room: (() => Promise<void>) | null;
}

/** Why a pipeline ended. */
export type PipelineEnd =
  | { readonly kind: 'ended' }
  | { readonly kind: 'stopped' }
  /** `syscall_event_drops` asked for it. */
  | { readonly kind: 'drops' };

export interface PipelineSnapshot {
  readonly sources: readonly ({
    readonly name: string;
    readonly engine: string;
    /** Events that were judged. */
    readonly judged: number;
  } & EventTotals)[];
  readonly rules: readonly (RuleCount & RuleExpense & { readonly source: string; readonly tags: readonly string[] })[];
  readonly state: {
    readonly threads: number;
    readonly fds: number;
    readonly unknownThreads: number;
    readonly droppedThreads: number;
    readonly purgedThreads: number;
  } | null;
  /** Falco's summary of lost events, for the end of a run. */
  readonly dropSummary: string;
  /** Exit status of the watched command, once it has ended. */
  readonly commandStatus: number | null;
  /** What the command did, where that was asked for. */
  readonly behaviour: {
    readonly seen: Behaviour;
    /** How much of it the lock file does not allow. */
    readonly outside: number;
  } | null;
}

export interface Pipeline {
  /** Names of the sources that were opened. */
  readonly sources: readonly string[];
  /** Resolves at the end of all sources, or after {@link stop}. */
  run(): Promise<PipelineEnd>;
  /** Passes the signal on to a watched command and ends with it; without one, or asked again, ends at once. */
  stop(signal: NodeJS.Signals): void;
  /** Loads rules and settings anew; when it rejects, nothing has changed. Open sources and all state stay. */
  reload(setup: PipelineSetup): Promise<void>;
  snapshot(): Promise<PipelineSnapshot>;
}
