import { fromByteString } from '../bytes.ts';
import { type Code, type Diagnostic, describeCode, frame, type Note, nearest, type Place } from '../diagnostic.ts';
import { type Context, type Location, lineAndColumn, RuleError, type SourceText, snippet } from './context.ts';

/** An error or a warning in the shape of Falco's results. */
export interface Problem {
  readonly code: Code;
  /** Falco's description of the code. */
  readonly codedesc: string;
  readonly message: string;
  readonly context: { readonly locations: readonly Location[]; readonly snippet: string };
  /** The field that a rule should not use any more; only with that warning. */
  readonly deprecatedField?: string;
}

/** What came of one file. */
export interface FileResult {
  readonly name: string;
  readonly successful: boolean;
  /** null: there was nothing to validate. */
  readonly schemaValid: boolean | null;
  readonly schemaWarnings: readonly string[];
  /** Falco's: the first error only, or none. */
  readonly errors: readonly Problem[];
  /** Falco's: those found before it would have given up. */
  readonly warnings: readonly Problem[];
  /** Everything that was found, in order. */
  readonly diagnostics: readonly Diagnostic[];
}

/** What goes beyond Falco's results. */
interface More {
  readonly notes?: readonly Note[];
  /** Instead of what the catalogue says of the code. */
  readonly remedy?: string | null;
}

/** Collects what is found in one file. */
export class Report {
  readonly name: string;
  schemaValid: boolean | null = null;
  readonly schemaWarnings: string[] = [];
  readonly #errors: Problem[] = [];
  readonly #warnings: Problem[] = [];
  readonly #diagnostics: Diagnostic[] = [];

  constructor(name: string) {
    this.name = name;
  }

  get failed(): boolean {
    return this.#errors.length > 0;
  }

  error(code: Code, message: string, context: Context, more: More = {}): void {
    if (!this.failed) this.#errors.push(problem(code, message, context));
    this.#diagnostics.push(diagnostic(code, 'error', message, context, more));
  }

  warn(code: Code, message: string, context: Context, more: More = {}): void {
    if (!this.failed) this.#warnings.push(problem(code, message, context));
    this.#diagnostics.push(diagnostic(code, 'warning', message, context, more));
  }

  warnDeprecatedField(field: string, message: string, context: Context): void {
    const code = 'LOAD_DEPRECATED_ITEM';
    if (!this.failed) this.#warnings.push({ ...problem(code, message, context), deprecatedField: field });
    this.#diagnostics.push(diagnostic(code, 'warning', message, context, {}));
  }

  /** Does something, and takes for an error what it says is wrong with the rules. */
  guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      this.error(error.code, error.message, error.context, { remedy: error.remedy });
    }
  }

  result(): FileResult {
    return {
      name: this.name,
      successful: !this.failed,
      schemaValid: this.schemaValid,
      schemaWarnings: this.schemaWarnings,
      errors: this.#errors,
      warnings: this.#warnings,
      diagnostics: this.#diagnostics,
    };
  }
}

function problem(code: Code, message: string, context: Context): Problem {
  return {
    code,
    codedesc: describeCode(code).description,
    message: fromByteString(message),
    context: {
      locations: context.locations.map((location) => ({
        ...location,
        item_name: fromByteString(location.item_name),
        position: { ...location.position, name: fromByteString(location.position.name) },
      })),
      snippet: fromByteString(snippet(context)),
    },
  };
}

/** A second location, for instance where a macro was defined. */
export function noteAt(message: string, context: Context): Note {
  const place = placeOf(context);
  return { message: fromByteString(message), place, frame: shown(context.source, place) };
}

function diagnostic(
  code: Code,
  severity: 'error' | 'warning',
  message: string,
  context: Context,
  { notes = [], remedy = null }: More,
): Diagnostic {
  const place = placeOf(context);
  const expression = context.expression;
  return {
    code,
    severity,
    message: fromByteString(message),
    place,
    frame: shown(context.source, place),
    notes: expression === null || isVerbatim(context) ? notes : [...notes, expressionNote(expression)],
    remedy: remedy ?? describeCode(code).remedy ?? null,
  };
}

function shown(source: SourceText, place: Place): string | null {
  const text = frame(source.text, place);
  return text === null ? null : fromByteString(text);
}

/** The condition with lists and exceptions put in, when the file does not hold that text. */
function expressionNote(expression: { text: string; offset: number }): Note {
  const before = expression.text.slice(0, expression.offset);
  const place: Place = {
    file: '<condition>',
    line: before.split('\n').length,
    column: before.length - before.lastIndexOf('\n'),
    length: wordAt(expression.text, expression.offset).length,
  };
  const text = frame(expression.text, place);
  return {
    message: 'in the condition with its lists and exceptions put in',
    place,
    frame: text === null ? null : fromByteString(text),
  };
}

function isVerbatim(context: Context): boolean {
  const { expression, source, range } = context;
  return expression === null || source.text.startsWith(expression.text, range[0]);
}

function placeOf(context: Context): Place {
  const [start, end] = markedRange(context);
  const { line, column } = lineAndColumn(context.source, start);
  const nextLine = context.source.lines[line + 1];
  const lineEnd = nextLine === undefined ? context.source.text.length : nextLine - 1;
  return {
    file: fromByteString(context.source.name),
    line: line + 1,
    column: column + 1,
    length: Math.max(1, Math.min(end, lineEnd) - start),
  };
}

/** The part of the file that a context means: for a place in a condition the same word in the file's text. */
function markedRange(context: Context): readonly [start: number, end: number] {
  const { expression, source, range } = context;
  if (expression === null) return range;
  const word = wordAt(expression.text, expression.offset);
  if (source.text.startsWith(expression.text, range[0])) {
    const start = range[0] + expression.offset;
    return [start, start + Math.max(1, word.length)];
  }
  const before = occurrences(expression.text.slice(0, expression.offset), word);
  let at = source.text.indexOf(word, range[0]);
  for (let i = 0; i < before && at !== -1 && at < range[1]; i++) at = source.text.indexOf(word, at + 1);
  return word === '' || at === -1 || at >= range[1] ? range : [at, at + word.length];
}

function wordAt(text: string, offset: number): string {
  return /^[^\s(),=]*/.exec(text.slice(offset))?.[0] ?? '';
}

function occurrences(text: string, word: string): number {
  return word === '' ? 0 : text.split(word).length - 1;
}

/** A remedy for a name that does not exist; null when none is near it. */
export function didYouMean(name: string, known: Iterable<string>): string | null {
  const near = nearest(name, known);
  return near === null ? null : `Did you mean '${fromByteString(near)}'?`;
}
