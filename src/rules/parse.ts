import type { Call, Check, Expr, FieldRef, ListLiteral, Literal, Modifier, Operand, Operator, Right } from './ast.ts';

/**
 * The condition language: text → tree, by recursive descent over the grammar of Falco's filters
 * (falcosecurity/libs 0.25, userspace/libsinsp/filter/parser). What is accepted, what is refused, the wording of
 * the errors and the offsets at which they are found are the same, because programs read them.
 */

/** Falco's limit of nested expressions in rules. */
export const MAX_DEPTH = 1000;

/** A name that the catalogue does not have. */
export interface Unknown {
  readonly kind: 'field' | 'event type';
  readonly name: string;
}

/** A condition that does not fit the grammar or the fields. */
export class ConditionError extends Error {
  override readonly name = 'ConditionError';
  /** In bytes, from the start of the text. */
  readonly offset: number;
  /** The macros, innermost first, in whose text the offset counts; empty for the condition's own. */
  readonly macros: string[] = [];
  /** Found by the parser, not by the checker. */
  readonly isSyntax: boolean;
  /** The field or event type that does not exist. */
  readonly unknown: Unknown | null;
  constructor(message: string, offset: number, options: { isSyntax?: boolean; unknown?: Unknown } = {}) {
    super(message);
    this.offset = offset;
    this.isSyntax = options.isSyntax ?? false;
    this.unknown = options.unknown ?? null;
  }
}

