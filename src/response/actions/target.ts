/** From an alert to the objects that it is about. Nothing of an alert is trusted: names are checked before they are used. */
import { KubeError, type OwnerReference } from '../../kube/index.ts';
import { type Alert, textOf } from '../../outputs/forward/index.ts';
import { ActionError } from '../action.ts';
import type { Cluster, Thing } from '../cluster.ts';

/** RFC 1123 names, as the API server has them. */
const NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

/** A field of the alert. @throws ActionError when it has no value */
export function field(alert: Alert, ...names: readonly string[]): string {
  for (const name of names) {
    const value = textOf(alert.fields[name]);
    if (value !== '' && value !== '<NA>') return value;
  }
  throw new ActionError(`the alert has no ${names.join(' or ')}`);
}

function name(alert: Alert, ...names: readonly string[]): string {
  const value = field(alert, ...names);
  if (!NAME.test(value)) throw new ActionError(`"${value}" (${names[0]}) is no name of a Kubernetes object`);
  return value;
}

/** The pod of an alert as it is now. @throws ActionError when it is gone, or another one of the same name */
export async function podOf(alert: Alert, cluster: Cluster): Promise<Thing> {
  const namespace = name(alert, 'k8s.ns.name', 'k8smeta.ns.name');
  const pod = name(alert, 'k8s.pod.name', 'k8smeta.pod.name');
  let found: Thing;
  try {
    found = await cluster.get({ version: 'v1', resource: 'pods', namespace, name: pod });
  } catch (error) {
    if (error instanceof KubeError && error.status === 404)
      throw new ActionError(`pod ${namespace}/${pod} is gone`, true);
    throw error;
  }
  const uid = textOf(alert.fields['k8s.pod.uid']);
  if (uid !== '' && uid !== '<NA>' && uid !== found.metadata.uid)
    throw new ActionError(`pod ${namespace}/${pod} is another one by now`, true);
  return found;
}

/** The container of the pod that the alert is about, by its id or name; the only one if there is just one. */
export function containerOf(alert: Alert, pod: Thing): string {
  const statuses = [
    ...(pod.status?.containerStatuses ?? []),
    ...(pod.status?.initContainerStatuses ?? []),
    ...(pod.status?.ephemeralContainerStatuses ?? []),
  ] as { name: string; containerID?: string }[];
  const id = textOf(alert.fields['container.id']);
  const byId =
    id.length >= 8
      ? statuses.find(({ containerID }) => containerID?.replace(/^\w+:\/\//, '').startsWith(id))
      : undefined;
  if (byId !== undefined) return byId.name;
  const names = ((pod.spec?.containers ?? []) as { name: string }[]).map((container) => container.name);
  const wanted = textOf(alert.fields['container.name']);
  if (names.includes(wanted)) return wanted;
  if (names.length === 1) return names[0];
  throw new ActionError(`the alert does not say which of the containers ${names.join(', ')} it is about`);
}

export interface Workload {
  readonly place: {
    readonly version: string;
    readonly resource: string;
    readonly namespace: string;
    readonly name: string;
  };
  readonly kind: string;
  readonly object: Thing;
}

/** The controller of an object, followed upwards: a pod's ReplicaSet, then its Deployment. null: it stands alone. */
export async function workloadOf(object: Thing, cluster: Cluster): Promise<Workload | null> {
  let current = object;
  let owner = controllerOf(object);
  let found: Workload | null = null;
  for (let depth = 0; owner !== undefined && depth < 4; depth++) {
    const place = {
      version: owner.apiVersion,
      resource: `${owner.kind.toLowerCase()}s`,
      namespace: object.metadata.namespace ?? '',
      name: owner.name,
    };
    current = await cluster.get(place);
    if (current.metadata.uid !== owner.uid) return found;
    found = { place, kind: owner.kind, object: current };
    owner = controllerOf(current);
  }
  return found;
}

export function controllerOf(object: Thing): OwnerReference | undefined {
  return (
    object.metadata.ownerReferences?.find(({ controller }) => controller === true) ??
    object.metadata.ownerReferences?.[0]
  );
}

export function podTarget(pod: Thing): {
  target: string;
  namespace: string;
  labels: Readonly<Record<string, string>>;
} {
  const namespace = pod.metadata.namespace ?? '';
  return { target: `pod ${namespace}/${pod.metadata.name}`, namespace, labels: pod.metadata.labels ?? {} };
}

/** What the pod belongs to; its labels and the pod's may exempt it. */
export function workloadTarget(
  { place, kind, object }: Workload,
  pod: Thing,
): { target: string; namespace: string; labels: Readonly<Record<string, string>> } {
  return {
    target: `${kind.toLowerCase()} ${place.namespace}/${place.name}`,
    namespace: place.namespace,
    labels: { ...object.metadata.labels, ...pod.metadata.labels },
  };
}

/** The object of a Kubernetes audit event. */
export function auditTarget(alert: Alert): { resource: string; namespace: string | undefined; name: string } {
  const namespace = textOf(alert.fields['ka.target.namespace']);
  const hasNamespace = namespace !== '' && namespace !== '<NA>';
  const resource = field(alert, 'ka.target.resource');
  if (!/^[a-z]+$/.test(resource)) throw new ActionError(`"${resource}" is no resource`);
  return {
    resource,
    namespace: hasNamespace ? name(alert, 'ka.target.namespace') : undefined,
    name: name(alert, 'ka.target.name'),
  };
}
