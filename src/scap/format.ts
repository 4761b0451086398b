/**
 * Numbers of the .scap container: little-endian blocks in the manner of pcap-ng,
 * `u32 type, u32 length (of everything, both lengths included), body, padding to 4, u32 length`.
 * Source: falcosecurity/libs, userspace/libscap/scap_savefile.h (written by 0.25, read since 0.1).
 */
export const Block = {
  SECTION_HEADER: 0x0a0d0d0a,
  MACHINE_INFO: 0x201,
  PROCESSES_V1: 0x202,
  FDS: 0x203,
  EVENT: 0x204,
  INTERFACES: 0x205,
  USERS: 0x206,
  PROCESSES_V2: 0x207,
  EVENT_FLAGS: 0x208,
  PROCESSES_V3: 0x209,
  PROCESSES_V4: 0x210,
  PROCESSES_V5: 0x211,
  PROCESSES_V6: 0x212,
  PROCESSES_V7: 0x213,
  PROCESSES_V8: 0x214,
  PROCESSES_V9: 0x215,
  EVENT_V2: 0x216,
  EVENT_FLAGS_V2: 0x217,
  FDS_V2: 0x218,
  INTERFACES_V2: 0x219,
  USERS_V2: 0x220,
  EVENT_V2_LARGE: 0x221,
  EVENT_FLAGS_V2_LARGE: 0x222,
} as const;

/**
 * The number of the process list before the format was published (0x8000abcd is the only private number that
 * sysdig 0.29 still takes, and it takes it as this).
 */
export const PRIVATE_PROCESSES_V1 = 0x8000abcd;

/** First word of a section header's body; tells the byte order. */
export const SECTION_MAGIC = 0x1a2b3c4d;
export const SECTION_MAGIC_SWAPPED = 0x4d3c2b1a;
export const MAJOR_VERSION = 1;
export const MINOR_VERSION = 2;

/** The longest body and trailer of an event block that is not "large" (the reader's buffer in libs). */
export const MAX_EVENT_BLOCK = 65536;
/** The longest of any other block that we keep in memory; the format names no limit. */
export const MAX_BLOCK = 256 << 20;

/** Bits in the flags of an event block. */
export const DumpFlag = {
  /** The event only keeps the state right; it did not pass the filter of whoever recorded. */
  STATE_ONLY: 1,
  TRACER: 2,
  LARGE: 4,
} as const;

/**
 * Readers as old as sysdig 0.29 refuse a file with a descriptor type that they do not know, so that the newer types are
 * written as 10 (unsupported) with a name that tells which; our reader turns them back. By type from BPF (17) on.
 */
export const FIRST_NEW_FD_TYPE = 17;
export const NEW_FD_NAMES: readonly string[] = ['bpf', 'userfaultfd', 'io_uring', 'memfd', 'pidfd'].map(
  (name) => `anon_inode:[${name}]`,
);

/**
 * Parameters behind those of the table. In memory they stand with the others (`lens[n + k], data`); readers of libs
 * 0.21 and later refuse a file in which an event has another number of parameters than the table says, but look at no
 * byte behind the last one. So in a file such an event is `lens[n], data of n + k, lens[k], u16 k, u16 this mark`,
 * all of it within the event's length.
 */
export const TAIL_MARK = 0x6877;
/** The last two members of that tail. */
export const TAIL_SIZE = 4;

/** What is wrong with a capture, and where (offset in the inflated stream). */
export class ScapError extends Error {
  override name = 'ScapError';
  /** The message without the offset. */
  readonly reason: string;
  readonly offset: number;

  constructor(reason: string, offset: number) {
    super(`${reason} (at byte ${offset})`);
    this.reason = reason;
    this.offset = offset;
  }
}
