import { createReadStream, createWriteStream, mkdirSync, readdirSync, renameSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import type { Store, StoredAlert } from '../../store/index.ts';
import type { CaptureRow } from '../api.ts';
import { type Call, Refusal, type Route } from './route.ts';
import { spanOf } from './timeline.ts';

/** A longer recording is refused. */
const MAX_BYTES = 1024 * 1024 * 1024;
/** Between two looks into the directories that are watched, in milliseconds. */
const LOOK_EVERY = 3000;
/** A recording belongs to an alert when the alert lies in it, or this near, in microseconds. */
const NEAR = 5_000_000;

export interface Captures {
  readonly routes: Route[];
  of(alert: StoredAlert): Promise<CaptureRow[]>;
  /** The files of the latest recordings. */
  latest(count: number): Promise<string[]>;
  /** The file of a recording. */
  path(id: number): Promise<string>;
  /** Ends looking for new ones. */
  close(): void;
}

const rowOf = (row: Record<string, unknown>): CaptureRow => ({
  id: row.id as number,
  name: row.name as string,
  host: row.host as string,
  from: Number(row.from_time) / 1000,
  to: Number(row.to_time) / 1000,
  bytes: Number(row.bytes),
});

/** `<prefix>_<nanoseconds>_<number of the event>.scap`, as sensors name the recordings that alerts begin. */
const SENSOR_FILE = /_(\d{19,20})_\d+\.scap(\.gz|\.zst)?$/;
/** A sensor's recording begins at most this long before the alert that it is named after, in microseconds: for one too long to look into. */
const LEAD = 30_000_000;

/**
 * Recordings (`.scap`) that sensors send in: the files lie in the data directory, the store holds what they are of.
 * Directories that a sensor of this host records into are `watched`: their files are used where they lie.
 * `POST /api/captures?name=…&host=…&from=…&to=…` (milliseconds) with the file as body.
 */
export function createCaptures(store: Store, directory: string, watched: readonly string[] = []): Captures {
  const folder = join(directory, 'captures');
  mkdirSync(folder, { recursive: true, mode: 0o700 });

  async function add(call: Call): Promise<{ id: number }> {
    const name = call.query('name') ?? '';
    if (!/^[\w.-]{1,200}\.scap(\.gz|\.zst)?$/.test(name) || name.startsWith('.')) {
      throw new Refusal(400, '"name" is the name of a .scap file, without folders');
    }
    const [from, to] = [Number(call.query('from')), Number(call.query('to'))];
    if (!(from > 0) || !(to >= from)) throw new Refusal(400, '"from" and "to" are milliseconds since the epoch');
    const body = call.context.req.raw.body;
    if (body === null) throw new Refusal(400, 'the recording is the body of the request');
    const partial = join(folder, `${name}.partial`);
    let bytes = 0;
    const counted = Readable.fromWeb(body as ReadableStream<Uint8Array>).map((chunk: Uint8Array) => {
      bytes += chunk.length;
      if (bytes > MAX_BYTES) throw new Refusal(413, 'a recording has at most 1 GiB');
      return chunk;
    });
    try {
      await pipeline(counted, createWriteStream(partial, { mode: 0o600 }));
    } catch (error) {
      unlinkSync(partial);
      throw error;
    }
    renameSync(partial, join(folder, name));
    const host = call.query('host') ?? '';
    return { id: await enter(name, join(folder, name), host, Math.round(from * 1000), Math.round(to * 1000), bytes) };
  }

  let looking: Promise<void> = Promise.resolve();
  /** Enters the files that a sensor of this host has written since the last look. */
  function look(): Promise<void> {
    looking = looking.catch(() => {}).then(lookNow);
    return looking;
  }

  // So that nobody who opens an alert waits for what has been recorded since.
  const timer = watched.length === 0 ? null : setInterval(() => void look().catch(() => {}), LOOK_EVERY);
  timer?.unref();

  async function lookNow(): Promise<void> {
    const known = new Map(
      (await store.sql.all('SELECT path, bytes FROM captures')).map((row) => [row.path as string, Number(row.bytes)]),
    );
    for (const folder of watched) {
      for (const name of readdirSync(folder)) {
        const file = join(folder, name);
        const match = SENSOR_FILE.exec(name);
        const info = statSync(file, { throwIfNoEntry: false });
        if (match === null || !info?.isFile() || known.get(file) === info.size) continue;
        // A file that is being written is entered when it is done; one that has grown since, again.
        if (Date.now() - info.mtimeMs < 1000) continue;
        const at = Number(BigInt(match[1] as string) / 1000n);
        const end = Math.max(at, Math.round(info.mtimeMs * 1000));
        const { from, to } = (await spanOf(file)) ?? { from: at - LEAD, to: end };
        await enter(name, file, '', from, to, info.size);
      }
    }
  }

  async function enter(
    name: string,
    file: string,
    host: string,
    from: number,
    to: number,
    bytes: number,
  ): Promise<number> {
    const [row] = await store.write((writer) =>
      writer.all<{ id: number }>(
        `INSERT INTO captures(name, path, host, from_time, to_time, bytes) VALUES(?,?,?,?,?,?)
         ON CONFLICT(name) DO UPDATE SET path=excluded.path, host=excluded.host, from_time=excluded.from_time, to_time=excluded.to_time, bytes=excluded.bytes
         RETURNING id`,
        name,
        file,
        host,
        from,
        to,
        bytes,
      ),
    );
    return (row as { id: number }).id;
  }

  async function named(id: number): Promise<CaptureRow> {
    const [row] = await store.sql.all('SELECT * FROM captures WHERE id=?', id);
    if (row === undefined) throw new Refusal(404, `there is no recording ${id}`);
    return rowOf(row);
  }

  async function path(id: number): Promise<string> {
    const [row] = await store.sql.all('SELECT path FROM captures WHERE id=?', id);
    const file = row?.path as string | undefined;
    if (file === undefined) throw new Refusal(404, `there is no recording ${id}`);
    if (statSync(file, { throwIfNoEntry: false }) === undefined) throw new Refusal(410, 'the recording was removed');
    return file;
  }

  return {
    path,
    close: () => {
      if (timer !== null) clearInterval(timer);
    },
    latest: async (count) => {
      await look();
      const rows = await store.sql.all(`SELECT path FROM captures ORDER BY from_time DESC LIMIT ${Math.floor(count)}`);
      return rows.map((row) => row.path as string);
    },
    of: async ({ alert, series }) => {
      await look();
      return (
        await store.sql.all(
          // One that holds the moment before one that is near it; of those, the one that shows most of what came before.
          `SELECT * FROM captures WHERE from_time <= ? AND to_time >= ? AND (host = ? OR host = ?)
           ORDER BY CASE WHEN from_time <= ? AND to_time >= ? THEN 0 ELSE 1 END, from_time LIMIT 10`,
          alert.time + NEAR,
          alert.time - NEAR,
          series.host,
          '',
          alert.time,
          alert.time,
        )
      ).map(rowOf);
    },
    routes: [
      { method: 'POST', path: '/api/captures', access: 'ingest', handle: add },
      {
        method: 'GET',
        path: '/api/captures',
        access: 'viewer',
        handle: async () => {
          await look();
          return (await store.sql.all('SELECT * FROM captures ORDER BY from_time DESC LIMIT 500')).map(rowOf);
        },
      },
      {
        method: 'GET',
        path: '/api/captures/:id/file',
        access: 'viewer',
        handle: async (call) => {
          const { name, bytes } = await named(call.id());
          const file = await path(call.id());
          return new Response(Readable.toWeb(createReadStream(file)) as unknown as BodyInit, {
            headers: {
              'content-type': 'application/octet-stream',
              'content-length': String(bytes),
              'content-disposition': `attachment; filename="${name}"`,
            },
          });
        },
      },
    ],
  };
}
