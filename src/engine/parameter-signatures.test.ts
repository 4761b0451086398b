import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { buildEvent, EventType, type ParamValue, viewEvent } from '../event/index.ts';
import { bind, fieldCatalogue } from '../fields/index.ts';
import { interpret, loadRules, type Rule } from '../rules/index.ts';
import { State } from '../state/index.ts';
import { createEngine } from './index.ts';
import { Scope } from './scope.ts';

interface Call {
  readonly code: string;
  readonly tid: number;
  readonly params: Readonly<Record<string, ParamValue>>;
}

function rulesOf(conditions: readonly string[]): readonly Rule[] {
  const text = conditions
    .map(
      (condition, i) => `- ${JSON.stringify({ rule: `r${i}`, desc: 'd', condition, output: 'o', priority: 'INFO' })}`,
    )
    .join('\n');
  const { ruleSet, files } = loadRules([{ name: 'rules', text }], fieldCatalogue());
  if (ruleSet === null) throw new Error(JSON.stringify(files));
  return ruleSet.rules;
}

/** The rules that fire on each call, by the engine and by the interpreter. */
function judge(rules: readonly Rule[], calls: readonly Call[]): [string[][], string[][]] {
  const state = new State();
  let found: string[] = [];
  const engine = createEngine(rules, state, { matching: 'all', onMatch: (rule) => found.push(rule.name) });
  const compiled: string[][] = [];
  const interpreted: string[][] = [];
  calls.forEach(({ code, tid, params }, i) => {
    const event = viewEvent(buildEvent(EventType[code] as number, { tid, params }), i + 1);
    state.apply(event);
    found = [];
    engine.process(event);
    compiled.push(found);
    interpreted.push(
      rules
        .filter((rule) => rule.eventTypes.includes(event.type))
        .filter((rule) => interpret(rule.condition, (field) => bind(field.name, field.argument)(event, state)))
        .map((rule) => rule.name),
    );
  });
  return [compiled, interpreted];
}

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
          const [compiled, interpreted] = judge(rulesOf(conditions), calls);
          expect(compiled).toEqual(interpreted);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('the same path of another program is known', () => {
    const spy = vi.spyOn(Scope.prototype, 'signature');
    const rules = rulesOf(['evt.type = unlink and evt.arg.path startswith /etc/']);
    const calls = Array.from({ length: 100 }, (_, i) => ({
      code: 'SYSCALL_UNLINK_2_X',
      tid: 100 + i,
      params: { path: `/tmp/${i % 5}` },
    }));
    judge(rules, calls);
    expect(spy.mock.calls).toHaveLength(5);
    spy.mockRestore();
  });
});
