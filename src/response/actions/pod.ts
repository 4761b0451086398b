/** Actions on the pod of the alert. */
import { z } from 'zod';
import { type Alert, textOf } from '../../outputs/forward/index.ts';
import { ActionError, type ActionKind, actionKind, type Step } from '../action.ts';
import type { Cluster, Place, Thing } from '../cluster.ts';
import { containerOf, controllerOf, field, podOf, podTarget, workloadOf, workloadTarget } from './target.ts';

/** Talon's files have numbers and flags as texts too. */
export const number = (fallback: number) => z.coerce.number().int().min(0).default(fallback);
export const flag = (fallback: boolean) => z.union([z.boolean(), z.stringbool()]).default(fallback);
export const texts = z.record(z.string(), z.coerce.string());

const podPlace = (pod: Thing): Place => ({
  version: 'v1',
  resource: 'pods',
  namespace: pod.metadata.namespace,
  name: pod.metadata.name,
});

const ending = z.strictObject({
  grace_period_seconds: number(0),
  ignore_standalone_pods: flag(true),
  ignore_daemonsets: flag(false),
  ignore_statefulsets: flag(false),
  min_healthy_replicas: z.coerce.string().default(''),
});

/**
 * The alert's pod, which is to be ended.
 * @throws ActionError when its owner exempts it, or too few healthy replicas would be left
 */
async function podToEnd(alert: Alert, parameters: z.infer<typeof ending>, cluster: Cluster): Promise<Thing> {
  const pod = await podOf(alert, cluster);
  const exempt = await exemption(pod, parameters, cluster);
  if (exempt !== null) throw new ActionError(`the pod stays: ${exempt}`, true);
  return pod;
}

/** What an exemption by owner, or by the number of healthy replicas that would be left, says; null: go on. */
async function exemption(pod: Thing, options: z.infer<typeof ending>, cluster: Cluster): Promise<string | null> {
  const owner = controllerOf(pod);
  if (owner === undefined) return options.ignore_standalone_pods ? 'it is a standalone pod' : null;
  if (owner.kind === 'DaemonSet' && options.ignore_daemonsets) return 'it belongs to a DaemonSet';
  if (owner.kind === 'StatefulSet' && options.ignore_statefulsets) return 'it belongs to a StatefulSet';
  return tooFewHealthy(pod, cluster, options.min_healthy_replicas);
}

/** Whether fewer replicas than `3` or `50%` of the pod's set are healthy; null: there are enough, or nothing is asked. */
export async function tooFewHealthy(pod: Thing, cluster: Cluster, least: string): Promise<string | null> {
  const owner = controllerOf(pod);
  const limit = /^\s*(\d+)\s*(%?)\s*$/.exec(least);
  if (owner === undefined || limit === null || owner.kind === 'DaemonSet') return null;
  const set = await cluster.get({
    version: owner.apiVersion,
    resource: `${owner.kind.toLowerCase()}s`,
    namespace: pod.metadata.namespace,
    name: owner.name,
  });
  const healthy = Number(set.status?.readyReplicas ?? 0);
  const wanted = Number(set.spec?.replicas ?? 0);
  const share = limit[2] === '%' ? (100 * healthy) / Math.max(1, wanted) : healthy;
  return share < Number(limit[1]) ? `only ${healthy} of ${wanted} replicas are healthy` : null;
}

/** Evicts a pod, which honours disruption budgets; another one that has its name by now is left alone. */
export async function evictPod({ metadata }: Thing, seconds: number, cluster: Cluster, dryRun: boolean): Promise<void> {
  const { name, namespace, uid } = metadata;
  await cluster.create(
    { ...podPlace({ metadata }), subresource: 'eviction' },
    {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name, namespace },
      deleteOptions: {
        gracePeriodSeconds: seconds,
        preconditions: { uid },
        ...(dryRun && { dryRun: ['All'] }),
      },
    },
    dryRun,
  );
}

