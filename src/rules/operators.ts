import { isIn, type Network } from './address.ts';
import type { Modifier, Operator } from './ast.ts';
import type { FieldType, Value } from './catalogue.ts';
import { compileGlob } from './glob.ts';
import { compilePathPrefixes } from './path-prefix.ts';
import { compileRegex } from './regex.ts';
import { type Constant, groupOf, type OperandType, parseConstant, type TypeGroup } from './types.ts';

/**
 * The operators, each a pure function on values. A missing value never reaches them: whatever the operator, a
 * comparison with it is false (`!=` included).
 */
export type Matcher = (value: Value) => boolean;

type Scalar = string | number | bigint | boolean;

const NUMERIC = new Set<Operator>(['=', '==', '!=', '<', '<=', '>', '>=', 'in', 'intersects']);
const EQUALITY = new Set<Operator>(['=', '==', '!=', 'in', 'intersects']);
const STRING = new Set<Operator>([
  ...NUMERIC,
  'contains',
  'icontains',
  'startswith',
  'endswith',
  'glob',
  'iglob',
  'pmatch',
  'regex',
]);
const BUFFER = new Set<Operator>([
  '=',
  '==',
  '!=',
  'contains',
  'startswith',
  'endswith',
  'bcontains',
  'bstartswith',
  'in',
  'intersects',
]);
const LIST = new Set<Operator>(['in', 'intersects']);

/** Has a type the operator? `exists` all have. */
export function supports(group: TypeGroup, operator: Operator): boolean {
  if (operator === 'exists') return true;
  switch (group) {
    case 'numeric':
      return NUMERIC.has(operator);
    case 'bool':
    case 'address':
    case 'network':
      return EQUALITY.has(operator);
    case 'string':
      return STRING.has(operator);
    case 'buffer':
      return BUFFER.has(operator);
    case 'dynamic':
      return true;
    case 'other':
      return false;
  }
}

/** Has a list-valued field the operator? */
export function listSupports(operator: Operator): boolean {
  return operator === 'exists' || LIST.has(operator);
}

/** ASCII letters in lower case, other bytes as they are. */
export function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

export function upperAscii(text: string): string {
  return text.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
}

/** Hexadecimal digits → the bytes that they stand for; null when they are not pairs of such digits. */
export function parseHex(text: string): string | null {
  if (!/^(?:[0-9a-fA-F]{2})+$/.test(text)) return null;
  return text.replace(/../g, (pair) => String.fromCharCode(Number.parseInt(pair, 16)));
}

function equals(value: Scalar, constant: Constant): boolean {
  return typeof constant === 'object' ? isIn(value as string, constant) : value === constant;
}

/**
 * A comparison with constants, made ready.
 * @param constants one for most operators, any number for `in`, `intersects`, `pmatch` and those with a modifier.
 */
export function compileMatcher(
  operator: Operator,
  modifier: Modifier | null,
  type: OperandType,
  constants: readonly Constant[],
): Matcher {
  if (type.type === 'DYN') return dynamic(operator, modifier, type.isList, constants);
  const group = groupOf(type.type);
  if (modifier !== null) {
    const each = constants.map((constant) => scalarMatcher(operator, group, [constant]));
    return spread(operator, type.isList, combined(modifier, each));
  }
  return spread(operator, type.isList, scalarMatcher(operator, group, constants));
}

function combined(modifier: Modifier, each: readonly ((value: Scalar) => boolean)[]): (value: Scalar) => boolean {
  switch (modifier) {
    case 'anyof':
      return (value) => each.some((matches) => matches(value));
    case 'allof':
      return (value) => each.length > 0 && each.every((matches) => matches(value));
    case 'oneof':
      return (value) => each.filter((matches) => matches(value)).length === 1;
  }
}

/** Applies a comparison of one value to the values of a list, or to either end of a connection. */
function spread(operator: Operator, isList: boolean, matches: (value: Scalar) => boolean): Matcher {
  const all = isList ? operator === 'in' : operator === '!=';
  return (value) => {
    if (!Array.isArray(value)) return matches(value as Scalar);
    const values = value as readonly Scalar[];
    return values.length > 0 && (all ? values.every(matches) : values.some(matches));
  };
}

function scalarMatcher(
  operator: Operator,
  group: TypeGroup,
  constants: readonly Constant[],
): (value: Scalar) => boolean {
  const first = constants[0] as Constant;
  const text = first as string;
  switch (operator) {
    case 'exists':
      return () => true;
    case '=':
    case '==':
      return (value) => equals(value, first);
    case '!=':
      return (value) => !equals(value, first);
    // Strings compare by bytes (strcmp), numbers and bigints by value.
    case '<':
      return (value) => value < (first as Scalar);
    case '<=':
      return (value) => value <= (first as Scalar);
    case '>':
      return (value) => value > (first as Scalar);
    case '>=':
      return (value) => value >= (first as Scalar);
    case 'contains':
      return (value) => (value as string).includes(text);
    case 'icontains': {
      const part = lowerAscii(text);
      return (value) => lowerAscii(value as string).includes(part);
    }
    case 'bcontains': {
      const part = parseHex(text) ?? text;
      return (value) => (value as string).includes(part);
    }
    case 'startswith':
      return (value) => (value as string).startsWith(text);
    case 'bstartswith': {
      const start = parseHex(text) ?? text;
      return (value) => (value as string).startsWith(start);
    }
    case 'endswith':
      return (value) => (value as string).endsWith(text);
    case 'glob':
    case 'iglob': {
      const glob = compileGlob(text, operator === 'iglob');
      return (value) => glob(value as string);
    }
    case 'regex': {
      const regex = compileRegex(text);
      return (value) => regex(value as string);
    }
    case 'pmatch': {
      const prefixes = compilePathPrefixes(constants as string[]);
      return (value) => prefixes(value as string);
    }
    case 'in':
    case 'intersects': {
      if (group === 'network') return (value) => constants.some((net) => isIn(value as string, net as Network));
      const set = new Set<Constant>(constants);
      return (value) => set.has(value);
    }
  }
}

/** A field whose type only the event tells (`evt.rawarg[0]`): its constants are read as what the value is. */
function dynamic(
  operator: Operator,
  modifier: Modifier | null,
  isList: boolean,
  constants: readonly Constant[],
): Matcher {
  const byType = new Map<FieldType, Matcher>();
  return (value) => {
    const sample = Array.isArray(value) ? value[0] : value;
    const type: FieldType = typeof sample === 'string' ? 'CHARBUF' : typeof sample === 'boolean' ? 'BOOL' : 'INT64';
    if (!supports(groupOf(type), operator)) return false;
    let matcher = byType.get(type);
    if (matcher === undefined) {
      const typed = constants.map((constant) => (typeof constant === 'string' ? readAs(type, constant) : constant));
      const usable = typed.filter((constant) => constant !== null);
      const isSet = modifier !== null || operator === 'in' || operator === 'intersects' || operator === 'pmatch';
      matcher =
        usable.length === 0 && !isSet
          ? () => operator === '!='
          : compileMatcher(operator, modifier, { type, isList }, usable);
      byType.set(type, matcher);
    }
    return matcher(value);
  };
}

function readAs(type: FieldType, text: string): Constant | null {
  try {
    return parseConstant(type, text);
  } catch {
    return null;
  }
}
