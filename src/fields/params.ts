import { latin1 } from '../bytes.ts';
import { type Event, PARAM_WIDTH, type ParamInfo, type ParamType } from '../event/index.ts';
import type { Value } from '../rules/catalogue.ts';
import { formatAddress } from '../rules/index.ts';
import { FdType } from '../scap/entries.ts';
import {
  currentDirectory,
  directoryOf,
  FD_TYPE_CHARS,
  type Fd,
  formatEndpoint,
  formatTuple,
  joinPath,
  kernelBase,
  L4,
  type State,
  type Thread,
  UNKNOWN_DIRECTORY,
} from '../state/index.ts';
import { errnoName, signalName } from './errno.ts';
import { genericName } from './syscalls.ts';

/** What stands in texts for a parameter without value. */
export const NOT_AVAILABLE = '<NA>';

const AT_FDCWD = -100;
const SLASH = 47;

const WIDTHS: Readonly<Record<string, number | undefined>> = PARAM_WIDTH;

const SIGNED: ReadonlySet<ParamType> = new Set([
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'ERRNO',
  'FD',
  'PID',
  'FD32',
  'PID32',
]);

/** Parameter `i` as an integer, a number while that is exact; null when it is absent or too short. */
export function integerParam(event: Event, i: number, type: ParamType): number | bigint | null {
  const width = WIDTHS[type];
  if (width === undefined || i >= event.nparams || event.len(i) < width) return null;
  const at = event.offset(i);
  const view = event.view;
  const signed = SIGNED.has(type);
  switch (width) {
    case 1:
      return signed ? view.getInt8(at) : view.getUint8(at);
    case 2:
      return signed ? view.getInt16(at, true) : view.getUint16(at, true);
    case 4:
      return signed ? view.getInt32(at, true) : view.getUint32(at, true);
    default: {
      const high = signed ? view.getInt32(at + 4, true) : view.getUint32(at + 4, true);
      if (high < 0x200000 && high >= -0x200000) return high * 4294967296 + view.getUint32(at, true);
      return signed ? view.getBigInt64(at, true) : view.getBigUint64(at, true);
    }
  }
}

/** Parameter `i` as a text without its NUL; null when it is absent or empty. */
export function textParam(event: Event, i: number): string | null {
  return i < event.nparams ? event.str(i) : null;
}

/** What drivers write for a pointer that was NULL. */
const known = (text: string | null): string | null => (text === '' || text === '(NULL)' ? null : text);

/** The number in the base that the event table asks for. */
function printInteger(value: number | bigint, info: ParamInfo): string {
  switch (info.format) {
    case 2: {
      const bits = (WIDTHS[info.type] ?? 8) * 8;
      const positive = value < 0 ? BigInt.asUintN(bits, BigInt(value)) : value;
      return positive.toString(16).toUpperCase();
    }
    case 3:
      return value.toString().padStart(9, '0');
    case 6:
      return value.toString(8);
    default:
      return value.toString();
  }
}

/** `A|B` for the flags that are set in `value`, in the order of the table; a name for 0 stands alone. */
export function flagNames(value: number | bigint, flags: Readonly<Record<string, number>> | null): string {
  if (flags === null) return '';
  let rest = BigInt(value);
  const whole = rest;
  let text = '';
  for (const name in flags) {
    const bits = BigInt((flags[name] as number) >>> 0);
    if (bits === 0n ? whole === 0n : rest !== 0n && (rest & bits) === bits) {
      text += text === '' ? name : `|${name}`;
      rest &= ~bits;
    }
  }
  return text;
}

/** All names of a value, as Falco gives them: `AF_LOCAL|AF_UNIX`. */
function enumName(value: number | bigint, flags: Readonly<Record<string, number>> | null): string {
  if (flags === null) return '';
  const wanted = Number(value);
  return Object.keys(flags)
    .filter((name) => (flags[name] as number) >>> 0 === wanted)
    .join('|');
}

