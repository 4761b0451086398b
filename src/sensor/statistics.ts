import { PRIORITIES } from '../rules/ruleset.ts';

/** Falco's short names, used only in the statistics at the end of a run. */
const SHORT = ['EMERGENCY', 'ALERT', 'CRITICAL', 'ERROR', 'WARNING', 'NOTICE', 'INFO', 'DEBUG'];

export interface RuleCount {
  readonly rule: string;
  /** Index into {@link PRIORITIES}. */
  readonly severity: number;
  readonly count: number;
}

/** What judging a rule has cost since it was loaded. */
export interface RuleExpense {
  /** Events on which its whole condition had to be judged. */
  readonly evaluations: number;
  /** Of these, how many it matched. */
  readonly matches: number;
  /** Estimate, from sampled evaluations. */
  readonly nanoseconds: number;
}

/** The counts of alerts that Falco prints at the end, from the rules in their order. */
export function statisticsText(counts: readonly RuleCount[]): string {
  const fired = counts.filter(({ count }) => count > 0);
  const lines = [`Events detected: ${fired.reduce((sum, { count }) => sum + count, 0)}`, 'Rule counts by severity:'];
  for (let severity = 0; severity < PRIORITIES.length; severity++) {
    const sum = fired.filter((c) => c.severity === severity).reduce((n, { count }) => n + count, 0);
    if (sum > 0) lines.push(`   ${SHORT[severity]}: ${sum}`);
  }
  lines.push('Triggered rules by rule name:', ...fired.map(({ rule, count }) => `   ${rule}: ${count}`));
  return `${lines.join('\n')}\n`;
}
