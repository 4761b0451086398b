import type { Check, Value } from '../rules/index.ts';
import { Hits, Substrings, Trie } from './automata.ts';
import { SequenceInterner } from './sequences.ts';

/** A distinct condition term: one comparison, whichever rules it stands in. */
export interface Term {
  /** Dense within its scope. */
  readonly id: number;
  readonly check: Check;
  /** The comparison on a value that was read; false for null. */
  readonly test: (value: Value | null) => boolean;
}

/** Interns sets of term ids: equal sets have equal numbers, so that a set is compared and memoised as an integer. */
export class SetInterner {
  readonly #sets = new SequenceInterner();

  constructor() {
    // The empty set is number 0.
    this.#sets.intern(new Int32Array(0), 0);
  }

  /** Number of the set of the hits, which need be neither sorted nor different, and are both afterwards. */
  intern(hits: Hits): number {
    if (hits.count === 0) return 0;
    const { ids } = hits;
    // A handful at most, mostly in order already.
    for (let i = 1; i < hits.count; i++) {
      const id = ids[i] as number;
      let at = i;
      for (; at > 0 && (ids[at - 1] as number) > id; at--) ids[at] = ids[at - 1] as number;
      ids[at] = id;
    }
    let count = 1;
    for (let i = 1; i < hits.count; i++) if (ids[i] !== ids[count - 1]) ids[count++] = ids[i] as number;
    hits.count = count;
    return this.#sets.intern(ids, count);
  }

  /** The ids in the set of that number, ascending. */
  members(set: number): Int32Array {
    return this.#sets.members(set);
  }
}

/** Values remembered for one operand before the memo starts afresh; a memo never changes an answer, so this only bounds memory. */
const MEMO_LIMIT = 4096;

/**
 * All terms on one operand (say every comparison of `proc.name` in any rule), answered together: which of
 * them are true of a value? Equality goes through a map, prefixes and suffixes through tries, `contains`
 * through Aho-Corasick, `glob` and `pmatch` are tried only where a literal part of theirs occurs, and the
 * rest is tested one by one. Answers are interned sets, remembered by value.
 */
export class ValueIndex {
  readonly #sets: SetInterner;
  readonly #memo = new Map<Value, number>();
  readonly #remember: boolean;
  readonly #equal = new Map<string, number[]>();
  /** Whether one of {@link #equal} has that length (255: or more): most values need no look-up, for which they would be hashed. */
  readonly #lengths = new Uint8Array(256);
  readonly #prefixes = new Trie(false);
  readonly #suffixes = new Trie(true);
  readonly #substrings: Substrings | null;
  /** Terms behind a gate: the id −k in an automaton stands for gated[k−1]. */
  readonly #gated: Term[] = [];
  /** Terms that are tested one by one. */
  readonly #linear: Term[] = [];
  readonly #hits = new Hits();

  /** @param remember false where the caller remembers the answer itself (paths: by path number) */
  constructor(terms: readonly Term[], text: boolean, sets: SetInterner, remember: boolean) {
    this.#sets = sets;
    this.#remember = remember;
    const substrings: [string, number][] = [];
    for (const term of terms) if (!text || !this.#index(term, substrings)) this.#linear.push(term);
    this.#prefixes.finish();
    this.#suffixes.finish();
    this.#substrings = substrings.length > 0 ? new Substrings(substrings) : null;
  }

  #index(term: Term, substrings: [string, number][]): boolean {
    const { operator, modifier, right } = term.check;
    if (right === null || right.kind === 'operand' || right.kind === 'listRef') return false;
    const literals = right.kind === 'value' ? [right.value.text] : right.values.map((value) => value.text);
    if (modifier !== null && modifier !== 'anyof') return false;
    switch (operator) {
      case '=':
      case '==':
      case 'in':
      case 'intersects':
        for (const literal of literals) {
          const ids = this.#equal.get(literal);
          this.#lengths[Math.min(literal.length, 255)] = 1;
          if (ids === undefined) this.#equal.set(literal, [term.id]);
          else ids.push(term.id);
        }
        return true;
      case 'startswith':
        for (const literal of literals) this.#prefixes.add(literal, term.id);
        return true;
      case 'endswith':
        for (const literal of literals) this.#suffixes.add(literal, term.id);
        return true;
      case 'contains':
        for (const literal of literals) substrings.push([literal, term.id]);
        return true;
      case 'glob':
      case 'pmatch': {
        const parts = literals.map(operator === 'glob' ? longestLiteral : longestComponent);
        if (parts.some((part) => part.length < 2)) return false;
        this.#gated.push(term);
        for (const part of parts) substrings.push([part, -this.#gated.length]);
        return true;
      }
      default:
        return false;
    }
  }

  /** Number of the set of terms that are true of `value` (see {@link SetInterner}). */
  match(value: Value | null): number {
    if (value === null) return 0;
    if (!this.#remember || typeof value === 'object') return this.#compute(value);
    const known = this.#memo.get(value);
    if (known !== undefined) return known;
    const set = this.#compute(value);
    if (this.#memo.size >= MEMO_LIMIT) this.#memo.clear();
    this.#memo.set(value, set);
    return set;
  }

  #compute(value: Value): number {
    const hits = this.#hits;
    hits.count = 0;
    if (typeof value === 'string') this.#text(value, hits);
    else if (typeof value === 'object') this.#several(value, hits);
    const linear = this.#linear;
    for (let i = 0; i < linear.length; i++) {
      const term = linear[i] as Term;
      if (term.test(value)) hits.push(term.id);
    }
    return this.#sets.intern(hits);
  }

  #text(value: string, hits: Hits): void {
    const from = hits.count;
    if (this.#lengths[Math.min(value.length, 255)] === 1) {
      const equal = this.#equal.get(value);
      if (equal !== undefined) for (let i = 0; i < equal.length; i++) hits.push(equal[i] as number);
    }
    this.#prefixes.match(value, hits);
    this.#suffixes.match(value, hits);
    this.#substrings?.match(value, hits);
    if (this.#gated.length === 0) return;
    const { ids } = hits;
    let kept = from;
    for (let i = from; i < hits.count; i++) {
      const id = ids[i] as number;
      if (id >= 0) ids[kept++] = id;
      else {
        const term = this.#gated[-id - 1] as Term;
        if (term.test(value)) ids[kept++] = term.id;
      }
    }
    hits.count = kept;
  }

  /** A field that stands for several values (every ancestor): true when true of any; the gated terms see each value alone. */
  #several(values: readonly Value[], hits: Hits): void {
    for (const value of values) if (typeof value === 'string') this.#text(value, hits);
  }
}

/** The longest part of a glob that must occur literally in whatever it matches; empty when in doubt. */
function longestLiteral(glob: string): string {
  if (/[[\]\\]/.test(glob)) return '';
  let longest = '';
  for (const part of glob.split(/[*?]+/)) if (part.length > longest.length) longest = part;
  return longest;
}

/** The longest component of a `pmatch` pattern that must occur literally in whatever it matches; empty when in doubt. */
function longestComponent(pattern: string): string {
  let longest = '';
  for (const part of pattern.split('/')) if (!/[*?[\]\\]/.test(part) && part.length > longest.length) longest = part;
  return longest;
}