/** Bytes as text: what is not printable ASCII becomes a dot. */
export function printable(bytes: string): string {
  return bytes.replace(/[^\x20-\x7e]/g, '.');
}

const L4_CHARS: Readonly<Record<number, string>> = { [L4.TCP]: 't', [L4.UDP]: 'u', [L4.ICMP]: 'i', [L4.RAW]: 'r' };

/** `<f>/etc/passwd`, `<4t>1.2.3.4:5->…`. */
export function fdText(fd: Fd): string {
  const type = fd.type;
  const isIp = type >= FdType.IPV4_SOCK && type <= FdType.IPV6_SERVSOCK;
  const l4 = isIp && fd.socket !== null ? (L4_CHARS[fd.socket.l4] ?? '') : '';
  return `<${FD_TYPE_CHARS[type] ?? 'o'}${l4}>${fd.name}`;
}

/** A parameter as text: the value itself, and what it stands for (a path for an fd, a symbol for a number), empty when nothing. */
export interface ParamText {
  text: string;
  resolved: string;
}

const PLAIN = (text: string): ParamText => ({ text, resolved: '' });

/** What our probe says of the directory that the relative path in parameter `i` starts from. */
export function kernelBaseOf(event: Event, i: number): string | null {
  const params = event.info.params;
  let slot = 0;
  for (let j = 0; j < i; j++) if (params[j]?.type === 'FSPATH' || params[j]?.type === 'FSRELPATH') slot++;
  return slot > 1 ? null : kernelBase(event, slot as 0 | 1);
}

/** The directory fd that a relative path of the event belongs to, by convention the fd parameter before it. */
function baseOfRelative(event: Event, i: number, state: State): string | null {
  const thread = state.thread;
  if (thread === null) return null;
  const params = event.info.params;
  for (let j = i - 1; j >= 0; j--) {
    if (params[j]?.type !== 'FD') continue;
    const dirfd = integerParam(event, j, 'FD');
    if (dirfd === null) break;
    const directory = directoryOf(thread, Number(dirfd));
    return directory === null ? (Number(dirfd) === AT_FDCWD ? null : UNKNOWN_DIRECTORY) : directory.name;
  }
  return null;
}

/**
 * What the path in parameter `i` is joined to, as a number: equal numbers and equal bytes are equal texts. 0: nothing, as the
 * path is absolute or empty. The event has the parameter and a thread.
 */
export function pathBase(event: Event, i: number, state: State): number {
  if (event.len(i) === 0 || event.buffer[event.offset(i)] === SLASH || state.thread === null) return 0;
  const base = baseOf(event, i, state.thread, state);
  return base === null ? -1 : state.paths.directory(base).id;
}

/** The directory that the relative path in parameter `i` is joined to; null: none. */
function baseOf(event: Event, i: number, thread: Thread, state: State): string | null {
  return (
    kernelBaseOf(event, i) ??
    (event.info.params[i]?.type === 'FSRELPATH'
      ? baseOfRelative(event, i, state)
      : (currentDirectory(thread)?.name ?? null))
  );
}

function pathText(event: Event, i: number, state: State): ParamText {
  const path = textParam(event, i);
  if (known(path) === null || path === null) return PLAIN(NOT_AVAILABLE);
  if (path.charCodeAt(0) === SLASH || path === NOT_AVAILABLE || state.thread === null) return PLAIN(path);
  const base = baseOf(event, i, state.thread, state);
  if (base === null) return PLAIN(path);
  const full = joinPath(base, path);
  return { text: path, resolved: full === path ? '' : full };
}

/** A SOCKADDR parameter. */
function addressText(event: Event, i: number): string {
  const at = event.offset(i);
  const length = event.len(i);
  const family = event.buffer[at];
  if (family === 2 && length >= 7) {
    return formatEndpoint(latin1(event.buffer, at + 1, at + 5), event.view.getUint16(at + 5, true));
  }
  if (family === 10 && length >= 19) {
    return formatEndpoint(latin1(event.buffer, at + 1, at + 17), event.view.getUint16(at + 17, true));
  }
  if (family === 1) return latin1(event.buffer, at + 1, at + length).replace(/\0.*$/s, '');
  return `family ${family}`;
}

