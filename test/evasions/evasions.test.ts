import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { demoCommand } from '../../src/cli/demo-actions.ts';
import { cannotWatch } from '../actions/watch.ts';
import { ALL_MATCHES, type AlertLine, ROOT, type Run, watched } from '../live/sensor.ts';

/**
 * Ways around a watcher, A01 to A35 (docs/threat-model.md has a row for each): every one is done by a real program
 * in namespaces of its own, and found by the rules that come with the program. The one that needs another kernel (A08)
 * is found in a guest (test/kernels/rules.test.ts).
 */

/** sh; `$ev` is the compiled program, `$out` a directory that outlives the namespaces. A copy under the row's name tells whose alert it is. */
const STAGES: Readonly<Record<string, string>> = {
  A01: 'as A01 A01 >"$out/A01"',
  A02: 'ln -s /etc/security "$scratch/link"; shell A02; cp "$(command -v cat)" "$tools/A02"; "$tools/A02" "$scratch/link/../shadow"',
  A03: 'as A03 A03 "$ports" >"$out/A03"',
  A04: 'as A04 A04 >"$out/A04"',
  A05: 'cp "$ev" /var/tmp/raced-program-of-A05; cp "$ev" "$tools/other"; as A05 A05 "/var/tmp/raced-program-of-A05,$tools/other" >"$out/A05"',
  A06: 'as A06 A06; echo $? >"$out/A06"',
  A07: 'as A07 A07; echo $? >"$out/A07"',
  A08: 'as A08 A08 "$ev"; echo $? >"$out/A08"',
  A09: 'as A09 A09',
  A10: 'cp "$(command -v cat)" "$tools/systemd-logind"; "$tools/systemd-logind" /etc/shadow',
  A11: 'shell dpkg; "$tools/dpkg" -c "cp /bin/true /usr/sbin/A11; true"',
  A12: 'as A12 A12',
  A13: 'mkfifo "$scratch/A13"; sh -i <"$scratch/A13" 2>&1 | cat >"$scratch/A13-out" & echo exit >"$scratch/A13"; wait; mkfifo "$scratch/A13-loop"; sh <"$scratch/A13-loop" 2>&1 | perl -MIO::Socket::INET -e \'$0 = "A13"; my ($port) = $ARGV[0] =~ /,(\\d+)/; IO::Socket::INET->new("127.0.0.1:$port") or die; select undef, undef, undef, 0.3\' A13,$ports >"$scratch/A13-loop"; perl -MIO::Socket::INET -e \'my ($port) = $ARGV[0] =~ /,(\\d+)/; my $s = IO::Socket::INET->new("127.0.0.1:$port") or die; pipe my $a, my $b; pipe my $c, my $d; if (!fork) { open STDIN, "<&", $a; open STDOUT, ">&", $d; exec "sh" } print $b "true\\n"; close $b; wait\' A13,$ports',
  A14: `tool nc; "$tools/nc" -ve /bin/sh 127.0.0.1 1; find "$tools" -regex ".*id_.sa"; tool sudoedit; chmod 755 "$scratch"; setpriv --reuid 65534 "$tools/sudoedit" --login 'A14\\'`,
  A15: 'sh -c ": $(head -c 20000 /dev/zero | tr "\\0" A)"',
  A16: 'printf "#!/bin/sh\\ntrue A16\\n" >/dev/shm/A16; chmod 755 /dev/shm/A16; /dev/shm/A16',
  A17: 'cp "$ev" /var/tmp/A17-code; cp "$ev" /usr/bin/A17; /usr/bin/A17 A17 /var/tmp/A17-code; for l in /lib64/ld-linux-x86-64.so.2 /lib/ld-linux-aarch64.so.1; do test ! -e $l || $l /bin/true A17; done',
  A18: `perl -e 'my $n = "A18"; my $fd = syscall(319, $n, 0); open my $in, "<", "/bin/true"; binmode $in; local $/; my $p = <$in>; syscall(1, $fd, $p, length $p); exec "/proc/self/fd/$fd"'`,
  A19: `perl -e '$0 = "A19"; open my $m, "+<", "/proc/self/mem" or die; seek $m, 0, 0'`,
  A20: 'as A20 A20',
  A21: 'LD_PRELOAD=/var/tmp/A21.so /bin/true; : >>/etc/ld.so.preload',
  A22: 'as A22 A22 /var/tmp; echo $? >"$out/A22"',
  A23: 'touch "$scratch/innocent"; mount --bind /etc/shadow "$scratch/innocent"',
  A24: 'ln /etc/shadow /etc/A24',
  A25: 'as A25 A25',
  A26: 'nsenter --target $$ --uts true',
  A27: `perl -e 'open my $f, ">>", "/proc/sys/kernel/core_pattern"'`,
  A28: 'as A28 A28',
  A29: 'tool pkill; "$tools/pkill" -0 windhover-A29',
  A30: 'cp /bin/true /var/tmp/A30-program; as A30 A30 /var/tmp/A30-program',
  A31: `mkdir -p /etc/cron.d; touch "$(printf '/etc/cron.d/A31\\n{"rule":"forged"}\\033[2J%%proc.name')"`,
  A33: 'command -v busybox && busybox cat /etc/shadow; echo $? >"$out/A33"',
  A34: `unshare --net sh -c 'ip link set lo up; ip addr add 169.254.169.254/32 dev lo; exec perl -MSocket -e "socket(my \\$s, PF_INET, SOCK_DGRAM, 0); send(\\$s, q(A34), 0, sockaddr_in(80, inet_aton(q(169.254.169.254)))) or die"'`,
  A35: 'printf "/etc/shadow\\0" >/var/tmp/A35-name; as A35 A35 /var/tmp/A35-name',
};

