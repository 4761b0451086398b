import type { RE2JS } from 're2js';
import { re2 } from '#libraries';
import { fromByteString } from '../bytes.ts';

/**
 * `regex` as Falco has it: RE2 in POSIX mode (no Perl escapes, no `(?…)`, longest match), the whole value, which is
 * first made valid UTF-8. `^` and `$` match at line ends, `.` does not match a newline.
 */

export class RegexError extends Error {
  override readonly name = 'RegexError';
}

/** @param pattern a byte string. @throws RegexError in RE2's words. */
export function compileRegex(pattern: string): (text: string) => boolean {
  const text = fromByteString(pattern);
  const posix = toPerl(text);
  const { RE2JS } = re2();
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(posix, RE2JS.MULTILINE);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new RegexError(message.replace(/^error parsing regexp: /, '').replace(posix, text));
  }
  return (value) => compiled.testExact(fromByteString(value));
}

/** Escapes that are letters or digits and mean the same in both dialects. */
const ESCAPES = /^(?:[aftnrv]|x[0-9a-fA-F]{2}|x\{[0-9a-fA-F]+\}|[0-7]{2,3}|0)/;

/**
 * POSIX pattern → the same in the Perl-like dialect of re2js: refuses what POSIX lacks, and wraps repetitions of
 * repetitions (`a**`), which POSIX allows.
 */
function toPerl(pattern: string): string {
  // `atoms` holds the start of the last atom at each level of brackets, so that it can be wrapped.
  let out = '';
  const starts: number[] = [];
  let atom = -1;
  let repeated = false;
  for (let i = 0; i < pattern.length; ) {
    const char = pattern[i] as string;
    if (char === '\\') {
      const rest = pattern.slice(i + 1);
      const sequence = ESCAPES.exec(rest)?.[0] ?? (/^[^A-Za-z0-9]/.test(rest) ? (rest[0] as string) : null);
      if (rest === '') throw new RegexError('trailing \\ at end of expression');
      if (sequence === null) throw new RegexError(`invalid escape sequence: \\${rest[0]}`);
      atom = out.length;
      repeated = false;
      out += `\\${sequence}`;
      i += 1 + sequence.length;
    } else if (char === '[') {
      const end = classEnd(pattern, i);
      atom = out.length;
      repeated = false;
      out += pattern.slice(i, end);
      i = end;
    } else if (char === '(') {
      if (pattern[i + 1] === '?') throw new RegexError('no argument for repetition operator: ?');
      starts.push(out.length);
      atom = -1;
      repeated = false;
      out += char;
      i++;
    } else if (char === ')') {
      atom = starts.pop() ?? -1;
      repeated = false;
      out += char;
      i++;
    } else {
      const repetition = /^(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})/.exec(pattern.slice(i))?.[0];
      if (repetition === undefined) {
        atom = char === '|' ? -1 : out.length;
        repeated = false;
        out += char;
        i++;
        continue;
      }
      if (atom === -1) throw new RegexError(`no argument for repetition operator: ${repetition}`);
      if (repeated) out = `${out.slice(0, atom)}(?:${out.slice(atom)})`;
      out += repetition;
      repeated = true;
      i += repetition.length;
    }
  }
  return out;
}

/** Offset after a bracket expression; escapes in it are those of the outside. */
function classEnd(pattern: string, start: number): number {
  let i = start + 1;
  if (pattern[i] === '^') i++;
  if (pattern[i] === ']') i++;
  while (i < pattern.length && pattern[i] !== ']') {
    if (pattern[i] === '[' && pattern[i + 1] === ':') {
      const end = pattern.indexOf(':]', i + 2);
      i = end === -1 ? i + 1 : end + 2;
    } else if (pattern[i] === '\\') {
      if (/[dDsSwWbBpPQEAzC]/.test(pattern[i + 1] ?? '')) {
        throw new RegexError(`invalid escape sequence: \\${pattern[i + 1]}`);
      }
      i += 2;
    } else {
      i++;
    }
  }
  if (i >= pattern.length) throw new RegexError(`missing ]: ${pattern.slice(start)}`);
  return i + 1;
}

/** True for a pattern that a plain comparison could replace: a literal with at most wildcards or anchors around it. */
export function isSimpleRegex(pattern: string): boolean {
  return /^\^?(?:\.[*+?])*[^\\.[\](){}*+?|^$]+(?:\.[*+?])*\$?$/.test(pattern);
}
