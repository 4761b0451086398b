/** What is known of a container; filled by whoever asks the runtimes, or from the events of a recording. */
export interface ContainerInfo {
  /** Short id (12 characters for ids of 64 hex digits). */
  readonly id: string;
  readonly fullId: string;
  /** `docker`, `podman`, `containerd`, `cri-o`, `lxc`, … */
  readonly type: string;
  readonly name: string;
  /** As the runtime names it, for instance `docker.io/library/nginx:1.27`. */
  readonly image: string;
  readonly imageId: string;
  readonly imageRepository: string;
  readonly imageTag: string;
  readonly imageDigest: string;
  readonly ip: string;
  readonly cniJson: string;
  readonly hostPid: boolean;
  readonly hostNetwork: boolean;
  readonly hostIpc: boolean;
  readonly privileged: boolean;
  readonly mounts: readonly ContainerMount[];
  readonly labels: Readonly<Record<string, string>>;
  readonly podSandboxLabels: Readonly<Record<string, string>>;
  readonly podSandboxId: string;
  readonly isPodSandbox: boolean;
  /** `HEALTHCHECK`, `LIVENESS_PROBE` and `READINESS_PROBE` commands with their arguments. */
  readonly probes: readonly { readonly type: string; readonly exe: string; readonly args: readonly string[] }[];
  /** Nanoseconds since the epoch; 0n is unknown. */
  readonly createdTs: bigint;
}

export interface ContainerMount {
  readonly source: string;
  readonly destination: string;
  readonly mode: string;
  readonly writable: boolean;
  readonly propagation: string;
}

/** How engines that use names, not ids, name a container's cgroup. */
const LAYOUTS: readonly (readonly [RegExp, string])[] = [
  [/\/lxc\.payload[./]([^/]+)/, 'lxc'],
  [/\/lxc\/([^/]+)/, 'lxc'],
  // machine.slice/machine-lxc\x2dPID\x2dNAME.scope, or NAME.libvirt-lxc
  [/\/machine-lxc\\x2d\d+\\x2d([^/]+)\.scope/, 'libvirt_lxc'],
  [/\/([^/]+)\.libvirt-lxc/, 'libvirt_lxc'],
];

/**
 * Every engine with ids of 64 hex digits: docker-ID.scope, libpod-ID.scope, cri-containerd-ID.scope, crio-ID.scope,
 * …/ID; the last in a path is the innermost container. The monitor processes (conmon) are not in the container.
 */
const HEX_ID = /(?:^|[/:-])(?<!conmon-)([0-9a-f]{64})(?:\.scope)?(?=\/|$)/g;

/** What the cgroups of a process say of its container. */
export interface CgroupContainer {
  /** 64 hexadecimal digits, or a name; `''` on the host. */
  readonly fullId: string;
  /** `lxc` and `libvirt_lxc` are told by the path; `''` for engines that have to be asked. */
  readonly engine: string;
}

const HOST: CgroupContainer = { fullId: '', engine: '' };

/** The container that the cgroups of a process give (`subsystem=path`, NUL after each). */
export function containerOfCgroups(cgroups: string): CgroupContainer {
  if (cgroups === '') return HOST;
  for (const entry of cgroups.split('\0')) {
    const path = entry.slice(entry.indexOf('=') + 1);
    if (path.length < 6) continue;
    const ids = [...path.matchAll(HEX_ID)];
    const last = ids[ids.length - 1]?.[1];
    if (last !== undefined) return { fullId: last, engine: '' };
    for (const [layout, engine] of LAYOUTS) {
      const id = layout.exec(path)?.[1];
      if (id !== undefined) return { fullId: id, engine };
    }
  }
  return HOST;
}

/** Short id of a container: the first 12 of 64 hexadecimal digits, or its name. */
export function shortContainerId(fullId: string): string {
  return fullId.length === 64 ? fullId.slice(0, 12) : fullId;
}

/** A short id for a container that no engine named, from what is the same for all of its processes. */
export function bareContainerId(cgroups: string, pidnsStart: bigint): string {
  let low = 0x811c9dc5;
  let high = 0x1b873593;
  const text = `${cgroups}|${pidnsStart}`;
  for (let i = 0; i < text.length; i++) {
    low = Math.imul(low ^ text.charCodeAt(i), 0x01000193);
    high = Math.imul(high ^ text.charCodeAt(i), 0x85ebca6b);
  }
  const hex = (value: number) => (value >>> 0).toString(16).padStart(8, '0');
  return (hex(low) + hex(high)).slice(0, 12);
}

/**
 * All there is to say of a container that no runtime can be asked about: its engine (`bare`: none at all) stands for its
 * image, so that rules and alerts have values to work with.
 */
export function unmanagedContainer(id: string, type: string): ContainerInfo {
  return {
    id,
    fullId: id,
    type,
    name: id,
    image: `${type}:none`,
    imageId: '',
    imageRepository: type,
    imageTag: 'none',
    imageDigest: '',
    ip: '',
    cniJson: '',
    hostPid: false,
    hostNetwork: false,
    hostIpc: false,
    privileged: false,
    mounts: [],
    labels: {},
    podSandboxLabels: {},
    podSandboxId: '',
    isPodSandbox: false,
    probes: [],
    createdTs: 0n,
  };
}

/** `/kubepods/burstable/pod3a1b…/` and `/kubepods-burstable-pod3a1b….slice/` (underscores for dashes). */
const POD_UID =
  /pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?(?:\/|\0|$)/;

/** Remembers the answers for a cgroup; the number of remembered ones is bounded. */
export class CgroupMemo {
  readonly #known = new Map<string, string>();
  readonly #pods = new Map<string, string>();

  /** Unique id of the pod; empty outside of pods. */
  pod(cgroups: string): string {
    let uid = this.#pods.get(cgroups);
    if (uid === undefined) {
      uid = POD_UID.exec(cgroups)?.[1]?.replaceAll('_', '-') ?? '';
      if (this.#pods.size >= 4096) this.#pods.clear();
      this.#pods.set(cgroups, uid);
    }
    return uid;
  }

  container(cgroups: string): string {
    let id = this.#known.get(cgroups);
    if (id === undefined) {
      id = shortContainerId(containerOfCgroups(cgroups).fullId);
      if (this.#known.size >= 4096) this.#known.clear();
      this.#known.set(cgroups, id);
    }
    return id;
  }
}

/** An object of Kubernetes, as far as fields read it. */
export interface KubeObject {
  readonly name: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** What the Kubernetes collector knows of a pod. */
export interface PodInfo extends KubeObject {
  readonly ip: string;
  readonly namespace: KubeObject | null;
  readonly deployment: KubeObject | null;
  readonly replicaSet: KubeObject | null;
  readonly replicationController: KubeObject | null;
  /** What the pod belongs to in the end: a Deployment, StatefulSet, DaemonSet, CronJob, Job, …; null for a pod of its own. */
  readonly owner: { readonly kind: string; readonly name: string } | null;
  readonly services: readonly KubeObject[];
}
