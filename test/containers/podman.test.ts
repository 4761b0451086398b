import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AlertLine, windhover } from '../live/sensor.ts';
import { busyboxRoot, type Daemon, enginesMissing, podman, podmanImage, podmanScript, startPodman } from './engines.ts';
import { makeCgroup, type RunningSensor, startSensor } from './sensor.ts';

/** A real Podman; the sensor watches nothing but this test's containers. */

const RULES = fileURLToPath(new URL('rules.yaml', import.meta.url));
const IMAGE = 'registry.test/team/shell:1.2';
const missing = enginesMissing('podman', 'conmon', 'script');

let daemon: Daemon;
let sensor: RunningSensor;
let cgroup: ReturnType<typeof makeCgroup>;
let options: string[];

beforeAll(async () => {
  if (missing !== null) return;
  cgroup = makeCgroup('podman');
  daemon = await startPodman();
  podmanImage(daemon.folder, IMAGE, busyboxRoot(daemon.folder), 'LABEL team=blue', 'CMD ["sleep", "1000"]');
  options = [
    '-r',
    RULES,
    '-o',
    `windhover.containers.engines={"podman":{"sockets":["${daemon.socket}"]}}`,
    '-o',
    'rule_matching=all',
  ];
  sensor = await startSensor(cgroup.directory, options);
}, 120_000);
afterAll(async () => {
  await sensor?.stop();
  await daemon?.stop();
  cgroup?.remove();
}, 60_000);

function container(name: string, ...settings: readonly string[]): string {
  return podman(daemon.folder, 'run', '-d', '--name', name, '--cgroup-parent', cgroup.parent, ...settings, IMAGE);
}

async function terminal(name: string, command: string): Promise<void> {
  const line = `${podmanScript(daemon.folder)} exec -it ${name} sh -c '${command}'`;
  const child = spawn('script', ['-qec', line, '/dev/null'], { stdio: 'ignore' });
  await new Promise<void>((resolve) => child.once('close', () => resolve()));
}

test('a shell in a container gives an alert with everything that Podman knows', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  const id = container('one', '--network=host', '--privileged', '-v', '/tmp:/host-tmp:ro', '-l', 'tier=front');
  await terminal('one', 'true first');
  const { output, output_fields: fields } = await sensor.alert(({ output }) => output.includes('true first'));
  expect(fields).toMatchObject({
    'container.id': id.slice(0, 12),
    'container.full_id': id,
    'container.name': 'one',
    'container.type': 'podman',
    'container.image.repository': 'registry.test/team/shell',
    'container.image.tag': '1.2',
    'container.privileged': true,
    'container.host_network': true,
    'container.mounts': expect.stringContaining('/tmp:/host-tmp:'),
  });
  expect(fields['container.image.id']).toMatch(/^[0-9a-f]{64}$/);
  expect(fields['container.start_ts']).toBeGreaterThan(1.7e18);
  expect(fields['container.labels']).toContain('team:blue');
  expect(fields['container.labels']).toContain('tier:front');
  expect(output).not.toContain('missing');
});

test('a container that was made while the service was away is known once it is back', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  await daemon.restart();
  container('two', '--network=none');
  await terminal('two', 'true second');
  const { output_fields: fields } = await sensor.alert(({ output }) => output.includes('true second'));
  expect(fields).toMatchObject({ 'container.name': 'two', 'container.privileged': false });
});

test('what a healthcheck starts is told apart from what others start', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  container('three', '--network=none', '--health-cmd=true windhover-mark-health', '--health-interval=disable');
  podman(daemon.folder, 'healthcheck', 'run', 'three');
  podman(daemon.folder, 'exec', 'three', 'true', 'windhover-mark-other');
  const health = await sensor.alert(({ output }) => output.includes('true windhover-mark-health'));
  expect(health.output_fields['proc.is_container_healthcheck']).toBe(true);
  const other = await sensor.alert(({ output }) => output.includes('windhover-mark-other'));
  expect(other.output_fields['proc.is_container_healthcheck']).toBe(false);
});

test('a recording says of containers what the alerts said', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  const recording = join(daemon.folder, 'recording.scap');
  const call = podmanScript(daemon.folder);
  const marks = Array.from({ length: 5 }, (_, i) => `windhover-mark-recorded-${i}`);
  const script = marks.map((mark) => `${call} run --rm --network=none ${IMAGE} true ${mark}`).join('; ');
  const live = await windhover([
    'run',
    '--format',
    'json',
    '--record',
    recording,
    ...options,
    '--',
    'sh',
    '-c',
    script,
  ]);
  const replayed = await windhover(['replay', '-o', 'json_output=true', ...options, recording]);
  const containers = ({ alerts }: { alerts: readonly AlertLine[] }) =>
    alerts.map(({ rule, output_fields }) => ({
      rule,
      ...Object.fromEntries(Object.entries(output_fields).filter(([name]) => name !== 'evt.time')),
    }));
  const expected = containers(live).filter(({ rule }) => rule === 'Program in container');
  expect(expected.length, live.stderr).toBe(marks.length);
  for (const fields of expected) {
    expect(fields).toMatchObject({ 'container.image.repository': 'registry.test/team/shell' });
  }
  expect(containers(replayed)).toEqual(containers(live));
});
