import type { Expr } from './ast.ts';
import type { Entry, ExceptionInfo, ListInfo } from './collect.ts';
import { textOf } from './collect.ts';
import { type Context, RuleError } from './context.ts';
import { isListOperator, MAX_DEPTH, type Origin } from './parse.ts';
import { childrenOf } from './walk.ts';

/** Lists, exceptions and macros: how a condition as written becomes the condition that is judged. */

export interface ResolvedList {
  readonly name: string;
  readonly items: readonly string[];
  /** The items as they are put into conditions. */
  readonly text: string;
}

/** Limits to what small files can blow up to; no honest rules come near them. */
const MAX_ITEMS = 200_000;
const MAX_CONDITION_BYTES = 1_000_000;
const MAX_SUBSTITUTIONS = 2000;
const MAX_CONDITION_NODES = 200_000;

/**
 * Lists with the lists that they hold put in: of a list that was defined earlier its items as they were written, so
 * one level only.
 * @param used gets the names of lists that others hold.
 */
export function resolveLists(lists: ReadonlyMap<string, ListInfo>, used: Set<string>): Map<string, ResolvedList> {
  const resolved = new Map<string, ResolvedList>();
  for (const list of lists.values()) {
    const items: string[] = [];
    for (const item of list.items) {
      const other = lists.get(item);
      if (other === undefined || other.index >= list.visibility) {
        items.push(item);
        continue;
      }
      used.add(other.name);
      if (items.length + other.items.length > MAX_ITEMS) {
        throw new RuleError('LOAD_ERR_VALIDATE', `List holds more than ${MAX_ITEMS} items`, list.context);
      }
      for (const one of other.items) items.push(one);
    }
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

export interface Substituted {
  readonly text: string;
  readonly origins: readonly Origin[];
}

/**
 * Puts the items of lists in place of their names. Falco does this in the text, before parsing: a name is replaced
 * wherever delimiters stand around it, within quotes too, and list after list, so that what one list put in may name
 * the next.
 */
export class ListSubstitution {
  readonly #lists: readonly ResolvedList[];
  /** Position of each list by its name, so that only those are tried whose name stands in the text as a word. */
  readonly #byName = new Map<string, number>();
  /** Lists whose names are no words. */
  readonly #unusual: number[] = [];
  readonly #used: Set<string>;

  /** @param used gets the names of lists that were put in somewhere. */
  constructor(lists: ReadonlyMap<string, ResolvedList>, used: Set<string>) {
    this.#lists = [...lists.values()];
    this.#used = used;
    for (const [i, { name }] of this.#lists.entries()) {
      if (/[\s(),=]/.test(name)) this.#unusual.push(i);
      else this.#byName.set(name, i);
    }
  }

  /** @throws RuleError for a condition that lists, one in the other, make immense. */
  apply(condition: string, context: Context): Substituted {
    let substituted: Substituted = { text: condition, origins: [] };
    const candidates = new Set(this.#unusual);
    const add = (text: string): void => {
      for (const word of text.split(/[ \t\n\r(),=]+/)) {
        const i = this.#byName.get(word);
        if (i !== undefined) candidates.add(i);
      }
    };
    add(condition);
    if (candidates.size === 0) return substituted;
    for (const [i, list] of this.#lists.entries()) {
      const replaced = candidates.has(i) ? substitute(substituted, list) : null;
      if (replaced === null) continue;
      if (replaced === 'oversize') {
        const message = `condition exceeds ${MAX_CONDITION_BYTES} bytes or ${MAX_SUBSTITUTIONS} lists once these are put in`;
        throw new RuleError('LOAD_ERR_COMPILE_CONDITION', message, context);
      }
      this.#used.add(list.name);
      substituted = replaced;
      add(list.text);
    }
    return substituted;
  }
}

/** The text with a list put in; null when its name does not stand in it. */
function substitute(condition: Substituted, list: ResolvedList): Substituted | 'oversize' | null {
  let { text } = condition;
  let { origins } = condition;
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
    const rest = head.length + list.text.length + 1;
    origins = [
      ...origins.map((origin) => shifted(origin, start, end, rest)),
      { start: head.length, end: head.length + list.text.length, list: list.name },
    ];
    text = `${head}${list.text} ${text.slice(end)}`;
    start += list.text.length + 1;
    used = true;
    if (text.length > MAX_CONDITION_BYTES || origins.length > MAX_SUBSTITUTIONS) return 'oversize';
  }
  return used ? { text, origins } : null;
}

/** Where an origin is after [start, end) was replaced, and what followed it now begins at `rest`. */
function shifted(origin: Origin, start: number, end: number, rest: number): Origin {
  if (origin.end <= start) return origin;
  const by = rest - end;
  return { ...origin, start: origin.start >= end ? origin.start + by : origin.start, end: origin.end + by };
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

/** A bare identifier that could not be replaced. */
export interface Unresolved {
  readonly name: string;
  readonly offset: number;
  /** `loop`: the macro holds itself; `unknown`: none of that name is visible. */
  readonly reason: 'loop' | 'unknown';
}

/**
 * Puts macros in place of their names.
 * @param macro the condition of a macro, with the macros in it put in, or why there is none.
 * @param unresolved gets the names that stay.
 */
export function resolveMacros(
  expr: Expr,
  macro: (name: string) => Expr | Unresolved['reason'],
  unresolved: Unresolved[],
): Expr {
  switch (expr.kind) {
    case 'and':
    case 'or': {
      const children = expr.children.map((child) => resolveMacros(child, macro, unresolved));
      return children.every((child, i) => child === expr.children[i]) ? expr : { ...expr, children };
    }
    case 'not': {
      const child = resolveMacros(expr.child, macro, unresolved);
      return child === expr.child ? expr : { ...expr, child };
    }
    case 'macro': {
      const found = macro(expr.name);
      if (typeof found !== 'string') return found;
      unresolved.push({ name: expr.name, offset: expr.range[0], reason: found });
      return expr;
    }
    default:
      return expr;
  }
}

interface Measure {
  readonly depth: number;
  readonly nodes: number;
}

const measures = new WeakMap<Expr, Measure>();

/** Depth and size of a tree in which macros share their parts: each part is measured once. */
function measure(expr: Expr): Measure {
  let known = measures.get(expr);
  if (known === undefined) {
    let depth = 0;
    let nodes = 1;
    for (const child of childrenOf(expr)) {
      const below = measure(child);
      depth = Math.max(depth, below.depth);
      nodes += below.nodes;
    }
    known = { depth: depth + 1, nodes };
    measures.set(expr, known);
  }
  return known;
}

/** What is wrong with the size of a condition whose macros are put in; null when nothing is. */
export function oversize(expr: Expr): string | null {
  const { depth, nodes } = measure(expr);
  if (depth > MAX_DEPTH) return `exceeded max depth limit of ${MAX_DEPTH}`;
  return nodes > MAX_CONDITION_NODES
    ? `condition exceeds ${MAX_CONDITION_NODES} terms once its macros are put in`
    : null;
}
