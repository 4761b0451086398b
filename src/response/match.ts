import { type Alert, type Condition, compileCondition, priorityLevel, textOf } from '../outputs/forward/index.ts';

/** The `match` of a response rule, in Talon's words, and `condition`, which is ours. */
export interface MatchSpec {
  /** Names of Falco rules: any of them. */
  readonly rules: readonly string[];
  /** `Critical`, `=Critical`, `>=Warning`, `<Error` …; empty: any. */
  readonly priority: string;
  readonly source: string;
  /** Each item is `a, b`: all of these; any item will do. */
  readonly tags: readonly string[];
  /** Each item is `k=v, k2!=v2`: all of these; any item will do. */
  readonly output_fields: readonly string[];
  /** A Falco condition over the alert. */
  readonly condition: string;
}

const PRIORITY = /^\s*(=|==|!=|<=?|>=?)?\s*([a-zA-Z]+)\s*$/;

/** Prepares a match. @throws Error saying what cannot be read */
export function compileMatch(spec: MatchSpec): Condition {
  const tests: Condition[] = [];
  if (spec.rules.length > 0) {
    const names = new Set(spec.rules);
    tests.push((alert) => names.has(alert.rule));
  }
  if (spec.priority !== '') tests.push(priorityTest(spec.priority));
  if (spec.source !== '') tests.push((alert) => alert.source.toLowerCase() === spec.source.toLowerCase());
  if (spec.tags.length > 0) {
    const sets = spec.tags.map(splitList);
    tests.push((alert) => sets.some((set) => set.every((tag) => alert.tags.includes(tag))));
  }
  if (spec.output_fields.length > 0) {
    const sets = spec.output_fields.map((item) => splitList(item).map(fieldTest));
    tests.push((alert) => sets.some((set) => set.every((test) => test(alert))));
  }
  if (spec.condition !== '') tests.push(compileCondition(spec.condition));
  return (alert) => tests.every((test) => test(alert));
}

function splitList(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** As in Talon, `>=Warning` is warning and worse; without an operator the priority must be that one. */
function priorityTest(text: string): Condition {
  const match = PRIORITY.exec(text);
  const level = match === null ? -1 : priorityLevel(match[2]);
  if (match === null || level === -1) throw new Error(`"${text}" is no priority such as Critical or >=Warning`);
  switch (match[1]) {
    case '>=':
      return (alert) => alert.level <= level;
    case '>':
      return (alert) => alert.level < level;
    case '<=':
      return (alert) => alert.level >= level;
    case '<':
      return (alert) => alert.level > level;
    case '!=':
      return (alert) => alert.level !== level;
    default:
      return (alert) => alert.level === level;
  }
}

/** `key=value` or `key!=value`; an absent field is unequal to everything. */
function fieldTest(text: string): Condition {
  const match = /^([^=!]+)(!?=)(.*)$/s.exec(text);
  if (match === null) throw new Error(`"${text}" is neither key=value nor key!=value`);
  const [, key, operator, value] = match.map((part) => part.trim());
  const wanted = operator === '=';
  return (alert: Alert) => (textOf(alert.fields[key]) === value) === wanted;
}
