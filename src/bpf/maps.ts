import { readFileSync } from 'node:fs';
import { type Btf, Kind } from './btf.ts';
import { Attr, Cmd } from './command.ts';
import { BpfError } from './error.ts';
import { explain } from './permission.ts';
import { Errno, errnoName, NR, type Sys } from './sys.ts';

/** Map types that the loader has to know (enum bpf_map_type, include/uapi/linux/bpf.h). */
export const MapType = {
  HASH: 1,
  ARRAY: 2,
  PERCPU_HASH: 5,
  PERCPU_ARRAY: 6,
  LRU_HASH: 9,
  LRU_PERCPU_HASH: 10,
  LPM_TRIE: 11,
  ARRAY_OF_MAPS: 12,
  HASH_OF_MAPS: 13,
  RINGBUF: 27,
} as const;

/** Flags of a map at its creation. */
export const MapFlag = { NO_PREALLOC: 1, RDONLY_PROG: 1 << 7, MMAPABLE: 1 << 10 } as const;

/** A map as the object declares it. */
export interface MapSpec {
  readonly name: string;
  readonly type: number;
  /** Bytes. */
  readonly keySize: number;
  readonly valueSize: number;
  /** Entries; a ring buffer's size in bytes. */
  readonly maxEntries: number;
  readonly flags: number;
  /** What an array or hash of maps holds. */
  readonly inner: MapSpec | null;
}

/** A key or value: bytes, or an integer that is written in the map's own width, little endian. */
export type Cell = Uint8Array | number | bigint;

/** A map that the kernel holds. Its fd works in every thread of this process. */
export interface BpfMap extends MapSpec {
  readonly fd: number;
  /** The value of a key; undefined when there is none. For maps with a value per CPU see {@link lookupPerCpu}. */
  lookup(key: Cell): Buffer | undefined;
  /** One value per possible CPU. */
  lookupPerCpu(key: Cell): Buffer[];
  /** Sets a value; in a map with a value per CPU, for all of them. */
  update(key: Cell, value: Cell): void;
  /** False when the key was not there. */
  delete(key: Cell): boolean;
  /** The keys, in the kernel's order; may miss or repeat some while others change the map. */
  keys(): Generator<Buffer>;
  close(): void;
}

/**
 * The maps of section `.maps`, in BTF form (`__uint`, `__type`, `__array` of bpf_helpers.h): numbers are
 * the lengths of arrays that a member points to, types are what a member points to.
 */
export function mapSpecs(btf: Btf): Map<string, MapSpec> {
  const specs = new Map<string, MapSpec>();
  for (let id = 1; id < btf.count; id++) {
    if (btf.kind(id) !== Kind.DATASEC || btf.name(id) !== '.maps') continue;
    for (let i = 0; i < btf.vlen(id); i++) {
      const variable = btf.variable(id, i);
      const name = btf.name(variable);
      specs.set(name, mapSpec(btf, name, btf.target(variable), 0));
    }
  }
  return specs;
}

function mapSpec(btf: Btf, name: string, typeId: number, depth: number): MapSpec {
  const type = btf.resolve(typeId);
  if (btf.kind(type) !== Kind.STRUCT || depth > 1) throw new BpfError('object', `map ${name}: not a map definition`);
  const spec = { name, type: 0, keySize: 0, valueSize: 0, maxEntries: 0, flags: 0, inner: null as MapSpec | null };
  for (let i = 0; i < btf.vlen(type); i++) {
    const member = btf.member(type, i);
    const pointer = btf.resolve(member.type);
    if (member.name === 'values') {
      // `typeof(inner) *values[]`
      const element = btf.kind(pointer) === Kind.ARRAY ? btf.resolve(btf.array(pointer).type) : 0;
      if (btf.kind(element) !== Kind.PTR) throw new BpfError('object', `map ${name}: odd values`);
      spec.inner = mapSpec(btf, `${name}.inner`, btf.target(element), depth + 1);
      spec.valueSize = 4;
      continue;
    }
    if (btf.kind(pointer) !== Kind.PTR) throw new BpfError('object', `map ${name}: odd member ${member.name}`);
    const pointee = btf.resolve(btf.target(pointer));
    const number = (): number => {
      if (btf.kind(pointee) !== Kind.ARRAY) throw new BpfError('object', `map ${name}: ${member.name} is no number`);
      return btf.array(pointee).length;
    };
    switch (member.name) {
      case 'type':
        spec.type = number();
        break;
      case 'max_entries':
        spec.maxEntries = number();
        break;
      case 'map_flags':
        spec.flags = number();
        break;
      case 'key_size':
        spec.keySize = number();
        break;
      case 'value_size':
        spec.valueSize = number();
        break;
      case 'key':
        spec.keySize = btf.size(pointee);
        break;
      case 'value':
        spec.valueSize = btf.size(pointee);
        break;
      default:
        throw new BpfError('object', `map ${name}: ${member.name} is not supported`);
    }
  }
  return spec;
}

