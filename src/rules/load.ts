import { fromByteString, toByteString } from '../bytes.ts';
import type { Expr } from './ast.ts';
import type { FieldCatalogue } from './catalogue.ts';
import { Checker, isUnsafeNaCheck } from './check.ts';
import { Collector, type MacroInfo, type RuleInfo } from './collect.ts';
import { type Context, inExpression, RuleError, sourceText } from './context.ts';
import { eventTypesOf } from './events.ts';
import { FormatError, parseOutput } from './format.ts';
import { ConditionError, MAX_DEPTH, parseCondition, type Unknown } from './parse.ts';
import { readRules } from './read.ts';
import { didYouMean, type FileResult, noteAt, Report } from './report.ts';
import {
  ListSubstitution,
  oversize,
  type ResolvedList,
  resolveLists,
  resolveMacros,
  type Substituted,
  type Unresolved,
  withExceptions,
} from './resolve.ts';
import { type OutputFormat, PRIORITIES, type Priority, type Rule, type RuleSet } from './ruleset.ts';
import { formatVersion, type PluginVersion } from './version.ts';
import { checksOf } from './walk.ts';

export interface RulesFile {
  /** As it is named in results and diagnostics. */
  readonly name: string;
  /** The content, decoded. */
  readonly text: string;
}

export interface LoadOptions {
  /** Rules below it are not compiled; all by default. */
  readonly minPriority?: Priority;
  /** The output string of a rule as it shall be, given as it is written (`append_output`). */
  readonly output?: (rule: { name: string; source: string; tags: readonly string[] }, output: string) => string;
}

/** Everything that the files define, for descriptions. */
export interface Definitions {
  readonly requiredEngineVersion: string;
  readonly requiredPluginVersions: readonly (readonly PluginVersion[])[];
  readonly rules: readonly RuleDefinition[];
  readonly macros: readonly MacroDefinition[];
  readonly lists: readonly ListDefinition[];
}
export interface RuleDefinition {
  readonly info: RuleInfo;
  readonly rule: Rule;
  readonly exceptionFields: ReadonlySet<string>;
}
export interface MacroDefinition {
  readonly info: MacroInfo;
  readonly expr: Expr;
  readonly used: boolean;
}
export interface ListDefinition {
  readonly name: string;
  readonly items: readonly string[];
  readonly resolved: readonly string[];
  readonly used: boolean;
}

export interface LoadResult {
  /** One for each file, in order. */
  readonly files: readonly FileResult[];
  /** The rules of all files together; null when one of them is wrong. */
  readonly ruleSet: RuleSet | null;
  /** As of the last file; null when it is wrong. */
  readonly definitions: Definitions | null;
}

/**
 * Loads rules files one after the other. A later file may redefine, append to and override what earlier ones define,
 * so after each file the whole set must be valid, and its warnings are repeated; the work is done only once.
 *
 * Never throws: whatever is wrong stands in the results.
 */
export function loadRules(
  files: readonly RulesFile[],
  catalogue: FieldCatalogue,
  options: LoadOptions = {},
): LoadResult {
  const collector = new Collector(catalogue);
  const compiler = new Compiler(catalogue, options);
  const results: FileResult[] = [];
  let compiled: Compiled | null = null;
  for (const file of files) {
    const name = toByteString(file.name);
    const report = new Report(file.name);
    const text = toByteString(file.text.replace(/^\ufeff/, ''));
    readRules(sourceText(name, text), collector, report);
    compiled = compiler.compile(collector, report);
    if (report.failed) compiled = null;
    results.push(report.result());
  }
  if (files.length === 0) compiled = compiler.compile(collector, new Report(''));
  const successful = results.every((result) => result.successful);
  return {
    files: results,
    ruleSet: successful && compiled !== null ? { rules: compiled.definitions.rules.map(({ rule }) => rule) } : null,
    definitions: compiled?.definitions ?? null,
  };
}

interface Compiled {
  readonly definitions: Definitions;
}

interface Parsed {
  readonly expr: Expr | null;
  readonly error: ConditionError | null;
}

