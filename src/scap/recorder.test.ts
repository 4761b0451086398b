import { describe, expect, it } from 'vitest';
import { buildEvent, type Event, EventType, viewEvent } from '../event/index.ts';
import { type CaptureOutput, captureFileName, FlightRecorder, type RecorderOptions } from './recorder.ts';
import { concat, emptyProcess, readAll } from './testing/collect.ts';

/** A close of fd `n` at `n` microseconds. */
const close = (n: number): Event =>
  viewEvent(
    buildEvent(EventType.SYSCALL_CLOSE_X as number, { ts: BigInt(n) * 1000n, tid: 7, params: { res: 0, fd: n } }),
  );

class Files {
  readonly contents = new Map<string, Uint8Array[]>();
  readonly closed: string[] = [];

  open = (path: string): CaptureOutput => {
    const pieces: Uint8Array[] = [];
    this.contents.set(path, pieces);
    return {
      write: (piece) => pieces.push(piece),
      close: async () => {
        this.closed.push(path);
      },
    };
  };

  /** The numbers of the closes in a capture. */
  read(path: string): number[] {
    return readAll(concat(this.contents.get(path) ?? [])).events.map(({ bytes }) => viewEvent(bytes).lo(1));
  }
}

function recorder(options: Partial<RecorderOptions> = {}): { files: Files; recorder: FlightRecorder } {
  const files = new Files();
  return {
    files,
    recorder: new FlightRecorder({
      snapshot: (_, sink) => sink.process(emptyProcess(7)),
      open: files.open,
      ...options,
    }),
  };
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe('the flight recorder', () => {
  it('writes what came before, and what comes until the time given', async () => {
    const { files, recorder: flight } = recorder();
    for (const n of range(0, 10)) flight.record('a', close(n));
    for (const n of range(100, 110)) flight.record('b', close(n));
    expect(flight.flush('a', 'one', 15_000n)).toBe('one');
    for (const n of range(10, 20)) flight.record('a', close(n));
    await flight.close();
    expect(files.read('one')).toEqual(range(0, 16));
    expect(files.closed).toEqual(['one']);
  });

  it('begins with the state that the oldest event it has started from', () => {
    let moment = 0;
    const { files, recorder: flight } = recorder({
      bytesPerKey: 4000,
      snapshot: (_, sink) => sink.process({ ...emptyProcess(7), gid: moment }),
    });
    for (const n of range(0, 1000)) {
      moment = n;
      flight.record('a', close(n));
    }
    flight.flush('a', 'one', 0n);
    const { state, left, reader } = readAll(concat(files.contents.get('one') ?? []));
    const kept = files.read('one');
    expect(left).toBe(0);
    expect(reader.stats.malformed).toBe(0);
    expect(kept).toEqual(range(kept[0] as number, 1000));
    expect(kept.length).toBeGreaterThan(10);
    expect(state.processes).toMatchObject([{ gid: kept[0] }]);
    expect(flight.stats).toMatchObject({ recorded: 1000, evicted: kept[0], keys: 1, captures: 1 });
    expect(flight.stats.bytes).toBeLessThanOrEqual(4000);
  });

  it('prolongs a capture that is being written instead of beginning another one', async () => {
    const { files, recorder: flight } = recorder();
    flight.record('a', close(0));
    expect(flight.flush('a', 'one', 5000n)).toBe('one');
    expect(flight.flush('a', 'two', 9000n)).toBe('one');
    expect(flight.flush('a', 'three', 1000n)).toBe('one');
    for (const n of range(1, 20)) flight.record('a', close(n));
    expect(flight.flush('a', 'four', 99_000n)).toBe('four');
    await flight.close();
    expect(files.read('one')).toEqual(range(0, 10));
    expect([...files.contents.keys()]).toEqual(['one', 'four']);
    expect(flight.stats.captures).toBe(2);
  });

  it('ends a capture by the clock and by size', async () => {
    const { files, recorder: flight } = recorder({ maxFileBytes: 2000 });
    flight.record('a', close(0));
    flight.flush('a', 'one', 5000n);
    flight.tick(5000n);
    expect(files.closed).toEqual([]);
    flight.tick(5001n);
    expect(files.closed).toEqual(['one']);
    flight.flush('a', 'two', 9_000_000n);
    for (const n of range(1, 200)) flight.record('a', close(n));
    expect(files.closed).toEqual(['one', 'two']);
    expect(concat(files.contents.get('two') ?? []).length).toBeLessThan(2000 + 100);
    await flight.close();
  });

  it('bounds the memory of all keys, giving up the one that is quiet for longest', () => {
    const { files, recorder: flight } = recorder({ bytesPerKey: 4000, maxBytes: 20_000 });
    for (let round = 0; round < 50; round++) {
      for (const key of range(0, 100)) flight.record(`key${key}`, close(round));
      expect(flight.stats.bytes).toBeLessThanOrEqual(20_000);
    }
    expect(flight.stats.recorded).toBe(5000);
    expect(flight.flush('key0', 'gone', 0n)).toBeNull();
    expect(flight.flush('key99', 'kept', 0n)).toBe('kept');
    expect(files.read('kept')).toEqual([49]);
  });

  it('forgets a key, and goes on when a file cannot be written', async () => {
    const failures: string[] = [];
    const { recorder: flight } = recorder({
      open: (path) => {
        if (path === 'bad') throw new Error('no such folder');
        return { write: () => {}, close: () => Promise.reject(new Error('disk full')) };
      },
      failed: (path, error) => failures.push(`${path}: ${error.message}`),
    });
    flight.record('a', close(1));
    expect(flight.flush('a', 'bad', 0n)).toBeNull();
    expect(flight.flush('a', 'full', 0n)).toBe('full');
    flight.forget('a');
    expect(flight.flush('a', 'none', 0n)).toBeNull();
    flight.record('a', close(2));
    await flight.close();
    expect(failures).toEqual(['bad: no such folder', 'full: disk full']);
    expect(flight.stats).toMatchObject({ keys: 0, bytes: 0 });
  });

  it('names files as Falco does', () => {
    expect(captureFileName('/tmp/falco', 1795494553163774830n, 42)).toBe(
      '/tmp/falco_01795494553163774830_00000000000000000042.scap',
    );
  });
});
