import { describe, expect, it } from 'vitest';
import { buildEvent, EVENTS, type Event, EventFlag, EventType, type ParamValue } from '../event/index.ts';
import data from './conversion.json' with { type: 'json' };
import { Block } from './format.ts';
import { ScapReader } from './reader.ts';
import { block, Collected, concat, eventBody, SECTION } from './testing/collect.ts';

interface Old {
  type: string;
  params?: readonly ParamValue[];
  tid?: number;
}

/** What comes out of old events: type, and each parameter as hexadecimal bytes. */
function convert(...events: Old[]): { type: string; params: string[] }[] {
  const out: { type: string; params: string[] }[] = [];
  const reader = new ScapReader(new Collected());
  const visit = (event: Event) => {
    const params: string[] = [];
    for (let i = 0; i < event.nparams; i++) {
      const at = event.offset(i);
      params.push(Buffer.from(event.buffer.slice(at, at + event.len(i))).toString('hex'));
    }
    out.push({ type: event.info.code, params });
  };
  const blocks = events.map(({ type, params = [], tid = 7 }) =>
    block(Block.EVENT_V2, eventBody(buildEvent(EventType[type] as number, { params, tid, ts: 1n }))),
  );
  reader.push(concat([SECTION, ...blocks]), visit);
  expect(reader.stats.malformed).toBe(0);
  expect(reader.stats.dropped).toBe(events.length - out.length);
  return out;
}

const i64 = (value: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes.toString('hex');
};
const u32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer).toString('hex');
const text = (value: string) => Buffer.from(`${value}\0`).toString('hex');

describe('the table', () => {
  const rows = data as { type: string; params: number; do: string; to?: string; with?: string[] }[];
  const keys = new Set(rows.map(({ type, params }) => `${type} ${params}`));

  it('names only events that exist, each form once', () => {
    expect(keys.size).toBe(rows.length);
    for (const row of rows) {
      expect(EventType[row.type], row.type).toBeDefined();
      if (row.to !== undefined) expect(EventType[row.to], row.to).toBeDefined();
      expect(EVENTS[EventType[row.type] as number]?.flags ?? 0).toSatisfy(
        (flags: number) => (flags & EventFlag.CONVERTER_MANAGED) !== 0,
      );
    }
  });

  it('leads from every form to the full one', () => {
    for (const row of rows) {
      if (row.do !== 'add' && row.do !== 'change') continue;
      const type = row.to ?? row.type;
      const count = (row.do === 'add' ? row.params : 0) + (row.with?.length ?? 0);
      const full = EVENTS[EventType[type] as number]?.params.length;
      expect(keys.has(`${type} ${count}`) || count === full, `${row.type} ${row.params} → ${type} ${count}`).toBe(true);
    }
  });
});

