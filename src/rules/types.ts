import { type Network, parseAddress, parseNetwork } from './address.ts';
import type { Call, Operand } from './ast.ts';
import type { FieldType } from './catalogue.ts';
import { SERVICES } from './services.ts';

/** Kinds of types that share their operators. */
export type TypeGroup = 'numeric' | 'bool' | 'string' | 'buffer' | 'address' | 'network' | 'dynamic' | 'other';

export function groupOf(type: FieldType): TypeGroup {
  switch (type) {
    case 'CHARBUF':
    case 'FSPATH':
    case 'FSRELPATH':
      return 'string';
    case 'BYTEBUF':
      return 'buffer';
    case 'BOOL':
      return 'bool';
    case 'IPADDR':
    case 'IPV4ADDR':
    case 'IPV6ADDR':
      return 'address';
    case 'IPNET':
    case 'IPV4NET':
    case 'IPV6NET':
      return 'network';
    case 'DYN':
      return 'dynamic';
    case 'SOCKADDR':
    case 'SOCKTUPLE':
    case 'FDLIST':
    case 'SIGSET':
      return 'other';
    default:
      return 'numeric';
  }
}

/** What a group is called in errors. */
export const GROUP_NAMES: Readonly<Record<Exclude<TypeGroup, 'dynamic' | 'other'>, string>> = {
  numeric: 'numeric filters',
  bool: 'numeric filters',
  string: 'string filters',
  buffer: 'buffer filters',
  address: 'ip address and network filters',
  network: 'ip address and network filters',
};

export interface OperandType {
  readonly type: FieldType;
  readonly isList: boolean;
}

/** The type of what an operand yields; its fields must be bound. */
export function typeOf(operand: Operand): OperandType {
  switch (operand.kind) {
    case 'field':
      return { type: operand.spec?.type ?? 'CHARBUF', isList: operand.spec?.isList ?? false };
    case 'literal':
      return { type: operand.quoted ? 'CHARBUF' : 'INT64', isList: false };
    case 'list':
      return { type: operand.items[0] === undefined ? 'CHARBUF' : typeOf(operand.items[0]).type, isList: true };
    case 'call':
      return callType(operand);
  }
}

function callType(call: Call): OperandType {
  switch (call.name) {
    case 'len':
      return { type: 'UINT64', isList: false };
    case 'join':
    case 'concat':
      return { type: 'CHARBUF', isList: false };
    case 'getopt':
      return { type: 'CHARBUF', isList: call.argument === null };
    default:
      return call.args[0] === undefined ? { type: 'CHARBUF', isList: false } : typeOf(call.args[0]);
  }
}

/** A constant of the right-hand side as values are compared with it. */
export type Constant = string | number | bigint | boolean | Network;

export class ValueError extends Error {
  override readonly name = 'ValueError';
}

/** Width in bits of the integers, negative for those with a sign. */
const WIDTHS: Partial<Record<FieldType, number>> = {
  INT8: -8,
  INT16: -16,
  INT32: -32,
  INT64: -64,
  UINT8: 8,
  UINT16: 16,
  UINT32: 32,
  UINT64: 64,
  ERRNO: -64,
  FD: -64,
  PID: -64,
  UID: 32,
  GID: 32,
  FLAGS8: 8,
  FLAGS16: 16,
  FLAGS32: 32,
  MODE: 32,
  SIGTYPE: 8,
  SYSCALLID: 16,
  RELTIME: 64,
  ABSTIME: 64,
};

/**
 * Reads a constant as the type of the field that it is compared with.
 * @throws ValueError when it is none of that type.
 */
export function parseConstant(type: FieldType, text: string): Constant {
  switch (groupOf(type)) {
    case 'string':
      if (text.includes('\0')) throw new ValueError('filter error: filter value cannot contain a NUL byte (\\x00)');
      return text;
    case 'bool':
      if (text === 'true' || text === 'false') return text === 'true';
      throw new ValueError(`filter error: unrecognized boolean value '${text}': expected 'true' or 'false'`);
    case 'address': {
      const address = parseAddress(text);
      if (address === null) throw new ValueError(`filter error: unrecognized IP address ${text}`);
      return address;
    }
    case 'network': {
      const network = parseNetwork(text);
      if (network === null) throw new ValueError(`filter error: unrecognized IP network ${text}`);
      return network;
    }
    case 'numeric':
      if (type === 'PORT') return parsePort(text);
      if (type === 'DOUBLE') return parseDouble(text);
      return parseInteger(text, WIDTHS[type] ?? -64);
    default:
      return text;
  }
}

function parseInteger(text: string, width: number): number | bigint {
  const found = /^([+-]?)(0[xX][0-9a-fA-F]+|[0-9]+)$/.exec(text);
  if (found === null) throw new ValueError(`${text} is not a valid number`);
  const magnitude = BigInt(found[2] as string);
  const value = found[1] === '-' ? -magnitude : magnitude;
  // C's conversions: what does not fit wraps, so that -1 stands for the largest value without a sign.
  return normalise(width < 0 ? BigInt.asIntN(-width, value) : BigInt.asUintN(width, value));
}

function parsePort(text: string): number {
  if (/^[0-9]+$/.test(text)) return Number(text) & 0xffff;
  const port = SERVICES[text];
  if (port === undefined) throw new ValueError(`unrecognized protocol ${text}`);
  return port;
}

function parseDouble(text: string): number {
  const value = text === '' ? Number.NaN : Number(text);
  if (Number.isNaN(value)) throw new ValueError(`${text} is not a valid number`);
  return value;
}

/** A number while it is a safe integer, else a bigint. */
function normalise(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
