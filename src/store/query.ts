import { fromByteString } from '../bytes.ts';
import { type Check, childrenOf, type Expr, fieldsIn, PRIORITIES, parseCondition } from '../rules/index.ts';
import { type Alert, messageOf, textOf } from './alert.ts';
import { evaluateCheck } from './evaluate.ts';
import type { Json } from './json.ts';
import type { Series } from './store.ts';
import { fieldTerm, isIndexed, type Need, words } from './terms.ts';

/**
 * The query language: Falco's conditions over stored alerts, read by the rules' own parser.
 *
 * What depends on an alert's series only (rule, priority, host, image, …) is decided once per series; what is left
 * narrows the alerts by the terms of the index (`proc.name = cat`); what even that leaves open (`contains`, `glob`)
 * is tested on the alerts themselves.
 */
export interface Query {
  /** As typed. */
  readonly text: string;
  decide(series: Series): Verdict;
  /** Whether an alert matches, when its series leaves that open. */
  test(alert: Alert, series: Series): boolean;
}

export interface Verdict {
  /** null: depends on the alert. */
  readonly result: boolean | null;
  /** Series with the same key leave the same rest of the query open. */
  readonly key: string;
  /** Terms that a matching alert must have; null when nothing is known. */
  readonly need: Need | null;
  /** True when the terms are all that it takes. */
  readonly exact: boolean;
}

