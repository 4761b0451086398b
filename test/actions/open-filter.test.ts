/** Opens for reading that the rules let the kernel leave out. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemCalls } from '../../src/bpf/index.ts';
import { type OpenFilter, passes } from '../../src/engine/index.ts';
import type { CallFilter, SyscallSource } from '../../src/source/syscall.ts';
import { cannotWatch, openWatch, text, type WatchedEvent, watch } from './watch.ts';

process.env.WINDHOVER_REQUIRE_SCOPE = '1';

const reason = cannotWatch();
const directory = mkdtempSync(join(tmpdir(), 'windhover-opens-'));
const long = join(directory, ...Array<string>(6).fill('d'.repeat(60)));
let source: SyscallSource;

beforeAll(() => {
  mkdirSync(long, { recursive: true });
  mkdirSync(join(directory, '.hidden'));
  writeFileSync(join(directory, '.hidden', 'x'), 'x');
  for (const name of ['a', 'b..c', 'tail..']) writeFileSync(join(directory, name), name);
  writeFileSync(join(long, 'file'), 'x');
  if (reason === undefined) source = openWatch();
});
beforeEach((ctx) => {
  if (reason !== undefined) ctx.skip(reason);
});
afterAll(() => {
  source?.close();
  rmSync(directory, { recursive: true });
});

interface Open {
  readonly succeeded: boolean;
  readonly writes: boolean;
  readonly compat: boolean;
  readonly path: string;
  readonly raw: string;
  readonly comm: string;
  readonly exepath: string;
}

/** Flags on the wire with which an open is more than reading: O_WRONLY, O_CREAT, O_APPEND, O_TRUNC, O_TMPFILE. */
const WRITES = 0x2 | 0x4 | 0x8 | 0x100 | 0x2000;

/** The opens after the last exec of the shell that closes what may be open. */
function mainOpens(events: readonly WatchedEvent[]): Open[] {
  const last = events.findIndex(
    ({ code, params }) =>
      code === 'SYSCALL_EXECVE_19_X' && !text({ params } as WatchedEvent, 'exe').startsWith('/bin/bash'),
  );
  return opensOf(events.slice(last));
}

/** The opens among events, with the name that their thread had. */
function opensOf(events: readonly WatchedEvent[]): Open[] {
  const comms = new Map<number, string>();
  const programs = new Map<number, string>();
  return events.flatMap((event): Open[] => {
    if (event.params.some(({ name }) => name === 'comm')) comms.set(event.tid, text(event, 'comm'));
    if (event.code === 'SYSCALL_EXECVE_19_X') programs.set(event.tid, text(event, 'trusted_exepath'));
    if (event.code !== 'SYSCALL_OPENAT_2_X') return [];
    const flags = event.params.find(({ name }) => name === 'flags')?.bytes.readUInt32LE(0) ?? 0;
    const succeeded = (event.params[0]?.bytes.readBigInt64LE(0) ?? -1n) >= 0n;
    const path = text(event, 'wh.path');
    return [
      {
        succeeded,
        writes: (flags & WRITES) !== 0,
        compat: false,
        path,
        raw: text(event, 'name'),
        comm: comms.get(event.tid) ?? '',
        exepath: programs.get(event.tid) ?? '',
      },
    ];
  });
}

const SCRIPT =
  'cd "$0"; cat a b..c tail.. ./a ../*/a .hidden/x /etc/passwd /nonexistent ../nonexistent / 2>/dev/null >/dev/null; ' +
  'head -c 1 /etc/../etc/hostname "$1/file" a >/dev/null; ls "$0" >/dev/null; echo x > new; cat "$1/file"';

const NOTHING: OpenFilter = {
  failed: 'none',
  prefixes: [],
  tails: [],
  comms: [],
  programs: [],
  dots: false,
  compat: false,
};
const below = (path: string, asks: { hidden?: boolean; dots?: boolean } = {}) => ({
  path,
  hidden: asks.hidden ?? false,
  dots: asks.dots ?? false,
});
const FILTERS: readonly OpenFilter[] = [
  NOTHING,
  { ...NOTHING, failed: 'all' },
  { ...NOTHING, failed: 'dots' },
  { ...NOTHING, dots: true },
  { ...NOTHING, comms: ['head', 'sh'] },
  { ...NOTHING, prefixes: [below('/etc/pass'), below(directory)] },
  { ...NOTHING, prefixes: [below(`${directory}/a`)] },
  { ...NOTHING, prefixes: [below(directory, { hidden: true }), below('/etc', { dots: true })] },
  { ...NOTHING, prefixes: [below('/e')] },
  { ...NOTHING, tails: ['/a', 'sswd', 'hostname', '/x'] },
  { ...NOTHING, programs: ['/usr/bin/he', '/usr/bin/ls'] },
  {
    failed: 'all',
    prefixes: [below('/lib'), below('/usr/lib')],
    tails: [],
    comms: ['ls'],
    programs: ['/usr/bin/head'],
    dots: true,
    compat: true,
  },
];

