/**
 * What is wrong, where, and what to do about it: one shape for everything that the program says about its input.
 */
import { type Code, MESSAGES } from './messages.generated.ts';

export type { Code } from './messages.generated.ts';

type Severity = 'error' | 'warning';

/** A place in a source text. */
export interface Place {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in bytes. */
  readonly column: number;
  /** How many bytes of the line it covers, at least 1. */
  readonly length: number;
}

export interface Note {
  readonly message: string;
  readonly place: Place;
  readonly frame: string | null;
}

export interface Diagnostic {
  readonly code: Code;
  readonly severity: Severity;
  readonly message: string;
  readonly place: Place;
  /** The lines around the place with a caret under it; null where there is no text. */
  readonly frame: string | null;
  /** Second locations: where a macro was defined, which condition text was meant. */
  readonly notes: readonly Note[];
  /** What to do about it; null when the message says it all. */
  readonly remedy: string | null;
}

/** What the catalogue (messages/) knows of a code. */
export function describeCode(code: Code): (typeof MESSAGES)[Code] {
  return MESSAGES[code];
}

/** Longest stretch of a line that a frame shows. */
const WIDTH = 100;

/**
 * The line of a place with a caret under it and one line before and after:
 *
 *       3 |   desc: shell
 *     > 4 |   condition: spawned_proces
 *         |              ^^^^^^^^^^^^^^
 */
export function frame(text: string, place: Place): string | null {
  const lines = text.split('\n');
  const at = place.line - 1;
  if (at < 0 || at >= lines.length) return null;
  const first = Math.max(0, at - 1);
  const last = Math.min(lines.length - 1, at + 1);
  const gutter = String(last + 1).length;
  // A long line is shown around the caret only.
  const from = place.column > WIDTH - 20 ? place.column - WIDTH / 2 : 0;
  const out: string[] = [];
  for (let i = first; i <= last; i++) {
    const line = cut(lines[i] as string, from);
    out.push(`${i === at ? '>' : ' '} ${String(i + 1).padStart(gutter)} | ${line}`.trimEnd());
    if (i !== at) continue;
    const caret = place.column - 1 - from;
    const shown = Math.max(1, Math.min(place.length, Math.max(1, line.length - caret)));
    out.push(`  ${' '.repeat(gutter)} | ${' '.repeat(Math.max(0, caret))}${'^'.repeat(shown)}`);
  }
  return out.join('\n');
}

function cut(line: string, from: number): string {
  const text = line.replace(/\t/g, ' ').replace(/\r$/, '');
  return text.length - from > WIDTH ? `${text.slice(from, from + WIDTH)}…` : text.slice(from);
}

export interface RenderOptions {
  /** ANSI colours. */
  readonly colour?: boolean;
}

/** A diagnostic as text for a terminal, several lines, no trailing newline. */
export function renderDiagnostic(diagnostic: Diagnostic, options: RenderOptions = {}): string {
  const paint = (code: number, text: string) => (options.colour === true ? `\x1b[${code}m${text}\x1b[0m` : text);
  const { place } = diagnostic;
  const red = diagnostic.severity === 'error' ? 31 : 33;
  const out = [
    `${place.file}:${place.line}:${place.column}: ${paint(red, diagnostic.severity)}: ${diagnostic.message} ${paint(2, `[${diagnostic.code}]`)}`,
  ];
  if (diagnostic.frame !== null) out.push(indent(diagnostic.frame));
  for (const note of diagnostic.notes) {
    out.push(`  note: ${note.message} (${note.place.file}:${note.place.line}:${note.place.column})`);
    if (note.frame !== null) out.push(indent(note.frame));
  }
  if (diagnostic.remedy !== null) out.push(`  ${paint(36, 'help')}: ${diagnostic.remedy}`);
  return out.join('\n');
}

function indent(text: string): string {
  return text.replace(/^/gm, '    ');
}

/** Names that are longer are no typing errors, and would take long to compare. */
const LONGEST_NAME = 100;

/** The known name with the fewest edits to `name`, when it is near enough to be meant. */
export function nearest(name: string, known: Iterable<string>): string | null {
  if (name.length > LONGEST_NAME) return null;
  let best: string | null = null;
  let least = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name, candidate);
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
