import { toByteString } from '../bytes.ts';
import type { Event } from '../event/index.ts';
import type { Value } from '../rules/catalogue.ts';
import { type Extractor, type Field, rowMaker } from './field.ts';
import { asText, get, type Json, payloadOf } from './json.ts';

/** The fields of Kubernetes audit events (`ka.*`), as Falco's k8saudit plugin 0.18 names and reads them. */
const row = rowMaker('k8saudit', { sources: ['k8s_audit'] });

type Path = readonly (string | number)[];

/** Elements of an array; nothing when it is none. */
const elements = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : []);

/** A value that is there, as text. */
const text = (value: Json | undefined): string | null => (value === undefined || value === null ? null : asText(value));

const at =
  (...path: Path) =>
  (event: Event): string | null =>
    text(get(payloadOf(event), ...path));

const annotation = (name: string): Extractor => at('annotations', name);

/** An empty list is no value. */
const list = (items: readonly string[]): Value | null => (items.length === 0 ? null : items);

/**
 * A list field, whose argument picks one element.
 * `read` gives for each place (container, rule …) its values, so that an argument picks the place.
 */
function places(read: (event: Event) => readonly (readonly string[])[]) {
  return {
    bind(argument: string | null): Extractor {
      if (argument === null) return (event) => list(read(event).flat());
      const n = Number(argument);
      return (event) => list(read(event)[n] ?? []);
    },
  };
}

const indexed = {
  isList: true,
  argument: 'optional',
  argumentHelp: 'position in the list, from 0',
  checkArgument: (argument: string) =>
    /^\d+$/.test(argument) ? null : `index argument must be a number, not ${argument}`,
} as const;
const isList = { isList: true } as const;

/** Texts of a value that is one or a list of them. */
const texts = (value: Json | undefined): string[] =>
  value === undefined || value === null
    ? []
    : Array.isArray(value)
      ? value.filter((one) => one !== null).map(asText)
      : [asText(value)];

/** Reads something once a pod was created: not of attempts, and not of its subresources. */
const ofCreatedPod =
  (read: (event: Event) => Value | null): ((event: Event) => Value | null) =>
  (event) => {
    const payload = payloadOf(event);
    const is = (expected: string, ...path: Path): boolean => get(payload, ...path) === expected;
    const code = Number(get(payload, 'responseStatus', 'code'));
    return is('create', 'verb') &&
      is('ResponseComplete', 'stage') &&
      is('pods', 'objectRef', 'resource') &&
      get(payload, 'objectRef', 'subresource') === undefined &&
      code >= 200 &&
      code < 300
      ? read(event)
      : null;
  };

const spec = (event: Event): Json | undefined => get(payloadOf(event), 'requestObject', 'spec');

/** Repository of an image: without digest and tag. */
function repository(image: string): string {
  const name = image.split('@', 1)[0] as string;
  const colon = name.lastIndexOf(':');
  return colon > name.lastIndexOf('/') ? name.slice(0, colon) : name;
}

/** What a container lacks stands as this in lists, so that positions stay right. */
const MISSING = '<NA>';

const orMissing = (value: Json | undefined): string => text(value) ?? MISSING;

/** A field of each container of a kind. */
function containers(kind: string, read: (container: Json, spec: Json | undefined) => readonly string[]) {
  return places((event) => {
    const pod = spec(event);
    return elements(get(pod, kind)).map((container) => read(container, pod));
  });
}

/** The effective id: the container's, else the pod's, else root's. */
const effective = (container: Json, pod: Json | undefined, name: string): string =>
  text(get(container, 'securityContext', name)) ?? text(get(pod, 'securityContext', name)) ?? '0';

