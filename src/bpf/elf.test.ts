import { describe, expect, it } from 'vitest';
import { parseElf } from './elf.ts';
import { BpfError } from './error.ts';
import { testObject } from './testdata/live.ts';

/** The test object with one field of its header changed. */
function changed(at: number, value: number): Buffer {
  const bytes = testObject('loader');
  bytes.writeUInt16LE(value, at);
  return bytes;
}

describe('parseElf', () => {
  it('reads sections, symbols and relocations', () => {
    const elf = parseElf(testObject('loader'));
    expect([...elf.section('license')!.data]).toEqual([0x47, 0x50, 0x4c, 0]);
    expect(elf.section('.bss')).toMatchObject({ size: 24, data: { length: 0 } });
    expect(elf.section('nothing')).toBeUndefined();
    expect(elf.symbols.find(({ name }) => name === 'small')).toMatchObject({
      size: 1,
      section: elf.section('.rodata')?.index,
    });
    const names = elf.relocations(elf.section('raw_tp/sys_exit')!).map(({ symbol }) => symbol.name);
    expect(new Set(names)).toEqual(new Set(['target', 'ring', 'dropped', 'produced', 'table']));
  });

  it.each([
    ['nothing', Buffer.alloc(0), 'no ELF header'],
    ['a script', Buffer.from('#!/bin/sh\n'.repeat(20)), 'no ELF header'],
    ['32-bit', changed(4, 0x0101), 'not 64-bit little-endian'],
    ['big-endian', changed(4, 0x0202), 'not 64-bit little-endian'],
    ['x86-64', changed(18, 62), 'machine 62 instead of 247 (BPF)'],
    ['cut off', testObject('loader').subarray(0, 5000), 'section table lies outside the file'],
    ['too many sections', changed(60, 60000), 'section table lies outside the file'],
    ['odd sections', changed(58, 40), 'odd section header size'],
    ['no names', changed(62, 999), 'no section names'],
  ])('refuses %s', (_what, bytes, message) => {
    expect(() => parseElf(bytes)).toThrow(new BpfError('object', `not a BPF object: ${message}`));
  });
});
