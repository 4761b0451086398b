/** Why a rule matched an event, or did not: the truth of every term, the values read, and what was missing. */

import { printValue } from '../alert.ts';
import { fromByteString } from '../bytes.ts';
import {
  type Check,
  childrenOf,
  type Expr,
  interpret,
  type Operand,
  print,
  printOperand,
  type ReadField,
  typeOf,
  type Value,
} from '../rules/index.ts';

export interface ExplainedTerm {
  /** The term as text; for `and`, `or` and `not` just that word. */
  readonly text: string;
  readonly kind: Expr['kind'];
  readonly truth: boolean;
  /** The macro that it came from; null when it stands in the rule itself. */
  readonly macro: string | null;
  /** Fields that were read, with their values; null for no value. */
  readonly values: readonly { readonly field: string; readonly value: string | null }[];
  readonly children: readonly ExplainedTerm[];
}

export interface Explanation {
  readonly matched: boolean;
  readonly tree: ExplainedTerm;
  /** The fewest terms whose change would make the rule match; empty when it did. */
  readonly nearestMiss: readonly string[];
}

/** Evaluates every term of a resolved condition, also those that the engine would not have reached. */
export function explain(condition: Expr, read: ReadField): Explanation {
  const tree = explainTerm(condition, read);
  return {
    matched: tree.truth,
    tree,
    nearestMiss: tree.truth ? [] : toChange(condition, read, true).map((check) => fromByteString(print(check))),
  };
}

function explainTerm(expr: Expr, read: ReadField): ExplainedTerm {
  const children = childrenOf(expr);
  return {
    text: children.length > 0 ? expr.kind : fromByteString(print(expr)),
    kind: expr.kind,
    truth: interpret(expr, read),
    macro: 'macro' in expr ? (expr.macro ?? null) : null,
    values: expr.kind === 'check' ? valuesOf(expr, read) : [],
    children: children.map((child) => explainTerm(child, read)),
  };
}

function valuesOf(check: Check, read: ReadField): ExplainedTerm['values'] {
  const values: { field: string; value: string | null }[] = [];
  const add = (operand: Operand, value: Value | null): void => {
    const text = value === null ? null : fromByteString(printValue(value, typeOf(operand).type));
    values.push({ field: fromByteString(printOperand(operand)), value: text });
  };
  interpret(check, read, {
    evaluated() {},
    compared(at, left, right) {
      add(at.left, left);
      if (right !== undefined && at.right?.kind === 'operand') add(at.right.operand, right);
    },
  });
  return values;
}

/** The smallest set of checks whose opposite would give the expression the wanted truth. */
function toChange(expr: Expr, read: ReadField, wanted: boolean): Check[] {
  if (interpret(expr, read) === wanted) return [];
  switch (expr.kind) {
    case 'check':
      return [expr];
    case 'not':
      return toChange(expr.child, read, !wanted);
    case 'and':
    case 'or': {
      const sets = expr.children.map((child) => toChange(child, read, wanted));
      // All children of an `and` must become true; one of an `or` will do. For false it is the other way round.
      if ((expr.kind === 'and') === wanted) return sets.flat();
      return sets.reduce((least, set) => (set.length < least.length ? set : least));
    }
    default:
      return [];
  }
}

/** The tree as indented text, true and false terms marked. */
export function explanationText({ matched, tree, nearestMiss }: Explanation, color: boolean): string {
  const lines: string[] = [];
  const mark = (truth: boolean): string => {
    const word = truth ? 'true ' : 'false';
    return color ? `\x1b[${truth ? 32 : 31}m${word}\x1b[0m` : word;
  };
  const walk = (term: ExplainedTerm, depth: number): void => {
    const from = term.macro === null ? '' : `   (macro ${term.macro})`;
    const values = term.values.map(
      ({ field, value }) => `${field} = ${value === null ? '<NA>' : JSON.stringify(value)}`,
    );
    const read = values.length === 0 ? '' : `   [${values.join(', ')}]`;
    lines.push(`${mark(term.truth)} ${'  '.repeat(depth)}${term.text}${from}${read}`);
    for (const child of term.children) walk(child, depth + 1);
  };
  walk(tree, 0);
  if (!matched) {
    lines.push('', nearestMiss.length === 1 ? 'One term was missing:' : `${nearestMiss.length} terms were missing:`);
    for (const text of nearestMiss) lines.push(`  ${text}`);
  }
  return `${lines.join('\n')}\n`;
}
