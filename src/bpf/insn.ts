/** Parts of an instruction's first byte (include/uapi/linux/bpf_common.h and bpf.h). */
export const Op = {
  CLASS: 7,
  LD: 0,
  LDX: 1,
  ST: 2,
  STX: 3,
  ALU: 4,
  JMP: 5,
  ALU64: 7,
  /** The operand is a register, not the constant. */
  X: 8,
  SIZE: 0x18,
  CALL: 0x85,
  LD_IMM64: 0x18,
} as const;

/** Size of an instruction in bytes; ld_imm64 takes two. */
export const INSN = 8;

/** Values of the source register that give an instruction another meaning. */
export const Pseudo = {
  /** ld_imm64: the fd of a map. */
  MAP_FD: 1,
  /** ld_imm64: an address inside a map's only value. */
  MAP_VALUE: 2,
  /** call: a function of this program, relative to the next instruction. */
  CALL: 1,
  /** call: a function of the kernel, by the id of its type. */
  KERNEL_CALL: 2,
  /** ld_imm64: the address of a function of this program. */
  FUNC: 4,
} as const;

export function isLdImm64(code: Uint8Array, at: number): boolean {
  return code[at] === Op.LD_IMM64 && at + 2 * INSN <= code.length;
}

/** The source register's field. */
export function source(code: Uint8Array, at: number): number {
  return code[at + 1] >>> 4;
}

export function setSource(code: Uint8Array, at: number, value: number): void {
  code[at + 1] = (code[at + 1] & 15) | (value << 4);
}

/** Writes a call of a helper. */
export function putCall(code: Uint8Array, at: number, helper: number): void {
  code.fill(0, at, at + INSN);
  code[at] = Op.CALL;
  new DataView(code.buffer, code.byteOffset, code.byteLength).setInt32(at + 4, helper, true);
}

/** Libbpf's mark of an impossible instruction, so that verifier logs can be searched for on the web. */
export const POISON = 195896080;
