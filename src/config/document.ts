/**
 * Reads falco.yaml and the files that it includes (`config_files`) into one tree of text, keeping where each
 * value stands. Scalars stay text until the schema says what they are to be, as in Falco's own reader: so
 * `version: 1.10` stays `1.10`, and `enabled: ${ON}` is a boolean once expanded.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  type Alias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  Scalar,
  visit,
  YAMLSeq,
} from 'yaml';
import { expandEnvironment } from './environment.ts';
import { ConfigError, type Position } from './error.ts';
import { applyOption, type Option, type Raw } from './option.ts';

export interface ConfigFile {
  readonly path: string;
  readonly text: string;
}

export interface ConfigDocument {
  readonly root: { [key: string]: Raw };
  /** In the order of reading, the main file first. */
  readonly files: readonly ConfigFile[];
  /** Directories named in `config_files`, watched for new files. */
  readonly directories: readonly string[];
  /** Where the value at `path` (or the nearest one around it) stands; null when nothing was written there. */
  locate(path: readonly PropertyKey[]): Position | null;
}

interface Source {
  readonly path: string;
  readonly lines: LineCounter;
  readonly entries: Map<string, Node | null>;
}

const STRATEGIES = ['append', 'override', 'add-only'] as const;
type Strategy = (typeof STRATEGIES)[number];

/** Parses `text` as the main file; throws {@link ConfigError}. */
export function readDocument(
  main: ConfigFile,
  options: readonly Option[],
  environment: Readonly<Record<string, string | undefined>>,
): ConfigDocument {
  const sourceOf = new WeakMap<Node, Source>();
  const plain = (node: Node | null): Raw => toRaw(node, environment);
  const source = parseSource(main);
  const entries = new Map<string, Node | null>();
  const files: ConfigFile[] = [main];
  const directories: string[] = [];
  merge(entries, source, 'override', sourceOf);

  const includes: { [key: string]: Raw } = {};
  const listed = source.entries.get('config_files');
  if (listed) includes.config_files = plain(listed);
  for (const option of options) if (option.path[0] === 'config_files') applyOption(includes, option);
  const locateInclude = (): Position | null => (listed ? positionOf(listed, source) : null);
  for (const include of includeList(includes.config_files ?? [], locateInclude)) {
    for (const path of filesAt(include.path, directories)) {
      if (resolve(path) === resolve(main.path)) {
        throw new ConfigError(
          `Config error: '${path}' tried to include itself: main config file can't be included`,
          locateInclude(),
          "Take the file's own name out of config_files.",
        );
      }
      const file = { path, text: readFileSync(path, 'utf8') };
      const included = parseSource(file);
      const nested = included.entries.get('config_files');
      if (nested !== undefined) {
        throw new ConfigError(
          `Config error: '${path}' tried to set 'config_files': only the main config file can include files`,
          nested ? positionOf(nested, included) : null,
          'List the file in config_files of the main configuration file.',
        );
      }
      files.push(file);
      merge(entries, included, include.strategy, sourceOf);
    }
  }

  const root: { [key: string]: Raw } = Object.create(null);
  for (const [key, node] of entries) root[key] = plain(node);
  for (const option of options) applyOption(root, option);

  return {
    root,
    files,
    directories,
    locate(path) {
      const text = options.findLast((o) =>
        isPrefix(o.path.filter((step) => typeof step !== 'symbol') as PropertyKey[], path),
      )?.text;
      if (text !== undefined) return { file: `-o ${text}`, line: 0, column: 0 };
      return locateNode(entries, path, sourceOf);
    },
  };
}

function parseSource(file: ConfigFile): Source {
  const lines = new LineCounter();
  const document = parseDocument(file.text, { schema: 'failsafe', lineCounter: lines, uniqueKeys: false, merge: true });
  const error = document.errors[0];
  if (error !== undefined) {
    const at = lines.linePos(error.pos[0]);
    throw new ConfigError(
      `${file.path} is not valid YAML: ${error.message.split(' at line ')[0]}`,
      { file: file.path, line: at.line, column: at.col },
      'Check the indentation and the quotes around this place.',
    );
  }
  visit(document, {
    Alias(_key, alias: Alias, ancestors) {
      const target = alias.resolve(document);
      if (target === undefined || !ancestors.includes(target)) return target;
      throw new ConfigError(
        `${file.path} uses the alias *${alias.source} inside its own anchor`,
        { file: file.path, line: lines.linePos(alias.range?.[0] ?? 0).line, column: 1 },
        'Write the value out.',
      );
    },
  });
  const contents = document.contents;
  const entries = new Map<string, Node | null>();
  if (contents !== null && !(isScalar(contents) && isNull(contents))) {
    if (!isMap(contents)) {
      throw new ConfigError(
        `${file.path} does not hold a mapping of keys to values`,
        { file: file.path, line: 1, column: 1 },
        'Write lines of the form `key: value`.',
      );
    }
    for (const pair of contents.items) {
      const key = isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
      entries.set(key, pair.value as Node | null);
    }
  }
  return { path: file.path, lines, entries };
}

