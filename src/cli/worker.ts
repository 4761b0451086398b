/** The judging thread: holds a pipeline and talks to {@link openRemotePipeline} on the other side. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Message } from '../outputs/index.ts';
import { openPipeline } from '../pipeline.ts';
import type { Pipeline, PipelineEnd, PipelineSetup, PipelineSnapshot } from '../sensor/contract.ts';
import { applyLogging } from '../sensor/logging.ts';

export interface WorkerData {
  readonly setup: PipelineSetup;
  readonly verbose: boolean;
}

/** What crosses threads loses its class. */
export interface PortableError {
  readonly name: string;
  readonly message: string;
}

export type ToWorker =
  | { readonly kind: 'run' }
  | { readonly kind: 'stop'; readonly signal: NodeJS.Signals }
  | { readonly kind: 'snapshot' }
  | { readonly kind: 'reload'; readonly setup: PipelineSetup };

export type FromWorker =
  | { readonly kind: 'opened'; readonly sources: readonly string[] }
  | { readonly kind: 'refused'; readonly error: PortableError }
  | { readonly kind: 'alerts'; readonly messages: readonly Message[] }
  | { readonly kind: 'reloaded'; readonly error: PortableError | null }
  | { readonly kind: 'snapshot'; readonly snapshot: PipelineSnapshot }
  | { readonly kind: 'ended'; readonly end: PipelineEnd; readonly snapshot: PipelineSnapshot };

const port = parentPort;
if (port === null) throw new Error('this file is the body of a worker thread');
const post = (message: FromWorker): void => port.postMessage(message);
const { setup, verbose } = workerData as WorkerData;

function portable(error: unknown): PortableError {
  const { name, message } = error as Error;
  return { name, message };
}

async function serve(pipeline: Pipeline, message: ToWorker): Promise<void> {
  switch (message.kind) {
    case 'run': {
      const end = await pipeline.run();
      post({ kind: 'ended', end, snapshot: await pipeline.snapshot() });
      port?.close();
      break;
    }
    case 'stop':
      pipeline.stop(message.signal);
      break;
    case 'snapshot':
      post({ kind: 'snapshot', snapshot: await pipeline.snapshot() });
      break;
    case 'reload':
      try {
        await applyLogging(message.setup.config, verbose);
        await pipeline.reload(message.setup);
        post({ kind: 'reloaded', error: null });
      } catch (error) {
        post({ kind: 'reloaded', error: portable(error) });
      }
      break;
  }
}

try {
  await applyLogging(setup.config, verbose);
  const pipeline = await openPipeline(setup, {
    alerts: (messages) => post({ kind: 'alerts', messages }),
    room: null,
  });
  if (setup.config.engine.kind !== 'nodriver' && pipeline.sources.includes('syscall')) {
    (await import('../sensor/privileges.ts')).giveUpCapabilities(setup);
  }
  port.on('message', (message: ToWorker) => {
    serve(pipeline, message).catch((error) => {
      // Reaches the other side as the worker's error.
      setImmediate(() => {
        throw error;
      });
    });
  });
  post({ kind: 'opened', sources: pipeline.sources });
} catch (error) {
  post({ kind: 'refused', error: portable(error) });
}
