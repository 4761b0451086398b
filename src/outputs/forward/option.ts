/**
 * Option tables: what a configuration section may hold. The loader, the environment names, the checks and the
 * reference pages all come from them.
 */
export interface Option<T = unknown> {
  readonly type: 'text' | 'integer' | 'flag' | 'list' | 'map';
  readonly default: T;
  /** One sentence for the reference page. */
  readonly doc: string;
  /** Never printed; may also be given as `NAME_file` (a path) or `…_FILE` (environment). */
  readonly secret?: boolean;
  /** Set in the section above (`aws.region` for `aws.s3`); the destination's own section overrides it. */
  readonly shared?: boolean;
  /** The accepted values, when only some are. */
  readonly values?: readonly string[];
}
// biome-ignore lint/suspicious/noExplicitAny: a table's options have types of their own.
export type Options = Readonly<Record<string, Option<any>>>;
export type Values<O extends Options> = { readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never };

export const text = (doc: string, fallback = ''): Option<string> => ({ type: 'text', default: fallback, doc });
export const secret = (doc: string): Option<string> => ({ type: 'text', default: '', doc, secret: true });
export const integer = (doc: string, fallback: number): Option<number> => ({ type: 'integer', default: fallback, doc });
export const flag = (doc: string, fallback = false): Option<boolean> => ({ type: 'flag', default: fallback, doc });
export const list = (doc: string): Option<readonly string[]> => ({ type: 'list', default: [], doc });
export const map = (doc: string): Option<Readonly<Record<string, string>>> => ({ type: 'map', default: {}, doc });
export const choice = <const T extends string>(doc: string, values: readonly T[], fallback: T): Option<T> => ({
  type: 'text',
  default: fallback,
  doc,
  values,
});

/** Options of the section above the destination's own. */
export function shared<O extends Options>(options: O): O {
  return Object.fromEntries(
    Object.entries(options).map(([name, option]) => [name, { ...option, shared: true }]),
  ) as unknown as O;
}

/** A configured value (YAML or environment text) → the option's type, or what is wrong with it. */
export function convert(option: Option, value: unknown): { readonly value: unknown } | { readonly problem: string } {
  switch (option.type) {
    case 'text': {
      const found = scalar(value);
      if (found === null) return { problem: 'expected a text' };
      if (option.values === undefined || found === option.default) return { value: found };
      const known = option.values.find((other) => other.toLowerCase() === found.toLowerCase());
      return known === undefined ? { problem: `expected one of ${option.values.join(', ')}` } : { value: known };
    }
    case 'integer': {
      const found = Number(scalar(value)?.trim() || Number.NaN);
      return Number.isSafeInteger(found) ? { value: found } : { problem: 'expected a whole number' };
    }
    case 'flag': {
      const found = scalar(value)?.toLowerCase() ?? '';
      if (['true', 't', '1', 'yes', 'on'].includes(found)) return { value: true };
      if (['false', 'f', '0', 'no', 'off', ''].includes(found)) return { value: false };
      return { problem: 'expected true or false' };
    }
    case 'list': {
      if (Array.isArray(value)) {
        const items = value.map(scalar);
        return items.includes(null) ? { problem: 'expected a list of texts' } : { value: items };
      }
      const found = scalar(value);
      if (found === null) return { problem: 'expected a list' };
      return {
        value: found
          .split(',')
          .map((item) => item.trim())
          .filter((item) => item !== ''),
      };
    }
    case 'map': {
      if (typeof value === 'string') {
        // `k:v,k:v`; a value may hold colons.
        const pairs = value
          .split(',')
          .map((pair) => pair.trim())
          .filter((pair) => pair !== '');
        if (pairs.some((pair) => !pair.includes(':'))) return { problem: 'expected key:value,key:value' };
        return {
          value: Object.fromEntries(
            pairs.map((pair) => [pair.slice(0, pair.indexOf(':')).trim(), pair.slice(pair.indexOf(':') + 1).trim()]),
          ),
        };
      }
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return { problem: 'expected a mapping' };
      const entries = Object.entries(value).map(([key, item]): [string, string | null] => [key, scalar(item)]);
      return entries.some(([, item]) => item === null)
        ? { problem: 'expected a mapping of texts' }
        : { value: Object.fromEntries(entries) };
    }
  }
}

function scalar(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (value === null) return '';
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint' ? String(value) : null;
}

/** A Go duration such as `1s`, `500ms` or `1m30s` → milliseconds. */
export function duration(written: string): number {
  const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  let total = 0;
  for (const [, number, unit] of written.matchAll(/([\d.]+)(ms|s|m|h)/g)) total += Number(number) * units[unit];
  return total;
}
