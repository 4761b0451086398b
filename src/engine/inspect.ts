import { EVENTS, type EventInfo } from '../event/index.ts';
import type { Rule } from '../rules/index.ts';
import type { Operand } from './scope.ts';
import { type Condition, specialise } from './specialise.ts';
import { bindTerm, type Decides } from './terms.ts';

/** What judging a rule takes. */
export interface RuleShape {
  /** Names of the events on which it can be true, sorted. */
  readonly events: readonly string[];
  /**
   * How many different comparisons it makes, by what decides them. Only those that `event` decides are made anew for
   * each event that gets as far; the others are remembered with what they look at.
   */
  readonly terms: Readonly<Partial<Record<Decides, number>>>;
}

/** Counts without running the rule. */
export function shapeOf(rule: Rule): RuleShape {
  const events = new Set<string>();
  const seen = new Set<string>();
  const terms: Partial<Record<Decides, number>> = {};
  const operands = new Map<string, Operand>();
  const count = (condition: Condition): void => {
    switch (condition.kind) {
      case 'and':
      case 'or':
        condition.children.forEach(count);
        break;
      case 'not':
        count(condition.child);
        break;
      case 'term': {
        if (seen.has(condition.key)) return;
        seen.add(condition.key);
        const { decides } = bindTerm(condition.check, { tick: 0 }, operands);
        terms[decides] = (terms[decides] ?? 0) + 1;
      }
    }
  };
  for (const type of rule.eventTypes) {
    const condition = specialise(rule.condition, type);
    if (condition.kind === 'constant' && !condition.value) continue;
    events.add((EVENTS[type] as EventInfo).name);
    count(condition);
  }
  return { events: [...events].sort(), terms };
}
