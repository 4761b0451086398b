import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { orFail } from '../parts.ts';

/** `host:block-address` with the kernel's own filter, in a network namespace that is gone afterwards. */
function missing(): string | null {
  const tried = spawnSync('unshare', ['-n', 'nft', 'add', 'table', 'inet', 'windhover-try'], { encoding: 'utf8' });
  if (tried.status === 0) return null;
  const why = tried.error?.message ?? tried.stderr.trim();
  return orFail(`no nft in a network namespace (needs root and test/response/setup.sh): ${why}`);
}
const reason = missing();

describe.skipIf(reason !== null)(`host:block-address${reason === null ? '' : `: ${reason}`}`, () => {
  it('keeps one address out, in both versions of IP, until it is undone or the time is up', () => {
    const folder = mkdtempSync(join(tmpdir(), 'windhover-block-'));
    try {
      const script = fileURLToPath(new URL('block.ts', import.meta.url));
      const output = execFileSync('unshare', ['-n', process.execPath, script, folder], { encoding: 'utf8' });
      const open = { blocked: true, other: true };
      const shut = { blocked: false, other: true };
      const course = (address: string) => ({
        state: 'done',
        message: `blocked ${address} for 60 s`,
        before: open,
        during: shut,
        undone: `${address} may pass again`,
        after: open,
      });
      expect(JSON.parse(output)).toEqual({
        dryRun: { state: 'dry-run', message: 'dry run: blocked 10.9.0.1 for 60 s', ruleset: '' },
        4: course('10.9.0.1'),
        6: course('fd00:9::1'),
        brief: { during: false, after: true },
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
