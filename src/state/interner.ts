/** FNV-like multipliers (from MurmurHash3's finaliser); the seed is random, so that nobody can choose colliding inputs. */
const SEED = (Math.random() * 0x7fffffff) | 0;
/** A chain longer than this is an attack or a full table: the item is then simply not kept. */
const MAX_PROBES = 24;
/** Items longer than this are hashed at both ends only and compared by the runtime's memcmp. */
const SHORT = 96;

/** A slot is two numbers: the hash, and the number of the item, counted from 1; 0 is free. */
const SLOT = 2;
/** A record is four numbers an item, so that a comparison touches one cache line. */
const RECORD = 4;
const HASH = 0;
const LENGTH = 1;
const KEY = 2;
const OFFSET = 3;

/** What the first generation has room for: it grows with what comes, so that few items lie close together. */
const FIRST_ITEMS = 512;
const FIRST_BYTES = 1 << 14;
/** Longer items are copied by the runtime, which needs an object for that. */
const COPIED = 256;

interface Generation<T> {
  slots: Int32Array;
  /** Number of slots less one. */
  mask: number;
  records: Int32Array;
  /** In the order in which they came. */
  items: T[];
  arena: Buffer;
  view: DataView;
  top: number;
}

function generation<T>(items: number, bytes: number): Generation<T> {
  const arena = Buffer.from(new ArrayBuffer(bytes));
  return {
    slots: new Int32Array(items * 2 * SLOT),
    mask: items * 2 - 1,
    records: new Int32Array(items * RECORD),
    items: [],
    arena,
    view: new DataView(arena.buffer),
    top: 0,
  };
}

/**
 * A bounded map from byte ranges (plus a number) to objects, without making a string of the bytes.
 *
 * There are two generations; the younger takes new items and those of the older that are asked for
 * again, and when it is full the older one is forgotten. So what is in use stays, at any rate of
 * unique items, and the memory is fixed: two times `entries` objects and `bytes` bytes.
 */
export class Interner<T> {
  readonly #entries: number;
  readonly #bytes: number;
  #young: Generation<T>;
  #old: Generation<T>;
  /** Where {@link find} stopped: the hash, and the free slot in the young generation. */
  #hash = 0;
  #slot = 0;
  /** Counts how often a generation was forgotten. */
  turns = 0;

  /** `entries` must be a power of two. */
  constructor(entries: number, bytes: number) {
    this.#entries = entries;
    this.#bytes = bytes;
    this.#young = generation(Math.min(entries, FIRST_ITEMS), Math.min(bytes, FIRST_BYTES));
    this.#old = generation(1, 1);
  }

  /** The object kept for the bytes [at, at + length) and `key`, or null; then {@link keep} may be called with the same range. */
  find(buffer: Uint8Array, view: DataView, at: number, length: number, key: number): T | null {
    // Two lanes, so that one multiplication need not wait for the other.
    let hash = SEED ^ Math.imul(length, 0x9e3779b1) ^ key;
    let other = SEED;
    const whole = length <= SHORT;
    let i = at;
    for (const end = whole ? at + (length & ~7) : at + 48; i < end; i += 8) {
      hash = Math.imul(hash ^ view.getInt32(i, true), 0x85ebca6b);
      other = Math.imul(other ^ view.getInt32(i + 4, true), 0xcc9e2d51);
      hash ^= hash >>> 13;
      other ^= other >>> 15;
    }
    if (whole) {
      for (const end = at + length; i < end; i++) hash = Math.imul(hash ^ (buffer[i] as number), 0x01000193);
    } else {
      const last = at + length;
      for (i = last - 48; i < last; i += 8) {
        hash = Math.imul(hash ^ view.getInt32(i, true), 0x85ebca6b);
        other = Math.imul(other ^ view.getInt32(i + 4, true), 0xcc9e2d51);
        hash ^= hash >>> 13;
        other ^= other >>> 15;
      }
    }
    hash ^= Math.imul(other, 0x1b873593);
    hash ^= hash >>> 15;
    hash = Math.imul(hash, 0xc2b2ae35);
    hash ^= hash >>> 16;
    this.#hash = hash;

    const young = this.#young;
    const { slots, mask } = young;
    let slot = hash & mask;
    for (let probes = 0; ; probes++) {
      const number = slots[slot * SLOT + 1] as number;
      if (number === 0) break;
      if (probes === MAX_PROBES) {
        this.#slot = -1;
        return null;
      }
      if (slots[slot * SLOT] === hash) {
        const { records } = young;
        const record = (number - 1) * RECORD;
        if (
          records[record + LENGTH] === length &&
          records[record + KEY] === key &&
          equal(young, records[record + OFFSET] as number, buffer, view, at, length)
        ) {
          return young.items[number - 1] as T;
        }
      }
      slot = (slot + 1) & mask;
    }
    this.#slot = slot;
    return this.#old.items.length === 0 ? null : this.#rescue(buffer, view, at, length, key, hash);
  }