/** What is wrong with a query, and where in its text. */
export class QueryError extends Error {
  override readonly name = 'QueryError';
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

/** Names that may be written without a dot, and the field that they stand for. */
export const SHORT_NAMES: Readonly<Record<string, string>> = {
  rule: 'alert.rule',
  priority: 'alert.priority',
  source: 'alert.source',
  tags: 'alert.tags',
  output: 'alert.output',
  text: 'alert.text',
  host: 'alert.host',
  hostname: 'alert.host',
  workload: 'alert.workload',
  namespace: 'k8s.ns.name',
  image: 'container.image.repository',
  group: 'alert.group',
};

type OfSeries = (series: Series) => string | readonly string[] | number;
/** Fields that a series has, so that an alert need not be read for them. */
const SERIES_FIELDS: Readonly<Record<string, OfSeries>> = {
  'alert.rule': (series) => series.rule,
  'alert.priority': (series) => PRIORITIES[series.priority] as string,
  'alert.source': (series) => series.source,
  'alert.tags': (series) => series.tags,
  'alert.host': (series) => series.host,
  'alert.workload': (series) => series.workload,
  'alert.group': (series) => series.group,
  'k8s.ns.name': (series) => series.namespace,
  'container.image.repository': (series) => series.image,
};

/** An operator after a short name: what makes it a field and not a word. */
const SHORT_FIELD = new RegExp(
  `"(?:\\\\.|[^"])*"|'(?:\\\\.|[^'])*'|(?<![\\w.-])(${Object.keys(SHORT_NAMES).join('|')})(?=\\s*(?:==?|!=|<=?|>=?)|\\s+(?:exists|in|intersects|pmatch|i?contains|startswith|endswith|i?glob|regex)\\b)`,
  'g',
);

const OPERATOR = /[=<>!]|\b(and|or|not|in|exists|intersects|pmatch|i?contains|startswith|endswith|i?glob|regex)\b/;

/** Reads a query; plain words mean alerts whose text has them all. null for an empty one. Throws {@link QueryError}. */
export function parseQuery(text: string): Query | null {
  if (text.trim() === '') return null;
  const shifts: { at: number; by: number }[] = [];
  let condition: string;
  if (OPERATOR.test(text)) {
    condition = text.replace(SHORT_FIELD, (whole, short: string | undefined, at: number) => {
      if (short === undefined) return whole;
      const long = SHORT_NAMES[short] as string;
      shifts.push({ at, by: long.length - short.length });
      return long;
    });
  } else {
    condition = `alert.text = "${text.trim().replace(/["\\]/g, ' ')}"`;
  }
  let expr: Expr;
  try {
    expr = parseCondition(condition, 200);
    refuseMacros(expr);
  } catch (error) {
    // The offset is one in the text with the long names.
    let offset = (error as { offset?: number }).offset ?? 0;
    for (const { at, by } of shifts.reverse()) if (offset > at) offset = Math.max(at, offset - by);
    throw new QueryError((error as Error).message, Math.min(offset, text.length));
  }
  return compile(text, expr);
}

/** A query from a condition that is parsed already (a rule's, or an exception's). */
export function compile(text: string, expr: Expr): Query {
  const known = new WeakMap<Series, Verdict>();
  const groups = new WeakMap<Series, number>();
  return {
    text,
    decide: (series) => {
      const old = known.get(series);
      // The group of a series changes when groups are merged or split; nothing else does.
      if (old !== undefined && groups.get(series) === series.group) return old;
      const rest = reduce(expr, series);
      let verdict: Verdict;
      if (typeof rest === 'boolean') {
        verdict = { result: rest, key: String(rest), need: null, exact: true };
      } else {
        const { need, exact } = needOf(rest);
        verdict = { result: null, key: keyOf(rest), need, exact };
      }
      known.set(series, verdict);
      groups.set(series, series.group);
      return verdict;
    },
    test: (alert, series) => evaluate(expr, alert, series),
  };
}

function refuseMacros(expr: Expr): void {
  if (expr.kind === 'macro') {
    throw new QueryError(`'${expr.name}' is no field (macros and lists are not known here)`, expr.range[0]);
  }
  childrenOf(expr).forEach(refuseMacros);
  if (expr.kind === 'check' && expr.right?.kind === 'listRef') {
    throw new QueryError(`'${expr.right.name}' is no value (macros and lists are not known here)`, expr.range[0]);
  }
}

const isOfSeries = (check: Check): boolean =>
  fieldsIn(check).every((field) => field.argument === null && Object.hasOwn(SERIES_FIELDS, field.name));

const isText = (check: Check): boolean => check.left.kind === 'field' && check.left.name === 'alert.text';

/** The words of `text = "…"`. */
function wordsOf(check: Check): string[] {
  const right = check.right;
  const values = right?.kind === 'value' ? [right.value] : right?.kind === 'values' ? right.values : [];
  return values.flatMap((value) => words(fromByteString(value.text)));
}

const seriesText = (series: Series): string[] =>
  words([series.rule, series.host, series.namespace, series.workload, series.image, ...series.tags].join(' '));

/** What is left of a condition on an alert of this series: decided, or an expression over the alert's own fields. */
function reduce(expr: Expr, series: Series): Expr | boolean {
  switch (expr.kind) {
    case 'and':
    case 'or': {
      const absorbing = expr.kind === 'or';
      const open: Expr[] = [];
      for (const child of expr.children) {
        const rest = reduce(child, series);
        if (rest === absorbing) return absorbing;
        if (typeof rest !== 'boolean') open.push(rest);
      }
      if (open.length === 0) return !absorbing;
      return open.length === 1 ? (open[0] as Expr) : { ...expr, children: open };
    }
    case 'not': {
      const rest = reduce(expr.child, series);
      return typeof rest === 'boolean' ? !rest : { ...expr, child: rest };
    }
    case 'constant':
      return expr.value;
    case 'check': {
      if (isText(expr)) {
        const has = seriesText(series);
        const left = wordsOf(expr).filter((word) => !has.some((other) => other.startsWith(word)));
        if (left.length === 0) return true;
        const value = { kind: 'literal', text: left.join(' '), quoted: true, range: expr.range } as const;
        return { ...expr, right: { kind: 'value', value } };
      }
      if (!isOfSeries(expr)) return expr;
      return evaluateCheck(expr, (name) => SERIES_FIELDS[name]?.(series) ?? null);
    }
    case 'macro':
      return false;
  }
}

/** The terms without which the expression cannot be true. */
function needOf(expr: Expr): { need: Need | null; exact: boolean } {
  switch (expr.kind) {
    case 'and': {
      const parts = expr.children.map(needOf);
      const needs = parts.flatMap((part) => (part.need === null ? [] : [part.need]));
      return { need: join('and', needs), exact: parts.every((part) => part.exact) };
    }
    case 'or': {
      const parts = expr.children.map(needOf);
      const needs = parts.flatMap((part) => (part.need === null ? [] : [part.need]));
      const all = needs.length === parts.length;
      return { need: all ? join('or', needs) : null, exact: all && parts.every((part) => part.exact) };
    }
    case 'check': {
      if (isText(expr)) {
        const terms = wordsOf(expr).map((term): Need => ({ kind: 'term', term, prefix: true }));
        return { need: join('and', terms), exact: true };
      }
      const { left, operator, modifier, right } = expr;
      const values = right?.kind === 'value' ? [right.value] : right?.kind === 'values' ? right.values : null;
      const equality = operator === '=' || operator === '==' || operator === 'in' || operator === 'intersects';
      if (left.kind !== 'field' || !equality || modifier !== null || values === null || values.length > 200) break;
      const name = left.argument === null ? left.name : `${left.name}[${left.argument}]`;
      if (!isIndexed(name) || name.startsWith('alert.')) break;
      // An address may be written as a network, a number in other ways (0x10): the index knows texts only.
      const texts = values.map((value) => fromByteString(value.text));
      if (texts.some((text) => text.includes('/') && /ip|net/.test(name))) break;
      if (texts.some((text) => /^[+-]?(0[xX][\da-fA-F]+|0\d+|\d*\.\d*|\d+e.*)$/.test(text))) break;
      const needs = texts.map((text): Need => ({ kind: 'term', term: fieldTerm(name, text), prefix: false }));
      return { need: join('or', needs), exact: true };
    }
  }
  return { need: null, exact: false };
}

function join(kind: 'and' | 'or', parts: readonly Need[]): Need | null {
  return parts.length === 0 ? null : parts.length === 1 ? (parts[0] as Need) : { kind, parts };
}

function keyOf(expr: Expr): string {
  return JSON.stringify(expr, (key, value) => (key === 'spec' ? undefined : value));
}

function evaluate(expr: Expr, alert: Alert, series: Series): boolean {
  switch (expr.kind) {
    case 'and':
      return expr.children.every((child) => evaluate(child, alert, series));
    case 'or':
      return expr.children.some((child) => evaluate(child, alert, series));
    case 'not':
      return !evaluate(expr.child, alert, series);
    case 'constant':
      return expr.value;
    case 'macro':
      return false;
    case 'check': {
      if (!isText(expr)) return evaluateCheck(expr, (name, argument) => fieldValue(name, argument, alert, series));
      const has = new Set([...words(messageOf(alert.output)), ...seriesText(series)]);
      return wordsOf(expr).every((word) => has.has(word) || [...has].some((other) => other.startsWith(word)));
    }
  }
}

function fieldValue(name: string, argument: string | null, alert: Alert, series: Series): Json | undefined {
  if (argument === null) {
    const ofSeries = SERIES_FIELDS[name];
    if (ofSeries !== undefined) return ofSeries(series) as Json;
    if (name === 'alert.output') return alert.output;
  }
  const value = alert.fields[argument === null ? name : `${name}[${argument}]`];
  return textOf(value) === '' ? null : value;
}