const BPF = process.arch === 'arm64' ? 280 : 321;
const ENOTSUPP = 524;

const only = (opens: OpenFilter, more: Partial<CallFilter> = {}): CallFilter => ({
  opens,
  quiet: [],
  generic: null,
  thirdArgument: new Map(),
  ...more,
});

/**
 * A filtered open into a number that was not seen to be closed is reported, because the number may be known: a run of a
 * shell that closes each number first.
 */
const closing = (argv: readonly string[]): string[] => [
  '/bin/bash',
  '-c',
  'for n in {3..20}; do exec {n}</dev/null; exec {n}<&-; done; for n in {3..20}; do eval "exec $n</dev/null; exec $n<&-"; done; exec "$@"',
  'bash',
  ...argv,
];

test('the kernel leaves out exactly what the rules let it', async () => {
  const argv = closing(['/bin/sh', '-c', SCRIPT, directory, long]);
  source.select(undefined);
  const all = mainOpens((await watch(source, argv)).events);
  expect(all.length).toBeGreaterThan(15);
  for (const filter of FILTERS) {
    source.select(undefined, only(filter));
    const { events, produced, delivered } = await watch(source, argv);
    const expected = all.filter((open) => passes(filter, open));
    expect(expected.length).toBeLessThan(all.length);
    expect(mainOpens(events), JSON.stringify(filter)).toEqual(expected);
    expect(produced).toBe(delivered);
    expect(events).toHaveLength(produced);
  }
  source.select(undefined);
  expect(mainOpens((await watch(source, argv)).events)).toEqual(all);
});

test('a kernel that does not take calls of its functions leaves out the same', async () => {
  const real = systemCalls();
  const LOAD = 5;
  let calls = false;
  const old = openWatch({
    sys: {
      pageSize: real.pageSize,
      map: (...args) => real.map(...args),
      addr(buffer) {
        for (let at = 0; at + 8 <= buffer.length; at += 8)
          calls ||= buffer[at] === 0x85 && (buffer[at + 1] ?? 0) >> 4 === 2;
        return real.addr(buffer);
      },
      sys(nr, ...args) {
        const refused = nr === BPF && args[0] === LOAD && calls;
        calls = false;
        return refused ? -ENOTSUPP : real.sys(nr, ...args);
      },
    },
  });
  try {
    const argv = closing(['/bin/sh', '-c', SCRIPT, directory, long]);
    const filter = only({ ...NOTHING, prefixes: [below('/etc/pass')], tails: ['/a', 'hostname'] });
    const [first, second] = [source, old].map(async (from) => {
      from.select(undefined, filter);
      return mainOpens((await watch(from, argv)).events).map(({ path }) => path);
    });
    expect(await second).toEqual(await first);
    expect(await second).toContain('/etc/passwd');
  } finally {
    old.close();
  }
});

test('of a prefix longer than the kernel compares, the beginning decides', async () => {
  const argv = closing(['/bin/cat', join(long, 'file'), join(directory, 'a')]);
  source.select(undefined, only({ ...NOTHING, prefixes: [below(join(long, 'another'))] }));
  const { events } = await watch(source, argv);
  expect(mainOpens(events).map(({ raw }) => raw)).toEqual([join(long, 'file')]);
});

/** Opens its file as often as it has arguments that say what comes between. */
const PROGRAM = `
  my ($file, @steps) = @ARGV;
  sub again { my $say = shift; open my $f, '<', "$file.$say" or die; close $f }
  again('begin');
  for (@steps) {
    if (/^name=(.*)/) { $0 = $1; again($1) }
    elsif (/^comm=(.*)/) { open my $f, '>', '/proc/self/comm' or die; print $f $1; close $f; again($1) }
    elsif ($_ eq 'fork') { my $pid = fork // die; if (!$pid) { again('fork'); exit 0 } waitpid $pid, 0 }
    elsif (/^sibling=(.*)/) { if (!syscall $1, 0x8000 | 17, 0, 0, 0, 0) { again('sibling'); exit 0 } }
    elsif (/^exec=(.*)/) { my $pid = fork // die; if (!$pid) { exec split / /, $1 } waitpid $pid, 0 }
    elsif (/^wait=(.*)/) { open my $f, '>', "$1.begun"; select undef, undef, undef, 0.02 until -e "$1.go"; again('first'); again('reload') }
  }`;

