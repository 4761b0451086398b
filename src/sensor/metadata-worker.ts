/** Body of the thread that asks container engines and Kubernetes, so that judging events never waits for them. */
import { type MessagePort, workerData } from 'node:worker_threads';
import { toByteString } from '../bytes.ts';
import type { KubeConfig, Pods } from '../kube/index.ts';
import { openRuntimes, type RuntimeSettings } from '../runtime/index.ts';
import type { ContainerInfo, PodInfo } from '../state/index.ts';

export interface MetadataSetup {
  readonly runtimes: RuntimeSettings;
  readonly root: string;
  /** null: leave Kubernetes alone. */
  readonly kubernetes: KubernetesSettings | null;
}

export interface KubernetesSettings {
  /** Path of a kubeconfig file; empty for the one of the environment, or the service account. */
  readonly kubeconfig: string;
  readonly nodeName: string;
  /** URL of the kubelet; empty for none. */
  readonly kubelet: string;
  /** Nobody asked for it: where there is no API server, nothing is said of it. */
  readonly optional: boolean;
}

export interface MetadataWorkerData extends MetadataSetup {
  readonly port: MessagePort;
}

/** Full ids of containers to look up. */
export type ToMetadata = readonly string[];

export type FromMetadata =
  /** Whoever is asked now is asked as fast as can be. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'container'; readonly info: ContainerInfo }
  | { readonly kind: 'missing'; readonly fullId: string; readonly why: 'unknown' | 'unreachable' }
  | { readonly kind: 'removed'; readonly fullId: string }
  | { readonly kind: 'pod'; readonly uid: string; readonly pod: PodInfo | null }
  | { readonly kind: 'log'; readonly text: string };

const { runtimes: settings, root, kubernetes, port } = workerData as MetadataWorkerData;
const post = (message: FromMetadata): void => port.postMessage(message);

const pods = kubernetes === null || !mayHaveCluster(kubernetes) ? null : await openPods(kubernetes);
const runtimes = openRuntimes({
  settings,
  root,
  found,
  missing(fullId, why) {
    const info = pods?.container(fullId) ?? null;
    if (info === null) post({ kind: 'missing', fullId, why });
    else found(info);
  },
  removed: (fullId) => post({ kind: 'removed', fullId }),
  log: (text) => post({ kind: 'log', text }),
});

port.on('message', (ids: ToMetadata) => {
  for (const id of ids) runtimes.ask(id);
});

void runtimes.ready.then(() => post({ kind: 'ready' }));

function found(info: ContainerInfo): void {
  post({ kind: 'container', info: byteStrings(pods?.complete(info) ?? info) });
}

/** Without a cluster its client need not be loaded. */
function mayHaveCluster({ kubeconfig, optional }: KubernetesSettings): boolean {
  return !optional || kubeconfig !== '' || Boolean(process.env.KUBECONFIG || process.env.KUBERNETES_SERVICE_HOST);
}

async function openPods({ kubeconfig, nodeName, kubelet, optional }: KubernetesSettings): Promise<Pods | null> {
  const { createKubeClient, followPods, loadKubeConfig } = await import('../kube/index.ts');
  let config: KubeConfig | null;
  try {
    config = loadKubeConfig(kubeconfig);
  } catch (error) {
    post({ kind: 'log', text: `No metadata of Kubernetes: ${(error as Error).message}` });
    return null;
  }
  if (config === null || nodeName === '') {
    if (!optional) {
      const lacking = config === null ? 'no kubeconfig and no service account' : 'the name of this node is not set';
      post({ kind: 'log', text: `No metadata of Kubernetes: ${lacking}` });
    }
    return null;
  }
  return followPods({
    client: createKubeClient(config),
    // The kubelet's certificate is its own.
    kubelet: kubelet === '' ? null : createKubeClient({ ...config, server: kubelet, insecure: true }),
    nodeName,
    changed: (uid, pod) => post({ kind: 'pod', uid, pod: pod === null ? null : byteStrings(pod) }),
    log: (text) => post({ kind: 'log', text }),
  });
}

/** Every text in a value as the state keeps it. */
function byteStrings<T>(value: T): T {
  if (typeof value === 'string') return toByteString(value) as T;
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(byteStrings) as T;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [toByteString(key), byteStrings(item)])) as T;
}
