import type { Expr, FieldRef, Operand, Range } from './ast.ts';
import { interpret, type ReadField } from './interpret.ts';

/**
 * What is left of a condition once everything is decided but the comparisons that read an `open` field: these can be
 * judged by {@link interpret} later, when their fields are known.
 *
 * @param expr resolved and bound.
 * @returns a constant when nothing open matters.
 */
export function remainder(expr: Expr, read: ReadField, open: (field: FieldRef) => boolean): Expr {
  switch (expr.kind) {
    case 'and':
    case 'or': {
      // `and` is decided by the first false, `or` by the first true.
      const decisive = expr.kind === 'or';
      const children: Expr[] = [];
      for (const child of expr.children) {
        const rest = remainder(child, read, open);
        if (rest.kind !== 'constant') children.push(rest);
        else if (rest.value === decisive) return rest;
      }
      const [only] = children;
      if (only === undefined) return constant(!decisive, expr.range);
      return children.length === 1 ? only : { ...expr, children };
    }
    case 'not': {
      const rest = remainder(expr.child, read, open);
      return rest.kind === 'constant' ? constant(!rest.value, expr.range) : { ...expr, child: rest };
    }
    case 'check': {
      const operands = expr.right?.kind === 'operand' ? [expr.left, expr.right.operand] : [expr.left];
      return operands.some((operand) => readsOpen(operand, open)) ? expr : constant(interpret(expr, read), expr.range);
    }
    default:
      return constant(interpret(expr, read), expr.range);
  }
}

function constant(value: boolean, range: Range): Expr {
  return { kind: 'constant', value, range };
}

function readsOpen(operand: Operand, open: (field: FieldRef) => boolean): boolean {
  switch (operand.kind) {
    case 'field':
      return open(operand);
    case 'call':
      return operand.args.some((arg) => readsOpen(arg, open));
    case 'list':
      return operand.items.some((item) => readsOpen(item, open));
    default:
      return false;
  }
}