interface MacroState {
  readonly info: MacroInfo;
  /** Its condition with lists put in. */
  text: string;
  /** null when its condition cannot be read. */
  expr: Expr | null;
  /** Whether the macros in it are put in. */
  isResolved: boolean;
}

/** A condition with macros put in, and what it was made of. */
interface Expansion {
  readonly parsed: Expr;
  readonly parts: readonly Expr[];
  readonly expr: Expr;
}

class Compiler {
  readonly #catalogue: FieldCatalogue;
  readonly #options: LoadOptions;
  readonly #parsed = new Map<string, Parsed>();
  readonly #outputs = new Map<string, OutputFormat>();
  readonly #checkers = new Map<string, Checker>();
  /** Macros as resolved before, so that what did not change is the same object again. */
  readonly #macros = new Map<string, Expansion>();
  readonly #eventTypes = new WeakMap<Expr, Map<string, readonly number[]>>();
  readonly #resolved = new Map<string, Expansion>();

  constructor(catalogue: FieldCatalogue, options: LoadOptions) {
    this.#catalogue = catalogue;
    this.#options = options;
  }

  compile(collector: Collector, report: Report): Compiled | null {
    const usedLists = new Set<string>();
    const usedMacros = new Set<string>();
    let lists: Map<string, ResolvedList>;
    try {
      lists = resolveLists(collector.lists, usedLists);
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      report.error(error.code, error.message, error.context);
      return null;
    }
    const substitution = new ListSubstitution(lists, usedLists);
    const macros = this.#compileMacros(collector, substitution, usedMacros, report);
    const rules: RuleDefinition[] = [];
    const ordered = [...collector.rules.values()].sort((a, b) => a.index - b.index);
    for (const info of ordered) {
      if (info.unknownSource || isBelow(info.priority, this.#options.minPriority)) continue;
      report.guard(() => {
        const definition = this.#compileRule(info, rules.length, macros, substitution, usedMacros, report);
        if (definition !== null) rules.push(definition);
      });
    }
    if (report.failed) return null;
    for (const { info } of macros.values()) {
      if (usedMacros.has(info.name)) continue;
      report.warn('LOAD_UNUSED_MACRO', 'Macro not referred to by any other rule/macro', info.context);
    }
    for (const list of collector.lists.values()) {
      if (usedLists.has(list.name)) continue;
      report.warn('LOAD_UNUSED_LIST', 'List not referred to by any other rule/macro', list.context);
    }
    return { definitions: definitionsOf(collector, rules, macros, lists, usedMacros, usedLists) };
  }

  #parse({ text, origins }: Substituted): Parsed {
    // The same text may come about in different ways; then its values have different origins.
    const key = origins.length === 0 ? text : `${text}\0${JSON.stringify(origins)}`;
    let parsed = this.#parsed.get(key);
    if (parsed === undefined) {
      try {
        parsed = { expr: parseCondition(text, MAX_DEPTH, origins), error: null };
      } catch (error) {
        if (!(error instanceof ConditionError)) throw error;
        parsed = { expr: null, error };
      }
      this.#parsed.set(key, parsed);
    }
    return parsed;
  }

  #parseIn(substituted: Substituted, context: Context): Expr {
    const { expr, error } = this.#parse(substituted);
    if (expr !== null) return expr;
    const { message, offset } = error as ConditionError;
    throw new RuleError('LOAD_ERR_COMPILE_CONDITION', message, inExpression(context, substituted.text, offset));
  }

