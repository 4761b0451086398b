import type { FieldCatalogue } from './catalogue.ts';
import { type Context, RuleError } from './context.ts';
import { isOperator, parseOperand } from './parse.ts';
import type { Report } from './report.ts';
import type { Priority } from './ruleset.ts';
import {
  compareVersions,
  ENGINE_VERSION,
  formatVersion,
  isCompatible,
  type PluginVersion,
  parseVersion,
  type Version,
} from './version.ts';

/**
 * The items of all files so far, as they were written: what a later file redefines, appends to or overrides.
 *
 * `index` is where an item first stood, `visibility` where it last changed: a macro sees the macros whose index is
 * below its visibility.
 */

export interface ListInfo {
  readonly name: string;
  items: string[];
  index: number;
  visibility: number;
  context: Context;
}

export interface MacroInfo {
  readonly name: string;
  condition: string;
  conditionContext: Context;
  index: number;
  visibility: number;
  context: Context;
}

/** A text or a list of entries, as the keys of an exception may be either. */
export type Entry = { readonly item: string } | { readonly items: readonly Entry[] };

export interface ExceptionInfo {
  readonly name: string;
  fields: Entry | null;
  comps: Entry | null;
  values: Entry[];
  readonly context: Context;
}

export interface RuleInfo {
  readonly name: string;
  condition: string;
  conditionContext: Context;
  output: string;
  outputContext: Context;
  description: string;
  priority: Priority;
  source: string;
  tags: Set<string>;
  exceptions: ExceptionInfo[];
  enabled: boolean;
  warnEventTypes: boolean;
  skipIfUnknownFilter: boolean;
  capture: boolean;
  captureDuration: number;
  unknownSource: boolean;
  index: number;
  visibility: number;
  context: Context;
}

/** What an append or an override changes; what it leaves alone is undefined. */
export interface RuleUpdate {
  readonly name: string;
  readonly context: Context;
  condition?: string;
  conditionContext?: Context;
  output?: string;
  outputContext?: Context;
  description?: string;
  priority?: Priority;
  tags?: Set<string>;
  exceptions?: ExceptionInfo[];
  enabled?: boolean;
  warnEventTypes?: boolean;
  skipIfUnknownFilter?: boolean;
  capture?: boolean;
  captureDuration?: number;
}

const NO_PREVIOUS_LIST = "List uses 'append' or 'override.items: append' but no list by that name already exists";
const NO_PREVIOUS_MACRO =
  "Macro uses 'append' or 'override.condition: append' but no macro by that name already exists";
const NO_PREVIOUS_RULE_APPEND =
  "Rule uses 'append' or 'override.<key>: append' but no rule by that name already exists";
const NO_PREVIOUS_RULE_REPLACE =
  "An 'override.<key>: replace' to a rule was requested but no rule by that name already exists";

function refuse(message: string, context: Context): never {
  throw new RuleError('LOAD_ERR_VALIDATE', message, context);
}

/** True for a field, or a transformer over one, that the source has. */
function isFieldOf(catalogue: FieldCatalogue, source: string, text: string): boolean {
  const operand = parseOperand(text);
  if (operand === null) return false;
  const known = (one: typeof operand | (typeof operand & { kind: 'call' })['args'][number]): boolean => {
    if (one.kind === 'field') return catalogue.find(one.name, source) !== undefined;
    if (one.kind === 'call') return one.args.every(known);
    return one.kind === 'list' ? one.items.every(known) : true;
  };
  return known(operand);
}

export class Collector {
  readonly lists = new Map<string, ListInfo>();
  readonly macros = new Map<string, MacroInfo>();
  readonly rules = new Map<string, RuleInfo>();
  requiredEngine: Version = { major: 0, minor: 0, patch: 0 };
  readonly requiredPlugins: PluginVersion[][] = [];
  readonly #catalogue: FieldCatalogue;
  #next = 0;

  constructor(catalogue: FieldCatalogue) {
    this.#catalogue = catalogue;
  }

