/** Actions on nodes, networks, and the objects of Kubernetes audit events. */
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { KubeError } from '../../kube/index.ts';
import { type Alert, textOf } from '../../outputs/forward/index.ts';
import { isIn, parseAddress, parseNetwork } from '../../rules/index.ts';
import { ActionError, actionKind } from '../action.ts';
import type { Cluster, Place, Thing } from '../cluster.ts';
import { evictPod, flag, number, tooFewHealthy } from './pod.ts';
import { auditTarget, controllerOf, podOf, podTarget, workloadOf } from './target.ts';

/** How often a drain looks whether the pods are gone, milliseconds. */
const WAITING = 1000;

const remove = actionKind({
  name: 'kubernetes:delete',
  doc: 'Deletes the object that a Kubernetes audit event is about.',
  continues: false,
  repeatable: true,
  parameters: z.strictObject({}),
  async plan(alert, _parameters, { cluster }) {
    const { resource, namespace, name } = auditTarget(alert);
    const place: Place = { version: VERSIONS[resource] ?? 'v1', resource, namespace, name };
    const found = await cluster()
      .get(place)
      .catch((error: KubeError) => {
        if (error.status === 404) throw new ActionError(`${resource} ${name} is gone`, true);
        throw error;
      });
    return {
      target: `${resource} ${namespace === undefined ? '' : `${namespace}/`}${name}`,
      namespace: resource === 'namespaces' ? name : namespace,
      labels: found.metadata.labels ?? {},
      async perform(dryRun) {
        await cluster().remove(place, { preconditions: { uid: found.metadata.uid } }, dryRun);
        return { message: `deleted ${resource} ${name}` };
      },
    };
  },
});

/** API versions of the resources that audit rules name; the others are in the core group. */
const VERSIONS: Readonly<Record<string, string>> = {
  deployments: 'apps/v1',
  daemonsets: 'apps/v1',
  statefulsets: 'apps/v1',
  replicasets: 'apps/v1',
  jobs: 'batch/v1',
  cronjobs: 'batch/v1',
  roles: 'rbac.authorization.k8s.io/v1',
  rolebindings: 'rbac.authorization.k8s.io/v1',
  clusterroles: 'rbac.authorization.k8s.io/v1',
  clusterrolebindings: 'rbac.authorization.k8s.io/v1',
  ingresses: 'networking.k8s.io/v1',
  networkpolicies: 'networking.k8s.io/v1',
};

const nodePlace = (name: string): Place => ({ version: 'v1', resource: 'nodes', name });

async function cordonNode(cluster: Cluster, node: string, dryRun: boolean): Promise<boolean> {
  const before = (await cluster.get(nodePlace(node))).spec?.unschedulable === true;
  if (!before) await cluster.patch(nodePlace(node), { spec: { unschedulable: true } }, 'merge', dryRun);
  return !before;
}
async function uncordon(record: Readonly<Record<string, unknown>>, cluster: Cluster): Promise<string> {
  await cluster.patch(nodePlace(String(record.node)), { spec: { unschedulable: null } }, 'merge', false);
  return `node ${record.node} takes pods again`;
}

const cordon = actionKind({
  name: 'kubernetes:cordon',
  doc: 'Lets no further pods onto the node of the pod.',
  continues: true,
  repeatable: true,
  parameters: z.strictObject({}),
  async plan(alert, _parameters, { cluster }) {
    const pod = await podOf(alert, cluster());
    const node = String(pod.spec?.nodeName ?? '');
    return {
      ...podTarget(pod),
      target: `node ${node}`,
      async perform(dryRun) {
        const changed = await cordonNode(cluster(), node, dryRun);
        return { message: `cordoned node ${node}`, undo: changed ? { node } : undefined };
      },
    };
  },
  undo: (record, { cluster }) => uncordon(record, cluster()),
});

