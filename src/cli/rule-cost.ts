/** What rules cost, and what they let the kernel leave out, for `windhover rules describe`. */
import { fromByteString } from '../bytes.ts';
import { deriveFilter, type KernelFilter, type PathPrefix, type RuleShape, shapeOf } from '../engine/index.ts';
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
  /** Calls on descriptors that are not needed where the descriptor's open was not; only where {@link opens} is not null. */
  readonly quiet: readonly string[];
  /** Calls that are needed only when their third argument has one of these bits. */
  readonly third_argument: Readonly<Record<string, number>>;
  /** Why all opens for reading are needed: rules, and their terms that the kernel cannot decide. */
  readonly defeats: KernelFilter['defeats'];
}

export function costOf(rule: Rule): RuleCosts {
  const { events, terms } = shapeOf(rule);
  const total = Object.values(terms).reduce((sum, n) => sum + n, 0);
  return { cost: { events, terms, total }, kernel_filter: filterOf([rule]) };
}

export function filterOf(rules: readonly Rule[]): FilterDescription {
  const { events, opens, quiet, generic, thirdArgument, defeats } = deriveFilter(rules);
  const nameOf = (type: number): string => EVENTS[type]?.name ?? '';
  const names = new Set(
    events.flatMap((type) =>
      EVENTS[type]?.code.startsWith('GENERIC_') && generic !== null ? [...generic] : nameOf(type),
    ),
  );
  const text = fromByteString;
  return {
    events: [...names].sort(),
    opens:
      opens === null
        ? null
        : {
            ...opens,
            prefixes: opens.prefixes.map((prefix) => ({ ...prefix, path: text(prefix.path) })),
            tails: opens.tails.map(text),
            comms: opens.comms.map(text),
            programs: opens.programs.map(text),
          },
    quiet: opens === null ? [] : [...new Set(quiet.map(nameOf))].sort(),
    third_argument: Object.fromEntries([...thirdArgument].map(([type, bits]) => [nameOf(type), bits])),
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
    `  kernel:  ${[opensText(kernel_filter), ...callsText(kernel_filter)].join('\n           ')}`,
    ...kernel_filter.defeats.flatMap((defeat) => defeat.terms.map((term) => `           undecided there: ${term}`)),
    '',
  ].join('\n');
}

/** What all rules together let the kernel leave out. */
export function filterText(filter: FilterDescription): string {
  const culprits = filter.defeats.map(({ rule, terms }) => `  ${rule}: ${terms.join('; ')}`);
  const calls = callsText(filter).map((text) => `  ${text}`);
  return `${[`All rules: ${opensText(filter)}`, ...culprits, ...calls].join('\n')}\n`;
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

/** What else of the calls that are selected stays in the kernel. */
function callsText({ events, quiet, third_argument: bits }: FilterDescription): string[] {
  const told = quiet.filter((name) => events.includes(name));
  return [
    ...Object.entries(bits).map(
      ([name, mask]) => `needs ${name} only with one of the bits ${mask} in its third argument`,
    ),
    ...(told.length === 0 ? [] : [`needs ${listed(told)} only of descriptors that it knows`]),
  ];
}

function opensText({ opens }: FilterDescription): string {
  if (opens === null) return 'needs all opens for reading';
  const needed = [
    ...(opens.failed === 'all'
      ? ['that fail']
      : opens.failed === 'dots'
        ? ['that fail and have .. in their name']
        : []),
    ...(opens.prefixes.length > 0 ? [`below ${listed(opens.prefixes.map(prefixText))}`] : []),
    ...(opens.tails.length > 0 ? [`of paths that end in ${listed(opens.tails)}`] : []),
    ...(opens.comms.length > 0 ? [`by ${listed(opens.comms)}`] : []),
    ...(opens.programs.length > 0 ? [`by programs whose path begins with ${listed(opens.programs)}`] : []),
    ...(opens.dots ? ['through ..'] : []),
    ...(opens.compat ? ['by 32-bit calls'] : []),
  ];
  return needed.length === 0 ? 'needs no opens for reading' : `needs opens for reading ${needed.join(', or ')}`;
}

function prefixText({ path, hidden, dots }: PathPrefix): string {
  const asks = [...(hidden ? ['a hidden file or directory'] : []), ...(dots ? ['..'] : [])];
  return asks.length === 0 ? path : `${path} (with ${asks.join(' and ')})`;
}

function listed(items: readonly string[]): string {
  const shown = 12;
  return items.length <= shown
    ? items.join(', ')
    : `${items.slice(0, shown).join(', ')} and ${items.length - shown} more`;
}
