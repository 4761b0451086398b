import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { DESTINATIONS } from '../destinations/index.ts';
import { referencePages } from './reference.ts';

const folder = new URL('../../../docs/outputs/', import.meta.url);

it('the pages in docs/outputs are the ones that the tables give', () => {
  const pages = referencePages(DESTINATIONS);
  for (const [name, text] of Object.entries(pages)) {
    const file = new URL(name, folder);
    if (process.env.UPDATE) writeFileSync(file, text);
    expect(existsSync(file) ? readFileSync(file, 'utf8') : '', name).toBe(text);
  }
  expect(readdirSync(folder).sort()).toEqual([...Object.keys(pages), 'contract.md'].sort());
});
