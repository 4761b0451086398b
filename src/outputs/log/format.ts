import { crc32 } from 'node:zlib';

/**
 * The bytes of a segment file.
 *
 *     segment = "WHLOG001" u64 base, record*
 *     record  = u16 mark, u8 priority, u8 0, u32 length, u64 sequence, f64 time, u32 crc, payload
 *
 * All integers little-endian; `crc` is the CRC-32 of the 24 bytes before it and of the payload; `time` is in
 * milliseconds since the epoch. The mark and the sequence number let a reader find the next whole record after
 * damaged bytes and say how many are missing.
 */
export const SEGMENT_HEADER = 16;
export const RECORD_HEADER = 28;
/** No alert is near this; a larger length is damage. */
export const MAX_PAYLOAD = 16 * 1024 * 1024;

const MAGIC = Buffer.from('WHLOG001', 'latin1');
const MARK = 0x4857;

/** One stored alert (or journal entry). */
export interface Entry {
  /** Position in the log: grows by one for each append. */
  readonly sequence: number;
  /** When it was appended, milliseconds since the epoch. */
  readonly time: number;
  /** 0 (emergency) to 7 (debug): what goes last when room must be made. */
  readonly priority: number;
  readonly payload: Buffer;
}

/** The header of a segment whose first record has sequence number `base` or more. */
export function segmentHeader(base: number): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER);
  MAGIC.copy(bytes);
  bytes.writeBigUInt64LE(BigInt(base), 8);
  return bytes;
}

/** Whether `bytes` begins with the header of the segment `base`. */
export function isSegment(bytes: Buffer, base: number): boolean {
  return bytes.length >= SEGMENT_HEADER && bytes.subarray(0, SEGMENT_HEADER).equals(segmentHeader(base));
}

/** The bytes of records, one after the other. */
export function encode(entries: readonly Entry[]): Buffer {
  const bytes = Buffer.allocUnsafe(entries.reduce((sum, { payload }) => sum + RECORD_HEADER + payload.length, 0));
  let at = 0;
  for (const { sequence, time, priority, payload } of entries) {
    bytes.writeUInt16LE(MARK, at);
    bytes[at + 2] = priority;
    bytes[at + 3] = 0;
    bytes[at + 3] = 0;
    bytes.writeUInt32LE(payload.length, at + 4);
    bytes.writeUInt32LE(sequence >>> 0, at + 8);
    bytes.writeUInt32LE(Math.floor(sequence / 2 ** 32), at + 12);
    bytes.writeDoubleLE(time, at + 16);
    bytes.writeUInt32LE(crc32(payload, crc32(bytes.subarray(at, at + 24))), at + 24);
    payload.copy(bytes, at + RECORD_HEADER);
    at += RECORD_HEADER + payload.length;
  }
  return bytes;
}

/**
 * The record at `offset`: the entry (its payload is a view), `more` = how many bytes are needed to tell,
 * or null when there is no whole, undamaged record there.
 */
export function decode(bytes: Buffer, offset: number): Entry | { readonly more: number } | null {
  if (bytes.length - offset < RECORD_HEADER) return { more: RECORD_HEADER };
  if (bytes.readUInt16LE(offset) !== MARK) return null;
  const length = bytes.readUInt32LE(offset + 4);
  if (length > MAX_PAYLOAD) return null;
  const end = offset + RECORD_HEADER + length;
  if (end > bytes.length) return { more: RECORD_HEADER + length };
  const payload = bytes.subarray(offset + RECORD_HEADER, end);
  if (crc32(payload, crc32(bytes.subarray(offset, offset + 24))) !== bytes.readUInt32LE(offset + 24)) return null;
  return {
    sequence: bytes.readUInt32LE(offset + 8) + bytes.readUInt32LE(offset + 12) * 2 ** 32,
    time: bytes.readDoubleLE(offset + 16),
    priority: bytes[offset + 2],
    payload,
  };
}

/** Where a record may begin after damage at `offset`: the next mark, or -1. */
export function nextMark(bytes: Buffer, offset: number): number {
  for (let at = bytes.indexOf(0x57, offset + 1); at !== -1 && at < bytes.length - 1; at = bytes.indexOf(0x57, at + 1)) {
    if (bytes.readUInt16LE(at) === MARK) return at;
  }
  return -1;
}
