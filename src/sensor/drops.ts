/** What to do when the kernel had to throw events away (`syscall_event_drops`). */

export type DropAction = 'ignore' | 'log' | 'alert' | 'exit';

export interface DropOptions {
  /** Share of lost events, 0..1, above which the actions are taken. */
  readonly threshold: number;
  readonly actions: readonly DropAction[];
  /** Actions a second, and how many may come in a burst. */
  readonly rate: number;
  readonly maxBurst: number;
  /** Pretend one lost event in each second. */
  readonly simulate: boolean;
}

/** Totals since the start. */
export interface EventTotals {
  readonly events: number;
  readonly drops: number;
  /** By reason: the part after `n_drops_` of Falco's field names. */
  readonly byReason: Readonly<Record<string, number>>;
  /** Events of each CPU, where they are counted. */
  readonly perCpu?: readonly number[];
}

/** The change within the last second. */
export interface DropReport {
  readonly drops: number;
  /** Falco's field names and values, all text. */
  readonly fields: Readonly<Record<string, string>>;
}

export interface DropMonitor {
  /** Called with each event's time (nanoseconds since the epoch); true when it is time to call {@link check}. */
  due(now: number): boolean;
  /** Compares the totals with those of the last time and takes the actions. */
  check(now: number, totals: EventTotals): void;
  /** What Falco prints of it at the end of a run. */
  summary(): string;
}

const SECOND = 1e9;

/** The reasons that Falco names, in its fields' order. */
const REASONS = [
  'buffer_clone_fork_exit',
  'buffer_close_exit',
  'buffer_connect_exit',
  'buffer_dir_file_exit',
  'buffer_execve_exit',
  'buffer_open_exit',
  'buffer_other_interest_exit',
  'buffer_proc_exit',
  'buffer_total',
  'bug',
  'page_faults',
  'scratch_map',
] as const;

/** Calls `act` for each of the configured actions, as often as the token bucket allows. */
export function createDropMonitor(
  options: DropOptions,
  live: boolean,
  act: (action: DropAction, report: DropReport) => void,
): DropMonitor {
  let next = 0;
  let last: EventTotals = { events: 0, drops: 0, byReason: {} };
  let occurrences = 0;
  let actions = 0;
  let tokens = options.maxBurst;
  let claimed = 0;

  function claim(now: number): boolean {
    if (claimed !== 0) tokens = Math.min(options.maxBurst, tokens + (options.rate * (now - claimed)) / SECOND);
    claimed = now;
    if (tokens < 1) return false;
    tokens--;
    return true;
  }

  return {
    due(now) {
      if (next !== 0) return now > next;
      next = now + SECOND;
      return false;
    },
    check(now, totals) {
      next = now + SECOND;
      const events = totals.events - last.events;
      const drops = totals.drops - last.drops + (options.simulate ? 1 : 0);
      const reasons = REASONS.map((reason): [string, string] => [
        `n_drops_${reason}`,
        String((totals.byReason[reason] ?? 0) - (last.byReason[reason] ?? 0)),
      ]);
      last = totals;
      if (drops <= 0) return;
      if (!options.simulate && drops / (drops + events) <= options.threshold) return;
      occurrences++;
      if (!claim(now)) return;
      actions++;
      const fields = Object.fromEntries([
        ['ebpf_enabled', live ? '1' : '0'],
        ['n_drops', String(drops)],
        ...reasons,
        ['n_evts', String(events)],
      ]);
      for (const action of options.actions) act(action, { drops, fields });
    },
    summary: () => dropSummary(occurrences, actions),
  };
}

/** See {@link DropMonitor.summary}. */
export function dropSummary(occurrences: number, actions: number): string {
  return (
    'Syscall event drop monitoring:\n' +
    `   - event drop detected: ${occurrences} occurrences\n` +
    `   - num times actions taken: ${actions}\n`
  );
}
