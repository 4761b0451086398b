import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Interner } from './interner.ts';

function bytesOf(text: string): { buffer: Uint8Array; view: DataView } {
  const buffer = Uint8Array.from(text, (char) => char.charCodeAt(0));
  return { buffer, view: new DataView(buffer.buffer) };
}

/** Interns as the tables do: what is not there is made and kept. */
function intern(interner: Interner<{ text: string; key: number }>, text: string, key = 0) {
  const { buffer, view } = bytesOf(text);
  const known = interner.find(buffer, view, 0, buffer.length, key);
  if (known !== null) return known;
  const made = { text, key };
  interner.keep(buffer, view, 0, buffer.length, key, made);
  return made;
}

test('equal bytes and keys give the same object, all others give theirs', () => {
  const text = fc
    .array(fc.constantFrom('\0', '\x01', '\x7f', '\x80', '\xf0', '\xff', 'a'), { maxLength: 130 })
    .map((all) => all.join(''));
  fc.assert(
    fc.property(fc.array(fc.tuple(text, fc.integer({ min: -2, max: 2 })), { maxLength: 60 }), (items) => {
      const interner = new Interner<{ text: string; key: number }>(256, 1 << 16);
      const model = new Map<string, object>();
      for (const [one, key] of [...items, ...items]) {
        const found = intern(interner, one, key);
        expect([found.text, found.key]).toEqual([one, key]);
        const name = `${key}:${one}`;
        const before = model.get(name);
        if (before !== undefined) expect(found).toBe(before);
        model.set(name, found);
      }
    }),
    { numRuns: 200 },
  );
});

test('patterns that are no numbers, or zero with a sign, are told apart', () => {
  const interner = new Interner<{ text: string; key: number }>(64, 1 << 12);
  const zero = '\0'.repeat(8);
  const texts = [zero, `${'\0'.repeat(7)}\x80`, `${'\0'.repeat(6)}\xf8\x7f`, `\x01${'\0'.repeat(5)}\xf8\x7f`];
  for (const text of [...texts, ...texts]) expect(intern(interner, text).text).toBe(text);
});

test('what is in use is kept, what is not is forgotten, and the memory stays the same', () => {
  const interner = new Interner<{ text: string; key: number }>(64, 1 << 12);
  const hot = intern(interner, 'hot');
  const cold = intern(interner, 'cold');
  for (let i = 0; i < 1000; i++) {
    intern(interner, `unique ${i}`);
    expect(intern(interner, 'hot')).toBe(hot);
  }
  expect(intern(interner, 'cold')).not.toBe(cold);
  expect(intern(interner, 'x'.repeat(5000)).text).toHaveLength(5000);
});
