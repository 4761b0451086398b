/** What rules cost, and what they let the kernel leave out, for `windhover rules describe`. */
import { fromByteString } from '../bytes.ts';
import { deriveFilter, type KernelFilter, type RuleShape, shapeOf } from '../engine/index.ts';
import { EVENTS } from '../event/index.ts';
import type { Rule } from '../rules/index.ts';

export interface RuleCosts {
  readonly cost: { readonly events: RuleShape['events']; readonly terms: RuleShape['terms']; readonly total: number };
  readonly kernel_filter: FilterDescription;
}

/** What has to come from the kernel. */
export interface FilterDescription {
  /** Names of events. */
  readonly events: readonly string[];
  /** Which opens for reading are needed; null: all of them. Opens for writing always are. */
  readonly opens: KernelFilter['opens'];
  /** Why all opens for reading are needed: rules, and their terms that the kernel cannot decide. */
  readonly defeats: KernelFilter['defeats'];
}

export function costOf(rule: Rule): RuleCosts {
  const { events, terms } = shapeOf(rule);
  const total = Object.values(terms).reduce((sum, n) => sum + n, 0);
  return { cost: { events, terms, total }, kernel_filter: filterOf([rule]) };
}

export function filterOf(rules: readonly Rule[]): FilterDescription {
  const { events, opens, defeats } = deriveFilter(rules);
  const names = new Set(events.flatMap((type) => EVENTS[type]?.name ?? []));
  const text = fromByteString;
  return {
    events: [...names].sort(),
    opens: opens === null ? null : { ...opens, prefixes: opens.prefixes.map(text), comms: opens.comms.map(text) },
    defeats: defeats.map(({ rule, terms }) => ({ rule: text(rule), terms: terms.map(text) })),
  };
}

/** The same for reading. */
export function costText(name: string, { cost, kernel_filter }: RuleCosts): string {
  const terms = Object.entries(cost.terms).map(([what, n]) => `${n} ${WORDS[what] ?? what}`);
  return [
    `${name}`,
    `  events:  ${listed(cost.events)}`,
    `  terms:   ${cost.total}${terms.length === 0 ? '' : `: ${terms.join(', ')}`}`,
    `  kernel:  ${opensText(kernel_filter)}`,
    ...kernel_filter.defeats.flatMap((defeat) => defeat.terms.map((term) => `           undecided there: ${term}`)),
    '',
  ].join('\n');
}

/** What all rules together let the kernel leave out. */
export function filterText(filter: FilterDescription): string {
  const culprits = filter.defeats.map(({ rule, terms }) => `  ${rule}: ${terms.join('; ')}`);
  return `${[`All rules: ${opensText(filter)}`, ...culprits].join('\n')}\n`;
}

const WORDS: Readonly<Record<string, string>> = {
  process: 'of the process',
  lineage: 'of its ancestors',
  file: 'of the file or socket',
  result: 'of the return value',
  descriptor: 'of the returned descriptor',
  flags: 'of the flags',
  parameter: 'of one parameter',
  event: 'of each event',
};

function opensText({ opens }: FilterDescription): string {
  if (opens === null) return 'needs all opens for reading';
  const needed = [
    ...(opens.failed ? ['that fail'] : []),
    ...(opens.prefixes.length > 0 ? [`below ${listed(opens.prefixes)}`] : []),
    ...(opens.comms.length > 0 ? [`by ${listed(opens.comms)}`] : []),
    ...(opens.dots ? ['through ..'] : []),
  ];
  return needed.length === 0 ? 'needs no opens for reading' : `needs opens for reading ${needed.join(', or ')}`;
}

function listed(items: readonly string[]): string {
  const shown = 12;
  return items.length <= shown
    ? items.join(', ')
    : `${items.slice(0, shown).join(', ')} and ${items.length - shown} more`;
}
