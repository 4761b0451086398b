import { type Alert, messageOf, textOf } from './alert.ts';
import type { Json } from './json.ts';

/**
 * The search index, the same for every database: an alert is a set of terms. A word of its output is a term, and
 * so is the hash of each `field = value`, so that an equality in a condition is one look-up. An index over terms of our own
 * making costs a tenth of a full text of the JSON.
 */

/** Times and counters differ in every alert: as terms they would only fill the disk. */
const UNINDEXED =
  /^evt\.(time|rawtime|datetime|num|latency|deltatime|reltime)|^(proc|thread)\.(duration|cpu)|_ts$|\.start_ts/;

/** Held once per series (see {@link file://./store.ts}), not per alert. */
const OF_SERIES = new Set(['k8s.ns.name', 'container.image.repository', 'evt.hostname']);

/** A text longer than this is indexed up to here; it is stored whole. */
const INDEXED_CHARS = 32_768;

/** Words of a text: letters and digits of any script, in lower case, at most 40 characters each. */
export function words(text: string): string[] {
  const found =
    text
      .slice(0, INDEXED_CHARS)
      .toLowerCase()
      .match(/[\p{L}\p{M}\p{N}_]+/gu) ?? [];
  return found.map((word) => word.slice(0, 40)).filter((word) => !/^\d{7,}$/.test(word));
}

/** 53 bits of a text, spread evenly (two rounds of Murmur's mixing); the same on every machine. */
function hash(text: string): number {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    a = Math.imul(a ^ c, 0x85ebca77);
    b = Math.imul(b ^ c, 0xc2b2ae3d);
  }
  a ^= Math.imul(a ^ (b >>> 15), 0x735a2d97);
  b ^= Math.imul(b ^ (a >>> 15), 0xcaf649a9);
  a ^= b >>> 16;
  b ^= a >>> 16;
  return 2097152 * (b >>> 0) + (a >>> 11);
}

/** The term of `field = value`; starts with a letter pair that makes it unlike a word. */
export function fieldTerm(field: string, value: string): string {
  return `zq${hash(`${field}\0${value}`).toString(36)}`;
}

/** True when an equality on this field can be answered by its term. */
export function isIndexed(field: string): boolean {
  return !UNINDEXED.test(field) && !OF_SERIES.has(field);
}

/** All terms of an alert, without repetition. */
export function termsOf(alert: Alert): string[] {
  const terms = new Set(words(messageOf(alert.output)));
  for (const [field, value] of Object.entries(alert.fields)) {
    if (!isIndexed(field)) continue;
    for (const item of Array.isArray(value) ? (value as readonly Json[]) : [value]) {
      const text = textOf(item);
      if (text !== '') terms.add(fieldTerm(field, text));
    }
  }
  return [...terms];
}

/** What an alert must have: terms (a word matches as a prefix, a field's term whole), joined by and/or. */
export type Need =
  | { readonly kind: 'term'; readonly term: string; readonly prefix: boolean }
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Need[] };

/** In FTS5's query language. Terms hold letters, digits and `_` only, quoted all the same. */
export function toFts5(need: Need): string {
  if (need.kind === 'term') return `"${need.term.replaceAll('"', '""')}"${need.prefix ? '*' : ''}`;
  return `(${need.parts.map(toFts5).join(need.kind === 'and' ? ' AND ' : ' OR ')})`;
}

/** In the syntax of PostgreSQL's `tsquery`. */
export function toTsquery(need: Need): string {
  if (need.kind === 'term') return `'${need.term.replaceAll("'", "''")}'${need.prefix ? ':*' : ''}`;
  return `(${need.parts.map(toTsquery).join(need.kind === 'and' ? ' & ' : ' | ')})`;
}
