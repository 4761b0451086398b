import { Agent, type IncomingMessage, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerInfo } from '../state/index.ts';
import { ANSWER_MS, boundedLabels, type ContainerEngine, type Labels, shortId, timestamp } from './engine.ts';
import { describeImage } from './image.ts';

/** What is read of an answer to `GET /containers/ID/json` (Docker Engine API 1.24 and later; Podman answers the same). */
interface Inspection {
  readonly Id: string;
  readonly Name?: string;
  readonly Created?: string;
  readonly Image?: string;
  readonly State?: { readonly StartedAt?: string };
  readonly Config?: {
    readonly Image?: string;
    readonly Labels?: Labels | null;
    readonly Healthcheck?: { readonly Test?: readonly string[] | null } | null;
  };
  readonly HostConfig?: {
    readonly Privileged?: boolean;
    readonly PidMode?: string;
    readonly IpcMode?: string;
    readonly NetworkMode?: string;
  };
  readonly Mounts?: readonly {
    readonly Source?: string;
    readonly Destination?: string;
    readonly Mode?: string;
    readonly RW?: boolean;
    readonly Propagation?: string;
  }[];
  readonly NetworkSettings?: {
    readonly IPAddress?: string;
    readonly Networks?: Readonly<Record<string, { readonly IPAddress?: string }>> | null;
  };
}

/** What is read of an item of `GET /containers/json`. */
interface Summary {
  readonly Id: string;
  readonly Names?: readonly string[];
  readonly Image?: string;
  readonly ImageID?: string;
  readonly Labels?: Labels | null;
  readonly HostConfig?: Inspection['HostConfig'];
  readonly Mounts?: Inspection['Mounts'];
}

interface ImageInspection {
  readonly RepoTags?: readonly string[] | null;
  readonly RepoDigests?: readonly string[] | null;
}

interface DockerEvent {
  readonly Action?: string;
  readonly status?: string;
  readonly Actor?: { readonly ID?: string };
}

const BUSY = 8;
/** How long a complete answer is waited for before an incomplete one is asked for (ms). */
const PATIENCE_MS = 100;
/** … and how much longer before that one is taken: it does not say whether a container is privileged. */
const MORE_PATIENCE_MS = 600;
const KEPT_IMAGES = 1024;
const SLOW = Symbol('slow');

/** Docker, or Podman by the same interface, on a unix socket. */
export function dockerEngine(kind: 'docker' | 'podman', socket: string, labelMaxLength: number): ContainerEngine {
  const agent = new Agent({ keepAlive: true, maxSockets: BUSY });
  const images = new Map<string, ImageInspection>();
  /** Complete answers about containers that are there still. */
  const complete = new Map<string, ContainerInfo>();
  const closing = new AbortController();

  /** The parsed answer; null for 404. */
  async function get<T>(path: string): Promise<T | null> {
    const response = await send(path, agent, AbortSignal.any([closing.signal, AbortSignal.timeout(ANSWER_MS)]));
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) text += chunk as string;
    if (response.statusCode === 404) return null;
    if (response.statusCode !== 200) throw new Error(`${kind} answered ${response.statusCode}: ${text.slice(0, 200)}`);
    return JSON.parse(text) as T;
  }

  function send(path: string, used: Agent | undefined, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      request({ socketPath: socket, path, agent: used, signal, headers: { host: kind } }, resolve)
        .once('error', reject)
        .end();
    });
  }

  async function imageOf(id: string): Promise<ImageInspection> {
    if (id === '') return {};
    let image = images.get(id);
    if (image === undefined) {
      image = (await get<ImageInspection>(`/images/${encodeURIComponent(id)}/json`)) ?? {};
      if (images.size >= KEPT_IMAGES) images.clear();
      images.set(id, image);
    }
    return image;
  }

  async function addressOf(one: Inspection): Promise<string> {
    const shared = /^container:(.+)$/.exec(one.HostConfig?.NetworkMode ?? '')?.[1];
    const from = shared === undefined ? one : await get<Inspection>(`/containers/${shared}/json`);
    const settings = from?.NetworkSettings;
    const networks = Object.values(settings?.Networks ?? {});
    return settings?.IPAddress || networks.find((network) => network.IPAddress)?.IPAddress || '';
  }

  async function inspection(id: string): Promise<ContainerInfo | null> {
    const one = await get<Inspection>(`/containers/${id}/json`);
    if (one === null) return null;
    const [image, ip] = await Promise.all([imageOf(one.Image ?? ''), addressOf(one)]);
    const info = containerInfo(kind, one, image, ip, labelMaxLength);
    complete.set(id, info);
    return info;
  }

  async function summary(id: string): Promise<ContainerInfo | null> {
    const filters = encodeURIComponent(JSON.stringify({ id: [id] }));
    const [one] = (await get<Summary[]>(`/containers/json?all=true&filters=${filters}`)) ?? [];
    if (one === undefined) return null;
    const { Id, Names, Image: image = '', ImageID = '', Labels = {}, HostConfig = {}, Mounts = [] } = one;
    const known = { Id, Name: Names?.[0] ?? '', Image: ImageID, Config: { Image: image, Labels }, HostConfig, Mounts };
    return containerInfo(kind, known, await imageOf(ImageID), '', labelMaxLength);
  }

  return {
    kind,
    socket,
    async inspect(id, more) {
      const asking = inspection(id);
      const first = await within(asking, PATIENCE_MS);
      if (first !== SLOW) return first ?? complete.get(id) ?? null;
      // A container that is being started is locked: it is listed, but cannot be inspected.
      const listed = complete.get(id) ?? (await summary(id).catch(() => null));
      if (listed === null) return asking;
      const later = await within(
        asking.catch(() => null),
        MORE_PATIENCE_MS,
      );
      if (later !== SLOW) return later ?? listed;
      asking.then((info) => info !== null && more(info)).catch(() => {});
      return listed;
    },
    async list() {
      return ((await get<{ Id: string }[]>('/containers/json')) ?? []).map((one) => one.Id);
    },
    async watch(observer) {
      const filters = JSON.stringify({ type: ['container'], event: ['create', 'start', 'destroy', 'remove'] });
      const response = await send(`/events?filters=${encodeURIComponent(filters)}`, undefined, closing.signal);
      if (response.statusCode !== 200) throw new Error(`${kind} answered ${response.statusCode} for its events`);
      let rest = '';
      for await (const chunk of response.setEncoding('utf8')) {
        const lines = (rest + (chunk as string)).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          if (line.trim() === '') continue;
          const event = JSON.parse(line) as DockerEvent;
          const id = event.Actor?.ID ?? '';
          const action = event.Action ?? event.status ?? '';
          if (id === '') continue;
          if (action === 'destroy' || action === 'remove') {
            complete.delete(id);
            observer.vanished(id);
          } else observer.appeared(id);
        }
      }
    },
    close() {
      closing.abort();
      agent.destroy();
    },
  };
}

