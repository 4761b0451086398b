import { openRing, type Ring } from '../ring.ts';
import type { Sys } from '../sys.ts';

export const PAGE = 4096;

/** A ring buffer as the kernel keeps it, in memory of this process: what is written at one end shows at the other. */
export function fakeRing(
  size: number,
  start = 0,
): {
  ring: Ring;
  write(payload: Uint8Array, flags?: number): void;
  sys: Sys;
  setHeader(at: number, header: number): void;
} {
  const consumer = new ArrayBuffer(PAGE);
  const shared = new ArrayBuffer(PAGE + 2 * size);
  const bytes = new Uint8Array(shared, PAGE);
  const view = new DataView(shared);
  let position = start;
  view.setBigUint64(0, BigInt(start), true);
  new DataView(consumer).setBigUint64(0, BigInt(start), true);
  const put = (at: number, value: number): void => {
    bytes[at & (size - 1)] = value;
    // The second mapping of the same pages.
    bytes[(at & (size - 1)) + size] = value;
  };
  const word = (at: number, value: number): void => {
    for (let i = 0; i < 4; i++) put(at + i, (value >>> (8 * i)) & 255);
  };
  const sys: Sys = {
    pageSize: PAGE,
    sys: () => 0,
    addr: () => 0n,
    map: (_fd, _length, offset) => (offset === 0 ? consumer : shared),
  };
  return {
    ring: openRing(0, size, sys),
    sys,
    write(payload, flags = 0) {
      word(position, payload.length | flags);
      payload.forEach((byte, i) => {
        put(position + 8 + i, byte);
      });
      position += (payload.length + 8 + 7) & ~7;
      view.setBigUint64(0, BigInt(position), true);
    },
    setHeader: word,
  };
}
