import { parseBytes } from '../outputs/forward/index.ts';
import { type DurableLog, openLog } from '../outputs/log/index.ts';
import type { ActionSpec } from './rules.ts';

/**
 * `started` is written before anything is done and is followed by one of the others; a run that ends with it after a
 * crash is repeated if its action is as good twice as once, and `unknown` else.
 */
export type ActionState =
  | 'planned'
  | 'waiting'
  | 'started'
  | 'done'
  | 'dry-run'
  | 'skipped'
  | 'refused'
  | 'failed'
  | 'expired'
  | 'unknown'
  | 'undone';

/** What a rule does because of an alert. */
export interface Run {
  /** Made from the alert's id and the rule: the same alert gives the same run, once. */
  readonly id: string;
  readonly rule: string;
  readonly actions: readonly ActionSpec[];
  readonly notifiers: readonly string[];
  readonly dryRun: boolean;
  /** As it was received. */
  readonly alert: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export interface ActionEntry {
  /** `RUN/NUMBER` */
  readonly id: string;
  state: ActionState;
  at: number;
  message: string;
  target: string;
  undo: Readonly<Record<string, unknown>> | null;
  approved: boolean;
}

type Line =
  | ({ readonly type: 'run' } & Run)
  | {
      readonly type: 'action';
      readonly id: string;
      readonly state: ActionState;
      readonly at: number;
      readonly message?: string;
      readonly target?: string;
      readonly undo?: Readonly<Record<string, unknown>>;
      readonly approved?: boolean;
    };

export interface Journal {
  readonly runs: ReadonlyMap<string, Run>;
  entry(run: Run, index: number): ActionEntry;
  /** Resolves when the run is stored. False: it is there already. */
  begin(run: Run): Promise<boolean>;
  record(
    id: string,
    change: {
      readonly state: ActionState;
      readonly message?: string;
      readonly target?: string;
      readonly undo?: Readonly<Record<string, unknown>> | undefined;
      readonly approved?: boolean;
    },
  ): Promise<void>;
  close(): Promise<void>;
}

/** Runs that are remembered after they have ended. */
const REMEMBERED = 20_000;
const CONSUMER = 'journal';

/**
 * Opens the journal and reads what it holds.
 * @param settings `path`, `max_bytes`, `durability`
 * @param changed called with the id of each action that something new was written of
 */
export async function openJournal(
  settings: { readonly path: string; readonly max_bytes: string; readonly durability: 'write' | 'fsync' | 'memory' },
  now: () => number,
  changed: (id: string) => void = () => {},
): Promise<Journal> {
  const log: DurableLog = await openLog({
    path: settings.path,
    durability: settings.durability,
    maxBytes: parseBytes(settings.max_bytes) ?? undefined,
    now,
  });
  const runs = new Map<string, Run>();
  const entries = new Map<string, ActionEntry>();

  function apply(line: Line): void {
    if (line.type === 'run') {
      const { type: _type, ...run } = line;
      runs.set(run.id, run);
      if (runs.size > REMEMBERED) {
        const [[oldest, { actions }]] = runs;
        runs.delete(oldest);
        for (let i = 0; i < actions.length; i++) entries.delete(`${oldest}/${i}`);
      }
      return;
    }
    const entry = entryOf(line.id);
    entry.state = line.state;
    entry.at = line.at;
    entry.message = line.message ?? entry.message;
    entry.target = line.target ?? entry.target;
    entry.undo = line.undo ?? entry.undo;
    entry.approved = line.approved ?? entry.approved;
  }

  function entryOf(id: string): ActionEntry {
    let entry = entries.get(id);
    if (entry === undefined)
      entries.set(id, (entry = { id, state: 'planned', at: 0, message: '', target: '', undo: null, approved: false }));
    return entry;
  }

  // Read from the beginning each time: the consumer acknowledges nothing, so that only the bound removes anything.
  const isNew = !log.consumers.includes(CONSUMER);
  const consumer = await log.consumer(CONSUMER);
  if (!isNew) consumer.rewind();
  for (let lines = await consumer.read(512); lines.length > 0; lines = await consumer.read(512)) {
    for (const { payload } of lines) apply(JSON.parse(payload.toString('utf8')) as Line);
  }

  // Priority 0: the bound removes the oldest, whatever it is.
  const append = async (line: Line) => {
    await log.append(Buffer.from(JSON.stringify(line)), 0);
    apply(line);
    if (line.type === 'action') changed(line.id);
    else for (const index of line.actions.keys()) changed(`${line.id}/${index}`);
  };

  return {
    runs,
    entry: (run, index) => entryOf(`${run.id}/${index}`),
    async begin(run) {
      if (runs.has(run.id)) return false;
      // Set first: a second alert of the same id that comes meanwhile is no second run.
      runs.set(run.id, run);
      try {
        await append({ type: 'run', ...run });
      } catch (error) {
        runs.delete(run.id);
        throw error;
      }
      return true;
    },
    record: (id, change) => append({ type: 'action', id, at: now(), ...change }),
    close: () => log.close(),
  };
}
