/**
 * The catalogue of diagnostics: `messages/*.md` → `src/messages.generated.ts` (what the program knows of each code)
 * and `docs/diagnostics.md` (what people read). Run it after a change: `node messages/generate.ts`.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Message {
  readonly code: string;
  readonly severity: string;
  readonly title: string;
  readonly description: string;
  readonly explanation: string;
  readonly remedy: string | null;
}

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Path below the root → content, for every generated file. */
export function generate(): Map<string, string> {
  const pages = readdirSync(join(root, 'messages'))
    .filter((name) => name.endsWith('.md'))
    .sort()
    .map((name) => readFileSync(join(root, 'messages', name), 'utf8'));
  const messages = pages.flatMap((page) => page.split(/^## /m).slice(1).map(parse));
  const codes = new Set<string>();
  for (const { code } of messages) {
    if (codes.has(code)) throw new Error(`code ${code} is in the catalogue twice`);
    codes.add(code);
  }
  return new Map([
    ['src/messages.generated.ts', code(messages)],
    ['docs/diagnostics.md', page(messages)],
  ]);
}

function parse(section: string): Message {
  const found = /^(\w+) (error|warning)\n> (.*)\n> (.*)\n\n([\s\S]*?)\n*(?:\nRemedy: (.*)\s*)?$/.exec(section);
  if (found === null) throw new Error(`not an entry of the catalogue: ${section.slice(0, 60)}`);
  const [, code = '', severity = '', title = '', description = '', explanation = '', remedy] = found;
  return { code, severity, title, description, explanation, remedy: remedy ?? null };
}

function code(messages: readonly Message[]): string {
  const rows = messages.map(
    ({ code, severity, title, description, remedy }) =>
      `  ${code}: ${JSON.stringify({ severity, title, description, remedy })},`,
  );
  return `// Made by messages/generate.ts from messages/*.md.
export const MESSAGES = {
${rows.join('\n')}
} as const;

export type Code = keyof typeof MESSAGES;
`;
}

function page(messages: readonly Message[]): string {
  const sections = messages.map(
    ({ code, severity, title, explanation, remedy }) =>
      `## ${code}\n\n*${severity}*: ${title}.\n\n${explanation}${remedy === null ? '' : `\n\nWhat to do: ${remedy}`}\n`,
  );
  return `# Diagnostics\n\nWhat the program says about rules, by code. Made from the catalogue in \`messages/\`.\n\n${sections.join('\n')}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, content] of generate()) writeFileSync(join(root, path), content);
}
