import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AlertLine, replayed, watched } from '../live/sensor.ts';
import { enginesMissing } from './engines.ts';
import { expectAllKnown, IMAGE, type WatchedEngine, watchEngine } from './watched-engine.ts';

/** A real Podman; the sensor watches nothing but this test's containers. */

const missing = enginesMissing('podman', 'conmon', 'script');

let engine: WatchedEngine;

beforeAll(async () => {
  if (missing === null) engine = await watchEngine('podman');
}, 120_000);
afterAll(() => engine?.stop(), 60_000);

test('a shell in a container gives an alert with everything that Podman knows', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  const id = engine.container('one', '--network=host', '--privileged', '-v', '/tmp:/host-tmp:ro', '-l', 'tier=front');
  await engine.terminal('one', 'true first');
  const alert = await engine.sensor.alert(({ output }) => output.includes('true first'));
  expectAllKnown(alert, 'podman', id);
  expect(alert.output_fields).toMatchObject({
    'container.privileged': true,
    'container.host_network': true,
    'container.mounts': expect.stringContaining('/tmp:/host-tmp:'),
  });
});

test('a container that was made while the service was away is known once it is back', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  await engine.daemon.restart();
  engine.container('two', '--network=none');
  await engine.terminal('two', 'true second');
  const { output_fields: fields } = await engine.sensor.alert(({ output }) => output.includes('true second'));
  expect(fields).toMatchObject({ 'container.name': 'two', 'container.privileged': false });
});

test('what a healthcheck starts is told apart from what others start', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  engine.container('three', '--network=none', '--health-cmd=true windhover-mark-health', '--health-interval=disable');
  engine.call('healthcheck', 'run', 'three');
  engine.call('exec', 'three', 'true', 'windhover-mark-other');
  const health = await engine.sensor.alert(({ output }) => output.includes('true windhover-mark-health'));
  expect(health.output_fields['proc.is_container_healthcheck']).toBe(true);
  const other = await engine.sensor.alert(({ output }) => output.includes('windhover-mark-other'));
  expect(other.output_fields['proc.is_container_healthcheck']).toBe(false);
});

test('a recording says of containers what the alerts said', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  const recording = join(engine.daemon.folder, 'recording.scap');
  const marks = Array.from({ length: 5 }, (_, i) => `windhover-mark-recorded-${i}`);
  const script = marks.map((mark) => `${engine.client} run --rm --network=none ${IMAGE} true ${mark}`).join('; ');
  const live = await watched(['--record', recording, ...engine.options], ['sh', '-c', script]);
  const again = await replayed(engine.options, recording);
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
  expect(containers(again)).toEqual(containers(live));
});
