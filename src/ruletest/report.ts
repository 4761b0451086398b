/** Prints results for people, for TAP consumers (version 14) and as JUnit XML. */
import type { CaseResult, RunResult } from './run.ts';

export type ReportFormat = 'text' | 'tap' | 'junit';

export function report(result: RunResult, format: ReportFormat): string {
  return { text, tap, junit }[format](result);
}

const name = ({ test }: CaseResult): string => `${test.rule} ${test.title}`;
const place = ({ test }: CaseResult): string => `${test.file}:${test.line}`;
const indent = (lines: string, by: string): string =>
  lines
    .trimEnd()
    .split('\n')
    .map((line) => `${by}${line}`.trimEnd())
    .join('\n');

/** Share of the terms that were both true and false, in percent. */
export function coveragePercent({ terms, covered }: RunResult): number {
  return terms === 0 ? 100 : (100 * covered) / terms;
}

function text(result: RunResult): string {
  const lines: string[] = [];
  const failed = result.cases.filter(({ passed }) => !passed);
  for (const one of failed) {
    lines.push(`FAILED  ${name(one)}`, `        ${place(one)}`, `        ${one.message}`, '');
    if (one.explanation !== null) lines.push(indent(one.explanation, '        '), '');
  }
  if (result.uncovered.length > 0) {
    lines.push('Terms that no test decides:');
    let last = '';
    for (const { rule, term, never } of result.uncovered) {
      if (rule !== last) lines.push(`  ${rule}`);
      last = rule;
      lines.push(`    never ${never.padEnd(6)}  ${term}`);
    }
    lines.push('');
  }
  for (const { rule, missing } of result.untested)
    lines.push(`No test in which it ${missing === 'fires' ? 'fires' : 'is silent'}: ${rule}`);
  const time = result.cases.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  lines.push(
    `${result.cases.length - failed.length} of ${result.cases.length} tests passed in ${time.toFixed(0)} ms`,
    `${result.covered} of ${result.terms} terms were true in one test and false in another (${coveragePercent(result).toFixed(1)} %)`,
  );
  return `${lines.join('\n')}\n`;
}

function tap({ cases }: RunResult): string {
  const lines = ['TAP version 14', `1..${cases.length}`];
  for (const [i, one] of cases.entries()) {
    lines.push(`${one.passed ? 'ok' : 'not ok'} ${i + 1} - ${name(one).replace(/[\\#]/g, '\\$&')}`);
    if (one.passed) continue;
    lines.push('  ---', `  message: ${JSON.stringify(one.message)}`, `  at: ${JSON.stringify(place(one))}`);
    if (one.explanation !== null) lines.push('  explanation: |', indent(one.explanation, '    '));
    lines.push('  ...');
  }
  return `${lines.join('\n')}\n`;
}

function junit({ cases }: RunResult): string {
  const suites = Map.groupBy(cases, ({ test }) => test.file);
  const lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<testsuites>'];
  const seconds = (some: readonly CaseResult[]): string =>
    (some.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / 1000).toFixed(6);
  for (const [file, own] of suites) {
    const failures = own.filter(({ passed }) => !passed).length;
    lines.push(`  <testsuite name="${xml(file)}" tests="${own.length}" failures="${failures}" time="${seconds(own)}">`);
    for (const one of own) {
      const open = `    <testcase classname="${xml(one.test.rule)}" name="${xml(one.test.title)}" file="${xml(file)}" line="${one.test.line}" time="${seconds([one])}"`;
      if (one.passed) lines.push(`${open}/>`);
      else {
        lines.push(`${open}>`);
        lines.push(
          `      <failure message="${xml(one.message)}">${xml(one.explanation ?? '')}</failure>`,
          '    </testcase>',
        );
      }
    }
    lines.push('  </testsuite>');
  }
  return `${lines.join('\n')}\n</testsuites>\n`;
}

function xml(value: string): string {
  // XML 1.0 has no way to write control characters.
  const clean = Array.from(value, (char) => (char < ' ' && !'\t\n\r'.includes(char) ? '\ufffd' : char)).join('');
  return clean.replace(
    /[<>&"]/g,
    (char) => ({ '<': '&lt;', '>': '&gt;', '&': '&amp;', '"': '&quot;' })[char] as string,
  );
}
