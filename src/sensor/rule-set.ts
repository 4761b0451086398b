/** Reads and loads the rules of a setup. */
import { readFileSync } from 'node:fs';
import { kept } from '../cache.ts';
import { type Config, enabledRules, type LoadedPlugin, loadedPlugins } from '../config/index.ts';
import { type BoundCatalogue, fieldCatalogue } from '../fields/index.ts';
import {
  checkPluginRequirements,
  type FileResult,
  type LoadResult,
  loadRules,
  PRIORITIES,
  type Priority,
  packRules,
  parsePriority,
  type Rule,
  type RulesFile,
  type RulesImage,
  unpackRules,
} from '../rules/index.ts';
import { appendOutput } from './append-output.ts';

export interface LoadedRules {
  /** All rules, also those that are off. */
  readonly rules: readonly Rule[];
  /** Those to be judged: turned on, and severe enough. */
  readonly active: readonly Rule[];
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

interface RulesSetup {
  readonly config: Config;
  readonly rulesFiles: readonly string[];
  readonly print: string;
}

/** What makes rules of text: when it changes, rules that were kept are worth nothing. */
const LOADER = ['../rules/', '../fields/', '../event/', './', '../config/plugins.ts', '../../package.json'].map(
  (path) => new URL(path, import.meta.url),
);

/**
 * The rules of a setup, for judging: conditions do not say where in the text they stand ({@link RulesImage}). Rules that
 * were loaded before, from the same text, are not parsed again. Throws {@link RulesError}.
 */
export function loadRuleSet(setup: RulesSetup): LoadedRules {
  const { config, print } = setup;
  const files = readRulesFiles(setup.rulesFiles);
  const catalogue = catalogueFor(config);
  const { append_output, static_fields } = config;
  const place = kept<RulesImage>('rules', [files, append_output, static_fields, loadedPlugins(config), print], LOADER);
  let image = place.read();
  if (image === null) {
    image = packRules(loadAll(files, setup, catalogue));
    place.write(image);
  }
  return loaded(unpackRules(image, catalogue), config, catalogue);
}

/** As {@link loadRuleSet}, but each part of a condition says where it comes from, for explanations. */
export function loadTraceableRuleSet(setup: RulesSetup): LoadedRules {
  const catalogue = catalogueFor(setup.config);
  return loaded(loadAll(readRulesFiles(setup.rulesFiles), setup, catalogue), setup.config, catalogue);
}

function loadAll(files: readonly RulesFile[], setup: RulesSetup, catalogue: BoundCatalogue): readonly Rule[] {
  const { config } = setup;
  const result = loadFiles(files, config, catalogue, setup.print);
  if (result.ruleSet === null || result.definitions === null) {
    const first = result.files.find((file) => !file.successful);
    throw new RulesError(`${first?.name ?? ''}: ${first?.errors[0]?.message ?? 'Invalid'}`, result.files);
  }
  const unmet = unmetRequirements(result, loadedPlugins(config));
  if (unmet !== null) throw new RulesError(unmet, result.files);
  return result.ruleSet.rules;
}

function loaded(rules: readonly Rule[], config: Config, catalogue: BoundCatalogue): LoadedRules {
  return { rules, active: activeRules(rules, config), catalogue };
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
