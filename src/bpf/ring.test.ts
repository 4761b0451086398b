import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { type BpfObject, loadObject } from './object.ts';
import { openRing, type Ring } from './ring.ts';
import { NR, systemCalls } from './sys.ts';
import { fakeRing, PAGE } from './testdata/fake-ring.ts';
import { cannotLoad, MOST, request, testObject } from './testdata/live.ts';

const BUSY = 0x8000_0000 | 0;
const DISCARD = 0x4000_0000;

/** All records, copied. */
function drained(ring: Ring, limit?: number): string[] {
  const found: string[] = [];
  ring.drain((at, length) => found.push(Buffer.from(ring.bytes.subarray(at, at + length)).toString('latin1')), limit);
  return found;
}

const text = (value: string): Buffer => Buffer.from(value, 'latin1');

describe('openRing', () => {
  it('visits records in order, each in one piece, over many turns of the ring', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.string({ maxLength: 300 }), { maxLength: 9 }), { maxLength: 40 }), (batches) => {
        const { ring, write } = fakeRing(PAGE);
        for (const batch of batches) {
          for (const record of batch) write(Buffer.from(record));
          expect(drained(ring)).toEqual(batch.map((record) => Buffer.from(record).toString('latin1')));
          expect(ring.pending).toBe(0);
        }
      }),
      { numRuns: 200 },
    );
  });

  it.each([2 ** 31, 2 ** 32, 2 ** 40])('counts on when positions pass %d', (boundary) => {
    const { ring, write } = fakeRing(PAGE, boundary - 2 * PAGE);
    for (let i = 0; i < 100; i++) {
      write(Buffer.alloc(192, i));
      write(Buffer.alloc(192, i + 1));
      expect(ring.pending).toBe(400);
      expect(drained(ring).map((record) => record.charCodeAt(100))).toEqual([i, i + 1]);
    }
  });

  it('skips discarded records and stops at one that is being written', () => {
    const { ring, write, setHeader } = fakeRing(PAGE);
    write(text('one'));
    write(text('two'), DISCARD);
    write(text('three'), BUSY);
    write(text('four'));
    expect(drained(ring)).toEqual(['one']);
    expect(drained(ring)).toEqual([]);
    expect(ring.pending).toBe(32);
    setHeader(32, 5);
    expect(drained(ring)).toEqual(['three', 'four']);
  });

  it('stops soon after the limit', () => {
    const { ring, write } = fakeRing(1 << 20);
    for (let i = 0; i < 1000; i++) write(Buffer.alloc(504));
    expect(drained(ring, 1)).toHaveLength(128);
    expect(ring.pending).toBe(872 * 512);
    expect(drained(ring)).toHaveLength(872);
  });

  it('takes a record off whose visit fails, and no other', () => {
    const { ring, write } = fakeRing(PAGE);
    for (const record of ['one', 'two', 'three']) write(text(record));
    let visits = 0;
    expect(() =>
      ring.drain(() => {
        if (++visits === 2) throw new Error('no');
      }),
    ).toThrow('no');
    expect(drained(ring)).toEqual(['three']);
  });

  it('refuses sizes that no ring has, and notices damage', () => {
    const { sys, ring, write, setHeader } = fakeRing(PAGE);
    for (const size of [0, 100, 5000, 2 ** 31])
      expect(() => openRing(0, size, sys)).toThrow(`cannot have ${size} bytes`);
    write(text('one'));
    setHeader(0, 4000);
    expect(() => drained(ring)).toThrow('the ring buffer is damaged: a record of 4000 bytes');
  });

  it('maps no more behind the end than the longest record needs, and reads no further', () => {
    const { sys, ring, write } = fakeRing(4 * PAGE);
    const lengths: number[] = [];
    const map: typeof sys.map = (fd, length, ...more) => {
      lengths.push(length);
      return sys.map(fd, length, ...more);
    };
    const small = openRing(0, 4 * PAGE, { ...sys, map }, 100);
    expect(lengths).toEqual([PAGE, PAGE + 4 * PAGE + PAGE]);
    write(Buffer.alloc(PAGE));
    expect(() => drained(small)).toThrow(`the ring buffer is damaged: a record of ${PAGE} bytes`);
    expect(drained(ring)).toHaveLength(1);
  });
});

