/** Reads and loads the rules of a setup. */
import { readFileSync } from 'node:fs';
import { type Config, enabledRules, type LoadedPlugin, loadedPlugins } from '../config/index.ts';
import { type BoundCatalogue, fieldCatalogue } from '../fields/index.ts';
import {
  checkPluginRequirements,
  type FileResult,
  type LoadResult,
  loadRules,
  PRIORITIES,
  type Priority,
  parsePriority,
  type Rule,
  type RulesFile,
} from '../rules/index.ts';
import { appendOutput } from './append-output.ts';

export interface LoadedRules {
  /** All rules, also those that are off. */
  readonly rules: readonly Rule[];
  /** Those to be judged: turned on, and severe enough. */
  readonly active: readonly Rule[];
  readonly files: readonly FileResult[];
  readonly catalogue: BoundCatalogue;
}

/** Rules that cannot be loaded; the results say why. */
export class RulesError extends Error {
  override name = 'RulesError';
  readonly files: readonly FileResult[];
  constructor(message: string, files: readonly FileResult[]) {
    super(message);
    this.files = files;
  }
}

/** The fields and event sources that rules may use under this configuration. */
export function catalogueFor(config: Config): BoundCatalogue {
  const plugins = loadedPlugins(config);
  const sources = ['syscall', ...plugins.flatMap((plugin) => (plugin.source === null ? [] : [plugin.source.name]))];
  return { ...fieldCatalogue({ staticFields: config.static_fields }), sources };
}

/** The content of rules files; a file that cannot be read is a {@link RulesError}. */
export function readRulesFiles(paths: readonly string[]): RulesFile[] {
  return paths.map((path) => {
    try {
      return { name: path, text: readFileSync(path, 'utf8') };
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      throw new RulesError(`Could not read the rules file ${path}: ${code ?? message}`, []);
    }
  });
}

/** Loads files with what the configuration says of outputs; the result may hold errors. */
export function loadFiles(
  files: readonly RulesFile[],
  config: Config,
  catalogue: BoundCatalogue,
  print: string,
): LoadResult {
  return loadRules(files, catalogue, { output: appendOutput(config, catalogue, print) });
}

/** Loads the rules of a setup; throws {@link RulesError}. */
export function loadRuleSet(setup: {
  readonly config: Config;
  readonly rulesFiles: readonly string[];
  readonly print: string;
}): LoadedRules {
  const { config } = setup;
  const catalogue = catalogueFor(config);
  const result = loadFiles(readRulesFiles(setup.rulesFiles), config, catalogue, setup.print);
  if (result.ruleSet === null || result.definitions === null) {
    const first = result.files.find((file) => !file.successful);
    throw new RulesError(`${first?.name ?? ''}: ${first?.errors[0]?.message ?? 'Invalid'}`, result.files);
  }
  const unmet = unmetRequirements(result, loadedPlugins(config));
  if (unmet !== null) throw new RulesError(unmet, result.files);
  const { rules } = result.ruleSet;
  return { rules, active: activeRules(rules, config), files: result.files, catalogue };
}

/** What the rules require of plugins and do not get, in Falco's words. */
export function unmetRequirements(result: LoadResult, plugins: readonly LoadedPlugin[]): string | null {
  return checkPluginRequirements(result.definitions?.requiredPluginVersions ?? [], withContainer(plugins));
}

/** Container fields are always there, whether the plugin is configured or not. */
function withContainer(plugins: readonly LoadedPlugin[]): readonly { name: string; version: string }[] {
  return plugins.some((plugin) => plugin.name === 'container')
    ? plugins
    : [...plugins, { name: 'container', version: '0.7.1' }];
}

function activeRules(rules: readonly Rule[], config: Config): Rule[] {
  const on = enabledRules(rules, config.rules);
  const least = PRIORITIES.indexOf(parsePriority(config.priority) as Priority);
  return rules.filter((rule) => on.has(rule.name) && PRIORITIES.indexOf(rule.priority) <= least);
}
