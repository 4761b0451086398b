import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../live/sensor.ts';
import { dockerImage, enginesMissing, run } from './engines.ts';
import { expectAllKnown, IMAGE, RULES, type WatchedEngine, watchEngine } from './watched-engine.ts';

/** A real Docker daemon; the sensor watches nothing but this test's containers. */

const missing = enginesMissing('dockerd', 'docker', 'script');

let engine: WatchedEngine;

beforeAll(async () => {
  if (missing === null) engine = await watchEngine('docker');
}, 120_000);
afterAll(() => engine?.stop(), 60_000);

test('a shell in a container gives an alert with everything that Docker knows', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  const id = engine.container(
    'one',
    '--network=host',
    '--pid=host',
    '--privileged',
    '-v',
    '/tmp:/host-tmp:ro',
    '-l',
    'tier=front',
  );
  await engine.terminal('one', 'true first');
  const alert = await engine.sensor.alert(({ output }) => output.includes('true first'));
  expectAllKnown(alert, 'docker', id);
  expect(alert.output_fields).toMatchObject({
    'container.privileged': true,
    'container.host_network': true,
    'container.host_pid': true,
    'container.mounts': expect.stringMatching(/^\/tmp:\/host-tmp:ro:false:r(private|slave)$/),
  });
});

test('a program that came into the container after its image was made is told apart', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  const inside = (...command: readonly string[]): string => engine.call('exec', 'one', ...command);
  inside('true', 'windhover-mark-shipped');
  inside('cp', '/bin/busybox', '/tmp/busybox');
  inside('/tmp/busybox', 'true', 'windhover-mark-brought');
  const upper = async (mark: string): Promise<unknown> =>
    (await engine.sensor.alert(({ output }) => output.includes(`true ${mark} `))).output_fields[
      'proc.is_exe_upper_layer'
    ];
  expect(await upper('windhover-mark-shipped')).toBe(false);
  expect(await upper('windhover-mark-brought')).toBe(true);
});

test('a container of a daemon that was restarted', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  await engine.daemon.restart();
  const id = engine.container('two', '--network=none');
  await engine.terminal('two', 'true second');
  const { output_fields: fields } = await engine.sensor.alert(({ output }) => output.includes('true second'));
  expect(fields).toMatchObject({
    'container.full_id': id,
    'container.name': 'two',
    'container.privileged': false,
    'container.host_network': false,
  });
});

test('the image runs under Docker, without privileges, as docs/containers.md says', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  const root = join(engine.daemon.folder, 'windhover-root');
  mkdirSync(root);
  run(`${ROOT}deploy/image/rootfs.sh`, root);
  dockerImage(engine.daemon, 'windhover:dev', root, 'ENTRYPOINT ["/usr/bin/windhover"]', 'ENV HOST_ROOT=/host');
  const mounts = ['/proc:/host/proc', '/etc:/host/etc', '/sys/fs/cgroup:/sys/fs/cgroup'];
  mounts.push(
    '/sys/kernel/tracing:/sys/kernel/tracing',
    `${engine.daemon.folder}:/host${engine.daemon.folder}`,
    `${RULES}:/rules.yaml`,
  );
  engine.call(
    ...['run', '-d', '--name', 'windhover', '--network=none', '--read-only', '-e', 'WINDHOVER_REQUIRE_SCOPE=1'],
    // Docker 20.10 does not know BPF and PERFMON yet.
    ...['--cap-drop=ALL', '--cap-add=SYS_ADMIN', '--cap-add=SYS_PTRACE', '--cap-add=DAC_READ_SEARCH'],
    ...mounts.flatMap((mount) => ['-v', `${mount}:ro`]),
    ...['windhover:dev', '-r', '/rules.yaml', '-o', `windhover.scope=cgroup=${engine.cgroup.directory}`],
    ...[
      '-o',
      'log_stderr=true',
      '-o',
      `windhover.containers.engines={"docker":{"sockets":["${engine.daemon.socket}"]}}`,
    ],
  );
  const log = (): string => run('sh', '-c', `${engine.client} logs windhover 2>&1`);
  await expect.poll(log, { timeout: 60_000, interval: 300 }).toContain('Enabled event sources');
  engine.container('four', '--network=none');
  await engine.terminal('four', 'true from-the-image');
  await expect.poll(log, { timeout: 60_000, interval: 300 }).toMatch(/true from-the-image.*container_name=four/);
}, 180_000);

test('no alert of short-lived containers lacks metadata', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  const names = Array.from({ length: 200 }, (_, i) => `windhover-mark-${i}`);
  const runOnce = (mark: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const args = ['run', '--rm', '--network=none', '--cgroup-parent', engine.cgroup.parent, IMAGE, 'true', mark];
      const child = spawn('docker', ['-H', `unix://${engine.daemon.socket}`, ...args], {
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
  for (const name of names) await engine.sensor.alert(({ output }) => output.includes(`${name} `));
  const alerts = engine.sensor.alerts.filter(({ output }) => /windhover-mark-\d/.test(output));
  expect(alerts).toHaveLength(names.length);
  for (const { rule, output, output_fields: fields } of alerts) {
    expect(rule).toBe('Program in container');
    expect(fields['container.image.repository'], output).toBe('registry.test/team/shell');
    expect(fields['container.image.tag'], output).toBe('1.2');
    expect(fields['container.name'], output).toMatch(/^[a-z]+_[a-z]+\d*$/);
  }
}, 240_000);