/** The rows that every kind of container has: `name`, description, and how to read it. */
const CONTAINER_ROWS: readonly (readonly [
  name: string,
  what: string,
  read: (container: Json, pod: Json | undefined) => readonly string[],
])[] = [
  ['args', 'Arguments', (container) => texts(get(container, 'args'))],
  ['command', 'Commands', (container) => texts(get(container, 'command'))],
  ['name', 'Names', (container) => [orMissing(get(container, 'name'))]],
  ['image', 'Images', (container) => [orMissing(get(container, 'image'))]],
  [
    'image.repository',
    'Repositories of the images',
    (container) => {
      const image = text(get(container, 'image'));
      return [image === null ? MISSING : repository(image)];
    },
  ],
  [
    'host_port',
    'Ports of the host',
    (container) => elements(get(container, 'ports')).map((port) => orMissing(get(port, 'hostPort'))),
  ],
  ['privileged', 'Privileged flags', (container) => [orMissing(get(container, 'securityContext', 'privileged'))]],
  [
    'allow_privilege_escalation',
    'Flags that allow more privileges',
    (container) => [orMissing(get(container, 'securityContext', 'allowPrivilegeEscalation'))],
  ],
  [
    'read_only_fs',
    'Flags for a read-only root file system',
    (container) => [orMissing(get(container, 'securityContext', 'readOnlyRootFilesystem'))],
  ],
  ['run_as_user', 'User ids', (container) => [orMissing(get(container, 'securityContext', 'runAsUser'))]],
  [
    'eff_run_as_user',
    "User ids, the pod's or 0 where a container has none,",
    (container, pod) => [effective(container, pod, 'runAsUser')],
  ],
  ['run_as_group', 'Group ids', (container) => [orMissing(get(container, 'securityContext', 'runAsGroup'))]],
  [
    'eff_run_as_group',
    "Group ids, the pod's or 0 where a container has none,",
    (container, pod) => [effective(container, pod, 'runAsGroup')],
  ],
  ['proc_mount', 'Kinds of /proc mounts', (container) => [orMissing(get(container, 'securityContext', 'procMount'))]],
  [
    'add_capabilities',
    'Added capabilities',
    (container) => texts(get(container, 'securityContext', 'capabilities', 'add')),
  ],
];

const KINDS: Readonly<Record<string, string>> = {
  containers: 'containers',
  initContainers: 'init containers',
  ephemeralContainers: 'ephemeral containers',
};

function containerRow(kind: string, name: string): Field {
  const found = CONTAINER_ROWS.find((one) => one[0] === name);
  if (found === undefined) throw new Error(`no container field ${name}`);
  return row(
    `ka.req.pod.${kind}.${name}`,
    'CHARBUF',
    'event',
    `${found[1]} of the ${KINDS[kind]} of a pod that is requested.`,
    containers(kind, found[2]),
    indexed,
  );
}

/** In the order of the reference's list. */
const OTHER_KINDS = [
  'name',
  'image',
  'image.repository',
  'command',
  'args',
  'privileged',
  'allow_privilege_escalation',
  'read_only_fs',
  'run_as_user',
  'eff_run_as_user',
  'run_as_group',
  'eff_run_as_group',
  'proc_mount',
  'add_capabilities',
];

/** The first container's: fields from before pods could be told apart from containers. */
const first =
  (...path: Path): Extractor =>
  (event) =>
    text(get(spec(event), 'containers', 0, ...path));

function subjects(event: Event, kind: string | null): readonly Json[] {
  const all = elements(get(payloadOf(event), 'requestObject', 'subjects'));
  return kind === null ? all : all.filter((subject) => get(subject, 'kind') === kind);
}

const subjectNames =
  (kind: string): Extractor =>
  (event) =>
    list(subjects(event, kind).flatMap((subject) => texts(get(subject, 'name'))));

/** Rules of a role: each rule is a place. */
const roleRules = (...path: Path) =>
  places((event) => elements(get(payloadOf(event), 'requestObject', 'rules')).map((rule) => texts(get(rule, ...path))));

function uriParam(argument: string | null): Extractor {
  return (event) => {
    const uri = get(payloadOf(event), 'requestURI');
    if (typeof uri !== 'string') return null;
    const query = uri.indexOf('?');
    const value = query < 0 ? null : new URLSearchParams(uri.slice(query + 1)).get(argument ?? '');
    return value === null ? null : toByteString(value);
  };
}

/** Names a volume's source by its key. */
const volumeTypes = (volume: Json): string[] =>
  volume !== null && typeof volume === 'object' && !Array.isArray(volume)
    ? Object.keys(volume)
        .filter((key) => key !== 'name')
        .map(toByteString)
    : [];

const volumes = (read: (volume: Json) => readonly string[]) =>
  places((event) => elements(get(spec(event), 'volumes')).map(read));

/** `true` when a volume mounts the path of the host, or one that the pattern (a trailing `*`) names. */
function hostPath(argument: string | null): Extractor {
  const wanted = argument ?? '';
  const prefix = wanted.endsWith('*') ? wanted.slice(0, -1) : null;
  return (event) => {
    if (payloadOf(event) === undefined) return null;
    const found = elements(get(spec(event), 'volumes')).some((volume) => {
      const path = get(volume, 'hostPath', 'path');
      return typeof path === 'string' && (prefix === null ? path === wanted : path.startsWith(prefix));
    });
    return String(found);
  };
}

