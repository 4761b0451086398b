import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toByteString } from '../bytes.ts';
import { packRules, type RulesImage, unpackRules } from './image.ts';
import { loadRules } from './load.ts';
import type { Rule } from './ruleset.ts';
import { conditionText } from './testing/arbitrary.ts';
import { testCatalogue } from './testing/catalogue.ts';

const PLACES = new Set(['range', 'macro', 'list']);

/** Without what says where in the text something stood. */
function withoutPlaces(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPlaces);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, part]) =>
      PLACES.has(key) ? [] : [[key, key === 'spec' ? part : withoutPlaces(part)]],
    ),
  );
}

/** null for what is refused. */
function load(text: string): readonly Rule[] | null {
  return loadRules([{ name: 'rules.yaml', text }], testCatalogue).ruleSet?.rules ?? null;
}

/** As it is kept: text of JSON. */
const again = (rules: readonly Rule[] | null): Rule[] =>
  unpackRules(JSON.parse(JSON.stringify(packRules(rules ?? expect.fail()))) as RulesImage, testCatalogue);

const rule = (name: string, condition: string): string =>
  `- ${JSON.stringify({ rule: name, desc: 'ü', condition, output: '%proc.name %20fd.name %proc.aname[2]', priority: 'INFO', tags: ['b', 'a'] })}\n`;

test('rules are the same again, but for where they stood', () => {
  fc.assert(
    fc.property(fc.array(conditionText, { minLength: 1, maxLength: 3 }), (conditions) => {
      const rules = load(conditions.map((condition, i) => rule(`R${i} é`, condition)).join(''));
      fc.pre(rules !== null);
      const back = again(rules);
      expect(withoutPlaces(back)).toEqual(withoutPlaces(rules));
      // Bound to the same fields, not to copies.
      const field = rules?.[0]?.output.parts[0];
      const fieldBack = back[0]?.output.parts[0];
      if (field?.kind !== 'field' || field.operand.kind !== 'field') return expect.fail('no field');
      if (fieldBack?.kind !== 'field' || fieldBack.operand.kind !== 'field') return expect.fail('no field');
      expect(fieldBack.operand.spec).toBe(field.operand.spec);
    }),
  );
});

test('equal parts are one object', () => {
  const lists = '- list: l\n  items: [a, b]\n- macro: m\n  condition: proc.name in (l)\n';
  const [first, second] = again(
    load(lists + rule('A', 'm and evt.num > 1') + rule('B', 'fd.name = x or proc.name in (a, b)')),
  );
  const named = (of: Rule | undefined, i: number) =>
    of?.condition.kind === 'and' || of?.condition.kind === 'or' ? of.condition.children[i] : undefined;
  expect(named(first, 0)).toMatchObject({ kind: 'check', operator: 'in' });
  expect(named(second, 1)).toBe(named(first, 0));
});

test('bytes stay bytes', () => {
  const [back] = again(load(rule('R', 'proc.name = "ü"')));
  expect(back?.condition).toMatchObject({ right: { value: { text: toByteString('ü') } } });
  expect(back?.description).toBe('ü');
});
