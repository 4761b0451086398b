import { expect, test } from 'vitest';
import { ringLayout } from './live.ts';

const MB = 1 << 20;

function layout(cpus: number, cpus_for_each_buffer = 2, buf_size_preset = 4) {
  const modern_ebpf = { cpus_for_each_buffer, buf_size_preset, drop_failed_exit: false, disable_iterators: false };
  const { cpusPerRing, ringBytes } = ringLayout({ engine: { modern_ebpf } }, cpus);
  return [cpusPerRing, ringBytes / MB];
}

test('one ring up to 8 CPUs, as large as Falco’s buffers together; then one for 8 CPUs each', () => {
  expect([1, 2, 4, 8, 9, 16, 64, 128].map((cpus) => layout(cpus))).toEqual([
    [0, 8],
    [0, 8],
    [0, 16],
    [0, 32],
    [8, 32],
    [8, 32],
    [8, 32],
    [8, 32],
  ]);
});

test('what is asked for is what there is', () => {
  expect(layout(64, 0)).toEqual([0, 8]);
  expect(layout(64, 1, 1)).toEqual([1, 1]);
  expect(layout(64, 16)).toEqual([16, 8]);
  expect(layout(4, 4)).toEqual([0, 8]);
});
