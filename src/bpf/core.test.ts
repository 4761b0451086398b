import { describe, expect, it } from 'vitest';
import { Btf } from './btf.ts';
import { CoreKind, CoreResolver, patch, type Resolution, rootNames } from './core.ts';
import { POISON } from './insn.ts';
import { type CraftedType, craftBtf } from './testdata/btf.ts';

const INT: CraftedType = { kind: 'int', name: 'int', size: 4, signed: true };
const UINT: CraftedType = { kind: 'int', name: 'unsigned int', size: 4 };
const LONG: CraftedType = { kind: 'int', name: 'long', size: 8, signed: true };
const ULONG: CraftedType = { kind: 'int', name: 'unsigned long', size: 8 };
const CHAR: CraftedType = { kind: 'int', name: 'char', size: 1, signed: true };

/** Resolves one relocation of type `root` of `local` against `target`. */
function resolve(local: CraftedType[], target: CraftedType[], root: number, access: string, kind: number): Resolution {
  const mine = new Btf(craftBtf(local));
  const theirs = new Btf(craftBtf(target));
  const relocation = { offset: 0, type: root, access, kind };
  return new CoreResolver(mine, theirs, theirs.find(rootNames(mine, [relocation]))).resolve(relocation);
}

const value = (...args: Parameters<typeof resolve>): bigint | null => resolve(...args).value;

