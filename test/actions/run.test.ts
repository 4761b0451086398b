/** `windhover run` and `windhover record` on real processes of our own: the command line over the live probe. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { cannotWatch } from './watch.ts';

const reason = cannotWatch();
const program = fileURLToPath(new URL('../../bin/windhover', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'windhover-run-'));
afterAll(() => rmSync(directory, { recursive: true }));
beforeEach((ctx) => {
  if (reason !== undefined) ctx.skip(reason);
});

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

const secret = file('secret', 'x');
const rules = file(
  'rules.yaml',
  `- rule: Secret read\n  desc: d\n  condition: evt.type in (open, openat, openat2) and fd.name = ${secret}\n` +
    '  output: read by %proc.cmdline in %proc.pname\n  priority: ERROR\n  tags: [t]\n',
);

interface Answer {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function windhover(
  args: readonly string[],
  signal?: { readonly after: string; readonly send: NodeJS.Signals },
): Promise<Answer> {
  return new Promise((resolve) => {
    const env = { ...process.env, WINDHOVER_REQUIRE_SCOPE: '1', NO_COLOR: '1' };
    const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    let asked = false;
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
      if (signal === undefined || asked || !stdout.includes(signal.after)) return;
      asked = child.kill(signal.send);
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.stdin.end('standard input\n');
    child.on('close', (status) => resolve({ status, stdout, stderr }));
  });
}

const plain = ['-o', 'append_output=[]', '-r', rules];

test('the command has its own input, output and status; what it does is judged, what others do is not', async () => {
  const outside = spawn('sh', ['-c', `while :; do cat ${secret}; sleep 0.05; done`], { stdio: 'ignore' });
  const { status, stdout, stderr } = await windhover(['run', ...plain, '--', 'sh', '-c', `cat; cat ${secret}; exit 7`]);
  outside.kill();
  expect(status).toBe(7);
  expect(stdout).toContain('standard input\n');
  expect(stdout.match(/Error read by cat .*secret in sh/g)).toHaveLength(1);
  expect(stderr).toContain('Events detected: 1\n');
});

test('--fail-on: 3 from that priority on; a signal’s status; a command that is not there', async () => {
  const read = ['--', 'cat', secret];
  expect((await windhover(['run', ...plain, '--fail-on', 'error', ...read])).status).toBe(3);
  expect((await windhover(['run', ...plain, '--fail-on', 'critical', ...read])).status).toBe(0);
  expect((await windhover(['run', ...plain, '--', 'sh', '-c', 'kill -9 $$'])).status).toBe(137);
  expect((await windhover(['run', ...plain, '--', join(directory, 'none')])).status).toBe(127);
});

test('--profile writes down what a command does; --locked lets nothing else pass', async () => {
  const lock = join(directory, 'behaviour.lock');
  const shell = (script: string) => ['--', 'sh', '-c', script];
  const profiled = await windhover(['run', ...plain, '--profile', lock, ...shell(`cat ${secret} > /dev/null; exit 5`)]);
  expect(profiled.status).toBe(5);
  const written = readFileSync(lock, 'utf8');
  expect(written).toMatch(/\nprograms:\n {2}- .*\/cat\n {2}- .*sh\nwrites:\n {2}- \/dev\n/);
  const again = await windhover(['run', ...plain, '--locked', lock, ...shell(`cat ${secret} > /dev/null`)]);
  expect(again).toMatchObject({ status: 0 });
  const other = await windhover(['run', ...plain, '--locked', lock, ...shell(`cat ${secret}; mkdir ${directory}/new`)]);
  expect(other.status).toBe(3);
  expect(other.stdout).toMatch(/Warning Behaviour outside the lock file: mkdir started the program .*\/mkdir /);
  expect(other.stdout).toMatch(/Warning Behaviour outside the lock file: mkdir wrote in /);
  expect(other.stdout).not.toContain('cat started');
});

test('machine-readable forms', async () => {
  const alerts = async (format: string) =>
    (await windhover(['run', ...plain, '--format', format, '--', 'cat', secret])).stdout.replace(/^x/, '');
  expect(JSON.parse(await alerts('json'))).toMatchObject({ rule: 'Secret read', priority: 'Error', tags: ['t'] });
  const sarif = JSON.parse(await alerts('sarif'));
  expect(sarif.version).toBe('2.1.0');
  expect(sarif.runs[0].results).toMatchObject([{ ruleId: 'Secret read', level: 'error' }]);
  expect(await alerts('github')).toMatch(/^::error title=Secret read::.*read by cat .*\n$/);
});

test('SIGTERM goes to the command, and the run ends with it', async () => {
  const script = 'trap "echo asked; exit 5" TERM; echo ready; while :; do sleep 0.1; done';
  const { status, stdout } = await windhover(['run', ...plain, '--', 'sh', '-c', script], {
    after: 'ready',
    send: 'SIGTERM',
  });
  expect(stdout).toContain('asked');
  expect(status).toBe(5);
});

test('a descendant that stays behind does not keep the run', async () => {
  const { status } = await windhover([
    'run',
    ...plain,
    '--',
    'sh',
    '-c',
    'sleep 60 >/dev/null 2>&1 </dev/null & echo $! >&2; echo $!',
  ]);
  expect(status).toBe(0);
});

test('what was recorded, by itself or beside judging, gives the same alerts again', async () => {
  const one = join(directory, 'one.scap');
  const two = join(directory, 'two.scap');
  const live = await windhover(['run', ...plain, '--record', one, '--', 'sh', '-c', `cat ${secret}; cat ${secret}`]);
  expect((await windhover(['record', '-w', two, '--', 'sh', '-c', `cat ${secret}; exit 4`])).status).toBe(4);
  const alerts = (text: string): string[] => text.match(/read by .*/g) ?? [];
  expect(alerts(live.stdout)).toHaveLength(2);
  expect(alerts((await windhover(['replay', ...plain, one])).stdout)).toEqual(alerts(live.stdout));
  expect(alerts((await windhover(['replay', ...plain, two])).stdout)).toHaveLength(1);
  expect(readFileSync(one).length).toBeGreaterThan(0);
});

test('the whole host is refused where a scope is required, and a process tree can be named', async () => {
  const config = file(
    'falco.yaml',
    'stdout_output: {enabled: true}\nlog_stderr: true\nlog_syslog: false\nappend_output: []\n',
  );
  const refused = await windhover(['-c', config, '-r', rules]);
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain('refusing to watch the whole host');
  const nonsense = await windhover(['-c', config, '-r', rules, '--scope', 'galaxy']);
  expect(nonsense.stderr).toContain("'galaxy' is no scope");
  const reader = spawn('sh', ['-c', `while :; do cat ${secret}; sleep 0.05; done`], { stdio: 'ignore' });
  const watched = await windhover(['-c', config, '-r', rules, '--scope', `pid=${reader.pid}`], {
    after: 'read by',
    send: 'SIGINT',
  });
  reader.kill();
  expect(watched.status).toBe(0);
  expect(watched.stdout).toContain('read by cat');
});
