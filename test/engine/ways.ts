import { createEngine } from '../../src/engine/index.ts';
import { type Event, viewEvent } from '../../src/event/index.ts';
import { bind } from '../../src/fields/index.ts';
import { interpret, type Rule } from '../../src/rules/index.ts';
import { State } from '../../src/state/index.ts';

/** The two ways to judge, which must agree on any rules and any events. */

/** Names of the rules that match the event that was applied last. */
export type Judge = (state: State, event: Event) => string[];

/** Names of the rules that match each event, as one of the ways below judges it; each run has a state of its own. */
export function run(events: readonly Uint8Array[], make: (state: State) => Judge): string[][] {
  const state = new State();
  const judge = make(state);
  return events.map((bytes, i) => {
    const event = viewEvent(bytes as Uint8Array<ArrayBuffer>, i + 1);
    state.apply(event);
    return judge(state, event);
  });
}

/** By the interpreter: the oracle. */
export const interpreted =
  (rules: readonly Rule[]) =>
  (state: State): Judge =>
  (_, event) =>
    rules
      .filter((rule) => rule.eventTypes.includes(event.type))
      .filter((rule) => interpret(rule.condition, (field) => bind(field.name, field.argument)(event, state)))
      .map((rule) => rule.name);

/** By the engine. */
export const compiled =
  (rules: readonly Rule[], codegen = true) =>
  (state: State): Judge => {
    let found: string[] = [];
    const engine = createEngine(rules, state, { matching: 'all', codegen, onMatch: (rule) => found.push(rule.name) });
    state.unread = engine.unread();
    return (_, event) => {
      found = [];
      engine.process(event);
      return found;
    };
  };
