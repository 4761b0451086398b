/**
 * The event table: every event type that a capture or the probe can carry, with its parameters.
 *
 * Facts (codes, names, types, flag values) are those of the scap event schema 4.5
 * (falcosecurity/libs, driver/event_table.c and ppm_events_public.h). `table.json` holds them once;
 * the probe's header, the decoder, `--list-events` and the documentation are all made from it.
 */
import data from './table.json' with { type: 'json' };

/** Parameter types by their PT_ name without the prefix. */
export type ParamType =
  | 'INT8'
  | 'INT16'
  | 'INT32'
  | 'INT64'
  | 'UINT8'
  | 'UINT16'
  | 'UINT32'
  | 'UINT64'
  | 'ERRNO'
  | 'FD'
  | 'FD32'
  | 'PID'
  | 'PID32'
  | 'UID'
  | 'GID'
  | 'CHARBUF'
  | 'FSPATH'
  | 'FSRELPATH'
  | 'BYTEBUF'
  | 'CHARBUFARRAY'
  | 'CHARBUF_PAIR_ARRAY'
  | 'SOCKADDR'
  | 'SOCKTUPLE'
  | 'FDLIST'
  | 'FLAGS8'
  | 'FLAGS16'
  | 'FLAGS32'
  | 'ENUMFLAGS8'
  | 'ENUMFLAGS16'
  | 'ENUMFLAGS32'
  | 'MODE'
  | 'SIGTYPE'
  | 'SIGSET'
  | 'SYSCALLID'
  | 'PORT'
  | 'RELTIME'
  | 'ABSTIME'
  | 'DYN'
  | 'BOOL'
  | 'DOUBLE'
  | 'IPV4ADDR'
  | 'IPV6ADDR';

/** How a number is printed: 0 not available, 1 decimal, 2 hexadecimal, 3 ten digits padded, 4 id, 5 directory, 6 octal. */
export type PrintFormat = number;

export interface ParamInfo {
  readonly name: string;
  readonly type: ParamType;
  readonly format: PrintFormat;
  /** Symbol → value, in the order in which the reference prints them; only on flags and enums. */
  readonly flags: Readonly<Record<string, number>> | null;
}

/** Bits of {@link EventInfo.flags} (enum ppm_event_flags). */
export const EventFlag = {
  CREATES_FD: 1 << 0,
  DESTROYS_FD: 1 << 1,
  USES_FD: 1 << 2,
  READS_FROM_FD: 1 << 3,
  WRITES_TO_FD: 1 << 4,
  MODIFIES_STATE: 1 << 5,
  UNUSED: 1 << 6,
  WAITS: 1 << 7,
  SKIPPARSERESET: 1 << 8,
  OLD_VERSION: 1 << 9,
  LARGE_PAYLOAD: 1 << 11,
  CONVERTER_MANAGED: 1 << 12,
} as const;

export interface EventInfo {
  /** The event code carried in the `type` field of the header. */
  readonly type: number;
  /** Symbol without the PPME_ prefix, for instance `SYSCALL_OPENAT_2_X`. */
  readonly code: string;
  /** What `evt.type` prints, for instance `openat`. */
  readonly name: string;
  readonly category: number;
  readonly flags: number;
  readonly params: readonly ParamInfo[];
  /** Even codes are enter events (`evt.dir = >`), odd ones exit events. */
  readonly enter: boolean;
  /** Parameter lengths are u32 instead of u16. */
  readonly large: boolean;
}

type RawParam = readonly [string, string, number, number?];
type RawEvent = readonly [string, string, number, number, readonly RawParam[]];

const flagTables = data.flagTables as unknown as readonly Readonly<Record<string, number>>[];

/** All event types, indexed by code. */
export const EVENTS: readonly EventInfo[] = (data.events as unknown as readonly RawEvent[]).map(
  ([code, name, category, flags, params], type) => ({
    type,
    code,
    name,
    category,
    flags,
    params: params.map(([paramName, paramType, format, table]) => ({
      name: paramName,
      type: paramType as ParamType,
      format,
      flags: table === undefined || table < 0 ? null : (flagTables[table] ?? null),
    })),
    enter: (type & 1) === 0,
    large: (flags & EventFlag.LARGE_PAYLOAD) !== 0,
  }),
);

/** Symbol → event code, for instance `EventType.SYSCALL_CLOSE_X`. */
export const EventType: Readonly<Record<string, number>> = Object.freeze(
  Object.fromEntries(EVENTS.map((event) => [event.code, event.type])),
);

/** One byte an event type: 1 when the parameter lengths are u32. */
export const LARGE: Uint8Array = Uint8Array.from(EVENTS, (event) => (event.large ? 1 : 0));
