import { diskFiles, type File, type Files, lockFolder, MemoryFiles } from './files.ts';
import {
  decode,
  type Entry,
  encode,
  isSegment,
  MAX_PAYLOAD,
  nextMark,
  RECORD_HEADER,
  SEGMENT_HEADER,
  segmentHeader,
} from './format.ts';

export interface LogOptions {
  /** The folder; made when absent. Ignored by `memory`. */
  readonly path: string;
  /** When an append is answered: `fsync` after fdatasync, `write` (default) after write, `memory`: nothing on disk. */
  readonly durability?: 'write' | 'fsync' | 'memory';
  /** Most bytes on disk; default 1 GiB. */
  readonly maxBytes?: number;
  /** Entries older than this many milliseconds are dropped (and counted); default: never. */
  readonly maxAge?: number;
  /**
   * When `maxBytes` is reached or the disk is full: `drop_oldest` (default) drops what waits longest, the least
   * severe priority first; `drop_newest` refuses new entries and counts them; `block` refuses them uncounted, for a
   * caller that will come again.
   */
  readonly whenFull?: 'drop_oldest' | 'drop_newest' | 'block';
  /** A segment is closed at this size; default 16 MiB, or an eighth of maxBytes when that is less. */
  readonly segmentBytes?: number;
  /** Bytes of the newest entries that stay in memory for readers that are up to date; default 1 MiB. */
  readonly tailBytes?: number;
  readonly files?: Files;
  readonly now?: () => number;
}

export type DropReason = 'full' | 'age' | 'corrupt' | 'output removed';

export interface Drop {
  readonly reason: DropReason;
  /** null when the damage hides it. */
  readonly priority: number | null;
  readonly count: number;
}

/** An append that could not be stored: nothing was kept of it. `cause` is the disk's error, if it was one. */
export class LogFullError extends Error {
  readonly code = 'LOG_FULL';
}

interface Pending {
  readonly payload: Buffer;
  readonly priority: number;
  readonly resolve: (sequence: number) => void;
  readonly reject: (error: Error) => void;
}

/** A segment of the log: a file, and what is known of its content. */
interface Segment {
  readonly base: number;
  readonly path: string;
  file: File;
  /** Bytes that are whole records; readers never look beyond. */
  size: number;
  /** The highest sequence number in it; base - 1 when empty. */
  last: number;
  /** Time of the newest entry. */
  newest: number;
  counts: number[];
  /** Grows when the content is rewritten, so that readers find their place anew. */
  generation: number;
}

/** An entry that was just appended, and where it ends in its segment. */
interface Recent {
  readonly entry: Entry;
  readonly segment: Segment;
  readonly generation: number;
  readonly end: number;
}

const PRIORITIES = 8;
/** Bytes appended by one write. */
const GROUP = 1024 * 1024;
const READ = 256 * 1024;
/** With durability `write`: the longest time that an entry is not on the disk itself. */
const SYNC_INTERVAL = 100;
const CURSOR_SLOT = 32;
const TAIL = 1024 * 1024;
/** A write at once that takes longer than this shows that the page cache does not just take it: milliseconds. */
const SLOW_WRITE = 2;
/** How long writes then go to another thread, milliseconds. */
const SLOW_PERIOD = 1000;

/** Opens the log, cutting a torn tail. @throws Error with code `LOG_IN_USE` when another process has it open. */
export async function openLog(options: LogOptions): Promise<DurableLog> {
  const memory = options.durability === 'memory';
  const files = options.files ?? (memory ? new MemoryFiles() : diskFiles);
  await files.makeFolder(options.path);
  const unlock = files === diskFiles ? await lockFolder(options.path) : async () => {};
  try {
    const log = new DurableLog(options, files, unlock);
    await log.recover();
    return log;
  } catch (error) {
    await unlock();
    throw error;
  }
}

/**
 * An append-only log on disk with one cursor for each consumer.
 *
 * Appends that arrive while a write is under way are written together by the next one. A segment is removed when
 * every consumer has passed it; when the bounds force it earlier, what is lost is counted by priority and reason.
 */
export class DurableLog {
  readonly #files: Files;
  readonly #path: string;
  readonly #unlock: () => Promise<void>;
  readonly #durability: 'write' | 'fsync' | 'memory';
  readonly #maxBytes: number;
  readonly #maxAge: number;
  readonly #whenFull: 'drop_oldest' | 'drop_newest' | 'block';
  readonly #segmentBytes: number;
  readonly #tailLimit: number;
  readonly #now: () => number;

