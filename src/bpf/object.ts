import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { latin1 } from '../bytes.ts';
import { Btf } from './btf.ts';
import { type CoreRelocation, CoreResolver, patch, rootNames } from './core.ts';
import { type Elf, type ElfSymbol, parseElf, type Section, SHF_EXECINSTR } from './elf.ts';
import { BpfError } from './error.ts';
import { INSN } from './insn.ts';
import { type Func, functions, isDataSection, kernelFunctions, link } from './link.ts';
import { type BpfMap, createMap, freezeMap, MapFlag, type MapSpec, MapType, mapSpecs } from './maps.ts';
import { raiseMemoryLimit } from './permission.ts';
import { type BpfProgram, loadProgram, type ProgramType, programType } from './program.ts';
import { type Sys, systemCalls } from './sys.ts';

export interface LoadOptions {
  /** Values of `const volatile` variables, by name. They are frozen, so the verifier removes code that they switch off. */
  readonly constants?: Readonly<Record<string, number | bigint | boolean | Uint8Array>>;
  /** Sizes that replace the ones in the object, by map: entries, or bytes of a ring buffer. */
  readonly maps?: Readonly<Record<string, { readonly maxEntries: number }>>;
  /** Programs that may be left out: because their tracepoint is absent, or the kernel does not take them. */
  readonly optional?: readonly string[];
  /** Takes the kernel for one that has no functions for programs to call. */
  readonly withoutFunctions?: boolean;
  /** Programs not to load at all. */
  readonly disabled?: readonly string[];
  /** Type information of the kernel; its own ({@link kernelTypes}) when absent. */
  readonly types?: Uint8Array;
  readonly sys?: Sys;
}

/** An object whose maps and programs the kernel holds, until {@link close} or the end of the process. */
export interface BpfObject {
  /** The maps that its programs use, by name; data sections by theirs (`.rodata`, `.bss`). */
  readonly maps: ReadonlyMap<string, BpfMap>;
  /** The programs that were loaded, by function name, in the object's order. */
  readonly programs: ReadonlyMap<string, BpfProgram>;
  /** Why an optional program was left out, by name. */
  readonly skipped: ReadonlyMap<string, string>;
  /** A further map, for instance to put into a map of maps; closed with the object. */
  createMap(spec: MapSpec): BpfMap;
  /** Attaches every program that can be, in the object's order. */
  attach(): void;
  close(): void;
}

/** One program of the object, before loading. */
interface Candidate {
  readonly func: Func;
  readonly type: ProgramType;
}

/**
 * Loads a compiled BPF object (clang -target bpf -g) into the running kernel, fitted to its types.
 * All or nothing: on an error nothing stays behind.
 */
export function loadObject(bytes: Uint8Array, options: LoadOptions = {}): BpfObject {
  const sys = options.sys ?? systemCalls();
  const optional = new Set(options.optional);
  const elf = parseElf(bytes);
  const local = new Btf(required(elf, '.BTF').data);
  const relocations = coreRelocations(elf, local);
  const candidates = programs(elf, new Set(options.disabled));
  const types = options.types ?? kernelTypes();
  const kernel = kernelLookup(elf, local, relocations, candidates, types);
  raiseMemoryLimit(sys);

  const patched = new Map<number, Patched>();
  const code = (section: number): Patched => {
    let known = patched.get(section);
    if (known === undefined) {
      known = patchSection(elf.sections[section], relocations.get(elf.sections[section].name) ?? [], kernel.resolver);
      patched.set(section, known);
    }
    return known;
  };

  const maps = new MapSet(sys, elf, local, options);
  const loaded = new Map<string, BpfProgram>();
  const skipped = new Map<string, string>();
  const close = (): void => {
    for (const program of loaded.values()) program.close();
    maps.close();
  };
  const license = elf.section('license')?.data;
  try {
    for (const { func, type } of candidates) {
      const traceType = kernel.traceTypes.get(type.tracepoint) ?? 0;
      try {
        if (traceType === 0 && (type.kind === 'tp_btf' || (type.tracepoint !== '' && optional.has(func.name)))) {
          throw new BpfError(
            'attach',
            `program ${func.name}: this kernel (${release()}) has no tracepoint ${type.tracepoint}`,
          );
        }
        const poisoned = new Map<number, string>();
        const text = link(
          {
            elf,
            code: (section) => code(section).bytes,
            mapFd: (symbol, section) => maps.get(symbol, section).fd,
            kernelFunction: (name) => (options.withoutFunctions ? undefined : kernel.functions.get(name)),
            missing: (index, name) => poisoned.set(index, `the function ${name}`),
            placed(section, from, size, index) {
              for (const [at, what] of code(section).poisoned) {
                if (at >= from && at < from + size) poisoned.set(index + (at - from) / INSN, what);
              }
            },
          },
          func,
        );
        const program = { name: func.name, type, code: text, license: text0(license), traceType, poisoned };
        loaded.set(func.name, loadProgram(sys, program));
      } catch (error) {
        if (!(error instanceof BpfError) || !optional.has(func.name)) throw error;
        skipped.set(func.name, error.message);
      }
    }
  } catch (error) {
    close();
    throw error;
  } finally {
    // Nothing asks for them any more, and the collector is in no hurry with what lies outside of its heap.
    if (options.types === undefined) (types.buffer as ArrayBuffer).transfer(0);
  }
  return {
    maps: maps.made,
    programs: loaded,
    skipped,
    createMap: (spec) => maps.add(spec),
    attach() {
      for (const program of loaded.values()) if (program.type.tracepoint !== '') program.attach();
    },
    close,
  };
}