describe('fields', () => {
  const local: CraftedType[] = [
    INT,
    ULONG,
    {
      kind: 'struct',
      name: 'task',
      size: 16,
      members: [
        ['pid', 1, 0],
        ['start', 2, 64],
      ],
    },
  ];

  it('follows a field that has moved', () => {
    const target: CraftedType[] = [
      INT,
      ULONG,
      {
        kind: 'struct',
        name: 'task',
        size: 32,
        members: [
          ['other', 2, 0],
          ['start', 2, 64],
          ['pid', 1, 192],
        ],
      },
    ];
    expect(resolve(local, target, 3, '0:0', CoreKind.FIELD_BYTE_OFFSET)).toMatchObject({
      value: 24n,
      original: 0n,
      localSize: 4,
      targetSize: 4,
      sizeConflict: false,
      what: 'struct task.pid',
    });
    expect(value(local, target, 3, '0:1', CoreKind.FIELD_BYTE_OFFSET)).toBe(8n);
    expect(value(local, target, 3, '0:0', CoreKind.FIELD_EXISTS)).toBe(1n);
    expect(value(local, target, 3, '0:1', CoreKind.FIELD_BYTE_SIZE)).toBe(8n);
    expect(value(local, target, 3, '0:0', CoreKind.FIELD_SIGNED)).toBe(1n);
    expect(value(local, target, 3, '0:1', CoreKind.FIELD_SIGNED)).toBe(0n);
    expect(value(local, target, 3, '0:0', CoreKind.FIELD_LSHIFT_U64)).toBe(32n);
    expect(value(local, target, 3, '0:0', CoreKind.FIELD_RSHIFT_U64)).toBe(32n);
  });

  it('knows that a renamed or missing field, or struct, is not there', () => {
    const renamed: CraftedType[] = [INT, { kind: 'struct', name: 'task', size: 4, members: [['__pid', 1, 0]] }];
    const gone: CraftedType[] = [INT, { kind: 'struct', name: 'thread', size: 4, members: [['pid', 1, 0]] }];
    for (const target of [renamed, gone]) {
      expect(value(local, target, 3, '0:0', CoreKind.FIELD_BYTE_OFFSET)).toBeNull();
      expect(value(local, target, 3, '0:0', CoreKind.FIELD_BYTE_SIZE)).toBeNull();
      expect(value(local, target, 3, '0:0', CoreKind.FIELD_EXISTS)).toBe(0n);
    }
  });

  it('does not take a member of another sort for the field', () => {
    const target: CraftedType[] = [
      { kind: 'ptr', to: 0 },
      { kind: 'struct', name: 'task', size: 8, members: [['pid', 1, 0]] },
    ];
    expect(value(local, target, 3, '0:0', CoreKind.FIELD_BYTE_OFFSET)).toBeNull();
    expect(value(local, target, 3, '0:0', CoreKind.FIELD_EXISTS)).toBe(0n);
  });

  it('finds a field that has moved into anonymous members, and out of them', () => {
    const nested: CraftedType[] = [
      INT,
      ULONG,
      {
        kind: 'struct',
        name: '',
        size: 16,
        members: [
          ['start', 2, 0],
          ['pid', 1, 64],
        ],
      },
      {
        kind: 'union',
        name: '',
        size: 16,
        members: [
          ['word', 2, 0],
          ['', 3, 0],
        ],
      },
      {
        kind: 'struct',
        name: 'task',
        size: 32,
        members: [
          ['flags', 2, 0],
          ['', 4, 128],
        ],
      },
    ];
    const flat: CraftedType[] = [
      INT,
      ULONG,
      {
        kind: 'struct',
        name: 'task',
        size: 16,
        members: [
          ['pid', 1, 32],
          ['start', 2, 64],
        ],
      },
    ];
    expect(value(local, nested, 3, '0:0', CoreKind.FIELD_BYTE_OFFSET)).toBe(24n);
    // `0:1:1:1`: task → second member (the union) → its second (the struct) → pid
    expect(value(nested, flat, 5, '0:1:1:1', CoreKind.FIELD_BYTE_OFFSET)).toBe(4n);
    expect(resolve(nested, flat, 5, '0:1:1:1', CoreKind.FIELD_BYTE_OFFSET)).toMatchObject({
      original: 24n,
      what: 'struct task.pid',
    });
  });

  it('indexes arrays by the size that an element has in the kernel', () => {
    const array = (size: number, length: number): CraftedType[] => [
      INT,
      { kind: 'struct', name: 'slot', size, members: [['id', 1, (size - 4) * 8]] },
      { kind: 'array', of: 2, length },
      { kind: 'struct', name: 'table', size: size * length, members: [['slots', 3, 0]] },
    ];
    // table.slots[2].id
    expect(resolve(array(4, 3), array(16, 3), 4, '0:0:2:0', CoreKind.FIELD_BYTE_OFFSET)).toMatchObject({
      value: 44n,
      what: 'struct table.slots[2].id',
    });
    expect(value(array(4, 3), array(16, 2), 4, '0:0:2:0', CoreKind.FIELD_EXISTS)).toBe(0n);
    // A flexible array as the last member has any number of elements.
    expect(value(array(4, 3), array(16, 0), 4, '0:0:2:0', CoreKind.FIELD_BYTE_OFFSET)).toBe(44n);
    // The element itself, and the third of an array of structs.
    expect(resolve(array(4, 3), array(16, 3), 4, '0:0:1', CoreKind.FIELD_BYTE_OFFSET)).toMatchObject({
      value: 16n,
      targetSize: 16,
    });
    expect(value(array(4, 3), array(16, 3), 4, '0:0:1', CoreKind.FIELD_BYTE_SIZE)).toBe(16n);
    expect(value(array(4, 3), array(16, 3), 2, '2:0', CoreKind.FIELD_BYTE_OFFSET)).toBe(44n);
    // A whole array: its size is its own, an access of it is one of its elements.
    expect(value(array(4, 3), array(16, 3), 4, '0:0', CoreKind.FIELD_BYTE_SIZE)).toBe(48n);
    expect(resolve(array(4, 3), array(16, 3), 4, '0:0', CoreKind.FIELD_BYTE_OFFSET)).toMatchObject({
      localSize: 4,
      targetSize: 16,
    });
  });

  it('finds the word around a bitfield', () => {
    const bitfield = (bit: number, bits: number): CraftedType[] => [
      UINT,
      {
        kind: 'struct',
        name: 'flags',
        size: 16,
        members: [
          ['pad', 1, 0, 1],
          ['it', 1, bit, bits],
        ],
      },
    ];
    const target = bitfield(42, 3);
    const at = (kind: number): bigint | null => value(bitfield(1, 1), target, 2, '0:1', kind);
    // Bits 42..44 are in the second word, from its bit 10.
    expect(at(CoreKind.FIELD_BYTE_OFFSET)).toBe(4n);
    expect(at(CoreKind.FIELD_BYTE_SIZE)).toBe(4n);
    expect(at(CoreKind.FIELD_LSHIFT_U64)).toBe(BigInt(64 - 13));
    expect(at(CoreKind.FIELD_RSHIFT_U64)).toBe(61n);
    expect(at(CoreKind.FIELD_SIGNED)).toBe(0n);
    // Bits 30..33 lie in two words: eight bytes are read.
    const across = (kind: number): bigint | null => value(bitfield(1, 1), bitfield(30, 4), 2, '0:1', kind);
    expect(across(CoreKind.FIELD_BYTE_OFFSET)).toBe(0n);
    expect(across(CoreKind.FIELD_BYTE_SIZE)).toBe(8n);
    expect(across(CoreKind.FIELD_LSHIFT_U64)).toBe(30n);
    expect(() => value(bitfield(1, 1), bitfield(62, 4), 2, '0:1', CoreKind.FIELD_BYTE_OFFSET)).toThrow(
      /flags\.it: a bitfield across 8 bytes/,
    );
    // The compiler's own values for a bitfield depend on choices of its own: nothing to compare.
    expect(resolve(bitfield(1, 1), target, 2, '0:1', CoreKind.FIELD_BYTE_OFFSET)).toMatchObject({
      original: null,
      localSize: 0,
    });
    // A plain field in the kernel that is a bitfield here, and the other way round.
    const plain: CraftedType[] = [
      UINT,
      {
        kind: 'struct',
        name: 'flags',
        size: 16,
        members: [
          ['pad', 1, 0],
          ['it', 1, 64],
        ],
      },
    ];
    expect(value(bitfield(1, 1), plain, 2, '0:1', CoreKind.FIELD_BYTE_OFFSET)).toBe(8n);
    expect(value(plain, target, 2, '0:1', CoreKind.FIELD_LSHIFT_U64)).toBe(51n);
  });

  it('sees through flavours on both sides', () => {
    const flavoured: CraftedType[] = [INT, { kind: 'struct', name: 'task___old', size: 4, members: [['pid', 1, 0]] }];
    const moved = (name: string): CraftedType[] => [
      INT,
      ULONG,
      {
        kind: 'struct',
        name,
        size: 16,
        members: [
          ['x', 2, 0],
          ['pid', 1, 64],
        ],
      },
    ];
    expect(value(flavoured, moved('task'), 2, '0:0', CoreKind.FIELD_BYTE_OFFSET)).toBe(8n);
    expect(value(flavoured, moved('task___2'), 2, '0:0', CoreKind.FIELD_BYTE_OFFSET)).toBe(8n);
    expect(resolve(flavoured, moved('task'), 2, '0:0', CoreKind.FIELD_BYTE_OFFSET).what).toBe('struct task___old.pid');
  });

  it('sees through typedefs and qualifiers', () => {
    const target: CraftedType[] = [
      INT,
      { kind: 'typedef', name: 'pid_t', to: 1 },
      { kind: 'const', to: 2 },
      { kind: 'volatile', to: 3 },
      { kind: 'struct', name: 'task', size: 8, members: [['pid', 4, 32]] },
    ];
    expect(value(local, target, 3, '0:0', CoreKind.FIELD_BYTE_OFFSET)).toBe(4n);
    const typedef: CraftedType[] = [
      INT,
      { kind: 'struct', name: '', size: 4, members: [['counter', 1, 0]] },
      { kind: 'typedef', name: 'atomic_t', to: 2 },
    ];
    const moved: CraftedType[] = [
      INT,
      { kind: 'struct', name: '', size: 8, members: [['counter', 1, 32]] },
      { kind: 'typedef', name: 'atomic_t', to: 2 },
    ];
    expect(value(typedef, moved, 3, '0:0', CoreKind.FIELD_BYTE_OFFSET)).toBe(4n);
  });

  it('compares the names of enums and forward declarations that are fields', () => {
    const struct = (name: string): CraftedType[] => [
      { kind: 'enum', name, values: { A: 1n } },
      { kind: 'struct', name: 's', size: 4, members: [['state', 1, 0]] },
    ];
    expect(value(struct('state'), struct('state___2'), 2, '0:0', CoreKind.FIELD_EXISTS)).toBe(1n);
    expect(value(struct('state'), struct(''), 2, '0:0', CoreKind.FIELD_EXISTS)).toBe(1n);
    expect(value(struct('state'), struct('mode'), 2, '0:0', CoreKind.FIELD_EXISTS)).toBe(0n);
  });

  it('refuses to choose between types that differ, and takes any of those that agree', () => {
    const task = (bit: number): CraftedType => ({ kind: 'struct', name: 'task', size: 16, members: [['pid', 1, bit]] });
    expect(value(local, [INT, task(32), task(32)], 3, '0:0', CoreKind.FIELD_BYTE_OFFSET)).toBe(4n);
    expect(() => value(local, [INT, task(32), task(64)], 3, '0:0', CoreKind.FIELD_BYTE_OFFSET)).toThrow(
      'struct task.pid: the kernel has several types of that name, which differ',
    );
  });

  it('allows another width for unsigned integers and pointers only', () => {
    const struct = (type: CraftedType): CraftedType[] => [
      type,
      { kind: 'struct', name: 's', size: 8, members: [['x', 1, 0]] },
    ];
    const conflict = (a: CraftedType, b: CraftedType): boolean =>
      resolve(struct(a), struct(b), 2, '0:0', CoreKind.FIELD_BYTE_OFFSET).sizeConflict;
    expect(conflict(UINT, ULONG)).toBe(false);
    expect(conflict(INT, LONG)).toBe(true);
    expect(conflict(UINT, LONG)).toBe(true);
    expect(conflict({ kind: 'float', name: 'float', size: 4 }, { kind: 'float', name: 'double', size: 8 })).toBe(true);
    expect(conflict({ kind: 'ptr', to: 0 }, { kind: 'ptr', to: 0 })).toBe(false);
  });
});

