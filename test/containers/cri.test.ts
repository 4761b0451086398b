import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Cri, criClient, type PodSpec } from './cri.ts';
import { busyboxRoot, criImage, type Daemon, enginesMissing, onTerminal, startContainerd } from './engines.ts';
import { makeCgroup, type RunningSensor, startSensor } from './sensor.ts';

/** A real containerd behind the interface of the kubelet; the sensor watches nothing but this test's pods. */

const RULES = fileURLToPath(new URL('rules.yaml', import.meta.url));
const IMAGE = 'windhover.test/busybox:1.35';
const missing = enginesMissing('containerd', 'ctr', 'script');

let daemon: Daemon;
let sensor: RunningSensor;
let cgroup: ReturnType<typeof makeCgroup>;
let cri: Cri;
const sandboxes: string[] = [];

beforeAll(async () => {
  if (missing !== null) return;
  cgroup = makeCgroup('cri');
  daemon = await startContainerd();
  const root = busyboxRoot(daemon.folder);
  criImage(daemon, IMAGE, root, ['sleep', '1000']);
  criImage(daemon, 'windhover.test/pause:1', root, ['sleep', '100000']);
  cri = criClient(daemon.socket);
  sensor = await startSensor(cgroup.directory, [
    '-r',
    RULES,
    '-o',
    `windhover.containers.engines={"cri":{"sockets":["${daemon.socket}"]}}`,
    '-o',
    'rule_matching=all',
  ]);
}, 120_000);
afterAll(async () => {
  await sensor?.stop();
  for (const sandbox of sandboxes) await cri.removePod(sandbox);
  cri?.close();
  await daemon?.stop();
  cgroup?.remove();
}, 60_000);

function pod(number: number): PodSpec {
  const uid = `0a1b2c3d-0000-4000-8000-${String(number).padStart(12, '0')}`;
  return {
    name: `web-${number}`,
    namespace: 'shop',
    uid,
    labels: { app: 'web', tier: 'front' },
    cgroupParent: `${cgroup.parent}/kubepods/burstable/pod${uid}`,
  };
}

test('a shell in a pod gives an alert with everything that containerd knows', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  const spec = pod(1);
  const sandbox = await cri.startPod(spec);
  sandboxes.push(sandbox);
  const id = await cri.startContainer(sandbox, spec, { name: 'main', image: IMAGE, command: ['sleep', '1000'] });
  await onTerminal(`ctr -a ${daemon.socket} -n k8s.io task exec --tty --exec-id shell ${id} sh -c 'true first'`);
  const { output_fields: fields } = await sensor.alert(({ output }) => output.includes('true first'));
  expect(fields).toMatchObject({
    'container.id': id.slice(0, 12),
    'container.full_id': id,
    'container.name': 'main',
    'container.type': 'containerd',
    'container.image.repository': 'windhover.test/busybox',
    'container.image.tag': '1.35',
    'container.privileged': false,
    'container.host_network': false,
    'container.ip': expect.stringMatching(/^10\.244\.\d+\.\d+$/),
    'k8s.pod.name': 'web-1',
    'k8s.ns.name': 'shop',
    'k8s.pod.uid': spec.uid,
    'k8s.pod.sandbox_id': sandbox.slice(0, 12),
  });
  expect(fields['container.image.id']).toMatch(/^[0-9a-f]{64}$/);
  expect(fields['container.start_ts']).toBeGreaterThan(1.7e18);
  expect(fields['k8s.pod.labels']).toContain('app:web');
  expect(fields['k8s.pod.labels']).toContain('tier:front');
});

test('a runtime that does not answer holds nothing up; once it does, all is known again', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  const front = await mute(daemon.socket, join(daemon.folder, 'front.sock'));
  const other = await startSensor(cgroup.directory, [
    ...['-r', RULES, '-o', 'rule_matching=all', '-o', 'windhover.containers.alert_wait_ms=300'],
    ...['-o', `windhover.containers.engines={"cri":{"sockets":["${front.socket}"]}}`],
  ]);
  try {
    const spec = pod(3);
    const sandbox = await cri.startPod(spec);
    sandboxes.push(sandbox);
    const alertOf = async (mark: string) => {
      await cri.startContainer(sandbox, spec, { name: mark, image: IMAGE, command: ['true', mark] });
      return other.alert(({ output }) => output.includes(`${mark} `));
    };
    const silent = await alertOf('windhover-mark-silent');
    expect(silent.output).toContain('wh.container.metadata=missing');
    expect(silent.output_fields['container.id']).toMatch(/^[0-9a-f]{12}$/);
    front.speak();
    for (let i = 0; ; i++) {
      const { output_fields: fields, output } = await alertOf(`windhover-mark-again-${i}`);
      if (output.includes('missing') && i < 50) continue;
      expect(fields).toMatchObject({ 'container.name': `windhover-mark-again-${i}`, 'k8s.pod.name': 'web-3' });
      break;
    }
  } finally {
    await other.stop();
    front.close();
  }
}, 120_000);

/** A socket before another one, which takes what is sent and gives no answer until it is told to. */
async function mute(target: string, socket: string) {
  let speaks = false;
  const open = new Set<Socket>();
  const server = createServer((client) => {
    open.add(client);
    client.on('error', () => {}).on('close', () => open.delete(client));
    if (!speaks) return void client.resume();
    const behind = connect(target).on('error', () => client.destroy());
    client.pipe(behind).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  const cut = (): void => {
    for (const one of open) one.destroy();
  };
  return {
    socket,
    speak(): void {
      speaks = true;
      cut();
    },
    close(): void {
      server.close();
      cut();
    },
  };
}

test('no alert of short-lived containers lacks metadata, nor while containerd is restarted', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  const spec = pod(2);
  const sandbox = await cri.startPod(spec);
  sandboxes.push(sandbox);
  const start = (mark: string) =>
    cri.startContainer(sandbox, spec, { name: mark, image: IMAGE, command: ['true', mark] });
  const names = Array.from({ length: 60 }, (_, i) => `windhover-mark-${i}`);
  for (const name of names.slice(0, 30)) await start(name);
  await daemon.restart();
  for (const name of names.slice(30)) await start(name);
  for (const name of names) {
    const { rule, output_fields: fields, output } = await sensor.alert((alert) => alert.output.includes(`${name} `));
    expect(rule, output).toBe('Program in container');
    expect(fields, output).toMatchObject({
      'container.name': name,
      'container.image.repository': 'windhover.test/busybox',
      'k8s.pod.name': 'web-2',
      'k8s.ns.name': 'shop',
    });
  }
}, 120_000);