const drain = actionKind({
  name: 'kubernetes:drain',
  doc: 'Cordons the node of the pod and evicts its pods.',
  continues: true,
  repeatable: true,
  obsolete: { force: 'evictions are never forced; disruption budgets are honoured' },
  parameters: z.strictObject({
    min_healthy_replicas: z.coerce.string().default(''),
    ignore_errors: flag(false),
    ignore_daemonsets: flag(true),
    ignore_statefulsets: flag(false),
    grace_period_seconds: number(0),
    /** Seconds to wait until the pods are gone; 0: not at all. */
    max_wait_period: number(0),
    wait_period_excluded_namespaces: z.array(z.string()).default([]),
  }),
  async plan(alert, parameters, { cluster, protectionOf }) {
    const pod = await podOf(alert, cluster());
    const node = String(pod.spec?.nodeName ?? '');
    /** The node's pods but for those that would come back, and those that are protected. */
    const toEvict = async () => {
      const all = await cluster().list({ version: 'v1', resource: 'pods' }, { fieldSelector: `spec.nodeName=${node}` });
      return all.filter((other) => {
        const kind = controllerOf(other)?.kind;
        const { name, namespace = '', labels = {}, annotations = {} } = other.metadata;
        // Mirror pods are the kubelet's own; a DaemonSet's pod would come back.
        if (annotations['kubernetes.io/config.mirror'] !== undefined || kind === 'DaemonSet') return false;
        if (kind === 'StatefulSet' && parameters.ignore_statefulsets) return false;
        return protectionOf({ namespace, name, labels }) === null;
      });
    };
    return {
      ...podTarget(pod),
      target: `node ${node}`,
      pods: (await toEvict()).length,
      async perform(dryRun) {
        const changed = await cordonNode(cluster(), node, dryRun);
        let evicted = 0;
        const failed: string[] = [];
        const awaited = new Set<string>();
        for (const other of await toEvict()) {
          const { name, namespace = '', uid = '' } = other.metadata;
          try {
            if ((await tooFewHealthy(other, cluster(), parameters.min_healthy_replicas)) !== null) continue;
            await evictPod(other, parameters.grace_period_seconds, cluster(), dryRun);
            evicted++;
            if (!parameters.wait_period_excluded_namespaces.includes(namespace)) awaited.add(uid);
          } catch (error) {
            if (!(error instanceof KubeError && error.status === 404))
              failed.push(`${namespace}/${name}: ${(error as Error).message}`);
          }
        }
        const until = Date.now() + parameters.max_wait_period * 1000;
        while (!dryRun && awaited.size > 0 && Date.now() < until) {
          const left = await cluster().list(
            { version: 'v1', resource: 'pods' },
            { fieldSelector: `spec.nodeName=${node}` },
          );
          const there = new Set(left.map(({ metadata }) => metadata.uid));
          for (const uid of awaited) if (!there.has(uid)) awaited.delete(uid);
          if (awaited.size > 0) await sleep(Math.min(WAITING, Math.max(0, until - Date.now())));
        }
        if (!dryRun && parameters.max_wait_period > 0 && awaited.size > 0)
          failed.push(`${awaited.size} pods are still there after ${parameters.max_wait_period} s`);
        if (failed.length > 0 && !parameters.ignore_errors)
          throw new ActionError(`evicted ${evicted} pods of node ${node}; not ${failed.join('; ')}`);
        return { message: `drained node ${node}: ${evicted} pods evicted`, undo: changed ? { node } : undefined };
      },
    };
  },
  undo: (record, { cluster }) => uncordon(record, cluster()),
});

const networkParameters = {
  allow_cidr: z.array(z.string()).default(['0.0.0.0/0']),
  allow_namespaces: z.array(z.string()).default([]),
};

/** The other end of the connection; null when the alert is about none. */
function remoteAddress(alert: Alert): string | null {
  const address = ['fd.sip', 'fd.rip'].map((name) => textOf(alert.fields[name])).find((value) => isIP(value) !== 0);
  return address ?? null;
}

/** Labels that select the pod and its siblings, and a name for a policy about them. */
async function selectorOf(pod: Thing, cluster: Cluster): Promise<{ name: string; labels: Record<string, string> }> {
  const workload = await workloadOf(pod, cluster);
  const labels = (workload?.object.spec?.selector?.matchLabels ?? pod.metadata.labels ?? {}) as Record<string, string>;
  if (Object.keys(labels).length === 0)
    throw new ActionError('the pod has no labels: a policy would be about the whole namespace');
  return { name: `windhover-${(workload?.place.name ?? pod.metadata.name).slice(0, 50)}`, labels };
}

const POLICY_LABELS = { 'app.kubernetes.io/managed-by': 'windhover' };

/** Makes or replaces a policy; its way back deletes it, or gives it its spec before. */
async function putPolicy(
  cluster: Cluster,
  place: Place,
  object: {
    readonly apiVersion: string;
    readonly kind: string;
    readonly metadata: { readonly name: string; readonly [key: string]: unknown };
    readonly spec: unknown;
  },
  dryRun: boolean,
) {
  const at = { ...place, name: object.metadata.name };
  try {
    const before = await cluster.get(at);
    await cluster.patch(at, [{ op: 'replace', path: '/spec', value: object.spec }], 'json', dryRun);
    return { place: at, spec: before.spec };
  } catch (error) {
    if (!(error instanceof KubeError) || error.status !== 404) throw error;
    await cluster.create(place, object, dryRun);
    return { place: at, spec: null };
  }
}
async function withdrawPolicy(record: Readonly<Record<string, unknown>>, cluster: Cluster): Promise<string> {
  const { place, spec } = record as unknown as { place: Place; spec: unknown };
  if (spec === null) await cluster.remove(place, {}, false);
  else await cluster.patch(place, [{ op: 'replace', path: '/spec', value: spec }], 'json', false);
  return `${spec === null ? 'removed' : 'restored'} the policy ${place.namespace}/${place.name}`;
}

