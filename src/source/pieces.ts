import { read } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { constants, createGunzip, type Gunzip } from 'node:zlib';
import { ScapError } from '../scap/index.ts';

/** A byte stream piece by piece; a piece is valid until the next one is asked for. */
export interface Pieces {
  next(): Promise<Uint8Array | null>;
  close(): Promise<void>;
}

const stdin = 0;

/**
 * Opens a file, inflated if it is compressed with gzip; `-` is the standard input. Reading and inflating happen on
 * libuv's pool, at least one piece of `size` bytes ahead.
 */
export async function openPieces(path: string, size: number): Promise<Pieces> {
  const file = path === '-' ? null : await open(path, 'r');
  const raw = readAhead(file, size);
  let pieces: Pieces | null = null;
  return {
    async next() {
      pieces ??= await recognise(raw, size);
      return pieces.next();
    },
    close: () => (pieces ?? raw).close(),
  };
}

/** Looks at the first bytes, and inflates if they are gzip's. */
async function recognise(raw: Pieces, size: number): Promise<Pieces> {
  // The first piece of a pipe can be a single byte; gzip's magic number has two.
  const seen: Uint8Array[] = [];
  let bytes = 0;
  while (bytes < 2) {
    const piece = await raw.next();
    if (piece === null) break;
    seen.push(piece.slice());
    bytes += piece.length;
  }
  const start = Buffer.concat(seen);
  let given = false;
  const whole: Pieces = {
    next: async () => {
      if (given || start.length === 0) return raw.next();
      given = true;
      return start;
    },
    close: raw.close,
  };
  // Inflated pieces are new memory each; half as large they are still in a cache when they are judged. zlib takes no less than 64.
  return start[0] === 0x1f && start[1] === 0x8b ? inflate(whole, Math.max(64, size >> 1)) : whole;
}

/** Reads with two buffers: while one is looked at, the pool fills the other. */
function readAhead(file: FileHandle | null, size: number): Pieces {
  const buffers = [Buffer.allocUnsafeSlow(size), Buffer.allocUnsafeSlow(size)];
  let turn = 0;
  const read = async (): Promise<Uint8Array | null> => {
    const buffer = buffers[(turn ^= 1)] as Buffer;
    const bytes = file === null ? await readStdin(buffer) : (await file.read(buffer, 0, size, null)).bytesRead;
    return bytes === 0 ? null : buffer.subarray(0, bytes);
  };
  let ahead: Promise<Uint8Array | null> | null = null;
  let closed = false;
  return {
    async next() {
      const piece = await (ahead ?? read());
      ahead = piece === null || closed ? Promise.resolve(null) : read();
      // An error of the read ahead belongs to the next call, not to nobody.
      ahead.catch(() => {});
      return piece;
    },
    async close() {
      if (closed) return;
      closed = true;
      await file?.close();
    },
  };
}

async function readStdin(buffer: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    read(stdin, buffer, 0, buffer.length, null, (error, bytes) => (error === null ? resolve(bytes) : reject(error)));
  });
}

/** At most this many inflated pieces wait. */
const WAITING = 3;

function inflate(compressed: Pieces, size: number): Pieces {
  // A flush that need not be final makes zlib deliver all that a truncated file holds, without an error.
  const gunzip: Gunzip = createGunzip({
    chunkSize: size,
    readableHighWaterMark: size * WAITING,
    finishFlush: constants.Z_SYNC_FLUSH,
  } as Parameters<typeof createGunzip>[0]);
  const waiting: Uint8Array[] = [];
  let done = false;
  let failure: Error | null = null;
  let wake: (() => void) | null = null;
  const awake = () => {
    wake?.();
    wake = null;
  };
  let inflated = 0;
  gunzip.on('data', (piece: Buffer) => {
    inflated += piece.length;
    waiting.push(piece);
    if (waiting.length >= WAITING) gunzip.pause();
    awake();
  });
  gunzip.on('end', () => {
    done = true;
    awake();
  });
  gunzip.on('error', (error) => {
    failure ??= new ScapError(`the compressed data is damaged: ${error.message}`, inflated);
    done = true;
    awake();
  });
  let given: Uint8Array | null = null;
  /** Frees the last piece at once: dozens of megabytes of them would otherwise wait for a collection. */
  const release = () => {
    const last = given;
    given = null;
    // Small buffers are parts of Node's pool; and until a buffer is full, gunzip goes on writing behind the piece.
    if (last === null || size <= Buffer.poolSize || last.buffer.byteLength !== size) return;
    if (last.byteOffset + last.length === size) (last.buffer as ArrayBuffer).transfer(0);
  };
  const feed = async () => {
    for (;;) {
      const piece = await compressed.next();
      if (piece === null) break;
      // The callback comes when the piece is used up; only then may its buffer be filled again.
      await new Promise<void>((resolve) => gunzip.write(piece, () => resolve()));
      if (done) return;
    }
    gunzip.end();
  };
  feed().catch((error) => {
    failure ??= error;
    done = true;
    awake();
  });
  return {
    async next() {
      while (waiting.length === 0 && !done) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      release();
      const piece = waiting.shift();
      given = piece ?? null;
      if (waiting.length < WAITING && gunzip.isPaused()) gunzip.resume();
      if (piece !== undefined) return piece;
      if (failure !== null) throw failure;
      return null;
    },
    async close() {
      done = true;
      gunzip.destroy();
      await compressed.close();
    },
  };
}
