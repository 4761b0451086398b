import type { Worker } from 'node:worker_threads';
import { startThread } from '../thread.ts';
import type { SqlValue } from './sql.ts';
import type { Answer, Question } from './sqlite-worker.ts';

/** Queries on a thread of their own, one after another. */
export interface SearchThread {
  ask<T>(sql: string, values: readonly SqlValue[]): Promise<T[]>;
  close(): Promise<void>;
}

/**
 * The thread starts with the first question; when it has died, with the next one.
 * @param queries whether it is for queries alone: SQLite then refuses whatever else it is asked
 */
export function createSearchThread(path: string, queries = true): SearchThread {
  const waiting = new Map<number, { resolve: (rows: never[]) => void; reject: (error: Error) => void }>();
  let worker: Worker | null = null;
  let last = 0;

  function start(): Worker {
    const made = startThread(new URL('./sqlite-worker.ts', import.meta.url), {
      workerData: { path, queries },
      // It holds a page of rows at most.
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    });
    made.on('message', (answer: Answer) => {
      const asked = waiting.get(answer.id);
      waiting.delete(answer.id);
      if (waiting.size === 0) made.unref();
      if ('error' in answer) asked?.reject(new Error(answer.error));
      else asked?.resolve(answer.rows as never[]);
    });
    const ended = (error?: Error): void => {
      if (worker === made) worker = null;
      for (const { reject } of waiting.values()) reject(error ?? new Error('the database was closed'));
      waiting.clear();
    };
    made.on('error', ended);
    made.on('exit', () => ended());
    return made;
  }

  return {
    ask: <T>(sql: string, values: readonly SqlValue[]) =>
      new Promise<T[]>((resolve, reject) => {
        worker ??= start();
        const id = ++last;
        waiting.set(id, { resolve: resolve as (rows: never[]) => void, reject });
        worker.ref();
        worker.postMessage({ id, sql, values } satisfies Question);
      }),
    close: async () => {
      await worker?.terminate();
    },
  };
}
