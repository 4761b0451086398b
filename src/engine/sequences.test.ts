import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SequenceInterner } from './sequences.ts';

test('equal sequences have one number, others the next; all are kept', () => {
  const sequence = fc.array(fc.integer({ min: -2, max: 2 }), { maxLength: 6 });
  fc.assert(
    fc.property(fc.array(sequence, { maxLength: 400 }), (sequences) => {
      const interner = new SequenceInterner();
      const model = new Map<string, number>();
      for (const one of sequences) {
        const key = one.join();
        if (!model.has(key)) model.set(key, model.size);
        // What stands behind the length does not count.
        expect(interner.intern(Int32Array.from([...one, 7]), one.length)).toBe(model.get(key));
      }
      for (const [key, number] of model) expect([...interner.members(number)].join()).toBe(key);
    }),
  );
});
