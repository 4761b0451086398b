import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fieldsIn, interpret, parseCondition, print, remainder } from './index.ts';

/** Conditions over fields x.a–x.d, of which x.c and x.d are open. */
const leaf = fc.constantFrom('x.a', 'x.b', 'x.c', 'x.d').map((name) => `${name} exists`);
const condition = fc.letrec<{ any: string }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    leaf,
    fc.tuple(tie('any'), tie('any')).map(([x, y]) => `(${x} and ${y})`),
    fc.tuple(tie('any'), tie('any')).map(([x, y]) => `(${x} or ${y})`),
    tie('any').map((x) => `not (${x})`),
  ),
})).any;

const reading =
  (present: ReadonlySet<string>) =>
  ({ name }: { name: string }): string | null =>
    present.has(name) ? name : null;

const isOpen = ({ name }: { name: string }): boolean => name === 'x.c' || name === 'x.d';

test('what is left over, judged later, is the condition', () => {
  fc.assert(
    fc.property(condition, fc.subarray(['x.a', 'x.b']), fc.subarray(['x.c', 'x.d']), (text, now, later) => {
      const expr = parseCondition(text);
      const rest = remainder(expr, reading(new Set(now)), isOpen);
      const all = reading(new Set([...now, ...later]));
      expect(interpret(rest, all)).toBe(interpret(expr, all));
      expect(fieldsIn(rest).filter((field) => !isOpen(field))).toEqual([]);
    }),
  );
});

test('what is decided disappears', () => {
  const read = reading(new Set(['x.a']));
  const left = (text: string): string => print(remainder(parseCondition(text), read, isOpen));
  expect(left('x.a exists and x.c exists and not x.b exists')).toBe('x.c exists');
  expect(remainder(parseCondition('x.b exists and x.c exists'), read, isOpen)).toMatchObject({ value: false });
  expect(remainder(parseCondition('x.a exists or x.c exists'), read, isOpen)).toMatchObject({ value: true });
});
