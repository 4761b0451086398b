/** Replay of a capture by several threads: one reads, the others judge, and alerts come in the order of the capture. */
import { access } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import type { Message } from '../outputs/index.ts';
import type { Pipeline, PipelineSetup, PipelineSnapshot } from '../sensor/contract.ts';
import { dropSummary } from '../sensor/drops.ts';
import { SourceError } from '../sensor/open-source.ts';
import { createPortionJudge, type PortionJudge } from '../sensor/portion-judge.ts';
import { type Seat, startReading } from '../source/capture-thread.ts';
import type { JudgeThread } from './judge-threads.ts';

/** Bytes that are read at a time: some ten thousand events, which take some milliseconds to judge. */
const PORTION = 1 << 20;

/** What needs every match on one thread: recording around alerts, and pretended losses. */
export function canShareReplay({ config, record, behaviour }: PipelineSetup): boolean {
  return !config.capture.enabled && !config.syscall_event_drops.simulate_drops && record === null && !behaviour;
}

/**
 * Opens a replay in which this thread and the given ones judge. Who judges a portion of the capture is up to who comes
 * first; the result is the same as with one.
 * Rejects with a RulesError or SourceError.
 */
export async function openSharedReplay(
  setup: PipelineSetup,
  helpers: readonly JudgeThread[],
  host: { alerts(messages: readonly Message[]): void; room(): Promise<void> },
): Promise<Pipeline> {
  // Each judge has a core of its own to collect garbage on; threads that help it would take it from another one.
  setFlagsFromString('--no-parallel-scavenge');
  const path = setup.config.engine.replay.capture_file;
  if (path !== '-') {
    await access(path).catch((error: NodeJS.ErrnoException) => {
      throw new SourceError(`Could not open the capture file ${path}: ${error.code ?? error.message}`);
    });
  }
  const reading = startReading(path, PORTION, helpers.length + 1);
  const close = async (): Promise<void> => {
    await Promise.all(helpers.map((helper) => helper.close()));
    await reading.close();
  };
  const judged = inOrder(host.alerts);
  const [own, ...others] = reading.seats;
  const helped = helpers.map((helper, i) => helper.judge({ setup, seat: others[i] as Seat }, judged));
  for (const share of helped) share.catch(() => {});
  let judge: PortionJudge;
  try {
    judge = createPortionJudge(setup, own as Seat, { judged, room: host.room }, reading.failed);
  } catch (error) {
    await close();
    throw error;
  }
  let last: PipelineSnapshot['rules'] | null = null;
  const rules = async (): Promise<PipelineSnapshot['rules']> =>
    merged([judge.rules(), ...(await Promise.all(helpers.map((helper) => helper.rules())))]);

  return {
    sources: ['syscall'],
    async run() {
      try {
        const [end] = await Promise.all([judge.run(), ...helped]);
        last = await rules();
        if (judge.failure !== null) throw judge.failure;
        judge.report();
        return end;
      } finally {
        await close();
      }
    },
    stop() {
      judge.stop();
      for (const helper of helpers) helper.stop();
    },
    reload: () => Promise.reject(new Error('a replay does not load its rules anew')),
    snapshot: async () => ({
      sources: [{ name: 'syscall', engine: 'savefile', judged: judge.seen, events: 0, drops: 0, byReason: {} }],
      rules: last ?? (await rules()),
      state: judge.state(),
      dropSummary: dropSummary(0, 0),
      commandStatus: null,
      behaviour: null,
    }),
  };
}

/** Passes the portions on in their order, whatever order they come in. */
function inOrder(
  alerts: (messages: readonly Message[]) => void,
): (portion: number, messages: readonly Message[]) => void {
  const waiting = new Map<number, readonly Message[]>();
  let next = 0;
  return (portion, messages) => {
    waiting.set(portion, messages);
    for (let ready = waiting.get(next); ready !== undefined; ready = waiting.get(next)) {
      waiting.delete(next++);
      if (ready.length > 0) alerts(ready);
    }
  };
}

/** The sums of what the judges have counted: all of them have the same rules in the same order. */
function merged(shares: readonly PipelineSnapshot['rules'][]): PipelineSnapshot['rules'] {
  const [first = [], ...others] = shares;
  return first.map((rule, i) => {
    const sum = { ...rule };
    for (const other of others) {
      const { count, evaluations, matches, nanoseconds } = other[i] as PipelineSnapshot['rules'][number];
      sum.count += count;
      sum.evaluations += evaluations;
      sum.matches += matches;
      sum.nanoseconds += nanoseconds;
    }
    return sum;
  });
}
