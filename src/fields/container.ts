import type { FieldType, Value } from '../rules/catalogue.ts';
import { compileGlob } from '../rules/index.ts';
import type { ContainerInfo, ContainerMount, State, Thread } from '../state/index.ts';
import { exact } from './evt.ts';
import { type Depends, type Extractor, type Field, type FieldOptions, rowMaker } from './field.ts';

const row = rowMaker('container', { sources: ['syscall'] });

const HOST = 'host';

/** Reads something of the container that the event's thread is in; no value on the host and while nothing is known. */
const of =
  (read: (info: ContainerInfo, state: State) => Value | null): Extractor =>
  (_, state) => {
    const id = state.thread?.container ?? '';
    if (id === '') return null;
    const info = state.containers.get(id);
    return info === undefined ? null : read(info, state);
  };

/** As `of`, but the host has a word, too. */
const orHost = (read: (info: ContainerInfo) => string | null): Extractor => {
  const inside = of(read);
  return (event, state) => (state.thread === null ? null : state.thread.container === '' ? HOST : inside(event, state));
};

/** An empty text is no value. */
const some = (text: string | undefined): string | null => (text === undefined || text === '' ? null : text);

const mountText = (mount: ContainerMount): string =>
  `${mount.source}:${mount.destination}:${mount.mode}:${mount.writable}:${mount.propagation}`;

/** A mount by its position or by a pattern for its source (or destination). */
function bindMount(read: (mount: ContainerMount) => string, by: 'source' | 'destination' = 'source') {
  return {
    bind(argument: string | null): Extractor {
      const text = argument ?? '';
      if (/^\d+$/.test(text)) {
        const index = Number(text);
        return of((info) => {
          const mount = info.mounts[index];
          return mount === undefined ? null : read(mount);
        });
      }
      const matches = compileGlob(text, false);
      return of((info) => {
        const mount = info.mounts.find((one) => matches(one[by]));
        return mount === undefined ? null : read(mount);
      });
    },
  };
}

const labelsText = (labels: Readonly<Record<string, string>>): string | null =>
  some(
    Object.entries(labels)
      .map(([name, value]) => `${name}:${value}`)
      .join(', '),
  );

const bindLabel = (of_: (info: ContainerInfo) => Readonly<Record<string, string>>) => ({
  bind: (argument: string | null): Extractor => of((info) => some(of_(info)[argument ?? ''])),
});

function probe(info: ContainerInfo, type: string): string | null {
  const found = info.probes.find((one) => one.type === type);
  return found === undefined ? null : [found.exe, ...found.args].join(' ');
}

/** Whether the process, or one that it descends from, is the command of a probe. */
function runsProbe(type: string): Extractor {
  return (_, state) => {
    const start = state.thread;
    if (start === null) return null;
    const info = state.containers.get(start.container);
    const wanted = info?.probes.find((one) => one.type === type);
    if (wanted === undefined) return false;
    const args = wanted.args.map((arg) => `${arg}\0`).join('');
    let at: Thread | null = start.main;
    for (let i = 0; at !== null && at.container === start.container && i < 64; i++, at = at.parent) {
      if (at.exe === wanted.exe && at.args === args) return true;
    }
    return false;
  };
}

const label = (name: string) => of((info) => some(info.podSandboxLabels[name] ?? info.labels[name]));
const key = { argument: 'required', argumentHelp: 'name of a label' } as const;
const mountKey = { argument: 'required', argumentHelp: 'number of a mount, or a pattern for its source' } as const;

/** Kubernetes labels that runtimes put on every container of a pod. */
const POD_NAME = 'io.kubernetes.pod.name';
const POD_NAMESPACE = 'io.kubernetes.pod.namespace';
const POD_UID = 'io.kubernetes.pod.uid';

function field(
  name: string,
  type: FieldType,
  description: string,
  read: Extractor | { readonly bind: (argument: string | null) => Extractor },
  options: FieldOptions = {},
  depends: Depends = 'thread',
): Field {
  return row(name, type, depends, description, read, options);
}