describe('converting', () => {
  it('moves the parameters of the enter event to the exit event', () => {
    expect(
      convert(
        { type: 'SYSCALL_CLOSE_E', params: [5] },
        { type: 'SYSCALL_CLOSE_E', params: [6], tid: 8 },
        { type: 'SYSCALL_CLOSE_X', params: [0] },
        { type: 'SYSCALL_CLOSE_X', params: [-9], tid: 8 },
      ),
    ).toEqual([
      { type: 'SYSCALL_CLOSE_X', params: [i64(0), i64(5)] },
      { type: 'SYSCALL_CLOSE_X', params: [i64(-9), i64(6)] },
    ]);
  });

  it('puts zero, or nothing, where the enter event is missing or is another one', () => {
    expect(
      convert(
        { type: 'SYSCALL_CLOSE_X', params: [0] },
        { type: 'SYSCALL_READ_E', params: [3, 100] },
        { type: 'SYSCALL_CLOSE_X', params: [0] },
        { type: 'SYSCALL_UNLINK_X', params: [0] },
      ),
    ).toEqual([
      { type: 'SYSCALL_CLOSE_X', params: [i64(0), i64(0)] },
      { type: 'SYSCALL_CLOSE_X', params: [i64(0), i64(0)] },
      { type: 'SYSCALL_UNLINK_2_X', params: [i64(0), ''] },
    ]);
  });

  it('uses an enter event once', () => {
    const [first, second] = convert(
      { type: 'SYSCALL_CLOSE_E', params: [5] },
      { type: 'SYSCALL_CLOSE_X', params: [0] },
      { type: 'SYSCALL_CLOSE_X', params: [0] },
    );
    expect(first?.params[1]).toBe(i64(5));
    expect(second?.params[1]).toBe(i64(0));
  });

  it('brings openat of the first form to the second', () => {
    expect(
      convert(
        { type: 'SYSCALL_OPENAT_E', params: [-100, '/etc/passwd', 1, 0] },
        { type: 'SYSCALL_OPENAT_X', params: [4] },
      ),
    ).toEqual([
      {
        type: 'SYSCALL_OPENAT_2_X',
        params: [i64(4), i64(-100), text('/etc/passwd'), u32(1), u32(0), '', ''],
      },
    ]);
  });

  it('brings the oldest execve to 31 parameters in steps, each value at its place', () => {
    const [execve] = convert({
      type: 'SYSCALL_EXECVE_8_X',
      params: [0, 'cat', ['a', 'b'], 10, 11, 12, '/tmp', 1024],
    });
    expect(execve?.type).toBe('SYSCALL_EXECVE_19_X');
    expect(execve?.params.length).toBe(31);
    expect(execve?.params.slice(0, 8)).toEqual([
      i64(0),
      text('cat'),
      '61006200',
      i64(10),
      i64(11),
      i64(12),
      text('/tmp'),
      i64(1024),
    ]);
    expect(execve?.params.slice(8).join('')).toBe('');
  });

  it('keeps the values of later execve and clone forms beside their names', () => {
    const values = (code: string): ParamValue[] =>
      (EVENTS[EventType[code] as number]?.params ?? []).map((param, i) =>
        param.type === 'CHARBUF' || param.type === 'BYTEBUF' ? `${param.name}\0` : i + 1,
      );
    for (const [from, to] of [
      ['SYSCALL_EXECVE_13_X', 'SYSCALL_EXECVE_19_X'],
      ['SYSCALL_EXECVE_14_X', 'SYSCALL_EXECVE_19_X'],
      ['SYSCALL_EXECVE_15_X', 'SYSCALL_EXECVE_19_X'],
      ['SYSCALL_EXECVE_16_X', 'SYSCALL_EXECVE_19_X'],
      ['SYSCALL_EXECVE_17_X', 'SYSCALL_EXECVE_19_X'],
      ['SYSCALL_EXECVE_18_X', 'SYSCALL_EXECVE_19_X'],
      ['SYSCALL_CLONE_11_X', 'SYSCALL_CLONE_20_X'],
      ['SYSCALL_CLONE_16_X', 'SYSCALL_CLONE_20_X'],
      ['SYSCALL_CLONE_17_X', 'SYSCALL_CLONE_20_X'],
      ['SYSCALL_FORK_X', 'SYSCALL_FORK_20_X'],
      ['SYSCALL_VFORK_17_X', 'SYSCALL_VFORK_20_X'],
    ] as const) {
      const old = EVENTS[EventType[from] as number]?.params ?? [];
      const now = EVENTS[EventType[to] as number]?.params ?? [];
      const [event] = convert({ type: from, params: values(from) });
      const [asIs] = convert({ type: to, params: now.map(() => null) });
      expect(asIs?.params.length).toBe(now.length);
      expect(event?.type).toBe(to);
      now.forEach((param, i) => {
        const was = old.findIndex(({ name }) => name === param.name);
        const value = event?.params[i] ?? '';
        if (was < 0) expect(value, `${from} ${param.name}`).toBe('');
        else
          expect(Buffer.from(value, 'hex')[0], `${from} ${param.name}`).toBe(
            param.type === 'CHARBUF' || param.type === 'BYTEBUF' ? param.name.charCodeAt(0) : was + 1,
          );
      });
    }
  });

  it('turns container events into the JSON ones', () => {
    const [container] = convert({ type: 'CONTAINER_E', params: ['ab12', 0, 'web', 'nginx:1'] });
    expect(container?.type).toBe('CONTAINER_JSON_2_E');
    const json = Buffer.from(container?.params[0] ?? '', 'hex').toString();
    expect(json.endsWith('\0')).toBe(true);
    expect(JSON.parse(json.slice(0, -1))).toEqual({
      container: { id: 'ab12', type: 0, name: 'web', image: 'nginx:1' },
    });
  });

  it('drops unused types and old enter events, passes those that are still in use', () => {
    const unused = EVENTS.filter(({ flags }) => (flags & EventFlag.UNUSED) !== 0).map(({ code }) => code);
    expect(unused.length).toBeGreaterThan(0);
    expect(convert(...unused.map((type) => ({ type })))).toEqual([]);
    expect(
      convert(
        { type: 'SYSCALL_OPEN_E', params: ['/a', 1, 2] },
        { type: 'SOCKET_CONNECT_E', params: [3, null] },
        { type: 'SYSCALL_OPEN_E', params: [] },
      ).map(({ type, params }) => [type, params.length]),
    ).toEqual([
      ['SYSCALL_OPEN_E', 3],
      ['SOCKET_CONNECT_E', 2],
      ['SYSCALL_OPEN_E', 3],
    ]);
  });

  it('gives every type and number of parameters an end', () => {
    for (const info of EVENTS) {
      for (let count = 0; count <= info.params.length + 4; count++) {
        convert({ type: info.code, params: Array.from({ length: count }, () => null) });
      }
    }
  });

  it('bounds what waits for an exit event', () => {
    const reader = new ScapReader(new Collected());
    reader.push(SECTION, () => {});
    const before = process.memoryUsage().arrayBuffers;
    for (let round = 0; round < 40; round++) {
      const blocks: Uint8Array[] = [];
      for (let i = 0; i < 2000; i++) {
        blocks.push(
          block(
            Block.EVENT_V2,
            eventBody(
              buildEvent(EventType.SYSCALL_UNLINK_E as number, { tid: round * 2000 + i, params: ['x'.repeat(200)] }),
            ),
          ),
        );
      }
      reader.push(concat(blocks), () => {});
    }
    expect(reader.stats.dropped).toBe(80_000);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(30 << 20);
  });
});
