import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { createKubeClient, type KubeClient, loadKubeConfig } from '../../src/kube/index.ts';
import { KUBELITE, notBuilt } from '../parts.ts';
import { freePort } from '../ports.ts';

const STARTING = 120_000;

export interface ControlPlane {
  readonly kubeconfig: string;
  readonly client: KubeClient;
  stop(): Promise<void>;
}

/** Why there is none here; null when there can be one. */
export function missingKubernetes(): string | null {
  return notBuilt(KUBELITE);
}

/** A real control plane without nodes: what runs no container can be tried on it. */
export async function startControlPlane(): Promise<ControlPlane> {
  const folder = mkdtempSync(join(tmpdir(), 'windhover-kubernetes-'));
  const children: ChildProcess[] = [];
  const path = (name: string) => join(folder, name);
  const [etcd, etcdPeer, api, controllers] = [await freePort(), await freePort(), await freePort(), await freePort()];

  function run(name: string, ...args: string[]): ChildProcess {
    const output = openSync(path(`${name}.log`), 'a');
    const child = spawn(KUBELITE, [name, ...args], { cwd: folder, stdio: ['ignore', output, output] });
    children.push(child);
    return child;
  }
  async function stop(): Promise<void> {
    for (const child of children.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 3000);
      await ended;
      clearTimeout(timer);
    }
    rmSync(folder, { recursive: true, force: true });
  }
  async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
    for (const end = Date.now() + STARTING; Date.now() < end; await sleep(100)) {
      if (children.some(({ exitCode }) => exitCode !== null)) break;
      if (await condition().catch(() => false)) return;
    }
    const logs = ['etcd', 'kube-apiserver', 'kube-controller-manager'].map((name) =>
      existsSync(path(`${name}.log`)) ? readFileSync(path(`${name}.log`), 'utf8').slice(-600) : '',
    );
    await stop();
    throw new Error(`${what} did not start: ${logs.join('\n')}`);
  }
  function writeKubeconfig(name: string, token: string): string {
    const file = path(`${name}.kubeconfig`);
    const context = { cluster: 'test', user: name };
    writeFileSync(
      file,
      stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'test',
        clusters: [{ name: 'test', cluster: { server: `https://127.0.0.1:${api}`, 'insecure-skip-tls-verify': true } }],
        users: [{ name, user: { token } }],
        contexts: [{ name: 'test', context }],
      }),
    );
    return file;
  }

  execFileSync('openssl', ['genrsa', '-out', path('sa.key'), '2048'], { stdio: 'ignore' });
  execFileSync('openssl', ['rsa', '-in', path('sa.key'), '-pubout', '-out', path('sa.pub')], { stdio: 'ignore' });
  writeFileSync(
    path('tokens.csv'),
    'admintoken,admin,1,"system:masters"\ncontrollertoken,system:kube-controller-manager,2,""\n',
  );
  const kubeconfig = writeKubeconfig('admin', 'admintoken');

  const [client, peer] = [`http://127.0.0.1:${etcd}`, `http://127.0.0.1:${etcdPeer}`];
  run(
    'etcd',
    '--name=t',
    `--data-dir=${path('etcd')}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=t=${peer}`,
    '--unsafe-no-fsync',
    '--log-level=warn',
  );
  await until('etcd', async () => (await fetch(`${client}/health`)).ok);
  run(
    'kube-apiserver',
    `--etcd-servers=${client}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${api}`,
    `--cert-dir=${path('certs')}`,
    `--service-account-issuer=https://127.0.0.1:${api}`,
    `--service-account-key-file=${path('sa.pub')}`,
    `--service-account-signing-key-file=${path('sa.key')}`,
    '--service-cluster-ip-range=10.96.0.0/24',
    '--authorization-mode=RBAC',
    `--token-auth-file=${path('tokens.csv')}`,
    '--endpoint-reconciler-type=none',
  );
  const config = loadKubeConfig(kubeconfig);
  if (config === null) throw new Error('no kubeconfig');
  const kube = createKubeClient(config);
  await until('kube-apiserver', async () => (await kube.text('/readyz', 1000)) === 'ok');
  run(
    'kube-controller-manager',
    `--kubeconfig=${writeKubeconfig('controller', 'controllertoken')}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${controllers}`,
    `--cert-dir=${path('certs-controllers')}`,
    `--service-account-private-key-file=${path('sa.key')}`,
    '--use-service-account-credentials',
    '--leader-elect=false',
    '--concurrent-replicaset-syncs=20',
  );
  await until(
    'the default service account',
    async () => (await kube.get('/api/v1/namespaces/default/serviceaccounts/default')) !== null,
  );
  return {
    kubeconfig,
    client: kube,
    async stop() {
      kube.close();
      await stop();
    },
  };
}
