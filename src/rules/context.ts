import type { Code } from '../diagnostic.ts';

/**
 * Where in the rules something is: the path of items down to it, as Falco's results report it, and enough of the
 * source text to show it.
 */

/** A rules file in memory. */
export interface SourceText {
  readonly name: string;
  /** The content as a byte string, so that offsets and columns count bytes. */
  readonly text: string;
  /** Offsets at which lines start. */
  readonly lines: readonly number[];
}

export function sourceText(name: string, text: string): SourceText {
  const lines = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lines.push(at + 1);
  return { name, text, lines };
}

/** Line and column, both from 0, of an offset. */
export function lineAndColumn(source: SourceText, offset: number): { line: number; column: number } {
  const { lines } = source;
  let low = 0;
  let high = lines.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((lines[middle] as number) <= offset) low = middle;
    else high = middle - 1;
  }
  return { line: low, column: offset - (lines[low] as number) };
}

/** Kinds of items in the path, in Falco's words. */
export type ItemType =
  | 'value for'
  | 'exceptions'
  | 'exception'
  | 'exception values'
  | 'exception value'
  | 'rules content'
  | 'rules content item'
  | 'required_engine_version'
  | 'required plugin versions'
  | 'required plugin versions entry'
  | 'required plugin versions alternative'
  | 'list'
  | 'list item'
  | 'macro'
  | 'macro condition'
  | 'rule'
  | 'rule condition'
  | 'condition expression'
  | 'rule output'
  | 'rule output expression'
  | 'rule priority'
  | 'overrides'
  | 'extension item';

export interface Location {
  readonly item_type: ItemType;
  readonly item_name: string;
  readonly position: {
    /** The file; for a condition expression the start of its text in quotes. */
    readonly name: string;
    /** From 0, as Falco counts them. */
    readonly line: number;
    readonly column: number;
    readonly offset: number;
  };
}

export interface Context {
  readonly source: SourceText;
  readonly locations: readonly Location[];
  /** Where in the source, for frames. */
  readonly range: readonly [start: number, end: number];
  /** The text of the condition that a `condition expression` points into, and the offset in it. */
  readonly expression: { readonly text: string; readonly offset: number } | null;
}

export function fileContext(source: SourceText): Context {
  return {
    source,
    locations: [
      {
        item_type: 'rules content',
        item_name: '',
        position: { name: source.name, line: 0, column: 0, offset: 0 },
      },
    ],
    range: [0, 0],
    expression: null,
  };
}

/** The context of an item inside `parent`. */
export function within(
  parent: Context,
  itemType: ItemType,
  itemName: string,
  range: readonly [start: number, end: number],
  source: SourceText = parent.source,
): Context {
  const offset = range[0];
  const { line, column } = lineAndColumn(source, offset);
  const location: Location = {
    item_type: itemType,
    item_name: itemName,
    position: { name: source.name, line, column, offset },
  };
  return { source, locations: [...parent.locations, location], range, expression: null };
}

/**
 * The context of a place in a condition, whose text need not be the file's any more. Falco adds the place in the
 * condition (line and column from 1) to that of the item (from 0).
 * @param offset in the text; null for the condition as a whole.
 */
export function inExpression(parent: Context, text: string, offset: number | null): Context {
  const last = (parent.locations.at(-1) as Location).position;
  const shown = text.replace(/\n/g, ' ');
  const before = text.slice(0, offset ?? 0);
  const location: Location = {
    item_type: 'condition expression',
    item_name: '',
    position: {
      name: shown.length > 20 ? `"${shown.slice(0, 17)}..."` : `"${shown}"`,
      line: offset === null ? last.line : last.line + before.split('\n').length,
      column: offset === null ? last.column : last.column + before.length - before.lastIndexOf('\n'),
      offset: last.offset + (offset ?? 0),
    },
  };
  return {
    source: parent.source,
    locations: [...parent.locations, location],
    range: parent.range,
    expression: { text, offset: offset ?? 0 },
  };
}

/** What a snippet shows of a line, at most, on either side of the place. */
const HALF_SNIPPET = 80;

/** The line of the place with a caret below, as Falco prints it (its carets in conditions included). */
export function snippet(context: Context): string {
  const text = (context.expression?.text ?? context.source.text).replace(/\n+$/, '');
  if (text === '') return '<No context available>\n';
  const offset = (context.locations.at(-1) as Location).position.offset;
  const at = Math.min(offset, text.length - 1);
  const lineStart = text.lastIndexOf('\n', at - 1) + 1;
  const from = Math.max(lineStart, at - HALF_SNIPPET);
  const lineEnd = text.indexOf('\n', at);
  const to = Math.min(lineEnd === -1 ? text.length : lineEnd, at + HALF_SNIPPET + 1);
  let line = text.slice(from, Math.max(from, to));
  if (line === '') return '';
  if (at - from >= HALF_SNIPPET) line = `...${line.slice(3)}`;
  if (to - 1 - at >= HALF_SNIPPET) line = `${line.slice(0, -3)}...`;
  return `${line}\n${' '.repeat(at - from)}^\n`;
}

/** Something wrong in the rules; thrown to give up the item that it is in. */
export class RuleError extends Error {
  override readonly name = 'RuleError';
  readonly code: Code;
  readonly context: Context;
  /** What to do, where more is known than the code says. */
  readonly remedy: string | null;
  constructor(code: Code, message: string, context: Context, remedy: string | null = null) {
    super(message);
    this.code = code;
    this.context = context;
    this.remedy = remedy;
  }
}
