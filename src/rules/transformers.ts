import type { Call } from './ast.ts';
import type { Value } from './catalogue.ts';
import { lowerAscii, upperAscii } from './operators.ts';

/** The transformers, on values; null stands for no value, and gives none. */
export function transform(call: Call, args: readonly (Value | null)[]): Value | null {
  const first = args[0] ?? null;
  switch (call.name) {
    case 'tolower':
      return each(first, (text) => lowerAscii(text));
    case 'toupper':
      return each(first, (text) => upperAscii(text));
    case 'b64':
      return each(first, decodeBase64);
    case 'basename':
      return each(first, (text) => text.slice(text.lastIndexOf('/') + 1));
    case 'len':
      return first === null ? null : typeof first === 'string' || Array.isArray(first) ? first.length : null;
    case 'join': {
      const parts = args[1];
      if (first === null || parts == null) return null;
      return (Array.isArray(parts) ? parts : [parts]).map(String).join(String(first));
    }
    case 'concat':
      return args.some((arg) => arg === null) ? null : args.map(String).join('');
    case 'getopt':
      return getopt(first, args[1] ?? null, call.argument);
  }
}

/** Applies to a text, or to each of a list; a list of which one has no result has none. */
function each(value: Value | null, apply: (text: string) => string | null): Value | null {
  if (value === null) return null;
  if (!Array.isArray(value)) return typeof value === 'string' ? apply(value) : null;
  const results: Value[] = [];
  for (const one of value as readonly Value[]) {
    const result = typeof one === 'string' ? apply(one) : null;
    if (result === null) return null;
    results.push(result);
  }
  return results;
}

/** The padding may be missing; null when it is not Base64. */
function decodeBase64(text: string): string | null {
  try {
    return atob(text);
  } catch {
    return null;
  }
}

/**
 * getopt(3) over a list of arguments (the program's name not among them): without `option` the letters of the options
 * that were given, with it the value of that option (empty for one that takes none). No value when there is none.
 */
function getopt(argv: Value | null, optstring: Value | null, option: string | null): Value | null {
  if (argv === null || typeof optstring !== 'string') return null;
  const words = (Array.isArray(argv) ? argv : [argv]).map(String);
  const spec = optstring.replace(/^[+:-]+/, '');
  const found: { letter: string; value: string }[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    if (word === '--') break;
    if (!word.startsWith('-') || word === '-') {
      if (optstring.startsWith('+')) break;
      continue;
    }
    for (let k = 1; k < word.length; k++) {
      const letter = word[k] as string;
      const at = letter === ':' || letter === ';' ? -1 : spec.indexOf(letter);
      if (at === -1) continue;
      if (spec[at + 1] !== ':') {
        found.push({ letter, value: '' });
        continue;
      }
      const attached = word.slice(k + 1);
      if (attached !== '' || spec[at + 2] === ':') found.push({ letter, value: attached });
      else if (i + 1 < words.length) found.push({ letter, value: words[++i] as string });
      break;
    }
  }
  if (option === null) return found.length === 0 ? null : found.map(({ letter }) => letter);
  return found.findLast(({ letter }) => letter === option)?.value ?? null;
}
