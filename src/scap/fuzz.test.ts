import { expect, it } from 'vitest';
import { mutate, random, seeds, survive } from './testing/mutate.ts';

it('survives 20,000 mutated captures: no crash, no hang', () => {
  const next = random(20_260_101);
  const captures = seeds();
  for (const capture of captures) survive(capture, 1 << 20);
  let events = 0;
  for (let i = 0; i < 20_000; i++) {
    const bytes = mutate(captures[i % captures.length] as Uint8Array, next);
    events += survive(bytes, next() < 0.5 ? bytes.length || 1 : 1 + Math.floor(next() * 300));
  }
  expect(events).toBeGreaterThan(20_000);
});
