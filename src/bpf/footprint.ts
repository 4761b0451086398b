import { readFileSync, readlinkSync } from 'node:fs';
import { NR, type Sys, systemCalls } from './sys.ts';

/** madvise(2): "do not expect access in the near future". */
const MADV_DONTNEED = 4;

/**
 * Gives back the pages of this program's own file (Node: code and constants) that have been used so far. Most were needed for
 * starting only; the kernel brings those back that are used again. Touches nothing but pages that are as in the file: mappings
 * that cannot be written, and have no page of our own.
 * @returns bytes of address space that were given back; 0 without /proc
 */
export function releaseProgramFile(sys: Sys = systemCalls()): number {
  let text: string;
  let program: string;
  try {
    text = readFileSync('/proc/self/smaps', 'latin1');
    program = readlinkSync('/proc/self/exe', 'latin1');
  } catch {
    return 0;
  }
  let released = 0;
  let mapping: { from: bigint; to: bigint } | null = null;
  for (const line of text.split('\n')) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) (.)(.)\S+ \S+ \S+ \S+\s+(.*)$/.exec(line);
    if (head !== null) {
      const [, from, to, readable, writable, path] = head;
      const isOurs = path === program && readable === 'r' && writable === '-';
      mapping = isOurs ? { from: BigInt(`0x${from}`), to: BigInt(`0x${to}`) } : null;
    } else if (mapping !== null && /^Anonymous:\s+0 kB$/.test(line)) {
      const size = mapping.to - mapping.from;
      if (sys.sys(NR.madvise, mapping.from, size, MADV_DONTNEED) === 0) released += Number(size);
      mapping = null;
    }
  }
  return released;
}
