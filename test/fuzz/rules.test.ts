import { expect, it } from 'vitest';
import { fuzz } from './rules.ts';

it('the loader never throws on mutated rules files', { timeout: 180_000 }, () => {
  const mutations = 20_000;
  const { valid } = fuzz(mutations, 1);
  // Some stay valid, else the mutations would test the YAML parser only.
  expect(valid).toBeGreaterThan(mutations / 50);
});