const BLANK = /[ \t\b\r\n]*/y;
const IDENTIFIER = /[a-zA-Z]+[a-zA-Z0-9_]*/y;
const FIELD = /[a-zA-Z]+[a-zA-Z0-9_]*(?:\.[a-zA-Z]+[a-zA-Z0-9_]*)+/y;
const BARE = /[^()"'\s=,]+/y;
const BARE_ARGUMENT = /[^[\]"'\s]+/y;
/** A quote after a backslash never closes, even where two backslashes stand: Falco looks one character back. */
const QUOTED = /"(?:\\"|[^"\\]|\\(?!"))*"|'(?:\\'|[^'\\]|\\(?!'))*'/y;
const NUMBER = /[+-]?[0-9]+[.]?[0-9]*(?:[eE][+-][0-9]+)?/y;
const HEX = /0[xX][0-9a-fA-F]+/y;
const TRANSFORMER = /(tolower|toupper|b64|basename|len|join|concat|getopt)\(/y;

const NUMERIC_OPERATORS = ['<=', '<', '>=', '>'] as const;
const SYMBOL_OPERATORS = ['==', '=', '!='] as const;
const WORD_OPERATORS = [
  'glob',
  'iglob',
  'contains',
  'icontains',
  'bcontains',
  'startswith',
  'bstartswith',
  'endswith',
  'regex',
] as const;
const LIST_OPERATORS = ['intersects', 'in', 'pmatch'] as const;
const MODIFIERS = ['oneof', 'anyof', 'allof'] as const;
const TRANSFORMERS = ['tolower', 'toupper', 'b64', 'basename', 'len', 'join', 'concat', 'getopt'] as const;

const ALL_OPERATORS: readonly Operator[] = [
  'exists',
  ...NUMERIC_OPERATORS,
  ...SYMBOL_OPERATORS,
  ...WORD_OPERATORS,
  ...LIST_OPERATORS,
];
const ANY_OPERATOR = ALL_OPERATORS.map((operator) => `'${operator}'`).join(', ');
const ANY_TRANSFORMER = ['val', ...TRANSFORMERS].map((name) => `'${name}'`).join(', ');

/** True when `text` is an operator that a comparison of one field with values may use, modifier included. */
export function isOperator(text: string): boolean {
  if ((ALL_OPERATORS as readonly string[]).includes(text)) return true;
  const parts = text.split(/\s+/);
  return parts.length === 2 && takesModifier(parts[0] as string) && isModifier(parts[1] as string);
}

/** True for an operator whose right-hand side is a list: `in`, `intersects`, `pmatch`, or any with a modifier. */
export function isListOperator(text: string): boolean {
  return (LIST_OPERATORS as readonly string[]).includes(text) || (text.includes(' ') && isOperator(text));
}

function takesModifier(operator: string): boolean {
  return (
    (SYMBOL_OPERATORS as readonly string[]).includes(operator) ||
    (WORD_OPERATORS as readonly string[]).includes(operator)
  );
}

function isModifier(text: string): text is Modifier {
  return (MODIFIERS as readonly string[]).includes(text);
}

/** Characters that a quoted string escapes, by the character after the backslash. */
const ESCAPES: Record<string, string> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  '\\': '\\',
  '/': '/',
  '"': '"',
  "'": "'",
  // Not an escape in earnest: old rules wrote a backslash before a blank, and Falco reads it as a backslash.
  ' ': '\\',
};

class Parser {
  readonly text: string;
  readonly maxDepth: number;
  readonly origins: readonly Origin[];
  at = 0;
  /** What was read last: the errors name it. */
  token = '';
  depth = 0;

  constructor(text: string, maxDepth: number, origins: readonly Origin[] = []) {
    this.text = text;
    this.maxDepth = maxDepth;
    this.origins = origins;
  }

  fail(message: string): never {
    throw new ConditionError(message, this.at, { isSyntax: true });
  }

  blank(): boolean {
    BLANK.lastIndex = this.at;
    BLANK.test(this.text);
    const moved = BLANK.lastIndex > this.at;
    this.at = BLANK.lastIndex;
    return moved;
  }

  literally(token: string): boolean {
    if (!this.text.startsWith(token, this.at)) return false;
    this.at += token.length;
    this.token = token;
    return true;
  }

  match(pattern: RegExp): boolean {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found === null) return false;
    this.token = found[0];
    this.at += this.token.length;
    return true;
  }

  /** A word that must be followed by a blank, which is read too. */
  word(word: string): boolean {
    const end = this.at + word.length;
    if (!this.text.startsWith(word, this.at) || !isBlank(this.text.charCodeAt(end))) return false;
    this.at = end;
    this.token = word;
    this.blank();
    return true;
  }

  enter(): void {
    if (++this.depth >= this.maxDepth) this.fail(`exceeded max depth limit of ${this.maxDepth}`);
  }

  condition(): Expr {
    if (this.text.length === 0) this.fail('filter input string is empty');
    this.blank();
    const expr = this.or();
    this.blank();
    if (this.at !== this.text.length) this.fail(`unexpected token after '${this.token}', expecting 'or', 'and'`);
    return expr;
  }

  or(): Expr {
    return this.series('or', () => this.and());
  }

  and(): Expr {
    return this.series('and', () => this.not());
  }

  series(kind: 'and' | 'or', next: () => Expr): Expr {
    this.enter();
    this.blank();
    const start = this.at;
    const children = [next()];
    let end = this.at;
    this.blank();
    while (this.literally(kind)) {
      if (this.blank()) children.push(next());
      else if (this.literally('(')) children.push(this.embedded());
      else this.fail(`expected blank or '(' after '${kind}'`);
      end = this.at;
      this.blank();
    }
    this.depth--;
    return children.length === 1 ? (children[0] as Expr) : { kind, children, range: [start, end] };
  }

  not(): Expr {
    this.enter();
    this.blank();
    const start = this.at;
    let negated = false;
    while (this.word('not')) negated = !negated;
    let child: Expr;
    if (this.literally('not(')) {
      negated = !negated;
      child = this.embedded();
    } else {
      child = this.check();
    }
    this.depth--;
    return negated ? { kind: 'not', child, range: [start, this.at] } : child;
  }

  embedded(): Expr {
    this.enter();
    this.blank();
    const expr = this.or();
    this.blank();
    if (!this.literally(')')) this.fail("expected a ')' token");
    this.depth--;
    return expr;
  }

  check(): Expr {
    this.enter();
    this.blank();
    const start = this.at;
    let expr: Expr;
    const left = this.literally('(') ? null : this.fieldOrCall();
    if (left !== null) expr = this.comparison(left, start);
    else if (this.at > start) expr = this.embedded();
    else if (this.match(IDENTIFIER)) expr = { kind: 'macro', name: this.token, range: [start, this.at] };
    else this.fail("expected a '(' token, a field check, or an identifier");
    this.depth--;
    return expr;
  }

  /** A field or a transformer; null, and nothing read, when there is neither. */
  fieldOrCall(): FieldRef | Call | null {
    const start = this.at;
    if (this.match(TRANSFORMER)) return this.call(this.token.slice(0, -1) as Call['name'], start);
    return this.field();
  }

  field(): FieldRef | null {
    const start = this.at;
    if (!this.match(FIELD)) return null;
    const name = this.token;
    const argument = this.argument();
    return { kind: 'field', name, argument, range: [start, this.at] };
  }

  /** The rest of a transformer after its bracket. */
  call(name: Call['name'], start: number): Call {
    this.enter();
    const args: Operand[] = [];
    do {
      this.blank();
      args.push(this.callArgument());
      this.blank();
    } while (this.literally(','));
    if (!this.literally(')')) this.fail("expected a ')' token closing the transformer");
    const argument = this.argument();
    this.depth--;
    return { kind: 'call', name, args, argument, range: [start, this.at] };
  }

  callArgument(): Operand {
    const start = this.at;
    if (this.literally('(')) return this.listArgument(start);
    return (
      this.literalArgument() ??
      this.fieldOrCall() ??
      this.fail('expected field transformer argument: field, transformer, quoted string, number, or transformer list')
    );
  }

  listArgument(start: number): ListLiteral {
    const items: Operand[] = [];
    this.blank();
    if (!this.literally(')')) {
      do {
        this.blank();
        items.push(
          this.literalArgument() ??
            this.fieldOrCall() ??
            this.fail('expected transformer list argument: field, transformer, quoted string, or number'),
        );
        this.blank();
      } while (this.literally(','));
      if (!this.literally(')')) this.fail("expected a ')' token closing the transformer list");
    }
    return { kind: 'list', items, range: [start, this.at] };
  }

  literalArgument(): Literal | null {
    const start = this.at;
    if (this.match(QUOTED)) return this.quoted(start);
    if (this.match(NUMBER)) return { kind: 'literal', text: this.token, quoted: false, range: [start, this.at] };
    return null;
  }

  /** `[…]` of a field or transformer; null without. */
  argument(): string | null {
    if (!this.literally('[')) return null;
    const start = this.at;
    let text: string;
    if (this.match(QUOTED)) text = this.quoted(start).text;
    else if (this.match(BARE_ARGUMENT)) text = this.token;
    else this.fail('expected a valid field argument: a quoted string or a bare string');
    if (!this.literally(']')) this.fail("expected a ']' token");
    return text;
  }

  comparison(left: Operand, start: number): Check {
    this.blank();
    if (this.literally('exists')) {
      return { kind: 'check', left, operator: 'exists', modifier: null, right: null, range: [start, this.at] };
    }
    for (const operator of NUMERIC_OPERATORS) {
      if (!this.literally(operator)) continue;
      this.blank();
      return this.made(left, operator, null, this.number(), start);
    }
    for (const operator of SYMBOL_OPERATORS) {
      if (!this.literally(operator)) continue;
      const modified = this.blank() ? this.modified() : null;
      if (modified !== null) return this.made(left, operator, modified.modifier, modified.right, start);
      return this.made(left, operator, null, this.string(), start);
    }
    for (const operator of WORD_OPERATORS) {
      if (!this.word(operator)) continue;
      const modified = this.modified();
      if (modified !== null) return this.made(left, operator, modified.modifier, modified.right, start);
      return this.made(left, operator, null, this.string(), start);
    }
    for (const operator of LIST_OPERATORS) {
      if (!this.literally(operator)) continue;
      this.blank();
      return this.made(left, operator, null, this.list(), start);
    }
    return this.fail(`expected a valid check operator: one of ${ANY_OPERATOR}`);
  }

  made(left: Operand, operator: Operator, modifier: Modifier | null, right: Right, start: number): Check {
    return { kind: 'check', left, operator, modifier, right, range: [start, this.at] };
  }

  /** `val(field)` or a transformer on the right-hand side; null, and nothing read, without. */
  operand(): Right | null {
    const start = this.at;
    if (this.literally('val(')) {
      this.blank();
      const operand = this.field() ?? this.fail("expected a field within 'val' transformer");
      this.blank();
      if (!this.literally(')')) this.fail("expected a ')' token closing the transformer");
      return { kind: 'operand', operand, val: true };
    }
    if (this.match(TRANSFORMER)) {
      return { kind: 'operand', operand: this.call(this.token.slice(0, -1) as Call['name'], start), val: false };
    }
    return null;
  }

  number(): Right {
    const operand = this.operand();
    if (operand !== null) return operand;
    const start = this.at;
    if (this.match(HEX) || this.match(NUMBER)) {
      return { kind: 'value', value: { kind: 'literal', text: this.token, quoted: false, range: [start, this.at] } };
    }
    return this.fail(`expected a number value or a field with a valid transformer: ${ANY_TRANSFORMER}`);
  }

  string(): Right {
    const operand = this.operand();
    if (operand !== null) return operand;
    const value = this.value();
    if (value !== null) return { kind: 'value', value };
    return this.fail(`expected a string value or a field with a valid transformer: ${ANY_TRANSFORMER}`);
  }

  value(): Literal | null {
    const start = this.at;
    if (this.match(QUOTED)) return this.withOrigin(this.quoted(start));
    if (!this.match(BARE)) return null;
    return this.withOrigin({ kind: 'literal', text: this.token, quoted: false, range: [start, this.at] });
  }

  withOrigin(literal: Literal): Literal {
    const [start, end] = literal.range;
    const origin = this.origins.findLast((one) => one.start <= start && end <= one.end);
    return origin === undefined ? literal : { ...literal, list: origin.list };
  }

  /** `oneof (…)` and its like; null, and nothing read, when the word is an ordinary value. */
  modified(): { modifier: Modifier; right: Right } | null {
    const start = this.at;
    const token = this.token;
    for (const modifier of MODIFIERS) {
      if (!this.word(modifier)) continue;
      const from = this.at;
      if (this.literally('(')) return { modifier, right: this.values(from) };
      if (this.match(IDENTIFIER) && this.token !== 'and' && this.token !== 'or') {
        return { modifier, right: { kind: 'listRef', name: this.token, range: [from, this.at] } };
      }
      this.at = start;
      this.token = token;
      return null;
    }
    return null;
  }

  list(): Right {
    const start = this.at;
    if (this.literally('(')) return this.values(start);
    const operand = this.operand();
    if (operand !== null) return operand;
    if (this.match(IDENTIFIER)) return { kind: 'listRef', name: this.token, range: [start, this.at] };
    return this.fail('expected a list or an identifier');
  }

  /** The rest of `(a, b, c)` after its bracket. */
  values(start: number): Right {
    const values: Literal[] = [];
    this.blank();
    const first = this.value();
    if (first !== null) {
      values.push(first);
      this.blank();
      while (this.literally(',')) {
        this.blank();
        values.push(this.value() ?? this.fail('expected a string value'));
        this.blank();
      }
    }
    if (!this.literally(')')) this.fail("expected a ')' token");
    return { kind: 'values', values, range: [start, this.at] };
  }

  quoted(start: number): Literal {
    const raw = this.token;
    if (!raw.includes('\\')) {
      const text = raw.slice(1, -1);
      this.token = text;
      return { kind: 'literal', text, quoted: true, range: [start, this.at] };
    }
    const quote = raw[0];
    let text = '';
    for (let i = 1; i < raw.length - 1; i++) {
      const char = raw[i] as string;
      if (char !== '\\') {
        text += char;
        continue;
      }
      const after = raw[++i] as string;
      if (i === raw.length - 1) this.fail('unsupported string escape sequence: \\');
      if (after === '"' && quote === "'") this.fail(`invalid \\" escape in '-quoted string`);
      if (after === 'x') {
        const hex = /^[0-9a-fA-F]{2}/.exec(raw.slice(i + 1, -1));
        if (hex === null) this.fail('unsupported string escape sequence: \\x');
        text += String.fromCharCode(Number.parseInt(hex[0], 16));
        i += 2;
        continue;
      }
      text += ESCAPES[after] ?? this.fail(`unsupported string escape sequence: \\${after}`);
    }
    this.token = text;
    return { kind: 'literal', text, quoted: true, range: [start, this.at] };
  }
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x08 || code === 0x0d || code === 0x0a;
}

