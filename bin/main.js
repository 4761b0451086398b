/** Entry in plain JavaScript, because what needs its types stripped is loaded through the cache. */
import { cacheCode } from './cache.js';

if (process.env.WINDHOVER_MALLOC !== undefined) {
  // From bin/windhover; malloc has read its own before anything ran.
  delete process.env.WINDHOVER_MALLOC;
  delete process.env.MALLOC_ARENA_MAX;
  delete process.env.MALLOC_MMAP_THRESHOLD_;
}
cacheCode();
await import('../src/main.ts');
