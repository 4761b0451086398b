import { BpfError } from './error.ts';
import { Errno, errnoName, NR, type Sys, systemCalls } from './sys.ts';

/**
 * The consumer's side of a BPF ring buffer (Documentation/bpf/ringbuf.rst), mapped into this thread and read
 * in place. A ring has one consumer position, so exactly one thread may drain it; the fd may be opened in any.
 */
export interface Ring {
  /** The records' bytes: every record is contiguous, because after the end the beginning is mapped once more. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Bytes of data space. */
  readonly size: number;
  /** Bytes written and not yet drained, record headers included. */
  readonly pending: number;
  /**
   * Calls `visit(offset, length)` for each record that is there, oldest first; the bytes are at
   * `offset` of {@link bytes}, valid during that call only (the kernel writes there again), and read-only:
   * writing to them ends the process. Stops at a record that is still being written, and after
   * `limit` bytes, so that whoever calls it in a loop can look at other things meanwhile. A record whose visit
   * throws counts as taken.
   * @returns the number of records visited
   */
  drain(visit: (offset: number, length: number) => void, limit?: number): number;
  /** The offset of the oldest record not taken, as {@link drain} gives it; -1 when there is none or it is still being written. */
  peek(): number;
  /** Takes the record that {@link peek} gave: its bytes are not to be looked at any more. @returns the bytes taken, record headers included */
  take(): number;
  /** Gives the kernel the room of the records taken. */
  commit(): void;
  /** Blocks the thread until there is data or `timeoutMs` have passed; true when there may be data. */
  wait(timeoutMs: number): boolean;
  readonly fd: number;
  /** Unmaps the ring; {@link bytes} must not be touched afterwards. The fd stays open. */
  close(): void;
}

/** Bits of a record's header word (include/uapi/linux/bpf.h). */
const BUSY = 31;
const DISCARD = 0x4000_0000;
const LENGTH = 0x3fff_ffff;
const RECORD_HEADER = 8;

/** How much is taken before the kernel is told: a store for each record would cost more than reading it. */
const COMMIT = 64 << 10;

const POLLIN = 1;

/** Bytes that a record takes of the `available` ones, and of the `longest` that a record may take. */
function spaceOf(length: number, available: number, longest: number): number {
  const space = (length + RECORD_HEADER + 7) & ~7;
  if (space > available || space > longest)
    throw new BpfError('map', `the ring buffer is damaged: a record of ${length} bytes`);
  return space;
}

/**
 * Maps the ring buffer `fd`.
 * @param size its `max_entries`: bytes, a power of two of at most 1 GiB
 * @param longest no record has more bytes; what is mapped beyond `size` counts as memory of this process
 */
export function openRing(fd: number, size: number, sys: Sys = systemCalls(), longest: number = size): Ring {
  const page = sys.pageSize;
  if (size < page || size > 1 << 30 || (size & (size - 1)) !== 0)
    throw new BpfError('map', `a ring buffer cannot have ${size} bytes`);
  const tail = Math.min(size, Math.ceil((longest + RECORD_HEADER) / page) * page);
  const mapped = page + size + tail;
  // One page for us to write, one that the kernel writes, the data, and as much of it once more as a record can reach.
  const ours = sys.map(fd, page, 0, true);
  const theirs = sys.map(fd, mapped, page, false);
  const consumer = new BigInt64Array(ours, 0, 1);
  const producer = new Int32Array(theirs, 0, 1);
  const words = new Int32Array(theirs, page);
  const bytes = new Uint8Array(theirs, page);
  const view = new DataView(theirs, page);
  const mask = size - 1;
  let position = Number(Atomics.load(consumer, 0));
  /** Bytes taken one by one, of which the kernel does not know yet; those of them that no record was visited for. */
  let ahead = 0;
  let skipped = 0;

  const wait = waitFor([fd], sys);

  // Positions are 64-bit counters; their difference never exceeds the size, so 32 bits of it suffice.
  const lag = (): number => (Atomics.load(producer, 0) - (position | 0)) | 0;
  const commit = (bytesTaken: number): void => {
    position += bytesTaken;
    // One aligned 64-bit store: two halves would be torn every 4 GiB.
    Atomics.store(consumer, 0, BigInt(position));
  };

  const give = (): void => {
    if (ahead > 0) commit(ahead);
    ahead = 0;
  };

  return {
    bytes,
    view,
    size,
    fd,
    get pending() {
      return lag() - ahead;
    },
    peek() {
      for (skipped = 0; ; ) {
        const available = lag() - ahead;
        if (available === 0) return -1;
        const at = (position + ahead) & mask;
        const header = Atomics.load(words, at >>> 2);
        if (header >>> BUSY !== 0) return -1;
        if ((header & DISCARD) === 0) return at + RECORD_HEADER;
        const bytes = spaceOf(header & LENGTH, available, tail);
        ahead += bytes;
        skipped += bytes;
      }
    },
    take() {
      const header = Atomics.load(words, ((position + ahead) & mask) >>> 2);
      const bytes = spaceOf(header & LENGTH, lag() - ahead, tail);
      ahead += bytes;
      if (ahead >= COMMIT) give();
      return skipped + bytes;
    },
    commit: give,
    drain(visit, limit = Number.POSITIVE_INFINITY) {
      let records = 0;
      let taken = 0;
      while (taken < limit) {
        const available = lag();
        const end = Math.min(available, COMMIT);
        let advance = 0;
        try {
          while (advance < end) {
            const at = (position + advance) & mask;
            const header = Atomics.load(words, at >>> 2);
            if (header >>> BUSY !== 0) break;
            const length = header & LENGTH;
            advance += spaceOf(length, available - advance, tail);
            if ((header & DISCARD) === 0) {
              records++;
              visit(at + RECORD_HEADER, length);
            }
          }
        } finally {
          if (advance > 0) commit(advance);
        }
        if (advance === 0) break;
        taken += advance;
      }
      return records;
    },
    wait,
    close() {
      sys.sys(NR.munmap, new Uint8Array(ours), page);
      sys.sys(NR.munmap, new Uint8Array(theirs), mapped);
    },
  };
}

/** Makes {@link Ring.wait} for several rings at once. */
export function waitFor(fds: readonly number[], sys: Sys): Ring['wait'] {
  const pollfds = Buffer.alloc(8 * fds.length);
  fds.forEach((fd, i) => {
    pollfds.writeInt32LE(fd, 8 * i);
    pollfds.writeInt16LE(POLLIN, 8 * i + 4);
  });
  const timeout = Buffer.alloc(16);
  return (timeoutMs) => {
    timeout.writeBigInt64LE(BigInt(Math.trunc(timeoutMs / 1000)), 0);
    timeout.writeBigInt64LE(BigInt(Math.trunc((timeoutMs % 1000) * 1e6)), 8);
    const ready = sys.sys(NR.ppoll, pollfds, fds.length, timeout, 0, 0);
    if (ready < 0 && ready !== -Errno.EINTR)
      throw new BpfError('map', `waiting for the ring buffer: ${errnoName(-ready)}`);
    return ready > 0;
  };
}
