import { describe, expect, it } from 'vitest';
import { Btf, essential, Kind } from './btf.ts';
import { craftBtf } from './testdata/btf.ts';

const types = craftBtf([
  { kind: 'int', name: 'unsigned int', size: 4 },
  { kind: 'array', of: 1, length: 3 },
  { kind: 'array', of: 2, length: 5 },
  {
    kind: 'struct',
    name: 'a',
    size: 60,
    members: [
      ['grid', 3, 0],
      ['', 5, 480],
    ],
  },
  { kind: 'union', name: '', size: 4, members: [['low', 1, 3, 5]] },
  { kind: 'ptr', to: 4 },
  { kind: 'const', to: 6 },
  { kind: 'struct', name: 'a___old', size: 1, members: [] },
  { kind: 'enum64', name: 'wide', values: { TOP: 0xffff_ffff_ffff_fffen } },
]);

describe('Btf', () => {
  const btf = new Btf(types);

  it('reads types by id', () => {
    expect(btf.count).toBe(10);
    expect(btf.name(4)).toBe('a');
    expect(btf.describe(4)).toBe('struct a');
    expect(btf.describe(5)).toBe('union (anonymous)');
    expect(btf.kind(7)).toBe(Kind.CONST);
    expect(btf.resolve(7)).toBe(6);
    expect(btf.size(7)).toBe(8);
    expect(btf.size(3)).toBe(60);
    expect(btf.member(4, 1)).toEqual({ name: '', type: 5, bit: 480, bits: 0 });
    expect(btf.member(5, 0)).toEqual({ name: 'low', type: 1, bit: 3, bits: 5 });
    expect(btf.enumerator(9, 0)).toEqual({ name: 'TOP', value: 0xffff_ffff_ffff_fffen });
    expect(btf.kind(0)).toBe(Kind.UNKNOWN);
  });

  it('finds types by their essential name, in one pass', () => {
    expect(btf.find(new Set(['a', 'wide', 'nothing']))).toEqual(
      new Map([
        ['a', [4, 8]],
        ['wide', [9]],
        ['nothing', []],
      ]),
    );
  });

  it('reads bytes at any alignment', () => {
    for (const shifted of [new Uint8Array(types.length + 1), Buffer.alloc(types.length + 1)]) {
      shifted.set(types, 1);
      expect(new Btf(shifted.subarray(1)).name(4)).toBe('a');
    }
  });

  it('refuses ids that are not there, and things without a size', () => {
    expect(() => btf.name(10)).toThrow('there is no type 10');
    expect(() => btf.member(99, 0)).toThrow('there is no type 99');
    expect(() => btf.size(0)).toThrow('void has no size');
  });

  it('refuses bytes that are not BTF, or cut off', () => {
    expect(() => new Btf(new Uint8Array(100))).toThrow(/not little-endian BTF/);
    expect(() => new Btf(new Uint8Array(0))).toThrow(/not little-endian BTF/);
    expect(() => new Btf(types.subarray(0, types.length - 1))).toThrow(/lies outside/);
    const unknown = Buffer.from(types);
    unknown[24 + 7] = 31;
    expect(() => new Btf(unknown)).toThrow('type 1 has the unknown kind 31');
    const cut = Buffer.from(types);
    cut.writeUInt32LE(12, 12);
    expect(() => new Btf(cut)).toThrow(/cut off/);
  });
});

describe('essential', () => {
  it.each([
    ['task_struct', 'task_struct'],
    ['task_struct___old', 'task_struct'],
    ['a___b___c', 'a___b'],
    ['___a', '___a'],
    ['a___', 'a___'],
    ['a____b', 'a____b'],
    ['a___1', 'a'],
    ['', ''],
  ])('%s → %s', (name, wanted) => {
    expect(essential(name)).toBe(wanted);
  });
});
