import { toByteString } from '../../bytes.ts';
import {
  type Check,
  childrenOf,
  compileMatcher,
  type Expr,
  evaluateOperand,
  literalsOf,
  type Matcher,
  type Operand,
  parseAddress,
  parseCondition,
  parseConstant,
  parseNetwork,
  type Value,
} from '../../rules/index.ts';
import { type Alert, type FieldValue, isRawNumber, PRIORITIES, priorityLevel } from './alert.ts';

/** Names that may be written without a dot, and the field that they stand for (the hub's queries have the same). */
const SHORT_NAMES: Readonly<Record<string, string>> = {
  rule: 'alert.rule',
  priority: 'alert.priority',
  source: 'alert.source',
  tags: 'alert.tags',
  output: 'alert.output',
  host: 'alert.host',
  hostname: 'alert.host',
  uuid: 'alert.uuid',
  namespace: 'k8s.ns.name',
  image: 'container.image.repository',
};

/** An operator after a short name makes it a field; texts in quotes are left alone. */
const SHORT_FIELD = new RegExp(
  `"(?:\\\\.|[^"])*"|'(?:\\\\.|[^'])*'|(?<![\\w.-])(${Object.keys(SHORT_NAMES).join('|')})(?=\\s*(?:==?|!=|<=?|>=?|\\))|\\s+(?:exists|in|intersects|pmatch|i?contains|startswith|endswith|i?glob|regex)\\b)`,
  'g',
);

/** A priority is compared by its severity, in any case: `priority >= warning` is warning and worse. */
const PRIORITY = new RegExp(
  `"(?:\\\\.|[^"])*"|'(?:\\\\.|[^'])*'|(?<![\\w.-])(?:alert\\.)?priority\\s*(==?|!=|<=?|>=?)\\s*"?(${PRIORITIES.join('|')}|info)\\b"?`,
  'gi',
);
/** Debug 1 … Emergency 8. */
const severityOf = (level: number) => PRIORITIES.length - level;

/** Whether an alert goes to an output. */
export type Condition = (alert: Alert) => boolean;

/**
 * A Falco condition over alerts: `rule`, `priority` (ordered), `source`, `tags`, `hostname`,
 * `output`, `uuid`, and every output field by its name.
 * @throws ConditionError of the rules' parser.
 */
export function compileCondition(text: string): Condition {
  const ordered = text.replace(PRIORITY, (whole, operator?: string, name = '') =>
    operator === undefined ? whole : `alert.severity ${operator} ${severityOf(priorityLevel(name))}`,
  );
  const long = ordered.replace(SHORT_FIELD, (whole, short?: string) =>
    short === undefined ? whole : SHORT_NAMES[short],
  );
  const expression = parseCondition(toByteString(long));

  function judge(node: Expr, alert: Alert): boolean {
    switch (node.kind) {
      case 'and':
        return node.children.every((child) => judge(child, alert));
      case 'or':
        return node.children.some((child) => judge(child, alert));
      case 'not':
        return !judge(node.child, alert);
      case 'constant':
        return node.value;
      case 'macro':
        throw new Error(`"${node.name}" is no condition: there are no macros here`);
      case 'check':
        return compare(node, alert);
    }
  }
  // A macro is found before the first alert is.
  rejectMacros(expression);
  return (alert) => judge(expression, alert);
}

function rejectMacros(node: Expr): void {
  if (node.kind === 'macro') throw new Error(`"${node.name}" is no condition: there are no macros here`);
  childrenOf(node).forEach(rejectMacros);
}

function compare(check: Check, alert: Alert): boolean {
  const left = evaluate(check.left, alert);
  if (left === null) return false;
  const { right } = check;
  if (right === null) return true;
  const isList = Array.isArray(left);
  if (right.kind !== 'operand') return isNetwork(check, left) ?? constantMatcher(check, isList)(left);
  const other = evaluate(right.operand, alert);
  if (other === null) return false;
  const constants = (Array.isArray(other) ? (other as readonly Value[]) : [other]).map(String);
  return compileMatcher(check.operator, check.modifier, { type: 'DYN', isList }, constants)(left);
}

const matchers = new WeakMap<Check, { list?: Matcher; single?: Matcher }>();

/** The comparison with constants, made once. A value of JSON has no declared type: it is compared as what it is. */
function constantMatcher(check: Check, isList: boolean): Matcher {
  const known = matchers.get(check) ?? {};
  matchers.set(check, known);
  const constants = literalsOf(check.right).map(({ text }) => text);
  return (known[isList ? 'list' : 'single'] ??= compileMatcher(
    check.operator,
    check.modifier,
    { type: 'DYN', isList },
    constants,
  ));
}

/** An address compared with networks (`fd.sip in ("10.0.0.0/8")`); null when it is no such comparison. */
function isNetwork(check: Check, left: Value): boolean | null {
  const texts = literalsOf(check.right).map(({ text }) => text);
  if (
    typeof left !== 'string' ||
    !texts.some((text) => text.includes('/')) ||
    !texts.every((text) => parseNetwork(text))
  )
    return null;
  const address = parseAddress(left);
  if (address === null) return null;
  const constants = texts.map((text) => parseConstant('IPNET', text));
  return compileMatcher(check.operator, check.modifier, { type: 'IPNET', isList: false }, constants)(address);
}

/** A transformer on values of another kind than it takes has no value. */
function evaluate(operand: Operand, alert: Alert): Value | null {
  try {
    return evaluateOperand(operand, ({ name, argument }) => lookUp(alert, name, argument));
  } catch {
    return null;
  }
}

function lookUp(alert: Alert, name: string, argument: string | null): Value | null {
  const field = alert.fields[argument === null ? name : `${name}[${argument}]`];
  if (field !== undefined) return toValue(field);
  switch (name) {
    case 'alert.rule':
      return toByteString(alert.rule);
    case 'alert.priority':
      return alert.priority;
    case 'alert.severity':
      return severityOf(alert.level);
    case 'alert.source':
      return toByteString(alert.source);
    case 'alert.output':
      return toByteString(alert.output);
    case 'alert.host':
      return alert.hostname === '' ? null : toByteString(alert.hostname);
    case 'alert.uuid':
      return alert.uuid;
    case 'alert.tags':
      return alert.tags.length === 0 ? null : alert.tags.map(toByteString);
    default:
      return null;
  }
}

function toValue(value: FieldValue): Value | null {
  if (value === null || value === '') return null;
  if (isRawNumber(value)) return /^-?\d+$/.test(value.rawJSON) ? BigInt(value.rawJSON) : Number(value.rawJSON);
  if (typeof value === 'string') return toByteString(value);
  if (typeof value !== 'object') return value;
  if (Array.isArray(value)) return (value as readonly FieldValue[]).flatMap((item) => toValue(item) ?? []);
  return toByteString(JSON.stringify(value));
}