  #compileMacros(
    collector: Collector,
    substitution: ListSubstitution,
    used: Set<string>,
    report: Report,
  ): Map<string, MacroState> {
    const states = new Map<string, MacroState>();
    const ordered = [...collector.macros.values()].sort((a, b) => a.index - b.index);
    for (const info of ordered) {
      const state: MacroState = { info, text: info.condition, expr: null, isResolved: false };
      states.set(info.name, state);
      report.guard(() => {
        const substituted = substitution.apply(info.condition, info.conditionContext);
        state.text = substituted.text;
        state.expr = this.#parseIn(substituted, info.conditionContext);
      });
    }
    for (const state of states.values()) {
      const parsed = state.expr;
      if (parsed === null) continue;
      state.expr = null;
      report.guard(() => {
        const { info } = state;
        const visible = (name: string) => {
          const other = states.get(name);
          return other !== undefined && other.info.index < info.visibility ? other : undefined;
        };
        state.expr = this.#expand(
          this.#macros,
          info.name,
          parsed,
          visible,
          used,
          state.text,
          info.context,
          states.keys(),
        );
        state.isResolved = true;
      });
    }
    return states;
  }

  /**
   * Puts macros into a parsed condition; the result of last time when nothing in it changed. null when it uses a macro
   * that is wrong itself: that has been reported, and is no reason to report every use of it.
   */
  #expand(
    cache: Map<string, Expansion>,
    key: string,
    parsed: Expr,
    find: (name: string) => MacroState | undefined,
    used: Set<string>,
    text: string,
    context: Context,
    macroNames: Iterable<string>,
  ): Expr | null {
    const parts: Expr[] = [];
    const unresolved: Unresolved[] = [];
    const names = new Set<string>();
    const path = new Set(cache === this.#macros ? [key] : []);
    let isBroken = false;
    const lookUp = (name: string): Expr | Unresolved['reason'] => {
      const state = find(name);
      if (state === undefined) return 'unknown';
      if (path.has(name)) return 'loop';
      names.add(name);
      if (state.expr === null) {
        isBroken = true;
        return { kind: 'constant', value: true, range: [0, 0] };
      }
      let { expr } = state;
      if (!state.isResolved) {
        // Defined later, and visible because this one was changed after it.
        path.add(name);
        expr = resolveMacros(expr, lookUp, unresolved);
        path.delete(name);
      }
      parts.push(expr);
      return named(expr, name);
    };
    const expr = resolveMacros(parsed, lookUp, unresolved);
    const first = unresolved[0];
    if (first !== undefined) {
      const message =
        first.reason === 'loop'
          ? `reference loop in macro '${first.name}'`
          : `Undefined macro '${first.name}' used in filter.`;
      const remedy = first.reason === 'unknown' ? didYouMean(first.name, macroNames) : null;
      throw new RuleError('LOAD_ERR_VALIDATE', message, inExpression(context, text, first.offset), remedy);
    }
    const wrong = oversize(expr);
    if (wrong !== null) {
      throw new RuleError('LOAD_ERR_COMPILE_CONDITION', wrong, inExpression(context, text, 0));
    }
    for (const name of names) used.add(name);
    if (isBroken) return null;
    const before = cache.get(key);
    if (before !== undefined && before.parsed === parsed && sameParts(before.parts, parts)) return before.expr;
    cache.set(key, { parsed, parts, expr });
    return expr;
  }

  #compileRule(
    info: RuleInfo,
    index: number,
    macros: ReadonlyMap<string, MacroState>,
    substitution: ListSubstitution,
    usedMacros: Set<string>,
    report: Report,
  ): RuleDefinition | null {
    const exceptionFields = new Set<string>();
    const substituted = substitution.apply(
      withExceptions(info.condition, info.exceptions, exceptionFields),
      info.conditionContext,
    );
    const { text } = substituted;
    const parsed = this.#parseIn(substituted, info.conditionContext);
    const find = (name: string) => macros.get(name);
    const expanded = this.#expand(
      this.#resolved,
      info.name,
      parsed,
      find,
      usedMacros,
      text,
      info.context,
      macros.keys(),
    );
    if (expanded === null) return null;
    if (factsOf(expanded).unsafeNaCheck) report.warn('LOAD_UNSAFE_NA_CHECK', '', info.context);
    const checker = this.#checker(info.source);
    const output = this.#compileOutput(info, checker, report);
    if (output === null) return null;
    const condition = this.#checkCondition(info, expanded, text, checker, macros, report);
    if (condition === null) return null;
    this.#warnDeprecated(info, expanded, text, output, report);
    const eventTypes = this.#eventTypesOf(condition, info.source);
    if (info.source === 'syscall' && info.warnEventTypes && eventTypes.length > 100) {
      report.warn(
        'LOAD_NO_EVTTYPE',
        'Rule matches too many evt.type values. This has a significant performance penalty.',
        info.context,
      );
    }
    const position = info.context.locations.at(-1)?.position;
    return {
      info,
      exceptionFields,
      rule: {
        index,
        name: fromByteString(info.name),
        description: fromByteString(info.description),
        condition,
        conditionText: fromByteString(info.condition),
        output,
        priority: info.priority,
        source: fromByteString(info.source),
        tags: [...info.tags].map(fromByteString).sort(),
        enabled: info.enabled,
        capture: info.capture,
        captureDuration: info.captureDuration,
        eventTypes,
        file: fromByteString(info.context.source.name),
        line: (position?.line ?? 0) + 1,
      },
    };
  }

  #compileOutput(info: RuleInfo, checker: Checker, report: Report): OutputFormat | null {
    const { output } = this.#options;
    const own = info.output.replaceAll(CONTAINER_INFO, '');
    if (own !== info.output) report.warnDeprecatedField('container.info', noContainerInfo, info.outputContext);
    const text =
      output === undefined
        ? own
        : toByteString(
            output(
              {
                name: fromByteString(info.name),
                source: fromByteString(info.source),
                tags: [...info.tags].map(fromByteString),
              },
              fromByteString(own),
            ),
          );
    const key = `${info.source}\0${text}`;
    const known = this.#outputs.get(key);
    if (known !== undefined) return known;
    try {
      const format = parseOutput(text, (operand) => {
        const bound = checker.operand(operand);
        if (bound.kind === 'field' && bound.spec?.filterOnly) {
          throw new ConditionError(`filter_check called with nonexistent field ${operand.name}`, operand.range[0]);
        }
        return bound;
      });
      this.#outputs.set(key, format);
      return format;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      if (info.skipIfUnknownFilter && isUnknown(error.message)) {
        report.warn('LOAD_UNKNOWN_FILTER', error.message, info.outputContext);
        return null;
      }
      const remedy = this.#guess(error.unknown, info.source);
      throw new RuleError('LOAD_ERR_COMPILE_OUTPUT', error.message, info.outputContext, remedy);
    }
  }

  #checkCondition(
    info: RuleInfo,
    expanded: Expr,
    text: string,
    checker: Checker,
    macros: ReadonlyMap<string, MacroState>,
    report: Report,
  ): Expr | null {
    try {
      const { expr, warnings } = checker.check(expanded);
      for (const { message, offset } of warnings) {
        report.warn('LOAD_COMPILE_CONDITION', message, inExpression(info.conditionContext, text, offset));
      }
      return expr;
    } catch (error) {
      if (!(error instanceof ConditionError)) throw error;
      const context = inExpression(info.conditionContext, text, error.offset);
      const notes = error.macros.flatMap((name) => {
        const macro = macros.get(name);
        return macro === undefined ? [] : [noteAt(`macro '${name}' defined here`, macro.info.context)];
      });
      if (info.skipIfUnknownFilter && isUnknown(error.message)) {
        report.warn('LOAD_UNKNOWN_FILTER', error.message, context, { notes });
        return null;
      }
      const remedy = this.#guess(error.unknown, info.source);
      report.error('LOAD_ERR_COMPILE_CONDITION', error.message, context, { notes, remedy });
      return null;
    }
  }

  #warnDeprecated(info: RuleInfo, expanded: Expr, text: string, output: OutputFormat, report: Report): void {
    const { deprecated } = factsOf(expanded);
    for (const name of deprecated) {
      const message = DEPRECATED.get(name) as string;
      report.warnDeprecatedField(name, message, inExpression(info.conditionContext, text, null));
    }
    for (const part of output.parts) {
      const name = part.kind === 'field' && part.operand.kind === 'field' ? part.operand.name : '';
      const message = DEPRECATED.get(name);
      if (message !== undefined) report.warnDeprecatedField(name, message, info.outputContext);
    }
  }

  /** What may have been meant by a name that does not exist; null without an idea. */
  #guess(unknown: Unknown | null, source: string): string | null {
    if (unknown === null) return null;
    const names =
      unknown.kind === 'field'
        ? this.#catalogue.fieldNames(source)
        : this.#catalogue.eventNames(this.#catalogue.allEventTypes(source));
    return didYouMean(unknown.name, names);
  }

  #checker(source: string): Checker {
    let checker = this.#checkers.get(source);
    if (checker === undefined) {
      checker = new Checker(this.#catalogue, source);
      this.#checkers.set(source, checker);
    }
    return checker;
  }

  #eventTypesOf(condition: Expr, source: string): readonly number[] {
    let bySource = this.#eventTypes.get(condition);
    if (bySource === undefined) {
      bySource = new Map();
      this.#eventTypes.set(condition, bySource);
    }
    let types = bySource.get(source);
    if (types === undefined) {
      types = eventTypesOf(condition, source, this.#catalogue);
      bySource.set(source, types);
    }
    return types;
  }
}

