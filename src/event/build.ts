import { Event, HEADER_SIZE } from './event.ts';
import { EVENTS, type ParamType } from './table.ts';

/**
 * What a parameter can be made from; the parameter's type decides the bytes:
 * - integers, flags, fds, pids, times: number, bigint or boolean, little endian in the type's width;
 * - CHARBUF, FSPATH, FSRELPATH: a byte string, NUL added;
 * - BYTEBUF and the like: a byte string as it is, or an array of byte strings, each NUL-terminated (argv, environment, cgroups);
 * - SOCKADDR, SOCKTUPLE, DYN, FDLIST: bytes, see {@link inetTuple} and its neighbours;
 * - null: a parameter of length 0 (the kernel gave NULL).
 */
export type ParamValue = number | bigint | boolean | string | readonly string[] | Uint8Array | null;

export interface EventSpec {
  /** Nanoseconds since the epoch; default 0. */
  ts?: bigint;
  /** Default 0. */
  tid?: number | bigint;
  /**
   * By name: the others are 0 or empty. By position: exactly these are written, so that a shorter list
   * stands for an older producer, and a longer one has trailing parameters that the table does not know
   * (numbers there are u32, bigints u64, strings CHARBUF).
   */
  params?: Readonly<Record<string, ParamValue>> | readonly ParamValue[];
  /** Trailing parameters beyond the table's, after all of the named ones. */
  extra?: readonly ParamValue[];
}

/** Bytes of an integer parameter by type; types that are not here have variable length. */
export const PARAM_WIDTH: Readonly<Partial<Record<ParamType, number>>> = {
  INT8: 1,
  UINT8: 1,
  FLAGS8: 1,
  ENUMFLAGS8: 1,
  SIGTYPE: 1,
  INT16: 2,
  UINT16: 2,
  FLAGS16: 2,
  ENUMFLAGS16: 2,
  PORT: 2,
  SYSCALLID: 2,
  INT32: 4,
  UINT32: 4,
  FLAGS32: 4,
  ENUMFLAGS32: 4,
  MODE: 4,
  UID: 4,
  GID: 4,
  BOOL: 4,
  SIGSET: 4,
  FD32: 4,
  PID32: 4,
  IPV4ADDR: 4,
  INT64: 8,
  UINT64: 8,
  ERRNO: 8,
  FD: 8,
  PID: 8,
  RELTIME: 8,
  ABSTIME: 8,
  DOUBLE: 8,
};

const NONE = new Uint8Array(0);

function bytesOf(text: string, terminate: boolean): Uint8Array {
  const bytes = new Uint8Array(text.length + (terminate ? 1 : 0));
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function integer(value: number | bigint | boolean, width: number): Uint8Array {
  let rest = BigInt.asUintN(width * 8, BigInt(value));
  const bytes = new Uint8Array(width);
  for (let i = 0; i < width; i++) {
    bytes[i] = Number(rest & 255n);
    rest >>= 8n;
  }
  return bytes;
}

/** The bytes of one parameter; `type` is undefined for trailing parameters that the table does not know. */
export function encodeParam(type: ParamType | undefined, value: ParamValue | undefined): Uint8Array {
  const width = type === undefined ? undefined : PARAM_WIDTH[type];
  if (value === null) return NONE;
  if (value === undefined) return width === undefined ? NONE : new Uint8Array(width);
  if (value instanceof Uint8Array) return value;
  if (typeof value === 'string')
    return bytesOf(value, type === undefined || type === 'CHARBUF' || type === 'FSPATH' || type === 'FSRELPATH');
  if (Array.isArray(value)) return bytesOf(value.map((item) => `${item}\0`).join(''), false);
  const number = value as number | bigint | boolean;
  if (type === 'DOUBLE') return new Uint8Array(new Float64Array([Number(number)]).buffer);
  return integer(number, width ?? (typeof number === 'bigint' ? 8 : 4));
}

/**
 * Makes the bytes of a scap event (schema 4.x) from values: for tests, benchmarks and sources that have no
 * kernel behind them. Throws a RangeError when a parameter does not fit its length field.
 */
export function buildEvent(type: number, spec: EventSpec = {}): Uint8Array {
  const info = EVENTS[type];
  if (info === undefined) throw new RangeError(`event type ${type} does not exist`);
  const given = spec.params ?? {};
  const parts: Uint8Array[] = Array.isArray(given)
    ? given.map((value, i) => encodeParam(info.params[i]?.type, value))
    : info.params.map((param) => encodeParam(param.type, (given as Record<string, ParamValue>)[param.name]));
  for (const value of spec.extra ?? []) parts.push(encodeParam(undefined, value));

  const width = info.large ? 4 : 2;
  const size = HEADER_SIZE + parts.reduce((sum, part) => sum + width + part.length, 0);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, spec.ts ?? 0n, true);
  view.setBigInt64(8, BigInt(spec.tid ?? 0), true);
  view.setUint32(16, size, true);
  view.setUint16(20, type, true);
  view.setUint32(22, parts.length, true);
  let at = HEADER_SIZE + width * parts.length;
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] as Uint8Array;
    if (!info.large && part.length > 0xffff) throw new RangeError(`parameter ${i} of ${info.code} is too long`);
    if (info.large) view.setUint32(HEADER_SIZE + i * 4, part.length, true);
    else view.setUint16(HEADER_SIZE + i * 2, part.length, true);
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** An {@link Event} that looks at the given bytes. */
export function viewEvent(bytes: Uint8Array, num = 1, cpu = 0): Event {
  const event = new Event();
  event.attach(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  event.read(0, cpu, num);
  return event;
}

/** Socket families as events carry them (the first byte of SOCKADDR and SOCKTUPLE). */
const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;

function address(ip: string): Uint8Array {
  if (!ip.includes(':')) return Uint8Array.from(ip.split('.'), Number);
  const [head = '', tail] = ip.split('::');
  const words = (text: string) => (text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16)));
  const left = words(head);
  const right = tail === undefined ? [] : words(tail);
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Uint8Array.from(all.flatMap((word) => [word >> 8, word & 255]));
}

function join(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

const port = (value: number) => [value & 255, value >> 8];

/** A SOCKADDR of family inet or inet6, by the form of the address. */
export function inetAddress(ip: string, portNumber: number): Uint8Array {
  return join([ip.includes(':') ? AF_INET6 : AF_INET], address(ip), port(portNumber));
}

/** A SOCKTUPLE of family inet or inet6: source to destination. */
export function inetTuple(sourceIp: string, sourcePort: number, destIp: string, destPort: number): Uint8Array {
  const family = sourceIp.includes(':') ? AF_INET6 : AF_INET;
  return join([family], address(sourceIp), port(sourcePort), address(destIp), port(destPort));
}

/** A SOCKADDR of family unix. */
export function unixAddress(path: string): Uint8Array {
  return join([AF_UNIX], bytesOf(path, true));
}

/** A SOCKTUPLE of family unix: kernel addresses of both ends, and the path. */
export function unixTuple(source: bigint, peer: bigint, path: string): Uint8Array {
  return join([AF_UNIX], integer(source, 8), integer(peer, 8), bytesOf(path, true));
}
