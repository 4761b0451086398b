/** FNV-like multipliers (from MurmurHash3's finaliser); the seed is random, so that nobody can choose colliding inputs. */
const SEED = (Math.random() * 0x7fffffff) | 0;
/** A chain longer than this is an attack or a full table: the item is then simply not kept. */
const MAX_PROBES = 24;
/** Items longer than this are hashed at both ends only and compared by the runtime's memcmp. */
const SHORT = 96;

/** Four numbers an entry, in one array so that a look-up touches one cache line. */
const HASH = 0;
const LENGTH = 1;
const KEY = 2;
const OFFSET = 3;

interface Generation<T> {
  slots: Int32Array;
  items: (T | null)[];
  arena: Buffer;
  view: DataView;
  top: number;
  count: number;
}

function generation<T>(entries: number, bytes: number): Generation<T> {
  const arena = Buffer.from(new ArrayBuffer(bytes));
  return {
    slots: new Int32Array(entries * 8),
    items: new Array<T | null>(entries * 2).fill(null),
    arena,
    view: new DataView(arena.buffer),
    top: 0,
    count: 0,
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
  #mask: number;
  /** Where {@link find} stopped: the hash, and the free slot in the young generation. */
  #hash = 0;
  #slot = 0;
  /** Counts how often a generation was forgotten. */
  turns = 0;

  /** `entries` must be a power of two. */
  constructor(entries: number, bytes: number) {
    this.#entries = entries;
    this.#bytes = bytes;
    this.#young = generation(entries, bytes);
    this.#old = generation(1, 1);
    this.#mask = entries * 2 - 1;
  }

  /** The object kept for the bytes [at, at + length) and `key`, or null; then {@link keep} may be called with the same range. */
  find(buffer: Uint8Array, view: DataView, at: number, length: number, key: number): T | null {
    let hash = SEED ^ Math.imul(length, 0x9e3779b1) ^ key;
    const whole = length <= SHORT;
    let i = at;
    const end = whole ? at + (length & ~3) : at + 48;
    for (; i < end; i += 4) {
      hash = Math.imul(hash ^ view.getInt32(i, true), 0x85ebca6b);
      hash ^= hash >>> 13;
    }
    if (whole) {
      const rest = length & 3;
      if (rest !== 0) {
        let word = buffer[i] as number;
        if (rest > 1) word |= (buffer[i + 1] as number) << 8;
        if (rest > 2) word |= (buffer[i + 2] as number) << 16;
        hash = Math.imul(hash ^ word, 0x85ebca6b);
        hash ^= hash >>> 13;
      }
    } else {
      const last = at + length;
      for (i = last - 48; i < last; i += 4) {
        hash = Math.imul(hash ^ view.getInt32(i, true), 0x85ebca6b);
        hash ^= hash >>> 13;
      }
    }
    hash = Math.imul(hash, 0xc2b2ae35);
    hash ^= hash >>> 16;
    this.#hash = hash;

    const young = this.#young;
    const slots = young.slots;
    const items = young.items;
    let slot = hash & this.#mask;
    for (let probes = 0; ; probes++) {
      const item = items[slot] as T | null;
      if (item === null) break;
      if (probes === MAX_PROBES) {
        this.#slot = -1;
        return null;
      }
      const entry = slot << 2;
      if (
        slots[entry + HASH] === hash &&
        slots[entry + LENGTH] === length &&
        slots[entry + KEY] === key &&
        equal(young, slots[entry + OFFSET] as number, buffer, view, at, length)
      ) {
        return item;
      }
      slot = (slot + 1) & this.#mask;
    }
    this.#slot = slot;
    return this.#old.count === 0 ? null : this.#rescue(buffer, view, at, length, key, hash);
  }

  #rescue(buffer: Uint8Array, view: DataView, at: number, length: number, key: number, hash: number): T | null {
    const old = this.#old;
    const slots = old.slots;
    let slot = hash & this.#mask;
    for (let probes = 0; probes < MAX_PROBES; probes++) {
      const item = old.items[slot] as T | null;
      if (item === null) return null;
      const entry = slot << 2;
      if (
        slots[entry + HASH] === hash &&
        slots[entry + LENGTH] === length &&
        slots[entry + KEY] === key &&
        equal(old, slots[entry + OFFSET] as number, buffer, view, at, length)
      ) {
        this.keep(buffer, at, length, key, item);
        return item;
      }
      slot = (slot + 1) & this.#mask;
    }
    return null;
  }

  /** Keeps `item` for the range that the last {@link find} (which gave null) was called with. */
  keep(buffer: Uint8Array, at: number, length: number, key: number, item: T): void {
    let young = this.#young;
    if (young.count >= this.#entries || young.top + length > this.#bytes) {
      if (length > this.#bytes) return;
      this.#old = young;
      young = this.#young = generation(this.#entries, this.#bytes);
      this.turns++;
      this.#slot = this.#hash & this.#mask;
    }
    const slot = this.#slot;
    if (slot < 0) return;
    const entry = slot << 2;
    young.items[slot] = item;
    young.slots[entry + HASH] = this.#hash;
    young.slots[entry + LENGTH] = length;
    young.slots[entry + KEY] = key;
    young.slots[entry + OFFSET] = young.top;
    young.arena.set(buffer.subarray(at, at + length), young.top);
    young.top += (length + 3) & ~3;
    young.count++;
  }
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
  const end = at + (length & ~3);
  let a = offset;
  let b = at;
  for (; b < end; a += 4, b += 4) if (arenaView.getInt32(a, true) !== view.getInt32(b, true)) return false;
  const arena = from.arena;
  for (const last = at + length; b < last; a++, b++) if (arena[a] !== buffer[b]) return false;
  return true;
}
