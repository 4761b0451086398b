import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { busyboxRoot, criImage, enginesMissing, run } from '../containers/engines.ts';
import { type RunningSensor, startSensor } from '../containers/sensor.ts';
import { type AlertLine, ROOT } from '../live/sensor.ts';
import { type Cluster, clusterMissing, freePorts, HELM, KUBELITE, startCluster } from './cluster.ts';

/**
 * A real Kubernetes of one node. The sensor runs in it as users run it: as the chart's DaemonSet, and as the one of the
 * project's introduction; in both it sees, by a scope in the kernel, nothing but the pods of this cluster.
 */

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const IMAGE = 'windhover.test/windhover:dev';
const RULES = `${readFileSync(here('../containers/rules.yaml'), 'utf8')}
- rule: Pod of a deployment
  desc: What only Kubernetes says.
  condition: evt.type in (execve, execveat) and evt.res = SUCCESS and proc.args contains windhover-mark
  output: >
    A program in a pod (command=%proc.cmdline deployment=%k8smeta.deployment.name deployment_uid=%k8smeta.deployment.uid
    replicas=%k8smeta.rs.name namespace=%k8smeta.ns.name team=%k8smeta.ns.label[team] services=%k8smeta.svc.name
    pod=%k8smeta.pod.name ip=%k8smeta.pod.ip app=%k8smeta.pod.label[app])
  priority: INFO
`;

const missing = clusterMissing() ?? enginesMissing('containerd', 'ctr', 'script');
let cluster: Cluster;
let audit: RunningSensor;
let scope = '';

beforeAll(async () => {
  if (missing !== null) return;
  const [port] = await freePorts(1);
  const official = ['-r', here('audit_rules.yaml'), '-r', here('introduction_rules.yaml')];
  audit = await startSensor(null, [
    ...official,
    '-o',
    'rule_matching=all',
    '-o',
    `k8s_audit_endpoint=http://audit:${port}/k8s-audit`,
  ]);
  cluster = await startCluster(`http://127.0.0.1:${port}/k8s-audit`);
  scope = cluster.pods.replace('/sys/fs/cgroup', '');
  const busybox = busyboxRoot(cluster.containerd.folder);
  criImage(cluster.containerd, 'windhover.test/busybox:1.35', busybox, ['sleep', '100000']);
  criImage(cluster.containerd, 'windhover.test/pause:1', busybox, ['sleep', '100000']);
  const root = join(cluster.containerd.folder, 'windhover-root');
  mkdirSync(root);
  run(`${ROOT}deploy/image/rootfs.sh`, root);
  criImage(cluster.containerd, IMAGE, root, ['/usr/bin/windhover']);
  await cluster.apply(WEB);
  await cluster.kubectl('-n', 'shop', 'rollout', 'status', 'deployment/web', '--timeout=60s');
}, 240_000);
afterAll(async () => {
  await cluster?.stop();
  await audit?.stop();
}, 120_000);

const WEB = `
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: blue}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: main, image: "windhover.test/busybox:1.35", imagePullPolicy: Never}]
`;

/** As a user types it: with a terminal. */
async function shellIn(what: string, command: string): Promise<void> {
  const kubectl = `${KUBELITE} kubectl --kubeconfig ${cluster.kubeconfig} -n shop exec -it ${what} -- sh -c '${command}'`;
  const child = spawn('script', ['-qec', kubectl, '/dev/null'], { stdio: 'ignore' });
  await new Promise((resolve) => child.once('close', resolve));
}

/** What pods have written; nothing while they are being made. */
const logOf = (namespace: string, selector: string): Promise<string> =>
  cluster.kubectl('-n', namespace, 'logs', '-l', selector, '--tail=-1').catch(() => '');

/** The alerts in the log of pods, as a user reads them. */
async function logged(namespace: string, selector: string, fits: (alert: AlertLine) => boolean): Promise<AlertLine> {
  let found: AlertLine | undefined;
  await until(async () => {
    const alerts = (await logOf(namespace, selector)).split('\n').filter((line) => line.startsWith('{'));
    found = alerts.map((line) => JSON.parse(line) as AlertLine).find(fits);
    return found !== undefined;
  });
  return found as AlertLine;
}

async function until(test: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 300; i++) {
    if (await test()) return;
    await new Promise((done) => setTimeout(done, 300));
  }
  throw new Error('it does not come');
}

const watching = (namespace: string, selector: string): Promise<void> =>
  until(async () => (await logOf(namespace, selector)).includes('Enabled event sources'));

