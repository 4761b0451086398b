import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { rulesFiles } from '../config/index.ts';
import { type Diagnostic, renderDiagnostic } from '../diagnostic.ts';
import { catalogueFor, loadFiles, readRulesFiles } from '../sensor/rule-set.ts';
import { CommandError, EXIT_USAGE, newCommand, runCommand } from './command.ts';
import { addFlags, type FalcoFlags } from './flags.ts';
import { formatRules } from './format-rules.ts';
import { trustingExceptions } from './rule-lint.ts';
import { testRules } from './rule-tests.ts';
import { setUp } from './setup.ts';
import { describeWithCosts } from './validate.ts';

type Action = (flags: RulesFlags, paths: readonly string[]) => Promise<number>;

interface RulesFlags extends FalcoFlags {
  json?: true;
  rule?: string;
  check?: true;
  format?: string;
}

const ACTIONS: Readonly<Record<string, Action>> = {
  check,
  list,
  describe: async (flags, paths) => {
    const { config } = await setUp({ ...flags, option: withJson(flags) }, true);
    // What is no file, after the files, is the name of a rule.
    const last = paths.length > 1 ? (paths.at(-1) ?? '') : '';
    const named = flags.rule === undefined && last !== '' && !existsSync(last);
    const rule = named ? last : flags.rule;
    const described = rule === undefined ? flags : { ...flags, describeRule: rule };
    return describeWithCosts(expand(named ? paths.slice(0, -1) : paths), described, config, catalogueFor(config));
  },
  fmt: async (flags, paths) => format(flags, paths),
  test: testRules,
};

/** `windhover rules check|list|describe|fmt|test FILE… [RULE]` */
export async function main(args: string[]): Promise<number> {
  const command = addFlags(
    newCommand('windhover rules', 'Work on rules files. ACTION: check, list, describe, fmt or test.', [
      ['windhover rules check my_rules.yaml', 'every problem, with its place and what to do'],
      ['windhover rules list falco_rules.yaml my_rules.yaml', 'names, priorities and tags'],
      ['windhover rules describe my_rules.yaml "My rule"', 'what a rule reads, costs and asks of the kernel'],
      ['windhover rules fmt my_rules.yaml', 'order the keys, one style'],
      ['windhover rules test rules', 'play the tests in rules/tests, without a kernel'],
    ]),
    true,
  )
    .argument('<action>', Object.keys(ACTIONS).join(', '))
    .argument('<files...>', 'rules files or directories of them, in the order of loading')
    .option('--json', 'print JSON')
    .option('--rule <name>', 'with describe: only this rule')
    .option('--check', 'with fmt: change nothing, exit with 1 when something would change')
    .option('--format <name>', 'with test: text, tap or junit', 'text');
  return runCommand(command, args, () => {
    const [name = '', ...paths] = command.args;
    const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
    if (action === undefined) {
      throw new CommandError(`Error: Unknown action '${name}'\n  Use ${Object.keys(ACTIONS).join(', ')}.`, EXIT_USAGE);
    }
    return action(command.opts<RulesFlags>(), paths);
  });
}

function withJson(flags: RulesFlags): string[] {
  return [...(flags.option ?? []), ...(flags.json ? ['json_output=true'] : [])];
}

function expand(paths: readonly string[]): readonly string[] {
  try {
    return rulesFiles(paths, true).files;
  } catch (error) {
    throw new CommandError(`Error: ${(error as Error).message}`);
  }
}

function same(a: Diagnostic, b: Diagnostic): boolean {
  return a.code === b.code && a.place.file === b.place.file && a.place.line === b.place.line;
}

/** All problems of all files; exit 1 when there is an error. */
async function check(flags: RulesFlags, paths: readonly string[]): Promise<number> {
  const { config } = await setUp({ ...flags, option: withJson(flags) }, true);
  const { files, ruleSet } = loadFiles(readRulesFiles(expand(paths)), config, catalogueFor(config), '');
  // Each file's result repeats the warnings of the files before it; what is not used yet may be by a later file.
  const seen = new Set<string>();
  const problems = [
    ...files.flatMap((file) => file.diagnostics),
    ...(ruleSet?.rules ?? []).flatMap(trustingExceptions),
  ].filter((problem) => {
    if (
      problem.code.startsWith('LOAD_UNUSED_') &&
      ruleSet !== null &&
      !files.at(-1)?.diagnostics.some((last) => same(last, problem))
    ) {
      return false;
    }
    const key = JSON.stringify([problem.code, problem.message, problem.place]);
    return !seen.has(key) && seen.add(key);
  });
  const errors = problems.filter((problem) => problem.severity === 'error').length;
  if (flags.json) process.stdout.write(`${JSON.stringify({ problems })}\n`);
  else {
    const colour = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
    for (const problem of problems) process.stdout.write(`${renderDiagnostic(problem, { colour })}\n\n`);
    const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
    const summary = `${count(files.length, 'file')}, ${count(errors, 'error')}, ${count(problems.length - errors, 'warning')}`;
    process.stderr.write(`${summary}\n`);
  }
  return errors === 0 ? 0 : 1;
}

async function list(flags: RulesFlags, paths: readonly string[]): Promise<number> {
  const { config } = await setUp({ ...flags, option: withJson(flags) }, true);
  const { ruleSet, files } = loadFiles(readRulesFiles(expand(paths)), config, catalogueFor(config), '');
  if (ruleSet === null) {
    const invalid = files.find((file) => !file.successful);
    throw new CommandError(`Error: ${invalid?.name}: ${invalid?.errors[0]?.message}\n  See: windhover rules check`);
  }
  const rows = ruleSet.rules.map(({ name, priority, source, enabled, tags, file, line }) => ({
    name,
    priority,
    source,
    enabled,
    tags,
    file,
    line,
  }));
  if (flags.json) process.stdout.write(`${JSON.stringify(rows)}\n`);
  else {
    const width = Math.max(0, ...rows.map(({ name }) => name.length));
    for (const { name, priority, enabled, tags } of rows) {
      const state = enabled ? '' : '  (off)';
      process.stdout.write(`${name.padEnd(width)}  ${priority.padEnd(13)}  ${tags.join(' ')}${state}\n`);
    }
  }
  return 0;
}

function format(flags: RulesFlags, paths: readonly string[]): number {
  let changed = 0;
  for (const path of expand(paths)) {
    const before = readFileSync(path, 'utf8');
    const after = formatRules(path, before);
    if (after === before) continue;
    changed++;
    process.stdout.write(`${path}\n`);
    if (!flags.check) writeFileSync(path, after);
  }
  return flags.check && changed > 0 ? 1 : 0;
}
