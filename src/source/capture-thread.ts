import { Event } from '../event/index.ts';
import { type InitialStateSink, type ReaderStats, ScapError } from '../scap/index.ts';
import { startThread } from '../thread.ts';
import type { Feed } from './capture.ts';

/** Ints a slot's index has for each event: offset, cpu with the number of the buffer above it, flags of the block. */
export const INDEX = 3;
/** The smallest block of an event, of the first version: type, length, cpu, header, length. */
const SMALLEST_BLOCK = 8 + 2 + 22 + 4;
/** Bytes of a slot for events that are not in its piece as they are: those that cross pieces, or were converted. */
export const ASIDE = 64 << 10;
/** So many pieces can be read ahead. */
const SLOTS = 4;

/** Memory that both threads see: an index of events, then the piece that they are in, then room aside. */
export interface Slot {
  readonly index: Int32Array;
  readonly bytes: Uint8Array;
}

export function viewSlot(memory: SharedArrayBuffer, chunkSize: number): Slot {
  const ints = indexInts(chunkSize);
  return { index: new Int32Array(memory, 0, ints), bytes: new Uint8Array(memory, ints * 4, chunkSize + ASIDE) };
}

const indexInts = (chunkSize: number): number => INDEX * (Math.ceil(chunkSize / SMALLEST_BLOCK) + 2);

export interface ThreadData {
  path: string;
  chunkSize: number;
  slots: SharedArrayBuffer[];
}

/** A call of the sink that has to be made before event `before` of the slot. */
export interface StateCall {
  before: number;
  method: keyof InitialStateSink;
  entry: unknown;
}

/** What the thread sends: a filled slot, or how it ended. */
export type ThreadMessage =
  | {
      slot: number;
      events: number;
      state: StateCall[];
      /** Further buffers, when there were more bytes aside than a slot has room for: numbers 1, 2, … in the index. */
      more: Uint8Array[];
      stats: ReaderStats;
    }
  | { end: { truncated: boolean; stats: ReaderStats } }
  | { error: { message: string; code: string | undefined; scapOffset: number | null } };

/**
 * Reads a capture on a thread of its own: file, gzip, blocks, checks and conversion. Here, events are only pointed at.
 * They come in the same order with the same bytes as from a ScapReader on this thread.
 */
export function readOnThread(path: string, sink: InitialStateSink, chunkSize: number): Feed {
  const memories = Array.from(
    { length: SLOTS },
    () => new SharedArrayBuffer(indexInts(chunkSize) * 4 + chunkSize + ASIDE),
  );
  const slots = memories.map((memory) => viewSlot(memory, chunkSize));
  const views = slots.map(({ bytes }) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
  const data: ThreadData = { path, chunkSize, slots: memories };
  const worker = startThread(new URL('./capture-worker.ts', import.meta.url), {
    workerData: data,
    resourceLimits: { maxYoungGenerationSizeMb: 8 },
  });

  const queue: ThreadMessage[] = [];
  let wake: (() => void) | null = null;
  const arrived = (message: ThreadMessage): void => {
    queue.push(message);
    wake?.();
    wake = null;
  };
  const failed = (error: Error): void =>
    arrived({ error: { message: error.message, code: undefined, scapOffset: null } });
  worker.on('message', arrived);
  worker.on('error', failed);
  let closed = false;
  worker.on('exit', () => {
    if (!closed) failed(new Error('the thread that reads the capture has ended'));
  });

  const event = new Event();
  const stats: ReaderStats = { events: 0, dropped: 0, unknown: 0, malformed: 0, firstMalformed: null, bytes: 0 };
  let flags = 0;
  let truncated = false;

  const call = ({ method, entry }: StateCall): void => {
    (sink[method] as ((entry: unknown) => void) | undefined)?.call(sink, entry);
  };

  function deliver(message: Extract<ThreadMessage, { slot: number }>, visit: (event: Event) => void): void {
    const { index, bytes } = slots[message.slot] as Slot;
    const view = views[message.slot] as DataView;
    event.attach(bytes, view);
    let buffer = 0;
    let nextCall = 0;
    // Counted as they are delivered: the thread is ahead.
    let num = stats.events;
    Object.assign(stats, message.stats, { events: num });
    for (let i = 0, at = 0; i < message.events; i++, at += INDEX) {
      while (nextCall < message.state.length && (message.state[nextCall] as StateCall).before <= i) {
        call(message.state[nextCall++] as StateCall);
      }
      const where = index[at + 1] as number;
      if (where >>> 16 !== buffer) {
        buffer = where >>> 16;
        const other = message.more[buffer - 1];
        if (other === undefined) event.attach(bytes, view);
        else event.attach(other, new DataView(other.buffer, other.byteOffset, other.length));
      }
      flags = index[at + 2] as number;
      stats.events = ++num;
      event.read(index[at] as number, where & 0xffff, num);
      visit(event);
    }
    while (nextCall < message.state.length) call(message.state[nextCall++] as StateCall);
    worker.postMessage(message.slot);
  }

  return {
    stats,
    get flags() {
      return flags;
    },
    get truncated() {
      return truncated;
    },
    async next() {
      while (queue.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const message = queue.shift() as ThreadMessage;
      if ('error' in message) {
        const { error } = message;
        if (error.scapOffset !== null) throw new ScapError(error.message, error.scapOffset);
        throw Object.assign(new Error(error.message), error.code === undefined ? {} : { code: error.code });
      }
      if ('end' in message) {
        truncated = message.end.truncated;
        Object.assign(stats, message.end.stats, { events: stats.events });
        return null;
      }
      return (visit) => deliver(message, visit);
    },
    async close() {
      closed = true;
      await worker.terminate();
    },
  };
}
