import { toByteString } from '../bytes.ts';
import type { ContainerInfo, ContainerMount } from './containers.ts';

/** Engines by the number that container events give them (sinsp_container_type). */
const TYPES: Readonly<Record<number, string>> = {
  0: 'docker',
  1: 'lxc',
  2: 'libvirt_lxc',
  3: 'mesos',
  4: 'rkt',
  5: 'custom',
  6: 'cri',
  7: 'containerd',
  8: 'cri-o',
  9: 'bpm',
  10: 'static',
  11: 'podman',
};

type Json = { readonly [key: string]: unknown };

const isObject = (value: unknown): value is Json =>
  value !== null && typeof value === 'object' && !Array.isArray(value);
const text = (value: unknown): string => (typeof value === 'string' ? toByteString(value) : '');
const flag = (value: unknown): boolean => value === true;

function labels(value: unknown): Record<string, string> {
  const made: Record<string, string> = {};
  if (isObject(value)) for (const [name, one] of Object.entries(value)) made[toByteString(name)] = text(one);
  return made;
}

function mount(value: unknown): ContainerMount[] {
  if (!isObject(value)) return [];
  return [
    {
      source: text(value.Source),
      destination: text(value.Destination),
      mode: text(value.Mode),
      writable: flag(value.RW ?? value.RDWR),
      propagation: text(value.Propagation),
    },
  ];
}

function probe(type: string, value: unknown): ContainerInfo['probes'] {
  if (!isObject(value) || text(value.exe) === '') return [];
  const args = Array.isArray(value.args) ? value.args.map(text) : [];
  return [{ type, exe: text(value.exe), args }];
}

/** Seconds or nanoseconds since the epoch, as producers differ, in nanoseconds. */
function created(value: unknown): bigint {
  const number = typeof value === 'number' && Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n;
  return number > 0n && number < 100_000_000_000n ? number * 1_000_000_000n : number;
}

/** Nanoseconds as text, which no number of JSON holds: our own key, beside the seconds of all producers. */
function exactly(value: unknown): bigint | null {
  return typeof value === 'string' && /^\d{1,19}$/.test(value) ? BigInt(value) : null;
}

/** An address, which older producers wrote as a number in the host's byte order. */
function address(value: unknown): string {
  if (typeof value !== 'number') return text(value);
  return value === 0 ? '' : [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
}

/**
 * The container that the JSON of a container event describes (Falco's container plugin 0.7, and libsinsp's
 * CONTAINER_JSON before it); null when it is none.
 */
export function parseContainer(json: string): ContainerInfo | null {
  let whole: unknown;
  try {
    whole = JSON.parse(json);
  } catch {
    return null;
  }
  const one = isObject(whole) ? whole.container : undefined;
  if (!isObject(one) || text(one.id) === '') return null;
  const id = text(one.id);
  const type = typeof one.type === 'number' ? (TYPES[one.type] ?? '') : text(one.type);
  return {
    id,
    fullId: text(one.full_id) || id,
    type,
    name: text(one.name),
    image: text(one.image),
    imageId: text(one.imageid),
    imageRepository: text(one.imagerepo),
    imageTag: text(one.imagetag),
    imageDigest: text(one.imagedigest),
    ip: address(one.ip),
    cniJson: text(one.cni_json),
    hostPid: flag(one.host_pid),
    hostNetwork: flag(one.host_network),
    hostIpc: flag(one.host_ipc),
    privileged: flag(one.privileged),
    mounts: Array.isArray(one.Mounts) ? one.Mounts.flatMap(mount) : [],
    labels: labels(one.labels),
    podSandboxLabels: labels(one.pod_sandbox_labels),
    podSandboxId: text(one.pod_sandbox_id),
    isPodSandbox: flag(one.is_pod_sandbox),
    probes: [
      ...probe('HEALTHCHECK', one.Healthcheck),
      ...probe('LIVENESS_PROBE', one.LivenessProbe),
      ...probe('READINESS_PROBE', one.ReadinessProbe),
    ],
    createdTs: exactly(one.created_time_ns) ?? created(one.created_time),
  };
}

/** The JSON of a container event about this container: {@link parseContainer} makes the same of it. */
export function containerJson(info: ContainerInfo): string {
  const type = Object.entries(TYPES).find(([, name]) => name === info.type)?.[0];
  const command = (kind: string) => {
    const found = info.probes.find((one) => one.type === kind);
    return found === undefined ? undefined : { exe: found.exe, args: found.args };
  };
  return JSON.stringify({
    container: {
      id: info.id,
      full_id: info.fullId,
      type: type === undefined ? info.type : Number(type),
      name: info.name,
      image: info.image,
      imageid: info.imageId,
      imagerepo: info.imageRepository,
      imagetag: info.imageTag,
      imagedigest: info.imageDigest,
      ip: info.ip,
      cni_json: info.cniJson,
      host_pid: info.hostPid,
      host_network: info.hostNetwork,
      host_ipc: info.hostIpc,
      privileged: info.privileged,
      Mounts: info.mounts.map(({ source, destination, mode, writable, propagation }) => ({
        Source: source,
        Destination: destination,
        Mode: mode,
        RW: writable,
        Propagation: propagation,
      })),
      labels: info.labels,
      pod_sandbox_labels: info.podSandboxLabels,
      pod_sandbox_id: info.podSandboxId,
      is_pod_sandbox: info.isPodSandbox,
      Healthcheck: command('HEALTHCHECK'),
      LivenessProbe: command('LIVENESS_PROBE'),
      ReadinessProbe: command('READINESS_PROBE'),
      created_time: Number(info.createdTs / 1_000_000_000n),
      created_time_ns: String(info.createdTs),
    },
  });
}
