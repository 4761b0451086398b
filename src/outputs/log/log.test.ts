import { mkdtemp, open, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { type DurableLog, type Entry, type File, type Files, type LogOptions, MemoryFiles, openLog } from './index.ts';

/** A disk that dies at a given byte (what came before is kept, as after kill -9), or is full at a given size. */
class FailingFiles implements Files {
  readonly disk: MemoryFiles;
  /** Bytes that can still be written before the machine stops. */
  budget = Number.POSITIVE_INFINITY;
  capacity = Number.POSITIVE_INFINITY;
  dead = false;

  constructor(disk: MemoryFiles) {
    this.disk = disk;
  }
  #alive(): void {
    if (this.dead) throw Object.assign(new Error('gone'), { code: 'EIO' });
  }
  used(): number {
    return [...this.disk.contents.values()].reduce((sum, { size }) => sum + size, 0);
  }
  async makeFolder(): Promise<void> {}
  async list(path: string): Promise<string[]> {
    return this.disk.list(path);
  }
  async rename(from: string, to: string): Promise<void> {
    this.#alive();
    return this.disk.rename(from, to);
  }
  async syncFolder(): Promise<void> {
    this.#alive();
  }
  async remove(path: string): Promise<void> {
    this.#alive();
    return this.disk.remove(path);
  }
  async open(path: string): Promise<File> {
    this.#alive();
    const file = await this.disk.open(path);
    const content = this.disk.contents.get(path) as { size: number };
    const writeNow = (bytes: Buffer, position: number) => {
      this.#alive();
      if (bytes.length > this.budget) {
        file.writeNow(bytes.subarray(0, this.budget), position);
        this.dead = true;
        throw Object.assign(new Error('gone'), { code: 'EIO' });
      }
      this.budget -= bytes.length;
      const growth = Math.max(0, position + bytes.length - content.size);
      const room = this.capacity - this.used();
      if (growth > room) {
        file.writeNow(bytes.subarray(0, Math.max(0, bytes.length - (growth - room))), position);
        throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      }
      file.writeNow(bytes, position);
    };
    return {
      ...file,
      write: async (bytes, position) => writeNow(bytes, position),
      writeNow,
      truncate: async (size) => {
        this.#alive();
        return file.truncate(size);
      },
    };
  }
}

/** A disk that keeps, when the power goes, only what was synchronised: bytes of files, and names in the folder. */
class PowerFiles extends MemoryFiles {
  readonly #kept = new Map<string, Buffer>();
  readonly #synced = new Map<object, Buffer>();

  override async open(path: string): Promise<File> {
    const file = await super.open(path);
    const content = this.contents.get(path) as { bytes: Buffer; size: number };
    return {
      ...file,
      sync: async () => {
        this.#synced.set(content, Buffer.from(content.bytes.subarray(0, content.size)));
      },
    };
  }
  override async syncFolder(): Promise<void> {
    this.#kept.clear();
    for (const [path, content] of this.contents) this.#kept.set(path, this.#synced.get(content) ?? Buffer.alloc(0));
  }
  /** The disk after the power came back. */
  cut(): MemoryFiles {
    const after = new MemoryFiles();
    for (const path of this.#kept.keys()) {
      const content = this.contents.get(path);
      const bytes = (content && this.#synced.get(content)) ?? Buffer.alloc(0);
      after.contents.set(path, { bytes: Buffer.from(bytes), size: bytes.length });
    }
    return after;
  }
}

const folders: string[] = [];
async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'windhover-log-'));
  folders.push(path);
  return path;
}
afterEach(async () => {
  for (const path of folders.splice(0)) await rm(path, { recursive: true, force: true });
});

const text = (entry: Entry) => entry.payload.toString();
async function readAll(log: DurableLog, name: string): Promise<Entry[]> {
  const consumer = await log.consumer(name);
  const all: Entry[] = [];
  for (;;) {
    const entries = await consumer.read(7);
    if (entries.length === 0) return all;
    all.push(...entries);
  }
}

