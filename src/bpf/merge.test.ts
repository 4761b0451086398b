import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mergeRings } from './merge.ts';
import type { Ring } from './ring.ts';
import { fakeRing } from './testdata/fake-ring.ts';

const SIZE = 64 << 10;
const BUSY = 0x8000_0000 | 0;
const DISCARD = 0x4000_0000;
/** Beyond what a double holds to the nanosecond. */
const EPOCH = 1_700_000_000_123_456_789n;

/** A record whose timestamp stands at 8. */
function record(time: number, padding = 0): Uint8Array {
  const bytes = new Uint8Array(16 + padding);
  new DataView(bytes.buffer).setBigUint64(8, EPOCH + BigInt(time), true);
  return bytes;
}

const timeAt = (ring: Ring, offset: number): number => Number(ring.view.getBigUint64(offset + 8, true) - EPOCH);

function merged(count: number) {
  const fakes = Array.from({ length: count }, () => fakeRing(SIZE));
  const rings = mergeRings(
    fakes.map(({ ring }) => ring),
    8,
    fakes[0].sys,
  );
  return {
    fakes,
    drain(visit: (time: number) => void = () => {}, limit = Number.POSITIVE_INFINITY): number[] {
      const times: number[] = [];
      const count = rings.drain((ring, offset) => {
        times.push(timeAt(ring, offset));
        visit(timeAt(ring, offset));
      }, limit);
      expect(count).toBe(times.length);
      return times;
    },
  };
}

test('records that are there come in the order of their timestamps, to the nanosecond, each once', () => {
  const write = fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 40 }), fc.boolean(), fc.nat({ max: 9 }));
  fc.assert(
    fc.property(fc.array(fc.array(write, { maxLength: 40 }), { maxLength: 6 }), (rounds) => {
      const { fakes, drain } = merged(4);
      let time = 0;
      for (const round of rounds) {
        const expected: number[] = [];
        for (const [ring, padding, discarded, later] of round) {
          time += later + 1;
          fakes[ring].write(record(time, padding), discarded ? DISCARD : 0);
          if (!discarded) expected.push(time);
        }
        // What is discarded at the end of a ring ends a drain early.
        const got: number[] = [];
        for (let i = 0; i < 5; i++) got.push(...drain());
        if (round.some(([, , discarded]) => discarded)) got.sort((a, b) => a - b);
        expect(got).toEqual(expected);
        for (const { ring } of fakes) expect(ring.pending).toBe(0);
      }
    }),
    { numRuns: 100 },
  );
});

test('records of one ring out of order keep the ring’s order', () => {
  const { fakes, drain } = merged(2);
  for (const time of [5, 3, 9]) fakes[0].write(record(time));
  for (const time of [4, 6]) fakes[1].write(record(time));
  expect(drain()).toEqual([4, 5, 3, 6, 9]);
});

test('what is written meanwhile stays, however early its timestamp: its cause may have been written after the looks', () => {
  const { fakes, drain } = merged(2);
  fakes[0].write(record(10));
  fakes[0].write(record(30));
  let written = false;
  const times = drain(() => {
    if (!written) fakes[1].write(record(20));
    written = true;
  });
  expect(times).toEqual([10, 30]);
  expect(drain()).toEqual([20]);
});

test('what came between the two looks is merged in, but does not keep the drain going', () => {
  const { fakes } = merged(2);
  fakes[0].write(record(10));
  fakes[0].write(record(30));
  let looks = 0;
  // The second ring gets records just before its second look.
  const late = Object.create(fakes[1].ring, {
    pending: {
      get() {
        if (looks++ === 1) for (const time of [20, 40]) fakes[1].write(record(time));
        return fakes[1].ring.pending;
      },
    },
  }) as Ring;
  const times: number[] = [];
  const rings = mergeRings([fakes[0].ring, late], 8, fakes[0].sys);
  rings.drain((ring, offset) => times.push(timeAt(ring, offset)), Number.POSITIVE_INFINITY);
  expect(times).toEqual([10, 20, 30]);
});

test('a record that is still being written holds up all rings', () => {
  const { fakes, drain } = merged(2);
  fakes[0].write(record(1));
  fakes[0].write(record(2), BUSY);
  fakes[1].write(record(3));
  expect(drain()).toEqual([1]);
  fakes[0].setHeader(24, 16);
  expect(drain()).toEqual([2, 3]);
});

test('the limit ends a drain, the next goes on; a record whose visit throws counts as taken', () => {
  const { fakes, drain } = merged(2);
  for (let time = 0; time < 100; time++) fakes[time % 2].write(record(time));
  expect(drain(undefined, 240)).toEqual([...Array(10).keys()]);
  expect(() =>
    drain(() => {
      throw new Error('visit');
    }),
  ).toThrow('visit');
  expect(drain()[0]).toBe(11);
  expect(fakes.every(({ ring }) => ring.pending === 0)).toBe(true);
});
