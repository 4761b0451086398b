/** The filter of opens as the probe keeps it: the maps `open_filter`, `open_prefixes`, `open_comms` and `open_programs` of probe/maps.h. */
import type { BpfMap } from '../bpf/index.ts';

/**
 * Which opens for reading are reported: failed ones as `failed` says (those whose name, as the caller wrote it, has two
 * dots in a row, or all); of paths that begin with one of the prefixes and have what else it asks (a component that
 * begins with a dot, two dots in the caller's name), or that end as one of the tails (eight bytes, four, or a slash and
 * a whole component of at most six); by programs with one of the names, or whose path begins with one of `programs`;
 * with `dots` those whose name has two dots in a row; with `compat` those of 32-bit calls. All opens for more than
 * reading are. Byte strings.
 */
export interface ReadOpens {
  readonly failed: 'none' | 'dots' | 'all';
  readonly prefixes: readonly { readonly path: string; readonly hidden: boolean; readonly dots: boolean }[];
  readonly tails: readonly string[];
  readonly comms: readonly string[];
  readonly programs: readonly string[];
  readonly dots: boolean;
  readonly compat: boolean;
}

export interface OpenMaps {
  readonly filter: BpfMap;
  readonly prefixes: BpfMap;
  readonly comms: BpfMap;
  readonly programs: BpfMap;
}

/** `struct open_filter`: eight u32, then four tables of 65536 bits. */
const HEAD = 32;
const TABLE = 65536 / 8;
const FAILED = { none: 0, dots: 1, all: 2 } as const;
/** `enum asks`. */
const ASKS = { HIDDEN: 1, DOTS: 2 } as const;

/** Reports every open from now on. */
export function openAll({ filter }: OpenMaps): void {
  filter.update(0, Buffer.alloc(filter.valueSize));
}

/**
 * Sets the filter; false, and nothing is filtered, when it does not fit into the maps. Call {@link openAll} first.
 * `epoch`, from 1 to 2³⁰ − 1, is another one each time: what was decided of a program under another does not count.
 */
export function filterOpens(maps: OpenMaps, opens: ReadOpens, epoch: number): boolean {
  const { filter, prefixes, comms, programs } = maps;
  for (const map of [prefixes, comms, programs]) for (const key of [...map.keys()]) map.delete(key);
  if (
    opens.prefixes.length > prefixes.maxEntries ||
    opens.comms.length > comms.maxEntries ||
    opens.programs.length > programs.maxEntries
  )
    return false;
  for (const { path, hidden, dots } of opens.prefixes) {
    prefixes.update(prefixKey(path, prefixes.keySize), (hidden ? ASKS.HIDDEN : 0) | (dots ? ASKS.DOTS : 0));
  }
  for (const comm of opens.comms) {
    const key = Buffer.alloc(comms.keySize);
    key.write(comm, 'latin1');
    comms.update(key, 1);
  }
  for (const path of opens.programs) programs.update(prefixKey(path, programs.keySize), 1);
  // The kernel copies a value while programs read it: on only once all of it is there.
  const value = encode(opens, epoch);
  filter.update(0, value);
  value.writeUInt32LE(1, 0);
  filter.update(0, value);
  return true;
}

/** `struct open_prefix`: u32 bits, the text. What does not fit is left out, so that more passes, not less. */
function prefixKey(prefix: string, size: number): Buffer {
  const key = Buffer.alloc(size);
  const length = key.write(prefix, 4, 'latin1');
  key.writeUInt32LE(8 * length, 0);
  return key;
}

function encode(opens: ReadOpens, epoch: number): Buffer {
  const value = Buffer.alloc(HEAD + 4 * TABLE);
  value.writeUInt32LE(FAILED[opens.failed], 4);
  value.writeUInt32LE(Number(opens.dots), 8);
  value.writeUInt32LE(Number(opens.comms.length > 0), 12);
  value.writeUInt32LE(Number(opens.compat), 16);
  value.writeUInt32LE(Number(opens.programs.length > 0), 20);
  value.writeUInt32LE(4 * epoch, 24);
  const [first, tail4, tail8, comm] = [0, 1, 2, 3].map((table) => (bit: number): void => {
    const at = HEAD + table * TABLE + (bit >>> 3);
    value[at] = (value[at] as number) | (1 << (bit & 7));
  }) as [Mark, Mark, Mark, Mark];
  for (const { path } of opens.prefixes) for (const bit of firstBytes(path)) first(bit);
  for (const tail of opens.tails) {
    if (tail.length === 4 && !tail.startsWith('/')) tail4(hash(word(tail)));
    else tail8(hash(word(tail.padStart(8, '\0'))));
  }
  for (const name of opens.comms) comm(hash(word(name.slice(0, 8))));
  return value;
}

type Mark = (bit: number) => void;

/** The first two bytes, as the kernel reads them, of the first component of paths that begin so. */
function firstBytes(prefix: string): number[] {
  const [component = '', ...more] = prefix.slice(1).split('/');
  const one = component.charCodeAt(0);
  if (component.length >= 2) return [one | (component.charCodeAt(1) << 8)];
  // A component of one byte ends with a NUL; one that may go on has any byte there.
  return more.length > 0 ? [one] : Array.from({ length: 256 }, (_, two) => one | (two << 8));
}

function word(text: string): bigint {
  const bytes = Buffer.alloc(8);
  bytes.write(text, 'latin1');
  return bytes.readBigUInt64LE(0);
}

/** TAIL_HASH of probe/family/open.h. */
function hash(value: bigint): number {
  return Number(((value * 0x9e3779b97f4a7c15n) & 0xffff_ffff_ffff_ffffn) >> 48n);
}
