import type { ContainerInfo } from '../state/index.ts';
import { boundedLabels, type ContainerEngine, type Labels, shortId } from './engine.ts';
import { encode, grpcClient, type Message } from './grpc.ts';
import { describeImage } from './image.ts';

/** Methods and field numbers are those of containerd 1.x and 2.x (api/services/…/v1). */
const CONTAINERS = '/containerd.services.containers.v1.Containers/';
const IMAGES = '/containerd.services.images.v1.Images/';
const NAMESPACES = '/containerd.services.namespaces.v1.Namespaces/';

/** The kubelet's; {@link criEngine} says more about these. */
const KUBERNETES = 'k8s.io';

/** What is read of an OCI runtime specification. */
interface RuntimeSpec {
  readonly hostname?: string;
  readonly process?: { readonly capabilities?: { readonly bounding?: readonly string[] } };
  readonly mounts?: readonly {
    readonly source?: string;
    readonly destination?: string;
    readonly type?: string;
    readonly options?: readonly string[];
  }[];
  readonly linux?: { readonly namespaces?: readonly { readonly type?: string }[] };
}

/** Containers of containerd that no other interface shows (`ctr`, nerdctl, BuildKit), in all of its namespaces. */
export function containerdEngine(socket: string, labelMaxLength: number): ContainerEngine {
  const client = grpcClient(socket);
  const closing = new AbortController();

  async function namespaces(): Promise<string[]> {
    const answer = await client.call(`${NAMESPACES}List`, encode({}));
    return (answer?.messages(1) ?? []).map((one) => one.text(1)).filter((name) => name !== KUBERNETES);
  }

  return {
    kind: 'containerd',
    socket,
    async inspect(id) {
      for (const namespace of await namespaces()) {
        const inside = { 'containerd-namespace': namespace };
        const answer = await client.call(`${CONTAINERS}Get`, encode({ 1: id }), inside);
        if (answer === null) continue;
        const container = answer.message(1);
        const image = await client.call(`${IMAGES}Get`, encode({ 1: container.text(3) }), inside);
        return containerInfo(container, image?.message(1).message(3).text(2) ?? '', labelMaxLength);
      }
      return null;
    },
    async list() {
      const found = await Promise.all(
        (await namespaces()).map(async (namespace) => {
          const answer = await client.call(`${CONTAINERS}List`, encode({}), { 'containerd-namespace': namespace });
          return (answer?.messages(1) ?? []).map((one) => one.text(1));
        }),
      );
      return found.flat();
    },
    // Its events are wrapped in types of their own; the first process of a container comes soon enough.
    watch: () =>
      new Promise((resolve) => {
        closing.signal.addEventListener('abort', () => resolve(), { once: true });
      }),
    close() {
      closing.abort();
      client.close();
    },
  };
}

function containerInfo(container: Message, digest: string, labelMaxLength: number): ContainerInfo {
  const id = container.text(1);
  const image = container.text(3);
  const labels: Labels = container.map(2);
  const { repository, tag } = describeImage([image]);
  const spec = readSpec(container.message(5).text(2));
  const namespaces = new Set((spec.linux?.namespaces ?? []).map((one) => one.type));
  const created = container.message(8);
  return {
    id: shortId(id),
    fullId: id,
    type: 'containerd',
    name: labels['nerdctl/name'] ?? shortId(id),
    image,
    imageId: digest.replace(/^sha256:/, ''),
    imageRepository: repository || 'none',
    imageTag: tag || 'none',
    imageDigest: digest,
    ip: '',
    cniJson: '',
    hostPid: !namespaces.has('pid'),
    hostNetwork: !namespaces.has('network'),
    hostIpc: !namespaces.has('ipc'),
    // Nothing says it; who may load modules may do everything.
    privileged: (spec.process?.capabilities?.bounding ?? []).includes('CAP_SYS_MODULE'),
    mounts: (spec.mounts ?? [])
      .filter((mount) => mount.type === 'bind')
      .map(({ source = '', destination = '', options = [] }) => ({
        source,
        destination,
        mode: options.join(','),
        writable: !options.includes('ro'),
        propagation: options.find((option) => /^r?(private|shared|slave)$/.test(option)) ?? '',
      })),
    labels: boundedLabels(labels, labelMaxLength),
    podSandboxLabels: {},
    podSandboxId: '',
    isPodSandbox: false,
    probes: [],
    createdTs: created.integer(1) * 1_000_000_000n + created.integer(2),
  };
}

function readSpec(text: string): RuntimeSpec {
  try {
    return JSON.parse(text) as RuntimeSpec;
  } catch {
    return {};
  }
}
