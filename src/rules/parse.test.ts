import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConditionError, isListOperator, isOperator, parseCondition, parseOperand, positionAt } from './parse.ts';
import { print, printOperand } from './print.ts';
import { conditionText } from './testing/arbitrary.ts';

function refusal(text: string, depth?: number): [message: string, offset: number] {
  try {
    parseCondition(text, depth);
  } catch (error) {
    if (error instanceof ConditionError) return [error.message, error.offset];
    throw error;
  }
  return expect.fail(`accepted: ${text}`);
}

describe('parseCondition', () => {
  it('reads precedence, negation and macros', () => {
    expect(print(parseCondition('a or b and not c'))).toBe('(a or (b and not c))');
    expect(print(parseCondition('not not not(a)'))).toBe('not a');
    expect(parseCondition('notable')).toMatchObject({ kind: 'macro', name: 'notable' });
  });

  it('gives every node its range', () => {
    const text = 'x.y = 1 and  (a.b in (p, "q r"))';
    const expr = parseCondition(text);
    if (expr.kind !== 'and') expect.fail();
    expect(expr.children.map(({ range }) => text.slice(...range))).toEqual(['x.y = 1', 'a.b in (p, "q r")']);
    const [, check] = expr.children;
    if (check?.kind !== 'check' || check.right?.kind !== 'values') expect.fail();
    expect(check.right.values.map(({ range }) => text.slice(...range))).toEqual(['p', '"q r"']);
  });

  it('unescapes quoted values', () => {
    const value = (text: string) => {
      const expr = parseCondition(`a.b = ${text}`);
      return expr.kind === 'check' && expr.right?.kind === 'value' ? expr.right.value.text : expect.fail();
    };
    expect(value('"\\x41\\n\\/\\ "')).toBe('A\n/\\');
    expect(value("'it\\'s'")).toBe("it's");
    expect(refusal('a.b = "\\\\" and c.d = e')[0]).toContain('expected a string value');
    expect(refusal('a.b = "\\q"')[0]).toBe('unsupported string escape sequence: \\q');
    expect(refusal('a.b = "\\x4"')[0]).toBe('unsupported string escape sequence: \\x');
    expect(refusal("a.b = '\\\"'")[0]).toBe(`invalid \\" escape in '-quoted string`);
  });

  it('refuses what is nested too deeply', () => {
    expect(refusal(`${'('.repeat(300)}a${')'.repeat(300)}`)[0]).toBe('exceeded max depth limit of 1000');
    expect(refusal('((((a))))', 10)[0]).toBe('exceeded max depth limit of 10');
    expect(refusal('', 10)).toEqual(['filter input string is empty', 0]);
  });

  it('is undone by print, and undoes it', () => {
    fc.assert(
      fc.property(conditionText, (text) => {
        expect(print(parseCondition(text))).toBe(text);
      }),
      { numRuns: 3000 },
    );
  });

  it('either reads a text or says where it cannot', () => {
    const token = fc.constantFrom(
      ...[
        'a',
        'a.b',
        'and',
        'or',
        'not',
        '(',
        ')',
        ' ',
        '=',
        '<=',
        'in',
        'oneof',
        'exists',
        ',',
        '"',
        "'",
        '\\',
        '[',
        ']',
      ],
      ...['0x1', '1.5', 'val(', 'tolower(', 'join(', '\n', '\xe9'],
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 20 }), (tokens) => {
        const text = tokens.join('');
        try {
          parseCondition(text);
        } catch (error) {
          if (!(error instanceof ConditionError)) throw error;
          expect(error.offset).toBeLessThanOrEqual(text.length);
        }
      }),
      { numRuns: 5000 },
    );
  });
});

it('parseOperand wants the whole text', () => {
  const operand = parseOperand('tolower( proc.aname[2] )');
  expect(operand === null ? null : printOperand(operand)).toBe('tolower(proc.aname[2])');
  expect(parseOperand('proc.name ')).toBeNull();
  expect(parseOperand('tolower(')).toBeNull();
});

it('knows operators with and without modifiers', () => {
  expect(['in', '= oneof', 'glob anyof', 'exists'].map(isOperator)).toEqual([true, true, true, true]);
  expect(['oneof', 'in oneof', 'frob oneof', '= some'].map(isOperator)).toEqual([false, false, false, false]);
  expect(['in', 'startswith allof', '='].map(isListOperator)).toEqual([true, true, false]);
});

it('positionAt counts lines and columns from 1', () => {
  expect(positionAt('a\nbc', 3)).toEqual({ line: 2, column: 2 });
});