/** Metadata that the container engines never gave; the names stay so that rules load. */
const gone = ['rc', 'svc', 'rs', 'deployment'].flatMap((kind) => {
  const never: Extractor = () => null;
  const why = `Not filled any more (see k8smeta.${kind}).`;
  return [
    field(`k8s.${kind}.name`, 'CHARBUF', why, never, {}, 'constant'),
    field(`k8s.${kind}.id`, 'CHARBUF', why, never, {}, 'constant'),
    field(`k8s.${kind}.label`, 'CHARBUF', why, never, key, 'constant'),
    field(`k8s.${kind}.labels`, 'CHARBUF', why, never, {}, 'constant'),
  ];
});

const never: Extractor = () => null;

export const CONTAINER_FIELDS: readonly Field[] = [
  field(
    'container.id',
    'CHARBUF',
    'Short id of the container (12 characters), "host" for processes outside of containers.',
    (_, state) => (state.thread === null ? null : state.thread.container || HOST),
    { suggested: true },
  ),
  field(
    'container.full_id',
    'CHARBUF',
    'Full id of the container.',
    orHost((info) => some(info.fullId)),
  ),
  field(
    'container.name',
    'CHARBUF',
    'Name of the container.',
    orHost((info) => some(info.name)),
    { suggested: true },
  ),
  field(
    'container.image',
    'CHARBUF',
    'Image of the container with its tag.',
    of((info) => some(info.image)),
  ),
  field(
    'container.image.id',
    'CHARBUF',
    'Id of the image.',
    of((info) => some(info.imageId)),
  ),
  field(
    'container.type',
    'CHARBUF',
    'Engine of the container: docker, podman, containerd, cri-o, lxc …',
    orHost((info) => some(info.type)),
  ),
  field(
    'container.privileged',
    'BOOL',
    'Whether the container has all privileges.',
    of((info) => info.privileged),
  ),
  field(
    'container.mounts',
    'CHARBUF',
    'All mounts, each as source:destination:mode:writable:propagation.',
    of((info) => some(info.mounts.map(mountText).join(','))),
  ),
  field('container.mount', 'CHARBUF', 'One mount, in the form of container.mounts.', bindMount(mountText), mountKey),
  field(
    'container.mount.source',
    'CHARBUF',
    'Source of a mount, by its number or destination.',
    bindMount((mount) => mount.source, 'destination'),
    { argument: 'required', argumentHelp: 'number of a mount, or a pattern for its destination' },
  ),
  field(
    'container.mount.dest',
    'CHARBUF',
    'Destination of a mount.',
    bindMount((mount) => mount.destination),
    mountKey,
  ),
  field(
    'container.mount.mode',
    'CHARBUF',
    'Mode of a mount.',
    bindMount((mount) => mount.mode),
    mountKey,
  ),
  field(
    'container.mount.rdwr',
    'CHARBUF',
    'Whether a mount is writable: true or false.',
    bindMount((mount) => String(mount.writable)),
    mountKey,
  ),
  field(
    'container.mount.propagation',
    'CHARBUF',
    'Propagation of a mount.',
    bindMount((mount) => mount.propagation),
    mountKey,
  ),
  field(
    'container.image.repository',
    'CHARBUF',
    'Repository of the image.',
    of((info) => some(info.imageRepository)),
    { suggested: true },
  ),
  field(
    'container.image.tag',
    'CHARBUF',
    'Tag of the image.',
    of((info) => some(info.imageTag)),
    { suggested: true },
  ),
  field(
    'container.image.digest',
    'CHARBUF',
    'Digest of the image.',
    of((info) => some(info.imageDigest)),
  ),
  field(
    'container.healthcheck',
    'CHARBUF',
    'Command of the health check.',
    of((info) => probe(info, 'HEALTHCHECK')),
  ),
  field(
    'container.liveness_probe',
    'CHARBUF',
    'Command of the liveness probe.',
    of((info) => probe(info, 'LIVENESS_PROBE')),
  ),
  field(
    'container.readiness_probe',
    'CHARBUF',
    'Command of the readiness probe.',
    of((info) => probe(info, 'READINESS_PROBE')),
  ),
  field(
    'container.start_ts',
    'ABSTIME',
    'Begin of the container, in nanoseconds since the epoch.',
    of((info) => (info.createdTs === 0n ? null : exact(info.createdTs))),
  ),
  field(
    'container.duration',
    'RELTIME',
    'Nanoseconds since the begin of the container.',
    (event, state) => {
      const info = state.containers.get(state.thread?.container ?? '');
      return info === undefined || info.createdTs === 0n ? null : exact(event.ts - info.createdTs);
    },
    {},
    'time',
  ),
  field(
    'container.ip',
    'CHARBUF',
    'Address of the container.',
    of((info) => some(info.ip)),
  ),
  field(
    'container.cni.json',
    'CHARBUF',
    'What the network plugin said of the pod, as JSON.',
    of((info) => some(info.cniJson)),
  ),
  field(
    'container.host_pid',
    'BOOL',
    'Whether the container shares the pid namespace of the host.',
    of((info) => info.hostPid),
  ),
  field(
    'container.host_network',
    'BOOL',
    'Whether the container shares the network of the host.',
    of((info) => info.hostNetwork),
  ),
  field(
    'container.host_ipc',
    'BOOL',
    'Whether the container shares the IPC namespace of the host.',
    of((info) => info.hostIpc),
  ),
  field(
    'container.label',
    'CHARBUF',
    'A label of the container.',
    bindLabel((info) => info.labels),
    key,
  ),
  field(
    'container.labels',
    'CHARBUF',
    'All labels of the container as name:value.',
    of((info) => labelsText(info.labels)),
  ),
  field(
    'proc.is_container_healthcheck',
    'BOOL',
    'Whether the process belongs to the health check of its container.',
    runsProbe('HEALTHCHECK'),
    {},
    'lineage',
  ),
  field(
    'proc.is_container_liveness_probe',
    'BOOL',
    'Whether the process belongs to the liveness probe of its container.',
    runsProbe('LIVENESS_PROBE'),
    {},
    'lineage',
  ),
  field(
    'proc.is_container_readiness_probe',
    'BOOL',
    'Whether the process belongs to the readiness probe of its container.',
    runsProbe('READINESS_PROBE'),
    {},
    'lineage',
  ),
  field('k8s.pod.name', 'CHARBUF', 'Name of the pod that the container is part of.', label(POD_NAME), {
    suggested: true,
  }),
  field('k8s.ns.name', 'CHARBUF', 'Namespace of the pod.', label(POD_NAMESPACE), { suggested: true }),
  field('k8s.pod.id', 'CHARBUF', 'The same as k8s.pod.uid.', label(POD_UID)),
  field('k8s.pod.uid', 'CHARBUF', 'Unique id of the pod.', label(POD_UID)),
  field(
    'k8s.pod.sandbox_id',
    'CHARBUF',
    'Short id of the sandbox container of the pod.',
    of((info) => some(info.podSandboxId.slice(0, 12))),
  ),
  field(
    'k8s.pod.full_sandbox_id',
    'CHARBUF',
    'Full id of the sandbox container of the pod.',
    of((info) => some(info.podSandboxId)),
  ),
  field(
    'k8s.pod.label',
    'CHARBUF',
    'A label of the pod.',
    bindLabel((info) => info.podSandboxLabels),
    key,
  ),
  field(
    'k8s.pod.labels',
    'CHARBUF',
    'All labels of the pod as name:value.',
    of((info) => labelsText(info.podSandboxLabels)),
  ),
  field(
    'k8s.pod.ip',
    'CHARBUF',
    'Address of the pod.',
    of((info) => some(info.ip)),
  ),
  field(
    'k8s.pod.cni.json',
    'CHARBUF',
    'What the network plugin said of the pod, as JSON.',
    of((info) => some(info.cniJson)),
  ),
  ...gone.filter((one) => one.name.startsWith('k8s.rc.') || one.name.startsWith('k8s.svc.')),
  field('k8s.ns.id', 'CHARBUF', 'Not filled any more (see k8smeta.ns).', never, {}, 'constant'),
  field('k8s.ns.label', 'CHARBUF', 'Not filled any more (see k8smeta.ns).', never, key, 'constant'),
  field('k8s.ns.labels', 'CHARBUF', 'Not filled any more (see k8smeta.ns).', never, {}, 'constant'),
  ...gone.filter((one) => one.name.startsWith('k8s.rs.') || one.name.startsWith('k8s.deployment.')),
];
