import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeEach, expect, test } from 'vitest';

const directory = mkdtempSync(join(tmpdir(), 'windhover-cache-'));
afterAll(() => rmSync(directory, { recursive: true }));
const compiled = join(directory, 'compiled');
beforeEach(() => rmSync(compiled, { recursive: true, force: true }));

const PROGRAM = `
import { kept } from ${JSON.stringify(new URL('./cache.ts', import.meta.url).href)};
const [kind, inputs, sources, value] = JSON.parse(process.argv[1]);
const place = kept(kind, inputs, sources.map((source) => new URL(source)));
console.log(JSON.stringify(place.read()));
if (value !== undefined) place.write(value);
`;

/** Another process: what it finds; then it keeps `value`. */
function start(inputs: unknown, value?: unknown, sources: readonly string[] = [], caching = true): unknown {
  const { NODE_COMPILE_CACHE: _, ...env } = process.env;
  const answer = execFileSync(
    process.execPath,
    ['--input-type=module', '-e', PROGRAM, JSON.stringify(['things', inputs, sources, value])],
    { env: caching ? { ...env, NODE_COMPILE_CACHE: compiled } : env, encoding: 'utf8' },
  );
  return JSON.parse(answer);
}

/** The one directory that Node makes for itself, and ours in it. */
function things(): string {
  const [version = ''] = readdirSync(compiled);
  return join(compiled, version, 'things');
}

test('is there again at the next start, for the same inputs only', () => {
  const value = { text: 'bytes \xff and more ☃', list: [1, null, { a: true }] };
  expect(start(['a', 'b'], value)).toBeNull();
  expect(start(['a', 'b'])).toEqual(value);
  expect(start(['a', 'c'])).toBeNull();
  expect(start(['ab'])).toBeNull();
});

test('goes when the program that made it is changed', () => {
  const source = join(directory, 'maker.ts');
  writeFileSync(source, 'one');
  const sources = [pathToFileURL(source).href, pathToFileURL(`${directory}/`).href];
  start('x', 1, sources);
  expect(start('x', undefined, sources)).toBe(1);
  writeFileSync(source, 'three');
  expect(start('x', undefined, sources)).toBeNull();
  rmSync(source);
  expect(start('x', 1, sources)).toBeNull();
  expect(start('x', undefined, sources)).toBeNull();
});

test('what was damaged is not used', () => {
  start('x', { text: 'as it was' });
  const [name = ''] = readdirSync(things());
  const path = join(things(), name);
  const text = readFileSync(path, 'latin1');
  writeFileSync(path, text.replace('as it was', 'as it isnt'), 'latin1');
  expect(start('x')).toBeNull();
  writeFileSync(path, text.slice(0, 20), 'latin1');
  expect(start('x')).toBeNull();
});

test('only its owner can read it, and there are only so many', () => {
  for (let i = 0; i < 18; i++) start(i, i);
  expect(readdirSync(things())).toHaveLength(16);
  expect(start(17)).toBe(17);
  expect(start(0)).toBeNull();
  expect(statSync(things()).mode & 0o777).toBe(0o700);
  expect(statSync(join(things(), readdirSync(things())[0] as string)).mode & 0o777).toBe(0o600);
});

test('without a cache of code, or where nothing can be written, nothing is kept and nothing fails', () => {
  expect(start('x', 1, [], false)).toBeNull();
  expect(start('x', undefined, [], false)).toBeNull();
  start('x', 1);
  rmSync(things(), { recursive: true });
  // A file in place of the directory stops root, too.
  writeFileSync(things(), '');
  chmodSync(things(), 0o600);
  expect(start('x', 2)).toBeNull();
  expect(start('x')).toBeNull();
});
