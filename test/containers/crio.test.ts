import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Cri, criClient, type PodSpec } from './cri.ts';
import { busyboxRoot, crioMissing, type Daemon, enginesMissing, podmanImage, startCrio } from './engines.ts';
import { makeCgroup, type RunningSensor, startSensor } from './sensor.ts';

/** A real CRI-O behind the interface of the kubelet; the sensor watches nothing but this test's pods. */

const RULES = fileURLToPath(new URL('rules.yaml', import.meta.url));
const IMAGE = 'windhover.test/busybox:1.35';
const missing = enginesMissing('podman', 'conmon') ?? crioMissing();

let daemon: Daemon;
let sensor: RunningSensor;
let cgroup: ReturnType<typeof makeCgroup>;
let cri: Cri;
let sandbox = '';

beforeAll(async () => {
  if (missing !== null) return;
  cgroup = makeCgroup('crio');
  daemon = await startCrio();
  const root = busyboxRoot(daemon.folder);
  podmanImage(daemon.folder, IMAGE, root, 'CMD ["sleep", "1000"]');
  podmanImage(daemon.folder, 'windhover.test/pause:1', root, 'CMD ["sleep", "100000"]');
  cri = criClient(daemon.socket);
  sensor = await startSensor(cgroup.directory, [
    ...['-r', RULES, '-o', 'rule_matching=all'],
    ...['-o', `windhover.containers.engines={"cri":{"sockets":["${daemon.socket}"]}}`],
  ]);
}, 120_000);
afterAll(async () => {
  await sensor?.stop();
  // CRI-O would wait for it to end by itself.
  cgroup?.end();
  if (sandbox !== '') await cri.removePod(sandbox);
  cri?.close();
  await daemon?.stop();
  cgroup?.remove();
}, 60_000);

test('containers of a pod of CRI-O are known, also after it was restarted', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  const uid = '0a1b2c3d-0000-4000-8000-00000000000c';
  const spec: PodSpec = {
    ...{ name: 'web', namespace: 'shop', uid, labels: { app: 'web' } },
    cgroupParent: `${cgroup.parent}/kubepods/burstable/pod${uid}`,
  };
  sandbox = await cri.startPod(spec);
  const alertOf = async (mark: string) => {
    const id = await cri.startContainer(sandbox, spec, { name: mark, image: IMAGE, command: ['true', mark] });
    return { id, ...(await sensor.alert(({ output }) => output.includes(`${mark} `))) };
  };
  const known = (id: string, name: string) => ({
    'container.id': id.slice(0, 12),
    'container.name': name,
    'container.type': 'cri-o',
    'container.image.repository': 'windhover.test/busybox',
    'container.image.tag': '1.35',
    'k8s.pod.name': 'web',
    'k8s.ns.name': 'shop',
  });
  const first = await alertOf('windhover-mark-first');
  expect(first.output_fields, first.output).toMatchObject(known(first.id, 'windhover-mark-first'));
  await daemon.restart();
  const second = await alertOf('windhover-mark-second');
  expect(second.output_fields, second.output).toMatchObject(known(second.id, 'windhover-mark-second'));
}, 120_000);
