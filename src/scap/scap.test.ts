import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildEvent, EventType, viewEvent } from '../event/index.ts';
import { FdType } from './entries.ts';
import { Block, ScapError } from './format.ts';
import { ScapReader } from './reader.ts';
import * as arbitrary from './testing/arbitrary.ts';
import {
  block,
  Collected,
  concat,
  emptyProcess,
  eventBody,
  readAll,
  SECTION,
  withoutCount,
  written,
} from './testing/collect.ts';

const close = (fd: number, ts = 1n) =>
  buildEvent(EventType.SYSCALL_CLOSE_X as number, { ts, tid: 7, params: { res: 0, fd } });

describe('writing and reading', () => {
  it('gives back every event, whatever the pieces', () => {
    const event = fc.record({
      bytes: arbitrary.eventBytes,
      cpu: fc.nat(0xffff),
      flags: fc.oneof(fc.constant(0), fc.nat(0xffffffff)),
    });
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 30 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 200 })),
        (events, sizes) => {
          const capture = written((writer) => {
            for (const { bytes, cpu, flags } of events) writer.event(viewEvent(bytes, 1, cpu), flags);
          }, 300);
          const read = readAll(capture, () => sizes.next().value as number);
          expect(read.left).toBe(0);
          expect(read.reader.stats).toMatchObject({ malformed: 0, unknown: 0 });
          expect(read.events.map(({ bytes, cpu, flags }) => ({ bytes, cpu, flags }))).toEqual(events);
          expect(read.events.map(({ num }) => num)).toEqual(events.map((_, i) => i + 1));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('gives back our trailing parameters of an event that is also kept for its exit', () => {
    const extra = [4, 'name', 2, 3n];
    const bytes = buildEvent(EventType.SOCKET_CONNECT_E as number, { tid: 7, params: { fd: 3 }, extra });
    const read = readAll(written((writer) => writer.event(viewEvent(bytes, 1, 0))));
    expect(read.events.map((event) => event.bytes)).toEqual([bytes]);
  });

  it('gives back the initial state', () => {
    fc.assert(
      fc.property(
        arbitrary.machine,
        fc.array(arbitrary.processEntry, { maxLength: 5 }),
        fc.array(arbitrary.fdEntry, { maxLength: 8 }),
        fc.array(arbitrary.userOrGroup, { maxLength: 5 }),
        fc.array(arbitrary.interfaceEntry, { maxLength: 3 }),
        (machine, processes, fds, usersAndGroups, interfaces) => {
          const capture = written((writer) => {
            for (const entry of fds) writer.fd(entry);
            for (const entry of processes) writer.process(entry);
            for (const entry of usersAndGroups) writer.userOrGroup(entry);
            for (const entry of interfaces) writer.interface(entry);
            writer.machine(machine);
          });
          const { state, left } = readAll(capture, () => 77);
          expect(left).toBe(0);
          expect(state).toEqual(
            Object.assign(new Collected(), { machines: [machine], processes, fds, usersAndGroups, interfaces }),
          );
        },
      ),
      { numRuns: 100 },
    );
  });

  it('keeps our parameters behind those of the table, where readers that count parameters do not see them', () => {
    const type = EventType.SYSCALL_CLOSE_X as number;
    const bytes = buildEvent(type, { ts: 1n, tid: 7, params: { res: 0, fd: 3 }, extra: [5, 'path', 0, 9n] });
    const plain = buildEvent(type, { ts: 1n, tid: 7, params: { res: 0, fd: 3 } });
    const capture = written((writer) => {
      writer.event(viewEvent(bytes, 1, 0), 0);
      writer.raw(bytes, 0, bytes.length, 0);
    });
    // Header (but for the length), lengths and data of the plain event stand in the file, twice.
    const text = Buffer.from(capture).toString('latin1');
    const [head, tail] = [plain.subarray(20, 26), plain.subarray(26)].map((part) =>
      Buffer.from(part).toString('latin1'),
    );
    expect(text.split(`${head}${tail}`)).toHaveLength(3);
    expect(readAll(capture, () => 50).events.map((event) => event.bytes)).toEqual([bytes, bytes]);
  });

  it('cuts strings that readers refuse, lists at a whole item', () => {
    const env = `${'A'.repeat(3000)}\0${'B'.repeat(3000)}\0`;
    const { state } = readAll(written((w) => w.process({ ...emptyProcess(1), exe: 'e'.repeat(5000), env })));
    expect(state.processes[0]?.exe).toBe('e'.repeat(1023));
    expect(state.processes[0]?.env).toBe(`${'A'.repeat(3000)}\0`);
  });

  it('refuses state after the first event', () => {
    expect(() =>
      written((writer) => {
        writer.event(viewEvent(close(3)));
        writer.process(emptyProcess(1));
      }),
    ).toThrow('before the first event');
  });

  it('writes long events as large blocks', () => {
    const json = `{"a":"${'x'.repeat(200_000)}"}`;
    const bytes = buildEvent(EventType.CONTAINER_JSON_2_E as number, { params: { json } });
    const capture = written((writer) => writer.event(viewEvent(bytes), 1));
    // The block ends the capture: type, length, cpu, flags, event, padding, length.
    const view = new DataView(capture.buffer);
    const size = view.getUint32(capture.length - 4, true);
    expect(view.getUint32(capture.length - size, true)).toBe(Block.EVENT_FLAGS_V2_LARGE);
    const { events } = readAll(capture, () => 1000);
    expect(events).toMatchObject([{ flags: 1, bytes }]);
  });
});

