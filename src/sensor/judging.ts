/** What every judge of events has, wherever it runs: which events it judges, how its alerts look, and what it counts. */
import { type AlertFormatter, createFormatter } from '../alert.ts';
import type { Engine } from '../engine/index.ts';
import { EVENTS, EventType } from '../event/index.ts';
import { PRIORITIES, type Rule } from '../rules/index.ts';
import type { State } from '../state/index.ts';
import { extraFields } from './append-output.ts';
import type { PipelineSetup, PipelineSnapshot } from './contract.ts';
import type { InternalAlertForm } from './internal-alert.ts';
import type { LoadedRules } from './rule-set.ts';

/**
 * Enter events that captures hold so that the state can keep the path or address seen at entry; as in Falco, they
 * are numbered, but no rule is judged on them.
 */
const ENTERED: ReadonlySet<number> = new Set([
  EventType.SYSCALL_OPEN_E,
  EventType.SYSCALL_CREAT_E,
  EventType.SYSCALL_OPENAT_2_E,
  EventType.SYSCALL_OPENAT2_E,
  EventType.SOCKET_CONNECT_E,
]);
/** One byte an event type: 1 where rules are judged. */
export const JUDGED: Uint8Array = Uint8Array.from(EVENTS, ({ type }) => (ENTERED.has(type) ? 0 : 1));

/** Writes alerts as the configuration says. */
export function formatterFor(setup: PipelineSetup, { catalogue }: LoadedRules): AlertFormatter {
  const { config } = setup;
  return createFormatter({
    ...internalForm(setup),
    withTags: config.json_include_tags_property,
    base64: config.buffer_format_base64,
    extraFields: (rule) => extraFields(config, rule),
    catalogue,
  });
}

export function internalForm({ config, hostname }: Pick<PipelineSetup, 'config' | 'hostname'>): InternalAlertForm {
  return {
    json: config.json_output,
    iso8601: config.time_format_iso_8601,
    hostname,
    withOutput: config.json_include_output_property,
    withFields: config.json_include_output_fields_property,
    withMessage: config.json_include_message_property,
  };
}

/** Counts the alerts of each rule; a rule that goes with a reload stays in the list. */
export interface RuleTally {
  add(rules: readonly Rule[]): void;
  alerted(rule: Rule): void;
  /** The rules with their alerts since the start, and what they have cost the engines of now. */
  list(engines: readonly Engine[]): PipelineSnapshot['rules'];
}

export function createTally(): RuleTally {
  const counts = new Map<
    string,
    Pick<PipelineSnapshot['rules'][number], 'rule' | 'severity' | 'source' | 'tags'> & { count: number }
  >();
  return {
    add(rules) {
      for (const { name, priority, source, tags } of rules) {
        if (counts.has(name)) continue;
        counts.set(name, { rule: name, severity: PRIORITIES.indexOf(priority), count: 0, source, tags });
      }
    },
    alerted(rule) {
      (counts.get(rule.name) as { count: number }).count++;
    },
    list(engines) {
      const costs = new Map(engines.flatMap((engine) => engine.costs()).map((cost) => [cost.rule.name, cost]));
      return [...counts.values()].map((count) => {
        const { evaluations = 0, matches = 0, nanoseconds = 0 } = costs.get(count.rule) ?? {};
        return { ...count, evaluations, matches, nanoseconds };
      });
    },
  };
}

export function stateCounters(state: State): PipelineSnapshot['state'] {
  const { threads, unknownThreads, droppedThreads, purgedThreads } = state.counters;
  let fds = 0;
  for (const thread of state.threads) if (thread.isMain) fds += thread.fds.size;
  return { threads, fds, unknownThreads, droppedThreads, purgedThreads };
}
