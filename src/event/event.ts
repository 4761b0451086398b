import { latin1 } from '../bytes.ts';
import { EVENTS, type EventInfo, LARGE } from './table.ts';

/** Size of the scap event header: u64 ts, u64 tid, u32 len, u16 type, u32 nparams (packed). */
export const HEADER_SIZE = 26;

/**
 * A view over one event in somebody else's bytes; nothing is decoded before it is asked for.
 *
 * Wire format (scap event, schema 4.x, little endian): `u64 ts, u64 tid, u32 len, u16 type,
 * u32 nparams, lens[nparams], data`, lens being u16, or u32 where the type has a large payload.
 *
 * One instance is reused for a whole stream: whoever keeps something must copy it. Strings are
 * *byte strings* (one char a byte, latin1), so that comparing, searching and measuring is done on
 * bytes as the kernel gave them; they are decoded as UTF-8 where they leave the program.
 */
export class Event {
  /** The bytes that hold the event; the view must cover the same memory from the same origin. */
  buffer: Uint8Array = new Uint8Array(0);
  view: DataView = new DataView(new ArrayBuffer(0));
  /** Offset of the header. */
  at = 0;
  /** Offset of the first parameter length. */
  lens = 0;
  /** Offset of the first parameter's bytes. */
  data = 0;
  type = 0;
  nparams = 0;
  large = false;
  /** Every parameter whose type has one size has that size, none is empty: whoever read the event has looked. */
  isRegular = false;
  /** `evt.num`: counts the events of the source, from 1. */
  num = 0;
  /** `evt.cpu`. */
  cpu = 0;
  /** Flags that the capture gives the event (see DumpFlag); 0 where there are none. */
  flags = 0;
  /** The thread that caused the event; -1 where there is none (plugins, asynchronous events). */
  tid = 0;

  #known = 0;
  #offsets = new Int32Array(64);

  /** Changes the memory that {@link read} looks into. */
  attach(buffer: Uint8Array, view: DataView): void {
    this.buffer = buffer;
    this.view = view;
  }

  /** Points at the event whose header starts at `at`. The caller has checked that `len` bytes are there. */
  read(at: number, cpu: number, num: number): void {
    const type = this.view.getUint16(at + 20, true);
    const nparams = this.view.getUint32(at + 22, true);
    this.#point(at, cpu, num, type, nparams, LARGE[type] === 1);
    this.isRegular = false;
  }

  /**
   * As {@link read}, where the caller has read the type and the number of parameters, and seen that the event is
   * regular; only for types with lengths of 16 bits.
   */
  readRegular(at: number, cpu: number, num: number, type: number, nparams: number): void {
    this.#point(at, cpu, num, type, nparams, false);
    this.isRegular = true;
  }

  #point(at: number, cpu: number, num: number, type: number, nparams: number, large: boolean): void {
    this.at = at;
    this.cpu = cpu;
    this.num = num;
    this.tid = this.view.getInt32(at + 8, true);
    this.type = type;
    this.nparams = nparams;
    const lens = at + HEADER_SIZE;
    this.lens = lens;
    this.large = large;
    this.data = lens + (large ? nparams << 2 : nparams << 1);
    this.#known = 0;
  }

  /** Length of the whole event in bytes, header included. */
  get length(): number {
    return this.view.getUint32(this.at + 16, true);
  }

  get info(): EventInfo {
    return EVENTS[this.type] as EventInfo;
  }

  /** Nanoseconds since the epoch. */
  get ts(): bigint {
    return this.view.getBigUint64(this.at, true);
  }

  /** Nanoseconds since the epoch as a double: right to about 256 ns; for durations and ordering use {@link ts}. */
  get tsApprox(): number {
    return this.view.getUint32(this.at + 4, true) * 4294967296 + this.view.getUint32(this.at, true);
  }

  /** True when the producer wrote parameter `i` (older producers write fewer) and it is not empty. */
  has(i: number): boolean {
    return i < this.nparams && this.len(i) > 0;
  }

  /** Length in bytes of parameter `i`; the caller has checked `i < nparams`. */
  len(i: number): number {
    return this.large
      ? this.view.getUint32(this.lens + (i << 2), true)
      : this.view.getUint16(this.lens + (i << 1), true);
  }

  /** Offset of parameter `i` in {@link buffer}; the caller has checked `i < nparams`. */
  offset(i: number): number {
    if (i === 0) return this.data;
    let known = this.#known;
    const offsets = this.#offsets;
    if (i <= known) return offsets[i] as number;
    if (i >= offsets.length) this.#offsets = Int32Array.from({ length: i + 32 }, (_, k) => offsets[k] ?? 0);
    const table = this.#offsets;
    let at = known === 0 ? this.data : (table[known] as number);
    while (known < i) {
      at += this.len(known);
      table[++known] = at;
    }
    this.#known = known;
    return at;
  }

  u8(i: number): number {
    return this.buffer[this.offset(i)] as number;
  }
  u16(i: number): number {
    return this.view.getUint16(this.offset(i), true);
  }
  i32(i: number): number {
    return this.view.getInt32(this.offset(i), true);
  }
  u32(i: number): number {
    return this.view.getUint32(this.offset(i), true);
  }
  /** The low half of an i64/u64: right for pids, fds and return values, which fit. */
  lo(i: number): number {
    return this.view.getInt32(this.offset(i), true);
  }
  i64(i: number): bigint {
    return this.view.getBigInt64(this.offset(i), true);
  }
  u64(i: number): bigint {
    return this.view.getBigUint64(this.offset(i), true);
  }

  /** A NUL-terminated parameter as a byte string, without the NUL; null when it is absent or empty (the kernel gave NULL). */
  str(i: number): string | null {
    if (i >= this.nparams) return null;
    const length = this.len(i);
    if (length === 0) return null;
    const from = this.offset(i);
    const end = from + length;
    return latin1(this.buffer, from, this.buffer[end - 1] === 0 ? end - 1 : end);
  }

  /** The raw bytes of a parameter as a byte string; null when absent. */
  bytes(i: number): string | null {
    if (i >= this.nparams) return null;
    const from = this.offset(i);
    return latin1(this.buffer, from, from + this.len(i));
  }
}
