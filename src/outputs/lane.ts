import type { Channel, Message } from './channel.ts';

export interface LaneOptions {
  /** Messages that may wait; 0 for no limit. */
  readonly capacity: number;
  /** Milliseconds after which a pending write is reported through `onBlocked`. */
  readonly timeoutMs: number;
  /** Longest time that a message is held back to be written together with others; 0 to write at once. */
  readonly lingerMs: number;
  onBlocked(channel: string): void;
  /** Messages were lost because the queue is full; told at most every {@link DROP_REPORT_MS}, with the total so far. */
  onDropped(channel: string, total: number): void;
  onError(channel: string, error: Error): void;
  /** These messages are done with, well or not. */
  onDone?(messages: readonly Message[]): void;
}

export interface LaneStats {
  readonly written: number;
  /** Lost because the queue was full. */
  readonly dropped: number;
  /** Lost because the channel refused them. */
  readonly failed: number;
  readonly waiting: number;
}

/** How often lost messages are told of, in milliseconds. */
const DROP_REPORT_MS = 10_000;
/** Most messages in one write. */
const BATCH = 512;
/** Most characters that wait in one queue, whatever its capacity: a channel that stays blocked must not take all memory. */
const MAX_WAITING = 64 << 20;

/** A channel with a queue of its own, so that it waits for nobody and nobody waits for it. */
export interface Lane {
  readonly channel: Channel;
  push(message: Message): void;
  stats(): LaneStats;
  /** Resolves once at most `waiting` messages are in the queue. */
  drainedTo(waiting: number): Promise<void>;
  reopen(): Promise<void>;
  /** Writes what waits, for at most `deadlineMs`, and closes the channel. */
  close(deadlineMs: number): Promise<void>;
}

export function createLane(channel: Channel, options: LaneOptions): Lane {
  let queue: Message[] = [];
  let characters = 0;
  /** Messages of the write that is pending. */
  let inFlight = 0;
  let pumping: Promise<void> | null = null;
  let written = 0;
  let dropped = 0;
  let failed = 0;
  let closing = false;
  let reported = Number.NEGATIVE_INFINITY;
  const waiters: { limit: number; resolve: () => void }[] = [];

  const waiting = (): number => queue.length + inFlight;

  function settleWaiters(): void {
    for (let i = waiters.length - 1; i >= 0; i--) {
      const waiter = waiters[i]!;
      if (waiting() <= waiter.limit) {
        waiters.splice(i, 1);
        waiter.resolve();
      }
    }
  }

  async function pump(): Promise<void> {
    if (options.lingerMs > 0 && !closing) await new Promise((done) => setTimeout(done, options.lingerMs));
    while (queue.length > 0) {
      const batch = queue.length <= BATCH ? queue : queue.slice(0, BATCH);
      queue = batch === queue ? [] : queue.slice(BATCH);
      inFlight = batch.length;
      const watchdog = setInterval(() => options.onBlocked(channel.name), options.timeoutMs).unref();
      try {
        await channel.write(batch);
        written += batch.length;
      } catch (error) {
        failed += batch.length;
        options.onError(channel.name, error as Error);
      } finally {
        clearInterval(watchdog);
        characters -= batch.reduce((sum, { line }) => sum + line.length, 0);
        inFlight = 0;
      }
      options.onDone?.(batch);
      settleWaiters();
    }
    pumping = null;
  }

  return {
    channel,
    push(message) {
      if ((options.capacity > 0 && waiting() >= options.capacity) || characters > MAX_WAITING) {
        dropped++;
        const now = performance.now();
        if (now - reported >= DROP_REPORT_MS) {
          reported = now;
          options.onDropped(channel.name, dropped);
        }
        options.onDone?.([message]);
        return;
      }
      characters += message.line.length;
      queue.push(message);
      pumping ??= pump();
    },
    stats: () => ({ written, dropped, failed, waiting: waiting() }),
    drainedTo(limit) {
      if (waiting() <= limit) return Promise.resolve();
      return new Promise((resolve) => waiters.push({ limit, resolve }));
    },
    async reopen() {
      await pumping;
      await channel.reopen?.();
    },
    async close(deadlineMs) {
      closing = true;
      const flush = (async () => {
        await pumping;
        await channel.close();
      })();
      const late = flush.then(() => false);
      const timer = new Promise<boolean>((done) => setTimeout(done, deadlineMs, true).unref());
      if (await Promise.race([late, timer])) {
        dropped += waiting();
        options.onDone?.(queue);
        queue = [];
      }
    },
  };
}
