import { isDeepStrictEqual } from 'node:util';
import { isMap, isScalar, isSeq, LineCounter, parseAllDocuments, type YAMLMap } from 'yaml';
import { CommandError } from './command.ts';

/** The order of keys in an item: what it is, what it means, when it holds, what it says, then the rest. */
const KEY_ORDER = [
  'rule',
  'macro',
  'list',
  'required_engine_version',
  'required_plugin_versions',
  'desc',
  'condition',
  'items',
  'output',
  'priority',
  'source',
  'enabled',
  'tags',
  'exceptions',
  'override',
  'append',
];

/**
 * One style for a rules file: order of keys, two blanks of indentation, one blank line between items. Values stay as
 * they are written, line breaks and comments included. Items in flow style are left alone.
 */
export function formatRules(path: string, text: string): string {
  const lines = text.split('\n');
  const counter = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: counter });
  if (!Array.isArray(documents)) return text;
  const broken = documents.flatMap((document) => document.errors)[0];
  if (broken !== undefined) throw new CommandError(`Error: ${path} is not valid YAML: ${broken.message}`);

  const maps: YAMLMap[] = documents.flatMap(({ contents }) => {
    const items: unknown[] = isSeq(contents) && !contents.flow ? contents.items : [];
    return items.filter((item) => isMap(item)).filter((map) => !map.flow && map.items.length > 0);
  });
  const out: string[] = [];
  let copied = 0;
  for (const map of maps) {
    const place = placeOf(map, lines, counter);
    const formatted = place === null ? null : formatItem(place, lines);
    if (place === null || formatted === null) continue;
    out.push(...separated(out, lines.slice(copied, place.first)), ...formatted);
    copied = place.end;
  }
  out.push(...lines.slice(copied));
  const after = out.join('\n');
  if (!isDeepStrictEqual(meaning(after), meaning(text))) {
    throw new CommandError(`Error: ${path} cannot be formatted without changing what it means`);
  }
  return after;
}

/** Where an item's lines are, all numbers from 0. */
interface Place {
  readonly first: number;
  readonly end: number;
  /** Column of the keys. */
  readonly column: number;
  readonly keys: readonly { readonly name: string; readonly line: number }[];
}

function placeOf(map: YAMLMap, lines: readonly string[], counter: LineCounter): Place | null {
  const keys: { name: string; line: number; column: number }[] = [];
  for (const { key } of map.items) {
    if (!isScalar(key) || !key.range) return null;
    const { line, col } = counter.linePos(key.range[0]);
    keys.push({ name: String(key.value), line: line - 1, column: col - 1 });
  }
  const [head] = keys;
  if (head === undefined || !map.range || keys.some(({ column }) => column !== head.column)) return null;
  // The range of a node ends where the next one begins; comments and blank lines before that are not this item's.
  let end = counter.linePos(map.range[2]).line;
  while (end > head.line + 1 && !belongs(lines[end - 1] ?? '', head.column)) end--;
  return { first: head.line, end, column: head.column, keys };
}

/** Whether a line is part of an item whose keys stand in that column. */
function belongs(line: string, column: number): boolean {
  return line.trim() !== '' && indentOf(line) >= column;
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

/** The item's lines in the one style; null when they cannot be moved. */
function formatItem({ first, end, column, keys }: Place, lines: readonly string[]): string[] | null {
  const dash = lines[first]?.slice(0, column) ?? '';
  if (!/^\s*-\s+$/.test(dash)) return null;
  const blocks = keys.map(({ name, line }, i) => {
    const next = keys[i + 1]?.line ?? end;
    return {
      name,
      from: i === 0 ? line : commentsBefore(lines, line),
      to: i + 1 < keys.length ? commentsBefore(lines, next) : end,
    };
  });
  const rank = (name: string): number => (KEY_ORDER.indexOf(name) + KEY_ORDER.length + 1) % (KEY_ORDER.length + 1);
  const sorted = blocks.toSorted((a, b) => rank(a.name) - rank(b.name));
  const text: string[] = [];
  for (const { from, to } of sorted) {
    for (let at = from; at < to; at++) {
      const line = at === first ? ' '.repeat(column) + (lines[at] ?? '').slice(column) : (lines[at] ?? '');
      if (line.trim() !== '' && indentOf(line) < column) return null;
      text.push(line.slice(column));
    }
  }
  while (text.at(-1)?.trim() === '') text.pop();
  // A comment cannot stand between the dash and the first key.
  const key = text.findIndex((line) => !line.startsWith('#'));
  return [
    ...text.slice(0, key),
    ...text.slice(key).map((line, i) => (i === 0 ? `- ${line}` : line.trim() === '' ? '' : `  ${line}`)),
  ];
}

/** The first of the comment lines right above a line. */
function commentsBefore(lines: readonly string[], line: number): number {
  let at = line;
  while (at > 0 && lines[at - 1]?.trimStart().startsWith('#')) at--;
  return at;
}

/** What stood between two items, with one blank line after the first of them. */
function separated(before: readonly string[], between: readonly string[]): string[] {
  if (before.length === 0) return [...between];
  const content = between.slice(between.findIndex((line) => line.trim() !== ''));
  return between.every((line) => line.trim() === '') ? [''] : ['', ...content];
}

function meaning(text: string): unknown {
  const documents = parseAllDocuments(text);
  return Array.isArray(documents) ? documents.map((document) => document.toJS()) : [];
}
