import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSqlite, openStore, readAlerts } from '../../src/store/index.ts';
import { cannotWatch } from '../actions/watch.ts';
import { windhover } from '../live/sensor.ts';

/** A host at its noisiest: the same few things over and over, with names, numbers and ports that differ each time. */
const NOISE = `
i=0
while [ $i -lt 1300 ]; do
  i=$((i + 1))
  : </etc/shadow; : </etc/gshadow
  : >"$1/.job-$i-$$.tmp"
  echo "true # $i" >>"$1/.bashrc"
  : >"$1/.bash_history"
  cp /bin/true "$1/build-$i"; "$1/build-$i" --run $i
  chmod u+s "$1/build-$i"
  cat /etc/shadow >/dev/null
  rm -f "$1/.bash_history" "$1/build-$i" "$1/.job-$i-$$.tmp"
done
`;

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'windhover-noise-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

it('makes fewer than thirty groups of ten thousand alerts of a noisy recording', {
  timeout: 300_000,
}, async (context) => {
  const reason = cannotWatch();
  if (reason !== undefined) context.skip(reason);
  const script = join(directory, 'noise.sh');
  writeFileSync(script, NOISE);
  const recording = join(directory, 'noise.scap');
  const settings = ['-o', 'append_output=[]', '-o', 'rules=[{enable: {rule: "*"}}]', '-o', 'rule_matching=all'];
  const live = await windhover(['run', '--record', recording, ...settings, '--', 'sh', script, directory]);
  expect(live.status, live.stderr).toBe(0);
  const judged = await windhover(['replay', recording, '-o', 'json_output=true', ...settings]);
  expect(judged.status, judged.stderr).toBe(0);
  expect(judged.alerts.length).toBeGreaterThan(10_000);
  const store = await openStore(openSqlite(join(directory, 'hub.db')));
  await store.ingest(readAlerts(judged.alerts.map((alert) => JSON.stringify(alert)).join('\n')));
  expect([...store.groups()].reduce((sum, group) => sum + group.count, 0)).toBe(judged.alerts.length);
  expect(store.totals().groups).toBeLessThan(30);
  await store.close();
});
