/** `-V`, `-L` and `-l`: checks and descriptions of rules. */
import { type Config, loadedPlugins } from '../config/index.ts';
import { renderDiagnostic } from '../diagnostic.ts';
import type { BoundCatalogue } from '../fields/index.ts';
import { log } from '../log.ts';
import {
  type Definitions,
  type Description,
  describeAll,
  describeRule,
  descriptionAsText,
  type FileResult,
  type LoadResult,
  type Rule,
  renderValidation,
  resultAsText,
} from '../rules/index.ts';
import { extraFields } from '../sensor/append-output.ts';
import { loadFiles, readRulesFiles, unmetRequirements } from '../sensor/rule-set.ts';
import { CommandError } from './command.ts';
import type { FalcoFlags } from './flags.ts';
import { costOf, costText, filterOf, filterText, type RuleCosts } from './rule-cost.ts';

/** `-V`, with what `-L` or `-l` asks for beside it. */
export function validate(
  paths: readonly string[],
  flags: FalcoFlags,
  config: Config,
  catalogue: BoundCatalogue,
): number {
  log.info('Validating rules file(s):');
  for (const path of paths) log.info(`   ${path}`);
  const result = loadFiles(readRulesFiles(paths), config, catalogue, flags.print ?? '');
  const unmet = result.ruleSet === null ? null : unmetRequirements(result, loadedPlugins(config));
  if (unmet !== null) throw new CommandError(`Error: ${unmet}`);
  const wanted = flags.listRules === true || flags.describeRule !== undefined;
  const description =
    wanted && result.definitions !== null ? descriptionFor(result.definitions, flags, config, catalogue) : null;
  const { stdout, stderr, exitCode } = renderValidation(result.files, { json: config.json_output, description });
  process.stdout.write(stdout);
  process.stderr.write(stderr);
  if (!config.json_output) {
    process.stderr.write(furtherProblems(result.files));
    if (description !== null) process.stdout.write(descriptionAsText(description));
  }
  return exitCode;
}

/** `-L` and `-l` on the rules that would be loaded. */
export function describe(
  paths: readonly string[],
  flags: FalcoFlags,
  config: Config,
  catalogue: BoundCatalogue,
): number {
  const { definitions } = loadOrRefuse(paths, flags, config, catalogue);
  const description = descriptionFor(definitions, flags, config, catalogue);
  process.stdout.write(config.json_output ? `${JSON.stringify(description)}\n` : descriptionAsText(description));
  return 0;
}

/** `windhover rules describe`: as {@link describe}, with what the rules cost and let into the kernel's filter. */
export function describeWithCosts(
  paths: readonly string[],
  flags: FalcoFlags,
  config: Config,
  catalogue: BoundCatalogue,
): number {
  const { definitions } = loadOrRefuse(paths, flags, config, catalogue);
  const description = descriptionFor(definitions, flags, config, catalogue);
  const rules = new Map(definitions.rules.map(({ rule }) => [rule.name, rule]));
  const costs = description.rules.map(({ info }) => costOf(rules.get(info.name) as Rule));
  const all = filterOf([...rules.values()].filter((rule) => rule.enabled && rule.source === 'syscall'));
  if (config.json_output) {
    const described = description.rules.map((rule, i) => ({ ...rule, ...costs[i] }));
    process.stdout.write(`${JSON.stringify({ ...description, rules: described, kernel_filter: all })}\n`);
    return 0;
  }
  process.stdout.write(`${descriptionAsText(description)}\n`);
  description.rules.forEach(({ info }, i) => {
    process.stdout.write(`${costText(info.name, costs[i] as RuleCosts)}\n`);
  });
  if (flags.describeRule === undefined) process.stdout.write(filterText(all));
  return 0;
}

function loadOrRefuse(
  paths: readonly string[],
  flags: FalcoFlags,
  config: Config,
  catalogue: BoundCatalogue,
): LoadResult & { readonly definitions: Definitions } {
  const result = loadFiles(readRulesFiles(paths), config, catalogue, flags.print ?? '');
  const { definitions } = result;
  if (result.ruleSet === null || definitions === null) {
    const invalid = result.files.filter((file) => !file.successful);
    throw new CommandError(`Error: ${invalid.map((file) => resultAsText(file, { warnings: false })).join('\n')}`);
  }
  for (const file of result.files) {
    if (file.warnings.length > 0) log.warning(resultAsText(file, { warnings: true }));
  }
  return { ...result, definitions };
}

function descriptionFor(
  definitions: Definitions,
  flags: FalcoFlags,
  config: Config,
  catalogue: BoundCatalogue,
): Description {
  const options = {
    plugins: pluginsOf(config, catalogue),
    extraFields: ({ rule }: Definitions['rules'][number]) =>
      Object.fromEntries(
        extraFields(config, rule).flatMap(({ key, format }) => (format === null ? [] : [[key, format] as const])),
      ),
  };
  const { describeRule: name } = flags;
  if (name === undefined) return describeAll(definitions, catalogue, options);
  const description = describeRule(definitions, name, catalogue, options);
  if (description === null) throw new CommandError(`Error: Rule "${name}" is not loaded`);
  return description;
}

/** Which loaded plugins a rule depends on: by its event source, and by the fields it reads. */
function pluginsOf(config: Config, catalogue: BoundCatalogue): (fields: readonly string[], source: string) => string[] {
  const plugins = loadedPlugins(config);
  return (fields, source) => {
    const classes = new Set(fields.map((field) => catalogue.get(field.replace(/\[.*$/, ''))?.class));
    return plugins
      .filter((plugin) => plugin.source?.name === source || plugin.fieldClasses.some((one) => classes.has(one)))
      .map((plugin) => plugin.name)
      .sort();
  };
}

/** Falco stops at the first error of a file; what else is wrong is said on stderr. */
function furtherProblems(files: readonly FileResult[]): string {
  const further = files
    .filter((file) => !file.successful)
    .flatMap((file) => file.diagnostics.filter((d) => d.severity === 'error').slice(1));
  if (further.length === 0) return '';
  const colour = process.stderr.isTTY === true && process.env.NO_COLOR === undefined;
  return `Also wrong:\n${further.map((diagnostic) => `${renderDiagnostic(diagnostic, { colour })}\n`).join('')}`;
}
