import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT, windhover } from './sensor.ts';

/**
 * The three system-call rules of the project's introduction, as printed there, over the macros that we ship:
 * each fires once on a real process, and every field of its output has a value.
 */

const FIXTURES = `${ROOT}test/live/fixtures`;
const RULES = ['rules/common.yaml', `${FIXTURES}/introduction_rules.yaml`, `${FIXTURES}/lists.yaml`];
const C2 = '127.66.6.6';

let server: Server;
beforeAll(
  () =>
    new Promise<void>((resolve) => {
      server = createServer((socket) => socket.end());
      server.listen(0, C2, resolve);
    }),
);
afterAll(() => server.close());

/** A new cgroup in the hierarchy that containers are told by; version 1 and 2 hosts differ. */
function cgroup(): string {
  const parent = existsSync('/sys/fs/cgroup/cpu') ? '/sys/fs/cgroup/cpu' : '/sys/fs/cgroup';
  return `${parent}/windhover-test-${process.pid}`;
}

test('the rules of the introduction fire once each, with every field filled', async () => {
  const { port } = server.address() as { port: number };
  const workload = [
    // A shell with a terminal in a cgroup and namespaces of its own.
    `${FIXTURES}/container.sh ${cgroup()} env SHELL=/bin/sh script -qc true /dev/null >/dev/null`,
    // A directory for programs, written to in a mount namespace so that the machine's own stays as it is.
    `unshare --mount sh -c 'mount -t tmpfs none /usr/local/sbin && echo true > /usr/local/sbin/new-program'`,
    `bash -c 'exec 3<>/dev/tcp/${C2}/${port}'`,
  ].join('\n');
  const run = await windhover([
    'run',
    '--format',
    'json',
    '-o',
    'append_output=[]',
    ...RULES.flatMap((file) => ['-r', file]),
    '--',
    'sh',
    '-ec',
    workload,
  ]);
  expect(run.stderr).not.toContain('Error');
  expect(run.status).toBe(0);
  const byRule = new Map(run.alerts.map((alert) => [alert.rule, alert]));
  expect([...byRule.keys()].sort()).toEqual([
    'Outbound connection to C2 servers',
    'Run shell in container',
    'Write below binary dir',
  ]);
  for (const alert of run.alerts) {
    const missing = Object.entries(alert.output_fields).filter(([, value]) => value === null || value === '');
    expect(missing, alert.output).toEqual([]);
    expect(alert.output).not.toContain('<NA>');
  }
  expect(run.alerts).toHaveLength(3);

  const shell = byRule.get('Run shell in container')?.output_fields;
  expect(shell).toMatchObject({ 'proc.name': 'sh', 'user.name': 'root', 'proc.cmdline': 'sh -c true' });
  expect(shell?.['proc.tty']).toBeGreaterThan(0);
  expect(shell?.['container.id']).not.toBe('host');
  expect(byRule.get('Write below binary dir')?.output_fields).toMatchObject({
    'fd.name': '/usr/local/sbin/new-program',
    'proc.pname': 'sh',
  });
  expect(byRule.get('Outbound connection to C2 servers')?.output_fields['fd.name']).toMatch(
    new RegExp(`^127\\.0\\.0\\.1:\\d+->${C2.replaceAll('.', '\\.')}:${port}$`),
  );
});
