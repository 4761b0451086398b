import type { Check, Expr, FieldRef, Operand } from './ast.ts';
import type { Value } from './catalogue.ts';
import { literalsOf } from './check.ts';
import { compileMatcher, type Matcher } from './operators.ts';
import { transform } from './transformers.ts';
import { type Constant, parseConstant, typeOf } from './types.ts';

/**
 * The oracle: a condition's truth by walking its tree. Slow and plain; what compiles conditions must agree with it,
 * and `windhover explain` is made from its trace.
 */

/** The value of a field on the event at hand; null when it has none. */
export type ReadField = (field: FieldRef) => Value | null;

/** What was found out on the way, for each expression that was evaluated. */
export interface Trace {
  evaluated(expr: Expr, truth: boolean): void;
  /** The values that a comparison was decided by; `right` only for a right-hand side that is a field or transformer. */
  compared(check: Check, left: Value | null, right: Value | null | undefined): void;
}

/**
 * @param expr resolved and bound.
 * @returns false for every comparison in which a field has no value, whatever its operator.
 */
export function interpret(expr: Expr, read: ReadField, trace?: Trace): boolean {
  const truth = evaluate(expr, read, trace);
  trace?.evaluated(expr, truth);
  return truth;
}

function evaluate(expr: Expr, read: ReadField, trace: Trace | undefined): boolean {
  switch (expr.kind) {
    case 'and':
      return expr.children.every((child) => interpret(child, read, trace));
    case 'or':
      return expr.children.some((child) => interpret(child, read, trace));
    case 'not':
      return !interpret(expr.child, read, trace);
    case 'constant':
      return expr.value;
    case 'check':
      return compare(expr, read, trace);
    case 'macro':
      throw new Error(`macro '${expr.name}' is not resolved`);
  }
}

function compare(check: Check, read: ReadField, trace: Trace | undefined): boolean {
  const left = evaluateOperand(check.left, read);
  const { right } = check;
  if (right?.kind !== 'operand') {
    trace?.compared(check, left, undefined);
    return left !== null && (check.operator === 'exists' || matcherOf(check)(left));
  }
  const other = evaluateOperand(right.operand, read);
  trace?.compared(check, left, other);
  return left !== null && other !== null && compareOperands(check, left, other);
}

/** A comparison whose right-hand side is a field or transformer, on the two values. */
export function compareOperands(check: Check, left: Value, right: Value): boolean {
  const constants = (Array.isArray(right) ? right : [right]) as Constant[];
  return compileMatcher(check.operator, check.modifier, typeOf(check.left), constants)(left);
}

/** The value of a field, constant or transformer; null when there is none. */
export function evaluateOperand(operand: Operand, read: ReadField): Value | null {
  switch (operand.kind) {
    case 'field': {
      const value = read(operand);
      return Array.isArray(value) && value.length === 0 ? null : value;
    }
    case 'literal':
      return operand.text;
    case 'list': {
      const items = operand.items.map((item) => evaluateOperand(item, read));
      return items.some((item) => item === null) ? null : (items as Value[]);
    }
    case 'call':
      return transform(
        operand,
        operand.args.map((arg) => evaluateOperand(arg, read)),
      );
  }
}

const matchers = new WeakMap<Check, Matcher>();

/** The comparison with the constants of a check, made ready once. */
export function matcherOf(check: Check): Matcher {
  let matcher = matchers.get(check);
  if (matcher === undefined) {
    const type = typeOf(check.left);
    matcher = compileMatcher(check.operator, check.modifier, type, constantsOf(check));
    matchers.set(check, matcher);
  }
  return matcher;
}

/** The constants of a check, typed as its left-hand side. */
export function constantsOf(check: Check): Constant[] {
  const { type } = typeOf(check.left);
  return literalsOf(check.right).map(({ text }) => parseConstant(type, text));
}