describe('the durable log', () => {
  it('gives every consumer everything in order, and remembers its place', async () => {
    const path = await folder();
    let log = await openLog({ path, segmentBytes: 200 });
    await log.consumer('a');
    await log.consumer('b');
    const sequences = await Promise.all(Array.from({ length: 50 }, (_, i) => log.append(Buffer.from(`alert ${i}`), 4)));
    expect(sequences).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
    expect((await readAll(log, 'a')).map(text)).toEqual(Array.from({ length: 50 }, (_, i) => `alert ${i}`));
    await (await log.consumer('a')).ack(30);
    await log.close();

    log = await openLog({ path, segmentBytes: 200 });
    expect((await readAll(log, 'a')).map((entry) => entry.sequence)).toEqual(
      Array.from({ length: 20 }, (_, i) => i + 31),
    );
    expect(await readAll(log, 'b')).toHaveLength(50);
    await log.close();
  });

  it('removes segments once everybody has passed them', async () => {
    const path = await folder();
    const log = await openLog({ path, segmentBytes: 200 });
    const a = await log.consumer('a');
    const b = await log.consumer('b');
    for (let i = 0; i < 40; i++) await log.append(Buffer.from(`alert ${i}`), 4);
    const before = (await readdir(path)).filter((name) => name.endsWith('.seg')).length;
    await a.ack(40);
    expect((await readdir(path)).filter((name) => name.endsWith('.seg'))).toHaveLength(before);
    await b.ack(40);
    expect((await readdir(path)).filter((name) => name.endsWith('.seg'))).toHaveLength(1);
    await log.close();
  });

  it('wakes a waiting consumer', async () => {
    const log = await openLog({ path: 'm', durability: 'memory' });
    const consumer = await log.consumer('a');
    const waiting = consumer.wait();
    await log.append(Buffer.from('x'), 0);
    await waiting;
    expect((await consumer.read(1)).map(text)).toEqual(['x']);
    await log.close();
  });

  it('keeps a payload that is larger than a read, and one of no bytes', async () => {
    const log = await openLog({ path: await folder() });
    await log.consumer('a');
    const large = Buffer.alloc(900_000, 'W\x48');
    await log.append(large, 1);
    await log.append(Buffer.alloc(0), 1);
    await log.append(large, 1);
    const entries = await readAll(log, 'a');
    expect(entries.map((entry) => entry.payload.length)).toEqual([900_000, 0, 900_000]);
    expect(entries[2].payload.equals(large)).toBe(true);
    await log.close();
  });

  it('lets only one process in', async () => {
    const path = await folder();
    const log = await openLog({ path });
    await expect(openLog({ path })).rejects.toMatchObject({ code: 'LOG_IN_USE' });
    await log.close();
    await (await openLog({ path })).close();
  });

  it('drops the least severe first when it is full, and counts it', async () => {
    const log = await openLog({ path: 'm', files: new MemoryFiles(), maxBytes: 8000, segmentBytes: 1000 });
    await log.consumer('a');
    for (let i = 0; i < 200; i++) await log.append(Buffer.from(`alert ${i} ${'x'.repeat(60)}`), i % 10 === 0 ? 2 : 7);
    const kept = await readAll(log, 'a');
    expect(log.bytes).toBeLessThanOrEqual(8000);
    expect(kept.filter((entry) => entry.priority === 2)).toHaveLength(20);
    const dropped = log.drops.find((drop) => drop.priority === 7);
    expect(dropped).toMatchObject({ reason: 'full', count: 180 - kept.filter((entry) => entry.priority === 7).length });
    expect(kept.at(-1)?.sequence).toBe(200);
    await log.close();
  });

  it('refuses when it is full and may not drop', async () => {
    const log = await openLog({ path: 'm', files: new MemoryFiles(), maxBytes: 1000, whenFull: 'block' });
    const consumer = await log.consumer('a');
    const fill = async () => {
      for (;;) await log.append(Buffer.alloc(50), 4);
    };
    await expect(fill()).rejects.toMatchObject({ code: 'LOG_FULL' });
    expect(log.drops).toEqual([]);
    await consumer.ack(log.next - 1);
    await log.append(Buffer.alloc(50), 4);
    await log.close();
  });

  it('drops what is too old', async () => {
    let now = 0;
    const log = await openLog({ path: 'm', files: new MemoryFiles(), maxAge: 1000, segmentBytes: 100, now: () => now });
    await log.consumer('a');
    for (let i = 0; i < 10; i++) await log.append(Buffer.alloc(50), 3);
    now = 5000;
    await log.append(Buffer.from('new'), 3);
    expect((await readAll(log, 'a')).map(text)).toEqual(['new']);
    expect(log.drops).toEqual([{ reason: 'age', priority: 3, count: 10 }]);
    await log.close();
  });

  it('counts what a forgotten consumer had not read', async () => {
    const log = await openLog({ path: 'm', durability: 'memory' });
    await log.consumer('gone');
    await log.append(Buffer.from('x'), 4);
    await log.forget('gone');
    expect(log.consumers).toEqual([]);
    expect(log.drops).toEqual([{ reason: 'output removed', priority: null, count: 1 }]);
    await log.close();
  });

  it('survives a full disk: what was accepted stays, room is used again', async () => {
    const files = new FailingFiles(new MemoryFiles());
    const log = await openLog({ path: 'm', files, whenFull: 'block', segmentBytes: 500 });
    const consumer = await log.consumer('a');
    files.capacity = 3000;
    const accepted: number[] = [];
    let refused = 0;
    for (let i = 0; i < 60; i++) {
      await log.append(Buffer.alloc(70, i), 4).then(
        (sequence) => accepted.push(sequence),
        (error) => {
          expect(error.code).toBe('LOG_FULL');
          refused++;
        },
      );
    }
    expect(refused).toBeGreaterThan(0);
    expect((await readAll(log, 'a')).map((entry) => entry.sequence)).toEqual(accepted);
    await consumer.ack(accepted.at(-1)!);
    expect(await log.append(Buffer.from('again'), 4)).toBe(accepted.at(-1)! + 1);
    await log.close();
  });

  it('gives up the least severe when the disk is full and it may', async () => {
    const files = new FailingFiles(new MemoryFiles());
    const log = await openLog({ path: 'm', files, segmentBytes: 500 });
    await log.consumer('a');
    files.capacity = 3000;
    for (let i = 0; i < 100; i++) await log.append(Buffer.alloc(70, i), i < 5 ? 1 : 6);
    const kept = await readAll(log, 'a');
    expect(kept.slice(0, 5).map((entry) => entry.priority)).toEqual([1, 1, 1, 1, 1]);
    expect(kept.length + log.drops.reduce((sum, drop) => sum + drop.count, 0)).toBe(100);
    await log.close();
  });

  it('with fsync, keeps what it has accepted when the power goes', async () => {
    for (let count = 1; count < 30; count += 4) {
      const disk = new PowerFiles();
      const log = await openLog({ path: 'm', files: disk, durability: 'fsync', segmentBytes: 300 });
      for (let i = 0; i < count; i++) await log.append(Buffer.from(`alert ${i}`), 4);
      const after = await openLog({ path: 'm', files: disk.cut(), durability: 'fsync', segmentBytes: 300 });
      expect(after.next).toBe(count + 1);
      await after.close();
    }
  });

  it('steps over flipped bits and says how much they cost', async () => {
    const path = await folder();
    let log = await openLog({ path });
    await log.consumer('a');
    for (let i = 0; i < 100; i++) await log.append(Buffer.from(`alert ${i}`), 4);
    await log.close();
    const [segment] = (await readdir(path)).filter((name) => name.endsWith('.seg'));
    const { size } = await stat(join(path, segment));
    const file = await open(join(path, segment), 'r+');
    const hit = [Math.floor(size * 0.2), Math.floor(size * 0.5), Math.floor(size * 0.8)];
    for (const at of hit) await file.write(Buffer.from([0xff]), 0, 1, at);
    await file.close();
    log = await openLog({ path });
    const kept = await readAll(log, 'a');
    expect(kept).toHaveLength(97);
    expect(log.drops).toEqual([{ reason: 'corrupt', priority: null, count: 3 }]);
    await log.close();
  });

  it('flipping any byte never yields an entry that was not appended', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(1400), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
        const disk = new MemoryFiles();
        let log = await openLog({ path: 'm', files: disk });
        await log.consumer('a');
        for (let i = 0; i < 30; i++) await log.append(Buffer.from(`alert number ${i}`), 4);
        await log.close();
        const content = [...disk.contents].find(([name]) => name.endsWith('.seg'))![1];
        if (at < content.size) content.bytes[at] ^= mask;
        log = await openLog({ path: 'm', files: disk });
        const kept = await readAll(log, 'a');
        for (const entry of kept) expect(text(entry)).toBe(`alert number ${entry.sequence - 1}`);
        if (at >= 16) expect(kept.length).toBeGreaterThanOrEqual(29);
        await log.close();
      }),
      { numRuns: 200 },
    );
  });
});

