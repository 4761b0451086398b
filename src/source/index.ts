import type { Event } from '../event/index.ts';

/**
 * Where events come from. A source points its one {@link Event} at each event in turn and calls the
 * visitor; the bytes are only valid during that call.
 */
export interface Source {
  /** `syscall`, `k8s_audit`, … */
  readonly name: string;
  /** Delivers what is there; resolves with the number of events once at least one was delivered, `timeoutMs` passed, or the source ended. */
  next(visit: (event: Event) => void, timeoutMs: number): Promise<number>;
  /** True once no further event can come. */
  readonly ended: boolean;
  stats(): SourceStats;
  close(): void;
}

export interface SourceStats {
  /** Events delivered to the visitor. */
  readonly events: number;
  /** Events lost before they reached us, by class; they were produced and counted, not judged. */
  readonly drops: Readonly<Record<string, number>>;
}

export { type CaptureOptions, type CaptureSource, openCapture } from './capture.ts';
export { type CaptureFile, type CaptureFileOptions, createCapture } from './capture-file.ts';
export { GATE_FD, type HeldRun, holdScoped, type RunOptions, runScoped, type ScopedRun } from './run.ts';
export {
  openSyscallSource,
  ScopeRequiredError,
  type SyscallCounters,
  type SyscallOptions,
  type SyscallScope,
  type SyscallSource,
} from './syscall.ts';
export { DROP_CLASSES, STATE_EVENTS } from './syscall-table.ts';
