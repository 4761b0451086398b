import { buildEvent, EVENTS, type Event, EventFlag, viewEvent } from '../../event/index.ts';
import { Block, ScapError } from '../format.ts';
import { ScapReader } from '../reader.ts';
import { block, Collected, concat, emptyProcess, eventBody, SECTION, withoutCount, written } from './collect.ts';

/** Small captures with every kind of block and event in them, to start from. */
export function seeds(): Uint8Array[] {
  const state = written((writer) => {
    writer.process(emptyProcess(7));
    writer.process(emptyProcess(8));
    for (let type = 0; type <= 21; type++) {
      writer.fd({
        tid: 7,
        fd: type,
        ino: 1n,
        type,
        name: '/name',
        openFlags: 1,
        dev: 2,
        localAddress: '\x7f\0\0\x01',
        remoteAddress: '\x7f\0\0\x01',
        localPort: 1,
        remotePort: 2,
        l4proto: 2,
        unixSource: 1n,
        unixDestination: 2n,
      });
    }
    writer.userOrGroup({ kind: 'user', uid: 1, gid: 1, name: 'a', home: '/a', shell: '/bin/sh' });
    writer.userOrGroup({ kind: 'group', gid: 1, name: 'a' });
    writer.interface({ address: '\x7f\0\0\x01', netmask: '', broadcast: '', linkSpeed: 0n, name: 'lo' });
  });
  const values = (type: number, count: number) =>
    (EVENTS[type]?.params ?? []).slice(0, count).map((param, i) => (param.type === 'CHARBUF' ? `value ${i}` : i));
  const events = EVENTS.filter(({ flags }) => (flags & EventFlag.UNUSED) === 0);
  const now = written((writer) => {
    for (const { type, params } of events)
      writer.event(viewEvent(buildEvent(type, { tid: 7, params: values(type, params.length) })));
  });
  const old = concat([
    SECTION,
    ...events.map(({ type, params }) =>
      block(Block.EVENT, eventBody(withoutCount(buildEvent(type, { tid: 7, params: values(type, params.length) })))),
    ),
  ]);
  const lists = [0x202, 0x207, 0x209, 0x210, 0x211, 0x212, 0x213, 0x214, 0x203, 0x205, 0x206].map((type) =>
    concat([SECTION, block(type, new Uint8Array(300)), block(0x7777, new Uint8Array(40))]),
  );
  // In parts, so that a mutation early in a capture does not hide the rest.
  const parted = (bytes: Uint8Array, parts: number): Uint8Array[] => {
    const blocks: Uint8Array[] = [];
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 28; at < bytes.length; ) {
      const size = view.getUint32(at + 4, true);
      blocks.push(bytes.subarray(at, at + size));
      at += size;
    }
    const size = Math.ceil(blocks.length / parts);
    return Array.from({ length: parts }, (_, i) => concat([SECTION, ...blocks.slice(i * size, (i + 1) * size)]));
  };
  return [state, ...parted(now, 12), ...parted(old, 12), ...lists];
}

/** mulberry32. */
export function random(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const INTERESTING = [
  0, 1, 3, 4, 7, 8, 11, 12, 13, 26, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 0x7fffffff, 0xffffffff,
];

/** A copy with one to eight things changed: bytes, lengths, pieces cut out, doubled or exchanged. */
export function mutate(original: Uint8Array, next: () => number): Uint8Array {
  const below = (limit: number) => Math.floor(next() * limit);
  let bytes: Uint8Array = original.slice();
  for (let count = 1 + below(8); count > 0; count--) {
    if (bytes.length < 16) return bytes;
    const at = below(bytes.length);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    switch (below(8)) {
      case 0:
      case 1:
        bytes[at] = below(256);
        break;
      case 2:
        bytes[at] = (bytes[at] as number) ^ (1 << below(8));
        break;
      case 3:
        view.setUint16(Math.min(at, bytes.length - 2), INTERESTING[below(INTERESTING.length)] as number, true);
        break;
      case 4:
        // Blocks begin at multiples of 4, and their lengths 4 behind.
        view.setUint32(
          Math.min(at & ~3, (bytes.length - 4) & ~3),
          INTERESTING[below(INTERESTING.length)] as number,
          true,
        );
        break;
      case 5:
        if (next() < 0.3) bytes = bytes.slice(0, at);
        break;
      case 6: {
        const end = Math.min(bytes.length, at + below(64));
        bytes = concat([bytes.subarray(0, at), bytes.subarray(end)]);
        break;
      }
      default: {
        const end = Math.min(bytes.length, at + below(64));
        bytes = concat([bytes.subarray(0, end), bytes.subarray(at, end), bytes.subarray(end)]);
      }
    }
  }
  return bytes;
}

/** Looks at every parameter, as a rule might. */
function touch(event: Event): number {
  let sum = 0;
  const end = event.at + event.length;
  if (end > event.buffer.length) throw new Error('an event reaches beyond its memory');
  for (let i = 0; i < event.nparams; i++) {
    const from = event.offset(i);
    if (from + event.len(i) > end) throw new Error(`parameter ${i} reaches beyond its event`);
    sum += event.bytes(i)?.length ?? 0;
  }
  return sum;
}

/**
 * Reads a hostile capture in pieces. Anything but events or a ScapError is a bug, and thrown.
 * @returns the number of events
 */
export function survive(bytes: Uint8Array, piece: number): number {
  const reader = new ScapReader(new Collected());
  try {
    for (let at = 0; at < bytes.length; at += piece) {
      // Each piece in memory of its own, so that a look beyond it is noticed.
      reader.push(bytes.slice(at, at + piece), touch);
    }
    reader.end();
  } catch (error) {
    if (!(error instanceof ScapError)) throw error;
  }
  return reader.stats.events;
}
