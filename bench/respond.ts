/**
 * Terminations a second on a real API server (etcd, kube-apiserver, kube-controller-manager; no node), from the first alert
 * to the last result in the journal, with its `fsync`.
 *
 *     node bench/respond.ts [PODS]
 *
 * The pods are of one Deployment, which replaces what is deleted: the API server is busy with that, too.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import type { KubeList, KubeObject } from '../src/kube/index.ts';
import { createCluster, loadResponseConfig, loadRules, startResponder } from '../src/response/index.ts';
import { missingKubernetes, startControlPlane } from '../test/peers/kubernetes.ts';

const count = Number(process.argv[2] ?? 300);
const missing = missingKubernetes();
if (missing !== null) {
  process.stderr.write(`${missing}\n`);
  process.exit(1);
}
const folder = mkdtempSync(join(tmpdir(), 'windhover-bench-respond-'));
const plane = await startControlPlane();
try {
  await plane.client.post('/api/v1/namespaces', { metadata: { name: 'shop' } });
  await plane.client.post('/apis/apps/v1/namespaces/shop/deployments', {
    metadata: { name: 'web' },
    spec: {
      replicas: count,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'app', image: 'none' }] } },
    },
  });
  const list = () => plane.client.get<KubeList<KubeObject>>('/api/v1/namespaces/shop/pods');
  while ((await list()).items.length < count) await sleep(200);
  const pods = (await list()).items.map(({ metadata }) => metadata.name);

  const rules = [{ rule: 'r', match: {}, actions: [{ action: 't', actionner: 'kubernetes:terminate' }] }];
  const responder = await startResponder({
    config: loadResponseConfig(
      stringify({ journal: { path: join(folder, 'journal') }, guards: { max_actions: count } }),
      'bench',
      {},
    ),
    rules: loadRules([{ name: 'bench', text: stringify(rules) }]).rules,
    cluster: () => createCluster(plane.client),
    logger: { info() {}, warning() {}, error() {}, debug() {} },
  });
  const started = performance.now();
  const accepted = Promise.all(
    pods.map((pod, i) =>
      responder.accept(
        Buffer.from(
          JSON.stringify({
            rule: 'Shell',
            priority: 'Critical',
            time: new Date(Date.now() + i).toISOString(),
            output: `a shell in ${pod}`,
            output_fields: { 'k8s.ns.name': 'shop', 'k8s.pod.name': pod },
          }),
        ),
      ),
    ),
  );
  await accepted;
  const stored = performance.now() - started;
  await responder.idle();
  const seconds = (performance.now() - started) / 1000;
  const done = responder.log().filter(({ state }) => state === 'done').length;
  const left = new Set((await list()).items.map(({ metadata }) => metadata.name));
  await responder.stop(0);
  process.stdout.write(
    `${done} of ${count} pods terminated in ${seconds.toFixed(2)} s: ${Math.round(done / seconds)}/s; stored after ${Math.round(stored)} ms; ${pods.filter((pod) => left.has(pod)).length} still there\n`,
  );
} finally {
  await plane.stop();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
