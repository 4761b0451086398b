/**
 * The part of Go's text/template that Falcosidekick's configurations use (`messageformat`, `templatedfields`):
 * actions with pipelines, `if`/`else if`, `range`, `with`, variables, comments, trim markers, the built-in functions,
 * and the string functions of Sprig that appear in published configurations.
 * Reference: Go's text/template documentation. A missing map entry prints `<no value>`, as there.
 */
export class TemplateError extends Error {}

/** A parsed template: data → text. @throws TemplateError when a function is given what it cannot take. */
export type Template = (data: unknown) => string;

type Scope = { dot: unknown; readonly root: unknown; readonly variables: Map<string, unknown> };
type Node = (scope: Scope, out: string[]) => void;
type Value = (scope: Scope) => unknown;

const NO_VALUE = Symbol('no value');

/** Parses a template. @throws TemplateError with what is wrong and where. */
export function parseTemplate(text: string): Template {
  const parser = new Parser(text);
  const { node, end } = parser.block();
  if (end !== null) throw new TemplateError(`unexpected {{${end}}}`);
  return (data) => {
    const out: string[] = [];
    node({ dot: data, root: data, variables: new Map() }, out);
    return out.join('');
  };
}

function show(value: unknown): string {
  if (value === NO_VALUE || value === undefined) return '<no value>';
  if (value === null) return '<no value>';
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return `[${value.map(show).join(' ')}]`;
  if (value instanceof Map) return show(Object.fromEntries(value));
  if (typeof value === 'object') {
    if ('rawJSON' in value) return String(value.rawJSON);
    return `map[${Object.entries(value)
      .map(([key, entry]) => `${key}:${show(entry)}`)
      .join(' ')}]`;
  }
  return String(value);
}

function truth(value: unknown): boolean {
  if (value === NO_VALUE || value === null || value === undefined || value === '' || value === 0 || value === false)
    return false;
  if (Array.isArray(value)) return value.length > 0;
  return typeof value !== 'object' || 'rawJSON' in value || Object.keys(value).length > 0;
}

function member(value: unknown, key: unknown): unknown {
  if (value === NO_VALUE || value === null || value === undefined) return NO_VALUE;
  if (Array.isArray(value) || typeof value === 'string') {
    const index = Number(key);
    if (!(index >= 0 && index < value.length)) throw new TemplateError(`index out of range: ${index}`);
    return value[index];
  }
  if (typeof value !== 'object') throw new TemplateError(`cannot index ${typeof value}`);
  const name = String(key);
  return Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : NO_VALUE;
}

const comparable = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'rawJSON' in value ? Number(value.rawJSON) : value;
const compare = (a: unknown, b: unknown): number => {
  const [x, y] = [comparable(a), comparable(b)] as [string, string];
  return x < y ? -1 : x > y ? 1 : 0;
};
const size = (value: unknown): number =>
  typeof value === 'string'
    ? Buffer.byteLength(value)
    : Array.isArray(value)
      ? value.length
      : Object.keys(value as object).length;

/** printf with the verbs that make sense here: %v %s %q %d %f %t %x %%, width and precision. */
function printf(format: string, ...args: unknown[]): string {
  let next = 0;
  return format.replace(
    /%([-+0 ]*)(\d+)?(?:\.(\d+))?([vsqdftx%])/g,
    (_all, flags: string, width, precision, verb: string) => {
      if (verb === '%') return '%';
      const value = comparable(args[next++]);
      let text =
        verb === 'q'
          ? JSON.stringify(show(value))
          : verb === 'd'
            ? String(Math.trunc(Number(value)))
            : verb === 'f'
              ? Number(value).toFixed(precision === undefined ? 6 : Number(precision))
              : verb === 'x'
                ? typeof value === 'number'
                  ? value.toString(16)
                  : Buffer.from(show(value)).toString('hex')
                : show(value);
      if (precision !== undefined && verb === 's') text = text.slice(0, Number(precision));
      if (width === undefined) return text;
      return flags.includes('-')
        ? text.padEnd(Number(width))
        : text.padStart(Number(width), flags.includes('0') ? '0' : ' ');
    },
  );
}

const HTML: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' };

