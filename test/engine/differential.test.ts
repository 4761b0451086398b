import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createEngine } from '../../src/engine/index.ts';
import { buildEvent, viewEvent } from '../../src/event/index.ts';
import { State } from '../../src/state/index.ts';
import { code, condition, load, stream } from './generated.ts';
import { compiled, interpreted, run } from './ways.ts';

/** The compiled engine must agree with the interpreter on any rules and any events. */

describe('the compiled engine agrees with the interpreter', () => {
  for (const codegen of [true, false]) {
    test(codegen ? 'generated functions' : 'closures', () => {
      fc.assert(
        fc.property(fc.array(condition, { minLength: 1, maxLength: 8 }), stream, (conditions, events) => {
          const rules = load(conditions);
          expect(run(events, compiled(rules, codegen))).toEqual(run(events, interpreted(rules)));
        }),
        { numRuns: 60 },
      );
    });
  }

  test.each([
    ['evt.arg.newpath contains x', 'SYSCALL_UNLINK_2_X', { res: 0, path: '/x' }, []],
    ['evt.arg[newpath] contains x', 'SYSCALL_UNLINK_2_X', { res: 0, path: '/x' }, []],
    ['evt.arg.path contains x', 'SYSCALL_UNLINK_2_X', { res: 0, path: '/x' }, ['r0']],
    ['evt.arg[path] contains x', 'SYSCALL_UNLINK_2_X', { res: 0, path: '/x' }, ['r0']],
    ['not evt.rawarg.res < 0', 'SYSCALL_UNLINK_2_X', { res: -2, path: '/x' }, []],
  ])('%s on %s', (text, type, params, expected) => {
    const rules = load([text]);
    const state = new State();
    const found: string[] = [];
    const engine = createEngine(rules, state, { matching: 'all', onMatch: (rule) => found.push(rule.name) });
    const event = viewEvent(buildEvent(code(type), { tid: 100, params }), 1);
    state.apply(event);
    engine.process(event);
    expect(found).toEqual(expected);
    // Terms on a parameter are decided before any rule is judged, in either spelling.
    expect(engine.costs()[0]?.evaluations).toBe(expected.length);
  });

  test('the first match is the first in order of definition', () => {
    const rules = load(['evt.type = openat', 'evt.type = openat and fd.name = /tmp/a']);
    const state = new State();
    const found: string[] = [];
    const engine = createEngine(rules, state, { matching: 'first', onMatch: (rule) => found.push(rule.name) });
    const event = viewEvent(
      buildEvent(code('SYSCALL_OPENAT_2_X'), { tid: 100, params: { fd: 3, dirfd: -100, name: '/tmp/a', flags: 1 } }),
      1,
    );
    state.apply(event);
    engine.process(event);
    expect(found).toEqual(['r0']);
    expect(engine.unread()[event.type]).toBe(0);
    expect(engine.unread()[code('SYSCALL_CLOSE_X')]).toBe(1);
    expect(engine.costs().map((cost) => cost.matches)).toEqual([1, 0]);
  });
});