/** Makes a map in the kernel. */
export function createMap(sys: Sys, spec: MapSpec): BpfMap {
  const attr = new Attr(sys, 72)
    .u32(0, spec.type)
    .u32(4, spec.keySize)
    .u32(8, spec.valueSize)
    .u32(12, spec.maxEntries)
    .u32(16, spec.flags)
    .name(28, spec.name);
  const inner = spec.inner === null ? undefined : createMap(sys, spec.inner);
  if (inner !== undefined) attr.u32(20, inner.fd);
  const fd = attr.call(Cmd.MAP_CREATE);
  // Only its shape was needed.
  inner?.close();
  if (fd < 0) throw explain(sys, 'map', `creating map ${spec.name}`, -fd);
  return openMap(sys, spec, fd);
}

function openMap(sys: Sys, spec: MapSpec, fd: number): BpfMap {
  const perCpu =
    spec.type === MapType.PERCPU_ARRAY || spec.type === MapType.PERCPU_HASH || spec.type === MapType.LRU_PERCPU_HASH;
  const slot = (spec.valueSize + 7) & ~7;
  let open = true;
  const element = (command: number, key: Uint8Array, value?: Uint8Array): number => {
    const attr = new Attr(sys, 32).u32(0, fd).pointer(8, key);
    if (value !== undefined) attr.pointer(16, value);
    return attr.call(command);
  };
  const fail = (what: string, errno: number): never => {
    throw new BpfError('map', `${what} in map ${spec.name}: ${errnoName(errno)}`);
  };
  const read = (key: Cell, size: number): Buffer | undefined => {
    const value = Buffer.alloc(size);
    const result = element(Cmd.MAP_LOOKUP_ELEM, cell(key, spec.keySize), value);
    if (result === -Errno.ENOENT) return undefined;
    return result < 0 ? fail('reading', -result) : value;
  };
  return {
    ...spec,
    fd,
    lookup(key) {
      if (perCpu) throw new BpfError('map', `map ${spec.name} has a value per CPU`);
      return read(key, spec.valueSize);
    },
    lookupPerCpu(key) {
      const cpus = possibleCpus();
      const all = read(key, slot * cpus);
      if (all === undefined) return [];
      return Array.from({ length: cpus }, (_, cpu) => all.subarray(cpu * slot, cpu * slot + spec.valueSize));
    },
    update(key, value) {
      let bytes = cell(value, spec.valueSize);
      if (perCpu) {
        const all = Buffer.alloc(slot * possibleCpus());
        for (let at = 0; at < all.length; at += slot) all.set(bytes, at);
        bytes = all;
      }
      const result = element(Cmd.MAP_UPDATE_ELEM, cell(key, spec.keySize), bytes);
      if (result < 0) fail('writing', -result);
    },
    delete(key) {
      const result = element(Cmd.MAP_DELETE_ELEM, cell(key, spec.keySize));
      if (result < 0 && result !== -Errno.ENOENT) fail('deleting', -result);
      return result === 0;
    },
    *keys() {
      let key: Buffer | undefined;
      for (;;) {
        const next = Buffer.alloc(spec.keySize);
        const attr = new Attr(sys, 32).u32(0, fd).pointer(16, next);
        if (key !== undefined) attr.pointer(8, key);
        const result = attr.call(Cmd.MAP_GET_NEXT_KEY);
        if (result === -Errno.ENOENT) return;
        if (result < 0) fail('listing', -result);
        yield next;
        key = next;
      }
    },
    close() {
      if (open) sys.sys(NR.close, fd);
      open = false;
    },
  };
}

/** From here on neither this process nor any other can change the map's values by the system call. */
export function freezeMap(sys: Sys, map: BpfMap): void {
  const result = new Attr(sys, 8).u32(0, map.fd).call(Cmd.MAP_FREEZE);
  if (result < 0) throw explain(sys, 'map', `freezing map ${map.name}`, -result);
}

/** A key or value in the map's width. */
export function cell(value: Cell, size: number): Uint8Array {
  if (typeof value === 'object') {
    if (value.length !== size) throw new BpfError('map', `a key or value of ${value.length} bytes instead of ${size}`);
    return value;
  }
  const bytes = Buffer.alloc(Math.max(8, size));
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
  return bytes.subarray(0, size);
}

let possible = 0;

/** How many CPUs the kernel reserves room for, plugged in or not. */
export function possibleCpus(): number {
  if (possible === 0) possible = lastCpu('possible');
  return possible;
}

/** How many CPUs there are up to the last one that runs. */
export function onlineCpus(): number {
  return lastCpu('online');
}

/** `0-3,8` has 9 (Documentation/admin-guide/cputopology.rst). */
function lastCpu(list: string): number {
  const last = /(\d+)\s*$/.exec(readFileSync(`/sys/devices/system/cpu/${list}`, 'latin1'));
  return last === null ? 1 : Number(last[1]) + 1;
}