const KERNEL_TYPES = '/sys/kernel/btf/vmlinux';

/** The types of the running kernel, in BTF. Some 5 MB, so nothing keeps them. */
export function kernelTypes(path: string = KERNEL_TYPES): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new BpfError(
      'btf',
      `cannot read ${path} (${(error as NodeJS.ErrnoException).code}): this kernel (${release()}) does not describe its types. ` +
        'It needs CONFIG_DEBUG_INFO_BTF=y, as the kernels of current distributions have; in a container, /sys must be mounted.',
    );
  }
}

function required(elf: Elf, name: string): Section {
  const section = elf.section(name);
  if (section === undefined) throw new BpfError('object', `the object has no section ${name}: compile it with -g`);
  return section;
}

/** The text of the license section. */
function text0(bytes: Uint8Array | undefined): string {
  if (bytes === undefined) return '';
  const end = bytes.indexOf(0);
  return latin1(bytes, 0, end < 0 ? bytes.length : end);
}

function programs(elf: Elf, disabled: ReadonlySet<string>): Candidate[] {
  const found: Candidate[] = [];
  for (const func of functions(elf)) {
    const section = elf.sections[func.section];
    if ((section.flags & SHF_EXECINSTR) === 0 || section.name === '.text') continue;
    const type = programType(section.name);
    if (type === undefined)
      throw new BpfError('object', `program ${func.name}: section ${section.name} is not supported`);
    if (!disabled.has(func.name)) found.push({ func, type });
  }
  return found;
}

/** The compiler's notes in .BTF.ext (Documentation/bpf/btf.rst, "4. ELF file format"), by section name. */
function coreRelocations(elf: Elf, local: Btf): Map<string, CoreRelocation[]> {
  const found = new Map<string, CoreRelocation[]>();
  const bytes = elf.section('.BTF.ext')?.data;
  const damaged = (): never => {
    throw new BpfError('object', 'section .BTF.ext is damaged');
  };
  if (bytes === undefined) return found;
  if (bytes.length < 8) return damaged();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = view.getUint32(4, true);
  // Before CO-RE the header ended here.
  if (header < 32) return found;
  if (bytes.length < 32) return damaged();
  const start = header + view.getUint32(24, true);
  const end = start + view.getUint32(28, true);
  if (end > bytes.length) return damaged();
  if (end - start < 4) return found;
  const size = view.getUint32(start, true);
  if (size < 16) return damaged();
  for (let at = start + 4; at < end; ) {
    if (at + 8 > end) return damaged();
    const name = local.string(view.getUint32(at, true));
    const count = view.getUint32(at + 4, true);
    at += 8;
    if (at + count * size > end) return damaged();
    const list = found.get(name) ?? [];
    found.set(name, list);
    for (let i = 0; i < count; i++, at += size) {
      list.push({
        offset: view.getUint32(at, true),
        type: view.getUint32(at + 4, true),
        access: local.string(view.getUint32(at + 8, true)),
        kind: view.getUint32(at + 12, true),
      });
    }
  }
  return found;
}

interface KernelLookup {
  readonly resolver: CoreResolver;
  /** `btf_trace_<tracepoint>` by tracepoint: there is one for each that the kernel has. */
  readonly traceTypes: ReadonlyMap<string, number>;
  /** The functions that the object calls, as far as the kernel has them. */
  readonly functions: ReadonlyMap<string, number>;
}

const TRACE_PREFIX = 'btf_trace_';

/** Looks everything up that the object wants to know of the kernel, in one pass over its types. */
function kernelLookup(
  elf: Elf,
  local: Btf,
  relocations: ReadonlyMap<string, readonly CoreRelocation[]>,
  candidates: readonly Candidate[],
  types: Uint8Array,
): KernelLookup {
  const target = new Btf(types);
  const names = rootNames(local, [...relocations.values()].flat());
  for (const { type } of candidates) if (type.tracepoint !== '') names.add(TRACE_PREFIX + type.tracepoint);
  const found = target.find(names);
  const traceTypes = new Map<string, number>();
  for (const { type } of candidates) {
    const id = found.get(TRACE_PREFIX + type.tracepoint)?.[0];
    if (id !== undefined) traceTypes.set(type.tracepoint, id);
  }
  const functions = target.findFunctions(kernelFunctions(elf));
  return { resolver: new CoreResolver(local, target, found), traceTypes, functions };
}

