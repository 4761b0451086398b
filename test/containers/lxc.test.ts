import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { watched } from '../live/sensor.ts';
import { busyboxRoot, enginesMissing } from './engines.ts';

const RULES = fileURLToPath(new URL('rules.yaml', import.meta.url));
const missing = enginesMissing('lxc-start', 'lxc-attach');

test('a container of LXC has a name and a type, without an engine that could be asked', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  const folder = mkdtempSync(join(tmpdir(), 'windhover-lxc-'));
  mkdirSync(join(folder, 'web'));
  const settings = [
    `lxc.rootfs.path = dir:${busyboxRoot(folder)}`,
    'lxc.uts.name = web',
    'lxc.net.0.type = empty',
    'lxc.mount.auto = proc:mixed',
    'lxc.apparmor.profile = unconfined',
    'lxc.init.cmd = /bin/sleep 1000',
  ];
  writeFileSync(join(folder, 'web/config'), `${settings.join('\n')}\n`);
  const at = `-P ${folder} -n web`;
  const script = `lxc-start ${at} && lxc-attach ${at} -- /bin/true windhover-mark-lxc; lxc-stop ${at} -k`;
  const { alerts, stderr } = await watched(['-r', RULES], ['sh', '-c', script]);
  rmSync(folder, { recursive: true });
  expect(alerts, stderr).toHaveLength(1);
  expect(alerts[0]?.rule).toBe('Program in container');
  expect(alerts[0]?.output_fields).toMatchObject({
    'container.id': 'web',
    'container.name': 'web',
    'container.type': 'lxc',
  });
});
