import type { FieldSpec } from './catalogue.ts';

/** Offsets into the text of the condition, [start, end). */
export type Range = readonly [start: number, end: number];

export type Expr = And | Or | Not | Check | MacroRef | Constant;

export interface And {
  readonly kind: 'and';
  readonly children: readonly Expr[];
  readonly range: Range;
  /** The macro that this expression was expanded from, when it was one. */
  readonly macro?: string;
}
export interface Or {
  readonly kind: 'or';
  readonly children: readonly Expr[];
  readonly range: Range;
  readonly macro?: string;
}
export interface Not {
  readonly kind: 'not';
  readonly child: Expr;
  readonly range: Range;
  readonly macro?: string;
}
/** A bare identifier in a condition; gone after resolving. */
export interface MacroRef {
  readonly kind: 'macro';
  readonly name: string;
  readonly range: Range;
}
/** Made only by folding (for instance `evt.type = open` once the event type is known). */
export interface Constant {
  readonly kind: 'constant';
  readonly value: boolean;
  readonly range: Range;
}

export type Operator =
  | 'exists'
  | '='
  | '=='
  | '!='
  | '<'
  | '<='
  | '>'
  | '>='
  | 'contains'
  | 'icontains'
  | 'bcontains'
  | 'startswith'
  | 'bstartswith'
  | 'endswith'
  | 'glob'
  | 'iglob'
  | 'regex'
  | 'in'
  | 'intersects'
  | 'pmatch';
export type Modifier = 'oneof' | 'anyof' | 'allof';

export interface Check {
  readonly kind: 'check';
  readonly left: Operand;
  readonly operator: Operator;
  readonly modifier: Modifier | null;
  /** null for `exists`. */
  readonly right: Right | null;
  readonly range: Range;
  readonly macro?: string;
}

/** What can be evaluated to a value on an event. */
export type Operand = FieldRef | Call | ListLiteral | Literal;
export interface FieldRef {
  readonly kind: 'field';
  readonly name: string;
  /** The text between the brackets, unquoted; null without brackets. */
  readonly argument: string | null;
  readonly range: Range;
  /** Bound by the checker. */
  readonly spec?: FieldSpec;
}
export interface Call {
  readonly kind: 'call';
  readonly name: 'tolower' | 'toupper' | 'b64' | 'basename' | 'len' | 'join' | 'concat' | 'getopt';
  readonly args: readonly Operand[];
  readonly argument: string | null;
  readonly range: Range;
}
/** `(a, b)` as an argument of a transformer. */
export interface ListLiteral {
  readonly kind: 'list';
  readonly items: readonly Operand[];
  readonly range: Range;
}
export interface Literal {
  readonly kind: 'literal';
  /** Unescaped text as a byte string. */
  readonly text: string;
  readonly quoted: boolean;
  readonly range: Range;
  /** The list that it came from, when it was not written in the condition itself. */
  readonly list?: string;
}

/** The right-hand side: constants, the name of a list (gone after resolving), or an operand evaluated on the event. */
export type Right =
  | { readonly kind: 'value'; readonly value: Literal }
  | { readonly kind: 'values'; readonly values: readonly Literal[]; readonly range: Range }
  | { readonly kind: 'listRef'; readonly name: string; readonly range: Range }
  | { readonly kind: 'operand'; readonly operand: Operand; readonly val: boolean };
