/**
 * The OpenTelemetry protocol's messages that we send (opentelemetry-proto 1.x): one description of their fields from
 * which both encodings follow. Objects have the shape of OTLP/JSON.
 */
type Kind = 'string' | 'bytes' | 'bool' | 'int' | 'enum' | 'fixed64' | 'sfixed64' | 'fixed32' | 'double' | Message;
interface Message {
  readonly [name: string]: readonly [number: number, kind: Kind | (() => Kind), repeated?: 'repeated'];
}

const AnyValue: Message = {
  stringValue: [1, 'string'],
  boolValue: [2, 'bool'],
  intValue: [3, 'int'],
  doubleValue: [4, 'double'],
  arrayValue: [5, () => ({ values: [1, AnyValue, 'repeated'] })],
};
const KeyValue: Message = { key: [1, 'string'], value: [2, AnyValue] };
const Resource: Message = { attributes: [1, KeyValue, 'repeated'] };
const Scope: Message = { name: [1, 'string'], version: [2, 'string'] };
const LogRecord: Message = {
  timeUnixNano: [1, 'fixed64'],
  severityNumber: [2, 'enum'],
  severityText: [3, 'string'],
  body: [5, AnyValue],
  attributes: [6, KeyValue, 'repeated'],
  traceId: [9, 'bytes'],
  spanId: [10, 'bytes'],
  observedTimeUnixNano: [11, 'fixed64'],
};
const SpanEvent: Message = { timeUnixNano: [1, 'fixed64'], name: [2, 'string'], attributes: [3, KeyValue, 'repeated'] };
const Span: Message = {
  traceId: [1, 'bytes'],
  spanId: [2, 'bytes'],
  name: [5, 'string'],
  kind: [6, 'enum'],
  startTimeUnixNano: [7, 'fixed64'],
  endTimeUnixNano: [8, 'fixed64'],
  attributes: [9, KeyValue, 'repeated'],
  events: [11, SpanEvent, 'repeated'],
};
const NumberDataPoint: Message = {
  startTimeUnixNano: [2, 'fixed64'],
  timeUnixNano: [3, 'fixed64'],
  asInt: [6, 'sfixed64'],
  attributes: [7, KeyValue, 'repeated'],
};
const Sum: Message = {
  dataPoints: [1, NumberDataPoint, 'repeated'],
  aggregationTemporality: [2, 'enum'],
  isMonotonic: [3, 'bool'],
};
const Metric: Message = { name: [1, 'string'], description: [2, 'string'], unit: [3, 'string'], sum: [7, Sum] };

const request = (outer: string, inner: string, items: string, item: Message): Message => ({
  [outer]: [
    1,
    { resource: [1, Resource], [inner]: [2, { scope: [1, Scope], [items]: [2, item, 'repeated'] }, 'repeated'] },
    'repeated',
  ],
});

/** The requests of the three signals. */
export const REQUESTS = {
  logs: request('resourceLogs', 'scopeLogs', 'logRecords', LogRecord),
  traces: request('resourceSpans', 'scopeSpans', 'spans', Span),
  metrics: request('resourceMetrics', 'scopeMetrics', 'metrics', Metric),
} as const;
export type Signal = keyof typeof REQUESTS;

/** OTLP/JSON → protobuf. */
export function toProtobuf(signal: Signal, object: unknown): Buffer {
  return encode(REQUESTS[signal], object as Record<string, unknown>);
}

function encode(message: Message, object: Readonly<Record<string, unknown>>): Buffer {
  const parts: Buffer[] = [];
  for (const [name, [number, kind, repeated]] of Object.entries(message)) {
    const value = object[name];
    if (value === undefined || value === null) continue;
    for (const item of repeated ? (value as unknown[]) : [value]) {
      parts.push(field(number, typeof kind === 'function' ? kind() : kind, item));
    }
  }
  return Buffer.concat(parts);
}

/** Wire types: 0 varint, 1 64 bits, 2 with a length, 5 32 bits. */
function field(number: number, kind: Kind, value: unknown): Buffer {
  const tag = (wire: number) => varint(BigInt((number << 3) | wire));
  const sized = (bytes: Buffer) => Buffer.concat([tag(2), varint(BigInt(bytes.length)), bytes]);
  if (typeof kind === 'object') return sized(encode(kind, value as Record<string, unknown>));
  const wide = Buffer.alloc(8);
  switch (kind) {
    case 'string':
      return sized(Buffer.from(value as string));
    case 'bytes':
      return sized(Buffer.from(value as string, 'hex'));
    case 'bool':
      return Buffer.concat([tag(0), varint(value ? 1n : 0n)]);
    case 'int':
    case 'enum':
      return Buffer.concat([tag(0), varint(BigInt.asUintN(64, BigInt(value as string)))]);
    case 'fixed64':
    case 'sfixed64':
      wide.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value as string)));
      return Buffer.concat([tag(1), wide]);
    case 'double':
      wide.writeDoubleLE(value as number);
      return Buffer.concat([tag(1), wide]);
    case 'fixed32': {
      const narrow = Buffer.alloc(4);
      narrow.writeUInt32LE(value as number);
      return Buffer.concat([tag(5), narrow]);
    }
  }
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

/** Protobuf → OTLP/JSON: what a receiver sees. Unknown fields are left out. */
export function fromProtobuf(signal: Signal, bytes: Buffer): Record<string, unknown> {
  return decode(REQUESTS[signal], bytes);
}

function decode(message: Message, bytes: Buffer): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  const byNumber = new Map(
    Object.entries(message).map(([name, [number, kind, repeated]]) => [number, { name, kind, repeated }]),
  );
  let at = 0;
  const readVarint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = Number(readVarint());
    const found = byNumber.get(tag >> 3);
    const kind = typeof found?.kind === 'function' ? found.kind() : found?.kind;
    let value: unknown;
    if ((tag & 7) === 0) {
      const number = readVarint();
      value = kind === 'bool' ? number === 1n : kind === 'enum' ? Number(number) : String(BigInt.asIntN(64, number));
    } else if ((tag & 7) === 1) {
      value = kind === 'double' ? bytes.readDoubleLE(at) : String(bytes.readBigUInt64LE(at));
      at += 8;
    } else if ((tag & 7) === 2) {
      const length = Number(readVarint());
      const part = bytes.subarray(at, at + length);
      at += length;
      value = typeof kind === 'object' ? decode(kind, part) : part.toString(kind === 'bytes' ? 'hex' : 'utf8');
    } else {
      value = bytes.readUInt32LE(at);
      at += 4;
    }
    if (found === undefined) continue;
    if (found.repeated) (object[found.name] as unknown[] | undefined)?.push(value) ?? (object[found.name] = [value]);
    else object[found.name] = value;
  }
  return object;
}

export interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/** An attribute with a text, or a list of texts. */
export function attribute(key: string, value: string | readonly string[]): Attribute {
  if (typeof value === 'string') return { key, value: { stringValue: value } };
  return { key, value: { arrayValue: { values: value.map((stringValue) => ({ stringValue })) } } };
}

export const RESOURCE = { attributes: [attribute('service.name', 'falco')] };
