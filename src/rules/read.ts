import type { Collector, Entry, ExceptionInfo, RuleUpdate } from './collect.ts';
import { type Context, fileContext, type ItemType, RuleError, type SourceText, within } from './context.ts';
import { didYouMean, type Report } from './report.ts';
import { PRIORITIES, type Priority } from './ruleset.ts';
import { validateSchema } from './schema.ts';
import { type PluginVersion, parseVersion, type Version } from './version.ts';
import { asBoolean, asUint32, get, type MapNode, type Node, parseYaml, YamlError } from './yaml.ts';

/** Reads the items of one rules file into the collector: what may be written, and what is said when it is not. */

const LIST_KEYS = new Set(['list', 'items', 'append', 'override']);
const MACRO_KEYS = new Set(['macro', 'condition', 'append', 'override']);
const RULE_KEYS = new Set([
  'rule',
  'condition',
  'output',
  'desc',
  'priority',
  'source',
  'enabled',
  'capture',
  'capture_duration',
  'warn_evttypes',
  'skip-if-unknown-filter',
  'tags',
  'exceptions',
  'override',
  'append',
]);
const APPENDABLE = new Set(['condition', 'output', 'desc', 'tags', 'exceptions']);
const REPLACEABLE = new Set([
  ...APPENDABLE,
  'priority',
  'capture',
  'capture_duration',
  'enabled',
  'warn_evttypes',
  'skip-if-unknown-filter',
]);

const APPEND_DEPRECATED =
  "'append' key is deprecated. Add an 'append' entry (e.g. 'condition: append') under 'override' instead.";
const ENABLED_DEPRECATED =
  "The standalone 'enabled' key usage is deprecated. The correct approach requires also a 'replace' entry under the 'override' key (i.e. 'enabled: replace').";
const APPEND_AND_OVERRIDE =
  "Keys 'override' and 'append: true' cannot be used together. Add an 'append' entry (e.g. 'condition: append') under 'override' instead.";

