import { expect, test } from 'vitest';
import { buildEvent, EventType, inetTuple, unixTuple, viewEvent } from './index.ts';

const type = (code: string) => EventType[code] as number;

test('named parameters are written in the order and width of the table, the others as zero or empty', () => {
  const event = viewEvent(
    buildEvent(type('SYSCALL_OPENAT_2_X'), {
      ts: 5n,
      tid: 7,
      params: { fd: 3, dirfd: -100, name: '/etc/passwd', ino: 9n },
    }),
  );
  expect([event.ts, event.tid, event.type, event.nparams]).toEqual([5n, 7, 307, 7]);
  expect([event.lo(0), event.i64(1), event.str(2), event.u32(3), event.u32(5), event.u64(6)]).toEqual([
    3,
    -100n,
    '/etc/passwd',
    0,
    0,
    9n,
  ]);
  expect(event.length).toBe(26 + 7 * 2 + 8 + 8 + 12 + 4 + 4 + 4 + 8);
});

test('a short list stands for an older producer, null for an empty parameter, a long list for trailing ones', () => {
  const short = viewEvent(buildEvent(type('SYSCALL_CLOSE_X'), { params: [0] }));
  expect(short.nparams).toBe(1);
  expect(short.has(1)).toBe(false);
  const long = viewEvent(buildEvent(type('SYSCALL_CLOSE_X'), { params: { fd: null }, extra: [1, '/x', 8, 9n] }));
  expect([long.has(1), long.u32(2), long.str(3), long.u32(4), long.u64(5)]).toEqual([false, 1, '/x', 8, 9n]);
});

test('lists of strings are NUL-terminated, tuples have the lengths that the kernel writes', () => {
  const event = viewEvent(buildEvent(type('SYSCALL_EXECVE_19_X'), { params: { args: ['-c', 'id'] } }));
  expect(event.bytes(2)).toBe('-c\0id\0');
  expect(inetTuple('1.2.3.4', 80, '5.6.7.8', 65535)).toHaveLength(13);
  expect(inetTuple('::1', 80, '2001:db8::5', 443)).toHaveLength(37);
  expect(unixTuple(1n, 2n, '/run/x')).toHaveLength(17 + 7);
});

test('large payloads have 32-bit lengths', () => {
  const event = viewEvent(
    buildEvent(type('PLUGINEVENT_E'), { params: { plugin_id: 1, event_data: 'x'.repeat(70000) } }),
  );
  expect(event.len(1)).toBe(70000);
});
