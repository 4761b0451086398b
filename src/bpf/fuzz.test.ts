import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { BpfError } from './error.ts';
import { loadObject } from './object.ts';
import type { Sys } from './sys.ts';
import { craftBtf } from './testdata/btf.ts';

/**
 * Damaged objects and types: loading either works or says what is wrong, without a hang and without a look
 * outside of the bytes (which typed arrays would answer with `undefined`, and then with a TypeError or
 * RangeError: so any error but a BpfError is a bug).
 */

/** A kernel that takes everything. */
const kernel: Sys = { pageSize: 4096, sys: () => 3, addr: () => 0n, map: () => new ArrayBuffer(0) };

const object = readFileSync(new URL('testdata/loader.bpf.o', import.meta.url));
const trace = (name: string, id: number) => ({ kind: 'typedef', name: `btf_trace_${name}`, to: id }) as const;
const types = craftBtf([
  { kind: 'int', name: 'int', size: 4, signed: true },
  { kind: 'ptr', to: 0 },
  {
    kind: 'struct',
    name: 'qstr',
    size: 16,
    members: [
      ['len', 1, 0],
      ['name', 2, 64],
    ],
  },
  { kind: 'array', of: 1, length: 16 },
  {
    kind: 'struct',
    name: 'task_struct',
    size: 100,
    members: [
      ['pid', 1, 0],
      ['tgid', 1, 32],
      ['', 6, 64],
      ['group_leader', 2, 512],
    ],
  },
  {
    kind: 'union',
    name: '',
    size: 8,
    members: [
      ['comm', 4, 0],
      ['signal', 2, 0],
    ],
  },
  { kind: 'enum', name: 'pid_type', values: { PIDTYPE_PID: 0n, PIDTYPE_TGID: 1n } },
  trace('sched_process_fork', 1),
  trace('sys_exit', 1),
]);

interface Damage {
  readonly at: number;
  readonly value: number;
  readonly wide: boolean;
}

const damage = (length: number): fc.Arbitrary<Damage[]> =>
  fc.array(
    fc.record({
      at: fc.nat(length - 1),
      value: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 255, 0x7fffffff, 0xffffffff)),
      wide: fc.boolean(),
    }),
    { minLength: 1, maxLength: 12 },
  );

function damaged(bytes: Uint8Array, changes: readonly Damage[]): Buffer {
  const copy = Buffer.from(bytes);
  for (const { at, value, wide } of changes) {
    if (wide && at + 4 <= copy.length) copy.writeUInt32LE(value >>> 0, at);
    else copy[at] = value;
  }
  return copy;
}

function load(bytes: Uint8Array, kernelTypes: Uint8Array): void {
  try {
    loadObject(bytes, { sys: kernel, types: kernelTypes, optional: ['ask', 'typed'] }).close();
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
  }
}

const runs = { numRuns: 1500, interruptAfterTimeLimit: 10_000 };

describe('damaged input', () => {
  it('objects', () => {
    fc.assert(
      fc.property(damage(object.length), (changes) => load(damaged(object, changes), types)),
      runs,
    );
  });

  it('type information and headers inside of objects', () => {
    const elf = object.indexOf(Buffer.from([0x9f, 0xeb]));
    const inner = object.subarray(elf, elf + 0x2500);
    fc.assert(
      fc.property(damage(inner.length), (changes) => {
        const bytes = Buffer.from(object);
        bytes.set(damaged(inner, changes), elf);
        load(bytes, types);
      }),
      runs,
    );
  });

  it('the types of the kernel', () => {
    fc.assert(
      fc.property(damage(types.length), (changes) => load(object, damaged(types, changes))),
      runs,
    );
  });

  it('cut off anywhere', () => {
    fc.assert(
      fc.property(fc.nat(object.length), fc.nat(types.length), (a, b) =>
        load(object.subarray(0, a), types.subarray(0, b)),
      ),
      runs,
    );
  });
});