describe('types and enumerators', () => {
  const local: CraftedType[] = [
    INT,
    { kind: 'struct', name: 'task', size: 8, members: [['pid', 1, 0]] },
    { kind: 'enum', name: 'state', values: { IDLE: 1n, GONE: 2n, BIG: 3n, NEGATIVE: 4n, WITH___flavour: 5n } },
    { kind: 'typedef', name: 'handler', to: 5 },
    { kind: 'ptr', to: 6 },
    { kind: 'proto', returns: 1, parameters: [1, 7] },
    { kind: 'ptr', to: 2 },
  ];
  const target: CraftedType[] = [
    LONG,
    INT,
    { kind: 'struct', name: 'task', size: 640, members: [] },
    { kind: 'enum64', name: 'state', values: { IDLE: 9n, BIG: 0x1_0000_0002n, NEGATIVE: -2n, WITH: 6n } },
    { kind: 'typedef', name: 'handler', to: 6 },
    { kind: 'ptr', to: 7 },
    { kind: 'proto', returns: 2, parameters: [2, 8] },
    { kind: 'ptr', to: 3 },
  ];

  it('answers for types', () => {
    expect(value(local, target, 2, '0', CoreKind.TYPE_ID_LOCAL)).toBe(2n);
    expect(value(local, target, 2, '0', CoreKind.TYPE_ID_TARGET)).toBe(3n);
    expect(resolve(local, target, 2, '0', CoreKind.TYPE_ID_TARGET).original).toBeNull();
    expect(value(local, target, 2, '0', CoreKind.TYPE_EXISTS)).toBe(1n);
    expect(value(local, target, 2, '0', CoreKind.TYPE_SIZE)).toBe(640n);
    expect(value(local, [INT], 2, '0', CoreKind.TYPE_EXISTS)).toBe(0n);
    expect(value(local, [INT], 2, '0', CoreKind.TYPE_SIZE)).toBe(0n);
    expect(value(local, [INT], 2, '0', CoreKind.TYPE_ID_TARGET)).toBe(0n);
  });

  it('compares prototypes through pointers', () => {
    expect(value(local, target, 4, '0', CoreKind.TYPE_EXISTS)).toBe(1n);
    const other = target.with(6, { kind: 'proto', returns: 2, parameters: [2] });
    expect(value(local, other, 4, '0', CoreKind.TYPE_EXISTS)).toBe(0n);
    const pointer = target.with(6, { kind: 'proto', returns: 2, parameters: [8, 8] });
    expect(value(local, pointer, 4, '0', CoreKind.TYPE_EXISTS)).toBe(0n);
  });

  it('answers for enumerators of either width, by name', () => {
    expect(value(local, target, 3, '0', CoreKind.ENUMVAL_VALUE)).toBe(9n);
    expect(value(local, target, 3, '1', CoreKind.ENUMVAL_VALUE)).toBeNull();
    expect(value(local, target, 3, '1', CoreKind.ENUMVAL_EXISTS)).toBe(0n);
    expect(value(local, target, 3, '2', CoreKind.ENUMVAL_VALUE)).toBe(0x1_0000_0002n);
    expect(value(local, target, 3, '3', CoreKind.ENUMVAL_VALUE)).toBe(BigInt.asUintN(64, -2n));
    expect(value(local, target, 3, '4', CoreKind.ENUMVAL_VALUE)).toBe(6n);
    expect(value(local, target, 3, '0', CoreKind.ENUMVAL_EXISTS)).toBe(1n);
    expect(resolve(local, target, 3, '1', CoreKind.ENUMVAL_VALUE).what).toBe('enum state::GONE');
    // Narrow enumerators are signed.
    const negative: CraftedType[] = [{ kind: 'enum', name: 'state', values: { IDLE: -1n }, signed: true }];
    expect(value(local, negative, 3, '0', CoreKind.ENUMVAL_VALUE)).toBe(BigInt.asUintN(64, -1n));
  });
});