const networkPolicy = actionKind({
  name: 'kubernetes:networkpolicy',
  doc: 'Lets the pod and its siblings talk to nothing but `allow_cidr` and `allow_namespaces`, and never to the address of the alert.',
  continues: true,
  repeatable: true,
  obsolete: { allow: 'list networks in allow_cidr, namespaces in allow_namespaces' },
  parameters: z.strictObject(networkParameters),
  async plan(alert, { allow_cidr, allow_namespaces }, { cluster }) {
    const pod = await podOf(alert, cluster());
    const { name, labels } = await selectorOf(pod, cluster());
    const remote = remoteAddress(alert);
    const namespace = pod.metadata.namespace ?? '';
    const blocks = allow_cidr.map((cidr) => {
      const network = parseNetwork(cidr);
      const address = remote === null ? null : parseAddress(remote);
      const isInside = network !== null && address !== null && isIn(address, network);
      return {
        ipBlock: { cidr, ...(isInside && { except: [`${remote}/${isIP(remote as string) === 6 ? 128 : 32}`] }) },
      };
    });
    const namespaces = allow_namespaces.map((other) => ({
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': other } },
    }));
    return {
      ...podTarget(pod),
      async perform(dryRun) {
        const undo = await putPolicy(
          cluster(),
          { version: 'networking.k8s.io/v1', resource: 'networkpolicies', namespace },
          {
            apiVersion: 'networking.k8s.io/v1',
            kind: 'NetworkPolicy',
            metadata: { name, namespace, labels: POLICY_LABELS },
            spec: {
              podSelector: { matchLabels: labels },
              policyTypes: ['Egress'],
              egress: [{ to: [...blocks, ...namespaces] }],
            },
          },
          dryRun,
        );
        return { message: `network policy ${namespace}/${name}${remote === null ? '' : ` against ${remote}`}`, undo };
      },
    };
  },
  undo: (record, { cluster }) => withdrawPolicy(record, cluster()),
});

/** The two other network plug-ins can deny one address and leave the rest alone. */
const denying = (
  kind: 'calico' | 'cilium',
  parameters: z.ZodObject,
  version: string,
  resource: string,
  objectKind: string,
  spec: (labels: Record<string, string>, cidr: string, parameters: Record<string, unknown>) => unknown,
) =>
  actionKind({
    name: `${kind}:networkpolicy`,
    doc: `Denies the pod and its siblings the address of the alert (${kind === 'calico' ? 'Calico' : 'Cilium'}).`,
    continues: true,
    repeatable: true,
    parameters,
    async plan(alert, given, { cluster }) {
      const pod = await podOf(alert, cluster());
      const remote = remoteAddress(alert);
      if (remote === null) throw new ActionError(`the alert has no address`);
      const { name, labels } = await selectorOf(pod, cluster());
      const namespace = pod.metadata.namespace ?? '';
      const cidr = `${remote}/${isIP(remote) === 6 ? 128 : 32}`;
      return {
        ...podTarget(pod),
        async perform(dryRun) {
          const object = {
            apiVersion: version,
            kind: objectKind,
            metadata: { name, namespace, labels: POLICY_LABELS },
            spec: spec(labels, cidr, given),
          };
          const undo = await putPolicy(cluster(), { version, resource, namespace }, object, dryRun);
          return { message: `${kind} policy ${namespace}/${name} against ${remote}`, undo };
        },
      };
    },
    undo: (record, { cluster }) => withdrawPolicy(record, cluster()),
  });

const calico = denying(
  'calico',
  z.strictObject({ ...networkParameters, order: number(0) }),
  'crd.projectcalico.org/v1',
  'networkpolicies',
  'NetworkPolicy',
  (labels, cidr, { order, allow_cidr }) => ({
    order,
    selector: Object.entries(labels)
      .map(([key, value]) => `${key} == '${value.replaceAll("'", '')}'`)
      .join(' && '),
    types: ['Egress'],
    egress: [
      { action: 'Deny', destination: { nets: [cidr] } },
      { action: 'Allow', destination: { nets: allow_cidr } },
    ],
  }),
);

const cilium = denying(
  'cilium',
  z.strictObject(networkParameters),
  'cilium.io/v2',
  'ciliumnetworkpolicies',
  'CiliumNetworkPolicy',
  (labels, cidr, { allow_cidr }) => ({
    endpointSelector: { matchLabels: labels },
    egressDeny: [{ toCIDRSet: [{ cidr }] }],
    egress: [{ toCIDRSet: (allow_cidr as string[]).map((allowed) => ({ cidr: allowed })) }],
  }),
);

export const CLUSTER_ACTIONS = [remove, cordon, drain, networkPolicy, calico, cilium];
