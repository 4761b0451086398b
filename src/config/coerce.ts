/**
 * Turns the text of the configuration into the values that the schema asks for. Falco takes a value that it
 * cannot read for one that is not there; so do we, and say so.
 */
import type { z } from 'zod';
import type { Raw } from './option.ts';

export interface CoerceReport {
  unknownKey(path: readonly PropertyKey[], known: readonly string[]): void;
  wrongType(path: readonly PropertyKey[], value: string, expected: string): void;
}

type Schema = z.core.$ZodType;

/** undefined where nothing usable is written, so that the schema's default holds. */
export function coerce(
  schema: Schema,
  raw: Raw | undefined,
  path: readonly PropertyKey[],
  report: CoerceReport,
): unknown {
  if (raw === undefined || raw === null) return undefined;
  const def = (schema as z.core.$ZodTypes)._zod.def;
  switch (def.type) {
    case 'default':
    case 'prefault':
    case 'optional':
      return coerce(def.innerType, raw, path, report);
    case 'boolean':
      return scalar(raw, path, report, 'true or false', toBoolean);
    case 'number':
      return 'format' in def && def.format === 'safeint'
        ? scalar(raw, path, report, 'a whole number', toInteger)
        : scalar(raw, path, report, 'a number', toNumber);
    case 'string':
      return scalar(raw, path, report, 'a single value', (text) => text);
    case 'array':
      return coerceArray(def.element, raw, path, report);
    case 'object':
      return coerceObject(def as z.core.$ZodObjectDef, raw, path, report);
    case 'record':
      if (typeof raw === 'object' && !Array.isArray(raw)) return raw;
      return scalar(raw, path, report, 'a mapping', () => undefined);
    case 'union': {
      const wanted = typeof raw === 'string' ? 'string' : Array.isArray(raw) ? 'array' : 'object';
      const option = def.options.find((o) => kindOf(o) === wanted) ?? def.options[0];
      return coerce(option as Schema, raw, path, report);
    }
    default:
      return raw;
  }
}

function kindOf(schema: Schema): string {
  const type = (schema as z.core.$ZodTypes)._zod.def.type;
  return type === 'record' ? 'object' : type;
}

function scalar<T>(
  raw: Raw,
  path: readonly PropertyKey[],
  report: CoerceReport,
  expected: string,
  convert: (text: string) => T | undefined,
): T | undefined {
  const value = typeof raw === 'string' ? convert(raw) : undefined;
  if (value === undefined) report.wrongType(path, typeof raw === 'string' ? raw : JSON.stringify(raw), expected);
  return value;
}

/** One value stands for a list of one. */
function coerceArray(element: Schema, raw: Raw, path: readonly PropertyKey[], report: CoerceReport): unknown[] {
  const items = Array.isArray(raw) ? raw : [raw];
  return items
    .map((item, i) => coerce(element, item, Array.isArray(raw) ? [...path, i] : path, report))
    .filter((item) => item !== undefined);
}

function coerceObject(
  def: z.core.$ZodObjectDef,
  raw: Raw,
  path: readonly PropertyKey[],
  report: CoerceReport,
): unknown {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    report.wrongType(path, JSON.stringify(raw), 'a mapping of keys to values');
    return undefined;
  }
  const known = Object.keys(def.shape);
  const value: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(raw)) {
    const schema = def.shape[key];
    if (schema !== undefined) {
      const converted = coerce(schema, item, [...path, key], report);
      if (converted !== undefined) value[key] = converted;
    } else if (def.catchall !== undefined) {
      value[key] = item;
    } else {
      report.unknownKey([...path, key], known);
    }
  }
  return value;
}

/** The words that YAML 1.1 readers take for booleans. */
function toBoolean(text: string): boolean | undefined {
  if (/^(y|yes|true|on)$/i.test(text)) return true;
  if (/^(n|no|false|off)$/i.test(text)) return false;
  return undefined;
}

function toInteger(text: string): number | undefined {
  const value = /^[+-]?(\d+|0x[0-9a-f]+)$/i.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

function toNumber(text: string): number | undefined {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  return Number.isFinite(value) ? value : undefined;
}
