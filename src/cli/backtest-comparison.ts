/** Two runs of rules over the same events, compared alert by alert. */

/** One alert. */
export interface Seen {
  readonly rule: string;
  /** evt.num */
  readonly event: number;
  /** Its pod, container or `host`. */
  readonly workload: string;
}

export interface Counts {
  readonly new: number;
  readonly gone: number;
  readonly unchanged: number;
}

export interface Comparison extends Counts {
  /** Rules with alerts before or after, those with changes first. */
  readonly rules: readonly (Counts & { readonly rule: string; readonly workloads: readonly WorkloadComparison[] })[];
}

export interface WorkloadComparison extends Counts {
  readonly workload: string;
  /** Numbers of the first events of new and gone alerts, for `windhover explain`. */
  readonly examples: { readonly new: readonly number[]; readonly gone: readonly number[] };
}

/** Examples kept of each kind. */
const EXAMPLES = 5;

/** An alert is the same when the same rule fires on the same event. */
export function compareAlerts(before: readonly Seen[], after: readonly Seen[]): Comparison {
  const key = ({ rule, event }: Seen): string => `${event} ${rule}`;
  const old = new Set(before.map(key));
  const now = new Set(after.map(key));
  const rules = new Map<string, Map<string, Tally>>();
  const tally = ({ rule, workload }: Seen): Tally => {
    let workloads = rules.get(rule);
    if (workloads === undefined) rules.set(rule, (workloads = new Map()));
    let one = workloads.get(workload);
    if (one === undefined) {
      workloads.set(workload, (one = { new: 0, gone: 0, unchanged: 0, examples: { new: [], gone: [] } }));
    }
    return one;
  };
  const note = (seen: Seen, kind: 'new' | 'gone'): void => {
    const one = tally(seen);
    one[kind]++;
    if (one.examples[kind].length < EXAMPLES) one.examples[kind].push(seen.event);
  };
  for (const seen of after) {
    if (old.has(key(seen))) tally(seen).unchanged++;
    else note(seen, 'new');
  }
  for (const seen of before) if (!now.has(key(seen))) note(seen, 'gone');

  const compared = [...rules].map(([rule, tallies]) => {
    const workloads = [...tallies].map(([workload, counts]) => ({ workload, ...counts })).sort(byChange);
    return { rule, ...sum(workloads), workloads };
  });
  return { ...sum(compared), rules: compared.sort(byChange) };
}

interface Tally {
  new: number;
  gone: number;
  unchanged: number;
  readonly examples: { readonly new: number[]; readonly gone: number[] };
}

function sum(all: readonly Counts[]): Counts {
  const total = { new: 0, gone: 0, unchanged: 0 };
  for (const one of all) {
    total.new += one.new;
    total.gone += one.gone;
    total.unchanged += one.unchanged;
  }
  return total;
}

const byChange = (a: Counts, b: Counts): number => b.new + b.gone - (a.new + a.gone) || b.unchanged - a.unchanged;

/** A table: rules, and below each its workloads. */
export function comparisonText(comparison: Comparison): string {
  const rows: { name: string; counts: Counts; examples: string }[] = [];
  for (const { rule, workloads, ...counts } of comparison.rules) {
    rows.push({ name: rule, counts, examples: '' });
    for (const { workload, examples, ...own } of workloads) {
      const shown = [...examples.new, ...examples.gone].slice(0, EXAMPLES);
      rows.push({
        name: `  ${workload}`,
        counts: own,
        examples: shown.length === 0 ? '' : `events ${shown.join(', ')}`,
      });
    }
  }
  const width = Math.max(4, ...rows.map(({ name }) => name.length));
  const line = (name: string, cells: readonly (number | string)[], rest = ''): string =>
    `${name.padEnd(width)}${cells.map((cell) => String(cell).padStart(11)).join('')}  ${rest}`.trimEnd();
  const lines = rows.map(({ name, counts, examples }) =>
    line(name, [counts.new, counts.gone, counts.unchanged], examples),
  );
  const { new: added, gone, unchanged } = comparison;
  return `${[line('Rule', ['new', 'gone', 'unchanged']), ...lines].join('\n')}\n\n${added} new, ${gone} gone, ${unchanged} unchanged\n`;
}
