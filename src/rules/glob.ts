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
  const tokens = tokenize(fold ? lower(pattern) : pattern, fold);
  if (tokens === null) return () => false;
  if (tokens.every((token) => typeof token === 'number' && token !== STAR)) {
    const literal = String.fromCharCode(...(tokens as number[]));
    return fold ? (text) => lower(text) === literal : (text) => text === literal;
  }
  return fold ? (text) => matches(tokens, lower(text)) : (text) => matches(tokens, text);
}

/** ASCII only, as the C locale folds. */
function lower(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
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

/** null for a pattern that can match nothing: a trailing backslash, or a class that does not exist. */
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
      tokens.push(pattern.charCodeAt(i));
    } else if (char === '[') {
      const set = bracket(pattern, i, fold);
      if (set === 'invalid') return null;
      if (set === null) {
        tokens.push(0x5b);
      } else {
        tokens.push(set.bytes);
        i = set.end;
      }
    } else {
      tokens.push(pattern.charCodeAt(i));
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

/** A bracket expression at `start`; null when it is never closed, so that the bracket stands for itself. */
function bracket(pattern: string, start: number, fold: boolean): { bytes: Uint8Array; end: number } | 'invalid' | null {
  const bytes = new Uint8Array(256);
  let i = start + 1;
  const negated = pattern[i] === '!' || pattern[i] === '^';
  if (negated) i++;
  let first = true;
  for (; ; first = false) {
    if (i >= pattern.length) return null;
    if (pattern[i] === ']' && !first) break;
    const cls = /^\[:([a-z]*):\]/.exec(pattern.slice(i));
    if (cls !== null) {
      const members = CLASSES[cls[1] as string];
      if (members === undefined) return 'invalid';
      for (let code = 0; code < 256; code++) {
        const char = String.fromCharCode(code);
        const either = fold && (members.test(char.toLowerCase()) || members.test(char.toUpperCase())) && code < 128;
        if (either || members.test(char)) bytes[code] = 1;
      }
      i += cls[0].length;
      continue;
    }
    const low = element(pattern, i);
    if (low === null) return null;
    i = low.next;
    if (pattern[i] === '-' && i + 1 < pattern.length && pattern[i + 1] !== ']') {
      const high = element(pattern, i + 1);
      if (high === null) return null;
      for (let code = low.code; code <= high.code; code++) bytes[code] = 1;
      i = high.next;
    } else {
      bytes[low.code] = 1;
    }
  }
  if (negated) for (let code = 0; code < 256; code++) bytes[code] = 1 - (bytes[code] as number);
  return { bytes, end: i };
}

/** One byte of a bracket expression: plain, escaped, `[.x.]` or `[=x=]`. */
function element(pattern: string, at: number): { code: number; next: number } | null {
  if (pattern[at] === '\\') {
    return at + 1 < pattern.length ? { code: pattern.charCodeAt(at + 1), next: at + 2 } : null;
  }
  const named = /^\[([.=])([\s\S])\1\]/.exec(pattern.slice(at, at + 5));
  if (named !== null) return { code: (named[2] as string).charCodeAt(0), next: at + 5 };
  return { code: pattern.charCodeAt(at), next: at + 1 };
}
