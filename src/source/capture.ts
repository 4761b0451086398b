import type { Event } from '../event/index.ts';
import { type InitialStateSink, type ReaderStats, ScapReader } from '../scap/index.ts';
import { type Seat, startReading, takeSeat } from './capture-thread.ts';
import type { Source, SourceStats } from './index.ts';
import { openPieces } from './pieces.ts';

export interface CaptureSource extends Source {
  /** What the reader saw, among it how many events were dropped, unknown or malformed. */
  readonly read: Readonly<ReaderStats>;
  /** Once ended: true when the capture stops in the middle of a block, as it does when its writer was killed. */
  readonly truncated: boolean;
}

export interface CaptureOptions {
  /** Size in bytes of the pieces that are read or inflated ahead; default 1 MiB. */
  chunkSize?: number;
  /**
   * Whether a thread of its own checks and converts, too, so that this one only judges; default false. It spares this
   * thread some 15 ns an event, and costs 80 in all, some 100 ms to start, and memory (`node bench/scap.ts`).
   */
  thread?: boolean;
}

/** Events that were read at one go. */
export interface Portion {
  deliver(visit: (event: Event) => void): void;
}

/** What comes before {@link CaptureSource}: events in portions. */
export interface Feed<P extends Portion = Portion> {
  readonly stats: ReaderStats;
  /** The next portion, to be delivered before the one after it is asked for; null at the end. Rejects with ScapError on what is no capture. */
  next(): Promise<P | null>;
  /** At the end: true when an incomplete block is left over. */
  readonly truncated: boolean;
  close(): Promise<void>;
}

/**
 * Opens a capture file for replay, plain or compressed; `-` is the standard input, a FIFO will do.
 *
 * Reading and inflating never happen on the thread that judges. The initial state goes to the sink as the stream reaches
 * it: before the events of its section.
 * @throws the file system's error when the file cannot be opened; `next` throws ScapError on what is no capture
 */
export async function openCapture(
  path: string,
  sink: InitialStateSink,
  options: CaptureOptions = {},
): Promise<CaptureSource> {
  const chunkSize = options.chunkSize ?? 1 << 20;
  const reading = options.thread ? startReading(path, chunkSize, 1) : null;
  const feed: Feed =
    reading === null ? await readHere(path, sink, chunkSize) : takeSeat(reading.seats[0] as Seat, sink, reading.failed);
  /** The portion that was asked for and did not come in time. */
  let awaited: ReturnType<Feed['next']> | null = null;
  let ended = false;

  async function close(): Promise<void> {
    ended = true;
    await feed.close();
    await reading?.close();
  }

  async function next(visit: (event: Event) => void, timeoutMs: number): Promise<number> {
    const before = feed.stats.events;
    const deadline = Date.now() + timeoutMs;
    try {
      while (!ended && feed.stats.events === before) {
        if (awaited === null) {
          awaited = feed.next();
          // When nobody waits any more, because the source was closed, its failure is nobody's.
          awaited.catch(() => {});
        }
        const portion = await within(awaited, deadline - Date.now());
        if (portion === undefined) break;
        awaited = null;
        if (portion !== null) portion.deliver(visit);
        else await close();
      }
    } catch (error) {
      await close();
      throw error;
    }
    return feed.stats.events - before;
  }

  return {
    name: 'syscall',
    read: feed.stats,
    get ended() {
      return ended;
    },
    get truncated() {
      return ended && feed.truncated;
    },
    next,
    stats: (): SourceStats => ({ events: feed.stats.events, drops: {} }),
    close: () => void close(),
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

/** Reads on this thread; only the file and gzip are left to libuv's pool. */
async function readHere(path: string, sink: InitialStateSink, chunkSize: number): Promise<Feed> {
  const pieces = await openPieces(path, chunkSize);
  const reader = new ScapReader(sink);
  let truncated = false;
  return {
    stats: reader.stats,
    get truncated() {
      return truncated;
    },
    async next() {
      const piece = await pieces.next();
      if (piece !== null) return { deliver: (visit) => reader.push(piece, visit) };
      truncated = reader.end() > 0;
      return null;
    },
    close: () => pieces.close(),
  };
}