const terminate = actionKind({
  name: 'kubernetes:terminate',
  doc: 'Deletes the pod.',
  continues: false,
  repeatable: true,
  parameters: ending,
  async plan(alert, parameters, { cluster }) {
    const pod = await podToEnd(alert, parameters, cluster());
    return {
      ...podTarget(pod),
      async perform(dryRun) {
        // The uid: a new pod of the same name is another one.
        await cluster().remove(
          podPlace(pod),
          { gracePeriodSeconds: parameters.grace_period_seconds, preconditions: { uid: pod.metadata.uid } },
          dryRun,
        );
        return { message: `deleted pod ${pod.metadata.namespace}/${pod.metadata.name}` };
      },
    };
  },
});

const evict = actionKind({
  name: 'kubernetes:evict',
  doc: 'Evicts the pod, which honours disruption budgets.',
  continues: false,
  repeatable: true,
  parameters: ending,
  async plan(alert, parameters, { cluster }) {
    const pod = await podToEnd(alert, parameters, cluster());
    return {
      ...podTarget(pod),
      async perform(dryRun) {
        await evictPod(pod, parameters.grace_period_seconds, cluster(), dryRun);
        return { message: `evicted pod ${pod.metadata.namespace}/${pod.metadata.name}` };
      },
    };
  },
});

/** Labels and annotations: an empty value removes one. The values before are kept for the way back. */
function marking(kind: 'labels' | 'annotations'): ActionKind {
  return actionKind({
    name: kind === 'labels' ? 'kubernetes:label' : 'kubernetes:annotation',
    doc: `Sets ${kind} of the pod or its node; an empty value removes one.`,
    continues: true,
    repeatable: true,
    parameters: z.strictObject({
      [kind]: texts,
      level: z.enum(['pod', 'node']).default('pod'),
    }),
    async plan(alert, parameters, { cluster }) {
      const { level } = parameters as { level: 'pod' | 'node' };
      const wanted = Object.fromEntries(
        Object.entries((parameters as Record<string, Record<string, string>>)[kind]).map(([key, value]) => [
          key,
          value === '' ? null : value,
        ]),
      );
      const pod = await podOf(alert, cluster());
      const place: Place =
        level === 'pod' ? podPlace(pod) : { version: 'v1', resource: 'nodes', name: String(pod.spec?.nodeName ?? '') };
      const target = level === 'pod' ? podTarget(pod) : { ...podTarget(pod), target: `node ${place.name}` };
      return {
        ...target,
        async perform(dryRun) {
          const before = (await cluster().get(place)).metadata[kind] ?? {};
          await cluster().patch(place, { metadata: { [kind]: wanted } }, 'merge', dryRun);
          const old = Object.fromEntries(Object.keys(wanted).map((key) => [key, before[key] ?? null]));
          return { message: `set ${kind} ${Object.keys(wanted).join(', ')} of ${target.target}`, undo: { place, old } };
        },
      };
    },
    async undo(record, { cluster }) {
      await cluster().patch(record.place as Place, { metadata: { [kind]: record.old } }, 'merge', false);
      return `restored ${kind} of ${(record.place as Place).name}`;
    },
  });
}

const execParameters = { shell: z.string().default('/bin/sh') };

/**
 * Talon puts field values into the text of a shell script (`${FD_NAME}`), which lets a file name run commands. Here the
 * script stays as it was written, and the values are variables of its environment: the shell takes them for data.
 */
function variablesOf(alert: Alert, script: string): string[] {
  const named = new Set([...script.matchAll(/\$\{?([A-Z][A-Z0-9_]*)\}?/g)].map(([, name]) => name));
  const values: Record<string, string> = {
    RULE: alert.rule,
    PRIORITY: alert.priority,
    SOURCE: alert.source,
    HOSTNAME: alert.hostname,
    TAGS: alert.tags.join(','),
  };
  for (const [name, value] of Object.entries(alert.fields))
    values[
      name
        .toUpperCase()
        .replace(/[^A-Z0-9]+/g, '_')
        .replace(/_+$/, '')
    ] = textOf(value);
  return Object.entries(values)
    .filter(([name, value]) => named.has(name) && !value.includes('\0'))
    .map(([name, value]) => `${name}=${value}`);
}

