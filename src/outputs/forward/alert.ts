import { hash } from 'node:crypto';
import { PRIORITIES, type Priority } from '../../rules/index.ts';

export { PRIORITIES, type Priority };

/** A number that a double does not hold exactly: kept as it was written. */
export interface RawNumber {
  readonly rawJSON: string;
}
export type FieldValue =
  | string
  | number
  | boolean
  | null
  | RawNumber
  | readonly FieldValue[]
  | { readonly [key: string]: FieldValue };

/** An alert on its way to the destinations: what Falco sent, enriched as the configuration says. */
export interface Alert {
  /** The same for the same alert, however often it is sent: an idempotency key. */
  readonly uuid: string;
  readonly output: string;
  readonly priority: Priority;
  /** Index into PRIORITIES. */
  readonly level: number;
  readonly rule: string;
  /** RFC 3339 as received. */
  readonly time: string;
  /** The same in nanoseconds since the epoch. */
  readonly nanoseconds: bigint;
  /** Sorted by name. */
  readonly fields: Readonly<Record<string, FieldValue>>;
  readonly source: string;
  /** Sorted. */
  readonly tags: readonly string[];
  /** Empty when the sensor did not tell. */
  readonly hostname: string;
  /** When the forwarder took it in, milliseconds since the epoch. */
  readonly received: number;
  /** Made by `/test`: goes everywhere. */
  readonly isTest: boolean;
}

// Node 24 has both; TypeScript's es2024 library does not know them yet.
const rawJson = (JSON as unknown as { rawJSON(text: string): RawNumber }).rawJSON;
type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown;
const parseWithSource = JSON.parse as unknown as (text: string, reviver: Reviver) => unknown;

const keepNumbers: Reviver = (_key, value, context) =>
  typeof value === 'number' && context.source !== undefined && String(value) !== context.source
    ? rawJson(context.source)
    : value;

