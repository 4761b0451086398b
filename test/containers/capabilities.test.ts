import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ROOT } from '../live/sensor.ts';
import { makeCgroup, startSensor } from './sensor.ts';

/** What the chart gives the sensor, and what is lost without each of it: the table in deploy/README.md. */

const NEEDED = ['BPF', 'PERFMON', 'SYS_PTRACE', 'DAC_READ_SEARCH'];
/** Only kernels before 5.11 count the memory of eBPF maps against a limit that it lifts. */
const OLD_KERNELS = 'SYS_RESOURCE';

const missing =
  process.getuid?.() !== 0 ? 'needs root' : existsSync('/usr/bin/setpriv') ? null : 'setpriv is not installed';

const RULE = `
- rule: Write
  desc: By a process, to a file, that were there before the sensor.
  condition: evt.type = write and proc.name = sh and fd.num = 1
  output: A write (file=%fd.name exe=%proc.exepath)
  priority: NOTICE
`;

let folder = '';
let cgroup: ReturnType<typeof makeCgroup>;
let writer: ChildProcess;
beforeAll(async () => {
  if (missing !== null) return;
  folder = mkdtempSync(join(tmpdir(), 'windhover-capabilities-'));
  writeFileSync(join(folder, 'rules.yaml'), RULE);
  cgroup = makeCgroup('capabilities');
  // Nobody's process: root without capabilities may not look into it.
  const script =
    'exec 5>"$0"; echo ready; exec setpriv --reuid=65534 --regid=65534 --clear-groups sh -c "while read x; do echo >&5; done"';
  writer = spawn('sh', ['-c', script, join(folder, 'written')], { stdio: ['pipe', 'pipe', 'ignore'] });
  if (writer.stdout !== null) await once(writer.stdout, 'data');
  writeFileSync(join(cgroup.directory, 'cgroup.procs'), String(writer.pid));
});
afterAll(async () => {
  if (missing !== null) return;
  const ended = once(writer, 'exit');
  writer.stdin?.end();
  await ended;
  cgroup.remove();
  rmSync(folder, { recursive: true });
});

/** What an alert says with these capabilities alone. Rejects when the sensor does not start. */
async function seenWith(capabilities: readonly string[]): Promise<unknown> {
  const bounding = ['-all', ...capabilities.map((name) => `+${name.toLowerCase()}`)].join();
  const sensor = await startSensor(
    cgroup.directory,
    ['-r', join(folder, 'rules.yaml'), '-o', 'base_syscalls.all=true'],
    ['setpriv', `--bounding-set=${bounding}`],
  );
  try {
    writer.stdin?.write('\n');
    const { 'fd.name': file, 'proc.exepath': exe } = (await sensor.alert(({ rule }) => rule === 'Write')).output_fields;
    return { file, exe };
  } finally {
    await sensor.stop();
  }
}

test('the chart gives these, and no others', () => {
  const helpers = readFileSync(`${ROOT}deploy/charts/windhover/templates/_helpers.tpl`, 'utf8');
  const given = /add: (\[.*\])$/m.exec(helpers)?.[1] ?? '';
  expect(new Set(parse(given))).toEqual(new Set([...NEEDED, OLD_KERNELS]));
});

test('with all of them processes and files that were there before are known', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  expect(await seenWith(NEEDED)).toEqual({ file: join(folder, 'written'), exe: expect.stringMatching(/^\/.*sh$/) });
});

test.for(['BPF', 'PERFMON'])('without %s it does not start', async (capability, ctx) => {
  if (missing !== null) ctx.skip(missing);
  await expect(seenWith(NEEDED.filter((one) => one !== capability))).rejects.toThrow('the sensor ended');
});

test('without SYS_PTRACE neither programs nor files of processes that were there are known', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  expect(await seenWith(NEEDED.filter((one) => one !== 'SYS_PTRACE'))).toEqual({ file: '', exe: '' });
});

test('without DAC_READ_SEARCH their files are not known', async (ctx) => {
  if (missing !== null) ctx.skip(missing);
  expect(await seenWith(NEEDED.filter((one) => one !== 'DAC_READ_SEARCH'))).toEqual({
    file: '',
    exe: expect.stringMatching(/^\/.*sh$/),
  });
});
