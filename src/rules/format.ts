import type { Call, FieldRef, Operand } from './ast.ts';
import { ConditionError, parseOperandPrefix, type Unknown } from './parse.ts';
import { printOperand } from './print.ts';
import type { OutputFormat, OutputPart } from './ruleset.ts';

/** Output strings: literal text and `%fields`. */

export class FormatError extends Error {
  override readonly name = 'FormatError';
  /** Offset in the format. */
  readonly offset: number;
  /** The field that does not exist. */
  readonly unknown: Unknown | null;
  constructor(message: string, offset: number, unknown: Unknown | null = null) {
    super(message);
    this.offset = offset;
    this.unknown = unknown;
  }
}

/**
 * Parses an output string given as a byte string. After a `%` stands, after an optional width, the longest text that
 * is a field or transformer and that `bind` knows; there is no escape for the sign itself.
 * @param bind binds a field or transformer to the catalogue; what it throws as ConditionError makes the format wrong.
 * @throws FormatError in Falco's words.
 */
export function parseOutput(text: string, bind: (operand: FieldRef | Call) => Operand): OutputFormat {
  const keepMissing = text.startsWith('*');
  const parts: OutputPart[] = [];
  let from = keepMissing ? 1 : 0;
  for (let at = text.indexOf('%', from); at !== -1; at = text.indexOf('%', from)) {
    if (at > from) parts.push({ kind: 'text', text: text.slice(from, at) });
    let start = at + 1;
    if (start === text.length) {
      throw new FormatError('invalid formatting syntax: formatting cannot end with a %', at);
    }
    const digits = /^[0-9]+/.exec(text.slice(start, start + 10))?.[0] ?? '';
    start += digits.length;
    if (digits !== '' && start === text.length) {
      throw new FormatError('invalid formatting syntax: formatting cannot end with a number', at);
    }
    const { operand, end } = longestKnown(text, start, bind);
    parts.push({ kind: 'field', operand, key: printOperand(operand), width: digits === '' ? null : Number(digits) });
    from = end;
  }
  if (from < text.length) parts.push({ kind: 'text', text: text.slice(from) });
  return { text, parts, keepMissing };
}

function longestKnown(
  text: string,
  start: number,
  bind: (operand: FieldRef | Call) => Operand,
): { operand: Operand; end: number } {
  const token = /^[^\s]*/.exec(text.slice(start))?.[0] ?? '';
  let parsed: { operand: FieldRef | Call; end: number };
  try {
    parsed = parseOperandPrefix(text, start);
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error;
    throw new FormatError(`invalid formatting token ${token}`, start);
  }
  let first: ConditionError | null = null;
  for (;;) {
    try {
      return { operand: bind(parsed.operand), end: parsed.end };
    } catch (error) {
      if (!(error instanceof ConditionError)) throw error;
      first ??= error;
      const shorter = shorten(parsed.operand, start);
      if (shorter !== null) {
        parsed = shorter;
        continue;
      }
      const { message, unknown } = first;
      throw new FormatError(unknown === null ? message : `invalid formatting token ${token}`, start, unknown);
    }
  }
}

/** `%proc.name.` and `%fd.name.txt` mean the field and then text: the same without brackets, then without the last part. */
function shorten(operand: FieldRef | Call, start: number): { operand: FieldRef | Call; end: number } | null {
  if (operand.kind !== 'field') return null;
  let { name } = operand;
  if (operand.argument === null) {
    const dot = name.lastIndexOf('.');
    if (dot === -1 || !name.slice(0, dot).includes('.')) return null;
    name = name.slice(0, dot);
  }
  const end = start + name.length;
  return { operand: { kind: 'field', name, argument: null, range: [start, end] }, end };
}