  #segments: Segment[] = [];
  #consumers = new Map<string, Consumer>();
  #next = 1;
  #pending: Pending[] = [];
  #writing: Promise<void> | null = null;
  #failed: Error | null = null;
  #syncTimer: NodeJS.Timeout | null = null;
  #syncing = 0;
  #slowUntil = 0;
  /** The newest entries, without a gap. */
  #tail: Recent[] = [];
  #tailBytes = 0;
  /** Whatever removes or rewrites segments, one after the other. */
  #changing: Promise<void> = Promise.resolve();
  /** Damaged places already counted, `base:offset`. */
  #damage = new Set<string>();
  #drops = new Map<string, Drop>();
  #closed = false;

  constructor(options: LogOptions, files: Files, unlock: () => Promise<void>) {
    this.#files = files;
    this.#path = options.path;
    this.#unlock = unlock;
    this.#durability = options.durability ?? 'write';
    this.#maxBytes = options.maxBytes ?? 2 ** 30;
    this.#maxAge = options.maxAge ?? Number.POSITIVE_INFINITY;
    this.#whenFull = options.whenFull ?? 'drop_oldest';
    this.#segmentBytes = options.segmentBytes ?? Math.min(16 * 1024 * 1024, Math.ceil(this.#maxBytes / 8));
    this.#tailLimit = options.tailBytes ?? TAIL;
    this.#now = options.now ?? Date.now;
  }