// biome-ignore lint/suspicious/noExplicitAny: each function checks or converts its own arguments.
const FUNCTIONS: Record<string, (...args: any[]) => unknown> = {
  index: (value, ...keys) => keys.reduce(member, value),
  len: size,
  not: (value) => !truth(value),
  eq: (first, ...others) => others.some((other) => compare(first, other) === 0),
  ne: (a, b) => compare(a, b) !== 0,
  lt: (a, b) => compare(a, b) < 0,
  le: (a, b) => compare(a, b) <= 0,
  gt: (a, b) => compare(a, b) > 0,
  ge: (a, b) => compare(a, b) >= 0,
  print: (...values) => values.map(show).join(''),
  println: (...values) => `${values.map(show).join(' ')}\n`,
  printf,
  html: (value) => show(value).replace(/[&<>"']/g, (c) => HTML[c]),
  js: (value) => JSON.stringify(show(value)).slice(1, -1),
  urlquery: (value) => encodeURIComponent(show(value)).replace(/%20/g, '+'),
  slice: (value, from = 0, to = undefined) => value.slice(from, to),
  upper: (value) => show(value).toUpperCase(),
  lower: (value) => show(value).toLowerCase(),
  title: (value) => show(value).replace(/(^|\s)\S/g, (c) => c.toUpperCase()),
  trim: (value) => show(value).trim(),
  trimPrefix: (prefix, value) => (show(value).startsWith(prefix) ? show(value).slice(prefix.length) : show(value)),
  trimSuffix: (suffix, value) => (show(value).endsWith(suffix) ? show(value).slice(0, -suffix.length) : show(value)),
  replace: (from, to, value) => show(value).replaceAll(from, to),
  contains: (part, value) => show(value).includes(part),
  hasPrefix: (prefix, value) => show(value).startsWith(prefix),
  hasSuffix: (suffix, value) => show(value).endsWith(suffix),
  split: (separator, value) => show(value).split(separator),
  join: (separator, value) => (value as unknown[]).map(show).join(separator),
  quote: (value) => JSON.stringify(show(value)),
  default: (fallback, value) => (truth(value) ? value : fallback),
  trunc: (length, value) => show(value).slice(0, length),
};

type Token = { readonly kind: 'word' | 'text' | 'number' | 'symbol'; readonly text: string };

function tokens(action: string): Token[] {
  const found: Token[] = [];
  const pattern = /\s*(?:("(?:[^"\\]|\\.)*"|`[^`]*`)|(-?\d[\w.]*)|(:=|[()|=,])|([$.\w[\]]+))/y;
  while (pattern.lastIndex < action.length) {
    const at = pattern.lastIndex;
    const match = pattern.exec(action);
    if (match === null) {
      if (action.slice(at).trim() === '') break;
      throw new TemplateError(`cannot read ${action.slice(at).trim()}`);
    }
    const [, text, number, symbol, word] = match;
    if (text !== undefined)
      found.push({ kind: 'text', text: text[0] === '`' ? text.slice(1, -1) : (JSON.parse(text) as string) });
    else if (number !== undefined) found.push({ kind: 'number', text: number });
    else if (symbol !== undefined) found.push({ kind: 'symbol', text: symbol });
    else found.push({ kind: 'word', text: word });
  }
  return found;
}

class Parser {
  /** Text and actions in turn. */
  readonly #pieces: { readonly action: boolean; readonly text: string }[] = [];
  #at = 0;

  constructor(text: string) {
    let rest = text;
    let trim = false;
    for (;;) {
      const open = rest.indexOf('{{');
      let plain = open === -1 ? rest : rest.slice(0, open);
      if (trim) plain = plain.trimStart();
      if (open === -1) {
        this.#pieces.push({ action: false, text: plain });
        return;
      }
      const close = rest.indexOf('}}', open);
      if (close === -1) throw new TemplateError('unclosed {{');
      let action = rest.slice(open + 2, close);
      if (/^-\s/.test(action)) {
        plain = plain.trimEnd();
        action = action.slice(1);
      }
      trim = /\s-$/.test(action);
      if (trim) action = action.slice(0, -1);
      this.#pieces.push({ action: false, text: plain });
      if (!action.trim().startsWith('/*')) this.#pieces.push({ action: true, text: action.trim() });
      rest = rest.slice(close + 2);
    }
  }

  /** Everything up to `else` or `end`, which is returned. */
  block(): { node: Node; end: string | null } {
    const nodes: Node[] = [];
    const node: Node = (scope, out) => {
      for (const child of nodes) child(scope, out);
    };
    while (this.#at < this.#pieces.length) {
      const { action, text } = this.#pieces[this.#at++];
      if (!action) {
        if (text !== '') nodes.push((_scope, out) => out.push(text));
        continue;
      }
      const keyword = /^\w+/.exec(text)?.[0] ?? '';
      const rest = text.slice(keyword.length);
      if (keyword === 'end' || keyword === 'else') return { node, end: text };
      if (keyword === 'if') nodes.push(this.#choice(rest, false));
      else if (keyword === 'with') nodes.push(this.#choice(rest, true));
      else if (keyword === 'range') nodes.push(this.#range(rest));
      else nodes.push(this.#print(text));
    }
    return { node, end: null };
  }

  #print(text: string): Node {
    const assignment = /^(\$\w+)\s*:?=\s*(.*)$/s.exec(text);
    if (assignment !== null) {
      const value = pipeline(tokens(assignment[2]));
      return (scope) => {
        scope.variables.set(assignment[1], value(scope));
      };
    }
    const value = pipeline(tokens(text));
    return (scope, out) => out.push(show(value(scope)));
  }

  #choice(condition: string, rebind: boolean): Node {
    const value = pipeline(tokens(condition));
    const { node: then, end } = this.block();
    if (end === null) throw new TemplateError('missing {{end}}');
    let otherwise: Node = () => {};
    const chained = /^else\s+(if|with)\b(.*)$/s.exec(end);
    if (chained !== null) otherwise = this.#choice(chained[2], chained[1] === 'with');
    else if (end === 'else') {
      const block = this.block();
      if (block.end !== 'end') throw new TemplateError('missing {{end}}');
      otherwise = block.node;
    }
    return (scope, out) => {
      const result = value(scope);
      if (truth(result)) then(rebind ? { ...scope, dot: result } : scope, out);
      else otherwise(scope, out);
    };
  }

  #range(text: string): Node {
    const named = /^\s*(\$\w+)(?:\s*,\s*(\$\w+))?\s*:=\s*(.*)$/s.exec(text);
    const value = pipeline(tokens(named?.[3] ?? text));
    const keyName = named?.[2] === undefined ? undefined : named[1];
    const valueName = named?.[2] ?? named?.[1];
    const { node: body, end } = this.block();
    let otherwise: Node = () => {};
    if (end === 'else') otherwise = this.block().node;
    return (scope, out) => {
      const list = value(scope);
      if (!truth(list)) return otherwise(scope, out);
      const entries: [unknown, unknown][] = Array.isArray(list)
        ? [...list.entries()]
        : Object.entries(list as object).sort(([a], [b]) => (a < b ? -1 : 1));
      for (const [key, entry] of entries) {
        if (keyName !== undefined) scope.variables.set(keyName, key);
        if (valueName !== undefined) scope.variables.set(valueName, entry);
        body({ ...scope, dot: entry }, out);
      }
    };
  }
}

/** `command | command …`: each gets the value before it as its last argument. */
function pipeline(list: readonly Token[]): Value {
  const commands: Token[][] = [[]];
  let depth = 0;
  for (const token of list) {
    if (token.kind === 'symbol' && token.text === '(') depth++;
    if (token.kind === 'symbol' && token.text === ')') depth--;
    if (token.kind === 'symbol' && token.text === '|' && depth === 0) commands.push([]);
    else (commands.at(-1) as Token[]).push(token);
  }
  return commands
    .map(command)
    .reduce<((scope: Scope, ...piped: unknown[]) => unknown) | null>(
      (before, next) => (before === null ? next : (scope) => next(scope, before(scope))),
      null,
    ) as Value;
}

function command(list: readonly Token[]): (scope: Scope, ...piped: unknown[]) => unknown {
  const operands: Value[] = [];
  let name: string | null = null;
  for (let at = 0; at < list.length; at++) {
    const token = list[at];
    if (token.kind === 'symbol' && token.text === '(') {
      let depth = 1;
      const from = at + 1;
      while (depth > 0) {
        at++;
        if (at >= list.length) throw new TemplateError('unclosed (');
        if (list[at].kind === 'symbol') depth += list[at].text === '(' ? 1 : list[at].text === ')' ? -1 : 0;
      }
      const inner = pipeline(list.slice(from, at));
      const chained = list[at + 1];
      if (chained?.kind === 'word' && chained.text.startsWith('.')) {
        at++;
        const keys = chained.text.slice(1).split('.');
        operands.push((scope) => keys.reduce(member, inner(scope)));
      } else operands.push(inner);
    } else if (token.kind === 'text') operands.push(() => token.text);
    else if (token.kind === 'number') operands.push(() => Number(token.text));
    else if (token.kind === 'word') {
      if (operands.length === 0 && name === null && /^[a-zA-Z]\w*$/.test(token.text) && !(token.text in CONSTANTS))
        name = token.text;
      else operands.push(operand(token.text));
    } else throw new TemplateError(`unexpected ${token.text}`);
  }
  if (name === null) {
    if (operands.length === 0) throw new TemplateError('missing value');
    return operands[0];
  }
  // `and` and `or` give one of their arguments, evaluated from the left only as far as needed.
  if (name === 'and' || name === 'or') {
    const stop = name === 'or';
    return (scope, ...piped) => {
      let value: unknown = NO_VALUE;
      for (const argument of [...operands, ...piped.map((given) => () => given)]) {
        value = argument(scope);
        if (truth(value) === stop) break;
      }
      return value;
    };
  }
  const called = FUNCTIONS[name];
  if (called === undefined) throw new TemplateError(`function "${name}" not defined`);
  return (scope, ...piped) => called(...operands.map((value) => value(scope)), ...piped);
}

const CONSTANTS: Record<string, unknown> = { true: true, false: false, nil: null };

function operand(word: string): Value {
  if (word in CONSTANTS) return () => CONSTANTS[word];
  const keys = word.split('.').filter((key) => key !== '');
  if (word.startsWith('$')) {
    const [variable, ...path] = keys;
    return (scope) => path.reduce(member, variable === '$' ? scope.root : (scope.variables.get(variable) ?? NO_VALUE));
  }
  if (!word.startsWith('.')) throw new TemplateError(`function "${word}" not defined`);
  return (scope) => keys.reduce(member, scope.dot);
}