describe('with the kernel', () => {
  const SIZE = 64 << 10;
  const LONGEST = 256;
  let object: BpfObject | undefined;
  let ring: Ring | undefined;

  afterEach(() => {
    ring?.close();
    object?.close();
  });

  function open(size = SIZE): {
    object: BpfObject;
    ring: Ring;
    produce(count: number, bytes: 96 | 256, discardEvery?: number): void;
    counts(): { produced: number; dropped: number };
  } {
    const loaded = loadObject(testObject('loader'), {
      constants: { target: process.pid },
      maps: { ring: { maxEntries: size } },
    });
    object = loaded;
    const opened = openRing(loaded.maps.get('ring')!.fd, size, systemCalls(), LONGEST);
    ring = opened;
    const program = loaded.programs.get('produce')!;
    return {
      object: loaded,
      ring: opened,
      produce(count, bytes, discardEvery) {
        for (let left = count; left > 0; left -= MOST) program.run(request(Math.min(left, MOST), bytes, discardEvery));
      },
      counts() {
        const bss = loaded.maps.get('.bss')!.lookup(0)!;
        return { produced: Number(bss.readBigUInt64LE(0)), dropped: Number(bss.readBigUInt64LE(8)) };
      },
    };
  }

  /** A visitor that checks that sequence numbers only grow and that the records are whole. */
  function checker(of: Ring): { visit: (at: number, length: number) => void; seen: number; last: number } {
    const state = {
      seen: 0,
      last: 0,
      visit(at: number) {
        const sequence = of.view.getUint32(at, true);
        if (sequence <= state.last) throw new Error(`${sequence} after ${state.last}`);
        if (of.view.getUint32(at + 8, true) !== ~sequence >>> 0) throw new Error(`record ${sequence} is torn`);
        if (of.view.getUint32(at + 88, true) !== (sequence * 3) >>> 0)
          throw new Error(`record ${sequence} is torn at its end`);
        state.last = sequence;
        state.seen++;
      },
    };
    return state;
  }

  it('loses nothing that fits, over many turns of the ring', (ctx) => {
    const reason = cannotLoad();
    if (reason !== undefined) ctx.skip(reason);
    const { ring, produce, counts } = open();
    const check = checker(ring);
    for (let i = 0; i < 400; i++) {
      produce(200, i % 2 === 0 ? 96 : 256, i % 3);
      ring.drain(check.visit);
    }
    const { produced, dropped } = counts();
    expect(dropped).toBe(0);
    expect(check.seen).toBe(produced);
    expect(check.last).toBeGreaterThan(79_000);
    expect(ring.pending).toBe(0);
  });

  it('counts every record: made = visited + dropped', (ctx) => {
    const reason = cannotLoad();
    if (reason !== undefined) ctx.skip(reason);
    const { ring, produce, counts } = open();
    const check = checker(ring);
    for (let i = 0; i < 20; i++) {
      produce(2000, 96);
      ring.drain(check.visit);
    }
    const { produced, dropped } = counts();
    expect(dropped).toBeGreaterThan(0);
    expect(produced + dropped).toBe(40_000);
    expect(check.seen).toBe(produced);
    // 64 KiB hold 630 records of 96 bytes with their headers.
    expect(check.seen).toBe(20 * 630);
  });

  it('takes calls of this process while they happen', (ctx) => {
    const reason = cannotLoad();
    if (reason !== undefined) ctx.skip(reason);
    const { object, ring } = open();
    object.attach();
    let seen = 0;
    for (let round = 0; round < 200; round++) {
      for (let i = 0; i < 100; i++) systemCalls().sys(NR.getppid);
      seen += ring.drain((at) => expect(ring.view.getUint32(at, true)).toBe(process.pid));
    }
    expect(seen).toBe(20_000);
  });

  it('waits', (ctx) => {
    const reason = cannotLoad();
    if (reason !== undefined) ctx.skip(reason);
    const { ring, produce } = open();
    expect(ring.wait(1)).toBe(false);
    produce(1, 96);
    expect(ring.wait(60_000)).toBe(true);
    expect(ring.drain(() => {})).toBe(1);
    expect(ring.wait(0)).toBe(false);
  });
});
