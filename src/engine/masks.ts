import type { Scope } from './scope.ts';
import type { Condition } from './specialise.ts';

/** Says which scope a term belongs to and what its number is there; scope −1: decided on the event itself. */
export interface Placement {
  readonly scope: number;
  readonly id: number;
}
export type Place = (key: string) => Placement;

/** A condition reduced to the terms of one scope: could the whole be true, given them? */
type Bound = boolean | ((truth: Int32Array) => boolean);

/**
 * The upper bound of `condition` when only the terms of `scope` are known: every other term is taken as
 * whatever helps (three-valued logic, "unknown" counted as true; below a `not` as false).
 *
 * @param seen collects the ids of the terms that the bound reads
 */
export function upperBound(condition: Condition, place: Place, scope: number, seen: Set<number>): Bound {
  const bound = (node: Condition, up: boolean): Bound => {
    switch (node.kind) {
      case 'constant':
        return node.value;
      case 'not': {
        const child = bound(node.child, !up);
        return typeof child === 'boolean' ? !child : (truth) => !child(truth);
      }
      case 'term': {
        const at = place(node.key);
        if (at.scope !== scope) return up;
        seen.add(at.id);
        const word = at.id >> 5;
        const bit = 1 << (at.id & 31);
        return (truth) => ((truth[word] as number) & bit) !== 0;
      }
      default: {
        const stop = node.kind === 'or';
        const parts: ((truth: Int32Array) => boolean)[] = [];
        for (const child of node.children) {
          const part = bound(child, up);
          if (part === stop) return stop;
          if (typeof part !== 'boolean') parts.push(part);
        }
        if (parts.length === 0) return !stop;
        if (parts.length === 1) return parts[0] as (truth: Int32Array) => boolean;
        return (truth) => {
          for (let i = 0; i < parts.length; i++)
            if ((parts[i] as (t: Int32Array) => boolean)(truth) === stop) return stop;
          return !stop;
        };
      }
    }
  };
  return bound(condition, true);
}

/** Whether any term of the scope stands in the condition, also where it can exclude nothing by itself. */
function readsScope(condition: Condition, place: Place, scope: number): boolean {
  switch (condition.kind) {
    case 'constant':
      return false;
    case 'not':
      return readsScope(condition.child, place, scope);
    case 'term':
      return place(condition.key).scope === scope;
    default:
      return condition.children.some((child) => readsScope(child, place, scope));
  }
}

/**
 * For one event type and one scope: signature of the thing → which rules could still fire, as an interned
 * bit mask over the rules of the type. A new signature costs only the rules that read a term which is true
 * of it; all others have the answer that they have when every term is false.
 */
export class MaskTable {
  readonly #scope: Scope;
  readonly #bounds: ((truth: Int32Array) => boolean)[] = [];
  readonly #readers = new Map<number, number[]>();
  readonly #base: Int32Array;
  readonly #work: Int32Array;
  readonly #stamps: Int32Array;
  #stamp = 0;
  #bySignature = new Int32Array(64).fill(-1);
  readonly #byKey = new Map<string, number>();
  /** Masks by number. */
  readonly masks: Int32Array[] = [];
  /** Number of the mask that leaves no rule; -1 while there is none. */
  none = -1;
  /** True when no rule of the type reads the scope: the signature need not be known. */
  readonly unused: boolean;

  constructor(conditions: readonly Condition[], place: Place, scopeNumber: number, scope: Scope) {
    this.#scope = scope;
    const words = Math.max(1, (conditions.length + 31) >> 5);
    this.#base = new Int32Array(words);
    this.#work = new Int32Array(words);
    this.#stamps = new Int32Array(conditions.length);
    const nothing = new Int32Array(Math.max(1, (scope.size + 31) >> 5));
    conditions.forEach((condition, rule) => {
      const seen = new Set<number>();
      const bound = upperBound(condition, place, scopeNumber, seen);
      if (typeof bound === 'boolean') {
        if (bound) set(this.#base, rule);
        return;
      }
      this.#bounds[rule] = bound;
      if (bound(nothing)) set(this.#base, rule);
      for (const id of seen) {
        const readers = this.#readers.get(id);
        if (readers === undefined) this.#readers.set(id, [rule]);
        else readers.push(rule);
      }
    });
    this.unused = !conditions.some((condition) => readsScope(condition, place, scopeNumber));
    this.#intern(this.#base);
  }

  /** Number of the mask for things of that signature. */
  of(signature: number): number {
    const known = signature < this.#bySignature.length ? (this.#bySignature[signature] as number) : -1;
    return known >= 0 ? known : this.#derive(signature);
  }

  #derive(signature: number): number {
    const truth = this.#scope.truth[signature] as Int32Array;
    const work = this.#work;
    work.set(this.#base);
    const stamp = ++this.#stamp;
    for (const id of this.#scope.trueTerms[signature] as Int32Array) {
      const readers = this.#readers.get(id);
      if (readers === undefined) continue;
      for (const rule of readers) {
        if (this.#stamps[rule] === stamp) continue;
        this.#stamps[rule] = stamp;
        if ((this.#bounds[rule] as (t: Int32Array) => boolean)(truth)) set(work, rule);
        else work[rule >> 5] = (work[rule >> 5] as number) & ~(1 << (rule & 31));
      }
    }
    const mask = this.#intern(work);
    if (signature >= this.#bySignature.length) {
      const bigger = new Int32Array(Math.max(signature + 1, this.#bySignature.length * 2)).fill(-1);
      bigger.set(this.#bySignature);
      this.#bySignature = bigger;
    }
    this.#bySignature[signature] = mask;
    return mask;
  }

  #intern(mask: Int32Array): number {
    const key = mask.join(',');
    let id = this.#byKey.get(key);
    if (id === undefined) {
      id = this.masks.length;
      this.masks.push(Int32Array.from(mask));
      if (mask.every((word) => word === 0)) this.none = id;
      this.#byKey.set(key, id);
    }
    return id;
  }
}

function set(mask: Int32Array, bit: number): void {
  mask[bit >> 5] = (mask[bit >> 5] as number) | (1 << (bit & 31));
}
