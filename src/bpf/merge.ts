import { type Ring, waitFor } from './ring.ts';
import { type Sys, systemCalls } from './sys.ts';

/** Several rings read as one, oldest record first. */
export interface MergedRings {
  /**
   * Calls `visit(ring, offset)` for the records that are there, in the order of their timestamps: the one at `offset`
   * of the ring's bytes is valid during that call only. Stops after `limit` bytes, and at a record that is still
   * being written.
   *
   * What caused a record comes before it. That needs two looks at where the producers are: whatever was finished
   * before some record of the first look was begun is, in whichever ring, there at the second. So records up to the
   * second look are merged, until those of the first are taken. Rings that several CPUs share need not be in order
   * themselves: a record before its cause's in the same ring was begun before the cause was finished.
   * @returns the number of records visited
   */
  drain(visit: (ring: Ring, offset: number) => void, limit: number): number;
  /** As {@link Ring.wait}. */
  wait(timeoutMs: number): boolean;
}

/** One ring during a drain. */
interface Lane {
  readonly ring: Ring;
  /** Bytes until the positions of the two looks. */
  due: number;
  there: number;
  /** The oldest record: where, and its timestamp after the drain's base in ns; meaningless when nothing is there. */
  offset: number;
  time: number;
}

/**
 * @param timestampAt where in a record its timestamp is: u64 nanoseconds, little endian, of a clock that all CPUs share
 */
export function mergeRings(rings: readonly Ring[], timestampAt: number, sys: Sys = systemCalls()): MergedRings {
  const lanes = rings.map((ring): Lane => ({ ring, due: 0, there: 0, offset: -1, time: 0 }));
  /** Upper half of timestamps that times count from: differences fit a double, the timestamps do not. */
  let base = -1;
  /** Looks at the oldest record; false when it is still being written. */
  const look = (lane: Lane): boolean => {
    if (lane.there <= 0) {
      lane.time = Number.POSITIVE_INFINITY;
      return true;
    }
    const { ring } = lane;
    lane.offset = ring.peek();
    if (lane.offset < 0) return false;
    const high = ring.view.getUint32(lane.offset + timestampAt + 4, true);
    if (base < 0) base = high;
    lane.time = (high - base) * 4294967296 + ring.view.getUint32(lane.offset + timestampAt, true);
    return true;
  };
  const next = (lane: Lane): void => {
    const taken = lane.ring.take();
    lane.due -= taken;
    lane.there -= taken;
  };
  return {
    wait: waitFor(
      rings.map(({ fd }) => fd),
      sys,
    ),
    drain(visit, limit) {
      let records = 0;
      for (const lane of lanes) lane.due = lane.ring.pending;
      if (lanes.every(({ due }) => due === 0)) return 0;
      for (const lane of lanes) lane.there = lane.ring.pending;
      base = -1;
      let left = limit;
      try {
        if (!lanes.every(look)) return records;
        while (left > 0 && lanes.some(({ due }) => due > 0)) {
          let first = lanes[0];
          let second = Number.POSITIVE_INFINITY;
          for (let i = 1; i < lanes.length; i++) {
            const lane = lanes[i];
            if (lane.time < first.time) {
              second = first.time;
              first = lane;
            } else if (lane.time < second) second = lane.time;
          }
          // A run of records of one ring needs no look at the others.
          do {
            const { offset, there } = first;
            records++;
            try {
              visit(first.ring, offset);
            } finally {
              next(first);
            }
            left -= there - first.there;
            if (!look(first)) return records;
          } while (first.time <= second && first.due > 0 && left > 0);
        }
        return records;
      } finally {
        for (const { ring } of lanes) ring.commit();
      }
    },
  };
}
