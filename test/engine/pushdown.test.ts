import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { deriveFilter, type KernelFilter, passes } from '../../src/engine/index.ts';
import { buildEvent, type Event } from '../../src/event/index.ts';
import { fieldCatalogue } from '../../src/fields/index.ts';
import { loadRules } from '../../src/rules/index.ts';
import type { State } from '../../src/state/index.ts';
import { code, condition, judge, load, OPEN, stream } from './generated.ts';

/** Conditions that mostly leave the filter something to do, with anything at all added. */
const filterable = fc
  .tuple(
    fc.constantFrom(
      'evt.type in (open, openat) and fd.num >= 0 and fd.name startswith /etc/',
      'evt.type in (open, openat) and fd.num >= 0 and fd.directory in ("/tmp", "/etc")',
      'evt.type in (open, openat) and evt.is_open_write = true',
      'evt.type in (open, openat) and fd.num >= 0 and proc.name in (cat, sh)',
      'evt.type in (open, openat) and fd.num >= 0 and proc.exepath = /usr/bin/cat',
      'evt.type in (open, openat) and fd.num >= 0 and proc.exepath pmatch (/tmp, /opt)',
      'evt.type in (open, openat) and fd.num >= 0 and (proc.name = sh or proc.exepath startswith /tmp)',
      'evt.type in (open, openat) and evt.rawres >= 0 and fd.nameraw contains "../"',
      'evt.type in (open, openat) and evt.rawres >= 0 and fd.name startswith /home and fd.nameraw contains "../"',
      'evt.type in (open, openat) and fd.num >= 0 and fd.name pmatch (/home, /usr/bin)',
      'evt.type in (open, openat) and fd.num >= 0 and fd.name endswith /passwd',
      'evt.type in (open, openat) and fd.num >= 0 and fd.filename in (.bashrc, cat)',
      'evt.type in (open, openat) and fd.num >= 0 and fd.name glob "/home/*/.bash*"',
      'evt.type in (open, openat) and fd.num >= 0 and fd.name glob "*shadow"',
      'evt.type = dup2 and fd.type = ipv4',
      'evt.type = dup2 and evt.rawres = 0',
      'evt.type = close and fd.typechar = 4',
      'evt.type = connect and evt.rawres >= 0',
    ),
    condition,
  )
  .map(([start, rest]) => `${start} and (${rest})`);

const CLOSE = code('SYSCALL_CLOSE_X');
const DUP2 = code('SYSCALL_DUP2_X');
const CONNECT = code('SOCKET_CONNECT_X');
const CLONE = code('SYSCALL_CLONE_20_X');

/** Descriptors of processes: the path of a file, or null for a socket. */
class Descriptors {
  readonly #of = new Map<number, Map<number, string | null>>();

  of(tid: number): Map<number, string | null> {
    let own = this.#of.get(tid);
    if (own === undefined) {
      own = new Map();
      this.#of.set(tid, own);
    }
    return own;
  }

  /** False when a kernel could not have done this. */
  follow(event: Event, path: string): boolean {
    const own = this.of(event.tid);
    const result = event.lo(0);
    switch (event.type) {
      case OPEN.code:
        if (result < 0) return true;
        if (own.has(result)) return false;
        own.set(result, path);
        return true;
      case CLOSE:
        return result < 0 || own.delete(event.lo(1));
      case DUP2:
        if (result < 0) return true;
        if (!own.has(3) || result === 3) return false;
        own.set(result, own.get(3) ?? null);
        return true;
      case CONNECT:
        if (typeof own.get(event.lo(1)) === 'string') return false;
        own.set(event.lo(1), null);
        return true;
      case CLONE:
        this.#of.set(result, new Map(own));
        return true;
      default:
        return true;
    }
  }
}

/** The probe's part: what it leaves out, and what it tells of files whose opens it left out. */
class Kernel {
  readonly #filter: KernelFilter;
  readonly #known = new Map<number, Set<number>>();
  readonly #real = new Descriptors();
  left = 0;

  constructor(filter: KernelFilter) {
    this.#filter = filter;
  }

  report(event: Event, state: State, bytes: Uint8Array): Uint8Array | null {
    const { opens, quiet } = this.#filter;
    if (opens === null) throw new Error('no filter');
    const known = this.#known.get(event.tid) ?? new Set();
    this.#known.set(event.tid, known);
    const open = OPEN.of(event, state);
    const source = this.#real.of(event.tid).get(3);
    this.#real.follow(event, open?.path ?? '');
    const result = event.lo(0);
    switch (event.type) {
      case OPEN.code:
        if (open === null) return bytes;
        if (!passes(opens, open) && (!open.succeeded || (result > 2 && !known.has(result)))) return this.#leave();
        if (open.succeeded) known.add(result);
        return bytes;
      case CLOSE: {
        const was = known.has(event.lo(1));
        if (result >= 0) known.delete(event.lo(1));
        return was || !quiet.includes(CLOSE) ? bytes : this.#leave();
      }
      case DUP2: {
        const was = known.has(3);
        if (!was && quiet.includes(DUP2) && (result < 0 || (result > 2 && !known.has(result)))) return this.#leave();
        if (result >= 0) known.add(result);
        if (was) return bytes;
        const params = { res: result, oldfd: 3, newfd: event.lo(2) };
        const extra = typeof source === 'string' ? [1, source, 0, 0n] : [];
        return buildEvent(DUP2, { ts: 5n, tid: event.tid, params, extra });
      }
      case CONNECT:
        known.add(event.lo(1));
        return bytes;
      case CLONE:
        this.#known.set(result, new Set([0, 3, 4, 5]));
        return bytes;
      default:
        return bytes;
    }
  }

