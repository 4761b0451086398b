import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { rulesFiles } from '../config/index.ts';
import { fieldCatalogue } from '../fields/index.ts';
import { loadRules } from '../rules/index.ts';
import { type ReportFormat, RuleTestError, readTests, report, runTests } from '../ruletest/index.ts';
import { readRulesFiles } from '../sensor/rule-set.ts';
import { CommandError, EXIT_USAGE } from './command.ts';
import { explain, explanationText } from './explanation.ts';

const FORMATS: readonly string[] = ['text', 'tap', 'junit'] satisfies ReportFormat[];

/**
 * `windhover rules test PATH…`: plays the tests that stand in `tests/` beside the rules. A directory stands for
 * its rules and all of their tests; a rules file for itself and the file of its name in `tests/`.
 * Exit 1 when a test fails.
 */
export async function testRules(flags: { readonly format?: string }, paths: readonly string[]): Promise<number> {
  const format = flags.format ?? 'text';
  if (!FORMATS.includes(format)) {
    throw new CommandError(`Error: Unknown format '${format}'\n  Use ${FORMATS.join(', ')}.`, EXIT_USAGE);
  }
  const rules = readRulesFiles(found(paths));
  const tests = found(testsBeside(paths));
  const catalogue = fieldCatalogue();
  const { ruleSet, files } = loadRules(rules, catalogue);
  if (ruleSet === null) {
    const invalid = files.find((file) => !file.successful);
    throw new CommandError(`Error: ${invalid?.name}: ${invalid?.errors[0]?.message}\n  See: windhover rules check`);
  }
  const colour = format === 'text' && process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
  try {
    const result = await runTests(
      tests.flatMap((file) => readTests(file, readFileSync(file, 'utf8'))),
      {
        rules: ruleSet.rules,
        catalogue,
        explain: (condition, read) => explanationText(explain(condition, read), colour),
      },
    );
    process.stdout.write(report(result, format as ReportFormat));
    return result.cases.every(({ passed }) => passed) ? 0 : 1;
  } catch (error) {
    if (error instanceof RuleTestError) throw new CommandError(`Error: ${error.message}`);
    throw error;
  }
}

function found(paths: readonly string[]): readonly string[] {
  try {
    return rulesFiles(paths, true).files;
  } catch (error) {
    throw new CommandError(`Error: ${(error as Error).message}`);
  }
}

function testsBeside(paths: readonly string[]): string[] {
  return paths
    .map((path) =>
      statSync(path, { throwIfNoEntry: false })?.isDirectory()
        ? join(path, 'tests')
        : join(dirname(path), 'tests', basename(path)),
    )
    .filter((path) => existsSync(path));
}
