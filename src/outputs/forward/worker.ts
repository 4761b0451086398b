import { setTimeout as sleep } from 'node:timers/promises';
import type { Consumer, Entry } from '../log/index.ts';
import type { Alert } from './alert.ts';
import type { Batch, Sink } from './destination.ts';
import { DeliveryError } from './error.ts';
import type { Restraint } from './restraint.ts';

/** Waiting before another try: full jitter between nothing and a bound that doubles up to a minute. */
const FIRST_DELAY = 500;
const MAX_DELAY = 60_000;
/** A destination that answers neither yes nor no within so many of its time-outs is opened anew. */
const PATIENCE = 3;

/** An alert to deliver, and what to do when it is done with. */
export interface Item {
  readonly alert: Alert;
  /** What it was read from; null for summaries and dead letters. */
  readonly entry: Entry | null;
  readonly settled?: (error: Error | null) => void;
}

export interface WorkerOptions {
  readonly id: string;
  readonly consumer: Consumer;
  /** The alert of an entry, enriched; null when this output does not want it. */
  readonly decode: (entry: Entry) => Alert | null;
  readonly restraint: Restraint | null;
  readonly batch: Batch;
  readonly concurrency: number;
  readonly timeout: number;
  readonly open: () => Promise<Sink>;
  readonly now: () => number;
  readonly on: {
    delivered(item: Item): void;
    heldBack(alert: Alert): void;
    /** A failed try; `final`: the alerts are given up. */
    failed(count: number, error: Error, final: boolean): void;
    /** An alert that the destination refused for good. */
    refused(item: Item, error: Error): Promise<void>;
  };
}

export interface WorkerStatus {
  readonly circuit: 'closed' | 'open' | 'half-open';
  readonly lastError: string | null;
  /** Milliseconds since the epoch. */
  readonly failingSince: number | null;
  readonly nextTry: number | null;
}

export interface Worker {
  readonly status: WorkerStatus;
  /** Delivers these besides what comes from the log. */
  inject(items: readonly Item[]): void;
  /** Ends when everything that was appended has been delivered, or at `deadline` (milliseconds since the epoch). */
  stop(deadline: number): Promise<void>;
  check(): Promise<boolean>;
}

class Stopped extends Error {}

/**
 * One output: reads its place in the log, delivers, and moves on when the destination has confirmed. Alone with one
 * destination it never delays another one.
 */
