import { type Btf, essential, Kind } from './btf.ts';
import { BpfError } from './error.ts';
import { isLdImm64, Op, POISON, putCall } from './insn.ts';

/**
 * CO-RE ("compile once, run everywhere"): the compiler notes which instruction depends on which field,
 * type or enumerator of the kernel; before loading, each is looked up in the running kernel's types and
 * the instruction is changed to fit. The rules are libbpf's (tools/lib/bpf/relo_core.c), to the letter:
 * a test holds the results against each other.
 */

/** What an instruction wants to know (enum bpf_core_relo_kind, include/uapi/linux/bpf.h). */
export const CoreKind = {
  FIELD_BYTE_OFFSET: 0,
  FIELD_BYTE_SIZE: 1,
  FIELD_EXISTS: 2,
  FIELD_SIGNED: 3,
  FIELD_LSHIFT_U64: 4,
  FIELD_RSHIFT_U64: 5,
  TYPE_ID_LOCAL: 6,
  TYPE_ID_TARGET: 7,
  TYPE_EXISTS: 8,
  TYPE_SIZE: 9,
  ENUMVAL_EXISTS: 10,
  ENUMVAL_VALUE: 11,
} as const;

/** One note of the compiler. */
export interface CoreRelocation {
  /** Offset in bytes of the instruction in its section. */
  readonly offset: number;
  /** The root type, in the object's own types. */
  readonly type: number;
  /** `0:1:2`: which element of the root, which member of it, and so on. */
  readonly access: string;
  readonly kind: number;
}

/** What becomes of an instruction. */
export interface Resolution {
  /** The value to put into the instruction; null: nothing that could be right (the verifier then rejects it, if it is reachable). */
  readonly value: bigint | null;
  /** The value that the compiler put there; null: do not compare. */
  readonly original: bigint | null;
  /** Size in bytes of the field in the object's and in the kernel's types; 0: no memory access of that kind. */
  readonly localSize: number;
  readonly targetSize: number;
  /** The sizes differ, and reading the other size would give a wrong value. */
  readonly sizeConflict: boolean;
  /** `struct task_struct.loginuid.val`, for messages. */
  readonly what: string;
}

interface Step {
  /** The struct (named steps) or the element type. */
  readonly type: number;
  readonly index: number;
  /** Member or enumerator; null: an array element. */
  readonly name: string | null;
}

interface Spec {
  readonly root: number;
  readonly steps: Step[];
  /** Offset in bits from the root. */
  bit: number;
}

/** Members looked at for one relocation: far above what any kernel needs, so that no crafted file takes for ever. */
const BUDGET = 1_000_000;
const DEPTH = 64;

/** Resolves the relocations of one object against one kernel. */
export class CoreResolver {
  readonly #local: Btf;
  readonly #target: Btf;
  readonly #candidates: ReadonlyMap<string, readonly number[]>;
  readonly #done = new Map<string, Resolution>();
  #budget = 0;

  /** @param candidates the target's types by essential name ({@link Btf.find}), for all {@link rootNames} */
  constructor(local: Btf, target: Btf, candidates: ReadonlyMap<string, readonly number[]>) {
    this.#local = local;
    this.#target = target;
    this.#candidates = candidates;
  }

  /** Throws {@link BpfError} `relocation` when the kernel's types leave it open what is meant. */
  resolve(relocation: CoreRelocation): Resolution {
    const key = `${relocation.kind} ${relocation.type} ${relocation.access}`;
    let done = this.#done.get(key);
    if (done === undefined) {
      this.#budget = BUDGET;
      done = this.#resolve(relocation);
      this.#done.set(key, done);
    }
    return done;
  }

  #resolve({ type, access, kind }: CoreRelocation): Resolution {
    const local = this.#local;
    if (kind > CoreKind.ENUMVAL_VALUE) throw new BpfError('object', `relocation of the unknown kind ${kind}`);
    const spec = parseAccess(local, type, access, kind);
    const what = describe(local, spec, kind);
    if (kind === CoreKind.TYPE_ID_LOCAL) {
      return { value: BigInt(type), original: null, localSize: 0, targetSize: 0, sizeConflict: false, what };
    }