  #rescue(buffer: Uint8Array, view: DataView, at: number, length: number, key: number, hash: number): T | null {
    const old = this.#old;
    const { slots, mask, records } = old;
    let slot = hash & mask;
    for (let probes = 0; probes < MAX_PROBES; probes++) {
      const number = slots[slot * SLOT + 1] as number;
      if (number === 0) return null;
      const record = (number - 1) * RECORD;
      if (
        slots[slot * SLOT] === hash &&
        records[record + LENGTH] === length &&
        records[record + KEY] === key &&
        equal(old, records[record + OFFSET] as number, buffer, view, at, length)
      ) {
        const item = old.items[number - 1] as T;
        this.keep(buffer, view, at, length, key, item);
        return item;
      }
      slot = (slot + 1) & mask;
    }
    return null;
  }

  /** Keeps `item` for the range that the last {@link find} (which gave null) was called with. */
  keep(buffer: Uint8Array, view: DataView, at: number, length: number, key: number, item: T): void {
    if (length > this.#bytes) return;
    let young = this.#young;
    if (young.items.length >= this.#entries || young.top + length > this.#bytes) {
      this.#old = young;
      // The next one is likely to need as much room, and need not grow to it.
      young = this.#young = generation(young.records.length / RECORD, young.arena.length);
      this.turns++;
      this.#slot = this.#hash & young.mask;
    }
    if (this.#slot < 0) return;
    if (young.items.length * RECORD === young.records.length) {
      growTable(young);
      this.#slot = freeSlot(young, this.#hash);
    }
    if (young.top + length > young.arena.length) growArena(young, young.top + length);
    const record = young.items.length * RECORD;
    const number = young.items.push(item);
    young.slots[this.#slot * SLOT] = this.#hash;
    young.slots[this.#slot * SLOT + 1] = number;
    young.records[record + HASH] = this.#hash;
    young.records[record + LENGTH] = length;
    young.records[record + KEY] = key;
    young.records[record + OFFSET] = young.top;
    copy(young, buffer, view, at, length);
    young.top += (length + 3) & ~3;
  }
}

function copy(to: Generation<unknown>, buffer: Uint8Array, view: DataView, at: number, length: number): void {
  const { arena, view: target, top } = to;
  if (length > COPIED) {
    arena.set(buffer.subarray(at, at + length), top);
    return;
  }
  let i = 0;
  for (; i + 4 <= length; i += 4) target.setInt32(top + i, view.getInt32(at + i, true), true);
  for (; i < length; i++) arena[top + i] = buffer[at + i] as number;
}

/** The first free slot for that hash, however far it is from its place. */
function freeSlot({ slots, mask }: Generation<unknown>, hash: number): number {
  let slot = hash & mask;
  while (slots[slot * SLOT + 1] !== 0) slot = (slot + 1) & mask;
  return slot;
}

function growTable(from: Generation<unknown>): void {
  const { records } = from;
  from.records = new Int32Array(records.length * 2);
  from.records.set(records);
  from.slots = new Int32Array(from.slots.length * 2);
  from.mask = from.mask * 2 + 1;
  for (let record = 0; record < records.length; record += RECORD) {
    const hash = records[record + HASH] as number;
    const slot = freeSlot(from, hash);
    from.slots[slot * SLOT] = hash;
    from.slots[slot * SLOT + 1] = record / RECORD + 1;
  }
}

function growArena(from: Generation<unknown>, need: number): void {
  const arena = Buffer.from(new ArrayBuffer(Math.max(need, from.arena.length * 2)));
  arena.set(from.arena);
  from.arena = arena;
  from.view = new DataView(arena.buffer);
}

function equal(
  from: Generation<unknown>,
  offset: number,
  buffer: Uint8Array,
  view: DataView,
  at: number,
  length: number,
): boolean {
  if (length > SHORT) return from.arena.compare(buffer, at, at + length, offset, offset + length) === 0;
  const arenaView = from.view;
  let a = offset;
  let b = at;
  // Eight bytes at a time as doubles, where equal doubles are equal bytes: not for 0, and never for NaN.
  for (const end = at + (length & ~7); b < end; a += 8, b += 8) {
    const double = view.getFloat64(b, true);
    if (double !== 0 && arenaView.getFloat64(a, true) === double) continue;
    if (arenaView.getInt32(a, true) !== view.getInt32(b, true)) return false;
    if (arenaView.getInt32(a + 4, true) !== view.getInt32(b + 4, true)) return false;
  }
  const arena = from.arena;
  for (const last = at + length; b < last; a++, b++) if (arena[a] !== buffer[b]) return false;
  return true;
}
