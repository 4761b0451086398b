import type { Expr } from './ast.ts';
import type { Entry, ExceptionInfo, ListInfo } from './collect.ts';
import { textOf } from './collect.ts';
import { RuleError } from './context.ts';
import { isListOperator } from './parse.ts';

/** Lists, exceptions and macros: how a condition as written becomes the condition that is judged. */

export interface ResolvedList {
  readonly name: string;
  readonly items: readonly string[];
  /** The items as they are put into conditions. */
  readonly text: string;
}

/**
 * Lists with the lists that they hold put in: of a list that was defined earlier its items as they were written, so
 * one level only.
 * @param used gets the names of lists that others hold.
 */
export function resolveLists(lists: ReadonlyMap<string, ListInfo>, used: Set<string>): Map<string, ResolvedList> {
  const resolved = new Map<string, ResolvedList>();
  for (const list of lists.values()) {
    const items = list.items.flatMap((item) => {
      const other = lists.get(item);
      if (other === undefined || other.index >= list.visibility) return [item];
      used.add(other.name);
      return other.items;
    });
    resolved.set(list.name, { name: list.name, items, text: items.map(quoted).join(', ') });
  }
  return resolved;
}

/** Texts with a blank are put in quotes, unless they are already. */
function quoted(text: string): string {
  return text.includes(' ') && text[0] !== '"' && text[0] !== "'" ? `"${text}"` : text;
}

const BLANKS = ' \t\n\r';
const DELIMITERS = `${BLANKS}(),=`;

/**
 * Puts the items of lists in place of their names. Falco does this in the text, before parsing: a name is replaced
 * wherever delimiters stand around it, within quotes too, and list after list, so that what one list put in may name
 * the next.
 */
export class ListSubstitution {
  readonly #lists: readonly ResolvedList[];
  /** Position of each list by its first characters, to find candidates without trying every list. */
  readonly #byWord = new Map<string, number[]>();
  readonly #unusual: number[] = [];
  readonly #used: Set<string>;

  /** @param used gets the names of lists that were put in somewhere. */
  constructor(lists: ReadonlyMap<string, ResolvedList>, used: Set<string>) {
    this.#lists = [...lists.values()];
    this.#used = used;
    for (const [i, { name }] of this.#lists.entries()) {
      if (/[\s(),=]/.test(name) || name === '') this.#unusual.push(i);
      else this.#byWord.set(name, [...(this.#byWord.get(name) ?? []), i]);
    }
  }

  apply(condition: string): string {
    let text = condition;
    let done = -1;
    // Only lists whose name stands in the text as a word can have an effect, in the order of definition.
    for (let next = this.#next(text, done); next !== undefined; next = this.#next(text, done)) {
      const list = this.#lists[next] as ResolvedList;
      const replaced = substitute(text, list);
      if (replaced !== null) {
        this.#used.add(list.name);
        text = replaced;
      }
      done = next;
    }
    return text;
  }

  #next(text: string, after: number): number | undefined {
    let best: number | undefined = this.#unusual.find((i) => i > after);
    for (const word of text.split(/[ \t\n\r(),=]+/)) {
      for (const i of this.#byWord.get(word) ?? []) {
        if (i > after && (best === undefined || i < best)) best = i;
      }
    }
    return best;
  }
}

/** The text with a list put in; null when its name does not stand in it. */
export function substitute(condition: string, list: ResolvedList): string | null {
  if (list.name === '') return null;
  let text = condition;
  let used = false;
  for (let start = text.indexOf(list.name); start !== -1; start = text.indexOf(list.name, start + 1)) {
    let end = start + list.name.length;
    const before = start === 0 || DELIMITERS.includes(text[start - 1] as string);
    const after = end >= text.length || DELIMITERS.includes(text[end] as string);
    if (!before || !after) continue;
    while (start > 0 && BLANKS.includes(text[start - 1] as string)) start--;
    while (end < text.length && BLANKS.includes(text[end] as string)) end++;
    if (list.items.length === 0) {
      // An empty list takes a comma with it.
      if (text[start - 1] === ',') start--;
      else if (text[end] === ',') end++;
    }
    const head = start > 0 ? `${text.slice(0, start)} ` : '';
    text = `${head}${list.text} ${text.slice(end)}`;
    start += list.text.length + 1;
    used = true;
  }
  return used ? text : null;
}

/**
 * The condition with its exceptions: `(condition) and not (( f op v and g op w) or (…))`.
 * @param fields gets the fields that exceptions with values name.
 * @throws RuleError when values do not fit the fields.
 */
export function withExceptions(condition: string, exceptions: readonly ExceptionInfo[], fields: Set<string>): string {
  if (exceptions.length === 0) return condition;
  const parts = exceptions.map((exception) => exceptionText(exception, fields)).filter((text) => text !== '');
  return [`(${condition})`, ...parts].join(' and not ');
}

function exceptionText(exception: ExceptionInfo, used: Set<string>): string {
  const fields = exception.fields as Entry;
  const comps = exception.comps as Entry;
  if ('item' in fields) {
    const values = exception.values.map((value) => {
      if (!('item' in value)) {
        throw new RuleError(
          'LOAD_ERR_VALIDATE',
          'Expected values array to contain a list of strings',
          exception.context,
        );
      }
      return quoted(value.item);
    });
    if (values.length === 0) return '';
    used.add(fields.item);
    return `${fields.item} ${textOf(comps)} (${values.join(', ')})`;
  }
  const operators = 'items' in comps ? comps.items.map(textOf) : [];
  const tuples = exception.values.map((value) => {
    const members = 'items' in value ? value.items : [];
    if (members.length !== fields.items.length) {
      throw new RuleError('LOAD_ERR_VALIDATE', 'Fields and values lists must have equal length', exception.context);
    }
    return members.map((member, i) => {
      const field = textOf(fields.items[i] as Entry);
      const operator = operators[i] as string;
      used.add(field);
      return ` ${field} ${operator} ${memberText(member, operator)}`;
    });
  });
  return tuples.length === 0 ? '' : `(${tuples.map((members) => `(${members.join(' and ')})`).join(' or ')})`;
}

function memberText(member: Entry, operator: string): string {
  if ('items' in member) return `(${member.items.map((item) => quoted(textOf(item))).join(', ')})`;
  if (!isListOperator(operator)) return quoted(member.item);
  return member.item.startsWith('(') ? member.item : `(${member.item})`;
}

/** A bare identifier that names no visible macro, or one that holds itself. */
export interface UnknownMacro {
  readonly name: string;
  readonly offset: number;
}

/**
 * Puts macros in place of their names.
 * @param macros the resolved condition of a visible macro; undefined for other names.
 * @param used gets the names that were put in, those within macros too.
 * @param unknown gets the names that are not visible.
 */
export function resolveMacros(
  expr: Expr,
  macros: (name: string) => Expr | undefined,
  used: Set<string>,
  unknown: UnknownMacro[],
): Expr {
  switch (expr.kind) {
    case 'and':
    case 'or': {
      const children = expr.children.map((child) => resolveMacros(child, macros, used, unknown));
      return children.every((child, i) => child === expr.children[i]) ? expr : { ...expr, children };
    }
    case 'not': {
      const child = resolveMacros(expr.child, macros, used, unknown);
      return child === expr.child ? expr : { ...expr, child };
    }
    case 'macro': {
      const macro = macros(expr.name);
      if (macro === undefined) {
        unknown.push({ name: expr.name, offset: expr.range[0] });
        return expr;
      }
      used.add(expr.name);
      return macro;
    }
    default:
      return expr;
  }
}