/** A SOCKTUPLE parameter. */
function tupleText(event: Event, i: number): string {
  const at = event.offset(i);
  const length = event.len(i);
  const { buffer, view } = event;
  const family = buffer[at];
  const width = family === 2 ? 4 : family === 10 ? 16 : 0;
  if (width !== 0 && length >= 5 + 2 * width) {
    const source = latin1(buffer, at + 1, at + 1 + width);
    const destination = latin1(buffer, at + 3 + width, at + 3 + 2 * width);
    const mapped = '\0\0\0\0\0\0\0\0\0\0\xff\xff';
    const plain = width === 16 && source.startsWith(mapped) && destination.startsWith(mapped) ? 12 : 0;
    return formatTuple(
      source.slice(plain),
      view.getUint16(at + 1 + width, true),
      destination.slice(plain),
      view.getUint16(at + 3 + 2 * width, true),
    );
  }
  if (family === 1 && length >= 17) {
    const path = latin1(buffer, at + 17, at + length).replace(/\0.*$/s, '');
    const ends = `${view.getBigUint64(at + 1, true).toString(16)}->${view.getBigUint64(at + 9, true).toString(16)}`;
    return path === '' ? ends : `${ends} ${path}`;
  }
  return `family ${family}`;
}

/** A FDLIST parameter: u16 count, then u64 fd and u16 flags each. */
export function fdList(event: Event, i: number): { fd: number; flags: number }[] {
  if (i >= event.nparams || event.len(i) < 2) return [];
  const at = event.offset(i);
  const count = Math.min(event.view.getUint16(at, true), Math.floor((event.len(i) - 2) / 10));
  const list: { fd: number; flags: number }[] = [];
  for (let j = 0; j < count; j++) {
    const entry = at + 2 + j * 10;
    list.push({ fd: event.view.getInt32(entry, true), flags: event.view.getUint16(entry + 8, true) });
  }
  return list;
}

function fdListText(event: Event, i: number, state: State): string {
  return fdList(event, i)
    .map(({ fd, flags }) => {
      const entry = state.thread?.fds.get(fd) ?? null;
      return `${fd}:${entry === null ? '?' : (FD_TYPE_CHARS[entry.type] ?? 'o')}${flags.toString(16)}`;
    })
    .join(' ');
}

/** Kinds of a DYN parameter by the tag in its first byte, per parameter (the schema's dynamic tables). */
const DYN: Readonly<Record<string, readonly ParamInfo[]>> = {
  'ptrace.addr': [dyn('UINT64', 2), dyn('SIGTYPE', 1)],
  'ptrace.data': [dyn('UINT64', 2), dyn('SIGTYPE', 1)],
  'setsockopt.val': sockopt(),
  'getsockopt.val': sockopt(),
};

function dyn(type: ParamType, format: number): ParamInfo {
  return { name: '', type, format, flags: null };
}

/** PPM_SOCKOPT_IDX_*: unknown, errno, u32, u64, timeval. */
function sockopt(): ParamInfo[] {
  return [dyn('BYTEBUF', 2), dyn('ERRNO', 1), dyn('UINT32', 1), dyn('UINT64', 1), dyn('RELTIME', 1)];
}

function dynText(event: Event, i: number, info: ParamInfo): ParamText {
  const at = event.offset(i);
  const length = event.len(i) - 1;
  const kind = DYN[`${event.info.name}.${info.name}`]?.[event.buffer[at] as number];
  const width = kind === undefined ? undefined : WIDTHS[kind.type];
  if (kind === undefined || width === undefined || length < width) {
    return PLAIN(printable(latin1(event.buffer, at + 1, at + 1 + Math.max(length, 0))));
  }
  const view = event.view;
  const value: number | bigint =
    width === 1
      ? view.getUint8(at + 1)
      : width === 4
        ? view.getUint32(at + 1, true)
        : kind.type === 'ERRNO'
          ? view.getBigInt64(at + 1, true)
          : view.getBigUint64(at + 1, true);
  if (kind.type === 'SIGTYPE') return { text: value.toString(), resolved: signalName(Number(value)) };
  if (kind.type === 'ERRNO') return { text: value.toString(), resolved: value < 0 ? errnoName(Number(value)) : '' };
  return PLAIN(printInteger(value, kind));
}