/** A part of the text that a list put there. */
export interface Origin {
  readonly start: number;
  readonly end: number;
  readonly list: string;
}

/**
 * Parses a condition given as a byte string; ranges are offsets in bytes.
 * @param origins what lists put into the text: their values get the list's name.
 * @throws ConditionError at the first thing that does not fit the grammar.
 */
export function parseCondition(text: string, maxDepth: number = MAX_DEPTH, origins: readonly Origin[] = []): Expr {
  return new Parser(text, maxDepth, origins).condition();
}

/**
 * The longest prefix of `text` from `start` that is a field or a transformer, as output formats use it.
 * @throws ConditionError when there is none.
 */
export function parseOperandPrefix(text: string, start: number): { operand: FieldRef | Call; end: number } {
  const parser = new Parser(text, MAX_DEPTH);
  parser.at = start;
  try {
    const operand = parser.fieldOrCall() ?? parser.fail(`unexpected token after '${parser.token}'`);
    return { operand, end: parser.at };
  } catch (error) {
    // A bracket that is never closed is text after the field.
    FIELD.lastIndex = start;
    const name = FIELD.exec(text)?.[0];
    if (!(error instanceof ConditionError) || name === undefined) throw error;
    const end = start + name.length;
    return { operand: { kind: 'field', name, argument: null, range: [start, end] }, end };
  }
}

/**
 * Parses a text that must be a field or transformer as a whole (the `fields` of an exception); null when it is not.
 */
export function parseOperand(text: string): FieldRef | Call | null {
  const parser = new Parser(text, MAX_DEPTH);
  try {
    const operand = parser.fieldOrCall();
    return operand !== null && parser.at === text.length ? operand : null;
  } catch (error) {
    if (error instanceof ConditionError) return null;
    throw error;
  }
}

/** Line and column (both from 1) of an offset in a text. */
export function positionAt(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  return { line, column: offset - before.lastIndexOf('\n') };
}
