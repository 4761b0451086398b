/** The thread of the queries that may take long: what it reads keeps nobody else waiting. */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { SqlValue } from './sql.ts';

export interface Question {
  readonly id: number;
  readonly sql: string;
  readonly values: readonly SqlValue[];
}

export type Answer =
  | { readonly id: number; readonly rows: readonly unknown[] }
  | { readonly id: number; readonly error: string };

const REMEMBERED = 200;

const port = parentPort as MessagePort;
const { path, queries } = workerData as { path: string; queries: boolean };
const database = new DatabaseSync(path);
if (queries) database.exec('PRAGMA query_only=1;');
database.exec('PRAGMA cache_size=-24000; PRAGMA busy_timeout=10000; PRAGMA temp_store=MEMORY;');
const prepared = new Map<string, StatementSync>();

function answer({ id, sql, values }: Question): Answer {
  try {
    let statement = prepared.get(sql);
    if (statement === undefined) {
      statement = database.prepare(sql);
      if (prepared.size < REMEMBERED) prepared.set(sql, statement);
    }
    return { id, rows: statement.all(...values) };
  } catch (error) {
    return { id, error: (error as Error).message };
  }
}

port.on('message', (question: Question) => port.postMessage(answer(question)));
