import type { Need } from './terms.ts';

export type SqlValue = string | number | bigint | Uint8Array | null;
export type Row = Record<string, string | number | Uint8Array | null>;

/** An alert on its way into the table. */
export interface AlertRow {
  /** Microseconds. */
  readonly time: number;
  readonly series: number;
  readonly uid: bigint;
  /** The alert's text, compressed. */
  readonly body: Uint8Array;
  readonly terms: readonly string[];
}

/**
 * What the store needs of a database. Statements are written once, in the SQL that SQLite and PostgreSQL share,
 * with `?` for parameters and integers up to 2^53; what differs has a method of its own.
 */
export interface Sql {
  readonly kind: 'sqlite' | 'postgres';
  /** Reads what is committed: what takes no longer than a look at an index. */
  all<T = Row>(sql: string, ...values: SqlValue[]): Promise<T[]>;
  /** The same for what may take long; nothing else waits for it, but another one of these. */
  search<T = Row>(sql: string, ...values: SqlValue[]): Promise<T[]>;
  /** Everything that `work` does on the given connection happens or nothing. One at a time (the store sees to it). */
  transaction<T>(work: (sql: Writer) => Promise<T>): Promise<T>;
  /** Statements for a need: a sub-select of alert ids, and its parameter. */
  matching(need: Need): { readonly sql: string; readonly value: string };
  /** Bytes on disk that count against the bound of the retention. */
  size(): Promise<number>;
  /** Gives space that deleting left back to the disk; called between batches. */
  shrink(): Promise<void>;
  /** Writes a consistent copy to `path` while work goes on. Throws where the database has its own tool for it. */
  backup(path: string): Promise<void>;
  close(): Promise<void>;
}

/** The connection inside a transaction. */
export interface Writer {
  all<T = Row>(sql: string, ...values: SqlValue[]): Promise<T[]>;
  /** Rows changed. */
  run(sql: string, ...values: SqlValue[]): Promise<number>;
  /** Inserts alerts; gives the new ids in order, null for one whose uid is there already. */
  insertAlerts(rows: readonly AlertRow[]): Promise<(number | null)[]>;
  /** Deletes alerts with their terms. */
  deleteAlerts(ids: readonly number[]): Promise<void>;
}
