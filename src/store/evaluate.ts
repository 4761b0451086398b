import { toByteString } from '../bytes.ts';
import {
  type Check,
  compileMatcher,
  evaluateOperand,
  type FieldRef,
  type FieldType,
  literalsOf,
  type Matcher,
  type Operand,
  parseAddress,
  parseConstant,
  parseNetwork,
  type Value,
} from '../rules/index.ts';
import { textOf } from './alert.ts';
import type { Json } from './json.ts';

/**
 * One comparison on what an alert's JSON holds, with the operators of the rules. There a field has a type; in a
 * stored alert it is what its value looks like: a number compares as a number, an address with networks, a list by
 * its items, and the rest as text. A field without value makes every comparison false, as in rules.
 */
export type Lookup = (field: string, argument: string | null) => Json | undefined;

export function evaluateCheck(check: Check, get: Lookup): boolean {
  const read = (field: FieldRef): Value | null => asValue(get(field.name, field.argument));
  const left = evaluate(check.left, read);
  if (left === null) return false;
  const { right } = check;
  if (check.operator === 'exists' || right === null) return true;
  if (right.kind === 'operand') {
    const other = evaluate(right.operand, read);
    if (other === null) return false;
    const type = typeFor(left, []);
    const texts = (Array.isArray(other) ? other : [other]).map(String);
    return compile(check, type, Array.isArray(left), texts)?.(convert(type, left)) ?? false;
  }
  const texts = literalsOf(right).map(({ text }) => text);
  const type = typeFor(left, texts, check);
  return matcher(check, type, Array.isArray(left), texts)?.(convert(type, left)) ?? false;
}

/** A transformer on values of another kind than it takes has no value. */
function evaluate(operand: Operand, read: (field: FieldRef) => Value | null): Value | null {
  if (operand.kind !== 'call') return evaluateOperand(operand, read);
  try {
    return evaluateOperand(operand, (field) => {
      const value = read(field);
      return value === null || Array.isArray(value) ? value : String(value);
    });
  } catch {
    return null;
  }
}

function asValue(value: Json | undefined): Value | null {
  if (value === undefined || value === null) return null;
  if (Array.isArray(value)) {
    const items = (value as readonly Json[]).flatMap((item) => asValue(item) ?? []);
    return items.length === 0 ? null : items;
  }
  if (typeof value === 'object') return toByteString(JSON.stringify(value));
  if (typeof value === 'string') return textOf(value) === '' ? null : toByteString(value);
  return value as number | bigint | boolean;
}

const INTEGER = /^[+-]?\d+$/;
const ORDERED = new Set(['<', '<=', '>', '>=']);

/** The type that a comparison is made in. */
function typeFor(left: Value, texts: readonly string[], check?: Check): FieldType {
  const [sample] = Array.isArray(left) ? (left as readonly Value[]) : [left];
  const integers = texts.every((text) => INTEGER.test(text) || /^0[xX][\da-fA-F]+$/.test(text));
  if (typeof sample === 'number' && !Number.isInteger(sample)) return 'DOUBLE';
  if (typeof sample === 'number' || typeof sample === 'bigint') return integers ? 'INT64' : 'CHARBUF';
  if (typeof sample !== 'string') return 'CHARBUF';
  if (check !== undefined && ORDERED.has(check.operator) && integers && INTEGER.test(sample)) return 'INT64';
  const networks =
    texts.length > 0 && texts.some((text) => text.includes('/')) && texts.every((text) => parseNetwork(text));
  return networks && parseAddress(sample) !== null ? 'IPNET' : 'CHARBUF';
}

/** A value in that type. */
function convert(type: FieldType, value: Value): Value {
  if (Array.isArray(value)) return value.map((item) => convert(type, item));
  if (type === 'CHARBUF') return String(value);
  if (type === 'IPNET') return parseAddress(String(value)) ?? '';
  if (type === 'INT64' && typeof value === 'string') {
    const integer = BigInt(value);
    return integer >= BigInt(Number.MIN_SAFE_INTEGER) && integer <= BigInt(Number.MAX_SAFE_INTEGER)
      ? Number(integer)
      : integer;
  }
  return value;
}

function compile(check: Check, type: FieldType, isList: boolean, texts: readonly string[]): Matcher | null {
  try {
    const constants = texts.map((text) => parseConstant(type, text));
    return compileMatcher(check.operator, check.modifier, { type, isList }, constants);
  } catch {
    // A constant that is none of the type (a pattern that is no pattern) matches nothing.
    return null;
  }
}

const matchers = new WeakMap<Check, Map<string, Matcher | null>>();

/** The comparison with constants, made ready once for each type. */
function matcher(check: Check, type: FieldType, isList: boolean, texts: readonly string[]): Matcher | null {
  let known = matchers.get(check);
  if (known === undefined) matchers.set(check, (known = new Map()));
  const key = `${type} ${isList}`;
  let made = known.get(key);
  if (made === undefined) known.set(key, (made = compile(check, type, isList, texts)));
  return made;
}
