import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { load } from '../../test/engine/generated.ts';
import { compiled, interpreted, run } from '../../test/engine/ways.ts';
import { buildEvent, EventType, type ParamValue } from '../event/index.ts';
import { Scope } from './scope.ts';

interface Call {
  readonly code: string;
  readonly tid: number;
  readonly params: Readonly<Record<string, ParamValue>>;
}

const events = (calls: readonly Call[]) =>
  calls.map(({ code, tid, params }) => buildEvent(EventType[code] as number, { tid, params }));

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
// Not all end in a NUL: two texts can then have the same bytes and another border.
const name = fc.constantFrom(
  ...['/etc/passwd\0', 'passwd\0', '../etc/passwd\0', '/etc', '/pass', 'wd\0', 'etc/passwd\0', '\0', '', '<NA>\0'].map(
    bytes,
  ),
);
const tid = fc.constantFrom(100, 101);
const call: fc.Arbitrary<Call> = fc.oneof(
  fc.record({
    code: fc.constant('SYSCALL_CHDIR_X'),
    tid,
    params: fc.record({ path: fc.constantFrom('/etc', '/', '/etc/..', '/home') }),
  }),
  fc.record({
    code: fc.constant('SYSCALL_OPENAT_2_X'),
    tid,
    params: fc.record({ fd: fc.constant(5), name: fc.constantFrom('/etc', '/', '/home'), dirfd: fc.constant(-100) }),
  }),
  fc.record({ code: fc.constant('SYSCALL_UNLINK_2_X'), tid, params: fc.record({ path: name }) }),
  fc.record({
    code: fc.constant('SYSCALL_UNLINKAT_2_X'),
    tid,
    params: fc.record({ dirfd: fc.constantFrom(-100, 5, 6), name, flags: fc.constantFrom(0, 512) }),
  }),
  fc.record({ code: fc.constant('SYSCALL_RENAME_X'), tid, params: fc.record({ oldpath: name, newpath: name }) }),
  fc.record({
    code: fc.constant('SYSCALL_CHMOD_X'),
    tid,
    params: fc.record({ mode: fc.constantFrom(0, 0x40, 0x7ff) }),
  }),
);
const condition = fc.constantFrom(
  'evt.type = unlink and evt.arg.path = /etc/passwd',
  'evt.type in (unlink, unlinkat) and evt.arg.path startswith /etc',
  'evt.type = unlinkat and evt.arg.name = /etc/passwd',
  'evt.type = unlinkat and evt.rawarg.name contains passwd and evt.arg.flags contains AT_REMOVEDIR',
  'evt.type = unlinkat and evt.arg[1] = 5',
  'evt.type = rename and evt.arg.newpath = /etc/passwd',
  'evt.type = rename and (evt.arg.oldpath = /etc or evt.arg.newpath endswith asswd)',
  'evt.type = rename and evt.arg.oldpath = evt.arg.newpath',
  'evt.type = rename and evt.arg.oldpath = "<NA>"',
  'evt.type = chmod and evt.arg.mode contains S_IXUSR',
);

describe('signatures of parameters', () => {
  test('rules see what the interpreter sees, wherever a path starts and ends', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(condition, { minLength: 3, maxLength: 10 }),
        fc.array(call, { minLength: 60, maxLength: 120 }),
        (conditions, calls) => {
          const rules = load(conditions);
          const seen = events(calls);
          expect(run(seen, compiled(rules))).toEqual(run(seen, interpreted(rules)));
        },
      ),
      { numRuns: 200 },
    );
  });

  test('the same path of another program is known', () => {
    const spy = vi.spyOn(Scope.prototype, 'signature');
    const rules = load(['evt.type = unlink and evt.arg.path startswith /etc/']);
    const calls = Array.from({ length: 100 }, (_, i) => ({
      code: 'SYSCALL_UNLINK_2_X',
      tid: 100 + i,
      params: { path: `/tmp/${i % 5}` },
    }));
    run(events(calls), compiled(rules));
    expect(spy.mock.calls).toHaveLength(5);
    spy.mockRestore();
  });
});
