import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { toByteString } from '../../src/bytes.ts';
import { EVENTS } from '../../src/event/index.ts';
import {
  Checker,
  ConditionError,
  eventTypesOf,
  interpret,
  parseCondition,
  positionAt,
  print,
} from '../../src/rules/index.ts';
import { testCatalogue } from '../../src/rules/testing/catalogue.ts';

/** Cases from the reference's own tests of its condition language, where they are at hand. */
const cases = new URL('../../../shared/conformance/', import.meta.url);
const absent = !existsSync(cases);
const why = 'the conformance cases are not beside the checkout';

function load<T>(name: string): T[] {
  if (absent) return [];
  return readFileSync(new URL(name, cases), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

function attempt(text: string): { ast: string | null; error: string | null; pos: number | null } {
  try {
    return { ast: print(parseCondition(text)), error: null, pos: null };
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error;
    return { ast: null, error: error.message, pos: error.offset };
  }
}

interface ParserCase {
  readonly kind: string;
  readonly in: string;
  readonly ast: string | null;
  readonly error: string | null;
  readonly pos: number;
}

describe('the grammar', () => {
  it('accepts, prints and refuses as the reference does', (ctx) => {
    if (absent) ctx.skip(why);
    const wrong = load<ParserCase>('parser-cases.jsonl').flatMap((one) => {
      const { ast, error, pos } = attempt(toByteString(one.in));
      const same = ast === one.ast && error === one.error && (error === null || pos === one.pos);
      return same ? [] : [{ in: one.in, want: [one.ast, one.error, one.pos], got: [ast, error, pos] }];
    });
    expect(wrong).toEqual([]);
  });

  it('prints conditions and quotes values as the reference does', (ctx) => {
    if (absent) ctx.skip(why);
    for (const one of load<{ in: string; out: string }>('string_visitor.jsonl')) {
      expect(print(parseCondition(one.in))).toBe(one.out);
    }
    for (const { in: value, out } of load<{ in: string; out: string }>('filter_escaping.jsonl')) {
      const expr = parseCondition('a.b = x');
      const check = expr.kind === 'check' ? expr : expect.fail();
      const literal = { kind: 'literal', text: value, quoted: true, range: [0, 0] } as const;
      expect(print({ ...check, right: { kind: 'value', value: literal } })).toBe(`a.b = ${out}`);
    }
  });
});

interface CompileCase {
  readonly kind: 'compile' | 'compiles' | 'filter' | 'sc_names';
  readonly in: string;
  readonly error?: string | null;
  readonly warnings?: readonly string[];
  readonly names?: readonly string[] | string;
  readonly n?: number;
}

function compile(text: string): { error: string | null; warnings: string[] } {
  try {
    const { warnings } = new Checker(testCatalogue, 'syscall').check(parseCondition(toByteString(text)));
    return { error: null, warnings: warnings.map(({ message }) => message) };
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error;
    if (!error.isSyntax) return { error: error.message, warnings: [] };
    const { line, column } = positionAt(text, error.offset);
    const message = `filter error at index ${error.offset}, line ${line}, column ${column}: ${error.message}`;
    return { error: message, warnings: [] };
  }
}

describe('the checker', () => {
  it('refuses and warns as the reference does', (ctx) => {
    if (absent) ctx.skip(why);
    const wrong = load<CompileCase>('sinsp/compile.jsonl').flatMap((one) => {
      if (one.kind === 'sc_names') return [];
      const { error, warnings } = compile(one.in);
      const same =
        error === one.error && (one.warnings === undefined || one.error !== null || same2(warnings, one.warnings));
      return same ? [] : [{ in: one.in, want: [one.error, one.warnings], got: [error, warnings] }];
    });
    expect(wrong).toEqual([]);
  });

  it('knows which events can make a condition true', (ctx) => {
    if (absent) ctx.skip(why);
    const total = 438;
    const every = new Set(EVENTS.map(({ name }) => name)).size;
    for (const one of load<CompileCase>('sinsp/compile.jsonl')) {
      if (one.kind !== 'sc_names' || one.n === undefined) continue;
      const names = new Set(
        eventTypesOf(parseCondition(one.in), 'syscall', testCatalogue).map((type) => EVENTS[type]?.name),
      );
      // The reference counts system calls, this here names of events: compared is what is left out.
      if (typeof one.names === 'string') expect([one.in, every - names.size]).toEqual([one.in, total - one.n]);
      else
        for (const name of names)
          expect(one.names).toSatisfy(
            (all: string[]) => all.some((sc) => sc.startsWith(name as string)) || name === 'container',
          );
    }
  });
});

function same2(a: readonly string[], b: readonly string[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

describe('the interpreter', () => {
  it('has the reference’s boolean algebra', (ctx) => {
    if (absent) ctx.skip(why);
    const values: Record<string, string | null> = {
      'c.true': '1',
      'c.false': '0',
      'c.singlequote': "hello 'quoted'",
      'c.doublequote': 'hello "quoted"',
    };
    for (const { in: text, result } of load<{ in: string; result: boolean }>('sinsp/boolean_mock.jsonl')) {
      const { expr } = new Checker(testCatalogue, 'syscall').check(parseCondition(text));
      expect([text, interpret(expr, (field) => values[field.name] ?? null)]).toEqual([text, result]);
    }
  });
});
