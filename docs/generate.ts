/** Writes the pages that are made from the program's own lists: `node docs/generate.ts`. */
import { writeFileSync } from 'node:fs';
import { compatibilityPage } from '../src/cli/compatibility.ts';

writeFileSync(new URL('./falco-compatibility.md', import.meta.url), compatibilityPage());
