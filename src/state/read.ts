import { latin1 } from '../bytes.ts';
import type { Event } from '../event/index.ts';
import type { State } from './state.ts';

/** Parameter `i` as a 64-bit integer that fits 32 bits (pids, fds, results); `missing` when it is not there. */
export function low(event: Event, i: number, missing: number): number {
  return i < event.nparams && event.len(i) >= 4 ? event.lo(i) : missing;
}

/** Parameter `i` as a thread or process id: all of its 64 bits, as sandboxes use them (gVisor). */
export function id(event: Event, i: number, missing: number): number {
  if (i >= event.nparams || event.len(i) < 8) return low(event, i, missing);
  const at = event.offset(i);
  const high = event.view.getInt32(at + 4, true);
  const rest = event.view.getInt32(at, true);
  // What is small is made a small integer: the sum below is a double, whatever its value.
  if (high === rest >> 31) return rest;
  return high * 4294967296 + (rest >>> 0);
}

/** Parameter `i` as an unsigned 32-bit integer. */
export function u32(event: Event, i: number, missing: number): number {
  return i < event.nparams && event.len(i) >= 4 ? event.u32(i) : missing;
}

/** Parameter `i` as a signed 64-bit integer, a number while that is exact. */
export function int64(event: Event, i: number): number | bigint {
  if (i >= event.nparams || event.len(i) < 8) return 0;
  const at = event.offset(i);
  const high = event.view.getInt32(at + 4, true);
  const rest = event.view.getInt32(at, true);
  if (high === rest >> 31) return rest;
  if (high < 0x200000 && high >= -0x200000) return high * 4294967296 + event.view.getUint32(at, true);
  return event.view.getBigInt64(at, true);
}

/** Parameter `i` as an unsigned 64-bit integer, a number while that is exact. */
export function uint64(event: Event, i: number): number | bigint {
  if (i >= event.nparams || event.len(i) < 8) return 0;
  const at = event.offset(i);
  const high = event.view.getUint32(at + 4, true);
  const rest = event.view.getInt32(at, true);
  if (high === 0 && rest >= 0) return rest;
  if (high < 0x200000) return high * 4294967296 + event.view.getUint32(at, true);
  return event.view.getBigUint64(at, true);
}

/** Parameter `i` as nanoseconds; 0n when it is not there. */
export function nanoseconds(event: Event, i: number): bigint {
  return i < event.nparams && event.len(i) >= 8 ? event.u64(i) : 0n;
}

/** Parameter `i` as a text without the NUL at its end; the same string for the same bytes. */
export function text(state: State, event: Event, i: number): string {
  if (i >= event.nparams) return '';
  const length = event.len(i);
  if (length === 0) return '';
  const at = event.offset(i);
  return intern(state, event, at, event.buffer[at + length - 1] === 0 ? length - 1 : length);
}

/** Parameter `i` as bytes, NULs and all; the same string for the same bytes. */
export function bytes(state: State, event: Event, i: number): string {
  if (i >= event.nparams) return '';
  const length = event.len(i);
  return length === 0 ? '' : intern(state, event, event.offset(i), length);
}

function intern(state: State, event: Event, at: number, length: number): string {
  if (length === 0) return '';
  const texts = state.texts;
  const known = texts.find(event.buffer, event.view, at, length, 0);
  if (known !== null) return known;
  const made = latin1(event.buffer, at, at + length);
  texts.keep(event.buffer, event.view, at, length, 0, made);
  return made;
}
