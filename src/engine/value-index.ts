import type { Check, Value } from '../rules/index.ts';
import { type Hits, Substrings, Trie } from './automata.ts';

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
  readonly #byKey = new Map<string, number>([['', 0]]);
  /** Sorted members by set number; number 0 is the empty set. */
  readonly sets: Int32Array[] = [new Int32Array(0)];

  intern(hits: Hits): number {
    if (hits.length === 0) return 0;
    if (hits.length > 1) hits.sort((a, b) => a - b);
    let count = 1;
    for (let i = 1; i < hits.length; i++) if (hits[i] !== hits[count - 1]) hits[count++] = hits[i] as number;
    hits.length = count;
    const key = count === 1 ? `${hits[0]}` : hits.join(',');
    let id = this.#byKey.get(key);
    if (id === undefined) {
      id = this.sets.length;
      this.sets.push(Int32Array.from(hits));
      this.#byKey.set(key, id);
    }
    return id;
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
  readonly #prefixes = new Trie(false);
  readonly #suffixes = new Trie(true);
  readonly #substrings: Substrings | null;
  /** Terms behind a gate: the id −k in an automaton stands for gated[k−1]. */
  readonly #gated: Term[] = [];
  /** Terms that are tested one by one. */
  readonly #linear: Term[] = [];
  readonly #hits: Hits = [];

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
    hits.length = 0;
    if (typeof value === 'string') this.#text(value, hits);
    else if (typeof value === 'object') this.#several(value, hits);
    for (const term of this.#linear) if (term.test(value)) hits.push(term.id);
    return this.#sets.intern(hits);
  }

  #text(value: string, hits: Hits): void {
    const from = hits.length;
    const equal = this.#equal.get(value);
    if (equal !== undefined) for (const id of equal) hits.push(id);
    this.#prefixes.match(value, hits);
    this.#suffixes.match(value, hits);
    this.#substrings?.match(value, hits);
    if (this.#gated.length === 0) return;
    let kept = from;
    for (let i = from; i < hits.length; i++) {
      const id = hits[i] as number;
      if (id >= 0) hits[kept++] = id;
      else {
        const term = this.#gated[-id - 1] as Term;
        if (term.test(value)) hits[kept++] = term.id;
      }
    }
    hits.length = kept;
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
