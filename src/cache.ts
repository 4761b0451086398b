/**
 * What took time to make, kept from one start to the next. It lies below the cache of compiled code (bin/cache.js), in
 * a directory that only its owner can write to: whoever could write there could make us run code anyway. Without
 * that cache nothing is kept.
 */
import { hash, randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { getCompileCacheDir } from 'node:module';
import { join } from 'node:path';

/** A place for one value, which is plain data as JSON knows it. */
export interface Kept<T> {
  /** What was written for the same inputs; null when there is none. */
  read(): T | null;
  /** Keeps a value; when that is not possible, the next start makes it anew. */
  write(value: T): void;
}

/** Values of one kind that are kept; of more, those go that were not used for longest. */
const KEPT = 16;
/** Characters of a SHA-256 sum in hexadecimal. */
const SUM = 64;

/**
 * The place for what follows from `inputs` and the program alone.
 * @param kind the sort of value: names a directory
 * @param inputs plain data
 * @param sources files of the program that make the value, and directories of them (ending with a slash): when one was
 *   changed, the value is another one
 */
export function kept<T>(kind: string, inputs: unknown, sources: readonly URL[]): Kept<T> {
  const root = getCompileCacheDir();
  const program = root === undefined ? null : fingerprintOf(sources);
  if (root === undefined || program === null) return { read: () => null, write() {} };
  const directory = join(root, kind);
  const path = join(directory, hash('sha256', JSON.stringify([inputs, program])));
  return {
    read() {
      try {
        const bytes = readFileSync(path);
        // The sum at the end tells a file that was not written whole, or that rots.
        const end = bytes.length - SUM;
        if (hash('sha256', bytes.subarray(0, end)) !== bytes.toString('latin1', end)) return null;
        const now = Date.now() / 1000;
        utimesSync(path, now, now);
        return JSON.parse(bytes.toString('latin1', 0, end)) as T;
      } catch {
        return null;
      }
    },
    write(value) {
      // One byte a character, so that reading needs no decoding and strings stay small.
      const text = JSON.stringify(value).replace(
        /[\u0100-\uffff]/g,
        (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
      );
      try {
        mkdirSync(directory, { mode: 0o700, recursive: true });
        replaceFile(path, text + hash('sha256', Buffer.from(text, 'latin1')));
        forgetOldest(directory);
      } catch {
        // A full or read-only file system.
      }
    },
  };
}

/** Changes with every change of the program's files, without reading them; null when one of them is not there. */
function fingerprintOf(sources: readonly URL[]): string[] | null {
  try {
    return sources.map(fingerprint);
  } catch {
    return null;
  }
}

function fingerprint(source: URL): string {
  const one = (file: URL): string => {
    const { size, mtimeMs, ino } = statSync(file);
    return `${size} ${mtimeMs} ${ino}`;
  };
  if (!source.pathname.endsWith('/')) return one(source);
  return readdirSync(source)
    .filter((name) => /\.(ts|json)$/.test(name) && !name.endsWith('.test.ts'))
    .map((name) => `${name} ${one(new URL(name, source))}`)
    .join('\n');
}

/** Whole or not at all: another start may read it meanwhile. */
function replaceFile(path: string, text: string): void {
  const part = `${path}.${randomUUID()}`;
  try {
    writeFileSync(part, text, { encoding: 'latin1', mode: 0o600 });
    renameSync(part, path);
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  }
}

function forgetOldest(directory: string): void {
  const files = readdirSync(directory).map((name) => ({ name, used: statSync(join(directory, name)).mtimeMs }));
  files.sort((a, b) => b.used - a.used);
  for (const { name } of files.slice(KEPT)) rmSync(join(directory, name), { force: true });
}
