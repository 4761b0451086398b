import { statSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { SCHEMA } from './schema.ts';
import type { AlertRow, Sql, SqlValue, Writer } from './sql.ts';
import { createSearchThread } from './sqlite-thread.ts';
import { toFts5 } from './terms.ts';

/**
 * The terms live in an FTS5 table that keeps no text and no positions; its rowid is the alert's.
 * `ascii` takes every other character as part of a term, which is what terms.ts made.
 */
const SQLITE_ONLY = `
CREATE TABLE IF NOT EXISTS alerts(
  id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, series_id INTEGER NOT NULL, uid INTEGER NOT NULL UNIQUE, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS alerts_time ON alerts(time);
CREATE INDEX IF NOT EXISTS alerts_series ON alerts(series_id, time);
CREATE VIRTUAL TABLE IF NOT EXISTS terms USING fts5(
  t, content='', contentless_delete=1, detail=none, tokenize="ascii tokenchars '_'");
`;

/**
 * Opens (or makes) the database file. Writing goes over one connection and reading over others, so a query sees one
 * state of things and a rollback is never seen; long queries have a thread of their own. WAL with `synchronous=NORMAL`: what a transaction
 * committed survives the death of the process (kill -9); `FULL` also survives the loss of power.
 */
export function openSqlite(path: string, options: { fsync?: boolean } = {}): Sql {
  const db = new DatabaseSync(path);
  db.exec(`PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; PRAGMA synchronous=${options.fsync ? 'FULL' : 'NORMAL'};
    PRAGMA cache_size=-24000; PRAGMA journal_size_limit=16777216; PRAGMA busy_timeout=10000; PRAGMA temp_store=MEMORY;`);
  db.exec(
    (SCHEMA + SQLITE_ONLY)
      .replaceAll('{id}', 'INTEGER PRIMARY KEY AUTOINCREMENT')
      .replaceAll('{bytes}', 'BLOB')
      .replaceAll('{int}', 'INTEGER')
      .replaceAll('{rowless}', 'WITHOUT ROWID'),
  );
  const reader = new DatabaseSync(path);
  reader.exec('PRAGMA query_only=1; PRAGMA cache_size=-4000; PRAGMA busy_timeout=10000; PRAGMA temp_store=MEMORY;');

  const searches = createSearchThread(path);

  const prepared = new Map<string, StatementSync>();
  const prepare = (connection: DatabaseSync, sql: string): StatementSync => {
    const key = connection === db ? sql : `r ${sql}`;
    let statement = prepared.get(key);
    if (statement === undefined) {
      statement = connection.prepare(sql);
      if (prepared.size < 500) prepared.set(key, statement);
    }
    return statement;
  };
  const all = async <T>(sql: string, ...values: SqlValue[]): Promise<T[]> =>
    prepare(reader, sql).all(...values) as unknown as T[];
  const run = async (sql: string, ...values: SqlValue[]): Promise<number> =>
    Number(prepare(db, sql).run(...values).changes);

  const writer: Writer = {
    all: async <T>(sql: string, ...values: SqlValue[]) => prepare(db, sql).all(...values) as unknown as T[],
    run,
    insertAlerts: async (rows: readonly AlertRow[]) => {
      const alert = prepare(
        db,
        'INSERT INTO alerts(time, series_id, uid, body) VALUES(?,?,?,?) ON CONFLICT(uid) DO NOTHING',
      );
      const terms = prepare(db, 'INSERT INTO terms(rowid, t) VALUES(?,?)');
      return rows.map((row) => {
        const done = alert.run(row.time, row.series, row.uid, row.body);
        if (Number(done.changes) === 0) return null;
        terms.run(done.lastInsertRowid, row.terms.join(' '));
        return Number(done.lastInsertRowid);
      });
    },
    deleteAlerts: async (ids) => {
      const alert = prepare(db, 'DELETE FROM alerts WHERE id=?');
      const terms = prepare(db, 'DELETE FROM terms WHERE rowid=?');
      for (const id of ids) {
        alert.run(id);
        terms.run(id);
      }
    },
  };

  return {
    kind: 'sqlite',
    all,
    search: (sql, ...values) => searches.ask(sql, values),
    transaction: async (work) => {
      db.exec('BEGIN IMMEDIATE');
      try {
        const result = await work(writer);
        db.exec('COMMIT');
        return result;
      } catch (error) {
        db.exec('ROLLBACK');
        throw error;
      }
    },
    matching: (need) => ({ sql: 'SELECT rowid FROM terms WHERE terms MATCH ?', value: toFts5(need) }),
    size: async () => {
      let bytes = 0;
      for (const file of [path, `${path}-wal`]) bytes += statSync(file, { throwIfNoEntry: false })?.size ?? 0;
      return bytes;
    },
    shrink: async () => {
      // Deleted terms leave gravestones until their segment is merged; a bounded amount of merging a time.
      db.exec("INSERT INTO terms(terms, rank) VALUES('merge', 2000)");
      db.exec('PRAGMA incremental_vacuum');
      db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    },
    backup: async (target) => {
      // One transaction on a thread of its own: the copy is of one moment, whatever is written meanwhile.
      const copier = createSearchThread(path, false);
      try {
        await copier.ask('VACUUM INTO ?', [target]);
      } finally {
        await copier.close();
      }
    },
    close: async () => {
      await searches.close();
      prepared.clear();
      reader.close();
      db.close();
    },
  };
}