  requireEngine(version: Version, context: Context): void {
    const have = parseVersion(ENGINE_VERSION) as Version;
    if (!isCompatible(have, version)) {
      refuse(
        `Rules require engine version ${formatVersion(version)}, but engine version is ${ENGINE_VERSION}`,
        context,
      );
    }
    if (compareVersions(version, this.requiredEngine) > 0) this.requiredEngine = version;
  }

  requirePlugins(alternatives: PluginVersion[], context: Context): void {
    const names = new Set<string>();
    for (const { name, version } of alternatives) {
      if (parseVersion(version) === null) refuse(`Invalid required version '${version}' for plugin '${name}'`, context);
      if (names.has(name)) {
        refuse(`Defined multiple alternative version requirements for plugin '${name}'`, context);
      }
      names.add(name);
    }
    this.requiredPlugins.push(alternatives);
  }

  defineList(list: Omit<ListInfo, 'index' | 'visibility'>): void {
    define(this.lists, list, this.#next++);
  }

  appendList(list: Omit<ListInfo, 'index' | 'visibility'>): void {
    const previous = this.lists.get(list.name) ?? refuse(NO_PREVIOUS_LIST, list.context);
    previous.items = [...previous.items, ...list.items];
    previous.visibility = this.#next++;
  }

  defineMacro(macro: Omit<MacroInfo, 'index' | 'visibility'>): void {
    define(this.macros, macro, this.#next++);
  }

  appendMacro(macro: Omit<MacroInfo, 'index' | 'visibility'>): void {
    const previous = this.macros.get(macro.name) ?? refuse(NO_PREVIOUS_MACRO, macro.context);
    previous.condition += ` ${macro.condition}`;
    previous.visibility = this.#next++;
  }

  defineRule(rule: Omit<RuleInfo, 'index' | 'visibility' | 'unknownSource'>, report: Report): void {
    const previous = this.rules.get(rule.name);
    if (previous !== undefined && previous.source !== rule.source) {
      refuse('Rule has been re-defined with a different source', rule.context);
    }
    const unknownSource = !this.#catalogue.sources.includes(rule.source);
    if (unknownSource) report.warn('LOAD_UNKNOWN_SOURCE', `Unknown source ${rule.source}, skipping`, rule.context);
    for (const exception of rule.exceptions) {
      if (exception.fields === null) noFields(exception);
      this.#validate(exception, unknownSource ? null : rule.source);
    }
    define(this.rules, { ...rule, unknownSource }, this.#next++);
  }

  /** A rule item that holds nothing but `enabled`. */
  enableRule(name: string, enabled: boolean, context: Context): void {
    const previous =
      this.rules.get(name) ?? refuse("Rule has 'enabled' key but no rule by that name already exists", context);
    previous.enabled = enabled;
  }

  appendRule(update: RuleUpdate, report: Report): void {
    const previous = this.rules.get(update.name) ?? refuse(NO_PREVIOUS_RULE_APPEND, update.context);
    const { condition, output, description, tags, exceptions } = update;
    if ([condition, output, description, tags, exceptions].every((value) => value === undefined)) {
      refuse('Appended rule must have exceptions or condition property', update.context);
    }
    if (condition !== undefined) previous.condition += ` ${condition}`;
    if (output !== undefined) previous.output += ` ${output}`;
    if (description !== undefined) previous.description += ` ${description}`;
    if (tags !== undefined) previous.tags = new Set([...previous.tags, ...tags]);
    if (exceptions !== undefined) this.#appendExceptions(previous, exceptions, report);
    previous.visibility = this.#next++;
  }

  replaceRule(update: RuleUpdate): void {
    const previous = this.rules.get(update.name) ?? refuse(NO_PREVIOUS_RULE_REPLACE, update.context);
    if (update.condition !== undefined) {
      previous.condition = update.condition;
      previous.conditionContext = update.conditionContext as Context;
    }
    if (update.output !== undefined) {
      previous.output = update.output;
      previous.outputContext = update.outputContext as Context;
    }
    if (update.exceptions !== undefined) {
      for (const exception of update.exceptions) {
        if (exception.fields === null) noFields(exception);
        this.#validate(exception, previous.unknownSource ? null : previous.source);
      }
      previous.exceptions = update.exceptions;
    }
    previous.description = update.description ?? previous.description;
    previous.priority = update.priority ?? previous.priority;
    previous.tags = update.tags ?? previous.tags;
    previous.enabled = update.enabled ?? previous.enabled;
    previous.warnEventTypes = update.warnEventTypes ?? previous.warnEventTypes;
    previous.skipIfUnknownFilter = update.skipIfUnknownFilter ?? previous.skipIfUnknownFilter;
    previous.capture = update.capture ?? previous.capture;
    previous.captureDuration = update.captureDuration ?? previous.captureDuration;
    previous.visibility = this.#next++;
  }

  #appendExceptions(rule: RuleInfo, exceptions: readonly ExceptionInfo[], report: Report): void {
    const merged = [...rule.exceptions];
    for (const exception of exceptions) {
      const at = merged.findIndex((one) => one.name === exception.name);
      const previous = merged[at];
      if (previous === undefined) {
        if (exception.fields === null) noFields(exception);
        if (exception.values.length === 0) {
          refuse('Rule exception must have values property with a list of values', exception.context);
        }
        this.#validate(exception, rule.unknownSource ? null : rule.source);
        merged.push(exception);
        continue;
      }
      if (exception.fields !== null) {
        refuse('Can not append exception fields to existing exception, only values', exception.context);
      }
      if (exception.comps !== null) {
        refuse('Can not append exception comps to existing exception, only values', exception.context);
      }
      if (exception.values.length === 0) {
        report.warn('LOAD_APPEND_NO_VALUES', 'Overriding/appending exception with no values', exception.context);
      }
      merged[at] = { ...previous, values: [...previous.values, ...exception.values] };
    }
    rule.exceptions = merged;
  }

  /** Fills in the operators that an exception leaves out, and checks those that it names. */
  #validate(exception: ExceptionInfo, source: string | null): void {
    const { context } = exception;
    const fields = exception.fields as Entry;
    if ('items' in fields) {
      exception.comps ??= { items: fields.items.map(() => ({ item: '=' })) };
      const comps = exception.comps;
      if (!('items' in comps) || comps.items.length !== fields.items.length) {
        refuse('Fields and comps lists must have equal length', context);
      }
      for (const comp of comps.items) {
        const text = textOf(comp);
        if (!isOperator(text)) refuse(`'${text}' is not a supported comparison operator`, context);
      }
      for (const field of fields.items) this.#requireField(textOf(field), source, context);
      return;
    }
    exception.comps ??= { item: 'in' };
    if ('items' in exception.comps) refuse('Fields and comps must both be strings', context);
    const comp = exception.comps.item;
    const isList = comp === 'in' || comp === 'pmatch' || comp === 'intersects';
    if (!isList && !(isOperator(comp) && comp.includes(' '))) {
      refuse(
        'When fields is a single value, comps must be one of (in, pmatch, intersects) or a modifier operator (e.g. startswith oneof)',
        context,
      );
    }
    this.#requireField(fields.item, source, context);
  }

  #requireField(field: string, source: string | null, context: Context): void {
    if (source !== null && !isFieldOf(this.#catalogue, source, field)) {
      refuse(`'${field}' is not a supported filter field`, context);
    }
  }
}

function noFields(exception: ExceptionInfo): never {
  return refuse('Rule exception must have fields property with a list of fields', exception.context);
}

/** The text of an entry that should not be a list. */
export function textOf(entry: Entry): string {
  return 'item' in entry ? entry.item : '';
}

/** Redefining keeps the place of the first definition, but counts as a change here. */
function define<T extends { readonly name: string }>(
  infos: Map<string, T & { index: number; visibility: number }>,
  info: T,
  at: number,
): void {
  const previous = infos.get(info.name);
  infos.set(info.name, { ...info, index: previous?.index ?? at, visibility: at });
}
