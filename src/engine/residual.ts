import type { Event } from '../event/index.ts';
import type { State } from '../state/index.ts';
import type { Place } from './masks.ts';
import type { Condition } from './specialise.ts';

/** Scopes whose terms are known as bits by the time a rule is judged, in the order of {@link Residual}'s parameters. */
export const SCOPES = ['process', 'lineage', 'file', 'outcome', 'parameters'] as const;

/** The whole condition of one rule for one event type, given the truth bits of the scopes. */
export type Residual = (
  process: Int32Array,
  lineage: Int32Array,
  file: Int32Array,
  outcome: Int32Array,
  parameters: Int32Array,
  event: Event,
  state: State,
) => boolean;

/** A term that no scope decides: read on the event itself. `cost` orders the terms of a conjunction, cheap ones first. */
export interface EventTerm {
  readonly test: (event: Event, state: State) => boolean;
  readonly cost: number;
}

const PARAMETERS = ['p', 'l', 'f', 'o', 'a', 'e', 's'];

/**
 * Generates the function of a rule. Only our own templates and numbers enter the source; nothing of the
 * rule's text does, so a hostile rule file cannot inject code.
 */
export function generate(condition: Condition, place: Place, terms: readonly EventTerm[]): Residual {
  const used = new Set<number>();
  const emit = (node: Condition): string => {
    switch (node.kind) {
      case 'constant':
        return node.value ? 'true' : 'false';
      case 'not':
        return `!(${emit(node.child)})`;
      case 'term': {
        const at = place(node.key);
        if (at.scope < 0) {
          used.add(at.id);
          return `t${at.id}(e,s)`;
        }
        return `(${PARAMETERS[at.scope]}[${at.id >> 5}]&${1 << (at.id & 31)})!==0`;
      }
      default:
        return ordered(node.children, place, terms)
          .map((child) => `(${emit(child)})`)
          .join(node.kind === 'and' ? '&&' : '||');
    }
  };
  const body = emit(condition);
  const bind = [...used].map((id) => `const t${id}=terms[${id}].test;`).join('');
  const make = new Function('terms', `"use strict";${bind}return (${PARAMETERS.join(',')})=>${body};`) as (
    terms: readonly EventTerm[],
  ) => Residual;
  return make(terms);
}

/** The same function without code generation: for platforms that forbid it, and as the second opinion in tests. */
export function closure(condition: Condition, place: Place, terms: readonly EventTerm[]): Residual {
  switch (condition.kind) {
    case 'constant': {
      const { value } = condition;
      return () => value;
    }
    case 'not': {
      const child = closure(condition.child, place, terms);
      return (p, l, f, o, a, e, s) => !child(p, l, f, o, a, e, s);
    }
    case 'term': {
      const at = place(condition.key);
      if (at.scope < 0) {
        const { test } = terms[at.id] as EventTerm;
        return (_p, _l, _f, _o, _a, e, s) => test(e, s);
      }
      const word = at.id >> 5;
      const bit = 1 << (at.id & 31);
      const scope = at.scope;
      return (...scopes) => {
        const bits = scopes[scope] as Int32Array;
        return ((bits[word] as number) & bit) !== 0;
      };
    }
    default: {
      const children = ordered(condition.children, place, terms).map((child) => closure(child, place, terms));
      const stop = condition.kind === 'or';
      return (p, l, f, o, a, e, s) => {
        for (let i = 0; i < children.length; i++)
          if ((children[i] as Residual)(p, l, f, o, a, e, s) === stop) return stop;
        return !stop;
      };
    }
  }
}

/** Terms have no side effects, so the cheap ones may go first. */
function ordered(children: readonly Condition[], place: Place, terms: readonly EventTerm[]): Condition[] {
  const cost = (node: Condition): number => {
    switch (node.kind) {
      case 'constant':
        return 0;
      case 'not':
        return cost(node.child);
      case 'term': {
        const at = place(node.key);
        return at.scope < 0 ? (terms[at.id] as EventTerm).cost : 1;
      }
      default:
        return node.children.reduce((sum, child) => sum + cost(child), 0);
    }
  };
  return children
    .map((child) => ({ child, cost: cost(child) }))
    .sort((a, b) => a.cost - b.cost)
    .map(({ child }) => child);
}
