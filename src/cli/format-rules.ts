import { isDeepStrictEqual } from 'node:util';
import { type Document, isMap, isScalar, isSeq, parseAllDocuments, type YAMLMap } from 'yaml';
import { CommandError } from './command.ts';

/** The order of keys in an item: what it is, what it means, when it holds, what it says, then the rest. */
const KEY_ORDER = [
  'rule',
  'macro',
  'list',
  'required_engine_version',
  'required_plugin_versions',
  'desc',
  'condition',
  'items',
  'output',
  'priority',
  'source',
  'enabled',
  'tags',
  'exceptions',
  'override',
  'append',
];

/** One style for a rules file: order of keys, two blanks of indentation, a blank line between items; comments stay. */
export function formatRules(path: string, text: string): string {
  const documents = parseAllDocuments(text);
  if (!Array.isArray(documents)) return text;
  const broken = documents.flatMap((document) => document.errors)[0];
  if (broken !== undefined) throw new CommandError(`Error: ${path} is not valid YAML: ${broken.message}`);
  const after = documents.map(formatDocument).join('');
  if (!isDeepStrictEqual(meaning(parseAllDocuments(after)), meaning(documents))) {
    throw new CommandError(`Error: ${path} cannot be formatted without changing what it means`);
  }
  return after;
}

function formatDocument(document: Document): string {
  const { contents } = document;
  if (isSeq(contents)) {
    for (const [i, item] of contents.items.entries()) {
      if (!isMap(item)) continue;
      sortKeys(item);
      if (i > 0) item.spaceBefore = true;
    }
  }
  return document.toString({ lineWidth: 0, indentSeq: true, flowCollectionPadding: false });
}

function sortKeys(item: YAMLMap): void {
  const rank = (key: unknown): number => {
    const index = KEY_ORDER.indexOf(isScalar(key) ? String(key.value) : '');
    return index < 0 ? KEY_ORDER.length : index;
  };
  item.items.sort((a, b) => rank(a.key) - rank(b.key));
}

function meaning(documents: ReturnType<typeof parseAllDocuments>): unknown {
  return Array.isArray(documents) ? documents.map((document) => document.toJS()) : [];
}
