import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { lockFileText, readLockFile, writeLockFile } from './lock-file.ts';

const directory = mkdtempSync(join(tmpdir(), 'windhover-lock-'));
afterAll(() => rmSync(directory, { recursive: true }));
const path = join(directory, 'a.lock');

test('what is written is read again', () => {
  const behaviour = {
    programs: ['/usr/bin/cat', '~/bin/a: b', '#odd', '- x', 'yes', 'line\nbreak'],
    writes: ['.'],
    reads: [],
    network: ['tcp [::1]:80'],
  };
  writeLockFile(path, behaviour);
  expect(readLockFile(path)).toEqual(behaviour);
  expect(lockFileText(behaviour)).toMatch(/\nversion: 1\nprograms:\n {2}- \/usr\/bin\/cat\n/);
});

test('keys that are left out allow nothing; anything else is refused with its place', () => {
  const read = (text: string) => {
    writeFileSync(path, text);
    return readLockFile(path);
  };
  expect(read('version: 1\nreads:\n')).toEqual({ programs: [], writes: [], reads: [], network: [] });
  for (const wrong of [
    '',
    'version: 2',
    'version: 1\nread: []',
    'version: 1\nreads: x',
    'version: 1\nreads: [1]',
    '{',
  ]) {
    expect(() => read(wrong)).toThrow(/lock file/);
  }
  expect(() => readLockFile(join(directory, 'none'))).toThrow(/ENOENT/);
});
