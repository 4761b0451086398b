import type { Event, EventInfo } from '../event/index.ts';
import type { Rule } from '../rules/index.ts';
import type { State } from '../state/index.ts';
import { MaskTable, type Place } from './masks.ts';
import { ParameterSignatures } from './parameter-signatures.ts';
import { closure, type EventTerm, generate, type Residual, SCOPES } from './residual.ts';
import type { Scope } from './scope.ts';
import type { Condition } from './specialise.ts';

/** Combinations of masks remembered for one event type, at first and at most; powers of two. Most types meet a handful. */
const FEW_COMBINATIONS = 16;
const COMBINATIONS = 4096;
/** Outcomes (return value and flags) remembered for one event type; a power of two. */
const OUTCOMES = 256;
const NONE: readonly number[] = [];

/** What masks of process, ancestry, file and outcome leave together. */
export interface Combination {
  /** By position in {@link Group.rules}, ascending. */
  readonly candidates: readonly number[];
  /** What is left of them beside each mask of parameters, by its number. */
  readonly narrowed: (readonly number[] | undefined)[];
}
const NOTHING: Combination = { candidates: NONE, narrowed: [] };

/** The rules that one event type can meet, and what is remembered about them. */
export class Group {
  /** In the order of definition. */
  readonly rules: readonly Rule[];
  readonly process: MaskTable;
  readonly lineage: MaskTable;
  readonly file: MaskTable;
  readonly result: MaskTable;
  readonly parameters: MaskTable;
  /** In the order of SCOPES. */
  readonly masks: readonly MaskTable[];
  /** Terms on single parameters; each type has parameters of its own. */
  readonly parameterScope: Scope;
  readonly parameterSignatures: ParameterSignatures;
  readonly #conditions: readonly Condition[];
  readonly #residuals: (Residual | undefined)[];
  readonly #place: Place;
  readonly #terms: readonly EventTerm[];
  readonly #codegen: boolean;

  #keys = new Int32Array(FEW_COMBINATIONS * 4).fill(-1);
  #combinations: Combination[] = new Array(FEW_COMBINATIONS).fill(NOTHING);
  #lastCombination = FEW_COMBINATIONS - 1;
  /** Combinations computed since the table grew. */
  #misses = 0;

  readonly #outcomeScope: Scope;
  readonly #resultParam: number;
  readonly #flagsParam: number;
  readonly #resultLimit: number;
  readonly #outcomeKeys = new Int32Array(OUTCOMES * 2);
  readonly #outcomes = new Int32Array(OUTCOMES).fill(-1);

  constructor(options: {
    info: EventInfo;
    rules: readonly Rule[];
    conditions: readonly Condition[];
    place: Place;
    terms: readonly EventTerm[];
    scopes: readonly Scope[];
    resultLimit: number;
    codegen: boolean;
  }) {
    this.rules = options.rules;
    this.#conditions = options.conditions;
    this.#residuals = new Array(options.rules.length);
    this.#place = options.place;
    this.#terms = options.terms;
    this.#codegen = options.codegen;
    this.masks = SCOPES.map((_, i) => new MaskTable(options.conditions, options.place, i, options.scopes[i] as Scope));
    [this.process, this.lineage, this.file, this.result, this.parameters] = this.masks as [
      MaskTable,
      MaskTable,
      MaskTable,
      MaskTable,
      MaskTable,
    ];
    this.#outcomeScope = options.scopes[3] as Scope;
    this.parameterScope = options.scopes[4] as Scope;
    this.parameterSignatures = new ParameterSignatures(this.parameterScope, options.info);
    this.#resultParam = resultParam(options.info);
    this.#flagsParam = flagsParam(options.info);
    this.#resultLimit = options.resultLimit;
  }