export const K8SAUDIT_FIELDS: readonly Field[] = [
  row('ka.auditid', 'CHARBUF', 'event', 'Unique id of the audit event.', at('auditID')),
  row('ka.stage', 'CHARBUF', 'event', 'Stage of the request: RequestReceived, ResponseComplete …', at('stage')),
  row(
    'ka.auth.decision',
    'CHARBUF',
    'event',
    'Decision of the authorisation: allow or forbid.',
    annotation('authorization.k8s.io/decision'),
  ),
  row('ka.auth.reason', 'CHARBUF', 'event', 'Reason of that decision.', annotation('authorization.k8s.io/reason')),
  row(
    'ka.auth.openshift.decision',
    'CHARBUF',
    'event',
    "Decision of OpenShift's authentication.",
    annotation('authentication.openshift.io/decision'),
  ),
  row(
    'ka.validations.admission.policy.failure',
    'CHARBUF',
    'event',
    'Which admission policies refused the request, and why.',
    annotation('validation.policy.admission.k8s.io/validation_failure'),
  ),
  row(
    'ka.security.pod.violations',
    'CHARBUF',
    'event',
    'Violations of the pod security standards.',
    annotation('pod-security.kubernetes.io/audit-violations'),
  ),
  row(
    'ka.auth.openshift.username',
    'CHARBUF',
    'event',
    'User name that OpenShift authenticated.',
    annotation('authentication.openshift.io/username'),
  ),
  row('ka.user.name', 'CHARBUF', 'event', 'User who made the request.', at('user', 'username')),
  row(
    'ka.user.groups',
    'CHARBUF',
    'event',
    'Groups of that user.',
    (event) => list(texts(get(payloadOf(event), 'user', 'groups'))),
    isList,
  ),
  row(
    'ka.impuser.name',
    'CHARBUF',
    'event',
    'User as whom the request was made (impersonation).',
    at('impersonatedUser', 'username'),
  ),
  row('ka.verb', 'CHARBUF', 'event', 'Verb of the request: get, list, create, patch, delete …', at('verb')),
  row('ka.uri', 'CHARBUF', 'event', 'URI of the request.', at('requestURI')),
  row(
    'ka.uri.param',
    'CHARBUF',
    'event',
    'One parameter of the query of the URI.',
    { bind: uriParam },
    { argument: 'required', argumentHelp: 'name of a parameter' },
  ),
  row('ka.target.name', 'CHARBUF', 'event', 'Name of the object of the request.', at('objectRef', 'name')),
  row(
    'ka.target.namespace',
    'CHARBUF',
    'event',
    'Namespace of the object of the request.',
    at('objectRef', 'namespace'),
  ),
  row(
    'ka.target.resource',
    'CHARBUF',
    'event',
    'Kind of the object of the request, in plural.',
    at('objectRef', 'resource'),
  ),
  row(
    'ka.target.subresource',
    'CHARBUF',
    'event',
    'Part of the object that the request is about, for instance exec.',
    at('objectRef', 'subresource'),
  ),
  row(
    'ka.target.pod.name',
    'CHARBUF',
    'event',
    'Name of the pod of the request; for a new pod the name that it was given.',
    (event) => {
      const payload = payloadOf(event);
      if (get(payload, 'objectRef', 'resource') !== 'pods') return null;
      return text(get(payload, 'objectRef', 'name')) ?? text(get(payload, 'responseObject', 'metadata', 'name'));
    },
  ),
  row(
    'ka.req.binding.subjects',
    'CHARBUF',
    'event',
    'Subjects of a role binding, each as JSON.',
    (event) => list(subjects(event, null).map(asText)),
    isList,
  ),
  row(
    'ka.req.binding.subjects.user_names',
    'CHARBUF',
    'event',
    'Names of the users among the subjects of a role binding.',
    subjectNames('User'),
    isList,
  ),
  row(
    'ka.req.binding.subjects.serviceaccount_names',
    'CHARBUF',
    'event',
    'Names of the service accounts among the subjects.',
    subjectNames('ServiceAccount'),
    isList,
  ),
  row(
    'ka.req.binding.subjects.serviceaccount_ns_names',
    'CHARBUF',
    'event',
    'Service accounts among the subjects as namespace:name.',
    (event) =>
      list(
        subjects(event, 'ServiceAccount').map(
          (one) => `${text(get(one, 'namespace')) ?? ''}:${text(get(one, 'name')) ?? ''}`,
        ),
      ),
    isList,
  ),
  row(
    'ka.req.binding.subjects.group_names',
    'CHARBUF',
    'event',
    'Names of the groups among the subjects.',
    subjectNames('Group'),
    isList,
  ),
  row(
    'ka.req.binding.role',
    'CHARBUF',
    'event',
    'Role that a role binding gives.',
    at('requestObject', 'roleRef', 'name'),
  ),
  row(
    'ka.req.binding.subject.has_name',
    'CHARBUF',
    'event',
    'Whether a subject of that name is in the role binding: true or false.',
    {
      bind: (name) => (event) =>
        payloadOf(event) === undefined
          ? null
          : String(subjects(event, null).some((one) => text(get(one, 'name')) === name)),
    },
    { argument: 'required', argumentHelp: 'a name' },
  ),
  row(
    'ka.req.configmap.name',
    'CHARBUF',
    'event',
    'Name of a config map that is requested.',
    at('requestObject', 'metadata', 'name'),
  ),
  row(
    'ka.req.configmap.obj',
    'CHARBUF',
    'event',
    'Content of a config map that is requested, as JSON.',
    at('requestObject', 'data'),
  ),
  ...['args', 'command', 'name', 'image'].map((name) => containerRow('containers', name)),
  row(
    'ka.req.container.image',
    'CHARBUF',
    'event',
    'Image of the first container of a pod that is requested.',
    first('image'),
  ),
  containerRow('containers', 'image.repository'),
  row(
    'ka.req.container.image.repository',
    'CHARBUF',
    'event',
    'Repository of the image of the first container.',
    (event) => {
      const image = text(get(spec(event), 'containers', 0, 'image'));
      return image === null ? null : repository(image);
    },
  ),
  row(
    'ka.req.pod.host_ipc',
    'CHARBUF',
    'event',
    'Whether a pod that is requested shares the IPC namespace of the host.',
    at('requestObject', 'spec', 'hostIPC'),
  ),
  row(
    'ka.req.pod.host_network',
    'CHARBUF',
    'event',
    'Whether it shares the network of the host.',
    at('requestObject', 'spec', 'hostNetwork'),
  ),
  row(
    'ka.req.container.host_network',
    'CHARBUF',
    'event',
    'The same as ka.req.pod.host_network.',
    at('requestObject', 'spec', 'hostNetwork'),
  ),
  row(
    'ka.req.pod.host_pid',
    'CHARBUF',
    'event',
    'Whether it shares the pid namespace of the host.',
    at('requestObject', 'spec', 'hostPID'),
  ),
  containerRow('containers', 'host_port'),
  containerRow('containers', 'privileged'),
  row(
    'ka.req.container.privileged',
    'CHARBUF',
    'event',
    'Whether the first container is privileged.',
    first('securityContext', 'privileged'),
  ),
  containerRow('containers', 'allow_privilege_escalation'),
  containerRow('containers', 'read_only_fs'),
  row(
    'ka.req.pod.run_as_user',
    'CHARBUF',
    'event',
    'User id of a pod that is requested.',
    at('requestObject', 'spec', 'securityContext', 'runAsUser'),
  ),
  containerRow('containers', 'run_as_user'),
  containerRow('containers', 'eff_run_as_user'),
  row(
    'ka.req.pod.run_as_group',
    'CHARBUF',
    'event',
    'Group id of a pod that is requested.',
    at('requestObject', 'spec', 'securityContext', 'runAsGroup'),
  ),
  containerRow('containers', 'run_as_group'),
  containerRow('containers', 'eff_run_as_group'),
  containerRow('containers', 'proc_mount'),
  row(
    'ka.req.role.rules',
    'CHARBUF',
    'event',
    'Rules of a role, each as JSON.',
    (event) => list(elements(get(payloadOf(event), 'requestObject', 'rules')).map(asText)),
    isList,
  ),
  row(
    'ka.req.role.rules.apiGroups',
    'CHARBUF',
    'event',
    'API groups in the rules of a role.',
    roleRules('apiGroups'),
    indexed,
  ),
  row(
    'ka.req.role.rules.nonResourceURLs',
    'CHARBUF',
    'event',
    'URLs in the rules of a role.',
    roleRules('nonResourceURLs'),
    indexed,
  ),
  row('ka.req.role.rules.verbs', 'CHARBUF', 'event', 'Verbs in the rules of a role.', roleRules('verbs'), indexed),
  row(
    'ka.req.role.rules.resources',
    'CHARBUF',
    'event',
    'Resources in the rules of a role.',
    roleRules('resources'),
    indexed,
  ),
  row(
    'ka.req.pod.fs_group',
    'CHARBUF',
    'event',
    'Group that owns the volumes of a pod that is requested.',
    at('requestObject', 'spec', 'securityContext', 'fsGroup'),
  ),
  row(
    'ka.req.pod.supplemental_groups',
    'CHARBUF',
    'event',
    'Further groups of a pod that is requested.',
    (event) => list(texts(get(spec(event), 'securityContext', 'supplementalGroups'))),
    isList,
  ),
  containerRow('containers', 'add_capabilities'),
  row(
    'ka.req.service.type',
    'CHARBUF',
    'event',
    'Type of a service that is requested.',
    at('requestObject', 'spec', 'type'),
  ),
  row(
    'ka.req.service.ports',
    'CHARBUF',
    'event',
    'Ports of a service that is requested, each as JSON.',
    places((event) => elements(get(spec(event), 'ports')).map((port) => [asText(port)])),
    indexed,
  ),
  row(
    'ka.req.pod.volumes.hostpath',
    'CHARBUF',
    'event',
    'Paths of the host that a pod which is requested mounts.',
    volumes((volume) => texts(get(volume, 'hostPath', 'path'))),
    indexed,
  ),
  row(
    'ka.req.volume.hostpath',
    'CHARBUF',
    'event',
    'Whether a path of the host is mounted: true or false; a star at the end stands for any rest.',
    { bind: hostPath },
    { argument: 'required', argumentHelp: 'a path' },
  ),
  row(
    'ka.req.pod.volumes.flexvolume_driver',
    'CHARBUF',
    'event',
    'Drivers of the flex volumes of a pod that is requested.',
    volumes((volume) => texts(get(volume, 'flexVolume', 'driver'))),
    indexed,
  ),
  row(
    'ka.req.pod.volumes.volume_type',
    'CHARBUF',
    'event',
    'Types of the volumes of a pod that is requested.',
    volumes(volumeTypes),
    indexed,
  ),
  row(
    'ka.resp.name',
    'CHARBUF',
    'event',
    'Name of the object in the response.',
    at('responseObject', 'metadata', 'name'),
  ),
  row('ka.response.code', 'CHARBUF', 'event', 'HTTP status of the response.', at('responseStatus', 'code')),
  row('ka.response.reason', 'CHARBUF', 'event', 'Reason in the response.', at('responseStatus', 'reason')),
  row('ka.useragent', 'CHARBUF', 'event', 'User agent of the client.', at('userAgent')),
  row(
    'ka.sourceips',
    'CHARBUF',
    'event',
    'Addresses of the client and the proxies between.',
    places((event) => texts(get(payloadOf(event), 'sourceIPs')).map((one) => [one])),
    indexed,
  ),
  row('ka.cluster.name', 'CHARBUF', 'event', 'Name of the cluster, where the provider adds it.', at('clusterName')),
  ...OTHER_KINDS.map((name) => containerRow('initContainers', name)),
  containerRow('initContainers', 'host_port'),
  ...OTHER_KINDS.map((name) => containerRow('ephemeralContainers', name)),
  row(
    'k8s_psp.pod.name',
    'CHARBUF',
    'event',
    'Name of the pod that was created; without value on any other event.',
    ofCreatedPod((event) => {
      const payload = payloadOf(event);
      // A controller leaves the name to the server.
      return text(get(payload, 'objectRef', 'name') ?? get(payload, 'responseObject', 'metadata', 'name'));
    }),
    { hidden: true },
  ),
  row(
    'k8s_psp.pod.namespace.name',
    'CHARBUF',
    'event',
    'Namespace of the pod that was created; without value on any other event.',
    ofCreatedPod(at('objectRef', 'namespace')),
    { hidden: true },
  ),
  row('user.name', 'CHARBUF', 'event', 'The same as ka.user.name.', at('user', 'username'), { hidden: true }),
];
