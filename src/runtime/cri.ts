import type { ContainerInfo } from '../state/index.ts';
import { boundedLabels, type ContainerEngine, shortId } from './engine.ts';
import { encode, type GrpcClient, grpcClient, type Message } from './grpc.ts';
import { describeImage } from './image.ts';

/** Methods and field numbers are those of the Container Runtime Interface v1 (k8s.io/cri-api, runtime/v1/api.proto). */
const SERVICE = '/runtime.v1.RuntimeService/';
const IMAGE_STATUS = '/runtime.v1.ImageService/ImageStatus';

/** NamespaceMode of the host. */
const NODE = 2n;
/** Names of MountPropagation by number. */
const PROPAGATIONS = ['private', 'rslave', 'rshared'];
/** ContainerEventType of a removed container. */
const DELETED = 3n;
const RUNNING = 1;

const KEPT = 1024;

interface Image {
  readonly id: string;
  /** Names with tags and with digests. */
  readonly names: readonly string[];
}

interface Sandbox {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly name: string;
  readonly image: string;
  readonly ip: string;
  readonly hostPid: boolean;
  readonly hostNetwork: boolean;
  readonly hostIpc: boolean;
  readonly privileged: boolean;
  readonly cniJson: string;
  readonly createdTs: bigint;
}

/** The parts of the `info` of verbose answers that containerd and CRI-O agree in. */
interface VerboseInfo {
  readonly sandboxID?: string;
  readonly privileged?: boolean;
  readonly image?: string;
  readonly cniResult?: unknown;
  readonly config?: {
    readonly image?: { readonly image?: string };
    readonly linux?: { readonly security_context?: { readonly privileged?: boolean } };
  };
}

/** containerd, CRI-O or any other runtime behind the interface that the kubelet uses, on a unix socket. */
export function criEngine(socket: string, labelMaxLength: number): ContainerEngine {
  const client = grpcClient(socket);
  const sandboxes = new Map<string, Sandbox>();
  const images = new Map<string, Image>();
  let type = '';

  async function runtimeName(): Promise<string> {
    if (type === '') {
      const name = (await client.call(`${SERVICE}Version`, encode({})))?.text(2) ?? '';
      type = name === 'containerd' || name === 'cri-o' ? name : 'cri';
    }
    return type;
  }

  async function sandbox(id: string): Promise<Sandbox | null> {
    const known = sandboxes.get(id);
    if (known !== undefined) return known;
    const answer = id === '' ? null : await client.call(`${SERVICE}PodSandboxStatus`, encode({ 1: id, 2: true }));
    if (answer === null) return null;
    const made = readSandbox(answer, labelMaxLength);
    // Without an address the network is still being set up.
    if (made.ip !== '' || made.hostNetwork) {
      if (sandboxes.size >= KEPT) sandboxes.clear();
      sandboxes.set(id, made);
    }
    return made;
  }

  /** By any name or id of it. */
  async function imageOf(name: string): Promise<Image> {
    let image = images.get(name);
    if (image === undefined && name !== '') {
      const found = (await client.call(IMAGE_STATUS, encode({ 1: encode({ 1: name }) })))?.message(1);
      image = { id: found?.text(1) ?? '', names: [...(found?.texts(2) ?? []), ...(found?.texts(3) ?? [])] };
      if (images.size >= KEPT) images.clear();
      if (image.id !== '') images.set(name, image);
    }
    return image ?? { id: '', names: [] };
  }

  return {
    kind: 'cri',
    socket,
    async inspect(id) {
      const [name, answer] = await Promise.all([
        runtimeName(),
        client.call(`${SERVICE}ContainerStatus`, encode({ 1: id, 2: true })),
      ]);
      if (answer === null) {
        const pod = await sandbox(id);
        return pod === null ? null : sandboxInfo(name, pod);
      }
      const info = verbose(answer);
      const status = answer.message(1);
      const [image, sandboxId] = await Promise.all([
        imageOf(status.text(17) || info.config?.image?.image || status.text(9)),
        info.sandboxID ?? sandboxOf(client, id),
      ]);
      return containerInfo(name, status, info, image, sandboxId, await sandbox(sandboxId), labelMaxLength);
    },
    async list() {
      const running = encode({ 2: encode({ 1: RUNNING }) });
      const answer = await client.call(`${SERVICE}ListContainers`, encode({ 1: running }));
      return (answer?.messages(1) ?? []).map((one) => one.text(1));
    },
    async watch(observer) {
      await client.stream(`${SERVICE}GetContainerEvents`, encode({}), (event) => {
        const id = event.text(1);
        if (event.integer(2) !== DELETED) observer.appeared(id);
        else {
          sandboxes.delete(id);
          observer.vanished(id);
        }
      });
    },
    close: () => client.close(),
  };
}

