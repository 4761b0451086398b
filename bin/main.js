/** Entry in plain JavaScript, because what needs its types stripped is loaded through the cache. */
import { cacheCode } from './cache.js';

if (process.env.WINDHOVER_ARENAS !== undefined) {
  // Set by bin/windhover, and done its work when malloc began.
  delete process.env.WINDHOVER_ARENAS;
  delete process.env.MALLOC_ARENA_MAX;
}
cacheCode();
await import('../src/main.ts');
