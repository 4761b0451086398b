import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { generate } from '../messages/generate.ts';

it('the catalogue of diagnostics is generated from its Markdown', () => {
  for (const [path, content] of generate()) {
    expect(
      readFileSync(new URL(`../${path}`, import.meta.url), 'utf8'),
      `run node messages/generate.ts (${path})`,
    ).toBe(content);
  }
});