interface Patched {
  readonly bytes: Uint8Array;
  /** What the kernel lacks, by byte offset of the instruction that needs it. */
  readonly poisoned: ReadonlyMap<number, string>;
}

function patchSection(section: Section, relocations: readonly CoreRelocation[], resolver: CoreResolver): Patched {
  const bytes = section.data.slice();
  const poisoned = new Map<number, string>();
  for (const relocation of relocations) {
    const { offset } = relocation;
    if (offset % INSN !== 0 || offset + INSN > bytes.length)
      throw new BpfError('object', `relocation outside of ${section.name}`);
    const resolution = resolver.resolve(relocation);
    if (!patch(bytes, offset, resolution)) poisoned.set(offset, resolution.what);
  }
  return { bytes, poisoned };
}

/** Makes the maps that programs use, when the first one does: what only an optional program needs must not fail the rest. */
class MapSet {
  readonly made = new Map<string, BpfMap>();
  readonly #further: BpfMap[] = [];
  readonly #sys: Sys;
  readonly #elf: Elf;
  readonly #specs: ReadonlyMap<string, MapSpec>;
  readonly #options: LoadOptions;

  constructor(sys: Sys, elf: Elf, local: Btf, options: LoadOptions) {
    this.#sys = sys;
    this.#elf = elf;
    this.#specs = mapSpecs(local);
    this.#options = options;
    for (const name of Object.keys(options.maps ?? {})) {
      if (!this.#specs.has(name)) throw new BpfError('map', `the object has no map ${name}`);
    }
    const isConstant = (symbol: ElfSymbol): boolean =>
      elf.sections[symbol.section]?.name.startsWith('.rodata') ?? false;
    for (const name of Object.keys(options.constants ?? {})) {
      if (!elf.symbols.some((symbol) => symbol.name === name && isConstant(symbol))) {
        throw new BpfError('object', `the object has no constant ${name}`);
      }
    }
  }

  get(symbol: ElfSymbol, section: Section): BpfMap {
    const name = isDataSection(section.name) ? section.name : symbol.name;
    let map = this.made.get(name);
    if (map === undefined) {
      map = isDataSection(section.name) ? this.#data(section) : this.#declared(name);
      this.made.set(name, map);
    }
    return map;
  }

  add(spec: MapSpec): BpfMap {
    const map = createMap(this.#sys, spec);
    this.#further.push(map);
    return map;
  }

  #declared(name: string): BpfMap {
    const spec = this.#specs.get(name);
    if (spec === undefined) throw new BpfError('object', `the object has no map ${name}`);
    const maxEntries = this.#options.maps?.[name]?.maxEntries ?? spec.maxEntries;
    return createMap(this.#sys, { ...spec, maxEntries });
  }

  #data(section: Section): BpfMap {
    const constant = section.name.startsWith('.rodata');
    const map = createMap(this.#sys, {
      name: section.name,
      type: MapType.ARRAY,
      keySize: 4,
      valueSize: section.size,
      maxEntries: 1,
      flags: constant ? MapFlag.RDONLY_PROG : MapFlag.MMAPABLE,
      inner: null,
    });
    const value = new Uint8Array(section.size);
    value.set(section.data);
    if (constant) this.#fill(section, value);
    map.update(0, value);
    if (constant) freezeMap(this.#sys, map);
    return map;
  }

  #fill(section: Section, value: Uint8Array): void {
    const view = new DataView(value.buffer);
    for (const [name, given] of Object.entries(this.#options.constants ?? {})) {
      const symbol = this.#elf.symbols.find(
        (candidate) => candidate.name === name && candidate.section === section.index,
      );
      if (symbol === undefined) continue;
      const { value: at, size } = symbol;
      if (at + size > value.length) throw new BpfError('object', `constant ${name} lies outside of its section`);
      if (typeof given === 'object') {
        if (given.length !== size)
          throw new BpfError('object', `constant ${name} has ${size} bytes, not ${given.length}`);
        value.set(given, at);
        continue;
      }
      const number = BigInt(given);
      if (BigInt.asUintN(size * 8, number) !== number && BigInt.asIntN(size * 8, number) !== number) {
        throw new BpfError('object', `constant ${name} has ${size} bytes: ${given} is too large`);
      }
      for (let i = 0; i < size; i++) view.setUint8(at + i, Number((number >> BigInt(8 * i)) & 0xffn));
    }
  }

  close(): void {
    for (const map of [...this.made.values(), ...this.#further]) map.close();
  }
}
