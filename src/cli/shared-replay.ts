/** Replay of a capture by several threads: one reads, the others judge, and alerts come in the order of the capture. */
import { access } from 'node:fs/promises';
import type { Worker } from 'node:worker_threads';
import type { Message } from '../outputs/index.ts';
import type { Pipeline, PipelineSetup, PipelineSnapshot } from '../sensor/contract.ts';
import { dropSummary } from '../sensor/drops.ts';
import { SourceError } from '../sensor/open-source.ts';
import { createPortionJudge } from '../sensor/portion-judge.ts';
import { startReading } from '../source/capture-thread.ts';
import { startThread } from '../thread.ts';
import type { FromJudge, JudgeData, ToJudge } from './shared-replay-worker.ts';

/** Bytes that are read at a time: some ten thousand events, which take some milliseconds to judge. */
const PORTION = 1 << 20;

/** What one judge of several cannot do, because it needs every match: recording around alerts, pretended losses. */
export function canShareReplay({ config, record, behaviour }: PipelineSetup): boolean {
  return !config.capture.enabled && !config.syscall_event_drops.simulate_drops && record === null && !behaviour;
}

/**
 * Opens a replay with so many judges, this thread being one of them. Which of them judges a portion of the capture is up
 * to who comes first; the result is the same as with one.
 * Rejects with a RulesError or SourceError.
 */
export async function openSharedReplay(
  setup: PipelineSetup,
  judges: number,
  host: { alerts(messages: readonly Message[]): void; room(): Promise<void> },
): Promise<Pipeline> {
  const path = setup.config.engine.replay.capture_file;
  if (path !== '-') {
    await access(path).catch((error: NodeJS.ErrnoException) => {
      throw new SourceError(`Could not open the capture file ${path}: ${error.code ?? error.message}`);
    });
  }
  const reading = startReading(path, PORTION, judges);
  const judged = inOrder(host.alerts);
  const [own, ...others] = reading.seats as [(typeof reading.seats)[number], ...typeof reading.seats];
  const helpers = others.map((seat) => startJudge({ setup, seat }, judged));
  const close = async (): Promise<void> => {
    await Promise.all(helpers.map((helper) => helper.worker.terminate()));
    await reading.close();
  };
  let judge: ReturnType<typeof createPortionJudge>;
  try {
    judge = createPortionJudge(setup, own, { judged, room: host.room }, reading.failed);
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
        const [end] = await Promise.all([judge.run(), ...helpers.map((helper) => helper.ended)]);
        last = await rules();
        if (judge.failure !== null) throw judge.failure;
        return end;
      } finally {
        await close();
      }
    },
    stop() {
      judge.stop();
      for (const { worker } of helpers) worker.postMessage('stop' satisfies ToJudge);
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

interface Helper {
  readonly worker: Worker;
  /** Resolves once it has judged its share; rejects when the thread fails. */
  readonly ended: Promise<void>;
  rules(): Promise<PipelineSnapshot['rules']>;
}

/** Starts a judge on a thread of its own. */
function startJudge(data: JudgeData, judged: (portion: number, messages: readonly Message[]) => void): Helper {
  const worker = startThread(new URL('./shared-replay-worker.ts', import.meta.url), {
    workerData: data,
    transferList: [data.seat.port],
  });
  let last: PipelineSnapshot['rules'] | null = null;
  const asked: ((rules: PipelineSnapshot['rules']) => void)[] = [];
  const ended = new Promise<void>((resolve, reject) => {
    worker.on('message', (message: FromJudge) => {
      switch (message.kind) {
        case 'judged':
          judged(message.portion, message.messages);
          break;
        case 'rules':
          asked.shift()?.(message.rules);
          break;
        case 'ended':
          last = message.rules;
          for (const answer of asked.splice(0)) answer(last);
          resolve();
          break;
      }
    });
    worker.on('error', reject);
    worker.on('exit', (code) => reject(new Error(`a judging thread ended with status ${code}`)));
  });
  ended.catch(() => {});
  return {
    worker,
    ended,
    rules() {
      if (last !== null) return Promise.resolve(last);
      return new Promise((resolve) => {
        asked.push(resolve);
        worker.postMessage('rules' satisfies ToJudge);
      });
    },
  };
}
