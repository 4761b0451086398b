import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseQuery, readAlert } from './index.ts';
import { openSqlite } from './sqlite.ts';
import { openStore, type Store, type StoredAlert } from './store.ts';

/**
 * A query is answered from counts, from the index, and by reading alerts, whichever does. Whatever it is, the
 * answer must be that of looking at every alert.
 */
const NAMES = ['cat', 'grep', 'bash', 'nc'];
const FILES = ['/etc/shadow', '/etc/passwd', '/tmp/a b', '/tmp/é'];
const alertOf = (n: number) =>
  readAlert(
    JSON.stringify({
      rule: `rule ${n % 3}`,
      priority: ['Debug', 'Notice', 'Critical'][n % 3],
      hostname: `node-${n % 2}`,
      output: `alert ${n} read ${FILES[n % 4]}`,
      tags: n % 2 === 0 ? ['even', 'T1000'] : ['odd'],
      time: new Date(1_790_000_000_000 + n * 31_000).toISOString(),
      output_fields: {
        'proc.name': NAMES[(n >> 1) % 4],
        'fd.name': n % 5 === 0 ? null : FILES[n % 4],
        'fd.sip': `10.0.${n % 3}.${n % 7}`,
        'proc.pid': n,
        ...(n % 4 === 0 ? { 'k8s.ns.name': 'shop' } : {}),
      },
    }),
  );

let directory: string;
let store: Store;
let all: readonly StoredAlert[];
const RANGE = { from: 0, to: 2_000_000_000_000_000 };

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'windhover-query-'));
  store = await openStore(openSqlite(join(directory, 'hub.db')));
  await store.ingest(Array.from({ length: 300 }, (_, n) => alertOf(n)));
  ({ alerts: all } = await store.alerts(RANGE, 1000));
});
afterAll(async () => {
  await store.close();
  rmSync(directory, { recursive: true });
});

const term = fc.oneof(
  fc.constantFrom(...NAMES).map((name) => `proc.name = ${name}`),
  fc.subarray(NAMES, { minLength: 1 }).map((names) => `proc.name in (${names.join(', ')})`),
  fc.constantFrom(...FILES).map((file) => `fd.name = "${file}"`),
  fc.constantFrom('/etc', '/tmp/', 'shadow').map((part) => `fd.name contains ${part}`),
  fc.constantFrom('/etc', '/tmp').map((part) => `fd.name startswith ${part}`),
  fc.constantFrom(
    'fd.name exists',
    'k8s.ns.name exists',
    'namespace = shop',
    'host = node-1',
    'tags intersects (odd, T1000)',
  ),
  fc.integer({ min: 0, max: 300 }).map((n) => `proc.pid < ${n}`),
  fc.integer({ min: 0, max: 300 }).map((n) => `proc.pid = ${n}`),
  fc.constantFrom('10.0.1.0/24', '10.0.0.0/23', '10.0.2.3').map((net) => `fd.sip in ("${net}")`),
  fc.constantFrom('rule 0', 'rule 2').map((rule) => `rule = "${rule}"`),
  fc.constantFrom('Debug', 'Critical').map((priority) => `priority != ${priority}`),
  fc.constantFrom('shadow', 'alert read', 'passw', 'rule').map((text) => `text = "${text}"`),
);
const condition = fc.letrec<{ node: string }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    term,
    fc.tuple(tie('node'), fc.constantFrom('and', 'or'), tie('node')).map(([a, op, b]) => `(${a} ${op} ${b})`),
    tie('node').map((a) => `not (${a})`),
  ),
})).node;

it('gives what looking at every alert gives', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(condition, async (text) => {
      const query = parseQuery(text);
      if (query === null) throw new Error('empty');
      const expected = all.filter((one) => query.test(one.alert, one.series)).map((one) => one.id);
      const page = await store.alerts({ ...RANGE, query }, 1000);
      expect(page.alerts.map((one) => one.id)).toEqual(expected);
      const counts = await store.count({ ...RANGE, query }, 40);
      expect(counts.rows.reduce((sum, row) => sum + row.n, 0)).toBe(expected.length);
    }),
    { numRuns: 150 },
  );
});

it('points at the mistake in the text as it was typed', () => {
  for (const [text, at] of [
    ['rule = x and proc.name =', 24],
    ['rule = "a" or or', 14],
  ] as const) {
    try {
      parseQuery(text);
      expect.unreachable();
    } catch (error) {
      expect(
        Math.abs((error as { offset: number }).offset - at),
        `${text}: ${JSON.stringify(error)}`,
      ).toBeLessThanOrEqual(2);
    }
  }
});
