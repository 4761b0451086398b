/** The thread that judge-threads.ts starts. */
import { parentPort } from 'node:worker_threads';
import type { Message } from '../outputs/index.ts';
import type { PipelineSetup, PipelineSnapshot } from '../sensor/contract.ts';
import { createPortionJudge, type PortionJudge } from '../sensor/portion-judge.ts';
import type { Seat } from '../source/capture-thread.ts';

export interface JudgeData {
  readonly setup: PipelineSetup;
  readonly seat: Seat;
}

/** `judge` comes first, and once. */
export type ToJudge = { readonly kind: 'judge'; readonly data: JudgeData } | { readonly kind: 'stop' | 'rules' };

export type FromJudge =
  | { readonly kind: 'judged'; readonly portion: number; readonly messages: readonly Message[] }
  | { readonly kind: 'rules' | 'ended'; readonly rules: PipelineSnapshot['rules'] };

const port = parentPort;
if (port === null) throw new Error('this module is a thread of judge-threads.ts');
const post = (message: FromJudge): void => port.postMessage(message);
let judge: PortionJudge | null = null;

async function share({ setup, seat }: JudgeData): Promise<void> {
  judge = createPortionJudge(setup, seat, {
    judged: (portion, messages) => post({ kind: 'judged', portion, messages }),
    // The thread that writes the alerts waits for its channels, and with it the capture.
    room: () => Promise.resolve(),
  });
  await judge.run();
  post({ kind: 'ended', rules: judge.rules() });
}

port.on('message', (message: ToJudge) => {
  if (message.kind === 'judge') {
    share(message.data).catch((error) => {
      // Reaches the other side as the worker's error.
      setImmediate(() => {
        throw error;
      });
    });
  } else if (message.kind === 'stop') judge?.stop();
  else if (judge !== null) post({ kind: 'rules', rules: judge.rules() });
});