/** What the promise gives, or `SLOW` when it takes longer. */
async function within<T>(promise: Promise<T>, milliseconds: number): Promise<T | typeof SLOW> {
  const waiting = new AbortController();
  try {
    return await Promise.race([promise, sleep(milliseconds, SLOW, { signal: waiting.signal, ref: false })]);
  } finally {
    waiting.abort();
  }
}

function containerInfo(
  type: string,
  one: Inspection,
  image: ImageInspection,
  ip: string,
  labelMaxLength: number,
): ContainerInfo {
  const { Config: config = {}, HostConfig: host = {} } = one;
  const labels = config.Labels ?? {};
  const named = config.Image ?? '';
  const { repository, tag, digest } = describeImage([named, ...(image.RepoTags ?? []), ...(image.RepoDigests ?? [])]);
  return {
    id: shortId(one.Id),
    fullId: one.Id,
    type,
    name: (one.Name ?? '').replace(/^\//, ''),
    image: named,
    imageId: (one.Image ?? '').replace(/^sha256:/, ''),
    imageRepository: repository,
    imageTag: tag,
    imageDigest: digest,
    ip,
    cniJson: '',
    hostPid: host.PidMode === 'host',
    hostNetwork: host.NetworkMode === 'host',
    hostIpc: host.IpcMode === 'host',
    privileged: host.Privileged === true,
    mounts: (one.Mounts ?? []).map((mount) => ({
      source: mount.Source ?? '',
      destination: mount.Destination ?? '',
      mode: mount.Mode ?? '',
      writable: mount.RW === true,
      propagation: mount.Propagation ?? '',
    })),
    labels: boundedLabels(labels, labelMaxLength),
    podSandboxLabels: {},
    podSandboxId: labels['io.kubernetes.sandbox.id'] ?? '',
    isPodSandbox: labels['io.kubernetes.docker.type'] === 'podsandbox',
    probes: healthcheck(config.Healthcheck?.Test ?? []),
    createdTs: timestamp(one.State?.StartedAt ?? '') || timestamp(one.Created ?? ''),
  };
}

/** `["CMD", PROGRAM, …]` or `["CMD-SHELL", TEXT]`. */
function healthcheck([kind, ...rest]: readonly string[]): ContainerInfo['probes'] {
  const [exe = '', ...args] = kind === 'CMD-SHELL' ? ['/bin/sh', '-c', ...rest] : rest;
  return kind === undefined || kind === 'NONE' || exe === '' ? [] : [{ type: 'HEALTHCHECK', exe, args }];
}
