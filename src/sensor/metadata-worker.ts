/** Body of the thread that asks container engines and Kubernetes, so that judging events never waits for them. */
import { type MessagePort, workerData } from 'node:worker_threads';
import { toByteString } from '../bytes.ts';
import { openRuntimes, type RuntimeSettings } from '../runtime/index.ts';
import type { ContainerInfo } from '../state/index.ts';

export interface MetadataSetup {
  readonly runtimes: RuntimeSettings;
  readonly root: string;
}

export interface MetadataWorkerData extends MetadataSetup {
  readonly port: MessagePort;
}

/** Full ids of containers to look up. */
export type ToMetadata = readonly string[];

export type FromMetadata =
  | { readonly kind: 'container'; readonly info: ContainerInfo }
  | { readonly kind: 'missing'; readonly fullId: string; readonly why: 'unknown' | 'unreachable' }
  | { readonly kind: 'removed'; readonly fullId: string }
  | { readonly kind: 'log'; readonly text: string };

const { runtimes: settings, root, port } = workerData as MetadataWorkerData;
const post = (message: FromMetadata): void => port.postMessage(message);

const runtimes = openRuntimes({
  settings,
  root,
  found: (info) => post({ kind: 'container', info: byteStrings(info) }),
  missing: (fullId, why) => post({ kind: 'missing', fullId, why }),
  removed: (fullId) => post({ kind: 'removed', fullId }),
  log: (text) => post({ kind: 'log', text }),
});

port.on('message', (ids: ToMetadata) => {
  for (const id of ids) runtimes.ask(id);
});

/** Every text in a value as the state keeps it. */
function byteStrings<T>(value: T): T {
  if (typeof value === 'string') return toByteString(value) as T;
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(byteStrings) as T;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [toByteString(key), byteStrings(item)])) as T;
}
