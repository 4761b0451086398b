import type { Alias, Node as YamlLibNode } from 'yaml';
import { yaml } from '#libraries';
import { fromByteString, toByteString } from '../bytes.ts';

/**
 * YAML as Falco's reader (yaml-cpp) sees it: scalars are texts, decoded only where a kind is wanted; of a key that
 * stands twice the first counts; aliases are followed. Positions are offsets in the byte string.
 */

export type Node = MapNode | SeqNode | ScalarNode;
type Range = readonly [start: number, end: number];

export interface MapNode {
  readonly kind: 'map';
  readonly entries: readonly { readonly key: Node; readonly value: Node }[];
  readonly range: Range;
}
interface SeqNode {
  readonly kind: 'seq';
  readonly items: readonly Node[];
  readonly range: Range;
}
interface ScalarNode {
  readonly kind: 'scalar';
  /** A byte string. */
  readonly text: string;
  readonly plain: boolean;
  /** Empty, `~` or `null`, unquoted. */
  readonly isNull: boolean;
  readonly range: Range;
}

export class YamlError extends Error {
  override readonly name = 'YamlError';
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

/** How deep nodes may be nested: rules need five levels; deeper ones would only exhaust the stack. */
const MAX_NESTING = 64;
/** How many nodes the aliases of a file may unfold to. */
const MAX_NODES = 1_000_000;

/**
 * All documents of a file.
 * @throws YamlError when it is not YAML.
 */
export function parseYaml(text: string): (Node | null)[] {
  const { isAlias, isMap, isScalar, isSeq, parseAllDocuments } = yaml();
  let documents: ReturnType<typeof parseAllDocuments>;
  try {
    documents = parseAllDocuments(text, {
      schema: 'failsafe',
      uniqueKeys: false,
      prettyErrors: false,
      strict: false,
      logLevel: 'silent',
    });
  } catch (error) {
    throw new YamlError(error instanceof Error ? error.message : String(error), 0);
  }
  let nodes = 0;
  return (Array.isArray(documents) ? documents : []).map((document) => {
    const error = document.errors[0];
    if (error !== undefined) throw new YamlError(error.message, error.pos[0]);
    const convert = (node: unknown, fallback: number, depth: number): Node => {
      if (depth > MAX_NESTING) throw new YamlError(`nested deeper than ${MAX_NESTING} levels`, fallback);
      if (++nodes > MAX_NODES) throw new YamlError('aliases unfold to too many nodes', fallback);
      if (isAlias(node)) {
        const target = (node as Alias).resolve(document);
        if (target === undefined) throw new YamlError(`unknown alias ${node.source}`, node.range?.[0] ?? fallback);
        return convert(target, fallback, depth + 1);
      }
      const range: Range = rangeOf(node as YamlLibNode | null, fallback);
      if (isMap(node)) {
        const entries = node.items.map((pair) => {
          const key = convert(pair.key, range[0], depth + 1);
          return { key, value: convert(pair.value, key.range[1], depth + 1) };
        });
        return { kind: 'map', entries, range };
      }
      if (isSeq(node)) {
        return { kind: 'seq', items: node.items.map((item) => convert(item, range[0], depth + 1)), range };
      }
      if (isScalar(node) && typeof node.value === 'string') {
        const plain = node.type === 'PLAIN' || node.type === undefined;
        const value = node.type === 'QUOTE_DOUBLE' ? unescaped(text.slice(range[0], range[1]), node.value) : node.value;
        return { kind: 'scalar', text: value, plain, isNull: plain && isNullText(value), range };
      }
      return { kind: 'scalar', text: '', plain: true, isNull: true, range };
    };
    return document.contents === null ? null : convert(document.contents, 0, 0);
  });
}

function rangeOf(node: YamlLibNode | null, fallback: number): Range {
  const range = node?.range;
  return range == null ? [fallback, fallback] : [range[0], range[1]];
}

function isNullText(text: string): boolean {
  return text === '' || text === '~' || text === 'null' || text === 'Null' || text === 'NULL';
}

/** Escapes such as `\u00e9` give characters, the rest of the text is bytes: such a scalar is read again as text. */
function unescaped(raw: string, value: string): string {
  if (!raw.includes('\\u') && !raw.includes('\\U') && !raw.includes('\\x') && !/\\[N_LP]/.test(raw)) return value;
  const { isScalar, parseAllDocuments } = yaml();
  const again = parseAllDocuments(fromByteString(raw), { schema: 'failsafe', prettyErrors: false, logLevel: 'silent' });
  const node = Array.isArray(again) ? again[0]?.contents : null;
  return isScalar(node) && typeof node.value === 'string' ? toByteString(node.value) : value;
}

/** The value of a key; undefined when the map does not have it. */
export function get(map: MapNode, key: string): Node | undefined {
  return map.entries.find((entry) => entry.key.kind === 'scalar' && entry.key.text === key)?.value;
}

/** yaml-cpp's booleans; null when the text is none. */
export function asBoolean(text: string): boolean | null {
  if (/^(?:y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON)$/.test(text)) return true;
  if (/^(?:n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$/.test(text)) return false;
  return null;
}

/** A decimal, hexadecimal or octal number of 32 bits without sign; null when the text is none. */
export function asUint32(text: string): number | null {
  if (!/^(?:0[xX][0-9a-fA-F]+|[0-9]+)$/.test(text)) return null;
  const value = /^0[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number(text);
  return value <= 0xffffffff ? value : null;
}
