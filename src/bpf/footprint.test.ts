import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { releaseProgramFile } from './footprint.ts';

/** Bytes of files (not shared memory) in this process. */
const fromFiles = (): number =>
  Number(/^RssFile:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]) * 1024;

it('the program goes on with less of its file in memory', () => {
  const before = fromFiles();
  expect(releaseProgramFile()).toBeGreaterThan(10e6);
  expect(before - fromFiles()).toBeGreaterThan(5e6);
  // Whatever runs from here on was brought back.
  expect(JSON.parse('{"a":[1,2,3]}')).toEqual({ a: [1, 2, 3] });
});