async function checkShell(namespace: string, selector: string, mark: string): Promise<void> {
  await shellIn('deployment/web', `true ${mark}`);
  const alert = await logged(namespace, selector, ({ output }) => output.includes(`true ${mark}`));
  const pod = JSON.parse(await cluster.kubectl('-n', 'shop', 'get', 'pods', '-l', 'app=web', '-o', 'json')).items[0];
  const id = pod.status.containerStatuses[0].containerID.replace('containerd://', '');
  expect(alert.rule).toBe('Terminal shell in container');
  expect(alert.output_fields).toMatchObject({
    'container.id': id.slice(0, 12),
    'container.name': 'main',
    'container.type': 'containerd',
    'container.image.repository': 'windhover.test/busybox',
    'container.image.tag': '1.35',
    'container.privileged': false,
    'container.ip': pod.status.podIP,
    'k8s.pod.name': pod.metadata.name,
    'k8s.ns.name': 'shop',
    'k8s.pod.uid': pod.metadata.uid,
  });
  expect(alert.output_fields['k8s.pod.labels']).toContain('app:web');
}

function helm(...args: readonly string[]): string {
  return run(HELM, '--kubeconfig', cluster.kubeconfig, ...args);
}

async function install(...further: readonly string[]): Promise<void> {
  const [port] = await freePorts(1);
  const values = {
    image: { repository: 'windhover.test/windhover', tag: 'dev', pullPolicy: 'Never' },
    hostNetwork: true,
    scope: `cgroup=/sys/fs/cgroup${scope}`,
    requireScope: true,
    // Nothing forwards the address of the service here.
    extra: {
      env: [
        { name: 'KUBERNETES_SERVICE_HOST', value: '127.0.0.1' },
        { name: 'KUBERNETES_SERVICE_PORT', value: new URL(cluster.server).port },
      ],
    },
    collectors: { containerEngine: { engines: { cri: { sockets: [cluster.containerd.socket] } } } },
    falco: { json_output: true, rule_matching: 'all', webserver: { listen_port: port } },
    customRules: { 'test.yaml': RULES },
  };
  const file = join(cluster.containerd.folder, 'values.json');
  writeFileSync(file, JSON.stringify(values));
  const place = ['-n', 'windhover', '--create-namespace', '--wait', '--timeout', '120s'];
  helm('upgrade', '--install', 'windhover', `${ROOT}deploy/charts/windhover`, ...place, '-f', file, ...further);
}

const selector = 'app.kubernetes.io/instance=windhover';

test('the DaemonSet of the chart, without privileges, detects a shell by kubectl exec', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  await install();
  await watching('windhover', selector);
  const [pod] = JSON.parse(await cluster.kubectl('-n', 'windhover', 'get', 'pods', '-o', 'json')).items;
  const { securityContext } = pod.spec.containers[0];
  expect(securityContext.privileged).toBeUndefined();
  expect(securityContext.capabilities.drop).toEqual(['ALL']);
  expect(securityContext).toMatchObject({ readOnlyRootFilesystem: true, allowPrivilegeEscalation: false });
  await checkShell('windhover', selector, 'from-chart');
}, 180_000);

test('what stands around a pod is known, also after the API server was away', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  const mark = async (name: string): Promise<void> => {
    await cluster.kubectl('-n', 'shop', 'exec', 'deployment/web', '--', 'true', `windhover-mark-${name}`);
    const { output_fields: fields } = await logged(
      'windhover',
      selector,
      ({ rule, output }) => rule === 'Pod of a deployment' && output.includes(`windhover-mark-${name} `),
    );
    const get = async (kind: string) =>
      JSON.parse(await cluster.kubectl('-n', 'shop', 'get', kind, '-o', 'json')).items[0];
    const [pod, set, deployment] = await Promise.all([get('pods'), get('replicasets'), get('deployments')]);
    expect(fields).toMatchObject({
      'k8smeta.pod.name': pod.metadata.name,
      'k8smeta.pod.ip': pod.status.podIP,
      'k8smeta.pod.label[app]': 'web',
      'k8smeta.rs.name': set.metadata.name,
      'k8smeta.deployment.name': 'web',
      'k8smeta.deployment.uid': deployment.metadata.uid,
      'k8smeta.ns.name': 'shop',
      'k8smeta.ns.label[team]': 'blue',
      'k8smeta.svc.name': ['web'],
    });
  };
  await mark('before');
  await cluster.restartApiServer();
  await mark('after');
}, 120_000);

