import { EVENTS, type EventInfo } from '../event/index.ts';
import { parameterOf } from '../fields/index.ts';
import { type Check, type Expr, print } from '../rules/index.ts';

/**
 * A condition as one event type sees it: what the type alone decides is folded away, and equal terms
 * have equal keys.
 */
export type Condition =
  | { readonly kind: 'constant'; readonly value: boolean }
  | { readonly kind: 'and' | 'or'; readonly children: readonly Condition[] }
  | { readonly kind: 'not'; readonly child: Condition }
  | { readonly kind: 'term'; readonly key: string; readonly check: Check };

const TRUE: Condition = { kind: 'constant', value: true };
const FALSE: Condition = { kind: 'constant', value: false };

/** Event types whose name depends on a parameter (the number of a system call without a type of its own). */
const GENERIC = new Set(EVENTS.filter((event) => event.code.startsWith('GENERIC')).map((event) => event.type));

/**
 * Folds `condition` for events of `type` (null: for whatever type): `evt.type` and `evt.dir` tests, `evt.num` that no event has,
 * and parameters that the type lacks become constants; `f != v` becomes `f exists and not f = v`, so
 * that it shares its term with `f = v`.
 */
export function specialise(condition: Expr, type: number | null): Condition {
  const info = type === null ? null : (EVENTS[type] as EventInfo);
  const fold = (expr: Expr): Condition => {
    switch (expr.kind) {
      case 'and':
        return join('and', expr.children.map(fold));
      case 'or':
        return join('or', expr.children.map(fold));
      case 'not':
        return negate(fold(expr.child));
      case 'constant':
        return expr.value ? TRUE : FALSE;
      case 'macro':
        throw new Error(`the macro ${expr.name} was not resolved`);
      case 'check':
        return foldCheck(expr, info);
    }
  };
  return fold(condition);
}

/** Calls `visit` for each term, as often as it occurs. */
export function forEachTerm(condition: Condition, visit: (key: string, check: Check) => void): void {
  switch (condition.kind) {
    case 'and':
    case 'or':
      for (const child of condition.children) forEachTerm(child, visit);
      break;
    case 'not':
      forEachTerm(condition.child, visit);
      break;
    case 'term':
      visit(condition.key, condition.check);
  }
}

function join(kind: 'and' | 'or', children: readonly Condition[]): Condition {
  const stop = kind === 'or';
  const kept: Condition[] = [];
  for (const child of children) {
    if (child.kind === 'constant') {
      if (child.value === stop) return child;
    } else if (child.kind === kind) kept.push(...child.children);
    else kept.push(child);
  }
  if (kept.length === 0) return stop ? FALSE : TRUE;
  return kept.length === 1 ? (kept[0] as Condition) : { kind, children: kept };
}

function negate(condition: Condition): Condition {
  if (condition.kind === 'constant') return condition.value ? FALSE : TRUE;
  return condition.kind === 'not' ? condition.child : { kind: 'not', child: condition };
}

/** A rule is folded once for every event type that it matches, and its text is the same each time. */
const terms = new WeakMap<Check, Condition>();

function term(check: Check): Condition {
  let known = terms.get(check);
  if (known === undefined) {
    known = { kind: 'term', key: print(check), check };
    terms.set(check, known);
  }
  return known;
}

function foldCheck(check: Check, info: EventInfo | null): Condition {
  const known = knownResult(check, info);
  if (known !== null) return known ? TRUE : FALSE;
  const { left, operator, modifier, right, range } = check;
  const plain = left.kind === 'field' && left.spec?.multi === undefined && left.spec?.isList !== true;
  if (operator === '!=' && modifier === null && plain && right?.kind === 'value') {
    return join('and', [
      term({ kind: 'check', left, operator: 'exists', modifier: null, right: null, range }),
      negate(term({ ...check, operator: '=' })),
    ]);
  }
  return term(operator === '==' ? { ...check, operator: '=' } : check);
}

/** What the event type alone (null: any type) says of a check; null when it depends on the event. */
function knownResult(check: Check, info: EventInfo | null): boolean | null {
  const { left, operator, modifier, right } = check;
  if (left.kind !== 'field') return null;
  const name = parameterOf(left);
  if (name !== null) {
    // Numbers address parameters by position; generic events name their parameters in other ways.
    if (info === null || /^\d+$/.test(name) || GENERIC.has(info.type)) return null;
    return info.params.some((param) => param.name === name) ? null : false;
  }
  if (modifier !== null) return null;
  const texts =
    right?.kind === 'value' ? [right.value.text] : right?.kind === 'values' ? right.values.map((v) => v.text) : null;
  if (left.name === 'evt.num') {
    // Counting starts at 1, so `evt.num = 0` (the idiom for "never") holds for no event.
    return (operator === '=' || operator === '==') && texts?.[0] === '0' ? false : null;
  }
  if (info === null) return null;
  const value =
    left.name === 'evt.type' && !GENERIC.has(info.type)
      ? info.name
      : left.name === 'evt.dir'
        ? info.enter && !info.code.startsWith('PROCEXIT')
          ? '>'
          : '<'
        : null;
  if (value === null) return null;
  if (operator === 'exists') return true;
  if (texts === null) return null;
  switch (operator) {
    case '=':
    case '==':
      return value === texts[0];
    case '!=':
      return value !== texts[0];
    case 'in':
    case 'intersects':
      return texts.includes(value);
    default:
      return null;
  }
}
