/** A thread that shares the judging of a capture (see shared-replay.ts). */
import { parentPort, workerData } from 'node:worker_threads';
import type { Message } from '../outputs/index.ts';
import type { PipelineSetup, PipelineSnapshot } from '../sensor/contract.ts';
import { createPortionJudge } from '../sensor/portion-judge.ts';
import type { Seat } from '../source/capture-thread.ts';

export interface JudgeData {
  readonly setup: PipelineSetup;
  readonly seat: Seat;
}

export type ToJudge = 'stop' | 'rules';

export type FromJudge =
  | { readonly kind: 'judged'; readonly portion: number; readonly messages: readonly Message[] }
  | { readonly kind: 'rules' | 'ended'; readonly rules: PipelineSnapshot['rules'] };

const port = parentPort;
if (port === null) throw new Error('this module is a thread of shared-replay.ts');
const post = (message: FromJudge): void => port.postMessage(message);
const { setup, seat } = workerData as JudgeData;

const judge = createPortionJudge(setup, seat, {
  judged: (portion, messages) => post({ kind: 'judged', portion, messages }),
  // The other side waits for its channels, and so do the portions.
  room: () => Promise.resolve(),
});
port.on('message', (message: ToJudge) => {
  if (message === 'stop') judge.stop();
  else post({ kind: 'rules', rules: judge.rules() });
});
await judge.run();
post({ kind: 'ended', rules: judge.rules() });
port.close();
