import fc from 'fast-check';
import { expect, test } from 'vitest';
import { buildEvent, Event, EventType, HEADER_SIZE } from '../event/index.ts';
import { Follower, State } from './index.ts';

type Params = Record<string, number | bigint | string>;

/** One system call of a small machine: a few processes, a few descriptors and names, so that they meet. */
const tid = fc.integer({ min: 10, max: 14 });
const fd = fc.integer({ min: 3, max: 7 });
const result = fc.constantFrom(0, 0, 0, -2);
const name = fc.constantFrom('/etc/passwd', '/var/log', '/a', 'relative', '../up', '');
const call = (code: string, tid: number, params: Params) => ({ code, tid, params });
const calls = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .record({
        tid,
        fd: fc.oneof({ weight: 5, arbitrary: fd }, fc.constantFrom(-2, 5000)),
        name,
        dirfd: fc.oneof(fc.constant(-100), fd),
        flags: fc.constantFrom(1, 0x1001, 0x41),
      })
      .map(({ tid, fd, name, dirfd, flags }) =>
        call('SYSCALL_OPENAT_2_X', tid, { fd, dirfd, name, flags, mode: 0, dev: 1, ino: 7n }),
      ),
  },
  {
    weight: 8,
    arbitrary: fc.record({ tid, fd, res: result }).map(({ tid, fd, res }) => call('SYSCALL_CLOSE_X', tid, { res, fd })),
  },
  fc
    .record({ tid, fd, to: fd })
    .map(({ tid, fd, to }) => call('SYSCALL_DUP2_X', tid, { res: to, oldfd: fd, newfd: to })),
  fc
    .record({ tid, fd, to: fd, cmd: fc.constantFrom(1, 2, 3, 26), arg: fc.constantFrom(0, 1) })
    .map(({ tid, fd, to, cmd, arg }) => call('SYSCALL_FCNTL_X', tid, { res: to, fd, cmd, arg })),
  fc.record({ tid, name }).map(({ tid, name }) => call('SYSCALL_CHDIR_X', tid, { res: 0, path: name })),
  fc.record({ tid, fd }).map(({ tid, fd }) => call('SYSCALL_FCHDIR_X', tid, { res: 0, fd })),
  fc.record({ tid, fd }).map(({ tid, fd }) => call('SOCKET_SOCKET_X', tid, { fd, domain: 2, type: 1, proto: 0 })),
  fc.record({ tid, fd }).map(({ tid, fd }) => call('SYSCALL_READ_X', tid, { res: 0, fd, size: 1 })),
  fc
    .record({ tid, child: tid, flags: fc.constantFrom(0, 0x100, 0x400) })
    .filter(({ tid, child }) => tid !== child)
    .map(({ tid, child, flags }) =>
      call('SYSCALL_CLONE_20_X', tid, {
        res: child,
        exe: 'p',
        tid,
        pid: tid,
        ptid: 1,
        comm: 'p',
        flags,
        vtid: tid,
        vpid: tid,
      }),
    ),
  fc
    .record({ tid, parent: tid })
    .filter(({ tid, parent }) => tid !== parent)
    .map(({ tid, parent }) =>
      call('SYSCALL_CLONE_20_X', tid, {
        res: 0,
        exe: 'p',
        tid,
        pid: tid,
        ptid: parent,
        comm: 'p',
        flags: 0,
        vtid: tid,
        vpid: tid,
      }),
    ),
  tid.map((tid) =>
    call('SYSCALL_EXECVE_19_X', tid, {
      res: 0,
      exe: '/bin/e',
      tid,
      pid: tid,
      ptid: 1,
      cwd: '/srv',
      comm: 'e',
      exepath: '/bin/e',
    }),
  ),
  tid.map((tid) => call('PROCEXIT_1_E', tid, { status: 0, ret: 0, sig: 0, core: 0, reaper_tid: 0 })),
  fc
    .record({ tid, fd })
    .map(({ tid, fd }) => call('SYSCALL_CLOSE_RANGE_X', tid, { res: 0, first: fd, last: fd + 1, flags: 0 })),
);

/** Everything that a state says of its threads and their descriptors. */
function told(state: State): unknown[] {
  const entries: unknown[] = [];
  const keep = (entry: unknown): void => void entries.push(entry);
  state.snapshot({ machine: keep, process: keep, fd: keep, userOrGroup: keep, interface: keep });
  const shown = [...state.threads].map((thread) => [thread.tid, thread.comm, thread.cwd?.name, thread.parent?.tid]);
  return [...entries, shown];
}

test('following leaves the state that applying leaves, whatever is judged in between', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ events: fc.array(calls, { maxLength: 30 }), judged: fc.boolean() }), { maxLength: 8 }),
      (portions) => {
        const [applied, followed] = [new State(), new State()];
        const follower = new Follower(followed);
        let ts = 1_700_000_000_000_000_000n;
        for (const { events, judged } of portions) {
          const bytes = events.map(({ code, tid, params }) =>
            buildEvent(EventType[code] as number, { tid, params, ts: (ts += 1000n) }),
          );
          // All of a portion are in one piece of memory, which the next portion overwrites.
          const memory = new Uint8Array(bytes.reduce((sum, { length }) => sum + length, 0) + HEADER_SIZE);
          const event = new Event();
          event.attach(memory, new DataView(memory.buffer));
          let at = 0;
          for (const one of bytes) {
            memory.set(one, at);
            event.read(at, 0, 1);
            applied.apply(event);
            if (judged) followed.apply(event);
            else follower.follow(event);
            if (judged) {
              expect(followed.fd?.name).toBe(applied.fd?.name);
              expect(followed.thread?.comm).toBe(applied.thread?.comm);
            }
            expect(followed.previousTs).toBe(applied.previousTs);
            at += one.length;
          }
          if (!judged) follower.catchUp();
          memory.fill(0xff);
          expect(told(followed)).toEqual(told(applied));
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('files that are closed again are never opened, and many that stay open are', () => {
  const state = new State();
  const follower = new Follower(state);
  const memory = new Uint8Array(1 << 16);
  const event = new Event();
  event.attach(memory, new DataView(memory.buffer));
  let at = 0;
  const take = (code: string, params: Params): void => {
    const bytes = buildEvent(EventType[code] as number, { tid: 10, params, ts: 1n });
    memory.set(bytes, at);
    event.read(at, 0, 1);
    follower.follow(event);
    at += bytes.length;
  };
  const open = (fd: number): void =>
    take('SYSCALL_OPENAT_2_X', { fd, dirfd: -100, name: `/n${fd}`, flags: 1, mode: 0, dev: 1, ino: 1n });
  open(3);
  take('SYSCALL_CLOSE_X', { res: 0, fd: 3 });
  const thread = state.threads.get(10);
  for (let fd = 3; fd < 203; fd++) open(fd);
  const before = thread?.fds.size ?? 0;
  expect(before).toBeLessThan(200);
  follower.catchUp();
  expect(thread?.fds.size).toBe(200);
  expect(thread?.fds.get(202)?.name).toBe('/n202');
});
