/** A pipeline on a thread of its own, so that nothing on this one can make the kernel's buffers overflow. */
import type { Message } from '../outputs/index.ts';
import type { Pipeline, PipelineEnd, PipelineSetup, PipelineSnapshot } from '../sensor/contract.ts';
import { startThread } from '../thread.ts';
import type { FromWorker, PortableError, ToWorker, WorkerData } from './worker.ts';

/** Like openPipeline; rejects with what that throws, as an Error with the same name and message. */
export async function openRemotePipeline(
  setup: PipelineSetup,
  host: { alerts(messages: readonly Message[]): void },
  verbose: boolean,
): Promise<Pipeline> {
  const data: WorkerData = { setup, verbose };
  const worker = startThread(new URL('./worker.ts', import.meta.url), { workerData: data });
  const post = (message: ToWorker): void => worker.postMessage(message);
  let opened!: (sources: readonly string[]) => void;
  let refused!: (error: Error) => void;
  let ended!: (end: PipelineEnd) => void;
  let crashed!: (error: Error) => void;
  const opening = new Promise<readonly string[]>((resolve, reject) => {
    opened = resolve;
    refused = reject;
  });
  const running = new Promise<PipelineEnd>((resolve, reject) => {
    ended = resolve;
    crashed = reject;
  });
  // Whoever does not run the pipeline does not wait for its end.
  running.catch(() => {});
  const reloads: { resolve(): void; reject(error: Error): void }[] = [];
  const snapshots: ((snapshot: PipelineSnapshot) => void)[] = [];
  let last: PipelineSnapshot | null = null;

  worker.on('message', (message: FromWorker) => {
    switch (message.kind) {
      case 'alerts':
        host.alerts(message.messages);
        break;
      case 'opened':
        opened(message.sources);
        break;
      case 'refused':
        refused(rebuilt(message.error));
        break;
      case 'reloaded': {
        const reload = reloads.shift();
        if (message.error === null) reload?.resolve();
        else reload?.reject(rebuilt(message.error));
        break;
      }
      case 'snapshot':
        snapshots.shift()?.(message.snapshot);
        break;
      case 'ended':
        last = message.snapshot;
        ended(message.end);
        break;
    }
  });
  worker.on('error', (error) => {
    refused(error as Error);
    crashed(error as Error);
  });
  worker.on('exit', (code) => crashed(new Error(`the judging thread ended with status ${code}`)));

  const sources = await opening;
  return {
    sources,
    run() {
      post({ kind: 'run' });
      return running;
    },
    stop: (signal) => post({ kind: 'stop', signal }),
    reload: (next) =>
      new Promise((resolve, reject) => {
        reloads.push({ resolve, reject });
        post({ kind: 'reload', setup: next });
      }),
    snapshot() {
      if (last !== null) return Promise.resolve(last);
      return new Promise((resolve) => {
        snapshots.push(resolve);
        post({ kind: 'snapshot' });
      });
    },
  };
}

function rebuilt({ name, message }: PortableError): Error {
  return Object.assign(new Error(message), { name });
}