/** What old rules wrote where the configuration should put the container's fields. */
const CONTAINER_INFO = '%container.info';
const noContainerInfo =
  "'%container.info' is ignored: the configuration says which fields are added to outputs ('append_output')";

const noDirection =
  "due to the drop of enter events, 'evt.dir = <' always evaluates to true, and 'evt.dir = >' always evaluates to false. The rule expression can be simplified by removing the condition on 'evt.dir'";
const noLatency = (name: string) => `due to the drop of enter events, '${name}' never has a value`;

/** Fields that rules should not use any more, and why. */
const DEPRECATED: ReadonlyMap<string, string> = new Map([
  ['evt.dir', noDirection],
  ...['evt.latency', 'evt.latency.s', 'evt.latency.ns', 'evt.latency.human', 'evt.wait_latency'].map(
    (name) => [name, noLatency(name)] as const,
  ),
]);

interface Facts {
  readonly unsafeNaCheck: boolean;
  /** The deprecated fields in it. */
  readonly deprecated: readonly string[];
}

const facts = new WeakMap<Expr, Facts>();

function factsOf(expr: Expr): Facts {
  let known = facts.get(expr);
  if (known === undefined) {
    const checks = checksOf(expr);
    const names = new Set(checks.map(({ left }) => (left.kind === 'field' ? left.name : '')));
    known = {
      unsafeNaCheck: checks.some(isUnsafeNaCheck),
      deprecated: [...DEPRECATED.keys()].filter((name) => names.has(name)),
    };
    facts.set(expr, known);
  }
  return known;
}