describe('reading', () => {
  const capture = written((writer) => {
    writer.process(emptyProcess(7));
    for (let i = 0; i < 40; i++) writer.event(viewEvent(close(i)));
  });

  it('delivers what a truncated capture holds, and says that it is cut', () => {
    const whole = readAll(capture);
    const eventsFrom = capture.length - 40 * 60;
    for (let length = 28; length < capture.length; length += 13) {
      const read = readAll(capture.slice(0, length));
      expect(read.events).toEqual(whole.events.slice(0, read.events.length));
      if (length >= eventsFrom) expect(read.events.length).toBe(Math.floor((length - eventsFrom) / 60));
      if (length >= eventsFrom) expect(read.left > 0).toBe((length - eventsFrom) % 60 !== 0);
    }
  });

  it('goes on through further sections, numbering on', () => {
    const { events, state } = readAll(concat([capture, capture]), () => 1001);
    expect(state.sections).toBe(1);
    expect(state.processes.length).toBe(2);
    expect(events.map(({ num }) => num)).toEqual(Array.from({ length: 80 }, (_, i) => i + 1));
  });

  it('skips unknown blocks of any size and counts events of unknown types', () => {
    const strange = buildEvent(EventType.SYSCALL_CLOSE_X as number, { params: [] });
    new DataView(strange.buffer).setUint16(20, 5000, true);
    const { events, reader, left } = readAll(
      concat([
        SECTION,
        block(0x7777, new Uint8Array(100_000)),
        block(Block.EVENT_V2, eventBody(strange)),
        block(0x250, []),
        block(Block.EVENT_V2, eventBody(close(3))),
        block(0x7777, new Uint8Array(10)),
      ]),
      () => 999,
    );
    expect(events).toMatchObject([{ num: 1, bytes: close(3) }]);
    expect(reader.stats).toMatchObject({ unknown: 1, malformed: 0 });
    expect(left).toBe(0);
  });

  it('skips an event whose lengths contradict each other, and says which', () => {
    const bad = (change: (view: DataView) => void) => {
      const bytes = close(3);
      change(new DataView(bytes.buffer));
      return block(Block.EVENT_V2, eventBody(bytes));
    };
    const { events, reader } = readAll(
      concat([
        SECTION,
        bad((view) => view.setUint32(16, 1000, true)),
        bad((view) => view.setUint32(16, 3, true)),
        bad((view) => view.setUint32(22, 0x7fffffff, true)),
        bad((view) => view.setUint16(28, 60000, true)),
        bad((view) => view.setUint16(28, 4, true)),
        block(Block.EVENT_V2, [1, 2, 3]),
        block(Block.EVENT_V2, eventBody(close(9))),
      ]),
    );
    expect(events).toMatchObject([{ num: 1, bytes: close(9) }]);
    expect(reader.stats.malformed).toBe(6);
    expect(reader.stats.firstMalformed).toBe(
      'an event of type 5 that claims 1000 bytes and 2 parameters (in the block at byte 28)',
    );
  });

  it.each<[string, Uint8Array, string, number]>([
    ['nothing', new Uint8Array(0), 'the capture is empty', 0],
    ['a few bytes', Uint8Array.of(0x0a), 'not a .scap capture', 0],
    ['text', new TextEncoder().encode('- rule: something'), 'not a .scap capture', 0],
    ['gzip', Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3), 'compressed', 0],
    ['an event first', block(Block.EVENT_V2, eventBody(close(1))), 'not a .scap capture', 0],
    ['big endian', block(0x0a0d0d0a, [0x1a, 0x2b, 0x3c, 0x4d, ...new Array(12).fill(0)]), 'big-endian', 8],
    ['no magic', block(0x0a0d0d0a, new Uint8Array(16)), 'no magic number', 8],
    ['version 2', block(0x0a0d0d0a, [0x4d, 0x3c, 0x2b, 0x1a, 2, 0, ...new Array(10).fill(0)]), 'format version 2', 12],
    ['a block of 4 bytes', concat([SECTION, Uint8Array.of(1, 2, 0, 0, 4, 0, 0, 0)]), 'claims 4 bytes', 28],
    ['a huge event', concat([SECTION, Uint8Array.of(0x16, 2, 0, 0, 0, 0, 2, 0)]), 'longer than the format allows', 28],
    [
      'a huge list',
      concat([SECTION, Uint8Array.of(0x15, 2, 0, 0, 0, 0, 0, 0x7f)]),
      'longer than the format allows',
      28,
    ],
    ['a wrong trailer', concat([SECTION, block(Block.USERS, []).fill(9, 8)]), 'ends with the length', 28],
    [
      'a list that ends early',
      concat([SECTION, block(Block.USERS, [0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 0, 65])]),
      'longer than its block',
      47,
    ],
    ['an entry that is too long', concat([SECTION, block(Block.USERS_V2, [99, 0, 0, 0])]), 'claims 99 bytes', 36],
    ['a strange user', concat([SECTION, block(Block.USERS, [7, 0, 0, 0, 0, 0, 0, 0])]), 'unknown kind 7', 36],
  ])('refuses %s', (_, bytes, message, offset) => {
    for (const size of [1, 5, 1000]) {
      let error: unknown;
      try {
        readAll(bytes, () => size);
      } catch (caught) {
        error = caught;
      }
      expect(error).toBeInstanceOf(ScapError);
      expect((error as ScapError).message).toContain(message);
      expect((error as ScapError).offset).toBe(offset);
    }
  });

  it('holds no more than a block in memory', () => {
    const reader = new ScapReader(new Collected());
    reader.push(SECTION, () => {});
    // An unknown block of 2 GiB passes by without being kept.
    reader.push(Uint8Array.of(0x77, 0x77, 0, 0, 0, 0, 0, 0x80), () => {});
    const piece = new Uint8Array(1 << 20);
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 2047; i++) reader.push(piece, () => {});
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 << 20);
    expect(reader.stats.bytes).toBeGreaterThan(2047 * 2 ** 20);
  });
});

