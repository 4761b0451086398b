import fc from 'fast-check';
import koffi from 'koffi';
import { describe, expect, it } from 'vitest';
import { compileGlob } from './glob.ts';

const libc = koffi.load('libc.so.6');
const fnmatch = libc.func('int fnmatch(const uint8_t *pattern, const uint8_t *text, int flags)');
const FNM_CASEFOLD = 1 << 4;

function bytes(text: string): Uint8Array {
  return Uint8Array.from([...`${text}\0`], (char) => char.charCodeAt(0));
}

/** libc's answer; it runs in the C locale, as no one has called setlocale. */
function oracle(pattern: string, text: string, fold: boolean): boolean {
  return fnmatch(bytes(pattern), bytes(text), fold ? FNM_CASEFOLD : 0) === 0;
}

describe('glob', () => {
  it('crosses slashes, escapes, and knows classes', () => {
    expect(compileGlob('/etc/*')('/etc/a/b')).toBe(true);
    expect(compileGlob('*.log')('.log')).toBe(true);
    expect(compileGlob('a\\*b')('a*b')).toBe(true);
    expect(compileGlob('a\\*b')('axb')).toBe(false);
    expect(compileGlob('[[:digit:]-]x')('-x')).toBe(true);
    expect(compileGlob('[!a]')('a')).toBe(false);
    expect(compileGlob('ÄB*', true)('Äbc')).toBe(true);
  });

  it('stays linear in the number of stars', () => {
    expect(compileGlob(`${'*a'.repeat(200)}b`)('a'.repeat(5000))).toBe(false);
  });

  it('agrees with fnmatch(3) of libc', () => {
    const part = fc.constantFrom(
      ...[
        'a',
        'b',
        'Z',
        '-',
        '*',
        '?',
        '[',
        ']',
        '!',
        '^',
        '\\',
        '/',
        '.',
        '[a-c]',
        '[!x]',
        '[[:alpha:]]',
        '[[:upper:]]',
      ],
      ...['[.', '.]', '[[.', '[[.ab.]', '[a-[.b.]]', '[[.].]]'],
      ...['[]a]', '[a-]', '[\\]]', '[b-a]', '[[.a.]]', '[[=b=]]', '[[:nope:]]', '[a', '\xe9', '[\xe0-\xff]'],
    );
    const pattern = fc.array(part, { maxLength: 7 }).map((parts) => parts.join(''));
    const text = fc
      .array(fc.constantFrom('a', 'b', 'c', 'z', 'Z', 'A', 'B', '-', '[', ']', '!', '\\', '/', '.', '\xe9'), {
        maxLength: 7,
      })
      .map((chars) => chars.join(''));
    fc.assert(
      fc.property(pattern, text, fc.boolean(), (glob, value, fold) => {
        expect(compileGlob(glob, fold)(value), JSON.stringify([glob, value, fold])).toBe(oracle(glob, value, fold));
      }),
      { numRuns: 20_000 },
    );
  });
});
