import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openSqlite, openStore, parseQuery } from '../../src/store/index.ts';

const KILLS = Number(process.env.WINDHOVER_KILLS ?? 25);

/** Starts the sender, kills it some time after its first answer, and gives the last number that it was told is stored. */
function round(path: string, from: number, delay: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'kill-sender.ts'), path, String(from)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      if (said === '') setTimeout(() => child.kill('SIGKILL'), delay);
      said += chunk.toString();
    });
    child.once('error', reject);
    child.once('close', () => {
      const lines = said.slice(0, said.lastIndexOf('\n')).split('\n');
      resolve(Number(lines.at(-1)));
    });
  });
}

it('loses nothing that it said was stored, however often it is killed', { timeout: 600_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'windhover-kill-'));
  const path = join(directory, 'hub.db');
  const stored: number[] = [];
  let from = 0;
  for (let i = 0; i < KILLS; i++) {
    const last = await round(path, from, (i * 7) % 60);
    for (let n = from; n <= last; n++) stored.push(n);
    // The next begins well after what may have been on its way.
    from = last + 100_000;
  }
  const store = await openStore(openSqlite(path));
  const [check] = await store.sql.all<Record<string, string>>('PRAGMA integrity_check');
  expect(Object.values(check as object)).toEqual(['ok']);
  const found = new Set<number>();
  let before: { time: number; id: number } | undefined;
  do {
    const page = await store.alerts({ from: 0, to: Number.MAX_SAFE_INTEGER }, 1000, before);
    for (const { alert } of page.alerts) found.add(alert.fields['kill.n'] as number);
    before = page.next ?? undefined;
  } while (before !== undefined);
  expect(stored.filter((n) => !found.has(n))).toEqual([]);
  // What counts say, what groups say, what the index says and what is there are the same.
  const counts = await store.count({ from: 0, to: 1_800_000_000_000_000 }, 50);
  const total = counts.rows.reduce((sum, row) => sum + row.n, 0);
  expect(total).toBe(found.size);
  expect([...store.groups()].reduce((sum, group) => sum + group.count, 0)).toBe(found.size);
  const last = stored.at(-1) as number;
  expect(
    (await store.alerts({ from: 0, to: Number.MAX_SAFE_INTEGER, query: parseQuery(`kill.n = ${last}`) }, 10)).alerts,
  ).toHaveLength(1);
  await store.close();
  rmSync(directory, { recursive: true });
});
