/** Writes the pages that are made from the program's own lists: `node docs/generate.ts`. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { compatibilityPage } from '../src/cli/compatibility.ts';
import { rulePage } from '../src/ruletest/index.ts';

writeFileSync(new URL('./falco-compatibility.md', import.meta.url), compatibilityPage());

// Pages about the rules that come with the program, one a file.
const pages = new URL('./rules/', import.meta.url);
mkdirSync(pages, { recursive: true });
for (const folder of ['rules', 'rules/kubernetes']) {
  const root = new URL(`../${folder}/`, import.meta.url);
  for (const name of readdirSync(root)) {
    if (!name.endsWith('.yaml') || name === 'common.yaml') continue;
    const title = `${folder === 'rules' ? '' : 'kubernetes-'}${name.slice(0, -5)}`;
    writeFileSync(new URL(`${title}.md`, pages), rulePage(title, readFileSync(new URL(name, root), 'utf8')));
  }
}