describe('damage', () => {
  it.each(['', '0:', ':0', '1e3', '0:99', '0:0:0', '-1', '0:0 '])('rejects the access "%s"', (access) => {
    const types: CraftedType[] = [INT, { kind: 'struct', name: 'task', size: 4, members: [['pid', 1, 0]] }];
    expect(() => value(types, types, 2, access, CoreKind.FIELD_BYTE_OFFSET)).toThrow(/impossible access/);
  });

  it('rejects unknown kinds', () => {
    expect(() => value([INT], [INT], 1, '0', 12)).toThrow('relocation of the unknown kind 12');
  });

  it('ends for types that contain themselves', () => {
    const local: CraftedType[] = [INT, { kind: 'struct', name: 's', size: 4, members: [['x', 1, 0]] }];
    const loop: CraftedType[] = [{ kind: 'struct', name: 's', size: 4, members: [['', 1, 0]] }];
    expect(() => value(local, loop, 2, '0:0', CoreKind.FIELD_BYTE_OFFSET)).toThrow(/nested too deeply/);
    // Wide rather than deep: 1000^5 ways to the bottom.
    const wide: CraftedType[] = [];
    for (let depth = 1; depth <= 5; depth++) {
      wide.push({
        kind: 'struct',
        name: depth === 1 ? 's' : '',
        size: 4,
        members: Array.from({ length: 1000 }, () => ['', depth + 1, 0] as const),
      });
    }
    wide.push({ kind: 'struct', name: '', size: 4, members: [] });
    expect(() => value(local, wide, 2, '0:0', CoreKind.FIELD_BYTE_OFFSET)).toThrow(/nest without end/);
    const typedef: CraftedType[] = [
      { kind: 'typedef', name: 'a', to: 2 },
      { kind: 'typedef', name: 'b', to: 1 },
    ];
    expect(() => value([INT, { kind: 'typedef', name: 'a', to: 1 }], typedef, 2, '0', CoreKind.TYPE_EXISTS)).toThrow(
      /defined by itself/,
    );
    const pointer: CraftedType[] = [
      { kind: 'ptr', to: 1 },
      { kind: 'typedef', name: 'a', to: 1 },
    ];
    expect(() => value(pointer, pointer, 2, '0', CoreKind.TYPE_EXISTS)).toThrow(/nested too deeply/);
  });
});