    let found: { spec: Spec; values: Values } | undefined;
    for (const id of this.#candidates.get(essential(local.name(type))) ?? []) {
      if (!kindsAgree(local, type, this.#target, id)) continue;
      const match = this.#match(spec, id, kind);
      if (match === null) continue;
      const values = evaluate(this.#target, match, kind);
      if (found === undefined) {
        found = { spec: match, values };
      } else if (found.spec.bit !== match.bit || found.values.value !== values.value) {
        throw new BpfError('relocation', `${what}: the kernel has several types of that name, which differ`);
      }
    }

    const mine = evaluate(local, spec, kind);
    const theirs = found?.values ?? evaluateMissing(kind);
    const sizeConflict =
      mine.size !== 0 &&
      theirs.size !== 0 &&
      mine.size !== theirs.size &&
      !(
        (local.kind(mine.type) === Kind.PTR && this.#target.kind(theirs.type) === Kind.PTR) ||
        (isUnsigned(local, mine.type) && isUnsigned(this.#target, theirs.type))
      );
    return {
      value: theirs.value,
      original: mine.validate ? mine.value : null,
      localSize: mine.size,
      targetSize: theirs.size,
      sizeConflict,
      what,
    };
  }

  /** The same access in a type of the kernel; null when it does not have it. */
  #match(spec: Spec, id: number, kind: number): Spec | null {
    const target = this.#target;
    if (isTypeKind(kind)) return this.#typesAgree(spec.root, id) ? { root: id, steps: [], bit: 0 } : null;
    if (isEnumKind(kind)) {
      const type = target.resolve(id);
      if (!target.isEnum(type)) return null;
      const wanted = essential(spec.steps[0].name ?? '');
      for (let index = 0; index < target.vlen(type); index++) {
        const { name } = target.enumerator(type, index);
        if (essential(name) === wanted) return { root: id, steps: [{ type, index, name }], bit: 0 };
      }
      return null;
    }

    const match: Spec = { root: id, steps: [], bit: 0 };
    let at = id;
    for (const [i, step] of spec.steps.entries()) {
      at = target.resolve(at);
      if (step.name !== null) {
        const member = this.#member(step, at, match, 0);
        if (member === null) return null;
        at = member;
        continue;
      }
      if (i > 0) {
        if (target.kind(at) !== Kind.ARRAY) return null;
        const array = target.array(at);
        const last = match.steps.at(-1);
        if (step.index >= array.length && !isFlexible(target, last, array.length)) return null;
        at = target.resolve(array.type);
      }
      match.steps.push({ type: at, index: step.index, name: null });
      match.bit += step.index * target.size(at) * 8;
    }
    return match;
  }

  /** Finds the member of the step's name, also inside anonymous members; appends it to `match`; its type. */
  #member(step: Step, id: number, match: Spec, depth: number): number | null {
    const target = this.#target;
    const type = target.resolve(id);
    if (!target.isComposite(type)) return null;
    if (depth > DEPTH) throw new BpfError('btf', `${target.describe(type)}: anonymous members are nested too deeply`);
    const count = target.vlen(type);
    this.#spend(count);
    for (let index = 0; index < count; index++) {
      const member = target.member(type, index);
      if (member.name === '') {
        match.bit += member.bit;
        const inner = this.#member(step, member.type, match, depth + 1);
        if (inner !== null) return inner;
        match.bit -= member.bit;
      } else if (member.name === step.name) {
        const mine = this.#local.member(step.type, step.index);
        if (!this.#fieldsAgree(mine.type, member.type)) return null;
        match.bit += member.bit;
        match.steps.push({ type, index, name: member.name });
        return member.type;
      }
    }
    return null;
  }

  #spend(steps: number): void {
    this.#budget -= steps + 1;
    if (this.#budget < 0) throw new BpfError('btf', 'type information is damaged: types nest without end');
  }

  /** Whether a member may stand for another: the same sort of thing, not necessarily the same size. */
  #fieldsAgree(localId: number, targetId: number): boolean {
    const local = this.#local;
    const target = this.#target;
    for (;;) {
      this.#spend(1);
      localId = local.resolve(localId);
      targetId = target.resolve(targetId);
      if (local.isComposite(localId) && target.isComposite(targetId)) return true;
      if (!kindsAgree(local, localId, target, targetId)) return false;
      switch (local.kind(localId)) {
        case Kind.PTR:
        case Kind.FLOAT:
          return true;
        case Kind.FWD:
        case Kind.ENUM:
        case Kind.ENUM64: {
          const mine = essential(local.name(localId));
          const theirs = essential(target.name(targetId));
          return mine === '' || theirs === '' || mine === theirs;
        }
        case Kind.INT:
          return local.integer(localId).offset === 0 && target.integer(targetId).offset === 0;
        case Kind.ARRAY:
          localId = local.array(localId).type;
          targetId = target.array(targetId).type;
          break;
        default:
          return false;
      }
    }
  }

  /** Whether two types of one name are the same sort of type, pointers and prototypes included. */
  #typesAgree(localId: number, targetId: number, depth = 0): boolean {
    const local = this.#local;
    const target = this.#target;
    for (; depth < 32; depth++) {
      this.#spend(1);
      localId = local.resolve(localId);
      targetId = target.resolve(targetId);
      if (!kindsAgree(local, localId, target, targetId)) return false;
      switch (local.kind(localId)) {
        case Kind.UNKNOWN:
        case Kind.STRUCT:
        case Kind.UNION:
        case Kind.ENUM:
        case Kind.ENUM64:
        case Kind.FWD:
          return true;
        case Kind.INT:
          return local.integer(localId).offset === 0 && target.integer(targetId).offset === 0;
        case Kind.PTR:
          localId = local.target(localId);
          targetId = target.target(targetId);
          break;
        case Kind.ARRAY:
          localId = local.array(localId).type;
          targetId = target.array(targetId).type;
          break;
        case Kind.FUNC_PROTO: {
          const count = local.vlen(localId);
          if (count !== target.vlen(targetId)) return false;
          for (let i = 0; i < count; i++) {
            if (!this.#typesAgree(local.parameter(localId, i), target.parameter(targetId, i), depth + 1)) return false;
          }
          localId = local.target(localId);
          targetId = target.target(targetId);
          break;
        }
        default:
          return false;
      }
    }
    throw new BpfError('btf', `${local.describe(localId)}: types are nested too deeply`);
  }
}

/** The essential names of the root types that relocations need from the kernel. */
export function rootNames(local: Btf, relocations: Iterable<CoreRelocation>): Set<string> {
  const names = new Set<string>();
  for (const { type, kind } of relocations) {
    const name = essential(local.name(type));
    if (kind !== CoreKind.TYPE_ID_LOCAL && name !== '') names.add(name);
  }
  return names;
}

function isTypeKind(kind: number): boolean {
  return kind >= CoreKind.TYPE_ID_LOCAL && kind <= CoreKind.TYPE_SIZE;
}

function isEnumKind(kind: number): boolean {
  return kind === CoreKind.ENUMVAL_EXISTS || kind === CoreKind.ENUMVAL_VALUE;
}

/** The same kind; an enum of 32 bits and one of 64 count as the same. */
function kindsAgree(a: Btf, aId: number, b: Btf, bId: number): boolean {
  return a.kind(aId) === b.kind(bId) || (a.isEnum(aId) && b.isEnum(bId));
}

function isUnsigned(btf: Btf, id: number): boolean {
  return btf.kind(id) === Kind.INT && !btf.integer(id).signed;
}

/** An array without a length as the last member of a struct. */
function isFlexible(btf: Btf, holder: Step | undefined, length: number): boolean {
  return length === 0 && holder !== undefined && holder.name !== null && holder.index === btf.vlen(holder.type) - 1;
}

/** `0:2:1` → the members and elements that it names, in the object's own types. */
function parseAccess(btf: Btf, root: number, access: string, kind: number): Spec {
  const bad = (): never => {
    throw new BpfError('object', `relocation with the impossible access "${access}" into ${btf.describe(root)}`);
  };
  if (!/^\d{1,9}(:\d{1,9}){0,63}$/.test(access)) return bad();
  const indexes = access.split(':').map(Number);
  const spec: Spec = { root, steps: [], bit: 0 };
  if (isTypeKind(kind)) return access === '0' ? spec : bad();

  let id = btf.resolve(root);
  if (isEnumKind(kind)) {
    if (!btf.isEnum(id) || indexes.length !== 1 || indexes[0] >= btf.vlen(id)) return bad();
    spec.steps.push({ type: id, index: indexes[0], name: btf.enumerator(id, indexes[0]).name });
    return spec;
  }
  spec.steps.push({ type: id, index: indexes[0], name: null });
  spec.bit = indexes[0] * btf.size(id) * 8;
  for (const index of indexes.slice(1)) {
    if (btf.isComposite(id)) {
      if (index >= btf.vlen(id)) return bad();
      const member = btf.member(id, index);
      spec.bit += member.bit;
      if (member.name !== '') spec.steps.push({ type: id, index, name: member.name });
      id = btf.resolve(member.type);
    } else if (btf.kind(id) === Kind.ARRAY) {
      const array = btf.array(id);
      if (index >= array.length && !isFlexible(btf, spec.steps.at(-1), array.length)) return bad();
      id = btf.resolve(array.type);
      spec.steps.push({ type: id, index, name: null });
      spec.bit += index * btf.size(id) * 8;
    } else {
      return bad();
    }
  }
  return spec;
}

interface Values {
  readonly value: bigint | null;
  /** Size in bytes of what a load or store at the value would access; 0: does not apply. */
  readonly size: number;
  /** The type of that. */
  readonly type: number;
  /** The compiler's value is expected in the instruction. */
  readonly validate: boolean;
}

const nothing = { size: 0, type: 0, validate: true };

/** What a missing field, type or enumerator means. */
function evaluateMissing(kind: number): Values {
  const isZero = kind === CoreKind.FIELD_EXISTS || kind === CoreKind.ENUMVAL_EXISTS || isTypeKind(kind);
  return { ...nothing, value: isZero ? 0n : null };
}

function evaluate(btf: Btf, spec: Spec, kind: number): Values {
  switch (kind) {
    case CoreKind.FIELD_EXISTS:
    case CoreKind.TYPE_EXISTS:
    case CoreKind.ENUMVAL_EXISTS:
      return { ...nothing, value: 1n };
    case CoreKind.TYPE_ID_TARGET:
      return { ...nothing, value: BigInt(spec.root), validate: false };
    case CoreKind.TYPE_SIZE:
      return { ...nothing, value: BigInt(btf.size(spec.root)) };
    case CoreKind.ENUMVAL_VALUE:
      return { ...nothing, value: btf.enumerator(spec.steps[0].type, spec.steps[0].index).value };
    default:
      return evaluateField(btf, spec, kind);
  }
}

function evaluateField(btf: Btf, spec: Spec, kind: number): Values {
  const last = spec.steps[spec.steps.length - 1];
  if (last.name === null) {
    const size = btf.size(last.type);
    if (kind === CoreKind.FIELD_BYTE_OFFSET)
      return { value: BigInt(spec.bit >>> 3), size, type: last.type, validate: true };
    if (kind === CoreKind.FIELD_BYTE_SIZE) return { ...nothing, value: BigInt(size) };
    throw new BpfError('object', `relocation of kind ${kind} of an array element`);
  }

  const member = btf.member(last.type, last.index);
  const type = btf.resolve(member.type);
  const isBitfield = member.bits > 0;
  let bytes = btf.size(type);
  let offset = spec.bit >>> 3;
  let bits = bytes * 8;
  if (isBitfield) {
    // The smallest aligned integer that holds all bits of it.
    bits = member.bits;
    offset = bytes === 0 ? 0 : Math.floor(spec.bit / 8 / bytes) * bytes;
    while (spec.bit + bits - offset * 8 > bytes * 8) {
      if (bytes >= 8 || bytes === 0)
        throw new BpfError('btf', `${btf.describe(last.type)}.${last.name}: a bitfield across 8 bytes`);
      bytes *= 2;
      offset = Math.floor(spec.bit / 8 / bytes) * bytes;
    }
  }
  switch (kind) {
    case CoreKind.FIELD_BYTE_OFFSET: {
      if (isBitfield) return { ...nothing, value: BigInt(offset), validate: false };
      // An access of an array is one of its elements.
      let element = type;
      for (let depth = 0; depth < DEPTH && btf.kind(element) === Kind.ARRAY; depth++)
        element = btf.resolve(btf.array(element).type);
      return { value: BigInt(offset), size: btf.size(element), type: element, validate: true };
    }
    case CoreKind.FIELD_BYTE_SIZE:
      return { ...nothing, value: BigInt(bytes), validate: !isBitfield };
    case CoreKind.FIELD_SIGNED: {
      const signed = btf.isEnum(type) ? btf.flag(type) : btf.kind(type) === Kind.INT && btf.integer(type).signed;
      return { ...nothing, value: signed ? 1n : 0n };
    }
    case CoreKind.FIELD_LSHIFT_U64:
      return { ...nothing, value: BigInt(64 - (spec.bit + bits - offset * 8)), validate: !isBitfield };
    default:
      return { ...nothing, value: BigInt(64 - bits) };
  }
}

function describe(btf: Btf, spec: Spec, kind: number): string {
  let text = btf.describe(spec.root);
  if (isEnumKind(kind)) return `${text}::${spec.steps[0].name}`;
  for (const step of spec.steps.slice(1)) text += step.name === null ? `[${step.index}]` : `.${step.name}`;
  return text;
}

/**
 * Changes the instruction at `at` as the resolution says. What cannot be right becomes a call of a
 * helper that no kernel has, so that the verifier rejects the program exactly if it could get there.
 * @returns false when the instruction was made impossible
 */
export function patch(code: Uint8Array, at: number, resolution: Resolution): boolean {
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  const { value, original, what } = resolution;
  const wide = isLdImm64(code, at);
  const poison = (): false => {
    putCall(code, at, POISON);
    if (wide) putCall(code, at + 8, POISON);
    return false;
  };
  const unexpected = (has: number | bigint): never => {
    throw new BpfError('object', `${what}: the instruction holds ${has} where the compiler noted ${original}`);
  };
  if (value === null) return poison();
  const op = code[at];
  switch (op & Op.CLASS) {
    case Op.ALU:
    case Op.ALU64: {
      if ((op & Op.X) !== 0) throw new BpfError('object', `${what}: relocation of an instruction without a constant`);
      const has = view.getInt32(at + 4, true);
      if (original !== null && BigInt.asIntN(32, original) !== BigInt(has)) unexpected(has);
      view.setInt32(at + 4, Number(BigInt.asIntN(32, value)), true);
      return true;
    }
    case Op.LDX:
    case Op.ST:
    case Op.STX: {
      const has = view.getInt16(at + 2, true);
      if (original !== null && original !== BigInt(has)) unexpected(has);
      if (value > 0x7fffn)
        throw new BpfError('relocation', `${what}: its offset ${value} is too large for an instruction`);
      if (resolution.sizeConflict) return poison();
      view.setInt16(at + 2, Number(value), true);
      if (resolution.targetSize !== resolution.localSize) {
        const size = SIZE_BITS[resolution.targetSize];
        if (size === undefined)
          throw new BpfError('relocation', `${what}: ${resolution.targetSize} bytes cannot be read at once`);
        code[at] = (op & ~Op.SIZE) | size;
      }
      return true;
    }
    case Op.LD: {
      if (!wide) throw new BpfError('object', `${what}: relocation of an unknown instruction`);
      const has = (BigInt(view.getUint32(at + 12, true)) << 32n) | BigInt(view.getUint32(at + 4, true));
      if (original !== null && original !== has) unexpected(has);
      view.setUint32(at + 4, Number(value & 0xffffffffn), true);
      view.setUint32(at + 12, Number(value >> 32n), true);
      return true;
    }
    default:
      throw new BpfError('object', `${what}: relocation of an unknown instruction`);
  }
}

/** BPF_B, BPF_H, BPF_W, BPF_DW by bytes. */
const SIZE_BITS: Readonly<Record<number, number>> = { 1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18 };
