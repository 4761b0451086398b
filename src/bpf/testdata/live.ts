/** What tests need that load programs into the running kernel. They watch calls of this process only. */

import { existsSync, readFileSync } from 'node:fs';
import { effectiveCapabilities, missingCapabilities } from '../permission.ts';
import { systemCalls } from '../sys.ts';

/** Why nothing can be loaded here; undefined when it can. */
export function cannotLoad(): string | undefined {
  if (!existsSync('/sys/kernel/btf/vmlinux')) return 'this kernel has no /sys/kernel/btf/vmlinux';
  const missing = missingCapabilities(effectiveCapabilities(systemCalls()));
  return missing.length > 0 ? `needs ${missing.join(' and ')}` : undefined;
}

export const FAILING = ['absent', 'absent_typed', 'impossible', 'uncallable', 'rejected', 'wrong_size'] as const;

export function testObject(name: 'loader' | 'failing'): Buffer {
  return readFileSync(new URL(`${name}.bpf.o`, import.meta.url));
}

/** The argument of program `produce`: how many records, of 96 or 256 bytes, and how often one is discarded (0: never). */
export function request(count: number, size: 96 | 256, discardEvery = 0): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32LE(count, 0);
  bytes.writeUInt32LE(size, 4);
  bytes.writeUInt32LE(discardEvery, 8);
  return bytes;
}

/** Most records that one run of `produce` makes. */
export const MOST = 512;
