import type { Check, Expr } from './ast.ts';
import type { FieldCatalogue } from './catalogue.ts';
import { literalsOf } from './check.ts';

/**
 * Which event types can make a condition true: by what it says of `evt.type`, through and, or and not. Anything else
 * may be true or false, so the result errs on the side of too many.
 */
export function eventTypesOf(expr: Expr, source: string, catalogue: FieldCatalogue): readonly number[] {
  const all = catalogue.allEventTypes(source);
  return [...new EventTypes(catalogue, all).of(expr, false)].sort((a, b) => a - b);
}

type Codes = ReadonlySet<number>;

const ambiguous = new WeakMap<FieldCatalogue, Codes>();

/** Codes whose events do not all have the same `evt.type`: what is not one of their names may be another. */
function ambiguousCodes(catalogue: FieldCatalogue, all: Codes): Codes {
  let codes = ambiguous.get(catalogue);
  if (codes === undefined) {
    codes = new Set([...all].filter((code) => catalogue.eventNames([code]).length > 1));
    ambiguous.set(catalogue, codes);
  }
  return codes;
}

class EventTypes {
  readonly #catalogue: FieldCatalogue;
  readonly #all: Codes;
  readonly #ambiguous: Codes;
  readonly #none: Codes = new Set();

  constructor(catalogue: FieldCatalogue, all: readonly number[]) {
    this.#catalogue = catalogue;
    this.#all = new Set(all);
    this.#ambiguous = ambiguousCodes(catalogue, this.#all);
  }

  /** The types on which the expression, or its negation, can be true. */
  of(expr: Expr, negated: boolean): Codes {
    switch (expr.kind) {
      case 'and':
      case 'or': {
        const both = (expr.kind === 'and') !== negated;
        return expr.children
          .map((child) => this.of(child, negated))
          .reduce((a, b) => (both ? this.#both(a, b) : this.#either(a, b)));
      }
      case 'not':
        return this.of(expr.child, !negated);
      case 'check':
        return this.#check(expr, negated);
      case 'constant':
        return expr.value === negated ? this.#none : this.#all;
      case 'macro':
        return this.#all;
    }
  }

  #both(a: Codes, b: Codes): Codes {
    return a === this.#all ? b : b === this.#all ? a : intersection(a, b);
  }

  #either(a: Codes, b: Codes): Codes {
    return a === this.#all || b === this.#all ? this.#all : union(a, b);
  }

  #check(check: Check, negated: boolean): Codes {
    if (check.left.kind !== 'field') return this.#all;
    if (check.left.name === 'evt.type') return this.#type(check, negated);
    if (check.left.name === 'evt.num') {
      const truth = alwaysOf(check);
      return truth === null || truth !== negated ? this.#all : this.#none;
    }
    return this.#all;
  }

  #type(check: Check, negated: boolean): Codes {
    if (check.operator === 'exists') return negated ? this.#none : this.#all;
    if (check.right === null || check.right.kind === 'operand') return this.#all;
    const isOneOf = check.operator === 'in' || check.operator === 'intersects';
    const isEqual = check.operator === '=' || check.operator === '==';
    const isUnequal = check.operator === '!=';
    if (!isOneOf && !isEqual && !isUnequal) return this.#all;
    const sets = literalsOf(check.right).map(({ text }) => new Set(this.#catalogue.eventTypes(text) ?? []));
    const named = intersection(sets.reduce<Codes>(union, this.#none), this.#all);
    // An ambiguous code may have the name, and may have another.
    const possible = isUnequal === negated ? named : difference(this.#all, named);
    if (check.modifier !== null) return this.#modified(check, sets, negated);
    return union(possible, intersection(this.#ambiguous, named));
  }

  #modified(check: Check, sets: readonly Codes[], negated: boolean): Codes {
    const holds = (code: number, names: Codes) => names.has(code) === (check.operator !== '!=');
    return new Set(
      [...this.#all].filter((code) => {
        if (this.#ambiguous.has(code)) return true;
        const count = sets.filter((names) => holds(code, names)).length;
        const truth =
          check.modifier === 'anyof'
            ? count > 0
            : check.modifier === 'oneof'
              ? count === 1
              : count > 0 && count === sets.length;
        return truth !== negated;
      }),
    );
  }
}

/** `evt.num` counts from 1: what a comparison of it with 0 always gives; null for one that may be either. */
function alwaysOf(check: Check): boolean | null {
  if (check.modifier !== null || check.right === null || check.right.kind === 'operand') return null;
  const values = literalsOf(check.right).map(({ text }) => text);
  if (!values.every((value) => /^0+$/.test(value))) return null;
  switch (check.operator) {
    case '=':
    case '==':
    case 'in':
    case 'intersects':
    case '<':
    case '<=':
      return false;
    case '!=':
    case '>':
    case '>=':
      return true;
    default:
      return null;
  }
}

function union(a: Codes, b: Codes): Codes {
  return a.size === 0 ? b : b.size === 0 ? a : new Set([...a, ...b]);
}

function intersection(a: Codes, b: Codes): Codes {
  if (a === b) return a;
  const [small, large] = a.size < b.size ? [a, b] : [b, a];
  return new Set([...small].filter((code) => large.has(code)));
}

function difference(a: Codes, b: Codes): Codes {
  return new Set([...a].filter((code) => !b.has(code)));
}
