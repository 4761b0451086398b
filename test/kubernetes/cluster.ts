/** A Kubernetes of one node: etcd and the control plane on the loopback, a real kubelet on a containerd of its own. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Daemon, endTasks, run, startContainerd } from '../containers/engines.ts';
import { makeCgroup } from '../containers/sensor.ts';
import { BUILT, KUBELITE, notBuilt } from '../parts.ts';
import { freePorts } from '../ports.ts';

export const HELM = join(BUILT, 'helm');

export interface Cluster {
  readonly containerd: Daemon;
  readonly kubeconfig: string;
  readonly server: string;
  /** Directory, in the unified hierarchy, of the control group that all pods are in. */
  readonly pods: string;
  kubectl(...args: readonly string[]): Promise<string>;
  /** As {@link kubectl}, with the text as standard input. */
  apply(text: string, ...args: readonly string[]): Promise<string>;
  /** URL of the kubelet. */
  readonly kubelet: string;
  /** Ends the API server; the kubelet goes on. */
  stopApiServer(): Promise<void>;
  startApiServer(): Promise<void>;
  /** As after a power failure: every container ends at once, then the runtime and the kubelet are started again. */
  restartNode(): Promise<void>;
  stop(): Promise<void>;
}

interface Part {
  readonly child: ChildProcess;
  readonly name: string;
}

/** The user that the tests are, who may do everything. */
const ADMIN = 'admintoken';
const TOKENS = `${ADMIN},admin,1,"system:masters"
kcmtoken,system:kube-controller-manager,2,""
schedulertoken,system:kube-scheduler,3,""
nodetoken,system:node:localhost,4,"system:nodes"
alicetoken,alice,5,"dev"
`;

/** Why no cluster can be started here; null when it can. In CI that is no reason to skip, but a failure. */
export function clusterMissing(): string | null {
  return notBuilt(KUBELITE);
}

/** As {@link clusterMissing}, of Helm. */
export function helmMissing(): string | null {
  return notBuilt(HELM);
}

/** Starts everything; audit events go to `auditUrl`, and to a file. Takes about fifteen seconds. */
export async function startCluster(auditUrl: string, auditLog: string): Promise<Cluster> {
  const folder = mkdtempSync(join(tmpdir(), 'windhover-kube-'));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const [etcd, peer, api, kcm, scheduler, kubelet] = (await freePorts(6)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const server = `https://127.0.0.1:${api}`;
  const kubeconfig = (name: string, token: string, at = server): string =>
    file(
      `${name}.kubeconfig`,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [{ name: 'c', cluster: { server: at, 'insecure-skip-tls-verify': at.startsWith('https') } }],
        users: [{ name: 'u', user: { token } }],
        contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
        'current-context': 'c',
      }),
    );
  const cgroup = makeCgroup('kube');
  for (const hierarchy of readdirSync('/sys/fs/cgroup')) {
    if (existsSync(`/sys/fs/cgroup/${hierarchy}/cgroup.procs`)) {
      mkdirSync(`/sys/fs/cgroup/${hierarchy}${cgroup.parent}`, { recursive: true });
    }
  }
  for (const name of ['cpus', 'mems']) copyCpuset(cgroup.parent, name);

  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const signingKey = file('sa.key', privateKey);
  const parts: Part[] = [];
  const start = (name: string, ...args: readonly string[]): Part => {
    const log = openSync(join(folder, `${name}.log`), 'a');
    const child = spawn(KUBELITE, [name, ...args], { stdio: ['ignore', log, log], cwd: folder });
    const part = { child, name };
    parts.push(part);
    return part;
  };
  const admin = kubeconfig('admin', ADMIN);
  const kubectl = (input: string | null, args: readonly string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      const child = execFile(
        KUBELITE,
        ['kubectl', '--kubeconfig', admin, '--request-timeout=20s', ...args],
        { maxBuffer: 64 << 20, env: { ...process.env, KUBECONFIG: admin } },
        (error, stdout, stderr) => (error === null ? resolve(stdout) : reject(new Error(stderr || error.message))),
      );
      child.stdin?.end(input ?? '');
    });

  start(
    'etcd',
    `--data-dir=${folder}/etcd`,
    `--listen-client-urls=http://127.0.0.1:${etcd}`,
    `--advertise-client-urls=http://127.0.0.1:${etcd}`,
    `--listen-peer-urls=http://127.0.0.1:${peer}`,
    `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
    `--initial-cluster=default=http://127.0.0.1:${peer}`,
    '--unsafe-no-fsync',
    '--log-level=warn',
  );
  const apiArgs = [
    `--etcd-servers=http://127.0.0.1:${etcd}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${api}`,
    `--cert-dir=${folder}/certs`,
    `--service-account-issuer=${server}`,
    `--service-account-key-file=${file('sa.pub', publicKey)}`,
    `--service-account-signing-key-file=${signingKey}`,
    '--service-cluster-ip-range=10.96.0.0/24',
    '--authorization-mode=Node,RBAC',
    `--token-auth-file=${file('tokens.csv', TOKENS)}`,
    '--endpoint-reconciler-type=none',
    `--audit-policy-file=${file('audit-policy.yaml', AUDIT_POLICY)}`,
    `--audit-webhook-config-file=${file('audit-webhook.yaml', auditWebhook(auditUrl))}`,
    `--audit-log-path=${auditLog}`,
    '--audit-webhook-mode=batch',
    '--audit-webhook-batch-max-wait=1s',
    '--allow-privileged=true',
    '--kubelet-preferred-address-types=Hostname',
  ];
  const ready = (): Promise<unknown> =>
    until('the API server', () => kubectl(null, ['get', '--raw', '/readyz']), folder);
  let apiServer = start('kube-apiserver', ...apiArgs);
  await ready();
  start(
    'kube-controller-manager',
    `--kubeconfig=${kubeconfig('kcm', 'kcmtoken')}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${kcm}`,
    `--cert-dir=${folder}/certs-kcm`,
    `--service-account-private-key-file=${signingKey}`,
    `--root-ca-file=${folder}/certs/apiserver.crt`,
    '--use-service-account-credentials',
    '--leader-elect=false',
  );
  const schedulerConfig = kubeconfig('scheduler', 'schedulertoken');
  start(
    'kube-scheduler',
    `--kubeconfig=${schedulerConfig}`,
    `--authentication-kubeconfig=${schedulerConfig}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${scheduler}`,
    `--cert-dir=${folder}/certs-scheduler`,
    '--leader-elect=false',
  );
  const containerd = await startContainerd();
  const kubeletFile = file('kubelet.yaml', kubeletConfig(folder, containerd, kubelet, cgroup.parent));
  const nodeConfig = kubeconfig('node', 'nodetoken');
  const startKubelet = (): Part =>
    start(
      'kubelet',
      `--config=${kubeletFile}`,
      `--kubeconfig=${nodeConfig}`,
      '--hostname-override=localhost',
      `--root-dir=${folder}/kubelet`,
      `--cert-dir=${folder}/kubelet-pki`,
    );
  const nodeReady = (): Promise<unknown> =>
    until('the node', () => kubectl(null, ['wait', '--for=condition=Ready', 'node/localhost', '--timeout=1s']), folder);
  let node = startKubelet();
  await nodeReady();
  await until(
    'the service account',
    () => kubectl(null, ['-n', 'default', 'get', 'serviceaccount', 'default']),
    folder,
  );
  return {
    containerd,
    kubeconfig: admin,
    server,
    pods: cgroup.directory,
    kubectl: (...args) => kubectl(null, args),
    apply: (text, ...args) => kubectl(text, ['apply', '-f', '-', ...args]),
    kubelet: `https://127.0.0.1:${kubelet}`,
    stopApiServer: () => end(apiServer),
    async startApiServer() {
      apiServer = start('kube-apiserver', ...apiArgs);
      await ready();
    },
    async restartNode() {
      await end(node);
      endTasks(containerd.socket);
      await containerd.restart();
      node = startKubelet();
      await nodeReady();
    },
    async stop() {
      await end(node);
      await containerd.stop();
      for (const part of parts.toReversed()) await end(part);
      for (const line of readFileSync('/proc/mounts', 'utf8').split('\n').reverse()) {
        const mount = line.split(' ')[1] ?? '';
        if (mount.startsWith(`${folder}/`)) run('umount', '-l', mount);
      }
      cgroup.remove();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function end({ child }: Part): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
    // The API server would try for a minute to deliver its last audit events.
    setTimeout(() => child.kill('SIGKILL'), 3000).unref();
  });
}

