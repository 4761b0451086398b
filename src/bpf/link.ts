import type { Elf, ElfRelocation, ElfSymbol, Section } from './elf.ts';
import { Rel, SHF_EXECINSTR, Stt } from './elf.ts';
import { BpfError } from './error.ts';
import { INSN, isLdImm64, Op, POISON, Pseudo, putCall, setSource, source } from './insn.ts';

/** What the linker asks for while it puts a program together. */
export interface Linker {
  readonly elf: Elf;
  /** The code of a section after CO-RE relocation. */
  code(section: number): Uint8Array;
  /** The fd of the map that a symbol names, or of the map that holds a data section. */
  mapFd(symbol: ElfSymbol, section: Section): number;
  /** The kernel's id of a function that programs may call (a "kfunc"); undefined when it has none of that name. */
  kernelFunction(name: string): number | undefined;
  /** Told of each call of a function that the kernel does not have, by index in the program. */
  missing(index: number, name: string): void;
  /** Told where each instruction ends up: byte offset in its section → index in the program. */
  placed(section: number, from: number, size: number, index: number): void;
}

/** A function of the object. */
export interface Func {
  readonly name: string;
  readonly section: number;
  /** Bytes. */
  readonly start: number;
  readonly size: number;
}

/** All functions, by section and start. */
export function functions(elf: Elf): Func[] {
  const found: Func[] = [];
  for (const symbol of elf.symbols) {
    if (symbol.type !== Stt.FUNC || symbol.section === 0) continue;
    const section = elf.sections[symbol.section];
    const fits = symbol.value % INSN === 0 && symbol.size % INSN === 0 && symbol.size > 0;
    if (section === undefined || !fits || symbol.value + symbol.size > section.data.length) {
      throw new BpfError('object', `function ${symbol.name} lies outside of its section`);
    }
    found.push({ name: symbol.name, section: symbol.section, start: symbol.value, size: symbol.size });
  }
  return found;
}

/**
 * Puts a program together: its own code, then each function that it calls, in the order in which they are
 * first called (depth first, as libbpf does), with maps and calls resolved.
 */
export function link(linker: Linker, main: Func): Uint8Array {
  const { elf } = linker;
  const all = functions(elf);
  const relocations = new Map<number, Map<number, ElfRelocation>>();
  const relocationAt = (section: number, offset: number): ElfRelocation | undefined => {
    let known = relocations.get(section);
    if (known === undefined) {
      known = new Map(elf.relocations(elf.sections[section]).map((relocation) => [relocation.offset, relocation]));
      relocations.set(section, known);
    }
    return known.get(offset);
  };

  const placed = new Map<Func, number>();
  const parts: Uint8Array[] = [];
  let total = 0;
  const place = (func: Func): void => {
    const code = linker.code(func.section).slice(func.start, func.start + func.size);
    const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
    const base = total;
    placed.set(func, base);
    linker.placed(func.section, func.start, func.size, base / INSN);
    parts.push(code);
    total += code.length;

    for (let at = 0; at < code.length; at += INSN) {
      const relocation = relocationAt(func.section, func.start + at);
      if (relocation !== undefined && isKernelCall(code, at, relocation)) {
        const id = linker.kernelFunction(relocation.symbol.name);
        if (id === undefined) {
          // An error only where the verifier gets to: a program may ask first.
          putCall(code, at, POISON);
          linker.missing((base + at) / INSN, relocation.symbol.name);
        } else {
          setSource(code, at, Pseudo.KERNEL_CALL);
          view.setInt32(at + 4, id, true);
        }
      } else if (code[at] === Op.CALL && source(code, at) === Pseudo.CALL) {
        const section = relocation?.symbol.section ?? func.section;
        const origin = relocation === undefined ? func.start + at : relocation.symbol.value;
        const target = origin + (view.getInt32(at + 4, true) + 1) * INSN;
        const callee = all.find((candidate) => candidate.section === section && candidate.start === target);
        if (callee === undefined) throw new BpfError('object', `${func.name} calls a function that is not there`);
        if (!placed.has(callee)) place(callee);
        view.setInt32(at + 4, ((placed.get(callee) as number) - (base + at)) / INSN - 1, true);
      } else if (relocation !== undefined) {
        if (relocation.type !== Rel.BPF_64_64 || !isLdImm64(code, at)) {
          throw new BpfError('object', `${func.name}: relocation of type ${relocation.type} is not supported`);
        }
        reference(linker, func, relocation.symbol, code, view, at);
      }
      if (code[at] === Op.LD_IMM64) at += INSN;
    }
  };
  place(main);
  return Buffer.concat(parts);
}

/** A call of what the object does not define. */
function isKernelCall(code: Uint8Array, at: number, { symbol }: ElfRelocation): boolean {
  return code[at] === Op.CALL && source(code, at) === Pseudo.CALL && symbol.section === 0;
}

/** Names of the kernel's functions that the object calls. */
export function kernelFunctions(elf: Elf): Set<string> {
  const names = new Set<string>();
  for (const section of elf.sections) {
    if ((section.flags & SHF_EXECINSTR) === 0) continue;
    for (const relocation of elf.relocations(section)) {
      if (isKernelCall(section.data, relocation.offset, relocation)) names.add(relocation.symbol.name);
    }
  }
  return names;
}

/** A ld_imm64 that means a map, or an address in a data section. */
function reference(
  { elf, mapFd }: Linker,
  func: Func,
  symbol: ElfSymbol,
  code: Uint8Array,
  view: DataView,
  at: number,
): void {
  const section = elf.sections[symbol.section];
  if (symbol.section === 0 || section === undefined) {
    throw new BpfError('object', `${func.name} uses the external ${symbol.name}, which is not supported`);
  }
  view.setInt32(at + 12, 0, true);
  if (section.name === '.maps') {
    setSource(code, at, Pseudo.MAP_FD);
  } else if (isDataSection(section.name)) {
    setSource(code, at, Pseudo.MAP_VALUE);
    view.setInt32(at + 12, view.getInt32(at + 4, true) + symbol.value, true);
  } else {
    throw new BpfError(
      'object',
      `${func.name} takes the address of ${symbol.name || section.name}, which is not supported`,
    );
  }
  view.setInt32(at + 4, mapFd(symbol, section), true);
}

/** Sections whose bytes become the only value of a map. */
export function isDataSection(name: string): boolean {
  return /^\.(rodata|data|bss)(\.|$)/.test(name);
}