const MACRO_NAME = /^[a-zA-Z]+[a-zA-Z0-9_]*$/;
const LIST_NAME = /^[^()"'\s=,]+$/;

function refuse(message: string, context: Context): never {
  throw new RuleError('LOAD_ERR_YAML_VALIDATE', message, context);
}

/**
 * Reads a file. Items that are wrong are reported and left out, the others are read all the same, so that every
 * problem is found; Falco stops at the first.
 */
export function readRules(source: SourceText, collector: Collector, report: Report): void {
  const root = fileContext(source);
  let documents: (Node | null)[];
  try {
    documents = parseYaml(source.text);
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    const end = Math.min(error.offset, source.text.length);
    const context = within(root, 'rules content item', '', [end, end + 1]);
    report.error('LOAD_ERR_YAML_PARSE', `yaml: ${error.message}`, context);
    return;
  }
  for (const document of documents) {
    if (document === null || (document.kind === 'scalar' && document.isNull)) continue;
    const warnings = validateSchema(document);
    report.schemaValid = (report.schemaValid ?? true) && warnings.length === 0;
    report.schemaWarnings.push(...warnings);
    report.guard(() => {
      if (document.kind === 'scalar') refuse('Rules content is not yaml', root);
      if (document.kind === 'map') refuse('Rules content is not yaml array of objects', root);
      for (const item of document.items) report.guard(() => readItem(item, root, collector, report));
    });
  }
}

function readItem(item: Node, root: Context, collector: Collector, report: Report): void {
  if (item.kind === 'scalar' && item.isNull) return;
  if (item.kind !== 'map') {
    refuse(
      'Unexpected element type. Each element should be a yaml associative array.',
      within(root, 'rules content item', '', item.range),
    );
  }
  if (get(item, 'required_engine_version') !== undefined) readEngineVersion(item, root, collector);
  else if (get(item, 'required_plugin_versions') !== undefined) readPluginVersions(item, root, collector);
  else if (get(item, 'list') !== undefined) readList(item, root, collector, report);
  else if (get(item, 'macro') !== undefined) readMacro(item, root, collector, report);
  else if (get(item, 'rule') !== undefined) readRule(item, root, collector, report);
  else report.warn('LOAD_UNKNOWN_ITEM', 'Unknown top level item', itemContext(item, root, 'rules content item', ''));
}

/** The context of an item: frames mark its first line only. */
function itemContext(item: MapNode, parent: Context, type: ItemType, name: string): Context {
  const first = item.entries[0];
  return within(parent, type, name, [item.range[0], first === undefined ? item.range[1] : first.value.range[1]]);
}

function readEngineVersion(item: MapNode, root: Context, collector: Collector): void {
  const context = itemContext(item, root, 'required_engine_version', '');
  const text = required(item, 'required_engine_version', context);
  const number = asUint32(text);
  const version: Version | null = number === null ? parseVersion(text) : { major: 0, minor: number, patch: 0 };
  if (version === null) {
    refuse(`Unable to parse engine version '${text}' as a semver string. Expected "x.y.z" semver format.`, context);
  }
  collector.requireEngine(version, context);
}

function readPluginVersions(item: MapNode, root: Context, collector: Collector): void {
  const entries = get(item, 'required_plugin_versions') as Node;
  const context = within(root, 'required plugin versions', '', entries.range);
  if (entries.kind !== 'seq') refuse('Value of required_plugin_versions must be a sequence', context);
  for (const entry of entries.items) {
    const entryContext = within(context, 'required plugin versions entry', '', entry.range);
    if (entry.kind !== 'map') refuse('Plugin version must be a mapping', entryContext);
    const alternatives: PluginVersion[] = [pluginVersion(entry, entryContext)];
    const others = get(entry, 'alternatives');
    if (others !== undefined) {
      if (others.kind !== 'seq') refuse('Value of plugin version alternatives must be a sequence', entryContext);
      for (const other of others.items) {
        const otherContext = within(entryContext, 'required plugin versions alternative', '', other.range);
        if (other.kind !== 'map') refuse('Plugin version alternative must be a mapping', otherContext);
        alternatives.push(pluginVersion(other, otherContext));
      }
    }
    collector.requirePlugins(alternatives, entryContext);
  }
}

function pluginVersion(entry: MapNode, context: Context): PluginVersion {
  return { name: required(entry, 'name', context), version: required(entry, 'version', context) };
}

function readList(item: MapNode, root: Context, collector: Collector, report: Report): void {
  const name = required(item, 'list', itemContext(item, root, 'list', ''));
  const context = itemContext(item, root, 'list', name);
  if (!LIST_NAME.test(name)) {
    report.warn(
      'LOAD_INVALID_LIST_NAME',
      `List has an invalid name. List names should match a regular expression: ([^()"'[:space:]=,]+)`,
      context,
    );
  }
  const list = { name, items: sequence(item, 'items', context), context };
  warnUnknownKeys(item, LIST_KEYS, context, report);
  const append = optionalBoolean(item, 'append', context, false);
  if (append) report.warn('LOAD_DEPRECATED_ITEM', APPEND_DEPRECATED, context);
  const overrides = readOverrides(item, new Set(['items']), new Set(['items']), context);
  if (append && overrides !== null) refuse(APPEND_AND_OVERRIDE, context);
  if (append || overrides?.append.has('items')) collector.appendList(list);
  else collector.defineList(list);
}

function readMacro(item: MapNode, root: Context, collector: Collector, report: Report): void {
  const name = required(item, 'macro', itemContext(item, root, 'macro', ''));
  const context = itemContext(item, root, 'macro', name);
  if (!MACRO_NAME.test(name)) {
    report.warn(
      'LOAD_INVALID_MACRO_NAME',
      'Macro has an invalid name. Macro names should match a regular expression: ([a-zA-Z]+[a-zA-Z0-9_]*)',
      context,
    );
  }
  const condition = required(item, 'condition', context);
  const conditionContext = valueContext(item, 'condition', 'macro condition', context);
  const macro = { name, condition, conditionContext, context };
  warnUnknownKeys(item, MACRO_KEYS, context, report);
  const append = optionalBoolean(item, 'append', context, false);
  if (append) report.warn('LOAD_DEPRECATED_ITEM', APPEND_DEPRECATED, context);
  const overrides = readOverrides(item, new Set(['condition']), new Set(['condition']), context);
  if (append && overrides !== null) refuse(APPEND_AND_OVERRIDE, context);
  if (append || overrides?.append.has('condition')) collector.appendMacro(macro);
  else collector.defineMacro(macro);
}

function readRule(item: MapNode, root: Context, collector: Collector, report: Report): void {
  const name = required(item, 'rule', itemContext(item, root, 'rule', ''));
  const context = itemContext(item, root, 'rule', name);
  const append = optionalBoolean(item, 'append', context, false);
  if (append) report.warn('LOAD_DEPRECATED_ITEM', APPEND_DEPRECATED, context);
  const overrides = readOverrides(item, APPENDABLE, REPLACEABLE, context);
  if (append && overrides !== null) refuse(APPEND_AND_OVERRIDE, context);
  if (overrides !== null) {
    readRuleOverrides(item, name, overrides, context, collector, report);
  } else if (append) {
    const keys = new Set(['condition', 'exceptions'].filter((key) => get(item, key) !== undefined));
    const update = readUpdate(item, name, keys, true, context, report);
    warnUnknownKeys(item, RULE_KEYS, context, report);
    collector.appendRule(update, report);
  } else if (['condition', 'output', 'desc', 'priority'].every((key) => get(item, key) === undefined)) {
    const enabled = boolean(required(item, 'enabled', context), item, 'enabled', context);
    report.warn('LOAD_DEPRECATED_ITEM', ENABLED_DEPRECATED, context);
    warnUnknownKeys(item, RULE_KEYS, context, report);
    collector.enableRule(name, enabled, context);
  } else {
    const condition = required(item, 'condition', context);
    const output = required(item, 'output', context).trim();
    const description = required(item, 'desc', context);
    const priority = readPriority(item, context);
    const rule = {
      name,
      condition,
      conditionContext: valueContext(item, 'condition', 'rule condition', context),
      output,
      outputContext: valueContext(item, 'output', 'rule output', context),
      description,
      priority,
      source: optional(item, 'source', context) ?? sourceOf(condition),
      enabled: optionalBoolean(item, 'enabled', context, true),
      warnEventTypes: optionalBoolean(item, 'warn_evttypes', context, true),
      skipIfUnknownFilter: optionalBoolean(item, 'skip-if-unknown-filter', context, false),
      capture: optionalBoolean(item, 'capture', context, false),
      captureDuration: optionalUint32(item, 'capture_duration', context) ?? 0,
      tags: new Set(get(item, 'tags') === undefined ? [] : sequence(item, 'tags', context)),
      exceptions: readExceptions(item, context, false, report),
      context,
    };
    warnUnknownKeys(item, RULE_KEYS, context, report);
    collector.defineRule(rule, report);
  }
}

function readRuleOverrides(
  item: MapNode,
  name: string,
  overrides: Overrides,
  context: Context,
  collector: Collector,
  report: Report,
): void {
  for (const [operation, keys] of Object.entries(overrides) as ['append' | 'replace', Set<string>][]) {
    for (const key of keys) {
      if (get(item, key) !== undefined) continue;
      const an = operation === 'append' ? 'An append' : 'A replace';
      refuse(`${an} override for '${key}' was specified but '${key}' is not defined`, context);
    }
  }
  for (const { key } of item.entries) {
    const text = key.kind === 'scalar' ? key.text : '';
    if (text === 'rule' || text === 'override' || overrides.append.has(text) || overrides.replace.has(text)) continue;
    if (!RULE_KEYS.has(text)) continue;
    refuse(`Unexpected key '${text}': no corresponding entry under 'override' is defined.`, context);
  }
  warnUnknownKeys(item, RULE_KEYS, context, report);
  if (overrides.append.size > 0) {
    collector.appendRule(readUpdate(item, name, overrides.append, true, context, report), report);
  }
  if (overrides.replace.size > 0) {
    collector.replaceRule(readUpdate(item, name, overrides.replace, false, context, report));
  }
}

function readUpdate(
  item: MapNode,
  name: string,
  keys: ReadonlySet<string>,
  append: boolean,
  context: Context,
  report: Report,
): RuleUpdate {
  const update: RuleUpdate = { name, context };
  if (keys.has('condition')) {
    update.condition = required(item, 'condition', context);
    update.conditionContext = valueContext(item, 'condition', 'rule condition', context);
  }
  if (keys.has('output')) {
    update.output = required(item, 'output', context).trim();
    update.outputContext = valueContext(item, 'output', 'rule output', context);
  }
  if (keys.has('desc')) update.description = required(item, 'desc', context);
  if (keys.has('tags')) update.tags = new Set(sequence(item, 'tags', context));
  if (keys.has('exceptions')) update.exceptions = readExceptions(item, context, append, report);
  if (keys.has('priority')) update.priority = readPriority(item, context);
  if (keys.has('enabled')) update.enabled = boolean(required(item, 'enabled', context), item, 'enabled', context);
  if (keys.has('warn_evttypes')) update.warnEventTypes = optionalBoolean(item, 'warn_evttypes', context, true);
  if (keys.has('skip-if-unknown-filter')) {
    update.skipIfUnknownFilter = optionalBoolean(item, 'skip-if-unknown-filter', context, false);
  }
  if (keys.has('capture')) update.capture = optionalBoolean(item, 'capture', context, false);
  if (keys.has('capture_duration')) update.captureDuration = optionalUint32(item, 'capture_duration', context) ?? 0;
  return update;
}

/** Fields of pod creations, which stand in no other source: a rule over them need not name it. */
const POD_CREATION = /(^|[\s(])k8s_psp\./;

function sourceOf(condition: string): string {
  return POD_CREATION.test(condition) ? 'k8s_audit' : 'syscall';
}

function readPriority(item: MapNode, context: Context): Priority {
  const text = required(item, 'priority', context);
  const priority = parsePriority(text);
  if (priority === null) refuse('Invalid priority', valueContext(item, 'priority', 'rule priority', context));
  return priority;
}

/** A priority by name, in any case, `info` for `informational` included; null for another text. */
export function parsePriority(text: string): Priority | null {
  const lower = text.toLowerCase();
  if (lower === 'info') return 'Informational';
  return PRIORITIES.find((priority) => priority.toLowerCase() === lower) ?? null;
}

function readExceptions(item: MapNode, parent: Context, append: boolean, report: Report): ExceptionInfo[] {
  const node = get(item, 'exceptions');
  if (node === undefined || (node.kind === 'scalar' && node.isNull)) return [];
  const context = within(parent, 'exceptions', '', node.range);
  if (node.kind !== 'seq') refuse('Rule exceptions must be a sequence', context);
  const exceptions: ExceptionInfo[] = [];
  for (const entry of node.items) {
    const unnamed = within(context, 'exception', '', entry.range);
    if (entry.kind !== 'map') refuse('Rule exception must be a mapping', unnamed);
    const name = required(entry, 'name', itemContext(entry, context, 'exception', ''));
    const own = itemContext(entry, parent, 'exception', name);
    if (exceptions.some((one) => one.name === name)) {
      report.warn(
        'LOAD_EXCEPTION_NAME_NOT_UNIQUE',
        `Multiple definitions of exception '${name}' in the same rule`,
        own,
      );
    }
    exceptions.push({
      name,
      fields: readEntry(entry, 'fields', own, append, false),
      comps: readEntry(entry, 'comps', own, true, true),
      values: readExceptionValues(entry, own),
      context: own,
    });
  }
  return exceptions;
}

/** `fields` or `comps` of an exception: a text or a list of texts; null when it may be, and is, left out. */
function readEntry(item: MapNode, key: string, context: Context, optional: boolean, trim: boolean): Entry | null {
  const node = get(item, key);
  if (node === undefined && optional) return null;
  if (node?.kind === 'seq') {
    return { items: sequence(item, key, context).map((text) => ({ item: trim ? text.trim() : text })) };
  }
  const text = required(item, key, context);
  return { item: trim ? text.trim() : text };
}

function readExceptionValues(item: MapNode, parent: Context): Entry[] {
  const node = get(item, 'values');
  if (node === undefined || (node.kind === 'scalar' && node.isNull)) return [];
  const context = within(parent, 'exception values', '', node.range);
  if (node.kind !== 'seq') refuse('Rule exception values must be a sequence', context);
  return node.items.map((value) => readValue(value, context));
}

function readValue(node: Node, parent: Context): Entry {
  const context = within(parent, 'exception value', '', node.range);
  if (node.kind === 'scalar') {
    if (node.text === '') refuse('Value must be non-empty', context);
    return { item: node.text };
  }
  if (node.kind === 'map') refuse('Value is neither a scalar nor a sequence', context);
  return { items: node.items.map((item) => readValue(item, context)) };
}

interface Overrides {
  readonly append: Set<string>;
  readonly replace: Set<string>;
}

/** null when nothing is overridden. */
function readOverrides(
  item: MapNode,
  appendable: ReadonlySet<string>,
  replaceable: ReadonlySet<string>,
  parent: Context,
): Overrides | null {
  const node = get(item, 'override');
  if (node === undefined) return null;
  const context = within(parent, 'overrides', '', node.range);
  if (node.kind !== 'map') refuse('Value is not a mapping', context);
  const overrides: Overrides = { append: new Set(), replace: new Set() };
  for (const { key, value } of node.entries) {
    if (key.kind !== 'scalar') refuse('Value is not a scalar value', within(context, 'overrides', '', key.range));
    const name = key.text;
    const keyContext = within(context, 'overrides', name, key.range);
    if (value.kind !== 'scalar')
      refuse('Value is not a scalar value', within(keyContext, 'value for', name, value.range));
    if (value.text === 'append') {
      if (!appendable.has(name)) {
        const instead = replaceable.has(name) ? ", use 'replace' instead" : '';
        refuse(`Key '${name}' cannot be appended to${instead}`, keyContext);
      }
      overrides.append.add(name);
    } else if (value.text === 'replace') {
      if (!replaceable.has(name)) refuse(`Key '${name}' cannot be replaced`, keyContext);
      overrides.replace.add(name);
    } else {
      refuse(
        `Invalid override operation for key '${name}': '${value.text}'. Allowed values are: append replace `,
        keyContext,
      );
    }
  }
  return overrides.append.size + overrides.replace.size === 0 ? null : overrides;
}

function warnUnknownKeys(item: MapNode, known: ReadonlySet<string>, context: Context, report: Report): void {
  for (const { key } of item.entries) {
    if (key.kind !== 'scalar' || known.has(key.text)) continue;
    const remedy = didYouMean(key.text, known);
    report.warn('LOAD_UNKNOWN_KEY', `Unknown key '${key.text}'. The key will be ignored.`, context, { remedy });
  }
}

function valueContext(item: MapNode, key: string, type: ItemType, context: Context): Context {
  return within(context, type, '', (get(item, key) as Node).range);
}

/** The text of a key that must be there. */
function required(item: MapNode, key: string, context: Context): string {
  const node = get(item, key);
  if (node === undefined) refuse(`Item has no mapping for key '${key}'`, context);
  if (node.kind === 'scalar' && node.isNull) refuse(`Mapping for key '${key}' is empty`, context);
  const own = within(context, 'value for', key, node.range);
  if (node.kind !== 'scalar') refuse('Value is not a scalar value', own);
  if (node.text === '') refuse('Value must be non-empty', own);
  return node.text;
}

function optional(item: MapNode, key: string, context: Context): string | null {
  return get(item, key) === undefined ? null : required(item, key, context);
}

function boolean(text: string, item: MapNode, key: string, context: Context): boolean {
  return asBoolean(text) ?? undecodable(item, key, context);
}

function optionalBoolean(item: MapNode, key: string, context: Context, otherwise: boolean): boolean {
  const text = optional(item, key, context);
  return text === null ? otherwise : boolean(text, item, key, context);
}

function optionalUint32(item: MapNode, key: string, context: Context): number | null {
  const text = optional(item, key, context);
  return text === null ? null : (asUint32(text) ?? undecodable(item, key, context));
}

function undecodable(item: MapNode, key: string, context: Context): never {
  return refuse("Can't decode YAML scalar value", within(context, 'value for', key, (get(item, key) as Node).range));
}

/** The texts of a sequence that must be there. */
function sequence(item: MapNode, key: string, context: Context): string[] {
  const node = get(item, key);
  if (node === undefined) refuse(`Item has no mapping for key '${key}'`, context);
  const own = within(context, 'value for', key, node.range);
  if (node.kind !== 'seq') refuse('Value is not a sequence', own);
  return node.items.map((value) => {
    if (value.kind !== 'scalar') refuse('sequence value is not scalar', within(own, 'list item', '', value.range));
    return value.text;
  });
}
