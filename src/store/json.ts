/**
 * JSON without loss. `JSON.parse` turns 1767366245123456789 into …456800, so an alert is kept as the text that
 * came in, and read with integers beyond 2^53 as bigints.
 */

export type Json = string | number | bigint | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** An integer literal that a double cannot hold becomes a bigint. */
function keepInteger(_key: string, value: unknown, context: { source?: string }): unknown {
  if (typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context.source ?? '')) {
    return BigInt(context.source as string);
  }
  return value;
}

/** Parses `text`; integers that are no safe numbers become bigints. Throws SyntaxError like `JSON.parse`. */
export function parseLossless(text: string): Json {
  // The reviver makes parsing several times slower: only where a long number can be.
  if (!/\d{16}/.test(text)) return JSON.parse(text) as Json;
  return (JSON.parse as (text: string, reviver: typeof keepInteger) => Json)(text, keepInteger);
}

/** Offset after the JSON value that starts at `at` in a text that is known to be valid JSON. */
function valueEnd(text: string, at: number): number {
  const first = text[at];
  if (first === '"') return stringEnd(text, at);
  if (first !== '{' && first !== '[') {
    let end = at;
    while (end < text.length && !/[,\]}\s]/.test(text[end] as string)) end++;
    return end;
  }
  let depth = 0;
  for (let i = at; i < text.length; i++) {
    const c = text[i];
    if (c === '"') i = stringEnd(text, i) - 1;
    else if (c === '{' || c === '[') depth++;
    else if ((c === '}' || c === ']') && --depth === 0) return i + 1;
  }
  return text.length;
}

function stringEnd(text: string, at: number): number {
  let i = at + 1;
  while (i < text.length && text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
  return i + 1;
}

function skipBlank(text: string, at: number): number {
  let i = at;
  while (i < text.length && (text.charCodeAt(i) <= 32 || text[i] === ',' || text[i] === ':')) i++;
  return i;
}

/** The source texts of the elements of a valid JSON array. */
export function elementTexts(text: string): string[] {
  const out: string[] = [];
  for (let i = skipBlank(text, text.indexOf('[') + 1); i < text.length && text[i] !== ']'; ) {
    const end = valueEnd(text, i);
    out.push(text.slice(i, end));
    i = skipBlank(text, end);
  }
  return out;
}

/** The source text of the value of `key` in a valid JSON object; undefined when there is none. */
export function memberText(text: string, key: string): string | undefined {
  let found: string | undefined;
  for (let i = skipBlank(text, text.indexOf('{') + 1); i < text.length && text[i] !== '}'; ) {
    const keyEnd = stringEnd(text, i);
    const name = JSON.parse(text.slice(i, keyEnd)) as string;
    const from = skipBlank(text, keyEnd);
    const end = valueEnd(text, from);
    // As in JSON.parse, the last of equal keys counts.
    if (name === key) found = text.slice(from, end);
    i = skipBlank(text, end);
  }
  return found;
}
