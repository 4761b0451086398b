import { latin1 } from '../bytes.ts';
import { BpfError } from './error.ts';

/** Kinds of types (include/uapi/linux/btf.h). */
export const Kind = {
  UNKNOWN: 0,
  INT: 1,
  PTR: 2,
  ARRAY: 3,
  STRUCT: 4,
  UNION: 5,
  ENUM: 6,
  FWD: 7,
  TYPEDEF: 8,
  VOLATILE: 9,
  CONST: 10,
  RESTRICT: 11,
  FUNC: 12,
  FUNC_PROTO: 13,
  VAR: 14,
  DATASEC: 15,
  FLOAT: 16,
  DECL_TAG: 17,
  TYPE_TAG: 18,
  ENUM64: 19,
} as const;

/** A member of a struct or union. */
export interface Member {
  /** '' for an anonymous struct or union. */
  readonly name: string;
  readonly type: number;
  /** Offset in bits from the start of the struct. */
  readonly bit: number;
  /** Width in bits of a bitfield; 0: not a bitfield. */
  readonly bits: number;
}

export interface ArrayType {
  readonly type: number;
  /** Number of elements; 0 for a flexible array. */
  readonly length: number;
}

/** Words (4 bytes) that follow the three of every type, as `fixed + each * vlen`; by kind. */
const EXTRA_FIXED = [0, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0];
const EXTRA_EACH = [0, 0, 0, 0, 3, 3, 2, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0, 0, 0, 3];

const MAGIC = 0xeb9f;
const UNDERSCORE = 95;
/** How many typedefs, qualifiers or array dimensions may stand on top of each other. */
const DEPTH = 64;

/**
 * Type information in BTF (Documentation/bpf/btf.rst). A view over the bytes: types are addressed by
 * id, nothing is decoded before it is asked for. Ids and offsets that point outside are a {@link BpfError}.
 */
export class Btf {
  /** Number of types, `void` (id 0) included. */
  readonly count: number;
  readonly #words: Int32Array;
  /** Index into {@link #words} of each type. */
  readonly #at: Uint32Array;
  readonly #strings: Uint8Array;

  constructor(bytes: Uint8Array) {
    if (bytes.length < 24 || (bytes[0] | (bytes[1] << 8)) !== MAGIC) {
      throw new BpfError('btf', 'no type information: the bytes are not little-endian BTF');
    }
    const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
    const all = new Int32Array(aligned.buffer, aligned.byteOffset, aligned.length >>> 2);
    const header = all[1] >>> 0;
    const typesAt = header + (all[2] >>> 0);
    const typesLength = all[3] >>> 0;
    const stringsAt = header + (all[4] >>> 0);
    const stringsLength = all[5] >>> 0;
    if (typesAt % 4 !== 0 || typesAt + typesLength > bytes.length || stringsAt + stringsLength > bytes.length) {
      throw new BpfError('btf', 'type information is damaged: a section lies outside of it');
    }
    const words = all.subarray(typesAt >>> 2, (typesAt + typesLength) >>> 2);
    this.#words = words;
    this.#strings = aligned.subarray(stringsAt, stringsAt + stringsLength);

    // The hot loop of loading: the kernel has some 130,000 types.
    const end = words.length;
    const at = new Uint32Array(Math.floor(end / 3) + 1);
    let count = 1;
    for (let i = 0; i < end; ) {
      const info = words[i + 1];
      const kind = (info >>> 24) & 31;
      at[count++] = i;
      if (kind === 0 || kind >= EXTRA_FIXED.length)
        throw new BpfError('btf', `type ${count - 1} has the unknown kind ${kind}`);
      i += 3 + EXTRA_FIXED[kind] + EXTRA_EACH[kind] * (info & 0xffff);
      if (i > end) throw new BpfError('btf', 'type information is damaged: the last type is cut off');
    }
    this.#at = at.slice(0, count);
    this.count = count;
  }

