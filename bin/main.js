/** Entry in plain JavaScript, because what needs its types stripped is loaded through the cache. */
import { cacheCode } from './cache.js';

cacheCode();
await import('../src/main.ts');
