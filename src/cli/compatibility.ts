import type { z } from 'zod';
import { configSchema, type KeyDoc, keyDocs } from '../config/schema.ts';
import { FALCO_VERSION } from '../version.ts';
import { FLAGS } from './flags.ts';

const COMPAT: Readonly<Record<KeyDoc['compat'], string>> = {
  same: 'same',
  better: 'better',
  own: 'ours',
  none: 'not applicable',
  removed: 'not applicable',
};

/** docs/falco-compatibility.md: every flag and key against Falco's, made from the lists that the program reads. */
export function compatibilityPage(): string {
  const flags = FLAGS.map(({ flags: text, doc, compat, note }) => [`\`${text}\``, COMPAT[compat], doc, note ?? '']);
  const keys = keyRows(configSchema, '');
  const own = keys.filter((row) => row[0]?.startsWith('`windhover.'));
  return [
    '# Compatibility with Falco',
    '',
    `Every flag and every configuration key of Falco ${FALCO_VERSION}: *same* behaves alike, *better* does more, *not applicable*`,
    'is accepted without effect. Defaults are those that hold when falco.yaml leaves a key out, as in Falco’s code.',
    'A key that is not known is reported with the nearest known one and ignored; a value that cannot be read is reported,',
    'and its default is used.',
    '',
    'This page is made from the program’s own lists by `node docs/generate.ts`.',
    '',
    '## Flags',
    '',
    ...table(['flag', 'compared', 'what it does', 'why'], flags),
    '',
    '*ours* is a flag that Falco does not have.',
    '',
    'Flags that earlier releases had and Falco removed (`-A`, `-D`, `-e`, `-k`, `-s`, `-S`, `-b`, `-t`, `-T`, `--cri`) are refused, as there.',
    '',
    '## Keys of falco.yaml',
    '',
    ...table(
      ['key', 'default', 'compared', 'what it does', 'why'],
      keys.filter((row) => !own.includes(row)),
    ),
    '',
    '## Our own keys, below `windhover:`',
    '',
    ...table(
      ['key', 'default', 'what it does'],
      own.map(([key = '', value = '', , doc = '']) => [key, value, doc]),
    ),
    '',
  ].join('\n');
}

/** key, default, compared, what it does, why. */
function keyRows(schema: z.core.$ZodType, prefix: string): string[][] {
  const def = (schema as z.core.$ZodTypes)._zod.def;
  if (def.type === 'prefault') return keyRows(def.innerType, prefix);
  if (def.type !== 'object') return [];
  return Object.entries(def.shape).flatMap(([key, inner]) => {
    const name = prefix === '' ? key : `${prefix}.${key}`;
    const doc = keyDocs.get(inner as z.ZodType);
    if (doc === undefined) return keyRows(inner, name);
    return [[`\`${name}\``, defaultOf(inner), COMPAT[doc.compat], doc.doc, doc.note ?? '']];
  });
}

function defaultOf(schema: z.core.$ZodType): string {
  const def = (schema as z.core.$ZodTypes)._zod.def;
  if (def.type !== 'default') return '';
  const value = def.defaultValue;
  return value === '' ? '' : `\`${JSON.stringify(value)}\``;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replace(/\|/g, '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}
