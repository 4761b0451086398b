import type { Expr, Operand, Right } from './ast.ts';

/**
 * Tree → text, in the form that Falco's `as_string` gives (`condition_compiled` of `-L`):
 * `(a and b)`, `not x`, lists as `(a, b)`, values quoted only where they need it, arguments of transformers bare.
 */
export function print(expr: Expr): string {
  switch (expr.kind) {
    case 'and':
    case 'or':
      return `(${expr.children.map(print).join(` ${expr.kind} `)})`;
    case 'not':
      return `not ${print(expr.child)}`;
    case 'macro':
      return expr.name;
    case 'constant':
      return String(expr.value);
    case 'check': {
      const left = printOperand(expr.left);
      if (expr.right === null) return `${left} ${expr.operator}`;
      const operator = expr.modifier === null ? expr.operator : `${expr.operator} ${expr.modifier}`;
      return `${left} ${operator} ${printRight(expr.right)}`;
    }
  }
}

/** A field or transformer as text: `proc.aname[2]`, `join(-,(a.b,c.d))`. */
export function printOperand(operand: Operand): string {
  switch (operand.kind) {
    case 'field':
      return operand.name + printArgument(operand.argument);
    case 'call':
      return `${operand.name}(${operand.args.map(printOperand).join(',')})${printArgument(operand.argument)}`;
    case 'list':
      return `(${operand.items.map(printOperand).join(',')})`;
    case 'literal':
      return operand.text;
  }
}

function printArgument(argument: string | null): string {
  if (argument === null) return '';
  return argument === '' ? '[""]' : `[${quoteIfNeeded(argument)}]`;
}

function printRight(right: Right): string {
  switch (right.kind) {
    case 'value':
      return quoteIfNeeded(right.value.text);
    case 'values':
      return `(${right.values.map((value) => quoteIfNeeded(value.text)).join(', ')})`;
    case 'listRef':
      return right.name;
    case 'operand': {
      const text = printOperand(right.operand);
      return right.val ? `val(${text})` : text;
    }
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that need quotes.
const NEEDS_QUOTES = /[\x00\b\f\n\r\t "'=\\]/;
const ESCAPED: Record<string, string> = {
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '"': '\\"',
  '\\': '\\\\',
};

/** Quotes a value when a bare one would be read differently. */
function quoteIfNeeded(value: string): string {
  if (!NEEDS_QUOTES.test(value)) return value;
  return `"${value.replace(/[\b\f\n\r\t"\\]/g, (char) => ESCAPED[char] as string)}"`;
}
