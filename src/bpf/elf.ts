import { latin1 } from '../bytes.ts';
import { BpfError } from './error.ts';

/** One section of an object file. `data` is empty for SHT_NOBITS, whose `size` still counts. */
export interface Section {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly data: Uint8Array;
}

export interface ElfSymbol {
  readonly name: string;
  /** STT_*. */
  readonly type: number;
  /** Index of the section that holds it; 0: undefined (extern). */
  readonly section: number;
  readonly value: number;
  readonly size: number;
}

/** A relocation: the bytes at `offset` of its section refer to a symbol. */
export interface ElfRelocation {
  readonly offset: number;
  readonly type: number;
  readonly symbol: ElfSymbol;
}

export interface Elf {
  readonly sections: readonly Section[];
  readonly symbols: readonly ElfSymbol[];
  section(name: string): Section | undefined;
  /** The relocations of a section, in file order. */
  relocations(section: Section): readonly ElfRelocation[];
}

/** Section types (include/uapi/linux/elf.h). */
export const Sht = { PROGBITS: 1, SYMTAB: 2, STRTAB: 3, NOBITS: 8, REL: 9 } as const;
/** Section flag: holds instructions. */
export const SHF_EXECINSTR = 4;
/** ElfSymbol types. */
export const Stt = { NOTYPE: 0, OBJECT: 1, FUNC: 2, SECTION: 3 } as const;
/** Relocation types of BPF objects (llvm BPF.def): a ld_imm64, and a call. */
export const Rel = { BPF_64_64: 1, BPF_64_32: 10 } as const;

const EM_BPF = 247;
/** Bytes; far above any BPF object. Sections without bytes in the file can claim any size. */
const LARGEST = 64 << 20;
const HEADER = 64;
const SECTION_HEADER = 64;
const SYMBOL = 24;
const REL = 16;

/** Reads a little-endian ELF64 object for BPF. Every offset in it is checked; damage is a {@link BpfError}. */
export function parseElf(input: Uint8Array): Elf {
  const bytes = plain(input);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fail = (why: string): never => {
    throw new BpfError('object', `not a BPF object: ${why}`);
  };
  if (bytes.length < HEADER || view.getUint32(0) !== 0x7f454c46) fail('no ELF header');
  if (bytes[4] !== 2 || bytes[5] !== 1) fail('not 64-bit little-endian');
  if (view.getUint16(18, true) !== EM_BPF) fail(`machine ${view.getUint16(18, true)} instead of ${EM_BPF} (BPF)`);

  const u64 = (at: number): number => Number(view.getBigUint64(at, true));
  const table = u64(40);
  const count = view.getUint16(60, true);
  const nameIndex = view.getUint16(62, true);
  if (count > 0 && view.getUint16(58, true) !== SECTION_HEADER) fail('odd section header size');
  if (table + count * SECTION_HEADER > bytes.length) fail('section table lies outside the file');

  const raw = Array.from({ length: count }, (_, index) => {
    const at = table + index * SECTION_HEADER;
    const type = view.getUint32(at + 4, true);
    const offset = u64(at + 24);
    const size = u64(at + 32);
    if (size > LARGEST) fail(`section ${index} has ${size} bytes`);
    const inFile = type !== Sht.NOBITS && type !== 0;
    if (inFile && offset + size > bytes.length) fail(`section ${index} lies outside the file`);
    return {
      index,
      nameAt: view.getUint32(at, true),
      type,
      flags: u64(at + 8),
      size,
      link: view.getUint32(at + 40, true),
      info: view.getUint32(at + 44, true),
      data: inFile ? bytes.subarray(offset, offset + size) : bytes.subarray(0, 0),
    };
  });
  const names = raw[nameIndex]?.data ?? fail('no section names');
  const sections: Section[] = raw.map(({ nameAt, ...section }) => ({ ...section, name: cString(names, nameAt) }));

  const symbols: ElfSymbol[] = [];
  const table2 = sections.find((section) => section.type === Sht.SYMTAB);
  if (table2 !== undefined) {
    const strings = sections[table2.link]?.data ?? fail('no symbol names');
    const data = viewOf(table2.data);
    for (let at = 0; at + SYMBOL <= table2.data.length; at += SYMBOL) {
      const name = cString(strings, data.getUint32(at, true));
      symbols.push({
        name,
        type: data.getUint8(at + 4) & 15,
        section: data.getUint16(at + 6, true),
        value: Number(data.getBigUint64(at + 8, true)),
        size: Number(data.getBigUint64(at + 16, true)),
      });
    }
  }

  const byName = new Map(sections.map((section) => [section.name, section]));
  return {
    sections,
    symbols,
    section: (name) => byName.get(name),
    relocations(target) {
      const found: ElfRelocation[] = [];
      for (const section of sections) {
        if (section.type !== Sht.REL || section.info !== target.index) continue;
        const data = viewOf(section.data);
        for (let at = 0; at + REL <= section.data.length; at += REL) {
          const symbol = symbols[data.getUint32(at + 12, true)];
          const offset = Number(data.getBigUint64(at, true));
          if (symbol === undefined) throw new BpfError('object', `relocation in ${target.name} names no symbol`);
          if (offset + 8 > target.size) throw new BpfError('object', `relocation outside of ${target.name}`);
          found.push({ offset, type: data.getUint32(at + 8, true), symbol });
        }
      }
      return found;
    },
  };
}

/** The same bytes as a plain array: the `slice` of a Buffer does not copy, which would let a change reach the caller's bytes. */
export function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The NUL-terminated string at `at`; ends with the bytes at the latest. */
function cString(bytes: Uint8Array, at: number): string {
  if (at >= bytes.length) throw new BpfError('object', 'a name lies outside its string table');
  const end = bytes.indexOf(0, at);
  return latin1(bytes, at, end < 0 ? bytes.length : end);
}
