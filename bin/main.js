/**
 * Entry in plain JavaScript: it turns the compile cache on before anything that needs its types stripped is loaded,
 * so that a second start neither strips nor compiles.
 */
import { enableCompileCache } from 'node:module';

enableCompileCache();
await import('../src/main.ts');
