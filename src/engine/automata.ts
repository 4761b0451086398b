/**
 * Matching many literals against one byte string at once: the cost is the length of the string, not the
 * number of literals. All automata are tables over a compressed alphabet (only bytes that occur in a
 * literal have a class of their own).
 */

/** Collects the ids of the literals that match; one is used again and again, since emptying an array is dear. */
export class Hits {
  ids = new Int32Array(64);
  count = 0;

  push(id: number): void {
    if (this.count === this.ids.length) {
      const more = new Int32Array(this.count * 2);
      more.set(this.ids);
      this.ids = more;
    }
    this.ids[this.count++] = id;
  }
}

/** Prefixes (or, reversed, suffixes) of a string. */
export class Trie {
  readonly #reversed: boolean;
  readonly #classes = new Uint8Array(256);
  #classCount = 1;
  #table = new Int32Array(0);
  #ids: (readonly number[] | null)[] = [null];
  #edges: Map<number, number>[] | null = [new Map()];

  constructor(reversed: boolean) {
    this.#reversed = reversed;
  }

  get empty(): boolean {
    return this.#ids.length === 1 && this.#ids[0] === null;
  }

  add(literal: string, id: number): void {
    const edges = this.#edges;
    if (edges === null) throw new Error('the trie is finished');
    let state = 0;
    for (let i = 0; i < literal.length; i++) {
      const byte = literal.charCodeAt(this.#reversed ? literal.length - 1 - i : i);
      let next = edges[state]?.get(byte);
      if (next === undefined) {
        next = edges.length;
        edges.push(new Map());
        this.#ids.push(null);
        edges[state]?.set(byte, next);
      }
      state = next;
    }
    this.#ids[state] = [...(this.#ids[state] ?? []), id];
  }

  finish(): this {
    const edges = this.#edges;
    if (edges === null) return this;
    for (const map of edges) for (const byte of map.keys()) this.#classes[byte] ||= this.#classCount++;
    const width = this.#classCount;
    this.#table = new Int32Array(edges.length * width);
    edges.forEach((map, state) => {
      for (const [byte, next] of map) this.#table[state * width + (this.#classes[byte] as number)] = next;
    });
    this.#edges = null;
    return this;
  }

  /** Adds the ids of all literals that `value` starts (ends) with. */
  match(value: string, hits: Hits): void {
    const table = this.#table;
    const width = this.#classCount;
    const classes = this.#classes;
    const ids = this.#ids;
    const reversed = this.#reversed;
    const length = value.length;
    let state = 0;
    for (let i = 0; ; i++) {
      const found = ids[state];
      if (found !== null && found !== undefined) for (let k = 0; k < found.length; k++) hits.push(found[k] as number);
      if (i === length) return;
      const byte = value.charCodeAt(reversed ? length - 1 - i : i);
      state = table[state * width + (classes[byte & 255] as number)] as number;
      if (state === 0) return;
    }
  }
}

/** Literals anywhere in a string (Aho and Corasick, 1975), with the failure links folded into the table. */
export class Substrings {
  readonly #classes = new Uint8Array(256);
  #classCount = 1;
  readonly #table: Int32Array;
  readonly #ids: (readonly number[] | null)[];
  /** Ids of the empty literal, which every string contains. */
  readonly #always: readonly number[];

  constructor(literals: readonly (readonly [literal: string, id: number])[]) {
    this.#always = literals.filter(([literal]) => literal === '').map(([, id]) => id);
    for (const [literal] of literals)
      for (let i = 0; i < literal.length; i++) this.#classes[literal.charCodeAt(i)] ||= this.#classCount++;
    const width = this.#classCount;
    const edges: Map<number, number>[] = [new Map()];
    const out: number[][] = [[]];
    for (const [literal, id] of literals) {
      if (literal === '') continue;
      let state = 0;
      for (let i = 0; i < literal.length; i++) {
        const cls = this.#classes[literal.charCodeAt(i)] as number;
        let next = edges[state]?.get(cls);
        if (next === undefined) {
          next = edges.length;
          edges.push(new Map());
          out.push([]);
          edges[state]?.set(cls, next);
        }
        state = next;
      }
      out[state]?.push(id);
    }
    const table = new Int32Array(edges.length * width);
    const fail = new Int32Array(edges.length);
    const queue: number[] = [];
    for (const [cls, next] of edges[0] as Map<number, number>) {
      table[cls] = next;
      queue.push(next);
    }
    for (let head = 0; head < queue.length; head++) {
      const state = queue[head] as number;
      const back = fail[state] as number;
      for (let cls = 0; cls < width; cls++) {
        const next = edges[state]?.get(cls);
        const fallback = table[back * width + cls] as number;
        if (next === undefined) {
          table[state * width + cls] = fallback;
        } else {
          fail[next] = fallback;
          out[next] = [...(out[next] as number[]), ...(out[fallback] as number[])];
          table[state * width + cls] = next;
          queue.push(next);
        }
      }
    }
    this.#table = table;
    this.#ids = out.map((ids) => (ids.length === 0 ? null : ids));
  }

  /** Adds the ids of all literals that `value` contains; an id may be added more than once. */
  match(value: string, hits: Hits): void {
    for (const id of this.#always) hits.push(id);
    const table = this.#table;
    const width = this.#classCount;
    const classes = this.#classes;
    const ids = this.#ids;
    let state = 0;
    for (let i = 0; i < value.length; i++) {
      state = table[state * width + (classes[value.charCodeAt(i) & 255] as number)] as number;
      const found = ids[state];
      if (found !== null && found !== undefined) for (let k = 0; k < found.length; k++) hits.push(found[k] as number);
    }
  }
}