/** Runs a script in the container of the alert: as an argument of the shell, or as its input. */
async function stepOf(
  what: 'command' | 'script',
  alert: Alert,
  cluster: Cluster,
  shell: string,
  script: string,
): Promise<Step> {
  const pod = await podOf(alert, cluster);
  const container = containerOf(alert, pod);
  const { namespace = '', name } = pod.metadata;
  const variables = variablesOf(alert, script);
  const command = what === 'script' ? [shell, '-s'] : [shell, '-c', script];
  const argv = variables.length === 0 ? command : ['env', ...variables, ...command];
  const input = what === 'script' ? Buffer.from(script) : null;
  return {
    ...podTarget(pod),
    async perform(dryRun) {
      if (dryRun) return { message: `would run the ${what}` };
      const result = await cluster.exec(namespace, name, container, argv, input);
      const output = Buffer.concat([result.stdout, result.stderr]);
      if (result.status !== 0)
        throw new ActionError(`the command ended with ${result.status}: ${output.toString('utf8').slice(0, 300)}`);
      return {
        message: `ran the command in ${namespace}/${name} (${container})`,
        artefact: { name: 'output.txt', content: output },
      };
    },
  };
}

const exec = actionKind({
  name: 'kubernetes:exec',
  doc: 'Runs a command in the container of the alert; $FD_NAME and the like are variables in its environment.',
  continues: true,
  repeatable: false,
  parameters: z.strictObject({ command: z.string().min(1), ...execParameters }),
  plan: async (alert, { command, shell }, { cluster }) => stepOf('command', alert, cluster(), shell, command),
});

const script = actionKind({
  name: 'kubernetes:script',
  doc: 'Runs a script, given or from a file, in the container of the alert.',
  continues: true,
  repeatable: false,
  parameters: z
    .strictObject({ script: z.string().optional(), file: z.string().optional(), ...execParameters })
    .refine(({ script, file }) => (script === undefined) !== (file === undefined), 'give either script or file'),
  async plan(alert, { script, file, shell }, { cluster }) {
    const { readFile } = await import('node:fs/promises');
    const text = script ?? (await readFile(file as string, 'utf8'));
    return stepOf('script', alert, cluster(), shell, text);
  },
});

const log = actionKind({
  name: 'kubernetes:log',
  doc: "Gets the last lines of the container's log.",
  continues: true,
  repeatable: true,
  parameters: z.strictObject({ tail_lines: number(20) }),
  async plan(alert, { tail_lines }, { cluster }) {
    const pod = await podOf(alert, cluster());
    const container = containerOf(alert, pod);
    return {
      ...podTarget(pod),
      async perform() {
        const text = await cluster().text(
          { ...podPlace(pod), subresource: 'log' },
          { container, tailLines: String(tail_lines) },
        );
        return {
          message: `got ${text.split('\n').length - 1} lines of log`,
          artefact: { name: `${container}.log`, content: Buffer.from(text) },
        };
      },
    };
  },
});

const download = actionKind({
  name: 'kubernetes:download',
  doc: 'Copies a file out of the container.',
  continues: true,
  repeatable: true,
  artefact: true,
  parameters: z.strictObject({ file: z.string().min(1) }),
  async plan(alert, { file }, { cluster }) {
    const pod = await podOf(alert, cluster());
    const container = containerOf(alert, pod);
    // `${FD_NAME}` names the file of the alert; it becomes one argument, never a part of a script.
    const path = file.replace(/\$\{([A-Z0-9_]+)\}/g, (_all, name: string) =>
      field(alert, name.toLowerCase().replaceAll('_', '.')),
    );
    return {
      ...podTarget(pod),
      async perform(dryRun) {
        if (dryRun) return { message: `would copy ${path}` };
        const { status, stdout, stderr } = await cluster().exec(
          pod.metadata.namespace ?? '',
          pod.metadata.name,
          container,
          ['cat', '--', path],
          null,
        );
        if (status !== 0) throw new ActionError(`cannot read ${path}: ${stderr.toString('utf8').slice(0, 200)}`);
        return {
          message: `copied ${path} (${stdout.length} bytes)`,
          artefact: { name: path.split('/').pop() || 'file', content: stdout },
        };
      },
    };
  },
});

