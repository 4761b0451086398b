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
    // 0 is a free slot.
    if (hash === 0) hash = 1;
    this.#hash = hash;

    const young = this.#young;
    const slots = young.slots;
    let slot = hash & this.#mask;
    for (let probes = 0; ; probes++) {
      const entry = slot << 2;
      const found = slots[entry + HASH] as number;
      if (found === 0) break;
      if (probes === MAX_PROBES) {
        this.#slot = -1;
        return null;
      }
      if (
        found === hash &&
        slots[entry + LENGTH] === length &&
        slots[entry + KEY] === key &&
        equal(young, slots[entry + OFFSET] as number, buffer, view, at, length)
      ) {
        return young.items[slot] as T;
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
      const entry = slot << 2;
      const found = slots[entry + HASH] as number;
      if (found === 0) return null;
      if (
        found === hash &&
        slots[entry + LENGTH] === length &&
        slots[entry + KEY] === key &&
        equal(old, slots[entry + OFFSET] as number, buffer, view, at, length)
      ) {
        const item = old.items[slot] as T;
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