type Step =
  | { readonly do: 'append'; readonly count: number; readonly size: number; readonly priority: number }
  | { readonly do: 'read'; readonly consumer: string; readonly limit: number }
  | { readonly do: 'ack'; readonly consumer: string; readonly share: number }
  | { readonly do: 'rewind'; readonly consumer: string }
  | { readonly do: 'reopen' }
  | { readonly do: 'crash'; readonly after: number };

const name = fc.constantFrom('a', 'b');
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      count: fc.integer({ min: 1, max: 8 }),
      size: fc.nat(120),
      priority: fc.nat(7),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('read' as const), consumer: name, limit: fc.integer({ min: 1, max: 20 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('ack' as const),
      consumer: name,
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rewind' as const), consumer: name }) },
  { weight: 1, arbitrary: fc.constant({ do: 'reopen' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const), after: fc.nat(700) }) },
);

/** The model: an array of what was accepted, and two numbers for each consumer. */
describe('the durable log against an array', () => {
  // Readers find entries in memory, in memory as long as they are quick, or on the disk alone.
  it.each([256 * 1024, 300, 0])(
    'holds through any order of appends, reads, acknowledgements, crashes and reopenings, %d bytes of it in memory',
    async (tailBytes) => {
      const options = { path: 'm', segmentBytes: 400, durability: 'write', tailBytes } satisfies LogOptions;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
          const disk = new MemoryFiles();
          let files = new FailingFiles(disk);
          let log = await openLog({ ...options, files });
          const accepted = new Map<number, string>();
          /** Written perhaps, but never acknowledged to the caller: may or may not be there. */
          const doubtful = new Set<string>();
          const places: Record<string, { read: number; acked: number }> = {
            a: { read: 0, acked: 0 },
            b: { read: 0, acked: 0 },
          };
          await log.consumer('a');
          await log.consumer('b');
          let serial = 0;

          const reopen = async () => {
            files.dead = true;
            await log.close().catch(() => {});
            files = new FailingFiles(disk);
            log = await openLog({ ...options, files });
            for (const [consumer, place] of Object.entries(places)) {
              const { acknowledged } = await log.consumer(consumer);
              // A cursor may be behind by the acknowledgement that the crash cut off, never ahead.
              expect(acknowledged).toBeLessThanOrEqual(place.acked);
              place.acked = acknowledged;
              place.read = acknowledged;
            }
          };

          for (const action of steps) {
            if (action.do === 'append') {
              const bodies = Array.from({ length: action.count }, () => `${serial++}:${'x'.repeat(action.size)}`);
              await Promise.all(
                bodies.map((body) =>
                  log.append(Buffer.from(body), action.priority).then(
                    (sequence) => accepted.set(sequence, body),
                    () => doubtful.add(body),
                  ),
                ),
              );
              if (files.dead) await reopen();
            } else if (action.do === 'read') {
              const place = places[action.consumer];
              const entries = await (await log.consumer(action.consumer)).read(action.limit);
              for (const entry of entries) {
                expect(entry.sequence).toBeGreaterThan(place.read);
                for (let missed = place.read + 1; missed < entry.sequence; missed++)
                  expect(accepted.has(missed)).toBe(false);
                const body = text(entry);
                if (accepted.has(entry.sequence)) expect(body).toBe(accepted.get(entry.sequence));
                else expect(doubtful.has(body)).toBe(true);
                place.read = entry.sequence;
              }
              const last = Math.max(0, ...accepted.keys());
              if (entries.length === 0) expect(place.read).toBeGreaterThanOrEqual(last);
            } else if (action.do === 'ack') {
              const place = places[action.consumer];
              const upTo = place.acked + Math.floor((place.read - place.acked) * action.share);
              await (await log.consumer(action.consumer)).ack(upTo).catch(() => {});
              place.acked = upTo;
              if (files.dead) await reopen();
            } else if (action.do === 'rewind') {
              (await log.consumer(action.consumer)).rewind();
              places[action.consumer].read = places[action.consumer].acked;
            } else if (action.do === 'reopen') {
              await log.close();
              files = new FailingFiles(disk);
              log = await openLog({ ...options, files });
              for (const [consumer, place] of Object.entries(places)) {
                expect((await log.consumer(consumer)).acknowledged).toBe(place.acked);
                place.read = place.acked;
              }
            } else {
              files.budget = action.after;
            }
          }
          await log.close().catch(() => {});
        }),
        { numRuns: 400 },
      );
    },
  );
});
