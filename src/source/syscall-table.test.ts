import { expect, test } from 'vitest';
import { EVENTS, EventFlag, EventType } from '../event/index.ts';
import {
  DROP_CLASSES,
  dropClass,
  FAMILIES,
  STATE_EVENTS,
  socketcallTreatments,
  treatments,
  URING_OPERATIONS,
} from './syscall-table.ts';

const all = [
  ...(['x64', 'i386', 'arm64'] as const).flatMap((numbering) => [...treatments(numbering).values()]),
  ...socketcallTreatments().filter((entry) => entry !== undefined),
];

test('every call becomes a living exit event', () => {
  for (const { event, family } of all) {
    const info = EVENTS[event];
    expect(info.enter, info.code).toBe(false);
    expect(info.flags & (EventFlag.OLD_VERSION | EventFlag.UNUSED), info.code).toBe(0);
    expect(FAMILIES).toContain(family);
  }
  for (const event of URING_OPERATIONS.values()) expect(EVENTS[event]).toBeDefined();
});

test('numbers are those of the machine', () => {
  const x64 = treatments('x64');
  const i386 = treatments('i386');
  expect(x64.get(257)?.event).toBe(EventType.SYSCALL_OPENAT_2_X);
  // The same number is another call.
  expect(x64.get(5)?.event).toBe(EventType.SYSCALL_FSTAT_X);
  expect(i386.get(5)?.event).toBe(EventType.SYSCALL_OPEN_X);
  // x32 has an execve of its own.
  expect(x64.get(520)?.event).toBe(EventType.SYSCALL_EXECVE_19_X);
  expect(treatments('arm64').get(56)?.event).toBe(EventType.SYSCALL_OPENAT_2_X);
});

test('every event that default rules name can be had', () => {
  const names = `execve execveat open openat openat2 creat connect accept accept4 listen sendto sendmsg recvfrom recvmsg
    rename renameat renameat2 rmdir unlink unlinkat chmod fchmod fchmodat mkdir mkdirat symlink symlinkat link linkat
    socket dup dup2 dup3 ptrace finit_module init_module setns unshare setuid bpf userfaultfd clone fork vfork clone3
    close fcntl pipe pipe2 socketpair bind chdir fchdir chroot setsid setpgid capset prctl getsockopt memfd_create
    pidfd_open pidfd_getfd io_uring_setup open_by_handle_at`.split(/\s+/);
  const given = new Set([...treatments('x64').values()].map(({ event }) => EVENTS[event].name));
  expect(names.filter((name) => !given.has(name))).toEqual([]);
});

test('state events exist, and have a drop class', () => {
  for (const event of STATE_EVENTS) {
    expect(EVENTS[event]).toBeDefined();
    expect(DROP_CLASSES[dropClass(event)]).toBeDefined();
  }
  expect(DROP_CLASSES[dropClass(EventType.SOCKET_CONNECT_X)]).toBe('connect');
  expect(DROP_CLASSES[dropClass(EventType.SYSCALL_MKDIR_2_X)]).toBe('dir_file');
  expect(DROP_CLASSES[dropClass(EventType.SYSCALL_KILL_X)]).toBe('other');
});
