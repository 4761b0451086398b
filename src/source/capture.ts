import { type FileHandle, open } from 'node:fs/promises';
import { constants, createGunzip, type Gunzip } from 'node:zlib';
import type { Event } from '../event/index.ts';
import { type InitialStateSink, type ReaderStats, ScapError, ScapReader } from '../scap/index.ts';
import type { Source, SourceStats } from './index.ts';

export interface CaptureSource extends Source {
  /** What the reader saw, among it how many events were dropped, unknown or malformed. */
  readonly read: Readonly<ReaderStats>;
  /** Flags of the block of the current event (see DumpFlag). */
  readonly flags: number;
  /** Once ended: true when the capture stops in the middle of a block, as it does when its writer was killed. */
  readonly truncated: boolean;
}

export interface CaptureOptions {
  /** Size in bytes of the pieces that are read or inflated ahead; default 1 MiB. */
  chunkSize?: number;
}

/**
 * Opens a capture file for replay, plain or compressed; `-` is the standard input, a FIFO will do.
 *
 * Reading and inflating happen on threads of libuv's pool, one piece ahead of the thread that judges.
 * The initial state goes to the sink as the stream reaches it: before the events of its section.
 * @throws the file system's error when the file cannot be opened; `next` throws ScapError on what is no capture
 */
export async function openCapture(
  path: string,
  sink: InitialStateSink,
  options: CaptureOptions = {},
): Promise<CaptureSource> {
  const chunkSize = options.chunkSize ?? 1 << 20;
  const pieces = await openPieces(path, chunkSize);
  const reader = new ScapReader(sink);
  /** The piece that was asked for and did not come in time. */
  let awaited: Promise<Uint8Array | null> | null = null;
  let ended = false;
  let truncated = false;

  async function next(visit: (event: Event) => void, timeoutMs: number): Promise<number> {
    const before = reader.stats.events;
    const deadline = Date.now() + timeoutMs;
    try {
      while (!ended && reader.stats.events === before) {
        awaited ??= pieces.next();
        const piece = await within(awaited, deadline - Date.now());
        if (piece === undefined) break;
        awaited = null;
        if (piece !== null) reader.push(piece, visit);
        else {
          ended = true;
          truncated = reader.end() > 0;
          await pieces.close();
        }
      }
    } catch (error) {
      ended = true;
      await pieces.close();
      throw error;
    }
    return reader.stats.events - before;
  }

  return {
    name: 'syscall',
    read: reader.stats,
    get flags() {
      return reader.flags;
    },
    get ended() {
      return ended;
    },
    get truncated() {
      return truncated;
    },
    next,
    stats: (): SourceStats => ({ events: reader.stats.events, drops: {} }),
    close() {
      ended = true;
      void pieces.close();
    },
  };
}

/** The value, or undefined when it does not come in time. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, Math.max(0, ms), undefined);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The stream piece by piece; a piece is valid until the next one is asked for. */
interface Pieces {
  next(): Promise<Uint8Array | null>;
  close(): Promise<void>;
}

const stdin = 0;

async function openPieces(path: string, size: number): Promise<Pieces> {
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
  return start[0] === 0x1f && start[1] === 0x8b ? inflate(whole, size) : whole;
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
  const { read } = await import('node:fs');
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
      const piece = waiting.shift();
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
