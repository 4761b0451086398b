import { describe, expect, it } from 'vitest';
import { toByteString } from '../bytes.ts';
import { compileRegex, isSimpleRegex } from './regex.ts';

const matches = (pattern: string, text: string) => compileRegex(pattern)(text);

describe('regex', () => {
  it('matches the whole value', () => {
    expect(matches('a+', 'aaa')).toBe(true);
    expect(matches('a+', 'baaa')).toBe(false);
    expect(matches('a|ab', 'ab')).toBe(true);
  });

  it('has POSIX syntax', () => {
    expect(matches('[[:alpha:]]+', 'abc')).toBe(true);
    expect(matches('a**', 'aaa')).toBe(true);
    expect(matches('(a+)+?', 'aa')).toBe(true);
    expect(matches('a{2}{3}', 'aaaaaa')).toBe(true);
    expect(matches('\\x41\\.\\/', 'A./')).toBe(true);
    expect(matches('[^/]+', 'abc')).toBe(true);
    expect(matches('[]a]+', ']a')).toBe(true);
    for (const [pattern, message] of [
      ['\\d', 'invalid escape sequence: \\d'],
      ['[\\w]', 'invalid escape sequence: \\w'],
      ['(?:a)', 'no argument for repetition operator: ?'],
      ['*a', 'no argument for repetition operator: *'],
      ['a\\', 'trailing \\ at end of expression'],
      ['[a', 'missing ]'],
      ['(a', 'missing'],
      ['a)', 'unexpected )'],
    ] as const) {
      expect(() => compileRegex(pattern), pattern).toThrow(message);
    }
  });

  it('sees characters, not bytes, and anchors at lines', () => {
    expect(matches('.', toByteString('é'))).toBe(true);
    expect(matches('.', '\xff')).toBe(true);
    expect(matches('.', '\n')).toBe(false);
    expect(matches('a$\n^b', 'a\nb')).toBe(true);
  });

  it('knows which are no more than a plain comparison', () => {
    expect(['a', '^a$', '.*a.*', 'a.+', '.?a'].map(isSimpleRegex)).toEqual([true, true, true, true, true]);
    expect(['a.*b', 'a[bc]', 'a\\.b', 'a|b', '.*'].map(isSimpleRegex)).toEqual([false, false, false, false, false]);
  });
});