const scale = actionKind({
  name: 'kubernetes:scale',
  doc: 'Scales the Deployment, StatefulSet or ReplicaSet of the pod; the number before is kept for the way back.',
  continues: true,
  repeatable: true,
  parameters: z.strictObject({ replicas: number(0) }),
  async plan(alert, { replicas }, { cluster }) {
    const pod = await podOf(alert, cluster());
    const found = await workloadOf(pod, cluster());
    if (found === null || found.kind === 'DaemonSet' || found.kind === 'Job')
      throw new ActionError('the pod belongs to nothing that can be scaled', true);
    const { place, kind, object } = found;
    return {
      ...workloadTarget(found, pod),
      pods: Math.max(0, Number(object.spec?.replicas ?? 0) - replicas),
      async perform(dryRun) {
        const at: Place = { ...place, subresource: 'scale' };
        const current = await cluster().get(at);
        const before = Number(current.spec?.replicas ?? 0);
        if (before === replicas)
          return { message: `${kind} ${place.namespace}/${place.name} has ${replicas} replicas already` };
        // A scaling in between makes this a conflict, so that what is kept is what was.
        await cluster().patch(
          at,
          { metadata: { resourceVersion: current.metadata.resourceVersion }, spec: { replicas } },
          'merge',
          dryRun,
        );
        return {
          message: `scaled ${kind} ${place.namespace}/${place.name} from ${before} to ${replicas}`,
          undo: { place, before, after: replicas },
        };
      },
    };
  },
  async undo(record, { cluster }) {
    const { place, before, after } = record as unknown as { place: Place; before: number; after: number };
    const at: Place = { ...place, subresource: 'scale' };
    const now = Number((await cluster().get(at)).spec?.replicas ?? 0);
    if (now !== after) throw new ActionError(`somebody has scaled it to ${now} meanwhile: left as it is`);
    await cluster().patch(at, { spec: { replicas: before } }, 'merge', false);
    return `scaled ${place.namespace}/${place.name} back to ${before}`;
  },
});

const rollback = actionKind({
  name: 'kubernetes:rollout-undo',
  doc: 'Puts the Deployment of the pod back to its revision before.',
  continues: true,
  repeatable: false,
  parameters: z.strictObject({}),
  async plan(alert, _parameters, { cluster }) {
    const pod = await podOf(alert, cluster());
    const found = await workloadOf(pod, cluster());
    if (found?.kind !== 'Deployment') throw new ActionError('the pod belongs to no Deployment', true);
    const { place, object } = found;
    return {
      ...workloadTarget(found, pod),
      async perform(dryRun) {
        const revision = (thing: Thing) =>
          Number(thing.metadata.annotations?.['deployment.kubernetes.io/revision'] ?? 0);
        const sets = (
          await cluster().list({ version: 'apps/v1', resource: 'replicasets', namespace: place.namespace }, {})
        ).filter((set) => controllerOf(set)?.uid === object.metadata.uid);
        const current = revision(object);
        const previous = sets.filter((set) => revision(set) < current).sort((a, b) => revision(b) - revision(a))[0];
        if (previous === undefined) throw new ActionError('there is no revision before this one');
        const back = await cluster().get(place);
        await cluster().patch(
          place,
          [{ op: 'replace', path: '/spec/template', value: templateOf(previous) }],
          'json',
          dryRun,
        );
        return {
          message: `put ${place.namespace}/${place.name} back to revision ${revision(previous)}`,
          undo: { place, template: back.spec.template },
        };
      },
    };
  },
  async undo(record, { cluster }) {
    const { place, template } = record as unknown as { place: Place; template: unknown };
    await cluster().patch(place, [{ op: 'replace', path: '/spec/template', value: template }], 'json', false);
    return `gave ${place.namespace}/${place.name} its template back`;
  },
});

/** The pod template of a ReplicaSet without the hash that the Deployment added. */
function templateOf(set: Thing): unknown {
  const template = structuredClone(set.spec.template) as { metadata?: { labels?: Record<string, string> } };
  delete template.metadata?.labels?.['pod-template-hash'];
  return template;
}

export const POD_ACTIONS = [
  terminate,
  evict,
  marking('labels'),
  marking('annotations'),
  exec,
  script,
  log,
  download,
  scale,
  rollback,
];
