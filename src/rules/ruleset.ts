import type { Expr, Operand } from './ast.ts';

/** Syslog's eight levels, 0 the worst, as Falco names them in alerts. */
export const PRIORITIES = [
  'Emergency',
  'Alert',
  'Critical',
  'Error',
  'Warning',
  'Notice',
  'Informational',
  'Debug',
] as const;
export type Priority = (typeof PRIORITIES)[number];

/** A parsed output string: literal text and `%fields` in turn. */
export interface OutputFormat {
  readonly text: string;
  readonly parts: readonly OutputPart[];
  /** A leading `*`: a field without value prints `<NA>`; without it the whole line is dropped. */
  readonly keepMissing: boolean;
}
export type OutputPart =
  | { readonly kind: 'text'; readonly text: string }
  | {
      readonly kind: 'field';
      readonly operand: Operand;
      /** The key in `output_fields`: the field as written, with its argument (transformers as their text). */
      readonly key: string;
      /** `%NNfield`: pad or cut to that many columns; null without. */
      readonly width: number | null;
    };

/** A rule that loaded: macros and lists expanded, fields bound, event types known. */
export interface Rule {
  /** Position in the order of definition. */
  readonly index: number;
  readonly name: string;
  readonly description: string;
  /** Resolved: holds no `macro` node and no `listRef`; every field has its `spec`. */
  readonly condition: Expr;
  /** The condition as written (appends and exceptions joined). */
  readonly conditionText: string;
  readonly output: OutputFormat;
  readonly priority: Priority;
  readonly source: string;
  /** Sorted. */
  readonly tags: readonly string[];
  readonly enabled: boolean;
  readonly capture: boolean;
  /** Milliseconds; 0 means the configured default. */
  readonly captureDuration: number;
  /** Event codes on which the condition can be true, ascending. */
  readonly eventTypes: readonly number[];
  /** Where it was (last) defined. */
  readonly file: string;
  readonly line: number;
}

export interface RuleSet {
  readonly rules: readonly Rule[];
}
