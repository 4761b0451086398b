import { RE2JS } from 're2js';
import { fromByteString } from '../bytes.ts';
import type { Check, Operand } from '../rules/ast.ts';
import { textOf } from './alert.ts';
import type { Json } from './json.ts';

/**
 * One comparison on what an alert's JSON holds. The rules' interpreter works on typed fields of live events; in a
 * stored alert a field is whatever its text says, so numbers compare as numbers where both sides are, addresses
 * match networks, and everything else is text. A field without value makes every comparison false, as in rules.
 */
export type Lookup = (field: string, argument: string | null) => Json | undefined;

export function evaluateCheck(check: Check, get: Lookup): boolean {
  const left = operandValues(check.left, get);
  if (check.operator === 'exists') return left.length > 0;
  if (left.length === 0 || check.right === null) return false;
  const right = rightValues(check, get);
  if (check.operator === 'intersects') return left.some((value) => right.some((other) => same(value, other)));
  if (check.operator === 'in') return left.every((value) => right.some((other) => same(value, other)));
  const test = TESTS[check.operator];
  if (check.operator === '!=') return left.every((value) => right.every((other) => !same(value, other)));
  // A list-valued field (tags) satisfies a comparison when one of its values does.
  if (check.modifier === 'allof') return right.every((other) => left.some((value) => test(value, other)));
  return left.some((value) => right.some((other) => test(value, other)));
}

type Scalar = string | number | bigint | boolean;

function operandValues(operand: Operand, get: Lookup): Scalar[] {
  switch (operand.kind) {
    case 'field':
      return scalars(get(operand.name, operand.argument));
    case 'literal':
      return [fromByteString(operand.text)];
    case 'list':
      return operand.items.flatMap((item) => operandValues(item, get));
    case 'call': {
      const values = operand.args.flatMap((argument) => operandValues(argument, get));
      return call(operand.name, values);
    }
  }
}