export function startWorker(options: WorkerOptions): Worker {
  const { consumer, batch, on, now } = options;
  const ahead: Entry[] = [];
  const injected: Item[] = [];
  /** Deliveries in the order of the log; the cursor follows their finished front. */
  const units: { upTo: number; done: boolean }[] = [];
  let inFlight = 0;
  let slotFree: (() => void) | null = null;
  let sink: Sink | null = null;
  let opening: Promise<Sink> | null = null;
  let draining = false;
  const aborted = new AbortController();
  let circuit: WorkerStatus['circuit'] = 'closed';
  let lastError: string | null = null;
  let failingSince: number | null = null;
  let failures = 0;
  let nextTry: number | null = null;
  /** Entries that this output does not want, since the last unit. */
  let passed = 0;

  /** Ends early, and well, when it is stopped. */
  const pause = (milliseconds: number): Promise<void> =>
    sleep(milliseconds, undefined, { signal: aborted.signal }).catch(() => {});

  function advance(): void {
    let upTo = 0;
    while (units[0]?.done) upTo = (units.shift() as { upTo: number }).upTo;
    if (units.length === 0) upTo = Math.max(upTo, passed);
    if (upTo > 0) consumer.ack(upTo).catch((error: Error) => on.failed(0, error, false));
  }

  /** The next deliveries: at least one item, unless stopping. */
  async function fill(): Promise<{ items: Item[]; upTo: number }> {
    const items: Item[] = [];
    let bytes = 0;
    let until = Number.POSITIVE_INFINITY;
    const put = (item: Item, size: number) => {
      if (items.length === 0) until = now() + batch.linger;
      items.push(item);
      bytes += size;
    };
    for (;;) {
      for (const alert of options.restraint?.due(draining && ahead.length === 0 && consumer.backlog === 0) ?? [])
        put({ alert, entry: null }, 0);
      while (injected.length > 0 && items.length < batch.count) put(injected.shift() as Item, 0);
      while (
        ahead.length > 0 &&
        items.length < batch.count &&
        (items.length === 0 || bytes + ahead[0].payload.length <= batch.bytes)
      ) {
        const entry = ahead.shift() as Entry;
        passed = entry.sequence;
        const alert = options.decode(entry);
        if (alert === null) continue;
        if (options.restraint?.admits(alert) === false) {
          on.heldBack(alert);
          continue;
        }
        put({ alert, entry }, entry.payload.length);
      }
      const isFull = items.length >= batch.count || ahead.length > 0;
      if (isFull || aborted.signal.aborted) break;
      // What this output did not want is done with.
      if (items.length === 0) advance();
      ahead.push(...(await consumer.read(Math.min(512, Math.max(64, batch.count)))));
      if (ahead.length > 0) continue;
      if (items.length > 0 && (now() >= until || draining)) break;
      if (draining && options.restraint?.next() == null && injected.length === 0) break;
      const wake = Math.min(until, options.restraint?.next() ?? Number.POSITIVE_INFINITY);
      await Promise.race([
        consumer.wait(),
        injecting(),
        ...(wake === Number.POSITIVE_INFINITY ? [] : [pause(Math.max(1, wake - now()))]),
      ]);
    }
    return { items, upTo: passed };
  }

  let injection: (() => void) | null = null;
  function injecting(): Promise<void> {
    if (injected.length > 0 || draining) return Promise.resolve();
    return new Promise((resolve) => {
      injection = resolve;
    });
  }

  async function ready(): Promise<Sink> {
    if (sink !== null) return sink;
    opening ??= options.open().then(
      (made) => {
        sink = made;
        opening = null;
        return made;
      },
      (error: Error) => {
        opening = null;
        throw error;
      },
    );
    return opening;
  }

  /** One try, bounded in time even when the destination never answers. */
  async function attempt(alerts: readonly Alert[]) {
    const current = await ready();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        if (sink === current) sink = null;
        void Promise.resolve(current.close?.()).catch(() => {});
        reject(new DeliveryError(`no answer within ${options.timeout * PATIENCE} ms`, { retry: true }));
      }, options.timeout * PATIENCE);
    });
    let stop = () => {};
    const stopped = new Promise<never>((_resolve, reject) => {
      stop = () => reject(new Stopped());
      aborted.signal.addEventListener('abort', stop);
    });
    try {
      return await Promise.race([current.send(alerts), late, stopped]);
    } finally {
      clearTimeout(timer);
      aborted.signal.removeEventListener('abort', stop);
    }
  }

  /** Waits while the circuit is open; then lets one delivery at a time try. */
  async function gate(): Promise<void> {
    while (nextTry !== null && !aborted.signal.aborted) {
      const wait = nextTry - now();
      if (wait <= 0 && circuit === 'open') {
        circuit = 'half-open';
        return;
      }
      await pause(Math.max(wait, 10));
    }
    if (aborted.signal.aborted) throw new Stopped();
  }

  function succeeded(): void {
    circuit = 'closed';
    failures = 0;
    failingSince = null;
    nextTry = null;
  }

  function failed(count: number, error: Error): void {
    const asked = error instanceof DeliveryError ? error.retryAfter : null;
    const bound = Math.min(MAX_DELAY, FIRST_DELAY * 2 ** failures++);
    const delay = asked === null ? Math.random() * bound : Math.max(asked, Math.random() * FIRST_DELAY);
    circuit = 'open';
    lastError = error.message;
    failingSince ??= now();
    nextTry = now() + delay;
    on.failed(count, error, false);
  }

  async function giveUp(item: Item, error: Error): Promise<void> {
    lastError = error.message;
    on.failed(1, error, true);
    if (item.settled !== undefined) {
      item.settled(error);
      return;
    }
    while (!aborted.signal.aborted) {
      try {
        await on.refused(item, error);
        return;
      } catch (problem) {
        // Where the dead letters go is full: the alert stays in the log until there is room.
        on.failed(0, problem as Error, false);
        await pause(1000);
      }
    }
    throw new Stopped();
  }

  function delivered(item: Item): void {
    on.delivered(item);
    item.settled?.(null);
  }

  async function deliver(all: readonly Item[]): Promise<void> {
    let items = all;
    while (items.length > 0) {
      await gate();
      try {
        const refused = (await attempt(items.map(({ alert }) => alert))) ?? [];
        const again = new Set(refused.filter(({ error }) => error.retry !== false).map(({ index }) => index));
        for (const { index, error } of refused) if (!again.has(index)) await giveUp(items[index], error);
        const out = new Set(refused.map(({ index }) => index));
        items.forEach((item, index) => {
          if (!out.has(index)) delivered(item);
        });
        if (again.size > 0) failed(again.size, refused.find(({ index }) => again.has(index))?.error as Error);
        else succeeded();
        items = items.filter((_item, index) => again.has(index));
      } catch (error) {
        if (error instanceof Stopped) throw error;
        const problem = error as Error & { retry?: boolean };
        if (problem.retry !== false && !(problem instanceof TypeError || problem instanceof RangeError)) {
          failed(items.length, problem);
          continue;
        }
        // The destination is there and says no: another delivery need not wait.
        if (circuit === 'half-open') succeeded();
        if (items.length === 1) {
          await giveUp(items[0], problem);
          return;
        }
        // One of them spoils the others: halve until it stands alone.
        const half = items.length >> 1;
        await deliver(items.slice(0, half));
        items = items.slice(half);
      }
    }
  }

  async function run(): Promise<void> {
    while (!aborted.signal.aborted) {
      while (inFlight >= options.concurrency) {
        await new Promise<void>((resolve) => {
          slotFree = resolve;
        });
      }
      const { items, upTo } = await fill();
      if (items.length === 0) {
        if (draining || aborted.signal.aborted) break;
        continue;
      }
      const unit = { upTo, done: false };
      units.push(unit);
      inFlight++;
      void deliver(items)
        .then(() => {
          unit.done = true;
          advance();
        })
        .catch((error: Error) => {
          // Stopped: the unit stays open, so that its alerts come again at the next start.
          if (!(error instanceof Stopped)) throw error;
        })
        .finally(() => {
          inFlight--;
          slotFree?.();
          slotFree = null;
        });
    }
    while (inFlight > 0 && !aborted.signal.aborted) {
      await new Promise<void>((resolve) => {
        slotFree = resolve;
        aborted.signal.addEventListener('abort', () => resolve());
      });
    }
    if (units.length === 0) advance();
  }

  const running = run();

  return {
    get status() {
      return { circuit, lastError, failingSince, nextTry };
    },
    inject(items) {
      injected.push(...items);
      injection?.();
      injection = null;
    },
    async stop(deadline) {
      draining = true;
      consumer.wake();
      injection?.();
      const timer = setTimeout(() => aborted.abort(), Math.max(0, deadline - now()));
      aborted.signal.addEventListener('abort', () => {
        slotFree?.();
        consumer.wake();
        injection?.();
      });
      await running;
      clearTimeout(timer);
      aborted.abort();
      await Promise.resolve(sink?.close?.()).catch(() => {});
    },
    async check() {
      const current = await ready();
      if (current.check === undefined) return false;
      await current.check();
      return true;
    },
  };
}
