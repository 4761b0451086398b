import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerInfo, KubeObject as NamedObject, PodInfo } from '../state/index.ts';
import { shortContainerId } from '../state/index.ts';
import { type KubeClient, KubeError } from './client.ts';
import type { ContainerStatus, KubeList, KubeMetadata, KubeObject, Pod, PodContainer } from './objects.ts';

export interface PodsOptions {
  readonly client: KubeClient;
  /** A client of the kubelet's own API, for when the API server is away; null for none. */
  readonly kubelet: KubeClient | null;
  readonly nodeName: string;
  /** A pod of the node is there, or has changed; null: it is gone. */
  changed(uid: string, pod: PodInfo | null): void;
  log(message: string): void;
}

export interface Pods {
  /** What Kubernetes alone says of a container, for when no engine can be asked; null when it does not know it. */
  container(fullId: string): ContainerInfo | null;
  /** Adds what only the pod's specification says (commands of probes). */
  complete(info: ContainerInfo): ContainerInfo;
  close(): void;
}

/** Milliseconds before the next try; the last one stays. Each is stretched by chance, so that a fleet does not come at once. */
const BACKOFF = [500, 1000, 2000, 5000, 10_000, 30_000];
/** How long namespaces, owners and services are taken as they were (ms). */
const FRESH_MS = 300_000;
const MAX_RELATED = 4096;

const NONE: Readonly<Record<string, string>> = {};

/**
 * Follows the pods of one node with a single watch; what stands around them (namespace, owners, services) is asked for
 * once for all pods that share it. Without the API server the kubelet is asked.
 */