  /** The sequence number that the next append gets. */
  get next(): number {
    return this.#next;
  }
  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.size, 0);
  }
  /** Everything lost so far, by reason and priority. */
  get drops(): readonly Drop[] {
    return [...this.#drops.values()];
  }

  /** Reads what is on disk. Called once, by openLog. */
  async recover(): Promise<void> {
    const names = (await this.#files.list(this.#path)).filter((name) => /^\d{16}\.seg$/.test(name)).sort();
    for (const name of names) {
      const segment = await this.#scan(Number(name.slice(0, 16)), `${this.#path}/${name}`, name === names.at(-1));
      if (segment === null) continue;
      this.#segments.push(segment);
      this.#next = Math.max(this.#next, segment.base, segment.last + 1);
    }
    for (const name of await this.#files.list(this.#path)) {
      if (name.endsWith('.tmp')) await this.#files.remove(`${this.#path}/${name}`);
      if (!name.endsWith('.cursor')) continue;
      const consumer = await this.#openCursor(decodeURIComponent(name.slice(0, -7)));
      // The log may have lost its tail (power, `memory`): numbers that a consumer has passed are never given again.
      this.#next = Math.max(this.#next, consumer.acknowledged + 1);
    }
  }

  /** Takes stock of a segment file; cuts the torn tail of the last one. null when it is no segment at all. */
  async #scan(base: number, path: string, isLast: boolean): Promise<Segment | null> {
    const file = await this.#files.open(path);
    const segment = newSegment(base, path, file);
    const size = await file.size();
    const head = Buffer.alloc(SEGMENT_HEADER);
    await file.read(head, 0);
    if (!isSegment(head, base)) {
      await file.close();
      if (size > SEGMENT_HEADER) this.#drop('corrupt', null, 1);
      await this.#files.remove(path);
      return null;
    }
    await eachRecord(file, SEGMENT_HEADER, size, (entry, offset) => {
      if (offset !== segment.size) this.#damaged(segment, segment.size, entry.sequence - segment.last - 1);
      segment.size = offset + RECORD_HEADER + entry.payload.length;
      count(segment, entry);
    });
    if (size > segment.size) {
      // A write that was cut short leaves a record without its end; a whole one that is wrong was damaged later.
      const tail = Buffer.alloc(Math.min(size - segment.size, RECORD_HEADER + MAX_PAYLOAD));
      await file.read(tail, segment.size);
      if (!isLast || decode(tail, 0) === null) this.#damaged(segment, segment.size, 1);
      if (isLast) await file.truncate(segment.size);
    }
    return segment;
  }

  #damaged(segment: Segment, offset: number, number: number): void {
    const place = `${segment.base}:${offset}`;
    if (this.#damage.has(place)) return;
    this.#damage.add(place);
    this.#drop('corrupt', null, Math.max(1, number));
  }

  /**
   * Stores a payload; resolves to its sequence number when it is as durable as configured.
   * @param priority 0 (emergency) to 7 (debug).
   * @throws LogFullError when there is no room and the configuration forbids making some.
   */
  append(payload: Buffer, priority: number): Promise<number> {
    if (this.#closed) return Promise.reject(new Error('the log is closed'));
    return new Promise((resolve, reject) => {
      this.#pending.push({ payload, priority, resolve, reject });
      this.#writing ??= this.#write();
    });
  }

  async #write(): Promise<void> {
    // What arrives in the same turn of the event loop goes to the disk together.
    await new Promise(setImmediate);
    while (this.#pending.length > 0) {
      let size = 0;
      let taken = 0;
      while (taken < this.#pending.length && (taken === 0 || size < GROUP)) {
        size += RECORD_HEADER + this.#pending[taken++].payload.length;
      }
      const group = this.#pending.splice(0, taken);
      try {
        const first = await this.#store(group, size);
        group.forEach((pending, i) => {
          pending.resolve(first + i);
        });
        for (const consumer of this.#consumers.values()) consumer.wake();
      } catch (error) {
        if (this.#whenFull === 'drop_newest' && error instanceof LogFullError) {
          for (const pending of group) this.#drop('full', pending.priority, 1);
        }
        for (const pending of group) pending.reject(error as Error);
      }
    }
    // Here and not in a `finally`: an append in between would wait for nobody.
    this.#writing = null;
  }

  /** Appends a group to the active segment. @returns the sequence number of its first entry. */
  async #store(group: readonly Pending[], size: number): Promise<number> {
    if ((this.#segments[0]?.newest ?? Number.POSITIVE_INFINITY) < this.#now() - this.#maxAge) {
      await this.#exclusive(() => this.#dropOld());
    }
    if (this.bytes + size + SEGMENT_HEADER > this.#maxBytes) await this.#exclusive(() => this.#makeRoom(size));
    for (let attempt = 0; ; attempt++) {
      try {
        const segment = await this.#active(size);
        const time = this.#now();
        const entries = group.map(({ payload, priority }, i) => ({
          sequence: this.#next + i,
          time,
          priority,
          payload,
        }));
        const bytes = encode(entries);
        try {
          await this.#put(segment, bytes);
          if (this.#durability === 'fsync') await segment.file.sync();
        } catch (error) {
          await segment.file.truncate(segment.size).catch(() => {});
          throw error;
        }
        for (const entry of entries) {
          count(segment, entry);
          segment.size += RECORD_HEADER + entry.payload.length;
          this.#remember({ entry, segment, generation: segment.generation, end: segment.size });
        }
        this.#failed = null;
        const first = this.#next;
        this.#next += entries.length;
        if (this.#durability === 'write') this.#syncSoon(segment);
        return first;
      } catch (error) {
        this.#failed = error as Error;
        const isFull = ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');
        if (
          isFull &&
          this.#whenFull === 'drop_oldest' &&
          attempt < 4 &&
          (await this.#exclusive(() => this.#shed(size)))
        )
          continue;
        if (isFull) throw new LogFullError('the disk is full', { cause: error });
        throw error;
      }
    }
  }

  /** Writes at once as long as that takes no time: a disk that makes us wait is waited for by another thread. */
  async #put(segment: Segment, bytes: Buffer): Promise<void> {
    const before = performance.now();
    if (this.#durability === 'fsync' || this.#syncing > 0 || before < this.#slowUntil)
      return segment.file.write(bytes, segment.size);
    segment.file.writeNow(bytes, segment.size);
    const after = performance.now();
    if (after - before > SLOW_WRITE) this.#slowUntil = after + SLOW_PERIOD;
  }

  #remember(recent: Recent): void {
    this.#tail.push(recent);
    this.#tailBytes += recent.entry.payload.length;
    if (this.#tailBytes <= this.#tailLimit) return;
    // Half of it at once, so that the rest is rarely moved.
    let gone = 0;
    while (gone < this.#tail.length && this.#tailBytes > this.#tailLimit / 2)
      this.#tailBytes -= this.#tail[gone++].entry.payload.length;
    this.#tail.splice(0, gone);
  }

  #forgetTail(): void {
    this.#tail = [];
    this.#tailBytes = 0;
  }

  /** The error of the last write, null when it went well. */
  get failure(): Error | null {
    return this.#failed;
  }

  /** The segment to write to: the last one, or a new one when that is large enough. */
  async #active(size: number): Promise<Segment> {
    const last = this.#segments.at(-1);
    if (last !== undefined && (last.size === SEGMENT_HEADER || last.size + size <= this.#segmentBytes)) return last;
    if (last !== undefined && this.#durability !== 'memory') await last.file.sync();
    const path = `${this.#path}/${String(this.#next).padStart(16, '0')}.seg`;
    const file = await this.#files.open(path);
    try {
      await file.write(segmentHeader(this.#next), 0);
      if (this.#durability === 'fsync') await this.#files.syncFolder(this.#path);
    } catch (error) {
      await file.close();
      await this.#files.remove(path);
      throw error;
    }
    const segment = newSegment(this.#next, path, file);
    this.#segments.push(segment);
    return segment;
  }

  #syncSoon(segment: Segment): void {
    this.#syncTimer ??= setTimeout(() => {
      this.#syncTimer = null;
      this.#syncing++;
      segment.file
        .sync()
        .catch((error: Error) => {
          if (!this.#closed) this.#failed = error;
        })
        .finally(() => this.#syncing--);
    }, SYNC_INTERVAL);
    this.#syncTimer.unref();
  }

  /** Sequence number up to which every consumer has acknowledged. */
  #passed(): number {
    let least = this.#next - 1;
    for (const consumer of this.#consumers.values()) least = Math.min(least, consumer.acknowledged);
    return this.#consumers.size === 0 ? 0 : least;
  }

  #exclusive<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#changing.then(change);
    this.#changing = done.then(
      () => {},
      () => {},
    );
    return done;
  }

  /** Removes segments that everybody has passed. */
  async #collect(): Promise<void> {
    const passed = this.#passed();
    while (this.#segments.length > 1 && this.#segments[1].base <= passed + 1) await this.#remove(this.#segments[0]);
  }

  async #remove(segment: Segment): Promise<void> {
    this.#segments = this.#segments.filter((other) => other !== segment);
    await this.#files.remove(segment.path);
    await segment.file.close();
  }

  async #dropOld(): Promise<void> {
    const limit = this.#now() - this.#maxAge;
    while (this.#segments.length > 1 && this.#segments[0].newest < limit) await this.#discard(this.#segments[0], 'age');
    const last = this.#segments[0];
    if (last !== undefined && last.size > SEGMENT_HEADER && last.newest < limit) await this.#discard(last, 'age');
  }

  /** Removes a segment and counts what nobody will read any more. */
  async #discard(segment: Segment, reason: DropReason): Promise<void> {
    this.#forgetTail();
    const passed = this.#passed();
    await eachRecord(segment.file, SEGMENT_HEADER, segment.size, (entry) => {
      if (entry.sequence > passed) this.#drop(reason, entry.priority, 1);
    });
    await this.#remove(segment);
  }

  /** Brings the log below its bound so that `size` more bytes fit. @throws LogFullError when it may not or cannot. */
  async #makeRoom(size: number): Promise<void> {
    await this.#collect();
    const fits = () => this.bytes + size + SEGMENT_HEADER <= this.#maxBytes;
    if (fits()) return;
    // A last segment that everybody has passed holds nothing.
    const last = this.#segments.at(-1);
    if (last !== undefined && last.last <= this.#passed()) await this.#remove(last);
    if (fits()) return;
    if (this.#whenFull !== 'drop_oldest')
      throw new LogFullError(`the log has reached its limit of ${this.#maxBytes} bytes`);
    // Make room for a whole segment at once, so that rewriting is rare.
    const goal = this.#maxBytes - Math.max(size + SEGMENT_HEADER, Math.min(this.#segmentBytes, this.#maxBytes / 4));
    for (let priority = PRIORITIES - 1; priority >= 0; priority--) {
      for (const segment of [...this.#segments]) {
        if (this.bytes <= goal) return;
        if (segment.counts[priority] > 0) await this.#withdraw(segment, priority);
      }
    }
    if (!fits()) throw new LogFullError(`an entry of ${size} bytes does not fit into ${this.#maxBytes}`);
  }

  /** Takes entries of one priority out of a segment, from the oldest on. */
  async #withdraw(segment: Segment, priority: number): Promise<void> {
    const others = segment.counts.some((number, i) => i !== priority && number > 0);
    if (!others) return this.#discard(segment, 'full');
    this.#forgetTail();
    const kept: Entry[] = [];
    const passed = this.#passed();
    await eachRecord(segment.file, SEGMENT_HEADER, segment.size, (entry) => {
      if (entry.sequence <= passed) return;
      if (entry.priority === priority) this.#drop('full', priority, 1);
      else kept.push({ ...entry, payload: Buffer.from(entry.payload) });
    });
    const bytes = Buffer.concat([segmentHeader(segment.base), encode(kept)]);
    const file = await this.#files.open(`${segment.path}.tmp`);
    await file.write(bytes, 0);
    if (this.#durability !== 'memory') await file.sync();
    await this.#files.rename(`${segment.path}.tmp`, segment.path);
    if (this.#durability === 'fsync') await this.#files.syncFolder(this.#path);
    const old = segment.file;
    segment.file = file;
    segment.generation++;
    segment.size = bytes.length;
    segment.counts = new Array(PRIORITIES).fill(0);
    for (const entry of kept) count(segment, entry);
    await old.close();
  }

  /** The disk is full: gives a segment back, the one whose most severe entry matters least. False when none is left. */
  async #shed(size: number): Promise<boolean> {
    await this.#collect();
    const last = this.#segments.at(-1);
    if (last !== undefined && last.last <= this.#passed() && last.size > SEGMENT_HEADER + size) {
      await this.#remove(last);
      return true;
    }
    const severity = (segment: Segment) => segment.counts.findIndex((number) => number > 0);
    const victims = this.#segments.filter((segment) => segment.size > SEGMENT_HEADER);
    if (victims.length === 0) return false;
    const victim = victims.reduce((worst, segment) => (severity(segment) > severity(worst) ? segment : worst));
    await this.#discard(victim, 'full');
    return true;
  }

  #drop(reason: DropReason, priority: number | null, number: number): void {
    const key = `${reason} ${priority}`;
    this.#drops.set(key, { reason, priority, count: (this.#drops.get(key)?.count ?? 0) + number });
  }

  /** A reader with its own place. A new one begins at the end of the log; a known one where it stopped. */
  async consumer(name: string): Promise<Consumer> {
    return this.#consumers.get(name) ?? (await this.#openCursor(name));
  }

  /** The names of all consumers, those of earlier runs included. */
  get consumers(): readonly string[] {
    return [...this.#consumers.keys()];
  }

  /** How many entries a consumer has not acknowledged; 0 for an unknown one. */
  backlog(name: string): number {
    return this.#consumers.get(name)?.backlog ?? 0;
  }

  /** Forgets a consumer; what it had not read is counted as dropped. */
  async forget(name: string): Promise<void> {
    const consumer = this.#consumers.get(name);
    if (consumer === undefined) return;
    if (consumer.backlog > 0) this.#drop('output removed', null, consumer.backlog);
    this.#consumers.delete(name);
    await consumer.close();
    await this.#files.remove(this.#cursorPath(name));
    await this.#exclusive(() => this.#collect());
  }

  #cursorPath(name: string): string {
    return `${this.#path}/${encodeURIComponent(name)}.cursor`;
  }

  async #openCursor(name: string): Promise<Consumer> {
    const cursor = await openCursor(await this.#files.open(this.#cursorPath(name)), this.#next - 1);
    const consumer = new Consumer(name, cursor, {
      next: () => this.#next,
      segments: () => this.#segments,
      tail: () => this.#tail,
      collect: () => this.#exclusive(() => this.#collect()),
      damaged: (segment, offset, number) => this.#damaged(segment, offset, number),
    });
    this.#consumers.set(name, consumer);
    return consumer;
  }

  /** Waits for appends under way, brings everything to the disk and gives the folder back. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#writing;
    await this.#changing;
    if (this.#syncTimer !== null) clearTimeout(this.#syncTimer);
    for (const consumer of this.#consumers.values()) await consumer.close();
    for (const segment of this.#segments) {
      if (this.#durability !== 'memory') await segment.file.sync();
      await segment.file.close();
    }
    await this.#unlock();
  }
}

function newSegment(base: number, path: string, file: File): Segment {
  const zeros = () => new Array<number>(PRIORITIES).fill(0);
  return {
    base,
    path,
    file,
    size: SEGMENT_HEADER,
    last: base - 1,
    newest: Number.NEGATIVE_INFINITY,
    counts: zeros(),
    generation: 0,
  };
}

function count(segment: Segment, entry: Entry): void {
  segment.last = Math.max(segment.last, entry.sequence);
  segment.newest = Math.max(segment.newest, entry.time);
  segment.counts[entry.priority]++;
}

/** Calls back for each whole record in [from, to), stepping over damage. Payloads are views that do not outlive the call. */
async function eachRecord(
  file: File,
  from: number,
  to: number,
  visit: (entry: Entry, offset: number) => void,
): Promise<void> {
  let buffer = Buffer.alloc(Math.min(1024 * 1024, Math.max(0, to - from)));
  let start = from;
  while (start < to) {
    const got = await file.read(buffer.subarray(0, Math.min(buffer.length, to - start)), start);
    if (got === 0) return;
    const bytes = buffer.subarray(0, got);
    let at = 0;
    while (at < got) {
      const entry = decode(bytes, at);
      if (entry === null) {
        const next = nextMark(bytes, at);
        // The last byte may be the first half of a mark.
        at = next === -1 ? Math.max(at + 1, got - (start + got < to ? 1 : 0)) : next;
      } else if ('more' in entry) {
        if (start + at + entry.more > to) {
          // A length that leads beyond the end is damage, or a torn tail: look for a whole record after it.
          const next = nextMark(bytes, at);
          if (next === -1) {
            at = Math.max(at + 1, got - (start + got < to ? 1 : 0));
            continue;
          }
          at = next;
          continue;
        }
        if (at === 0) buffer = Buffer.alloc(Math.max(buffer.length * 2, entry.more));
        break;
      } else {
        visit(entry, start + at);
        at += RECORD_HEADER + entry.payload.length;
      }
    }
    start += at;
  }
}

/** A consumer's place on disk: two slots written in turn, so that one is whole whatever happens. */
interface Cursor {
  readonly file: File;
  value: number;
  turn: number;
}

async function openCursor(file: File, initial: number): Promise<Cursor> {
  const bytes = Buffer.alloc(CURSOR_SLOT * 2);
  await file.read(bytes, 0);
  const slots = [0, CURSOR_SLOT].flatMap((at) => {
    const entry = decode(bytes.subarray(at, at + CURSOR_SLOT), 0);
    return entry === null || 'more' in entry ? [] : [entry];
  });
  if (slots.length === 0) {
    const cursor = { file, value: initial, turn: 0 };
    // Both slots exist from the start: a full disk cannot stop a cursor from moving.
    writeCursor(cursor);
    writeCursor(cursor);
    return cursor;
  }
  const newest = slots.reduce((a, b) => (b.time > a.time ? b : a));
  return { file, value: newest.sequence, turn: newest.time + 1 };
}

function writeCursor(cursor: Cursor): void {
  const turn = cursor.turn++;
  // The slot is an empty-ish record: the same checksum guards it. `time` is the turn.
  const bytes = Buffer.alloc(CURSOR_SLOT);
  encode([{ sequence: cursor.value, time: turn, priority: 0, payload: Buffer.alloc(4) }]).copy(bytes);
  cursor.file.writeNow(bytes, (turn % 2) * CURSOR_SLOT);
}

interface Shared {
  next(): number;
  segments(): readonly Segment[];
  tail(): readonly Recent[];
  collect(): Promise<void>;
  damaged(segment: Segment, offset: number, number: number): void;
}

/** A place in the log: reads ahead freely, and remembers on disk only what was acknowledged. */
export class Consumer {
  readonly name: string;
  readonly #cursor: Cursor;
  readonly #log: Shared;
  /** The sequence number to read next. */
  #position: number;
  #segment: Segment | null = null;
  #generation = 0;
  #offset = SEGMENT_HEADER;
  #wake: (() => void) | null = null;
  #saving: Promise<void> = Promise.resolve();
  #dirty = false;
  #closed = false;

  constructor(name: string, cursor: Cursor, log: Shared) {
    this.name = name;
    this.#cursor = cursor;
    this.#log = log;
    this.#position = cursor.value + 1;
  }

  /** Everything up to this sequence number is done with. */
  get acknowledged(): number {
    return this.#cursor.value;
  }
  /** Entries appended but not acknowledged (dropped ones in between included). */
  get backlog(): number {
    return Math.max(0, this.#log.next() - 1 - this.#cursor.value);
  }

  /** The next entries in order, at most `limit` of them and about 256 KiB; none when all is read. */
  async read(limit: number): Promise<Entry[]> {
    const entries = this.#readTail(limit);
    while (entries.length === 0 && this.#position < this.#log.next()) {
      const segments = this.#log.segments();
      const index = segments.findLastIndex((segment) => segment.base <= this.#position);
      const segment = segments[Math.max(0, index)];
      if (segment === undefined) {
        this.#position = this.#log.next();
        break;
      }
      if (segment !== this.#segment || segment.generation !== this.#generation) {
        this.#segment = segment;
        this.#generation = segment.generation;
        this.#offset = SEGMENT_HEADER;
      }
      // What is appended while the read is under way belongs to the next round.
      const { generation, size: upTo } = segment;
      const end = segments[Math.max(0, index) + 1]?.base ?? this.#log.next();
      const found = await this.#readFrom(segment, upTo, limit, entries).catch((error: NodeJS.ErrnoException) => {
        // The segment was removed or rewritten under the read: look again.
        if (this.#log.segments().includes(segment) && segment.generation === generation) throw error;
        return true;
      });
      if (found) continue;
      this.#position = Math.max(this.#position, end);
    }
    return entries;
  }

  /** What is still in memory, for a reader that is up to date. */
  #readTail(limit: number): Entry[] {
    const tail = this.#log.tail();
    const first = tail[0]?.entry.sequence;
    if (first === undefined || this.#position < first || this.#position >= this.#log.next()) return [];
    const found = tail.slice(this.#position - first, this.#position - first + limit);
    const last = found.at(-1);
    if (last === undefined) return [];
    this.#position = last.entry.sequence + 1;
    this.#segment = last.segment;
    this.#generation = last.generation;
    this.#offset = last.end;
    return found.map(({ entry }) => entry);
  }

  /** Collects entries from the current offset. @returns false when the segment has no further entry. */
  async #readFrom(segment: Segment, upTo: number, limit: number, entries: Entry[]): Promise<boolean> {
    if (this.#offset >= upTo) return false;
    let length = Math.min(READ, upTo - this.#offset);
    let damage = -1;
    let grown = false;
    for (;;) {
      const bytes = Buffer.allocUnsafe(length);
      const got = await segment.file.read(bytes, this.#offset);
      const view = bytes.subarray(0, got);
      let at = 0;
      while (at < got && entries.length < limit) {
        const entry = decode(view, at);
        if (entry === null || ('more' in entry && this.#offset + at + entry.more > upTo)) {
          damage = damage === -1 ? this.#offset + at : damage;
          const next = nextMark(view, at);
          at = next === -1 ? Math.max(at + 1, got - (this.#offset + got < upTo ? 1 : 0)) : next;
        } else if ('more' in entry) {
          if (at === 0) length = entry.more;
          break;
        } else {
          at += RECORD_HEADER + entry.payload.length;
          if (damage !== -1) this.#log.damaged(segment, damage, entry.sequence - this.#position);
          damage = -1;
          if (entry.sequence >= this.#position) {
            entries.push(entry);
            this.#position = entry.sequence + 1;
          }
        }
      }
      if (at === 0 && length > got && !grown) {
        grown = true;
        continue;
      }
      // A file that is shorter than its records were: what is missing is lost.
      this.#offset = at === 0 ? upTo : this.#offset + at;
      if (damage !== -1 && this.#offset >= upTo) this.#log.damaged(segment, damage, 1);
      return entries.length > 0 || this.#offset < upTo;
    }
  }

  /** Resolves at once when something is unread, else with the next append; also when the consumer is closed. */
  wait(): Promise<void> {
    if (this.#closed || this.#position < this.#log.next()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Ends a wait. */
  wake(): void {
    this.#wake?.();
    this.#wake = null;
  }

  /** Marks everything up to `sequence` as done; resolves when the cursor is written. */
  ack(sequence: number): Promise<void> {
    if (sequence <= this.#cursor.value) return this.#saving;
    this.#cursor.value = sequence;
    if (!this.#dirty) {
      this.#dirty = true;
      this.#saving = this.#saving.then(async () => {
        this.#dirty = false;
        writeCursor(this.#cursor);
        const segments = this.#log.segments();
        if (segments.length > 1 && segments[1].base <= this.#cursor.value + 1) await this.#log.collect();
      });
    }
    return this.#saving;
  }

  /** Reads again from the first entry that is not acknowledged. */
  rewind(): void {
    this.#position = this.#cursor.value + 1;
    this.#segment = null;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.wake();
    await this.#saving.catch(() => {});
    await this.#cursor.file.close();
  }
}
