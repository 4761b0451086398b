import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeAlerts } from '../../test/alerts/generate.ts';
import { parseQuery, readAlert } from './index.ts';
import { openSqlite } from './sqlite.ts';
import { openStore } from './store.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'windhover-store-'));
});
afterEach(() => rmSync(directory, { recursive: true }));
const path = () => join(directory, 'hub.db');
const batch = (seed: number, count: number) =>
  [...makeAlerts(seed, count, 1_790_000_000, 1_790_086_400)].map((made) => readAlert(made.text));
const EVER = { from: 0, to: Number.MAX_SAFE_INTEGER };

describe('the store', () => {
  it('takes at most 600 bytes an alert on disk, index included, and makes few groups', async () => {
    const sql = openSqlite(path());
    const store = await openStore(sql);
    for (let seed = 0; seed < 5; seed++) await store.ingest(batch(seed, 2000));
    await sql.shrink();
    expect((await sql.size()) / 10_000).toBeLessThan(600 + 16_777_216 / 10_000);
    await store.close();
    // Without the write-ahead log, which is the same for a thousand alerts and for a million.
    expect(statSync(path()).size / 10_000).toBeLessThan(600);
    expect(store.totals().groups).toBeLessThan(30);
  });

  it('keeps nobody waiting who stores or looks something up, however long a search takes', async () => {
    const sql = openSqlite(path());
    const store = await openStore(sql);
    const done: string[] = [];
    const note = (name: string) => () => void done.push(name);
    const endless =
      'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000000) SELECT max(i) AS i FROM n';
    const search = sql.search<{ i: number }>(endless);
    await Promise.all([
      search.then(note('search')),
      store.ingest(batch(1, 500)).then(note('stored')),
      sql.all('SELECT 1').then(note('looked up')),
    ]);
    expect(done.at(-1)).toBe('search');
    expect(await search).toEqual([{ i: 5_000_000 }]);
    await expect(sql.search('SELECT 1 FROM nowhere')).rejects.toThrow('nowhere');
    await store.close();
  });

  it('stays within its bound while alerts keep coming', { timeout: 120_000 }, async () => {
    const sql = openSqlite(path());
    const store = await openStore(sql);
    const bound = 12_000_000;
    let stored = 0;
    for (let round = 0; round < 20; round++) {
      const alerts = batch(round, 2000);
      await store.ingest(alerts);
      stored += alerts.length;
      await store.retain({ maxAge: null, maxBytes: bound });
      expect(await sql.size()).toBeLessThan(bound);
    }
    const { alerts } = await store.alerts(EVER, 1000);
    expect(alerts.length).toBe(1000);
    const [row] = await sql.all<{ n: number }>('SELECT count(*) AS n FROM alerts');
    expect(row?.n).toBeLessThan(stored);
    // The index forgot with it.
    const [terms] = await sql.all<{ n: number }>('SELECT count(*) AS n FROM terms WHERE terms MATCH \'"a"*\'');
    expect(terms?.n).toBeLessThanOrEqual(row?.n as number);
    await store.close();
  });

  it('does all of a batch or nothing, and goes on', async () => {
    const sql = openSqlite(path());
    const store = await openStore(sql);
    await store.ingest(batch(1, 10));
    const before = { groups: [...store.groups()].map((group) => ({ ...group })), totals: store.totals() };
    await expect(
      store.write(async (writer) => {
        await writer.run("UPDATE groups SET rule='changed'");
        throw new Error('stopped half-way');
      }),
    ).rejects.toThrow('half-way');
    expect([...store.groups()]).toEqual(before.groups);
    expect(store.totals()).toEqual(before.totals);
    await store.ingest(batch(2, 10));
    expect((await store.alerts(EVER, 100)).alerts).toHaveLength(20);
    await store.close();
  });

  it('gives a copy that is whole while alerts keep coming', async () => {
    const store = await openStore(openSqlite(path()));
    await store.ingest(batch(1, 500));
    const copy = join(directory, 'copy.db');
    await Promise.all([store.sql.backup(copy), store.ingest(batch(2, 500))]);
    await store.close();
    const restored = await openStore(openSqlite(copy));
    const { alerts } = await restored.alerts(EVER, 2000);
    expect([500, 1000]).toContain(alerts.length);
    expect([...restored.groups()].reduce((sum, group) => sum + group.count, 0)).toBe(alerts.length);
    await restored.close();
  });

  it('does not let a rule that invents names fill the memory', { timeout: 60_000 }, async () => {
    const store = await openStore(openSqlite(path()));
    const letters = 'abcdefghijklmnopqrstuvwxyz';
    const name = (n: number) =>
      letters[n % 26] + (letters[Math.floor(n / 26) % 26] as string) + (letters[Math.floor(n / 676) % 26] as string);
    await store.ingest(
      Array.from({ length: 2000 }, (_, n) =>
        readAlert(
          JSON.stringify({ rule: 'r', priority: 'Debug', hostname: `h${n}`, output_fields: { 'proc.name': name(n) } }),
        ),
      ),
    );
    expect(store.totals().groups).toBe(501);
    const query = parseQuery(`proc.name = ${name(1999)}`);
    expect((await store.alerts({ ...EVER, query }, 10)).alerts).toHaveLength(1);
    await store.close();
  });
});