export function followPods(options: PodsOptions): Pods {
  const { client, nodeName } = options;
  const pods = new Map<string, Pod>();
  const closing = new AbortController();
  const related = new Map<string, { readonly value: Promise<unknown>; readonly until: number }>();
  let closed = false;

  async function run(): Promise<void> {
    let failures = 0;
    while (!closed) {
      try {
        await listAndWatch(() => {
          if (failures > 0) options.log('The Kubernetes API answers again');
          failures = 0;
        });
      } catch (error) {
        if (closed) return;
        if (failures++ === 0) options.log(`The Kubernetes API does not answer: ${(error as Error).message}`);
        await askKubelet();
        await pause(BACKOFF[Math.min(failures - 1, BACKOFF.length - 1)] as number);
      }
    }
  }

  async function pause(milliseconds: number): Promise<void> {
    const stretched = milliseconds * (1 + Math.random() / 2);
    await sleep(stretched, undefined, { signal: closing.signal, ref: false }).catch(() => {});
  }

  async function listAndWatch(reached: () => void): Promise<void> {
    const selector = `fieldSelector=${encodeURIComponent(`spec.nodeName=${nodeName}`)}`;
    // Any version that the server has in memory will do.
    const list = await client.get<KubeList<Pod>>(`/api/v1/pods?${selector}&resourceVersion=0`, {
      signal: closing.signal,
    });
    reached();
    replace(list.items);
    let version = list.metadata.resourceVersion ?? '';
    while (!closed) {
      const timeout = 300 + Math.floor(Math.random() * 120);
      let expired = false;
      await client.watch<Pod>(
        `/api/v1/pods?${selector}&watch=1&allowWatchBookmarks=true&timeoutSeconds=${timeout}&resourceVersion=${version}`,
        ({ type, object }) => {
          if (type === 'ERROR') {
            expired = true;
            return;
          }
          version = object.metadata.resourceVersion ?? version;
          if (type === 'DELETED') remove(object.metadata.uid);
          else if (type !== 'BOOKMARK') void put(object);
        },
        closing.signal,
      );
      if (expired) return;
    }
  }

  async function askKubelet(): Promise<void> {
    if (options.kubelet === null) return;
    try {
      replace((await options.kubelet.get<KubeList<Pod>>('/pods', { signal: closing.signal })).items);
    } catch {
      // What was known stays.
    }
  }

  function replace(items: readonly Pod[]): void {
    const present = new Set(items.map((pod) => pod.metadata.uid));
    for (const uid of pods.keys()) if (!present.has(uid)) remove(uid);
    for (const pod of items) void put(pod);
  }

  function remove(uid: string): void {
    if (pods.delete(uid)) options.changed(uid, null);
  }

  /** Tells of the pod at once, and once more with what stands around it. */
  async function put(pod: Pod): Promise<void> {
    const { uid } = pod.metadata;
    const kept = slim(pod);
    pods.set(uid, kept);
    options.changed(uid, withoutRelations(kept));
    const full = await withRelations(kept);
    // A later version of the pod tells for itself.
    if (!closed && pods.get(uid) === kept) options.changed(uid, full);
  }

  /** Something that pods share, asked for once; null when it cannot be had. */
  function shared<T>(path: string, metadataOnly: boolean): Promise<T | null> {
    const known = related.get(path);
    if (known !== undefined && known.until > Date.now()) return known.value as Promise<T | null>;
    // Like the list of pods: what the server has in memory.
    const value = client
      .get<T>(`${path}?resourceVersion=0`, { metadataOnly, signal: closing.signal })
      .catch((error: Error) => {
        // What may not be read or is gone stays so for a while; anything else is asked for again.
        if (!(error instanceof KubeError)) related.delete(path);
        return null;
      });
    if (related.size >= MAX_RELATED) related.clear();
    related.set(path, { value, until: Date.now() + FRESH_MS * (1 + Math.random() / 4) });
    return value;
  }

  async function withRelations(pod: Pod): Promise<PodInfo> {
    const { namespace = '', labels = NONE } = pod.metadata;
    const base = withoutRelations(pod);
    const at = encodeURIComponent(namespace);
    const owner = controller(pod.metadata);
    const [space, services, set, replication, job] = await Promise.all([
      shared<KubeObject>(`/api/v1/namespaces/${at}`, true),
      shared<KubeList<KubeObject>>(`/api/v1/namespaces/${at}/services`, false),
      owner?.kind === 'ReplicaSet'
        ? shared<KubeObject>(`/apis/apps/v1/namespaces/${at}/replicasets/${encodeURIComponent(owner.name)}`, true)
        : null,
      owner?.kind === 'ReplicationController'
        ? shared<KubeObject>(`/api/v1/namespaces/${at}/replicationcontrollers/${encodeURIComponent(owner.name)}`, true)
        : null,
      owner?.kind === 'Job'
        ? shared<KubeObject>(`/apis/batch/v1/namespaces/${at}/jobs/${encodeURIComponent(owner.name)}`, true)
        : null,
    ]);
    const direct = set ?? replication ?? job;
    const above = direct === null ? undefined : controller(direct.metadata);
    const deployment =
      above?.kind === 'Deployment'
        ? await shared<KubeObject>(`/apis/apps/v1/namespaces/${at}/deployments/${encodeURIComponent(above.name)}`, true)
        : null;
    return {
      ...base,
      namespace: named(space) ?? base.namespace,
      replicaSet: named(set) ?? base.replicaSet,
      replicationController: named(replication) ?? base.replicationController,
      deployment: named(deployment) ?? base.deployment,
      owner: above === undefined ? base.owner : { kind: above.kind, name: above.name },
      services: (services?.items ?? []).filter((one) => selects(one, labels)).flatMap((one) => named(one) ?? []),
    };
  }

  void run();
  return {
    container(fullId) {
      for (const pod of pods.values()) {
        const status = statuses(pod).find((one) => one.containerID?.endsWith(`//${fullId}`));
        if (status !== undefined) return containerOfPod(pod, status, fullId);
      }
      return null;
    },
    complete(info) {
      const pod = pods.get(info.labels['io.kubernetes.pod.uid'] ?? '');
      const container = containers(pod).find((one) => one.name === info.labels['io.kubernetes.container.name']);
      return container === undefined ? info : { ...info, probes: [...info.probes, ...probes(container)] };
    },
    close() {
      closed = true;
      closing.abort();
    },
  };
}

/** A pod without what nothing reads: pods are many, and full of managed fields. */
function slim({ metadata, spec, status }: Pod): Pod {
  const { name, namespace, uid, labels, ownerReferences } = metadata;
  return {
    metadata: {
      name,
      uid,
      ...(namespace === undefined ? {} : { namespace }),
      ...(labels === undefined ? {} : { labels }),
      ...(ownerReferences === undefined ? {} : { ownerReferences }),
    },
    spec: {
      ...flags(spec),
      containers: [
        ...(spec?.containers ?? []),
        ...(spec?.initContainers ?? []),
        ...(spec?.ephemeralContainers ?? []),
      ].map(({ name: container, image, securityContext, livenessProbe, readinessProbe }) => ({
        name: container,
        ...(image === undefined ? {} : { image }),
        ...(securityContext === undefined ? {} : { securityContext }),
        ...(livenessProbe?.exec === undefined ? {} : { livenessProbe }),
        ...(readinessProbe?.exec === undefined ? {} : { readinessProbe }),
      })),
    },
    status: {
      podIP: status?.podIP ?? '',
      containerStatuses: [
        ...(status?.containerStatuses ?? []),
        ...(status?.initContainerStatuses ?? []),
        ...(status?.ephemeralContainerStatuses ?? []),
      ].map(({ name: container, image, imageID, containerID }) => ({
        name: container,
        image: image ?? '',
        imageID: imageID ?? '',
        containerID: containerID ?? '',
      })),
    },
  };
}