  #type(id: number): number {
    if (id <= 0 || id >= this.count) throw new BpfError('btf', `type information is damaged: there is no type ${id}`);
    return this.#at[id];
  }

  /** The name at an offset of the string section. */
  string(offset: number): string {
    const strings = this.#strings;
    if (offset >= strings.length) throw new BpfError('btf', 'type information is damaged: a name lies outside of it');
    const end = strings.indexOf(0, offset);
    return latin1(strings, offset, end < 0 ? strings.length : end);
  }

  kind(id: number): number {
    return id === 0 ? Kind.UNKNOWN : (this.#words[this.#type(id) + 1] >>> 24) & 31;
  }

  name(id: number): string {
    return id === 0 ? 'void' : this.string(this.#words[this.#type(id)] >>> 0);
  }

  /** Number of members, enumerators, parameters or variables. */
  vlen(id: number): number {
    return this.#words[this.#type(id) + 1] & 0xffff;
  }

  /** Structs: offsets carry a bitfield width. Enums: signed. Forward declarations: a union. */
  flag(id: number): boolean {
    return this.#words[this.#type(id) + 1] < 0;
  }

  /** The type that a pointer, typedef, qualifier, function or variable refers to. */
  target(id: number): number {
    return this.#words[this.#type(id) + 2] >>> 0;
  }

  array(id: number): ArrayType {
    const at = this.#type(id) + 3;
    return { type: this.#words[at] >>> 0, length: this.#words[at + 2] >>> 0 };
  }

  /** Member `index` of a struct or union. */
  member(id: number, index: number): Member {
    const at = this.#type(id) + 3 + 3 * index;
    const offset = this.#words[at + 2] >>> 0;
    const packed = this.flag(id);
    return {
      name: this.string(this.#words[at] >>> 0),
      type: this.#words[at + 1] >>> 0,
      bit: packed ? offset & 0xffffff : offset,
      bits: packed ? offset >>> 24 : 0,
    };
  }

  /** The type of parameter `index` of a function prototype. */
  parameter(id: number, index: number): number {
    return this.#words[this.#type(id) + 3 + 2 * index + 1] >>> 0;
  }

  /** The type id of variable `index` of a data section. */
  variable(id: number, index: number): number {
    return this.#words[this.#type(id) + 3 + 3 * index] >>> 0;
  }

  /** Enumerator `index` of an enum of either width. */
  enumerator(id: number, index: number): { name: string; value: bigint } {
    const wide = this.kind(id) === Kind.ENUM64;
    const at = this.#type(id) + 3 + (wide ? 3 : 2) * index;
    const words = this.#words;
    const low = BigInt(words[at + 1]);
    const value = wide ? (BigInt(words[at + 2]) << 32n) | BigInt.asUintN(32, low) : low;
    return { name: this.string(words[at] >>> 0), value: BigInt.asUintN(64, value) };
  }

  /** How an integer is encoded. */
  integer(id: number): { signed: boolean; offset: number; bits: number } {
    const word = this.#words[this.#type(id) + 3];
    return { signed: ((word >>> 24) & 1) === 1, offset: (word >>> 16) & 0xff, bits: word & 0xff };
  }

  /** The type below all typedefs and qualifiers. */
  resolve(id: number): number {
    for (let depth = 0; depth < DEPTH; depth++) {
      switch (this.kind(id)) {
        case Kind.TYPEDEF:
        case Kind.VOLATILE:
        case Kind.CONST:
        case Kind.RESTRICT:
        case Kind.TYPE_TAG:
          id = this.target(id);
          break;
        default:
          return id;
      }
    }
    throw new BpfError('btf', 'type information is damaged: a type is defined by itself');
  }

  /** Size in bytes. */
  size(id: number): number {
    let elements = 1;
    for (let depth = 0; depth < DEPTH; depth++) {
      id = this.resolve(id);
      switch (this.kind(id)) {
        case Kind.PTR:
          return this.#bytes(8 * elements);
        case Kind.ARRAY: {
          const array = this.array(id);
          elements *= array.length;
          this.#bytes(elements);
          id = array.type;
          break;
        }
        case Kind.INT:
        case Kind.STRUCT:
        case Kind.UNION:
        case Kind.ENUM:
        case Kind.ENUM64:
        case Kind.FLOAT:
        case Kind.DATASEC:
          return this.#bytes(this.target(id) * elements);
        default:
          throw new BpfError('btf', `${this.describe(id)} has no size`);
      }
    }
    throw new BpfError('btf', 'type information is damaged: an array contains itself');
  }

  #bytes(size: number): number {
    if (size > 0xffff_ffff) throw new BpfError('btf', 'type information is damaged: a type without bounds');
    return size;
  }

  isComposite(id: number): boolean {
    const kind = this.kind(id);
    return kind === Kind.STRUCT || kind === Kind.UNION;
  }

  isEnum(id: number): boolean {
    const kind = this.kind(id);
    return kind === Kind.ENUM || kind === Kind.ENUM64;
  }

  /** `struct task_struct`, for messages. */
  describe(id: number): string {
    const words: Readonly<Record<number, string>> = {
      [Kind.STRUCT]: 'struct ',
      [Kind.UNION]: 'union ',
      [Kind.ENUM]: 'enum ',
      [Kind.ENUM64]: 'enum ',
    };
    return `${words[this.kind(id)] ?? ''}${this.name(id) || '(anonymous)'}`;
  }

  /**
   * The ids of all types whose essential name (without a `___flavour`) is in `names`, by that name.
   * One pass: an index of the kernel's names would take longer to build than all look-ups in it save.
   */
  find(names: ReadonlySet<string>): Map<string, number[]> {
    const found = new Map<string, number[]>();
    for (const name of names) found.set(name, []);
    // Most names are told apart by their first two bytes, before a string is made.
    const starts = new Uint8Array(65536);
    for (const name of names) starts[name.charCodeAt(0) | ((name.length > 1 ? name.charCodeAt(1) : 0) << 8)] = 1;
    const strings = this.#strings;
    const words = this.#words;
    const at = this.#at;
    for (let id = 1; id < at.length; id++) {
      // Functions are half of all names, and no type.
      if (((words[at[id] + 1] >>> 24) & 31) === Kind.FUNC) continue;
      const offset = words[at[id]] >>> 0;
      if (offset === 0 || offset + 1 >= strings.length) continue;
      const second = strings[offset + 1];
      const isStart = starts[strings[offset] | (second << 8)] === 1;
      const isShortFlavour = second === UNDERSCORE && strings[offset + 2] === UNDERSCORE;
      if (!isStart && !isShortFlavour) continue;
      found.get(essential(this.string(offset)))?.push(id);
    }
    return found;
  }

  /** Functions by name; those that are not there are missing. */
  findFunctions(names: ReadonlySet<string>): Map<string, number> {
    const found = new Map<string, number>();
    if (names.size === 0) return found;
    const starts = new Set(Array.from(names, (name) => name.charCodeAt(0)));
    const strings = this.#strings;
    const words = this.#words;
    const at = this.#at;
    for (let id = 1; id < at.length; id++) {
      if (((words[at[id] + 1] >>> 24) & 31) !== Kind.FUNC) continue;
      const offset = words[at[id]] >>> 0;
      if (!starts.has(strings[offset])) continue;
      const name = this.string(offset);
      if (names.has(name)) found.set(name, id);
    }
    return found;
  }
}

/**
 * A name without its flavour: `task_struct___old` means `task_struct`. Libbpf's convention: the last
 * `X___Y` whose X and Y are no underscores.
 */
export function essential(name: string): string {
  if (!name.includes('___')) return name;
  for (let i = name.length - 5; i >= 0; i--) {
    if (name.startsWith('___', i + 1) && name[i] !== '_' && name[i + 4] !== '_') return name.slice(0, i + 1);
  }
  return name;
}
