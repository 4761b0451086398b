/**
 * Numbers sequences of integers, from 0, in the order in which they are first met: equal ones have one number, by which
 * they are then compared and remembered.
 */
export class SequenceInterner {
  /** Open addressing by {@link hash}: numbers, -1 is free. */
  #slots = new Int32Array(256).fill(-1);
  /** All sequences, one behind the other. */
  #store = new Int32Array(1024);
  /** Where each starts, and behind the last one where it ends. */
  #starts = new Int32Array(128);
  #count = 0;

  /** Number of the first `length` of the values. */
  intern(values: Int32Array, length: number): number {
    const last = this.#slots.length - 1;
    const store = this.#store;
    const starts = this.#starts;
    for (let slot = hash(values, 0, length) & last; ; slot = (slot + 1) & last) {
      const known = this.#slots[slot] as number;
      if (known < 0) return this.#add(values, length, slot);
      const start = starts[known] as number;
      if ((starts[known + 1] as number) - start !== length) continue;
      let i = 0;
      while (i < length && store[start + i] === values[i]) i++;
      if (i === length) return known;
    }
  }

  /** The sequence with that number. */
  members(number: number): Int32Array {
    return this.#store.slice(this.#starts[number], this.#starts[number + 1]);
  }

  #add(values: Int32Array, length: number, slot: number): number {
    const number = this.#count++;
    const start = this.#starts[number] as number;
    const end = start + length;
    while (end > this.#store.length) this.#store = doubled(this.#store);
    for (let i = 0; i < length; i++) this.#store[start + i] = values[i] as number;
    if (this.#count === this.#starts.length) this.#starts = doubled(this.#starts);
    this.#starts[number + 1] = end;
    this.#slots[slot] = number;
    if (this.#count * 2 > this.#slots.length) this.#spread();
    return number;
  }

  /** Puts all into twice as many slots. */
  #spread(): void {
    const slots = new Int32Array(this.#slots.length * 2).fill(-1);
    const last = slots.length - 1;
    for (let known = 0; known < this.#count; known++) {
      let slot = hash(this.#store, this.#starts[known] as number, this.#starts[known + 1] as number) & last;
      while ((slots[slot] as number) >= 0) slot = (slot + 1) & last;
      slots[slot] = known;
    }
    this.#slots = slots;
  }
}

function hash(values: Int32Array, from: number, to: number): number {
  let sum = 0x811c9dc5 | 0;
  for (let i = from; i < to; i++) {
    sum = Math.imul(sum ^ (values[i] as number), 0x01000193);
    sum ^= sum >>> 15;
  }
  return sum;
}

function doubled(values: Int32Array): Int32Array<ArrayBuffer> {
  const more = new Int32Array(values.length * 2);
  more.set(values);
  return more;
}