describe('by program', () => {
  const secret = (say: string): string => join(directory, `secret.${say}`);
  const perl = '/usr/bin/perl';
  const copy = join(directory, 'program');

  beforeAll(() => {
    copyFileSync(perl, copy);
    for (const say of ['begin', 'fork', 'sibling', 'first', 'reload', 'wanted', 'other', 'cat'])
      writeFileSync(secret(say), 'x');
  });

  /** What was reported of the opens of a run of the program by that file. */
  const opened = async (filter: OpenFilter, program: string, ...steps: string[]): Promise<string[]> => {
    source.select(undefined, only(filter));
    const { events, status } = await watch(
      source,
      closing([program, '-e', PROGRAM, join(directory, 'secret'), ...steps]),
    );
    expect(status).toBe(0);
    return opensOf(events).flatMap(({ raw }) => /secret\.(.*)/.exec(raw)?.[1] ?? []);
  };

  test('a path is of the program and its children, not of what they start', async () => {
    const steps = ['fork', `exec=/bin/cat ${secret('cat')}`, 'name=other'];
    const filter = { ...NOTHING, programs: [copy] };
    expect(await opened(filter, copy, ...steps)).toEqual(['begin', 'fork', 'other']);
    expect(await opened(filter, perl, ...steps)).toEqual([]);
    expect(await opened(filter, perl, `exec=${copy} -ne 1 ${secret('cat')}`)).toEqual(['cat']);
  });

  test('a name is that of the exec and of every prctl, and not what is written to /proc', async () => {
    const filter = { ...NOTHING, comms: ['wanted', 'program'] };
    expect(await opened(filter, copy, 'comm=other', `exec=/bin/cat ${secret('cat')}`)).toEqual(['begin', 'other']);
    expect(await opened(filter, perl, 'comm=wanted', 'name=other')).toEqual([]);
    expect(await opened(filter, perl, 'name=wanted', 'fork', `exec=/bin/cat ${secret('cat')}`)).toEqual([
      'wanted',
      'fork',
    ]);
    // A child has the name that its parent's thread has in the kernel.
    expect(await opened(filter, perl, 'comm=wanted', 'fork')).toEqual(['fork']);
  });

  test('of a child that its maker gives to another parent nothing is left out', async () => {
    // CLONE_PARENT; the numbers of clone.
    const sibling = `sibling=${process.arch === 'arm64' ? 220 : 56}`;
    expect(await opened({ ...NOTHING, programs: [copy] }, perl, sibling)).toEqual(['sibling']);
    expect(await opened({ ...NOTHING, comms: ['wanted'] }, perl, sibling)).toEqual([]);
  });

  test('of a program from before the present filter nothing is left out', async () => {
    const filter = { ...NOTHING, programs: [copy] };
    for (const [program, again] of [
      [copy, ['cat']],
      [perl, []],
    ] as const) {
      const at = join(directory, program === copy ? 'copy' : 'perl');
      const run = opened(filter, program, `wait=${at}`, `exec=${program} -ne 1 ${secret('cat')}`);
      while (!existsSync(`${at}.begun`)) await setTimeout(20);
      source.select(undefined, only(filter));
      writeFileSync(`${at}.go`, '');
      expect((await run).filter((say) => say !== 'begin')).toEqual(['first', 'reload', ...again]);
    }
  });
});

test('the alerts of a run are the same with and without it', () => {
  const rules = join(directory, 'rules.yaml');
  const rule = (name: string, condition: string) =>
    `- {rule: ${name}, desc: d, condition: '${condition}', output: '%evt.type %proc.name %fd.name', priority: ERROR}\n`;
  writeFileSync(
    rules,
    rule('prefix', 'evt.type in (open, openat) and fd.num >= 0 and fd.name startswith /etc/pass') +
      rule('name', 'evt.type in (open, openat) and fd.num >= 0 and proc.name = head and fd.name contains host') +
      rule(
        'program',
        'evt.type in (open, openat) and fd.num >= 0 and proc.exepath = /usr/bin/cat and fd.name contains ..c',
      ) +
      rule('dots', 'evt.type in (open, openat) and fd.num >= 0 and fd.nameraw contains ../') +
      rule('write', 'evt.type in (open, openat) and evt.is_open_write = true and fd.name endswith /new'),
  );
  const alerts = (...options: string[]): string[] => {
    const program = fileURLToPath(new URL('../../bin/windhover', import.meta.url));
    const argv = ['run', '-o', 'append_output=[]', '-r', rules, ...options, '--', 'sh', '-c', SCRIPT, directory, long];
    const { stdout, status } = spawnSync(program, argv, { encoding: 'utf8' });
    expect(status).toBe(0);
    return [...stdout.matchAll(/Error (.*)/g)].map(([, alert]) => alert ?? '');
  };
  const filtered = alerts();
  expect(filtered.length).toBeGreaterThan(4);
  expect(filtered).toEqual(alerts('-o', 'base_syscalls.all=true'));
});