function flags(spec: Pod['spec']): { hostPID: boolean; hostNetwork: boolean; hostIPC: boolean } {
  return {
    hostPID: spec?.hostPID === true,
    hostNetwork: spec?.hostNetwork === true,
    hostIPC: spec?.hostIPC === true,
  };
}

const statuses = (pod: Pod): readonly ContainerStatus[] => pod.status?.containerStatuses ?? [];
const containers = (pod: Pod | undefined): readonly PodContainer[] => pod?.spec?.containers ?? [];

function controller({ ownerReferences = [] }: KubeMetadata) {
  return ownerReferences.find((owner) => owner.controller === true);
}

function named(object: KubeObject | null): NamedObject | null {
  if (object === null) return null;
  const { name, uid, labels = NONE } = object.metadata;
  return { name, uid, labels };
}

/** A service selects a pod when it has a selector and the pod has all of its labels. */
function selects(service: KubeObject, labels: Readonly<Record<string, string>>): boolean {
  const selector = Object.entries((service.spec?.selector ?? {}) as Record<string, string>);
  return selector.length > 0 && selector.every(([name, value]) => labels[name] === value);
}

/** What the pod itself says, its owner's name included. */
function withoutRelations(pod: Pod): PodInfo {
  const { name, namespace = '', uid, labels = NONE } = pod.metadata;
  const owner = controller(pod.metadata);
  const bare = owner === undefined ? null : { name: owner.name, uid: owner.uid, labels: NONE };
  const hash = labels['pod-template-hash'];
  const isSet = owner?.kind === 'ReplicaSet';
  // A deployment's replica sets are named after it and the hash of their template.
  const deployment =
    isSet && hash !== undefined && owner.name.endsWith(`-${hash}`) ? owner.name.slice(0, -hash.length - 1) : '';
  return {
    name,
    uid,
    labels,
    ip: pod.status?.podIP ?? '',
    namespace: { name: namespace, uid: '', labels: NONE },
    deployment: deployment === '' ? null : { name: deployment, uid: '', labels: NONE },
    replicaSet: isSet ? bare : null,
    replicationController: owner?.kind === 'ReplicationController' ? bare : null,
    owner:
      deployment !== ''
        ? { kind: 'Deployment', name: deployment }
        : owner === undefined
          ? null
          : { kind: owner.kind, name: owner.name },
    services: [],
  };
}

function probes({ livenessProbe, readinessProbe }: PodContainer): ContainerInfo['probes'] {
  return [
    ['LIVENESS_PROBE', livenessProbe?.exec?.command] as const,
    ['READINESS_PROBE', readinessProbe?.exec?.command] as const,
  ].flatMap(([type, command]) => {
    const [exe, ...args] = command ?? [];
    return exe === undefined ? [] : [{ type, exe, args }];
  });
}

function containerOfPod(pod: Pod, status: ContainerStatus, fullId: string): ContainerInfo {
  const { name, namespace = '', uid, labels = NONE } = pod.metadata;
  const spec = containers(pod).find((one) => one.name === status.name);
  const image = status.image || spec?.image || '';
  const [, repository = image, tag = ''] = /^(.*?)(?::([^:/@]+))?(?:@.*)?$/.exec(image) ?? [];
  const digest = /sha256:[0-9a-f]{64}/.exec(status.imageID ?? '')?.[0] ?? '';
  const of = {
    'io.kubernetes.container.name': status.name,
    'io.kubernetes.pod.name': name,
    'io.kubernetes.pod.namespace': namespace,
    'io.kubernetes.pod.uid': uid,
  };
  const { hostPID, hostNetwork, hostIPC } = flags(pod.spec);
  return {
    id: shortContainerId(fullId),
    fullId,
    type: (status.containerID ?? '').split(':')[0] ?? '',
    name: status.name,
    image,
    imageId: digest.replace('sha256:', ''),
    imageRepository: repository,
    imageTag: tag,
    imageDigest: digest,
    ip: pod.status?.podIP ?? '',
    cniJson: '',
    hostPid: hostPID,
    hostNetwork,
    hostIpc: hostIPC,
    privileged: spec?.securityContext?.privileged === true,
    mounts: [],
    labels: of,
    podSandboxLabels: { ...labels, ...of },
    podSandboxId: '',
    isPodSandbox: false,
    probes: spec === undefined ? [] : probes(spec),
    createdTs: 0n,
  };
}
