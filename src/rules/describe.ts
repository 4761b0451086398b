import { fromByteString } from '../bytes.ts';
import type { Expr, Operand, Right } from './ast.ts';
import type { FieldCatalogue } from './catalogue.ts';
import { literalsOf } from './check.ts';
import type { Entry } from './collect.ts';
import { textOf } from './collect.ts';
import { eventTypesOf } from './events.ts';
import type { Definitions, ListDefinition, MacroDefinition, RuleDefinition } from './load.ts';
import { parseCondition } from './parse.ts';
import { print } from './print.ts';
import { fieldsOf } from './walk.ts';

/** What `-L` and `-l` tell of the loaded rules, in the shape of Falco's JSON (keys in alphabetical order). */

export interface Description {
  readonly lists?: readonly object[];
  readonly macros?: readonly object[];
  readonly required_engine_version?: string;
  readonly required_plugin_versions?: readonly object[];
  readonly rules: readonly { readonly info: { readonly name: string; readonly description: string } }[];
}

export interface DescribeOptions {
  /** Names of the plugins that rules with these fields in this source depend on. */
  readonly plugins?: (fields: readonly string[], source: string) => readonly string[];
  /** Fields that the configuration adds to a rule's alerts (`append_output`), by name. */
  readonly extraFields?: (rule: RuleDefinition) => Readonly<Record<string, string>>;
}

/** Everything that is loaded. */
export function describeAll(
  definitions: Definitions,
  catalogue: FieldCatalogue,
  options: DescribeOptions = {},
): Description {
  const context = new Describer(definitions, catalogue, options);
  return {
    lists: definitions.lists.map((list) => context.list(list)),
    macros: definitions.macros.map((macro) => context.macro(macro)),
    required_engine_version: definitions.requiredEngineVersion,
    required_plugin_versions: definitions.requiredPluginVersions.map(([first, ...alternatives]) => ({
      ...(alternatives.length === 0
        ? {}
        : { alternatives: alternatives.map(({ name, version }) => ({ name, version })) }),
      name: first?.name,
      version: first?.version,
    })),
    rules: definitions.rules.map((rule) => context.rule(rule)),
  };
}

/** One rule; null when no rule of that name is loaded. */
export function describeRule(
  definitions: Definitions,
  name: string,
  catalogue: FieldCatalogue,
  options: DescribeOptions = {},
): Description | null {
  const rule = definitions.rules.find((one) => one.rule.name === name);
  return rule === undefined ? null : { rules: [new Describer(definitions, catalogue, options).rule(rule)] };
}

interface Details {
  readonly macros: Set<string>;
  readonly lists: Set<string>;
  readonly operators: Set<string>;
  readonly fields: Set<string>;
}

class Describer {
  readonly #catalogue: FieldCatalogue;
  readonly #options: DescribeOptions;
  readonly #lists: ReadonlySet<string>;

  constructor(definitions: Definitions, catalogue: FieldCatalogue, options: DescribeOptions) {
    this.#catalogue = catalogue;
    this.#options = options;
    this.#lists = new Set(definitions.lists.map(({ name }) => name));
  }

  rule(definition: RuleDefinition) {
    const { info, rule, exceptionFields } = definition;
    const written = this.#written(info.condition);
    const compiled = this.#details(rule.condition);
    const fields = sorted(compiled.fields);
    const extra = this.#options.extraFields?.(definition) ?? {};
    return {
      details: {
        condition_compiled: fromByteString(print(rule.condition)),
        condition_fields: fields,
        condition_operators: sorted(compiled.operators),
        events: this.#events(rule.eventTypes),
        exception_fields: sorted(exceptionFields),
        exception_names: sorted(new Set(info.exceptions.map(({ name }) => name))),
        exception_operators: sorted(new Set(info.exceptions.flatMap(({ comps }) => operatorsOf(comps)))),
        ...(Object.keys(extra).length === 0 ? {} : { extra_output_formatted_fields: extra }),
        lists: sorted(written.lists),
        macros: sorted(written.macros),
        output_compiled: fromByteString(rule.output.text),
        output_fields: rule.output.parts.flatMap((part) => (part.kind === 'field' ? [fromByteString(part.key)] : [])),
        plugins: this.#plugins(fields, rule.source),
      },
      info: {
        capture: rule.capture,
        capture_duration: rule.captureDuration,
        condition: rule.conditionText,
        description: rule.description,
        enabled: rule.enabled,
        name: rule.name,
        output: fromByteString(info.output),
        priority: rule.priority,
        source: rule.source,
        tags: rule.tags,
      },
    };
  }