async function until(what: string, attempt: () => Promise<unknown>, folder: string): Promise<void> {
  let failure = '';
  for (let i = 0; i < 600; i++) {
    try {
      await attempt();
      return;
    } catch (error) {
      failure = (error as Error).message;
    }
    await new Promise((done) => setTimeout(done, 200));
  }
  const logs = readdirSync(folder)
    .filter((name) => name.endsWith('.log'))
    .map((name) => `${name}: ${readFileSync(join(folder, name), 'utf8').slice(-500)}`);
  throw new Error(`${what} does not get ready: ${failure}\n${logs.join('\n')}`);
}

/** A new group of the cpuset hierarchy has no processors before it is given some. */
function copyCpuset(parent: string, name: string): void {
  const root = '/sys/fs/cgroup/cpuset';
  if (!existsSync(`${root}${parent}/cpuset.${name}`)) return;
  writeFileSync(`${root}${parent}/cpuset.${name}`, readFileSync(`${root}/cpuset.${name}`));
}

const AUDIT_POLICY = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: RequestResponse
    resources:
      - {group: "", resources: [pods, pods/exec, pods/attach, pods/portforward, pods/ephemeralcontainers]}
      - {group: "", resources: [services, namespaces, serviceaccounts, nodes]}
      - {group: apps}
      - {group: networking.k8s.io}
      - {group: rbac.authorization.k8s.io}
  - level: Request
    resources: [{group: "", resources: [configmaps]}]
  - level: Metadata
`;

const auditWebhook = (url: string): string => `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "${url}"}}]
users: [{name: u}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
`;

const kubeletConfig = (folder: string, { socket }: Daemon, port: number, cgroup: string): string => `
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 127.0.0.1
port: ${port}
readOnlyPort: 0
healthzPort: 0
containerRuntimeEndpoint: unix://${socket}
cgroupDriver: cgroupfs
cgroupRoot: ${cgroup}
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
maxOpenFiles: 20000
podLogsDir: ${folder}/logs
localStorageCapacityIsolation: false
makeIPTablesUtilChains: false
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
syncFrequency: 10s
nodeStatusUpdateFrequency: 5s
`;