function call(name: string, values: Scalar[]): Scalar[] {
  switch (name) {
    case 'tolower':
      return values.map((value) => String(value).toLowerCase());
    case 'toupper':
      return values.map((value) => String(value).toUpperCase());
    case 'basename':
      return values.map((value) => String(value).replace(/^.*\//, ''));
    case 'b64':
      return values.map((value) => Buffer.from(String(value), 'base64').toString());
    case 'len':
      return values.length === 0 ? [] : [values.length > 1 ? values.length : Buffer.byteLength(String(values[0]))];
    case 'concat':
      return values.length === 0 ? [] : [values.join('')];
    case 'join':
      return values.length === 0 ? [] : [values.slice(1).join(String(values[0]))];
    default:
      return [];
  }
}

function scalars(value: Json | undefined): Scalar[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return (value as readonly Json[]).flatMap(scalars);
  if (typeof value === 'object') return [JSON.stringify(value)];
  return textOf(value) === '' ? [] : [value as Scalar];
}

function rightValues(check: Check, get: Lookup): Scalar[] {
  const right = check.right;
  switch (right?.kind) {
    case 'value':
      return [fromByteString(right.value.text)];
    case 'values':
      return right.values.map((value) => fromByteString(value.text));
    case 'operand':
      return operandValues(right.operand, get);
    default:
      return [];
  }
}

const NUMBER = /^[+-]?\d+(\.\d+)?$/;

/** Below, at or above: of two numbers (exact for long integers), else null. */
function order(a: Scalar, b: Scalar): number | null {
  const [left, right] = [String(a), String(b)];
  if (!NUMBER.test(left) || !NUMBER.test(right)) return null;
  if (left.includes('.') || right.includes('.')) return Math.sign(Number(left) - Number(right));
  const [x, y] = [BigInt(left), BigInt(right)];
  return x < y ? -1 : x > y ? 1 : 0;
}

function same(a: Scalar, b: Scalar): boolean {
  if (String(a) === String(b) || order(a, b) === 0) return true;
  return typeof b === 'string' && b.includes('/') && inNetwork(String(a), b);
}

/** An IPv4 or IPv6 address as bits; null when the text is none. */
function address(text: string): { bits: bigint; width: number } | null {
  if (/^\d+\.\d+\.\d+\.\d+$/.test(text)) {
    const parts = text.split('.').map(Number);
    if (parts.some((part) => part > 255)) return null;
    return { bits: parts.reduce((bits, part) => (bits << 8n) | BigInt(part), 0n), width: 32 };
  }
  if (!/^[\da-f:]+$/i.test(text) || !text.includes(':')) return null;
  const [head = '', tail] = text.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const missing = 8 - front.length - back.length;
  if (missing < 0 || (tail === undefined && missing !== 0)) return null;
  const groups = [...front, ...Array<string>(missing).fill('0'), ...back];
  return { bits: groups.reduce((bits, group) => (bits << 16n) | BigInt(`0x${group || '0'}`), 0n), width: 128 };
}

function inNetwork(text: string, network: string): boolean {
  const [base = '', length = ''] = network.split('/');
  const [a, b] = [address(text), address(base)];
  if (a === null || b === null || a.width !== b.width || !/^\d+$/.test(length) || Number(length) > a.width)
    return false;
  const shift = BigInt(a.width - Number(length));
  return a.bits >> shift === b.bits >> shift;
}

/** A glob as RE2 text: `*`, `?` and `[…]` as in fnmatch without flags. */
function globToRegex(glob: string): string {
  let out = '';
  for (let i = 0; i < glob.length; i++) {
    const c = glob[i] as string;
    if (c === '*') out += '(?s:.*)';
    else if (c === '?') out += '(?s:.)';
    else if (c === '[' && glob.indexOf(']', i + 2) > 0) {
      const end = glob.indexOf(']', i + 2);
      out += `[${glob
        .slice(i + 1, end)
        .replace(/^!/, '^')
        .replaceAll('\\', '\\\\')}]`;
      i = end;
    } else {
      const literal = c === '\\' && i + 1 < glob.length ? (glob[++i] as string) : c;
      out += RE2JS.quote(literal);
    }
  }
  return out;
}

const compiled = new Map<string, RE2JS | null>();
/** Whole-text match in linear time, whatever the pattern; false for a pattern that is none. */
function matches(pattern: string, text: string): boolean {
  let regex = compiled.get(pattern);
  if (regex === undefined) {
    try {
      regex = RE2JS.compile(pattern, RE2JS.MULTILINE);
    } catch {
      regex = null;
    }
    if (compiled.size > 200) compiled.clear();
    compiled.set(pattern, regex);
  }
  return regex?.testExact(text) ?? false;
}

type Test = (value: Scalar, other: Scalar) => boolean;
const text =
  (test: (value: string, other: string) => boolean): Test =>
  (value, other) =>
    test(String(value), String(other));
const ordered =
  (accepts: (order: number) => boolean): Test =>
  (value, other) => {
    const result = order(value, other);
    return result !== null && accepts(result);
  };
const hex = (value: string) => Buffer.from(value).toString('hex');

const TESTS: Record<string, Test> = {
  '=': same,
  '==': same,
  '<': ordered((o) => o < 0),
  '<=': ordered((o) => o <= 0),
  '>': ordered((o) => o > 0),
  '>=': ordered((o) => o >= 0),
  contains: text((value, other) => value.includes(other)),
  icontains: text((value, other) => value.toLowerCase().includes(other.toLowerCase())),
  bcontains: text((value, other) => hex(value).includes(other.toLowerCase())),
  startswith: text((value, other) => value.startsWith(other)),
  bstartswith: text((value, other) => hex(value).startsWith(other.toLowerCase())),
  endswith: text((value, other) => value.endsWith(other)),
  glob: text((value, other) => matches(globToRegex(other), value)),
  iglob: text((value, other) => matches(globToRegex(other.toLowerCase()), value.toLowerCase())),
  regex: text((value, other) => matches(other, value)),
  pmatch: text((value, other) => value === other || value.startsWith(other.endsWith('/') ? other : `${other}/`)),
};