test('a rolling update loses no rule and leaves no probe behind', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  await install('--set-string', 'podAnnotations.again=yes');
  await until(async () => {
    const { items } = JSON.parse(await cluster.kubectl('-n', 'windhover', 'get', 'pods', '-o', 'json'));
    return items.length === 1 && items[0].metadata.annotations.again === 'yes';
  });
  await watching('windhover', selector);
  await checkShell('windhover', selector, 'after-update');
  helm('uninstall', 'windhover', '-n', 'windhover', '--wait');
  await until(async () => leftPrograms().length === 0);
}, 180_000);

/** Our programs in the kernel that no process holds any more. */
function leftPrograms(): number[] {
  const loaded = JSON.parse(run('bpftool', '-j', 'prog', 'list')) as { id: number; name?: string }[];
  const ours = loaded.filter(({ name }) => name?.startsWith('wh_')).map(({ id }) => id);
  const held = new Set<number>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      for (const fd of readdirSync(`/proc/${pid}/fdinfo`)) {
        const id = /^prog_id:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))?.[1];
        if (id !== undefined) held.add(Number(id));
      }
    } catch {
      // It is gone.
    }
  }
  return ours.filter((id) => !held.has(id));
}

test('the DaemonSet of the introduction works as printed, but for the image', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  const config = {
    json_output: true,
    log_stderr: true,
    log_syslog: false,
    stdout_output: { enabled: true },
    syslog_output: { enabled: false },
    windhover: {
      scope: `cgroup=/host/sys/fs/cgroup${scope}`,
      require_scope: true,
      containers: { engines: { cri: { sockets: [cluster.containerd.socket] } } },
    },
  };
  await cluster.apply(
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'List',
      items: [
        { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'falco' } },
        {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name: 'falco-config', namespace: 'falco' },
          data: { 'falco.yaml': JSON.stringify(config), 'falco_rules.yaml': RULES },
        },
      ],
    }),
  );
  const printed = readFileSync(here('introduction.yaml'), 'utf8');
  await cluster.apply(printed.replace(/^( *)image: .*$/m, `$1image: ${IMAGE}\n$1imagePullPolicy: Never`));
  await cluster.kubectl('-n', 'falco', 'rollout', 'status', 'daemonset/falco', '--timeout=60s');
  await watching('falco', 'app=falco');
  await checkShell('falco', 'app=falco', 'from-introduction');
  await cluster.kubectl('-n', 'falco', 'delete', 'daemonset', 'falco', '--wait');
}, 180_000);

test('the API server takes the chart as it is', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  const on = '--set=metrics.enabled=true,grafana.dashboards.enabled=true';
  const further = '--set=controller.kind=deployment,controller.deployment.replicas=2,driver.enabled=false';
  for (const sets of [[on], [on, further]]) {
    const rendered = helm(
      'template',
      'dry',
      `${ROOT}deploy/charts/windhover`,
      '-n',
      'default',
      '--kube-version',
      '1.33.0',
      ...sets,
    );
    const answer = await cluster.apply(rendered, '--dry-run=server', '--validate=strict');
    expect(answer).toContain('networkpolicy.networking.k8s.io/dry-windhover created (server dry run)');
  }
  const plain = readFileSync(`${ROOT}deploy/manifests/windhover.yaml`, 'utf8').replaceAll(
    'namespace: windhover',
    'namespace: default',
  );
  await cluster.apply(plain, '--dry-run=server', '--validate=strict');
});

test('what is done to the cluster gives the alerts of the audit rules', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  await cluster.kubectl('create', 'namespace', 'dev');
  await cluster.kubectl('-n', 'dev', 'create', 'serviceaccount', 'default-2');
  await cluster.kubectl(
    '-n',
    'dev',
    'run',
    'tool',
    '--image=windhover.test/busybox:1.35',
    '--image-pull-policy=Never',
    '--privileged',
  );
  await cluster.kubectl('create', 'clusterrolebinding', 'too-much', '--clusterrole=cluster-admin', '--user=alice');
  await cluster.kubectl('-n', 'dev', 'create', 'configmap', 'keys', '--from-literal=aws_access_key_id=AKIA');
  for (const rule of [
    'Unauthorized pod creation',
    'Privileged pod',
    'Cluster admin bound',
    'Shell or program in a pod',
    'Credentials in a config map',
  ]) {
    const alert = await audit.alert((one) => one.rule === rule);
    expect(alert.source).toBe('k8s_audit');
    expect(alert.output).not.toContain('<NA>');
  }
  const pod = await audit.alert(({ output }) => output.includes('pod=tool namespace'));
  expect(pod.output).toContain('Unauthorized pod creation (pod=tool namespace=dev user=admin)');
}, 60_000);