const pad = (value: number, digits: number) => String(value).padStart(digits, '0');

/** A point of time as texts of events have it: local time, with the date and nanoseconds. */
export function timeText(ns: bigint): string {
  const date = new Date(Number(ns / 1000000n));
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1, 2)}-${pad(date.getDate(), 2)}`;
  return `${day} ${clockText(ns)}`;
}

/** `15:04:05.123456789`, local time. */
export function clockText(ns: bigint): string {
  const date = new Date(Number(ns / 1000000n));
  const seconds = `${pad(date.getHours(), 2)}:${pad(date.getMinutes(), 2)}:${pad(date.getSeconds(), 2)}`;
  return `${seconds}.${String(ns % 1000000000n).padStart(9, '0')}`;
}

/** As `%g` writes it: at most six digits. */
function shortNumber(value: number): string {
  if (value === 0) return '0';
  const exponent = Math.floor(Math.log10(Math.abs(value)));
  if (exponent >= -4 && exponent < 6) return String(Number(value.toPrecision(6)));
  const [digits = '', power = '0'] = value.toExponential(5).split('e');
  const sign = power.startsWith('-') ? '-' : '+';
  return `${Number(digits)}e${sign}${power.replace(/^[+-]/, '').padStart(2, '0')}`;
}

/** Parameter `i` as text, as libsinsp's `get_param_as_str` writes it; null when the event has no such parameter. */
export function paramText(event: Event, i: number, state: State): ParamText | null {
  const info = event.info.params[i];
  if (info === undefined || i >= event.nparams) return null;
  const type = info.type;
  if (event.len(i) === 0) return PLAIN(NOT_AVAILABLE);
  switch (type) {
    case 'CHARBUF':
      return PLAIN(known(textParam(event, i)) ?? NOT_AVAILABLE);
    case 'FSPATH':
    case 'FSRELPATH':
      return pathText(event, i, state);
    case 'BYTEBUF':
      return PLAIN(printable(event.bytes(i) ?? ''));
    case 'CHARBUFARRAY':
    case 'CHARBUF_PAIR_ARRAY':
      return PLAIN(
        (event.bytes(i) ?? '')
          .replace(/\0$/, '')
          .split('\0')
          .join(type === 'CHARBUFARRAY' ? ' ' : '.'),
      );
    case 'SOCKADDR':
      return PLAIN(addressText(event, i));
    case 'SOCKTUPLE':
      return PLAIN(tupleText(event, i));
    case 'FDLIST':
      return PLAIN(fdListText(event, i, state));
    case 'DYN':
      return dynText(event, i, info);
    case 'IPV4ADDR':
    case 'IPV6ADDR':
      return PLAIN(formatAddress(event.bytes(i) ?? ''));
    default:
      break;
  }
  if (type === 'DOUBLE') {
    return event.len(i) < 8 ? PLAIN(NOT_AVAILABLE) : PLAIN(event.view.getFloat64(event.offset(i), true).toFixed(6));
  }
  const value = integerParam(event, i, type);
  if (value === null) return PLAIN(NOT_AVAILABLE);
  const text = printInteger(value, info);
  switch (type) {
    case 'ERRNO':
      return { text, resolved: value < 0 ? errnoName(Number(value)) : '' };
    case 'FD':
    case 'FD32': {
      const num = Number(value);
      if (num < 0) return { text, resolved: num === AT_FDCWD ? 'AT_FDCWD' : errnoName(num) };
      const fd = num === state.fdNum && state.fd !== null ? state.fd : (state.thread?.fds.get(num) ?? null);
      if (fd !== null) return { text, resolved: fdText(fd) };
      // A directory whose open was not reported: where the relative name behind it starts from, as the kernel told.
      const base = info.name.endsWith('dirfd') ? kernelBaseOf(event, i + 1) : null;
      return { text, resolved: base === null ? '' : `<d>${base}` };
    }
    case 'PID':
    case 'PID32': {
      const other = state.threads.get(Number(value));
      return { text, resolved: other === null || other.placeholder ? '' : other.comm };
    }
    case 'UID':
      return value === 0xffffffff
        ? { text: '-1', resolved: '<NONE>' }
        : { text, resolved: (state.thread === null ? null : state.userOf(state.thread, Number(value)))?.name ?? '' };
    case 'GID':
      return value === 0xffffffff
        ? { text: '-1', resolved: '<NONE>' }
        : { text, resolved: (state.thread === null ? null : state.groupOf(state.thread, Number(value))) ?? '' };
    case 'SIGTYPE':
      return { text, resolved: signalName(Number(value)) };
    case 'SIGSET': {
      const names: string[] = [];
      for (let bit = 0; bit < 32; bit++) if ((Number(value) & (1 << bit)) !== 0) names.push(signalName(bit + 1));
      return { text: names.join(' '), resolved: '' };
    }
    case 'SYSCALLID':
      return { text, resolved: genericName(event) };
    case 'BOOL':
      return PLAIN(value === 0 ? 'false' : 'true');
    case 'RELTIME':
      return { text, resolved: `${shortNumber(Number(value) / 1e9)}s` };
    case 'ABSTIME':
      return PLAIN(timeText(BigInt(value)));
    case 'FLAGS8':
    case 'FLAGS16':
    case 'FLAGS32':
    case 'MODE':
      return { text: value.toString(), resolved: flagNames(value, info.flags) };
    case 'ENUMFLAGS8':
    case 'ENUMFLAGS16':
    case 'ENUMFLAGS32':
      return { text: value.toString(), resolved: enumName(value, info.flags) };
    default:
      return PLAIN(text);
  }
}

/** Parameter `i` in the base that the event table gives it; null when it is absent or no number. */
export function numberText(event: Event, i: number): string | null {
  const info = event.info.params[i];
  const value = info === undefined ? null : integerParam(event, i, info.type);
  return info === undefined || value === null ? null : printInteger(value, info);
}

/** `evt.args`: every parameter as `name=value(resolved)`. */
export function allParamsText(event: Event, state: State): string {
  const info = event.info;
  const parts: string[] = [];
  const count = Math.min(event.nparams, info.params.length);
  for (let i = 0; i < count; i++) {
    const value = paramText(event, i, state);
    if (value === null) break;
    const name = info.params[i]?.name ?? '';
    parts.push(`${name}=${value.text}${value.resolved === '' ? '' : `(${value.resolved})`}`);
  }
  return parts.join(' ');
}

/** Parameter `i` as a value for comparisons (`evt.rawarg`): numbers as numbers, texts and bytes as they are. */
export function rawParam(event: Event, i: number): Value | null {
  const info = event.info.params[i];
  if (info === undefined || i >= event.nparams) return null;
  switch (info.type) {
    case 'CHARBUF':
    case 'FSPATH':
    case 'FSRELPATH': {
      const text = textParam(event, i);
      return text === null ? NOT_AVAILABLE : text;
    }
    case 'IPV4ADDR':
    case 'IPV6ADDR':
    case 'BYTEBUF':
    case 'CHARBUFARRAY':
    case 'CHARBUF_PAIR_ARRAY':
    case 'SOCKADDR':
    case 'SOCKTUPLE':
    case 'FDLIST':
    case 'DYN':
      return event.bytes(i);
    case 'BOOL': {
      const value = integerParam(event, i, 'BOOL');
      return value === null ? null : value !== 0;
    }
    case 'DOUBLE':
      return event.len(i) < 8 ? null : event.view.getFloat64(event.offset(i), true);
    default:
      return integerParam(event, i, info.type);
  }
}