  #leave(): null {
    this.left++;
    return null;
  }
}

describe('what the rules let the kernel leave out', () => {
  test('alerts are the same with and without the filter', () => {
    let left = 0;
    fc.assert(
      fc.property(fc.array(filterable, { minLength: 1, maxLength: 4 }), stream, (conditions, events) => {
        const rules = load(conditions);
        const filter = deriveFilter(rules);
        fc.pre(filter.opens !== null);
        const kernel = new Kernel(filter);
        const real = new Descriptors();
        const possible: boolean[] = [];
        const full = judge(rules, events, (event, state, bytes) => {
          const happens = real.follow(event, OPEN.of(event, state)?.path ?? '');
          possible.push(happens);
          return happens ? bytes : null;
        });
        const happened = possible.values();
        const filtered = judge(rules, events, (event, state, bytes) =>
          happened.next().value === true ? kernel.report(event, state, bytes) : null,
        );
        expect(filtered).toEqual(full);
        left += kernel.left;
      }),
      { numRuns: 60 },
    );
    expect(left).toBeGreaterThan(0);
  });

  const derive = (...conditions: string[]) => deriveFilter(load(conditions));

  test('a prefix, a flag, a name', () => {
    expect(
      derive(
        'evt.type = openat and evt.is_open_read = true and fd.name startswith /etc/',
        'evt.type = openat and evt.is_open_write = true and fd.directory = /bin',
        'evt.type = openat and fd.num >= 0 and proc.name = sshd and fd.name contains liblzma',
        'evt.type = openat and fd.num >= 0 and fd.name glob "/home/*/.ssh/*" and not fd.name startswith /home/a',
      ).opens,
    ).toEqual({
      failed: 'all',
      prefixes: [
        { path: '/etc/', hidden: false, dots: false },
        { path: '/home/', hidden: true, dots: false },
      ],
      tails: [],
      comms: ['sshd'],
      programs: [],
      dots: false,
      compat: false,
    });
  });

  test('a program by its path, and by its name or its path', () => {
    const asked = (text: string) => {
      const { opens } = derive(`evt.type = openat and fd.num >= 0 and fd.name contains secret and ${text}`);
      return opens && { comms: opens.comms, programs: opens.programs };
    };
    expect(asked('proc.exepath = /usr/bin/x')).toEqual({ comms: [], programs: ['/usr/bin/x'] });
    expect(asked('proc.exepath in (/usr/bin/x, /usr/bin/xy, /opt/a)')).toEqual({
      comms: [],
      programs: ['/opt/a', '/usr/bin/x'],
    });
    expect(asked('proc.exepath pmatch (/opt/, /srv) or proc.exepath glob "/usr/*/x"')).toEqual({
      comms: [],
      programs: ['/opt', '/srv', '/usr/'],
    });
    expect(asked('(proc.name = sshd or proc.exepath startswith /tmp/)')).toEqual({
      comms: ['sshd'],
      programs: ['/tmp/'],
    });
    for (const open of [
      'proc.exe = /usr/bin/x',
      'not proc.exepath = /usr/bin/x',
      'proc.exepath endswith /x',
      'proc.exepath = ""',
      'proc.exepath glob "*x"',
      '(proc.exepath = /usr/bin/x or proc.exe = x)',
    ])
      expect(asked(open), open).toBeNull();
  });

  test('ends of paths, whole or as far as the kernel compares them', () => {
    const tails = (text: string): readonly string[] | undefined =>
      derive(`evt.type = openat and fd.num >= 0 and ${text}`).opens?.tails;
    expect(tails('fd.name endswith /.aws/credentials')).toEqual(['dentials']);
    expect(tails('fd.name endswith .pem')).toEqual(['.pem']);
    expect(tails('fd.filename in (.bashrc, a, environment)')).toEqual(['/.bashrc', '/a', 'ironment']);
    expect(tails('fd.name glob "*/serviceaccount/*token"')).toEqual(['oken']);
    expect(tails('fd.name glob "*[ab]cd.so"')).toEqual(['d.so']);
    for (const short of ['endswith .c', 'glob "*x"', 'glob "*[.pem"']) {
      expect(tails(`fd.name ${short}`), short).toBeUndefined();
    }
  });

  test('what a rule asks besides the beginning of a path', () => {
    const traversal = 'fd.nameraw contains "../"';
    const prefixes = (...conditions: string[]) =>
      derive(...conditions.map((text) => `evt.type = openat and fd.num >= 0 and ${text}`)).opens?.prefixes;
    expect(prefixes(`fd.name startswith /etc/ and ${traversal}`, 'fd.name = /etc/shadow')).toEqual([
      { path: '/etc/', hidden: false, dots: true },
      { path: '/etc/shadow', hidden: false, dots: false },
    ]);
    // The kernel looks at the longest only, which must not ask for more than a shorter one.
    expect(prefixes(`fd.name startswith /home and ${traversal}`, 'fd.name glob "/home/*/.ssh/*"')).toEqual([
      { path: '/home', hidden: false, dots: true },
      { path: '/home/', hidden: false, dots: false },
    ]);
    const either = '(fd.name startswith /etc/ or fd.name contains id)';
    expect(derive(`evt.type = openat and fd.num >= 0 and ${traversal} and ${either}`).opens).toMatchObject({
      prefixes: [],
      dots: true,
    });
  });

  test('failed opens, flags of files made, calls by 32-bit numbers', () => {
    const creating = 'evt.type = openat and evt.arg.flags contains O_CREAT and fd.directory = /dev';
    expect(derive(creating, creating.replace('.flags', '[flags]')).opens).toMatchObject({
      failed: 'none',
      prefixes: [],
    });
    expect(derive('evt.type = openat and fd.num = -1 and fd.nameraw contains "../"').opens?.failed).toBe('dots');
    expect(derive('evt.type = openat and wh.evt.compat = true').opens).toMatchObject({ failed: 'none', compat: true });
  });

  test('calls on descriptors that no rule can want of a file', () => {
    const quiet = (text: string): boolean => derive(text).quiet.includes(DUP2);
    expect(quiet('evt.type = openat')).toBe(true);
    expect(quiet('evt.type in (dup, dup2) and fd.type in (ipv4, ipv6)')).toBe(true);
    expect(quiet('evt.type in (dup, dup2) and not fd.type = ipv4')).toBe(false);
    expect(quiet('evt.type in (dup, dup2) and fd.typechar in (4, o)')).toBe(false);
  });

  test('calls without an event of their own, by name', () => {
    const generic = (...conditions: string[]) => derive(...conditions).generic;
    expect([...(generic('evt.type in (mount, fsopen, move_mount)') ?? [])]).toEqual(
      expect.arrayContaining(['fsopen', 'move_mount']),
    );
    expect(generic('evt.type in (mount, fsopen)')).not.toContain('readlink');
    expect(generic('evt.type = fsopen', 'proc.name = x')).toBeNull();
    expect(generic('not evt.type = fsopen')).toBeNull();
  });

  test('bits of an argument', () => {
    const bits = (...conditions: string[]) => [...derive(...conditions).thirdArgument];
    expect(bits('evt.type = mmap and evt.arg.prot contains PROT_EXEC and fd.name startswith /tmp/')).toEqual([
      [code('SYSCALL_MMAP_X'), 4],
    ]);
    expect(bits('evt.type = mmap and evt.arg.prot contains PROT_EXEC', 'evt.type = mmap')).toEqual([]);
    expect(bits('evt.type = mmap and not evt.arg.prot contains PROT_EXEC')).toEqual([]);
  });

  test('what defeats it is told, with the terms', () => {
    expect(derive('evt.type = openat and fd.num >= 0 and fd.name contains pem').defeats).toEqual([
      { rule: 'r0', terms: ['fd.name contains pem'] },
    ]);
    expect(derive('evt.type = execve and proc.fdopencount > 5').defeats).toEqual([
      { rule: 'r0', terms: ['proc.fdopencount'] },
    ]);
    expect(derive('evt.type = openat and not fd.name startswith /usr').opens).toBeNull();
    expect(derive('evt.type = fchdir and fd.name startswith /x').opens).not.toBeNull();
    expect(derive('evt.type = read and fd.name startswith /x').opens).toBeNull();
    expect(derive('evt.type = dup2 and fd.type = ipv4 and fd.name startswith x').opens).not.toBeNull();
  });

  test('an event that no rule reads is not asked for', () => {
    const { events } = derive('evt.type = unlink');
    expect(events).not.toContain(OPEN.code);
  });

  test('a rule whose output shows a file needs its open', () => {
    const text = '- rule: r\n  desc: d\n  condition: evt.type = lseek\n  output: "%fd.name"\n  priority: INFO\n';
    const { ruleSet } = loadRules([{ name: 'r.yaml', text }], fieldCatalogue());
    expect(deriveFilter(ruleSet?.rules ?? []).defeats).toEqual([{ rule: 'r', terms: ['lseek: fd.*'] }]);
  });
});
