import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Event } from '../event/index.ts';
import { type InitialStateSink, type ReaderStats, ScapError } from '../scap/index.ts';
import { startThread } from '../thread.ts';
import type { Feed, Portion } from './capture.ts';

/** Ints a slot's index has for each event: offset, cpu with the number of the buffer above it, flags of the block. */
export const INDEX = 3;
/** The smallest block of an event, of the first version: type, length, cpu, header, length. */
const SMALLEST_BLOCK = 8 + 2 + 22 + 4;
/** Bytes of a slot for events that are not in its piece as they are: those that cross pieces, or were converted. */
export const ASIDE = 64 << 10;
/** So many pieces can be read ahead … */
const SLOTS = 4;
/** … and so many more where several judges go through them: so far may one be behind the other. */
const SHARED_SLOTS = 4;

/** Memory that all threads see: an index of events, then the piece that they are in, then room aside. */
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
  claims: SharedArrayBuffer;
  /** One for each seat. */
  ports: MessagePort[];
}

/** A call of the sink that has to be made before event `before` of the slot. */
export interface StateCall {
  before: number;
  method: keyof InitialStateSink;
  entry: unknown;
}

/** What the thread sends to every seat: a filled slot, or how it ended. The number of a slot comes back once it is done with. */
export type ThreadMessage =
  | {
      slot: number;
      /** Counts the portions from 0. */
      portion: number;
      events: number;
      state: StateCall[];
      /** Further buffers, when there were more bytes aside than a slot has room for: numbers 1, 2, … in the index. */
      more: Uint8Array[];
      stats: ReaderStats;
    }
  | { end: { truncated: boolean; stats: ReaderStats } }
  | { error: { message: string; code: string | undefined; scapOffset: number | null } };

/** Where one judge takes part in a reading; it can be sent to another thread, its port transferred. */
export interface Seat {
  readonly port: MessagePort;
  readonly chunkSize: number;
  readonly slots: readonly SharedArrayBuffer[];
  /** One int a slot: 0 until a judge has claimed what is in it. */
  readonly claims: SharedArrayBuffer;
}

/** A capture that a thread reads for one or more judges. */
export interface Reading {
  readonly seats: readonly Seat[];
  /** Rejects when the thread cannot go on. */
  readonly failed: Promise<never>;
  close(): Promise<void>;
}

/**
 * Reads a capture on a thread of its own: file, gzip, blocks, checks and conversion. Whoever has a seat only points at
 * events; all seats see all of them.
 * @throws nothing; what is wrong with the file comes with the first portion
 */
export function startReading(path: string, chunkSize: number, judges: number): Reading {
  const slots = Array.from(
    { length: judges > 1 ? SLOTS + SHARED_SLOTS : SLOTS },
    () => new SharedArrayBuffer(indexInts(chunkSize) * 4 + chunkSize + ASIDE),
  );
  const claims = new SharedArrayBuffer(slots.length * Int32Array.BYTES_PER_ELEMENT);
  const channels = Array.from({ length: judges }, () => new MessageChannel());
  const ports = channels.map(({ port2 }) => port2);
  const data: ThreadData = { path, chunkSize, slots, claims, ports };
  const worker = startThread(new URL('./capture-worker.ts', import.meta.url), {
    workerData: data,
    transferList: ports,
    resourceLimits: { maxYoungGenerationSizeMb: 8 },
  });
  const failed = new Promise<never>((_, reject) => worker.on('error', reject));
  failed.catch(() => {});
  return {
    seats: channels.map(({ port1 }) => ({ port: port1, chunkSize, slots, claims })),
    failed,
    close: async () => void (await worker.terminate()),
  };
}

/** A portion that several judges see, of whom one has to judge it. */
export interface SharedPortion extends Portion {
  /** Counts from 0. */
  readonly number: number;
  /** True for the first judge that asks. */
  claim(): boolean;
}

/**
 * Takes a seat of a reading. Events come in the same order with the same bytes as from a ScapReader on this thread.
 * @param failed says why the reading thread fails (see {@link Reading}); without it, its failure is just its end
 */
export function takeSeat(seat: Seat, sink: InitialStateSink, failed?: Promise<never>): Feed<SharedPortion> {
  const { port } = seat;
  const claims = new Int32Array(seat.claims);
  const slots = seat.slots.map((memory) => viewSlot(memory, seat.chunkSize));
  const views = slots.map(({ bytes }) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length));

  const queue: ThreadMessage[] = [];
  let wake: (() => void) | null = null;
  const arrived = (message: ThreadMessage): void => {
    queue.push(message);
    wake?.();
    wake = null;
  };
  const fail = (error: Error): void =>
    arrived({ error: { message: error.message, code: undefined, scapOffset: null } });
  port.on('message', arrived);
  failed?.catch(fail);
  let closed = false;
  port.on('close', () => {
    if (!closed) fail(new Error('the thread that reads the capture has ended'));
  });

  const event = new Event();
  const stats: ReaderStats = { events: 0, dropped: 0, unknown: 0, malformed: 0, firstMalformed: null, bytes: 0 };
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
      event.flags = index[at + 2] as number;
      stats.events = ++num;
      event.read(index[at] as number, where & 0xffff, num);
      visit(event);
    }
    while (nextCall < message.state.length) call(message.state[nextCall++] as StateCall);
    port.postMessage(message.slot);
  }

  return {
    stats,
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
      const { slot, portion } = message;
      return {
        number: portion,
        claim: () => Atomics.exchange(claims, slot, 1) === 0,
        deliver: (visit) => deliver(message, visit),
      };
    },
    async close() {
      closed = true;
      port.close();
    },
  };
}
