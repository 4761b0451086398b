import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadObject } from './object.ts';
import { cannotLoad } from './testdata/live.ts';

/**
 * Libbpf is the oracle: after both loaders, the kernel must hold the same instructions. Debian's bpftool
 * brings libbpf; it pins what it loads in a file system of a mount namespace of its own, which is gone with it.
 */

interface Instruction {
  readonly code: string;
  readonly src_reg: string;
  readonly dst_reg: string;
  readonly off: readonly string[];
  readonly imm: readonly string[];
}

/** As bpftool dumps it: the listing with opcodes, in JSON. */
type Dump = readonly { readonly disasm: string; readonly opcodes: Instruction }[];

const OBJECTS = {
  loader: new URL('testdata/loader.bpf.o', import.meta.url).pathname,
  probe: new URL('../../probe/windhover.bpf.o', import.meta.url).pathname,
};

const SCRIPT = `
set -e
mount -t bpf bpf "$2"
bpftool prog loadall "$1" "$2/p" >&2
for name in "$2"/p/*; do
  printf '%s\\n' "\${name##*/}"
  bpftool -j prog dump xlated pinned "$name" opcodes
  printf '\\n'
done
`;

/** The instructions of each program as libbpf loads it. */
function libbpf(object: Uint8Array): Map<string, Dump> {
  const directory = mkdtempSync(join(tmpdir(), 'windhover-libbpf-'));
  const file = join(directory, 'object.o');
  const mount = join(directory, 'bpffs');
  try {
    mkdirSync(mount);
    writeFileSync(file, object);
    const output = execFileSync('unshare', ['--mount', 'sh', '-c', SCRIPT, 'sh', file, mount], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const lines = output.split('\n').filter((line) => line !== '');
    return new Map(
      lines.flatMap((line, i) => (i % 2 === 0 ? [[line, JSON.parse(lines[i + 1]) as Dump] as const] : [])),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The same of programs that we loaded. */
function ours(object: Uint8Array): Map<string, Dump> {
  const loaded = loadObject(object);
  try {
    return new Map(
      [...loaded.programs.values()].map(({ name, id }) => {
        const json = execFileSync('bpftool', ['-j', 'prog', 'dump', 'xlated', 'id', String(id), 'opcodes'], {
          encoding: 'utf8',
          maxBuffer: 1 << 28,
        });
        return [name, JSON.parse(json) as Dump];
      }),
    );
  } finally {
    loaded.close();
  }
}

/** Without what differs from load to load: ids of maps. */
function comparable(dump: Dump): string[] {
  return dump.map(({ opcodes: { code, src_reg, dst_reg, off, imm } }) => {
    const isMap = code === '0x18' && /^0x[12]$/.test(src_reg);
    // The second half is the offset into the map's value.
    const constant = isMap ? imm.slice(4) : imm;
    return [code, src_reg, dst_reg, off.join(), constant.join()].join(' ');
  });
}

describe('instructions are those that libbpf loads', () => {
  for (const [name, object] of Object.entries(OBJECTS)) {
    it(name, (ctx) => {
      const reason = cannotLoad();
      if (reason !== undefined) ctx.skip(reason);
      try {
        execFileSync('bpftool', ['version'], { stdio: 'pipe' });
      } catch (error) {
        if (process.env.CI !== undefined) throw error;
        ctx.skip('needs bpftool');
      }
      // Both load the same bytes, whatever happens to the file meanwhile.
      const bytes = readFileSync(object);
      const theirs = libbpf(bytes);
      const mine = ours(bytes);
      expect([...mine.keys()].sort()).toEqual([...theirs.keys()].sort());
      for (const [program, dump] of mine) {
        expect(dump.length, program).toBeGreaterThan(1);
        expect(comparable(dump), program).toEqual(comparable(theirs.get(program)!));
      }
    }, 300_000);
  }
});
