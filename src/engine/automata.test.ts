import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Hits, Substrings, Trie } from './automata.ts';

const literal = fc.string({ unit: fc.constantFrom('a', 'b', '/', '\xff'), maxLength: 5 });
const literals = fc.array(literal, { maxLength: 12 });

const unique = ({ ids, count }: Hits) => [...new Set(ids.subarray(0, count))].sort((a, b) => a - b);
const expected = (list: string[], matches: (text: string) => boolean) =>
  list.flatMap((text, id) => (matches(text) ? [id] : []));

describe('automata find what String.prototype finds', () => {
  test('prefixes and suffixes', () => {
    fc.assert(
      fc.property(literals, fc.string({ unit: fc.constantFrom('a', 'b', '/', '\xff', 'z') }), (list, value) => {
        for (const reversed of [false, true]) {
          const trie = new Trie(reversed);
          list.forEach((text, id) => {
            trie.add(text, id);
          });
          const hits = new Hits();
          trie.finish().match(value, hits);
          expect(unique(hits)).toEqual(
            expected(list, (text) => (reversed ? value.endsWith(text) : value.startsWith(text))),
          );
        }
      }),
    );
  });

  test('substrings', () => {
    fc.assert(
      fc.property(literals, fc.string({ unit: fc.constantFrom('a', 'b', '/', '\xff', 'z') }), (list, value) => {
        const hits = new Hits();
        new Substrings(list.map((text, id) => [text, id] as const)).match(value, hits);
        expect(unique(hits)).toEqual(expected(list, (text) => value.includes(text)));
      }),
    );
  });
});
