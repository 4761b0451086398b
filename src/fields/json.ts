import { toByteString } from '../bytes.ts';
import { type Event, EventType } from '../event/index.ts';
import { type Extractor, type Field, rowMaker } from './field.ts';

/** A parsed JSON value; integers too large for a number stay as they were written. */
export type Json = string | number | boolean | null | RawNumber | readonly Json[] | { readonly [key: string]: Json };

/** A number by its digits. */
export class RawNumber {
  readonly digits: string;
  constructor(digits: string) {
    this.digits = digits;
  }
  toJSON(): unknown {
    return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(this.digits);
  }
}

const decoder = new TextDecoder();

function parse(text: string): Json {
  if (!/\d{16}/.test(text)) return JSON.parse(text) as Json;
  type Reviver = (this: unknown, key: string, value: unknown, context: { source?: string }) => unknown;
  const keepDigits: Reviver = (_, value, context) =>
    typeof value === 'number' && context.source !== undefined && /^-?\d{16,}$/.test(context.source)
      ? new RawNumber(context.source)
      : value;
  return JSON.parse(text, keepDigits as Parameters<typeof JSON.parse>[1]) as Json;
}

/** The payload that was parsed last: every field of an event reads the same one. */
let parsedFrom: Uint8Array | null = null;
let parsedAt = -1;
let parsedNum = -1;
let parsed: Json | undefined;

const PLUGIN_EVENT = EventType.PLUGINEVENT_E;

/** The JSON payload of an event of a plugin; undefined when it has none. */
export function payloadOf(event: Event): Json | undefined {
  if (event.type !== PLUGIN_EVENT || event.nparams < 2) return undefined;
  if (parsedFrom === event.buffer && parsedAt === event.at && parsedNum === event.num) return parsed;
  parsedFrom = event.buffer;
  parsedAt = event.at;
  parsedNum = event.num;
  const from = event.offset(1);
  try {
    parsed = parse(decoder.decode(event.buffer.subarray(from, from + event.len(1))));
  } catch {
    parsed = undefined;
  }
  return parsed;
}

/** A member by its path; undefined when it is not there. */
export function get(value: Json | undefined, ...path: readonly (string | number)[]): Json | undefined {
  let at: Json | undefined = value;
  for (const key of path) {
    if (at === null || at === undefined || typeof at !== 'object' || at instanceof RawNumber) return undefined;
    at = Array.isArray(at)
      ? /^\d+$/.test(String(key))
        ? at[Number(key)]
        : undefined
      : Object.hasOwn(at, key)
        ? (at as Record<string, Json>)[key]
        : undefined;
  }
  return at;
}

/** A value as fields show it: texts as they are, everything else as JSON. */
export function asText(value: Json): string {
  return toByteString(typeof value === 'string' ? value : JSON.stringify(value));
}

/** Parts of a JSON pointer (RFC 6901). */
export function pointerParts(pointer: string): string[] {
  const text = pointer.startsWith('/') ? pointer.slice(1) : pointer;
  return text.split('/').map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function bindPointer(argument: string | null): Extractor {
  const parts = pointerParts(argument ?? '');
  return (event) => {
    const value = get(payloadOf(event), ...parts);
    return value === undefined ? null : asText(value);
  };
}

const whole: Extractor = (event) => {
  const value = payloadOf(event);
  return value === undefined ? null : toByteString(JSON.stringify(value, null, 2));
};

const rawtime: Extractor = (event) => (payloadOf(event) === undefined ? null : event.ts.toString());

const row = rowMaker('json', { sources: ['k8s_audit'] });

const pointer = { argument: 'required', argumentHelp: 'a JSON pointer, for instance /user/name' } as const;

export const JSON_FIELDS: readonly Field[] = ['json', 'jevt'].flatMap((prefix) => [
  row(
    `${prefix}.value`,
    'CHARBUF',
    'event',
    'A value out of the JSON payload of the event, by a JSON pointer (RFC 6901).',
    { bind: bindPointer },
    pointer,
  ),
  row(`${prefix}.obj`, 'CHARBUF', 'event', 'The whole JSON payload of the event, indented.', whole),
  row(`${prefix}.rawtime`, 'CHARBUF', 'event', 'Time of the event in nanoseconds since the epoch, as text.', rawtime),
]);
