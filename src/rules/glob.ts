/**
 * Shell patterns as fnmatch(3) matches them with flags 0 (POSIX.2, glibc in the C locale), on byte strings: `*` and
 * `?` match `/` too, a backslash escapes, `[…]` knows ranges, classes and negation by `!` or `^`.
 */

export type Glob = (text: string) => boolean;

const STAR = -1;
/** A byte, a set of bytes, or STAR. */
type Token = number | Uint8Array;

/** @param fold whether letters match in either case (FNM_CASEFOLD). */
export function compileGlob(pattern: string, fold = false): Glob {
  const tokens = tokenize(pattern, fold);
  if (tokens === null) return () => false;
  if (tokens.every((token) => typeof token === 'number' && token !== STAR)) {
    const literal = String.fromCharCode(...(tokens as number[]));
    return (text) => text === literal;
  }
  return (text) => matches(tokens, text);
}

/** ASCII only, as the C locale folds. */
function lower(code: number): number {
  return code >= 0x41 && code <= 0x5a ? code + 32 : code;
}

/** A byte as it is written, or in either case. */
function byteToken(code: number, fold: boolean): Token {
  const small = lower(code);
  if (!fold || small < 0x61 || small > 0x7a) return code;
  const set = new Uint8Array(256);
  set[small] = 1;
  set[small - 32] = 1;
  return set;
}

/** Linear in text × stars: only the last star is ever tried again. */
function matches(tokens: readonly Token[], text: string): boolean {
  let t = 0;
  let at = 0;
  let star = -1;
  let from = 0;
  while (at < text.length) {
    const token = tokens[t];
    const code = text.charCodeAt(at);
    if (token === STAR) {
      star = t++;
      from = at;
    } else if (token !== undefined && (typeof token === 'number' ? token === code : token[code] === 1)) {
      t++;
      at++;
    } else if (star !== -1) {
      t = star + 1;
      at = ++from;
    } else {
      return false;
    }
  }
  while (tokens[t] === STAR) t++;
  return t === tokens.length;
}

/** null for a pattern that can match nothing, as its last backslash escapes nothing. */
function tokenize(pattern: string, fold: boolean): Token[] | null {
  const tokens: Token[] = [];
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i];
    if (char === '*') {
      if (tokens.at(-1) !== STAR) tokens.push(STAR);
    } else if (char === '?') {
      tokens.push(new Uint8Array(256).fill(1));
    } else if (char === '\\') {
      if (++i === pattern.length) return null;
      tokens.push(byteToken(pattern.charCodeAt(i), fold));
    } else if (char === '[') {
      const set = bracket(pattern, i, fold);
      if (set === null) {
        tokens.push(0x5b);
      } else {
        tokens.push(set.bytes);
        i = set.end;
      }
    } else {
      tokens.push(byteToken(pattern.charCodeAt(i), fold));
    }
  }
  return tokens;
}

const CLASSES: Record<string, RegExp> = {
  alnum: /[0-9A-Za-z]/,
  alpha: /[A-Za-z]/,
  blank: /[ \t]/,
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what the class is.
  cntrl: /[\x00-\x1f\x7f]/,
  digit: /[0-9]/,
  graph: /[\x21-\x7e]/,
  lower: /[a-z]/,
  print: /[\x20-\x7e]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[ \t\n\v\f\r]/,
  upper: /[A-Z]/,
  xdigit: /[0-9A-Fa-f]/,
};

const NOTHING = /(?!)/;

/** A bracket expression at `start`; null when it is never closed, so that the bracket stands for itself. */
function bracket(pattern: string, start: number, fold: boolean): { bytes: Uint8Array; end: number } | null {
  // Classes and named bytes hold as they are, single ones and ranges as they are folded.
  const members = new Uint8Array(256);
  const folded = new Uint8Array(256);
  let i = start + 1;
  const negated = pattern[i] === '!' || pattern[i] === '^';
  if (negated) i++;
  let isBroken = false;
  const dead = { bytes: new Uint8Array(256), end: pattern.length };
  let first = true;
  for (; ; first = false) {
    if (i >= pattern.length) return isBroken ? dead : null;
    if (pattern[i] === ']' && !first) break;
    const cls = /^\[:([a-z]*):\]/.exec(pattern.slice(i));
    if (cls !== null) {
      const test = CLASSES[cls[1] as string] ?? NOTHING;
      // Of what stands after a class that does not exist, and of what is not in the set, nothing matches.
      isBroken ||= test === NOTHING;
      if (!isBroken) for (let code = 0; code < 256; code++) if (test.test(String.fromCharCode(code))) members[code] = 1;
      i += cls[0].length;
      continue;
    }
    const low = element(pattern, i, fold);
    if (low === null) return null;
    if (low.next === NEVER) return dead;
    i = low.next;
    if (low.code === UNKNOWN) {
      isBroken = true;
      continue;
    }
    if (pattern[i] === '-' && i + 1 < pattern.length && pattern[i + 1] !== ']') {
      const high = element(pattern, i + 1, fold);
      if (high === null) return null;
      if (high.next === NEVER) return dead;
      isBroken ||= high.code === UNKNOWN;
      if (!isBroken) for (let code = low.code; code <= high.code; code++) folded[code] = 1;
      i = high.next;
    } else if (!isBroken) {
      (low.isNamed ? members : folded)[low.code] = 1;
    }
  }
  const bytes = new Uint8Array(256);
  for (let code = 0; code < 256; code++) {
    const isMember = members[code] === 1 || folded[fold ? lower(code) : code] === 1;
    bytes[code] = isMember === negated || (isBroken && negated) ? 0 : 1;
  }
  return { bytes, end: i };
}

/** The code of a `[.symbol.]` that is not one byte: the C locale has none such. */
const UNKNOWN = -1;
/** Where a `[.` that no `.]` ends goes on: a pattern that gets there matches nothing. */
const NEVER = -1;

/** One byte of a bracket expression: plain, escaped, or named as `[.x.]` or `[=x=]`. */
function element(
  pattern: string,
  at: number,
  fold: boolean,
): { readonly code: number; readonly next: number; readonly isNamed: boolean } | null {
  const code = (i: number) => (fold ? lower(pattern.charCodeAt(i)) : pattern.charCodeAt(i));
  if (pattern[at] === '\\') {
    return at + 1 < pattern.length ? { code: code(at + 1), next: at + 2, isNamed: false } : null;
  }
  if (/^\[([.=])[\s\S]\1\]/.test(pattern.slice(at, at + 5))) {
    return { code: pattern.charCodeAt(at + 2), next: at + 5, isNamed: true };
  }
  if (pattern.startsWith('[.', at)) {
    const end = pattern.indexOf('.]', at + 2);
    return { code: UNKNOWN, next: end < 0 ? NEVER : end + 2, isNamed: true };
  }
  return { code: code(at), next: at + 1, isNamed: false };
}