/** A long, fractional or exponential number where a value may stand (and, harmlessly, what looks like one in a text). */
const LOSSY = /(?:"\s*:|[[,])\s*-?\d(?:\d{15}|\d*[.eE])/;

/** JSON without loss: a number that would be printed otherwise than it was read stays as it was written. */
export function parseJson(text: string): unknown {
  // The reviver costs more than the parse: only where it is needed.
  return LOSSY.test(text) ? parseWithSource(text, keepNumbers) : JSON.parse(text);
}

/** A field's value as text: strings as they are, numbers as they were written, the rest as JSON. */
export function textOf(value: FieldValue | undefined): string {
  if (typeof value === 'string') return value;
  if (value === undefined || value === null) return '';
  return JSON.stringify(value);
}

export function isRawNumber(value: FieldValue): value is RawNumber {
  return typeof value === 'object' && value !== null && 'rawJSON' in value;
}

/** Index into PRIORITIES of a name in any case (`info` too), or -1. */
export function priorityLevel(name: string): number {
  const wanted = name.toLowerCase();
  if (wanted === 'info') return 6;
  return PRIORITIES.findIndex((priority) => priority.toLowerCase() === wanted);
}

const TIME = /^(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|z|[+-]\d\d:?\d\d)$/;

/** RFC 3339 → nanoseconds since the epoch; null when it is none. */
export function parseTime(text: string): bigint | null {
  const match = TIME.exec(text);
  if (match === null) return null;
  const milliseconds = Date.parse(`${match[1].replace(' ', 'T')}${match[3].toUpperCase()}`);
  if (Number.isNaN(milliseconds)) return null;
  return BigInt(milliseconds) * 1_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
}

/** What Falco sends to an HTTP output (`json_output`). */
interface Received {
  readonly uuid?: string;
  readonly output?: string;
  readonly priority: string;
  readonly rule: string;
  readonly time: string;
  readonly source?: string;
  readonly tags?: readonly string[] | null;
  readonly hostname?: string;
  readonly output_fields?: Readonly<Record<string, FieldValue>> | null;
}

/**
 * Whether a parsed body is an alert; the reason if not.
 * Unlike Falcosidekick, an alert without output fields is one: its rule just names none.
 */
export function problemOf(body: unknown): string | null {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return 'it is not an object';
  const { rule, priority, time, output_fields: fields, tags } = body as Record<string, unknown>;
  if (typeof rule !== 'string' || rule === '') return 'it has no rule';
  if (typeof priority !== 'string' || priorityLevel(priority) === -1) return 'it has no known priority';
  if (typeof time !== 'string' || parseTime(time) === null) return 'it has no time in RFC 3339';
  if (fields !== undefined && fields !== null && (typeof fields !== 'object' || Array.isArray(fields))) {
    return 'output_fields is not an object';
  }
  if (tags !== undefined && tags !== null && !(Array.isArray(tags) && tags.every((tag) => typeof tag === 'string'))) {
    return 'tags is not a list of texts';
  }
  return null;
}

/** A uuid (version 8, RFC 9562) made from bytes: the same bytes give the same one. */
export function uuidOf(bytes: Uint8Array | string): string {
  const digest = hash('sha256', bytes, 'buffer');
  digest[6] = (digest[6] & 0x0f) | 0x80;
  digest[8] = (digest[8] & 0x3f) | 0x80;
  const hex = digest.toString('hex', 0, 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
export const TEST_RULE = 'Test rule';

/**
 * Bytes as they were received → alert, before enrichment. The bytes have passed problemOf.
 * @param received milliseconds since the epoch.
 */
export function readAlert(bytes: Buffer, received: number): Alert {
  return alertOf(parseJson(bytes.toString('utf8')), bytes, received);
}

/** The same for bytes that parseJson has read already and problemOf has passed. */
export function alertOf(parsed: unknown, bytes: Buffer, received: number): Alert {
  const body = parsed as Received;
  const level = priorityLevel(body.priority);
  const isTest = body.rule === TEST_RULE;
  return {
    uuid: typeof body.uuid === 'string' && UUID.test(body.uuid) ? body.uuid : uuidOf(bytes),
    output: String(body.output ?? ''),
    priority: PRIORITIES[level],
    level,
    rule: body.rule,
    time: body.time,
    nanoseconds: parseTime(body.time) ?? 0n,
    fields: body.output_fields ?? {},
    source: body.source || (isTest ? 'internal' : 'syscalls'),
    tags: body.tags ?? [],
    hostname: String(body.hostname ?? ''),
    received,
    isTest,
  };
}

/** The alert as JSON, in Falcosidekick's shape and order of keys. */
export function toJson(alert: Alert): string {
  return JSON.stringify(toObject(alert));
}

/** The alert as an object to be put into JSON, in Falcosidekick's shape. */
export function toObject(alert: Alert): Record<string, unknown> {
  return {
    uuid: alert.uuid,
    output: alert.output,
    priority: alert.priority,
    rule: alert.rule,
    time: alert.time,
    output_fields: alert.fields,
    source: alert.source,
    ...(alert.tags.length > 0 && { tags: alert.tags }),
    ...(alert.hostname !== '' && { hostname: alert.hostname }),
  };
}

/** `2026-01-02 15:04:05.123456789 +0000 UTC`: how Go prints a time. */
export function goTime(alert: Alert): string {
  const seconds = new Date(Number(alert.nanoseconds / 1_000_000n)).toISOString().slice(0, 19).replace('T', ' ');
  return `${seconds}${fraction(alert.nanoseconds)} +0000 UTC`;
}

/** RFC 3339 in UTC with as many digits as there are (Go's RFC3339Nano). @param nanoseconds since the epoch. */
export function rfc3339(nanoseconds: bigint): string {
  return `${new Date(Number(nanoseconds / 1_000_000n)).toISOString().slice(0, 19)}${fraction(nanoseconds)}Z`;
}

function fraction(nanoseconds: bigint): string {
  const digits = String(nanoseconds % 1_000_000_000n)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return digits === '' ? '' : `.${digits}`;
}

/** Output fields that have a value, as text, sorted by name. */
export function fieldTexts(alert: Alert): [string, string][] {
  return Object.entries(alert.fields)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => [name, textOf(value)]);
}

/** What makes two alerts the same trouble: for destinations that group (PagerDuty, Opsgenie, Grafana OnCall). */
export function fingerprint(alert: Alert): string {
  const place = ['k8s.ns.name', 'k8s.pod.name', 'container.id', 'proc.name', 'ka.target.namespace', 'ka.target.name'];
  return uuidOf(
    JSON.stringify([alert.rule, alert.source, alert.hostname, ...place.map((name) => textOf(alert.fields[name]))]),
  );
}