describe('older forms', () => {
  it('infers the number of parameters of events of the first version', () => {
    const open = buildEvent(EventType.SYSCALL_OPEN_X as number, {
      ts: 5n,
      tid: 9,
      params: { fd: 3, name: '/etc/passwd', flags: 1, mode: 0, dev: 2, ino: 77n },
    });
    const { events, reader } = readAll(
      concat([
        SECTION,
        block(Block.EVENT, eventBody(withoutCount(open))),
        block(Block.EVENT_FLAGS, concat([Uint8Array.of(3, 0, 2, 0, 0, 0), withoutCount(close(4))])),
      ]),
      () => 10,
    );
    expect(events).toMatchObject([
      { cpu: 0, flags: 0, bytes: open },
      { cpu: 3, flags: 2, bytes: close(4) },
    ]);
    expect(reader.stats.malformed).toBe(0);
  });

  it('does not deliver an old event whose lengths fit no number of parameters', () => {
    const odd = withoutCount(close(4));
    new DataView(odd.buffer).setUint16(22, 7, true);
    const { events, reader } = readAll(concat([SECTION, block(Block.EVENT, eventBody(odd))]));
    expect(events).toEqual([]);
    expect(reader.stats.firstMalformed).toContain('do not add up');
  });

  /** The entry as process lists of that version had it. */
  function oldProcess(version: number): Uint8Array {
    const parts: number[] = [];
    const number = (value: number, size: number) => {
      for (let i = 0; i < size; i++) parts.push(i < 4 ? (value >>> (8 * i)) & 255 : 0);
    };
    const text = (value: string) => {
      number(value.length, 2);
      for (const char of value) parts.push(char.charCodeAt(0));
    };
    number(10, 8);
    number(11, 8);
    number(12, 8);
    if (version >= 6) number(13, 8);
    if (version >= 8) number(14, 8);
    text('comm');
    text('exe');
    if (version >= 7) text('/bin/exe');
    text('a\0b\0');
    text('/cwd');
    number(1024, 8);
    number(5, 4);
    number(1000, 4);
    number(1001, 4);
    if (version >= 2) for (const value of [1, 2, 3]) number(value, 4);
    if (version >= 2) for (const value of [4, 5]) number(value, 8);
    if (version >= 3) text('X=1\0');
    if (version >= 4) {
      number(20, 8);
      number(21, 8);
      text('cpu=/x\0');
    }
    if (version >= 5) text('/root');
    return Uint8Array.from(parts);
  }

  it.each([
    [1, Block.PROCESSES_V1],
    [1, 0x8000abcd],
    [2, Block.PROCESSES_V2],
    [3, Block.PROCESSES_V3],
    [4, Block.PROCESSES_V4],
    [5, Block.PROCESSES_V5],
    [6, Block.PROCESSES_V6],
    [7, Block.PROCESSES_V7],
    [8, Block.PROCESSES_V8],
  ])('reads process lists of version %i', (version, type) => {
    const two = concat([oldProcess(version), oldProcess(version)]);
    const { state } = readAll(concat([SECTION, block(type, two)]));
    const expected = {
      ...emptyProcess(10),
      pid: 11,
      ptid: 12,
      sid: version >= 6 ? 13 : 0,
      vpgid: version >= 8 ? 14 : -1,
      pgid: -1,
      comm: 'comm',
      exe: 'exe',
      exepath: version >= 7 ? '/bin/exe' : '',
      args: 'a\0b\0',
      cwd: '/cwd',
      flags: 5,
      uid: 1000,
      gid: 1001,
      vmsizeKb: version >= 2 ? 1 : 0,
      vmrssKb: version >= 2 ? 2 : 0,
      vmswapKb: version >= 2 ? 3 : 0,
      pfmajor: version >= 2 ? 4n : 0n,
      pfminor: version >= 2 ? 5n : 0n,
      env: version >= 3 ? 'X=1\0' : '',
      vtid: version >= 4 ? 20 : 10,
      vpid: version >= 4 ? 21 : 11,
      cgroups: version >= 4 ? 'cpu=/x\0' : '',
      root: version >= 5 ? '/root' : '',
    };
    expect(state.processes).toEqual([expected, expected]);
  });

  it('takes entries of version 9 that end early, and skips what a newer producer added', () => {
    const whole = written((writer) => writer.process({ ...emptyProcess(3), tty: 5, loginuid: 6, exeIno: 7n }));
    // Section 28, machine 192, two empty lists 12 each, then block header and the entry's length.
    const at = 28 + 192 + 24 + 8;
    const view = new DataView(whole.buffer);
    const size = view.getUint32(at, true);
    const entry = whole.slice(at + 4, at + size);
    const lengths = Array.from({ length: 120 }, (_, i) => i - 76);
    for (const change of lengths) {
      const body =
        change <= 0 ? entry.slice(0, entry.length + change) : concat([entry, new Uint8Array(change).fill(9)]);
      const framed = new Uint8Array(4 + body.length);
      new DataView(framed.buffer).setUint32(0, framed.length, true);
      framed.set(body, 4);
      const { state } = readAll(concat([SECTION, block(Block.PROCESSES_V9, framed)]));
      expect(state.processes.length).toBe(1);
      expect(state.processes[0]).toMatchObject({
        tid: 3,
        tty: change >= -64 ? 5 : 0,
        loginuid: change >= -60 ? 6 : 0xffffffff,
      });
      expect(state.processes[0]?.exeIno).toBe(change >= -10 ? 7n : 0n);
    }
  });

  it('reads lists without entry lengths', () => {
    const fdsBody = [7, 0, 0, 0, 0, 0, 0, 0];
    fdsBody.push(3, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, FdType.FILE_V2, 1, 0, 0, 0, 2, 0, 47, 97);
    fdsBody.push(4, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, FdType.IPV4_SERVSOCK, 127, 0, 0, 1, 80, 0, 2);
    const users = [0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 97, 1, 0, 98, 1, 0, 99, 1, 5, 0, 0, 0, 1, 0, 100];
    const interfaces = [3, 0, 2, 0, 127, 0, 0, 1, 255, 0, 0, 0, 127, 0, 0, 1, 108, 111];
    const { state } = readAll(
      concat([SECTION, block(Block.FDS, fdsBody), block(Block.USERS, users), block(Block.INTERFACES, interfaces)]),
    );
    expect(state.fds).toMatchObject([
      { tid: 7, fd: 3, ino: 9n, type: FdType.FILE_V2, name: '/a', openFlags: 1, dev: 0 },
      { tid: 7, fd: 4, type: FdType.IPV4_SERVSOCK, localAddress: '\x7f\0\0\x01', localPort: 80, l4proto: 2 },
    ]);
    expect(state.usersAndGroups).toEqual([
      { kind: 'user', uid: 1, gid: 2, name: 'a', home: 'b', shell: 'c' },
      { kind: 'group', gid: 5, name: 'd' },
    ]);
    expect(state.interfaces).toEqual([
      { address: '\x7f\0\0\x01', netmask: '\xff\0\0\0', broadcast: '\x7f\0\0\x01', linkSpeed: 0n, name: 'lo' },
    ]);
  });
});
