import type { Check, Expr, FieldRef, Operand } from './ast.ts';

/** The parts that an expression is put together of, in their order; none for a comparison. */
export function childrenOf(expr: Expr): readonly Expr[] {
  if (expr.kind === 'and' || expr.kind === 'or') return expr.children;
  return expr.kind === 'not' ? [expr.child] : [];
}

/** All comparisons in an expression, in their order; in what macros share, as often as it stands there. */
export function checksOf(expr: Expr): Check[] {
  return expr.kind === 'check' ? [expr] : childrenOf(expr).flatMap(checksOf);
}

/** All fields that an operand reads, in their order. */
export function fieldsOf(operand: Operand): FieldRef[] {
  switch (operand.kind) {
    case 'field':
      return [operand];
    case 'call':
      return operand.args.flatMap(fieldsOf);
    case 'list':
      return operand.items.flatMap(fieldsOf);
    default:
      return [];
  }
}

/** All fields that an expression compares, on either side. */
export function fieldsIn(expr: Expr): FieldRef[] {
  return checksOf(expr).flatMap(({ left, right }) => [
    ...fieldsOf(left),
    ...(right?.kind === 'operand' ? fieldsOf(right.operand) : []),
  ]);
}
