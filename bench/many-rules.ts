/**
 * Many distinct rules out of few: writes each rule of the given files N times, every copy with constants of its own
 * (paths, names and ports altered), so that no two copies share a comparison.
 *
 *   node bench/many-rules.ts N RULES.yaml… > many.yaml
 */
import { readFileSync } from 'node:fs';
import { fieldCatalogue } from '../src/fields/index.ts';
import { type Check, type Expr, type Literal, loadRules, print, type Right } from '../src/rules/index.ts';

const [count = '11', ...files] = process.argv.slice(2);
const { ruleSet } = loadRules(
  files.map((name) => ({ name, text: readFileSync(name, 'utf8') })),
  fieldCatalogue(),
);
if (ruleSet === null) throw new Error('the rules do not load');

const FIXED = /^(evt\.(type|dir|num|res|is_.*|category)|fd\.(type|typechar|l4proto|connected|name_changed))$/;

function mutate(expr: Expr, copy: number): Expr {
  switch (expr.kind) {
    case 'and':
    case 'or':
      return { ...expr, children: expr.children.map((child) => mutate(child, copy)) };
    case 'not':
      return { ...expr, child: mutate(expr.child, copy) };
    case 'check':
      return mutateCheck(expr, copy);
    default:
      return expr;
  }
}

function mutateCheck(check: Check, copy: number): Check {
  if (check.left.kind !== 'field' || FIXED.test(check.left.name) || check.operator.startsWith('b')) return check;
  const { type } = check.left.spec ?? { type: 'CHARBUF' };
  if (type === 'BOOL' || type.startsWith('IP')) return check;
  const change = (literal: Literal): Literal => {
    // Constants are printed without quotes where Falco does, so they must not need any.
    const plain = literal.text.replace(/[()"',=\\\s]/g, '_');
    if (plain === '') return { ...literal, text: `empty${copy}` };
    if (copy === 0) return { ...literal, text: plain };
    const number = /^-?\d+$/.test(plain);
    return { ...literal, text: number ? String(Number(plain) + (type === 'PORT' ? copy : 0)) : `${plain}${copy}` };
  };
  const right: Right | null =
    check.right?.kind === 'value'
      ? { kind: 'value', value: change(check.right.value) }
      : check.right?.kind === 'values'
        ? { ...check.right, values: check.right.values.map(change) }
        : check.right;
  return { ...check, right };
}

for (let copy = 0; copy < Number(count); copy++) {
  for (const rule of ruleSet.rules) {
    const item = {
      rule: copy === 0 ? rule.name : `${rule.name} #${copy}`,
      desc: rule.description,
      condition: print(mutate(rule.condition, copy)),
      output: rule.output.text.replace(/^\*/, ''),
      priority: rule.priority,
      enabled: rule.enabled,
      warn_evttypes: false,
    };
    // JSON is YAML.
    console.log(`- ${JSON.stringify(item)}`);
  }
}