async function sandboxOf(client: GrpcClient, id: string): Promise<string> {
  const answer = await client.call(`${SERVICE}ListContainers`, encode({ 1: encode({ 1: id }) }));
  return answer?.messages(1)[0]?.text(2) ?? '';
}

function verbose(answer: Message): VerboseInfo {
  const text = answer.map(2).info;
  if (text === undefined) return {};
  try {
    return JSON.parse(text) as VerboseInfo;
  } catch {
    return {};
  }
}

function readSandbox(answer: Message, labelMaxLength: number): Sandbox {
  const status = answer.message(1);
  const info = verbose(answer);
  const namespaces = status.message(6).message(1).message(2);
  return {
    id: status.text(1),
    labels: boundedLabels(status.map(7), labelMaxLength),
    name: status.message(2).text(1),
    image: info.image ?? '',
    ip: status.message(5).text(1),
    hostNetwork: namespaces.integer(1) === NODE,
    hostPid: namespaces.integer(2) === NODE,
    hostIpc: namespaces.integer(3) === NODE,
    privileged: info.config?.linux?.security_context?.privileged === true,
    cniJson: info.cniResult === undefined || info.cniResult === null ? '' : JSON.stringify(info.cniResult),
    createdTs: status.integer(4),
  };
}

/** The sandbox is a container, too: the one that holds the pod's namespaces. */
function sandboxInfo(type: string, pod: Sandbox): ContainerInfo {
  const { repository, tag, digest } = describeImage([pod.image]);
  return {
    id: shortId(pod.id),
    fullId: pod.id,
    type,
    name: pod.name,
    image: pod.image,
    imageId: '',
    imageRepository: repository || 'pause',
    imageTag: tag || 'none',
    imageDigest: digest,
    ip: pod.ip,
    cniJson: pod.cniJson,
    hostPid: pod.hostPid,
    hostNetwork: pod.hostNetwork,
    hostIpc: pod.hostIpc,
    privileged: pod.privileged,
    mounts: [],
    labels: pod.labels,
    podSandboxLabels: pod.labels,
    podSandboxId: pod.id,
    isPodSandbox: true,
    probes: [],
    createdTs: pod.createdTs,
  };
}

function containerInfo(
  type: string,
  status: Message,
  info: VerboseInfo,
  image: Image,
  sandboxId: string,
  pod: Sandbox | null,
  labelMaxLength: number,
): ContainerInfo {
  const id = status.text(1);
  const reference = status.text(9);
  const named = status.message(8).text(1);
  const asked = status.message(8).text(18);
  const { repository, tag, digest } = describeImage([named, asked, ...image.names, reference]);
  return {
    id: shortId(id),
    fullId: id,
    type,
    name: status.message(2).text(1),
    image: [named, asked, ...image.names].find(isName) ?? named,
    imageId: image.id.replace(/^sha256:/, ''),
    imageRepository: repository,
    imageTag: tag,
    imageDigest: digest,
    ip: pod?.ip ?? '',
    cniJson: pod?.cniJson ?? '',
    hostPid: pod?.hostPid ?? false,
    hostNetwork: pod?.hostNetwork ?? false,
    hostIpc: pod?.hostIpc ?? false,
    privileged: info.privileged ?? info.config?.linux?.security_context?.privileged ?? false,
    mounts: status.messages(14).map((mount) => ({
      source: mount.text(2),
      destination: mount.text(1),
      mode: '',
      writable: mount.integer(3) === 0n,
      propagation: PROPAGATIONS[Number(mount.integer(5))] ?? '',
    })),
    labels: boundedLabels(status.map(12), labelMaxLength),
    podSandboxLabels: pod?.labels ?? {},
    podSandboxId: sandboxId,
    isPodSandbox: false,
    probes: [],
    createdTs: status.integer(5) || status.integer(4),
  };
}

/** A name, not only an id. */
function isName(image: string): boolean {
  return describeImage([image]).repository !== '';
}