/** Top-level keys only, as Falco merges them. */
function merge(
  into: Map<string, Node | null>,
  source: Source,
  strategy: Strategy,
  sourceOf: WeakMap<Node, Source>,
): void {
  for (const [key, node] of source.entries) {
    if (node !== null) sourceOf.set(node, source);
    const before = into.get(key);
    if (strategy === 'add-only' && into.has(key)) continue;
    if (strategy === 'append' && isSeq(before) && isSeq(node)) {
      const joined = new YAMLSeq();
      joined.items = [...before.items, ...node.items];
      for (const item of before.items) claim(item as Node, sourceOf.get(before), sourceOf);
      for (const item of node.items) claim(item as Node, source, sourceOf);
      into.set(key, joined);
    } else {
      into.set(key, node);
    }
  }
}

function claim(node: Node, source: Source | undefined, sourceOf: WeakMap<Node, Source>): void {
  if (source !== undefined && !sourceOf.has(node)) sourceOf.set(node, source);
}

function includeList(value: Raw, locate: () => Position | null): { path: string; strategy: Strategy }[] {
  const items = Array.isArray(value) ? value : value === null ? [] : [value];
  return items.map((item) => {
    if (typeof item === 'string') return { path: item, strategy: 'append' as const };
    if (item === null || Array.isArray(item) || typeof item.path !== 'string') {
      throw new ConfigError(
        'An entry of config_files is neither a path nor a mapping with a path',
        locate(),
        'Write `- FILE`, or `- {path: FILE, strategy: append|override|add-only}`.',
      );
    }
    const strategy = item.strategy ?? 'append';
    if (!STRATEGIES.includes(strategy as Strategy)) {
      throw new ConfigError(
        `Unknown config_files strategy '${String(strategy)}'`,
        locate(),
        `Use one of ${STRATEGIES.join(', ')}.`,
      );
    }
    return { path: item.path, strategy: strategy as Strategy };
  });
}

/** The file, or the directory's regular files in order; nothing when there is neither. */
function filesAt(path: string, directories: string[]): string[] {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return [];
  if (!stat.isDirectory()) return [path];
  directories.push(path);
  return readdirSync(path)
    .sort()
    .map((name) => join(path, name))
    .filter((name) => statSync(name, { throwIfNoEntry: false })?.isFile());
}

function toRaw(node: Node | null, environment: Readonly<Record<string, string | undefined>>): Raw {
  if (node === null) return null;
  if (isScalar(node)) return isNull(node) ? null : expandEnvironment(String(node.value ?? ''), environment);
  if (isSeq(node)) return node.items.map((item) => toRaw(item as Node | null, environment));
  if (isMap(node)) {
    const map: { [key: string]: Raw } = Object.create(null);
    for (const pair of node.items) {
      const key = isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
      map[key] = toRaw(pair.value as Node | null, environment);
    }
    return map;
  }
  return null;
}

function isNull(node: Scalar): boolean {
  return node.type === Scalar.PLAIN && /^(~|null|Null|NULL)?$/.test(node.source ?? '');
}

function positionOf(node: Node, source: Source): Position {
  const at = source.lines.linePos(node.range?.[0] ?? 0);
  return { file: source.path, line: at.line, column: at.col };
}

function locateNode(
  entries: Map<string, Node | null>,
  path: readonly PropertyKey[],
  sourceOf: WeakMap<Node, Source>,
): Position | null {
  let node = entries.get(String(path[0])) ?? null;
  if (node === null) return null;
  let source = sourceOf.get(node);
  for (const step of path.slice(1)) {
    const next: unknown = isMap(node)
      ? node.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === String(step))?.value
      : isSeq(node)
        ? node.items[Number(step)]
        : undefined;
    if (next === undefined || next === null) break;
    node = next as Node;
    source = sourceOf.get(node) ?? source;
  }
  return source === undefined ? null : positionOf(node, source);
}

function isPrefix(prefix: readonly PropertyKey[], path: readonly PropertyKey[]): boolean {
  return prefix.length <= path.length && prefix.every((step, i) => String(step) === String(path[i]));
}