  macro({ info, expr, used }: MacroDefinition): object {
    const written = this.#written(info.condition);
    const compiled = this.#details(expr);
    const fields = sorted(compiled.fields);
    return {
      details: {
        condition_compiled: fromByteString(print(expr)),
        condition_fields: fields,
        condition_operators: sorted(compiled.operators),
        events: this.#events(eventTypesOf(expr, 'syscall', this.#catalogue)),
        lists: sorted(written.lists),
        macros: sorted(written.macros),
        plugins: this.#plugins(fields, ''),
        used,
      },
      info: { condition: fromByteString(info.condition), name: fromByteString(info.name) },
    };
  }

  list(list: ListDefinition): object {
    return {
      details: {
        items_compiled: list.resolved.map(fromByteString),
        lists: sorted(new Set(list.items.filter((item) => this.#lists.has(item)))),
        plugins: [],
        used: list.used,
      },
      info: { items: list.items.map(fromByteString), name: fromByteString(list.name) },
    };
  }

  #plugins(fields: readonly string[], source: string): readonly string[] {
    return this.#options.plugins?.(fields, source) ?? [];
  }

  #events(codes: readonly number[]): string[] {
    const asynchronous = this.#catalogue.eventTypes('asyncevent') ?? [];
    const names = this.#catalogue.eventNames([...new Set([...codes, ...asynchronous])]);
    return [...new Set(names)].sort();
  }

  /** Macros and lists that a condition names itself, before anything is put in. */
  #written(condition: string): Details {
    try {
      return this.#details(parseCondition(condition));
    } catch {
      // Only a list that stands without brackets keeps a condition from being read before lists are put in.
      return { macros: new Set(), lists: new Set(), operators: new Set(), fields: new Set() };
    }
  }

  #details(expr: Expr): Details {
    const details: Details = { macros: new Set(), lists: new Set(), operators: new Set(), fields: new Set() };
    this.#visit(expr, details);
    return details;
  }

  #visit(expr: Expr, details: Details): void {
    switch (expr.kind) {
      case 'and':
      case 'or':
        for (const child of expr.children) this.#visit(child, details);
        return;
      case 'not':
        this.#visit(expr.child, details);
        return;
      case 'macro':
        details.macros.add(expr.name);
        return;
      case 'check':
        details.operators.add(expr.modifier === null ? expr.operator : `${expr.operator} ${expr.modifier}`);
        for (const name of namesOf(expr.left)) details.fields.add(name);
        this.#visitRight(expr.right, details);
        return;
      case 'constant':
        return;
    }
  }

  #visitRight(right: Right | null, details: Details): void {
    if (right?.kind === 'operand') {
      for (const name of namesOf(right.operand)) details.fields.add(name);
    } else if (right?.kind !== 'value') {
      for (const { text } of literalsOf(right)) if (this.#lists.has(text)) details.lists.add(text);
    }
  }
}

function namesOf(operand: Operand): string[] {
  return fieldsOf(operand).map(({ name, argument }) => (argument === null ? name : `${name}[${argument}]`));
}

function operatorsOf(comps: Entry | null): string[] {
  if (comps === null) return [];
  return 'items' in comps ? comps.items.map(textOf) : [comps.item];
}

function sorted(names: ReadonlySet<string>): string[] {
  return [...names].map(fromByteString).sort();
}

/** Columns of the table of rules: names to here, then descriptions up to the line's end. */
const NAME_WIDTH = 50;
const LINE_WIDTH = 110;

/** The table that `-L` and `-l` print without `json_output`. */
export function descriptionAsText(description: Description): string {
  const row = (name: string, text: string) => `${name.padEnd(NAME_WIDTH)} ${text}\n`;
  const rows = description.rules.map(({ info }) => row(info.name, `${wrap(info.description)}\n`));
  return row('Rule', 'Description') + row('----', '-----------') + rows.join('');
}

function wrap(text: string): string {
  let out = '';
  let width = 0;
  for (const word of text.split(/\s+/)) {
    if (word === '') continue;
    if (width + word.length + 1 > LINE_WIDTH - NAME_WIDTH - 1) {
      out += `\n${' '.repeat(NAME_WIDTH + 1)}`;
      width = 0;
    }
    out += `${word} `;
    width += word.length + 1;
  }
  return out;
}
