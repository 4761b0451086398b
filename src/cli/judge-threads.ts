import type { Worker } from 'node:worker_threads';
import type { Message } from '../outputs/index.ts';
import type { PipelineSnapshot } from '../sensor/contract.ts';
import { startThread } from '../thread.ts';
import type { FromJudge, JudgeData, ToJudge } from './judge-worker.ts';

type Rules = PipelineSnapshot['rules'];

/** A judge of a shared replay on a thread of its own. */
export interface JudgeThread {
  /**
   * Gives it a seat at the capture; resolves once it has judged its share, rejects when the thread fails.
   * @param judged takes the alerts of each portion that it claims
   */
  judge(data: JudgeData, judged: (portion: number, messages: readonly Message[]) => void): Promise<void>;
  stop(): void;
  /** What it has counted so far. */
  rules(): Promise<Rules>;
  close(): Promise<void>;
}

/** Most threads that judge one capture: each repeats the state of all. */
export const MAX_JUDGES = 8;

/** Starts judges, which load what they need while this thread still reads its configuration. */
export function startJudges(count: number): JudgeThread[] {
  return Array.from({ length: count }, startJudge);
}

function startJudge(): JudgeThread {
  const worker: Worker = startThread(new URL('./judge-worker.ts', import.meta.url), {});
  const post = (message: ToJudge): void => worker.postMessage(message);
  let last: Rules | null = null;
  const asked: ((rules: Rules) => void)[] = [];
  const failed = new Promise<never>((_, reject) => {
    worker.on('error', reject);
    worker.on('exit', (code) => reject(new Error(`a judging thread ended with status ${code}`)));
  });
  failed.catch(() => {});
  return {
    judge(data, judged) {
      const ended = new Promise<void>((resolve) => {
        worker.on('message', (message: FromJudge) => {
          if (message.kind === 'judged') judged(message.portion, message.messages);
          else if (message.kind === 'rules') asked.shift()?.(message.rules);
          else {
            last = message.rules;
            for (const answer of asked.splice(0)) answer(last);
            resolve();
          }
        });
      });
      worker.postMessage({ kind: 'judge', data } satisfies ToJudge, [data.seat.port]);
      return Promise.race([ended, failed]);
    },
    stop: () => post({ kind: 'stop' }),
    rules() {
      if (last !== null) return Promise.resolve(last);
      return new Promise((resolve) => {
        asked.push(resolve);
        post({ kind: 'rules' });
      });
    },
    close: async () => void (await worker.terminate()),
  };
}
