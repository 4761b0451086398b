import { lstatSync, mkdirSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Turns Node's compile cache on, so that a second start neither strips types nor compiles; to be called before anything
 * large is loaded, on every thread. Whoever could write to the cache could make us run code, so it is a directory
 * of our own and not Node's default below the directory for temporary files; without one, there is no cache.
 */
export function cacheCode() {
  // NODE_COMPILE_CACHE names a directory, and Node has turned it on already.
  if (process.env.NODE_COMPILE_CACHE !== undefined) return;
  const uid = process.getuid?.() ?? -1;
  try {
    const caches = uid === 0 ? '/var/cache' : process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
    const directory = join(caches, 'windhover', 'code');
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const info = lstatSync(directory);
    if (info.isDirectory() && info.uid === uid && (info.mode & 0o022) === 0) enableCompileCache(directory);
  } catch {
    // No home, a read-only file system: every start compiles.
  }
}
