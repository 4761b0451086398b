import type { Event } from '../event/index.ts';
import type { Check, Value } from '../rules/index.ts';
import type { State } from '../state/index.ts';
import { SequenceInterner } from './sequences.ts';
import { SetInterner, type Term, ValueIndex } from './value-index.ts';

/** Something that terms compare, read from the event and the state: a field with its argument, or a transformer over fields. */
export interface Operand {
  readonly key: string;
  /** Values are byte strings. */
  readonly text: boolean;
  readonly read: (event: Event, state: State) => Value | null;
}

/**
 * The terms that look at one thing only (the process, or the file or socket), all decided together when
 * that thing is first met. What is kept for it is one number, its *signature*: things with equal
 * signatures agree on every term, so everything derived from the terms is derived once a signature.
 */
export class Scope {
  readonly sets = new SetInterner();
  readonly #terms = new Map<string, Term>();
  readonly #byOperand = new Map<string, { operand: Operand; terms: Term[]; remember: boolean }>();
  #indexes: readonly { operand: Operand; index: ValueIndex }[] = [];
  #words = 1;
  #finished = false;
  #tuple = new Int32Array(0);
  readonly #signatures = new SequenceInterner();
  /** For each signature, the truth of every term as bits. */
  readonly truth: Int32Array[] = [];
  /** For each signature, the ids of the terms that are true. */
  readonly trueTerms: Int32Array[] = [];

  /** The term of that key, made on first use. */
  add(key: string, make: () => { operand: Operand; term: Omit<Term, 'id'> }, remember: boolean): number {
    let term = this.#terms.get(key);
    if (term === undefined) {
      if (this.#finished) throw new Error(`the scope is finished, but has no term ${key}`);
      const made = make();
      term = { id: this.#terms.size, ...made.term };
      this.#terms.set(key, term);
      const known = this.#byOperand.get(made.operand.key);
      if (known === undefined)
        this.#byOperand.set(made.operand.key, { operand: made.operand, terms: [term], remember });
      else known.terms.push(term);
    }
    return term.id;
  }

  /** Called once all terms are added. */
  finish(): void {
    this.#finished = true;
    this.#words = Math.max(1, (this.#terms.size + 31) >> 5);
    this.#indexes = [...this.#byOperand.values()].map(({ operand, terms, remember }) => ({
      operand,
      index: new ValueIndex(terms, operand.text, this.sets, remember),
    }));
    this.#tuple = new Int32Array(Math.max(1, this.#indexes.length));
  }

  /** The comparisons that the terms stand for. */
  *checks(): Generator<Check> {
    for (const { check } of this.#terms.values()) yield check;
  }

  get size(): number {
    return this.#terms.size;
  }

  /** Number of signatures met so far; grows only with the variety of things, see {@link Engine} for its bound. */
  get count(): number {
    return this.truth.length;
  }

  /** Signature of what the event and the state show now. */
  signature(event: Event, state: State): number {
    const tuple = this.#tuple;
    const indexes = this.#indexes;
    for (let i = 0; i < indexes.length; i++) {
      const { operand, index } = indexes[i] as { operand: Operand; index: ValueIndex };
      tuple[i] = index.match(operand.read(event, state));
    }
    const signature = this.#signatures.intern(tuple, tuple.length);
    if (signature === this.truth.length) this.#learn(tuple);
    return signature;
  }

  #learn(tuple: Int32Array): void {
    const bits = new Int32Array(this.#words);
    const ids: number[] = [];
    for (let i = 0; i < this.#indexes.length; i++) {
      for (const id of this.sets.members(tuple[i] as number)) {
        bits[id >> 5] = (bits[id >> 5] as number) | (1 << (id & 31));
        ids.push(id);
      }
    }
    this.truth.push(bits);
    this.trueTerms.push(Int32Array.from(ids));
  }
}