const SETUP = [
  'exec_path=$(command -v bash)',
  'as() { cp "$ev" "$tools/$1"; program=$tools/$1; shift; "$program" "$@"; }',
].join('\n');

let folder = '';
let run: Run;
let reason: string | undefined;
const servers: Server[] = [];

async function listen(): Promise<number> {
  const server = createServer((socket) => socket.on('error', () => {}).destroy());
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 1024, resolve));
  return (server.address() as { port: number }).port;
}

beforeAll(async () => {
  reason = cannotWatch();
  folder = mkdtempSync(`${tmpdir()}/windhover-evasions-`);
  const program = `${folder}/evasions`;
  try {
    const source = fileURLToPath(new URL('evasions.c', import.meta.url));
    execFileSync('gcc', ['-static', '-no-pie', '-O1', '-pthread', '-o', program, source], { stdio: 'pipe' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    reason ??= 'no C compiler (gcc)';
  }
  if (reason !== undefined) return;
  const ports = [await listen(), await listen()];
  const rules = `${folder}/races.yaml`;
  writeFileSync(
    rules,
    `- rule: Raced connection\n  desc: d\n  condition: evt.type = connect and evt.rawres >= 0 and fd.sport = ${ports[1]}\n  output: "%fd.name %proc.name"\n  priority: WARNING\n`,
  );
  const scratch = mkdtempSync(`${folder}/scratch-`);
  const actions = Object.values(STAGES).map((stage) => ({
    rule: '',
    place: 'host' as const,
    body: `out=${folder} ev=${program} ports=${ports.join(',')}\n${SETUP}\n${stage}\n`,
  }));
  run = await watched(
    [...ALL_MATCHES, '-r', `${ROOT}rules`, '-r', rules],
    demoCommand(actions, 'host', { scratch, port: 0, announce: false }),
  );
}, 300_000);
afterAll(() => {
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Alerts of a rule whose output mentions all of the texts. */
const alerts = (rule: string, ...texts: string[]): AlertLine[] =>
  run.alerts.filter((alert) => alert.rule === rule && texts.every((text) => alert.output.includes(text)));
const told = (name: string): number => Number(readFileSync(`${folder}/${name}`, 'utf8').trim() || 'NaN');

/** A test that is skipped where nothing can be watched. */
const row = (title: string, check: (skip: (why: string) => void) => void): void => {
  test(title, (context) => {
    if (reason !== undefined) context.skip(reason);
    check((why) => context.skip(why));
  });
};

const SENSITIVE = 'Read sensitive file untrusted';

row('the run itself went well', () => {
  expect(run.status, run.stderr).toBe(0);
});

row('A01 a name that changes while open runs: every read is told, and no other', () => {
  expect(alerts(SENSITIVE, 'file=/etc/shadow', '/A01 ')).toHaveLength(told('A01'));
});
row('A02 a path through a linked directory and back', () => {
  expect(alerts(SENSITIVE, 'file=/etc/shadow', '/A02 ')).toHaveLength(1);
});
row('A03 an address that changes while connect runs: every connection is told by its real end', () => {
  expect(alerts('Raced connection', 'A03')).toHaveLength(told('A03'));
});
row('A04 a name that a tracer, or a supervisor of seccomp, changes while it delays the call', () => {
  expect(told('A04')).toBe(40);
  expect(alerts(SENSITIVE, 'file=/etc/shadow', '/A04 ')).toHaveLength(40);
});
row('A05 a name that changes while execve runs: what was started is told, and nothing else', () => {
  const started = alerts('Program started from a world-writable directory', 'exe=/var/tmp/raced-program-of-A05 ');
  expect(started).toHaveLength(told('A05'));
});
row('A06 an open through io_uring', (skip) => {
  if (told('A06') === 77) skip('io_uring is switched off here');
  expect(alerts('Sensitive call through io_uring', 'file=/etc/shadow', '/A06 ')).toHaveLength(1);
  expect(alerts(SENSITIVE, '/A06 ')).toHaveLength(1);
});
row('A07 an open by the numbering of 32 bits', (skip) => {
  if (told('A07') === 77) skip('only x86-64 has them');
  expect(alerts('System call of 32 bits', '/A07 ')).toHaveLength(1);
  expect(alerts(SENSITIVE, '/A07 ')).toHaveLength(1);
});
row('A08 an open by the numbering of x32: told where the kernel knows it (test/kernels), else nothing was read', () => {
  expect(alerts(SENSITIVE, '/A08 ')).toHaveLength(told('A08') === 77 ? 0 : 1);
});
row('A09 openat2 and open_by_handle_at', () => {
  expect(alerts(SENSITIVE, 'file=/etc/shadow', '/A09 ').length).toBeGreaterThanOrEqual(1);
});
row('A10 a copy of cat with a trusted name', () => {
  expect(alerts(SENSITIVE, '/systemd-logind ')).toHaveLength(1);
});
row('A11 a shell with the name of a package manager', () => {
  expect(alerts('Write below binary dir', 'file=/usr/sbin/A11')).toHaveLength(1);
});
row('A12 a process that changes its name', () => {
  expect(alerts(SENSITIVE, '/A12 ')).toHaveLength(1);
});
row('A13 a shell fed through a fifo', () => {
  expect(alerts('Interactive shell fed through pipes by a network program').length).toBeGreaterThanOrEqual(1);
  // Without -i: the one is tied when its program connects, the other when it starts.
  const tied = 'Shell tied to the network through pipes';
  expect(alerts(tied, 'exe=/usr/bin/perl').length).toBeGreaterThanOrEqual(1);
  expect(alerts(tied, 'exe=/usr/bin/dash').length).toBeGreaterThanOrEqual(1);
});
row('A14 letters of options put together, patterns for names, long options', () => {
  expect(alerts('Netcat/Socat Remote Code Execution on Host', '-ve')).toHaveLength(1);
  expect(alerts('Search Private Keys or Passwords', 'id_.sa')).toHaveLength(1);
  expect(alerts('Sudo Potential Privilege Escalation', '--login A14')).toHaveLength(1);
});
row('A15 arguments longer than what is kept', () => {
  expect(alerts('Arguments too long to be kept', 'AAAA')).toHaveLength(1);
});
row('A16 a script instead of a program', () => {
  expect(alerts('Execution from /dev/shm', '/dev/shm/A16')).toHaveLength(1);
});
row('A17 code mapped without execve, and the dynamic loader', () => {
  expect(alerts('Code mapped from a world-writable directory', 'exe=/usr/bin/A17 ')).toHaveLength(1);
  expect(alerts('Program started through the dynamic loader', 'A17')).toHaveLength(1);
});
row('A18 a program in memory', () => {
  expect(alerts('Fileless execution via memfd_create', 'A18')).toHaveLength(1);
});
row('A19 writing through /proc/self/mem', () => {
  expect(alerts('Process memory opened for writing').length).toBeGreaterThanOrEqual(1);
});
row('A20 writing into another process', () => {
  expect(alerts('Memory of another process written', '/A20 ')).toHaveLength(1);
  expect(alerts('PTRACE attached to process', '/A20 ')).toHaveLength(2);
});
row('A21 preloaded libraries', () => {
  expect(alerts('Library preloaded through the environment').length).toBeGreaterThanOrEqual(1);
  expect(alerts('Library list of the loader changed')).toHaveLength(1);
});
row('A22 a program that never had a name', (skip) => {
  if (told('A22') === 77) skip('the file system of /var/tmp makes no nameless files');
  expect(alerts('Program without a file started').length).toBeGreaterThanOrEqual(1);
});
row('A23 a mount over another name', () => {
  expect(alerts('Sensitive file mounted under another name', '/etc/shadow').length).toBeGreaterThanOrEqual(1);
});
row('A24 a hard link', () => {
  expect(alerts('Create Hardlink Over Sensitive Files', 'A24')).toHaveLength(1);
});
row('A25 descriptors that are handed over: told where they are opened, and where they are taken', () => {
  expect(alerts(SENSITIVE, '/A25 ')).toHaveLength(1);
  expect(alerts('Descriptor taken from another process', '/A25 ')).toHaveLength(1);
});
row('A26 entering another namespace', () => {
  expect(alerts('Change thread namespace').length).toBeGreaterThanOrEqual(1);
});
row('A27 programs that the kernel starts', () => {
  expect(alerts('Kernel helper program changed', 'core_pattern')).toHaveLength(1);
});
row('A28 a flood before the deed', () => {
  expect(alerts(SENSITIVE, '/A28 ')).toHaveLength(1);
});
row('A29 a signal to the watcher', () => {
  expect(alerts('Protection of the machine switched off', 'windhover-A29')).toHaveLength(1);
});
row('A30 a program started by another thread than the first', () => {
  expect(alerts('Program started from a world-writable directory', 'exe=/var/tmp/A30-program ')).toHaveLength(1);
});
row('A31 names that forge alerts', () => {
  const [alert] = alerts('Schedule Cron Jobs', 'A31');
  expect(alert?.output_fields['evt.args']).toContain(
    'name=/etc/cron.d/A31\n{"rule":"forged"}\u001b[2J%proc.name flags=',
  );
  expect(run.alerts.filter(({ rule }) => rule === 'forged')).toEqual([]);
});
row('A32 a rule that hides another: with rule_matching=all an event raises both', () => {
  const times = alerts(SENSITIVE, '/A06 ').map(({ time }) => time);
  if (times.length > 0)
    expect(alerts('Sensitive call through io_uring', '/A06 ').map(({ time }) => time)).toEqual(times);
});
row('A33 an applet of busybox', (skip) => {
  if (told('A33') !== 0) skip('busybox is not here');
  expect(alerts(SENSITIVE, 'busybox')).toHaveLength(1);
});
row('A34 datagrams without connect', () => {
  expect(alerts('Cloud metadata fetched by a tool', '169.254.169.254')).toHaveLength(1);
});
row('A35 a name in a page that is not there', () => {
  expect(alerts(SENSITIVE, 'file=/etc/shadow', '/A35 ')).toHaveLength(1);
});

test('each row of the threat model has its test here, or says why not', () => {
  const page = readFileSync(`${ROOT}docs/threat-model.md`, 'utf8');
  for (let i = 1; i <= 35; i++) {
    const id = `A${String(i).padStart(2, '0')}`;
    const line = page.split('\n').find((one) => one.startsWith(`| ${id} `));
    expect([id, line !== undefined]).toEqual([id, true]);
    if (STAGES[id] === undefined && id !== 'A32') expect([id, line?.includes('not staged')]).toEqual([id, true]);
  }
  expect(existsSync(`${ROOT}test/evasions/evasions.c`)).toBe(true);
});
