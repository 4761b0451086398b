import { setTimeout as sleep } from 'node:timers/promises';
import type { Channel, Message } from './channel.ts';
import { type Consumer, type DurableLog, openLog } from './log/index.ts';

/** Between two tries of a message that was not taken: doubled from the first to the second, milliseconds. */
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 60_000;
/** How long a channel that is closed goes on delivering; the rest waits for the next start. */
const DRAIN_MS = 2000;
const MAX_BYTES = 256 * 1024 * 1024;
const CONSUMER = 'channel';

export interface DurableOptions {
  /** The folder of the log; two channels of one process (the one before a reload and the one after it) share it. */
  readonly path: string;
  /** How long to wait at least after a write that failed so, milliseconds; null: it will always fail, give the message up. */
  readonly delayAfter: (error: Error) => number | null;
  /** A message was given up. */
  onRefused(error: Error): void;
  /** The first of several failures in a row. */
  onWaiting(error: Error): void;
}

interface Shared {
  readonly log: DurableLog;
  users: number;
  channel: Channel;
  options: DurableOptions;
  stop(): Promise<void>;
}

/** Logs of this process that are open, by their path, and those that are being closed. */
const open = new Map<string, Promise<Shared>>();
const closing = new Map<string, Promise<void>>();

/**
 * A channel behind a durable log: a write is done once the messages are in the log; they are delivered in order, each as
 * often as it takes, also by a later run of the program.
 * @throws Error with code `LOG_IN_USE` when another process has the folder; or why it cannot be made
 */
export async function durableChannel(channel: Channel, options: DurableOptions): Promise<Channel> {
  const { path } = options;
  const before = open.get(path);
  const shared = before ?? (closing.get(path) ?? Promise.resolve()).then(() => start(channel, options));
  open.set(path, shared);
  let mine: Shared;
  try {
    mine = await shared;
  } catch (error) {
    open.delete(path);
    throw error;
  }
  if (before !== undefined) {
    // What waits is delivered under the newer settings.
    const { channel: replaced } = mine;
    mine.channel = channel;
    mine.options = options;
    mine.users++;
    await replaced.close();
  }
  return {
    name: channel.name,
    isDurable: true,
    async write(messages) {
      await Promise.all(messages.map(({ line, severity }) => mine.log.append(Buffer.from(line), severity)));
    },
    async close() {
      if (--mine.users > 0) return;
      open.delete(path);
      const stopping = mine.stop();
      closing.set(path, stopping);
      await stopping;
      if (closing.get(path) === stopping) closing.delete(path);
    },
  };
}

async function start(channel: Channel, options: DurableOptions): Promise<Shared> {
  const log = await openLog({ path: options.path, maxBytes: MAX_BYTES });
  const consumer = await log.consumer(CONSUMER);
  const stopped = new AbortController();
  let draining = false;

  /** Ends early, and well, when it is stopped. */
  const pause = (milliseconds: number): Promise<void> =>
    sleep(milliseconds, undefined, { signal: stopped.signal }).catch(() => {});

  /** @returns false when it was stopped before the message was taken or given up */
  async function deliver(message: Message): Promise<boolean> {
    for (let tries = 0; ; tries++) {
      try {
        await shared.channel.write([message]);
        return true;
      } catch (error) {
        const least = shared.options.delayAfter(error as Error);
        if (least === null) {
          shared.options.onRefused(error as Error);
          return true;
        }
        if (tries === 0) shared.options.onWaiting(error as Error);
        if (draining || stopped.signal.aborted) return false;
        await pause(Math.max(least, Math.random() * Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** tries)));
        if (stopped.signal.aborted) return false;
      }
    }
  }

  async function run(reader: Consumer): Promise<void> {
    while (!stopped.signal.aborted) {
      const entries = await reader.read(64);
      if (entries.length === 0) {
        if (draining) return;
        await reader.wait();
      }
      for (const { sequence, payload, priority } of entries) {
        if (stopped.signal.aborted) return;
        if (!(await deliver({ line: payload.toString('utf8'), severity: priority }))) return;
        await reader.ack(sequence);
      }
    }
  }

  const shared: Shared = {
    log,
    users: 1,
    channel,
    options,
    async stop() {
      draining = true;
      consumer.wake();
      const timer = setTimeout(() => stopped.abort(), DRAIN_MS);
      await Promise.race([running, new Promise((resolve) => stopped.signal.addEventListener('abort', resolve))]);
      clearTimeout(timer);
      stopped.abort();
      // Ends a request that hangs.
      await shared.channel.close();
      await running;
      await log.close();
    },
  };
  const running = run(consumer);
  return shared;
}
