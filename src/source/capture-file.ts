import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { createGzip, type Gzip } from 'node:zlib';
import type { CaptureOutput } from '../scap/index.ts';

export interface CaptureFileOptions {
  /** Compress with gzip, as Falco does; default true. */
  compress?: boolean;
  /** Write under another name and rename at the end, so that the file is whole or absent; default false. */
  atomic?: boolean;
}

export interface CaptureFile extends CaptureOutput {
  /** Bytes that were taken and have not been handed to the file system yet. */
  readonly waiting: number;
  /** Resolves once nothing waits; rejects when writing failed. */
  drained(): Promise<void>;
}

/**
 * Creates a capture file for a ScapWriter or the flight recorder to write to. Compressing and writing happen on
 * libuv's pool. A file that is not atomic can be read, up to what has been written, at any time.
 * An error (no such folder, disk full) makes `drained` and `close` reject.
 */
export function createCapture(path: string, options: CaptureFileOptions = {}): CaptureFile {
  const target = options.atomic ? `${path}.part` : path;
  let waiting = 0;
  let handle: FileHandle | null = null;
  const gzip: Gzip | null = (options.compress ?? true) ? createGzip({ level: 3, chunkSize: 256 << 10 }) : null;
  let failure: Error | null = null;

  const create = async (): Promise<FileHandle> => {
    if (!options.atomic) return open(target, 'w', 0o600);
    // The name can be guessed and the folder may be everybody's: never write through somebody's link.
    await rm(target, { force: true });
    return open(target, 'wx', 0o600);
  };
  const write = async (piece: Uint8Array): Promise<void> => {
    handle ??= await create();
    for (let at = 0; at < piece.length; ) at += (await handle.write(piece, at, piece.length - at)).bytesWritten;
  };
  /** All writes, one after the other. */
  let queue: Promise<void> = write(new Uint8Array(0));
  const enqueue = (work: () => Promise<void>): void => {
    queue = queue.then(work);
    // Kept for whoever waits next; it must not count as unhandled until then.
    queue.catch((error) => {
      failure ??= error;
    });
  };
  enqueue(async () => {});

  /** Puts a piece through gzip; what comes out is written. */
  const compress = async (through: Gzip, piece: Uint8Array | null): Promise<void> => {
    if (piece === null) {
      const ended = new Promise<void>((resolve, reject) => {
        through.once('end', resolve);
        through.once('error', reject);
      });
      through.end();
      through.resume();
      await ended;
    } else await new Promise<void>((resolve) => through.write(piece, () => resolve()));
    for (const out of compressed.splice(0)) await write(out);
  };
  const compressed: Uint8Array[] = [];
  gzip?.on('data', (piece: Uint8Array) => compressed.push(piece));

  return {
    get waiting() {
      return waiting;
    },
    write(piece) {
      if (failure !== null) return;
      waiting += piece.length;
      enqueue(async () => {
        if (gzip === null) await write(piece);
        else await compress(gzip, piece);
        waiting -= piece.length;
      });
    },
    drained: () => queue,
    async close() {
      try {
        if (gzip !== null) enqueue(() => compress(gzip, null));
        await queue;
        await handle?.close();
        handle = null;
        if (options.atomic) await rename(target, path);
      } catch (error) {
        gzip?.destroy();
        await handle?.close();
        if (options.atomic) await rm(target, { force: true });
        throw error;
      }
    },
  };
}
