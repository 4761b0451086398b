import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../live/sensor.ts';
import { busyboxRoot, type Daemon, docker, dockerImage, enginesMissing, run, startDocker } from './engines.ts';
import { makeCgroup, type RunningSensor, startSensor } from './sensor.ts';

/** A real Docker daemon; the sensor watches nothing but this test's containers. */

const RULES = fileURLToPath(new URL('rules.yaml', import.meta.url));
const IMAGE = 'registry.test/team/shell:1.2';
const missing = enginesMissing('dockerd', 'docker', 'script');

let daemon: Daemon;
let sensor: RunningSensor;
let cgroup: ReturnType<typeof makeCgroup>;

beforeAll(async () => {
  if (missing !== null) return;
  cgroup = makeCgroup('docker');
  daemon = await startDocker();
  dockerImage(daemon, IMAGE, busyboxRoot(daemon.folder), 'LABEL team=blue', 'CMD ["sleep", "1000"]');
  sensor = await startSensor(cgroup.directory, [
    '-r',
    RULES,
    '-o',
    `windhover.containers.engines={"docker":{"sockets":["${daemon.socket}"]}}`,
    '-o',
    'rule_matching=all',
  ]);
}, 120_000);
afterAll(async () => {
  await sensor?.stop();
  await daemon?.stop();
  cgroup?.remove();
}, 60_000);

function container(name: string, ...options: readonly string[]): string {
  return docker(daemon.socket, 'run', '-d', '--name', name, '--cgroup-parent', cgroup.parent, ...options, IMAGE);
}

/** A terminal is what `script` gives the docker client. */
async function terminal(name: string, command: string): Promise<void> {
  const line = `docker -H unix://${daemon.socket} exec -it ${name} sh -c '${command}'`;
  const child = spawn('script', ['-qec', line, '/dev/null'], { stdio: 'ignore' });
  await new Promise<void>((resolve) => child.once('close', () => resolve()));
}

test('a shell in a container gives an alert with everything that Docker knows', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  const id = container(
    'one',
    '--network=host',
    '--pid=host',
    '--privileged',
    '-v',
    '/tmp:/host-tmp:ro',
    '-l',
    'tier=front',
  );
  await terminal('one', 'true first');
  const { output, output_fields: fields } = await sensor.alert(({ output }) => output.includes('true first'));
  expect(fields).toMatchObject({
    'container.id': id.slice(0, 12),
    'container.full_id': id,
    'container.name': 'one',
    'container.type': 'docker',
    'container.image.repository': 'registry.test/team/shell',
    'container.image.tag': '1.2',
    'container.privileged': true,
    'container.host_network': true,
    'container.host_pid': true,
    'container.mounts': expect.stringMatching(/^\/tmp:\/host-tmp:ro:false:r(private|slave)$/),
  });
  expect(fields['container.image.id']).toMatch(/^[0-9a-f]{64}$/);
  expect(fields['container.start_ts']).toBeGreaterThan(1.7e18);
  expect(fields['container.labels']).toContain('team:blue');
  expect(fields['container.labels']).toContain('tier:front');
  expect(output).not.toContain('missing');
});

test('a program that came into the container after its image was made is told apart', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  const inside = (...command: readonly string[]): string => docker(daemon.socket, 'exec', 'one', ...command);
  inside('true', 'windhover-mark-shipped');
  inside('cp', '/bin/busybox', '/tmp/busybox');
  inside('/tmp/busybox', 'true', 'windhover-mark-brought');
  const upper = async (mark: string): Promise<unknown> =>
    (await sensor.alert(({ output }) => output.includes(`true ${mark} `))).output_fields['proc.is_exe_upper_layer'];
  expect(await upper('windhover-mark-shipped')).toBe(false);
  expect(await upper('windhover-mark-brought')).toBe(true);
});

test('a container of a daemon that was restarted', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  await daemon.restart();
  const id = container('two', '--network=none');
  await terminal('two', 'true second');
  const { output_fields: fields } = await sensor.alert(({ output }) => output.includes('true second'));
  expect(fields).toMatchObject({
    'container.full_id': id,
    'container.name': 'two',
    'container.privileged': false,
    'container.host_network': false,
  });
});

test('the image runs under Docker, without privileges, as docs/containers.md says', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  const root = join(daemon.folder, 'windhover-root');
  mkdirSync(root);
  run(`${ROOT}deploy/image/rootfs.sh`, root);
  dockerImage(daemon, 'windhover:dev', root, 'ENTRYPOINT ["/usr/bin/windhover"]', 'ENV HOST_ROOT=/host');
  const mounts = ['/proc:/host/proc', '/etc:/host/etc', '/sys/fs/cgroup:/sys/fs/cgroup'];
  mounts.push(
    '/sys/kernel/tracing:/sys/kernel/tracing',
    `${daemon.folder}:/host${daemon.folder}`,
    `${RULES}:/rules.yaml`,
  );
  docker(
    daemon.socket,
    ...['run', '-d', '--name', 'windhover', '--network=none', '--read-only', '-e', 'WINDHOVER_REQUIRE_SCOPE=1'],
    // Docker 20.10 does not know BPF and PERFMON yet.
    ...['--cap-drop=ALL', '--cap-add=SYS_ADMIN', '--cap-add=SYS_PTRACE', '--cap-add=DAC_READ_SEARCH'],
    ...mounts.flatMap((mount) => ['-v', `${mount}:ro`]),
    ...['windhover:dev', '-r', '/rules.yaml', '-o', `windhover.scope=cgroup=${cgroup.directory}`],
    ...['-o', 'log_stderr=true', '-o', `windhover.containers.engines={"docker":{"sockets":["${daemon.socket}"]}}`],
  );
  const log = (): string => run('sh', '-c', `docker -H unix://${daemon.socket} logs windhover 2>&1`);
  await expect.poll(log, { timeout: 60_000, interval: 300 }).toContain('Enabled event sources');
  container('four', '--network=none');
  await terminal('four', 'true from-the-image');
  await expect.poll(log, { timeout: 60_000, interval: 300 }).toMatch(/true from-the-image.*container_name=four/);
}, 180_000);

test('no alert of short-lived containers lacks metadata', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  const names = Array.from({ length: 200 }, (_, i) => `windhover-mark-${i}`);
  const runOnce = (mark: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const args = ['run', '--rm', '--network=none', '--cgroup-parent', cgroup.parent, IMAGE, 'true', mark];
      const child = spawn('docker', ['-H', `unix://${daemon.socket}`, ...args], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let errors = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        errors += text;
      });
      child.once('error', reject);
      child.once('close', (status) =>
        status === 0 ? resolve() : reject(new Error(`docker run: ${status}: ${errors}`)),
      );
    });
  const work = [...names];
  const worker = async (): Promise<void> => {
    for (let mark = work.pop(); mark !== undefined; mark = work.pop()) await runOnce(mark);
  };
  await Promise.all(Array.from({ length: 4 }, worker));
  for (const name of names) await sensor.alert(({ output }) => output.includes(`${name} `));
  const alerts = sensor.alerts.filter(({ output }) => /windhover-mark-\d/.test(output));
  expect(alerts).toHaveLength(names.length);
  for (const { rule, output, output_fields: fields } of alerts) {
    expect(rule).toBe('Program in container');
    expect(fields['container.image.repository'], output).toBe('registry.test/team/shell');
    expect(fields['container.image.tag'], output).toBe('1.2');
    expect(fields['container.name'], output).toMatch(/^[a-z]+_[a-z]+\d*$/);
  }
}, 240_000);
