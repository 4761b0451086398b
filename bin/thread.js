/** Entry of every thread: the compile cache is a thread's own. The module to run is the first argument (see src/thread.ts). */
import { flushCompileCache } from 'node:module';
import { cacheCode } from './cache.js';

cacheCode();
await import(process.argv[2]);
// Not left to the end, which for a thread is often that of the process.
flushCompileCache();