describe('patching', () => {
  const resolution = (over: Partial<Resolution>): Resolution => ({
    value: 24n,
    original: 8n,
    localSize: 4,
    targetSize: 4,
    sizeConflict: false,
    what: 'struct task.pid',
    ...over,
  });
  /** One instruction: opcode, registers, offset, constant. */
  const insn = (op: number, registers: number, offset: number, constant: number, next = 0): Buffer => {
    const code = Buffer.alloc(16);
    code[0] = op;
    code[1] = registers;
    code.writeInt16LE(offset, 2);
    code.writeInt32LE(constant, 4);
    code.writeInt32LE(next, 12);
    return code;
  };

  it('changes the constant of arithmetic', () => {
    const code = insn(0x07, 1, 0, 8);
    expect(patch(code, 0, resolution({}))).toBe(true);
    expect(code).toEqual(insn(0x07, 1, 0, 24));
    expect(() => patch(insn(0x0f, 1, 0, 8), 0, resolution({}))).toThrow(/without a constant/);
  });

  it('changes the offset and the width of loads and stores', () => {
    const load = insn(0x61, 0x10, 8, 0);
    patch(load, 0, resolution({}));
    expect(load).toEqual(insn(0x61, 0x10, 24, 0));
    for (const [size, op] of [
      [1, 0x71],
      [2, 0x69],
      [8, 0x79],
    ]) {
      const code = insn(0x61, 0x10, 8, 0);
      patch(code, 0, resolution({ targetSize: size }));
      expect(code).toEqual(insn(op, 0x10, 24, 0));
    }
    const store = insn(0x63, 0x10, 8, 0);
    patch(store, 0, resolution({ value: 0n }));
    expect(store).toEqual(insn(0x63, 0x10, 0, 0));
    expect(() => patch(insn(0x61, 0, 8, 0), 0, resolution({ targetSize: 16 }))).toThrow(
      'struct task.pid: 16 bytes cannot be read at once',
    );
    expect(() => patch(insn(0x61, 0, 8, 0), 0, resolution({ value: 0x8000n }))).toThrow(/too large/);
  });

  it('changes both halves of a 64-bit constant', () => {
    const code = insn(0x18, 1, 0, 8);
    patch(code, 0, resolution({ value: 0x1_0000_0002n }));
    expect(code).toEqual(insn(0x18, 1, 0, 2, 1));
  });

  it('makes what the kernel lacks impossible', () => {
    const call = insn(0x85, 0, 0, POISON);
    const arithmetic = insn(0x07, 1, 0, 8);
    expect(patch(arithmetic, 0, resolution({ value: null }))).toBe(false);
    expect(arithmetic).toEqual(call);
    const load = insn(0x61, 0x10, 8, 0);
    expect(patch(load, 0, resolution({ sizeConflict: true, targetSize: 8 }))).toBe(false);
    expect(load).toEqual(call);
    const wide = insn(0x18, 1, 0, 8);
    expect(patch(wide, 0, resolution({ value: null }))).toBe(false);
    expect(wide).toEqual(Buffer.concat([call.subarray(0, 8), call.subarray(0, 8)]));
  });

  it('notices code that is not what the compiler wrote down', () => {
    expect(() => patch(insn(0x61, 0x10, 4, 0), 0, resolution({}))).toThrow(
      'struct task.pid: the instruction holds 4 where the compiler noted 8',
    );
    expect(() => patch(insn(0x07, 1, 0, 9), 0, resolution({}))).toThrow(/holds 9/);
    expect(() => patch(insn(0x18, 1, 0, 8, 1), 0, resolution({}))).toThrow(/holds 4294967304/);
    expect(() => patch(insn(0x95, 0, 0, 0), 0, resolution({}))).toThrow(/unknown instruction/);
  });
});

describe('what the object believes', () => {
  it('a signed char field is one byte', () => {
    const types: CraftedType[] = [CHAR, { kind: 'struct', name: 's', size: 1, members: [['c', 1, 0]] }];
    expect(value(types, types, 2, '0:0', CoreKind.FIELD_BYTE_SIZE)).toBe(1n);
    expect(value(types, types, 2, '0:0', CoreKind.FIELD_SIGNED)).toBe(1n);
  });
});
