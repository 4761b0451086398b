import { alive, NR, type Sys } from './sys.ts';

/** Commands of bpf(2) (enum bpf_cmd, include/uapi/linux/bpf.h). */
export const Cmd = {
  MAP_CREATE: 0,
  MAP_LOOKUP_ELEM: 1,
  MAP_UPDATE_ELEM: 2,
  MAP_DELETE_ELEM: 3,
  MAP_GET_NEXT_KEY: 4,
  PROG_LOAD: 5,
  PROG_TEST_RUN: 10,
  OBJ_GET_INFO_BY_FD: 15,
  RAW_TRACEPOINT_OPEN: 17,
  MAP_FREEZE: 22,
} as const;

/**
 * A `union bpf_attr` being filled. It keeps what it points to alive during the call.
 */
export class Attr {
  readonly bytes: Buffer;
  readonly #sys: Sys;
  readonly #pointees: Uint8Array[] = [];

  constructor(sys: Sys, size: number) {
    this.#sys = sys;
    this.bytes = Buffer.alloc(size);
  }

  u32(offset: number, value: number): this {
    this.bytes.writeUInt32LE(value, offset);
    return this;
  }

  u64(offset: number, value: bigint): this {
    this.bytes.writeBigUInt64LE(value, offset);
    return this;
  }

  /** The address of `pointee`. */
  pointer(offset: number, pointee: Uint8Array): this {
    this.#pointees.push(pointee);
    return this.u64(offset, this.#sys.addr(pointee));
  }

  /** A kernel object's name: at most 15 characters of [A-Za-z0-9_.]. */
  name(offset: number, name: string): this {
    this.bytes.write(name.slice(0, 15).replace(/[^A-Za-z0-9_]/g, '_'), offset, 'latin1');
    return this;
  }

  /** Calls bpf(2); the result, or minus the errno. */
  call(command: number): number {
    alive.add(this.#pointees);
    try {
      return this.#sys.sys(NR.bpf, command, this.bytes, this.bytes.length);
    } finally {
      alive.delete(this.#pointees);
    }
  }
}
