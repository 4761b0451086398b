import type { Value } from '../rules/catalogue.ts';
import type { KubeObject, PodInfo, State } from '../state/index.ts';
import { type Extractor, type Field, rowMaker } from './field.ts';

const row = rowMaker('k8smeta', { sources: ['syscall'] });

/** Reads something of the pod that the event's thread is in. */
const of =
  (read: (pod: PodInfo) => Value | null): Extractor =>
  (_, state: State) => {
    const uid = state.thread === null ? '' : state.cgroups.pod(state.thread.cgroups);
    const pod = uid === '' ? undefined : state.pods.get(uid);
    return pod === undefined ? null : read(pod);
  };

const some = (text: string | undefined): string | null => (text === undefined || text === '' ? null : text);
const pairs = (labels: Readonly<Record<string, string>> | undefined): string[] =>
  Object.entries(labels ?? {}).map(([name, value]) => `${name}:${value}`);

/** An empty list is no value. */
const list = (items: readonly string[]): readonly string[] | null => (items.length === 0 ? null : items);

const key = { argument: 'required', argumentHelp: 'name of a label' } as const;

/** Name, uid, label and labels of an object that belongs to the pod. */
function object(kind: string, what: string, read: (pod: PodInfo) => KubeObject | null): Field[] {
  return [
    row(
      `k8smeta.${kind}.name`,
      'CHARBUF',
      'thread',
      `Name of the ${what}.`,
      of((pod) => some(read(pod)?.name)),
      { suggested: kind === 'ns' },
    ),
    row(
      `k8smeta.${kind}.uid`,
      'CHARBUF',
      'thread',
      `Unique id of the ${what}.`,
      of((pod) => some(read(pod)?.uid)),
    ),
    row(
      `k8smeta.${kind}.label`,
      'CHARBUF',
      'thread',
      `A label of the ${what}.`,
      { bind: (name) => of((pod) => some(read(pod)?.labels[name ?? ''])) },
      key,
    ),
    row(
      `k8smeta.${kind}.labels`,
      'CHARBUF',
      'thread',
      `All labels of the ${what} as name:value.`,
      of((pod) => list(pairs(read(pod)?.labels))),
      { isList: true },
    ),
  ];
}

const isList = { isList: true };

/** Fields that the Kubernetes collector fills; without it they have no value. */
export const K8SMETA_FIELDS: readonly Field[] = [
  row(
    'k8smeta.pod.name',
    'CHARBUF',
    'thread',
    'Name of the pod.',
    of((pod) => some(pod.name)),
    { suggested: true },
  ),
  row(
    'k8smeta.pod.uid',
    'CHARBUF',
    'thread',
    'Unique id of the pod.',
    of((pod) => some(pod.uid)),
  ),
  row(
    'k8smeta.pod.label',
    'CHARBUF',
    'thread',
    'A label of the pod.',
    { bind: (name) => of((pod) => some(pod.labels[name ?? ''])) },
    key,
  ),
  row(
    'k8smeta.pod.labels',
    'CHARBUF',
    'thread',
    'All labels of the pod as name:value.',
    of((pod) => list(pairs(pod.labels))),
    isList,
  ),
  row(
    'k8smeta.pod.ip',
    'CHARBUF',
    'thread',
    'Address of the pod.',
    of((pod) => some(pod.ip)),
  ),
  ...object('ns', 'namespace of the pod', (pod) => pod.namespace),
  ...object('deployment', 'deployment of the pod', (pod) => pod.deployment),
  row(
    'k8smeta.svc.name',
    'CHARBUF',
    'thread',
    'Names of the services of the pod.',
    of((pod) => list(pod.services.map((one) => one.name))),
    isList,
  ),
  row(
    'k8smeta.svc.uid',
    'CHARBUF',
    'thread',
    'Unique ids of the services of the pod.',
    of((pod) => list(pod.services.map((one) => one.uid))),
    isList,
  ),
  row(
    'k8smeta.svc.label',
    'CHARBUF',
    'thread',
    'Values of a label of the services of the pod.',
    { bind: (name) => of((pod) => list(pod.services.flatMap((one) => one.labels[name ?? ''] ?? []))) },
    { ...key, isList: true },
  ),
  row(
    'k8smeta.svc.labels',
    'CHARBUF',
    'thread',
    'All labels of the services of the pod as name:value.',
    of((pod) => list(pod.services.flatMap((one) => pairs(one.labels)))),
    isList,
  ),
  ...object('rs', 'replica set of the pod', (pod) => pod.replicaSet),
  ...object('rc', 'replication controller of the pod', (pod) => pod.replicationController),
  row(
    'wh.k8s.owner.kind',
    'CHARBUF',
    'thread',
    'Kind of what the pod belongs to in the end: Deployment, StatefulSet, DaemonSet, CronJob, Job, …',
    of((pod) => some(pod.owner?.kind)),
  ),
  row(
    'wh.k8s.owner.name',
    'CHARBUF',
    'thread',
    'Name of what the pod belongs to in the end.',
    of((pod) => some(pod.owner?.name)),
  ),
];