const memo = new WeakMap<Expr, Map<string, Expr>>();

/** The expression marked with the macro that it came from; the same object for the same macro. */
function named(expr: Expr, name: string): Expr {
  if (expr.kind === 'macro' || expr.kind === 'constant') return expr;
  let byName = memo.get(expr);
  if (byName === undefined) {
    byName = new Map();
    memo.set(expr, byName);
  }
  let marked = byName.get(name);
  if (marked === undefined) {
    marked = { ...expr, macro: name };
    byName.set(name, marked);
  }
  return marked;
}

function sameParts(a: readonly Expr[], b: readonly Expr[]): boolean {
  return a.length === b.length && a.every((part, i) => part === b[i]);
}

function isBelow(priority: Priority, minimum: Priority | undefined): boolean {
  return minimum !== undefined && PRIORITIES.indexOf(priority) > PRIORITIES.indexOf(minimum);
}

/** Errors that `skip-if-unknown-filter` forgives. */
function isUnknown(message: string): boolean {
  return ['nonexistent field', 'invalid formatting token', 'unknown event type', 'unknown filter:'].some((text) =>
    message.includes(text),
  );
}

function definitionsOf(
  collector: Collector,
  rules: readonly RuleDefinition[],
  macros: ReadonlyMap<string, MacroState>,
  lists: ReadonlyMap<string, ResolvedList>,
  usedMacros: ReadonlySet<string>,
  usedLists: ReadonlySet<string>,
): Definitions {
  return {
    requiredEngineVersion: formatVersion(collector.requiredEngine),
    requiredPluginVersions: collector.requiredPlugins,
    rules,
    macros: [...macros.values()].map(({ info, expr }) => ({
      info,
      expr: expr as Expr,
      used: usedMacros.has(info.name),
    })),
    lists: [...collector.lists.values()].map((list) => ({
      name: list.name,
      items: [...list.items],
      resolved: lists.get(list.name)?.items ?? [],
      used: usedLists.has(list.name),
    })),
  };
}