  /**
   * Signature of the event's outcome. What its terms read is decided by the return value and the flags
   * parameter, so it is remembered by those two.
   */
  outcome(event: Event, state: State): number {
    let result = 0;
    if (this.#resultParam >= 0 && event.has(this.#resultParam)) {
      result = event.lo(this.#resultParam);
      if (result > this.#resultLimit) result = this.#resultLimit;
    } else result = -0x7fffffff;
    let flags = -1;
    if (this.#flagsParam >= 0 && event.has(this.#flagsParam)) flags = event.i32(this.#flagsParam);
    const slot = (Math.imul(result, 0x9e3779b1) ^ Math.imul(flags, 0x85ebca6b)) >>> 24;
    if (
      this.#outcomes[slot] !== -1 &&
      this.#outcomeKeys[slot * 2] === result &&
      this.#outcomeKeys[slot * 2 + 1] === flags
    ) {
      return this.#outcomes[slot] as number;
    }
    const signature = this.#outcomeScope.signature(event, state);
    this.#outcomes[slot] = signature;
    this.#outcomeKeys[slot * 2] = result;
    this.#outcomeKeys[slot * 2 + 1] = flags;
    return signature;
  }

  /** The rules that masks of those numbers do not exclude. */
  combination(process: number, lineage: number, file: number, outcome: number): Combination {
    const hash =
      Math.imul(process, 0x9e3779b1) ^
      Math.imul(lineage, 0x85ebca6b) ^
      Math.imul(file, 0xc2b2ae35) ^
      Math.imul(outcome, 0x27d4eb2f);
    const slot = (hash ^ (hash >>> 15)) & this.#lastCombination;
    const keys = this.#keys;
    const base = slot << 2;
    if (keys[base] === process && keys[base + 1] === lineage && keys[base + 2] === file && keys[base + 3] === outcome) {
      return this.#combinations[slot] as Combination;
    }
    return this.#combine([process, lineage, file, outcome], slot);
  }

  /** Apart from the look-up: a function with closures makes a context for them with every call. */
  #combine(ids: readonly number[], slot: number): Combination {
    const masks = ids.map((id, i) => (this.masks[i] as MaskTable).masks[id] as Int32Array);
    const found: number[] = [];
    for (let rule = 0; rule < this.rules.length; rule++) {
      if (masks.every((mask) => has(mask, rule))) found.push(rule);
    }
    const combination = found.length === 0 ? NOTHING : { candidates: found, narrowed: [] };
    this.#keys.set(ids, slot << 2);
    this.#combinations[slot] = combination;
    if (++this.#misses > this.#combinations.length && this.#combinations.length < COMBINATIONS) {
      this.#growCombinations();
    }
    return combination;
  }

  /** Those of the candidates that the mask of parameters does not exclude either. */
  narrow({ candidates, narrowed }: Combination, parameters: number): readonly number[] {
    let left = narrowed[parameters];
    if (left === undefined) {
      const mask = this.parameters.masks[parameters] as Int32Array;
      left = candidates.filter((rule) => has(mask, rule));
      narrowed[parameters] = left;
    }
    return left;
  }

  /** Forgets the combinations: to find them again is cheap, and happens once a size. */
  #growCombinations(): void {
    const size = this.#combinations.length * 4;
    this.#keys = new Int32Array(size * 4).fill(-1);
    this.#combinations = new Array(size).fill(NOTHING);
    this.#lastCombination = size - 1;
    this.#misses = 0;
  }

  /** The whole condition of a rule; generated when the rule first becomes a candidate, since most never do. */
  residual(rule: number): Residual {
    return (this.#residuals[rule] ??= (this.#codegen ? generate : closure)(
      this.#conditions[rule] as Condition,
      this.#place,
      this.#terms,
    ));
  }
}

function has(mask: Int32Array, rule: number): boolean {
  return ((mask[rule >> 5] as number) & (1 << (rule & 31))) !== 0;
}

/** Position of the parameter that holds the return value; −1 when the type has none. */
export function resultParam(info: EventInfo): number {
  const first = info.params[0];
  if (first === undefined) return -1;
  if (first.name === 'res') return 0;
  return createsFd(info) ? 0 : -1;
}

/** True for calls that return the descriptor itself (open, socket, accept …), as parameter 0. */
export function createsFd(info: EventInfo): boolean {
  return !info.enter && info.params[0]?.name === 'fd' && (info.flags & 1) !== 0;
}

/** Position of the parameter named `flags` when it is a plain 32-bit number; −1 otherwise. */
export function flagsParam(info: EventInfo): number {
  return info.params.findIndex((param) => param.name === 'flags' && param.type === 'FLAGS32');
}
