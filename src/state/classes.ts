import { EVENTS, EventFlag, EventType } from '../event/index.ts';

/** What the state does on an event; most types have none. */
export const Class = {
  NONE: 0,
  OPEN: 1,
  CLOSE: 2,
  CLONE: 3,
  EXEC: 4,
  EXIT: 5,
  SOCKET: 6,
  CONNECT: 7,
  ACCEPT: 8,
  BIND: 9,
  /** Sends or receives on a socket, and says between whom. */
  TRANSFER: 10,
  DUP: 11,
  FCNTL: 12,
  PIPE: 13,
  SOCKETPAIR: 14,
  /** Makes an fd that is no file and no socket. */
  CREATE_FD: 15,
  PIDFD_OPEN: 16,
  PIDFD_GETFD: 17,
  CLOSE_RANGE: 18,
  CHDIR: 19,
  FCHDIR: 20,
  CHROOT: 21,
  SETUID: 22,
  SETGID: 23,
  SETSID: 24,
  SETPGID: 25,
  PRCTL: 26,
  CAPSET: 27,
  RLIMIT: 28,
  PRLIMIT: 29,
  MEMORY: 30,
  USER: 31,
  GROUP: 32,
  TASK: 33,
  TASK_FILE: 34,
  /** Has no thread of its own (plugins, asynchronous events, containers). */
  NO_THREAD: 35,
  CONNECT_ENTER: 36,
  /** Tells of a container (or is another asynchronous event). */
  CONTAINER: 37,
} as const;

/** Event type → class. */
export const CLASS = new Uint8Array(512);

/** Event type → parameter that holds the fd which the event uses; -1 for none. */
export const FD_PARAM = new Int8Array(512).fill(-1);

/** Event type → number of parameters in the table; more of them are our own trailing ones. */
export const PARAM_COUNT = new Uint8Array(512);

/**
 * Event type → event is about an fd (creates, uses or closes one): only then have the `fd.*` fields a value
 * (libsinsp, `sinsp_filter_check_fd::extract_fd`).
 */
export const FD_EVENT = new Uint8Array(512);

function define(code: number, ...names: string[]): void {
  for (const name of names) {
    const type = EventType[name];
    if (type === undefined) throw new Error(`no event type ${name}`);
    CLASS[type] = code;
  }
}

define(
  Class.OPEN,
  'SYSCALL_OPEN_X',
  'SYSCALL_OPENAT_2_X',
  'SYSCALL_OPENAT2_X',
  'SYSCALL_CREAT_X',
  'SYSCALL_OPEN_BY_HANDLE_AT_X',
);
define(Class.CLOSE, 'SYSCALL_CLOSE_X');
define(Class.CLONE, 'SYSCALL_CLONE_20_X', 'SYSCALL_FORK_20_X', 'SYSCALL_VFORK_20_X', 'SYSCALL_CLONE3_X');
define(Class.EXEC, 'SYSCALL_EXECVE_19_X', 'SYSCALL_EXECVEAT_X');
define(Class.EXIT, 'PROCEXIT_1_E');
define(Class.SOCKET, 'SOCKET_SOCKET_X');
define(Class.CONNECT, 'SOCKET_CONNECT_X');
define(Class.CONNECT_ENTER, 'SOCKET_CONNECT_E');
define(Class.ACCEPT, 'SOCKET_ACCEPT_5_X', 'SOCKET_ACCEPT4_6_X');
define(Class.BIND, 'SOCKET_BIND_X');
define(
  Class.TRANSFER,
  'SOCKET_SEND_X',
  'SOCKET_SENDTO_X',
  'SOCKET_SENDMSG_X',
  'SOCKET_SENDMMSG_X',
  'SOCKET_RECV_X',
  'SOCKET_RECVFROM_X',
  'SOCKET_RECVMSG_X',
  'SOCKET_RECVMMSG_X',
);
define(Class.DUP, 'SYSCALL_DUP_1_X', 'SYSCALL_DUP2_X', 'SYSCALL_DUP3_X');
define(Class.FCNTL, 'SYSCALL_FCNTL_X');
define(Class.PIPE, 'SYSCALL_PIPE_X', 'SYSCALL_PIPE2_X');
define(Class.SOCKETPAIR, 'SOCKET_SOCKETPAIR_X');
define(
  Class.CREATE_FD,
  'SYSCALL_EVENTFD_X',
  'SYSCALL_EVENTFD2_X',
  'SYSCALL_SIGNALFD_X',
  'SYSCALL_SIGNALFD4_X',
  'SYSCALL_TIMERFD_CREATE_X',
  'SYSCALL_INOTIFY_INIT_X',
  'SYSCALL_INOTIFY_INIT1_X',
  'SYSCALL_EPOLL_CREATE_X',
  'SYSCALL_EPOLL_CREATE1_X',
  'SYSCALL_USERFAULTFD_X',
  'SYSCALL_IO_URING_SETUP_X',
  'SYSCALL_BPF_2_X',
  'SYSCALL_MEMFD_CREATE_X',
);
define(Class.PIDFD_OPEN, 'SYSCALL_PIDFD_OPEN_X');
define(Class.PIDFD_GETFD, 'SYSCALL_PIDFD_GETFD_X');
define(Class.CLOSE_RANGE, 'SYSCALL_CLOSE_RANGE_X');
define(Class.CHDIR, 'SYSCALL_CHDIR_X');
define(Class.FCHDIR, 'SYSCALL_FCHDIR_X');
define(Class.CHROOT, 'SYSCALL_CHROOT_X');
define(Class.SETUID, 'SYSCALL_SETUID_X', 'SYSCALL_SETRESUID_X', 'SYSCALL_SETREUID_X');
define(Class.SETGID, 'SYSCALL_SETGID_X', 'SYSCALL_SETRESGID_X', 'SYSCALL_SETREGID_X');
define(Class.SETSID, 'SYSCALL_SETSID_X');
define(Class.SETPGID, 'SYSCALL_SETPGID_X');
define(Class.PRCTL, 'SYSCALL_PRCTL_X');
define(Class.CAPSET, 'SYSCALL_CAPSET_X');
define(Class.RLIMIT, 'SYSCALL_GETRLIMIT_X', 'SYSCALL_SETRLIMIT_X');
define(Class.PRLIMIT, 'SYSCALL_PRLIMIT_X');
define(Class.MEMORY, 'SYSCALL_BRK_4_X', 'SYSCALL_MMAP_X', 'SYSCALL_MMAP2_X', 'SYSCALL_MUNMAP_X');
define(Class.USER, 'USER_ADDED_E', 'USER_DELETED_E');
define(Class.GROUP, 'GROUP_ADDED_E', 'GROUP_DELETED_E');
define(Class.TASK, 'ITER_TASK_E');
define(
  Class.NO_THREAD,
  'PLUGINEVENT_E',
  'DROP_E',
  'DROP_X',
  'SCAPEVENT_E',
  'CPU_HOTPLUG_E',
  'NOTIFICATION_E',
  'INFRASTRUCTURE_EVENT_E',
);

define(Class.CONTAINER, 'ASYNCEVENT_E', 'CONTAINER_JSON_2_E', 'CONTAINER_JSON_E');

/** Calls with which our probe sends the file of their descriptor where its open was not reported. */
export const CARRIES_FILE = new Uint8Array(512);
for (const code of [
  'SYSCALL_DUP_1_X',
  'SYSCALL_DUP2_X',
  'SYSCALL_DUP3_X',
  'SYSCALL_FCNTL_X',
  'SYSCALL_FCHMOD_X',
  'SYSCALL_FCHOWN_X',
  'SYSCALL_FCHDIR_X',
  'SYSCALL_MMAP_X',
  'SYSCALL_MMAP2_X',
  'SYSCALL_FINIT_MODULE_X',
  'SOCKET_CONNECT_X',
  'SOCKET_BIND_X',
  'SOCKET_GETSOCKOPT_X',
  'SOCKET_SETSOCKOPT_X',
] as const) {
  CARRIES_FILE[EventType[code]] = 1;
}

for (const info of EVENTS) {
  PARAM_COUNT[info.type] = info.params.length;
  if (info.code.startsWith('ITER_TASK_FILE_')) CLASS[info.type] = Class.TASK_FILE;
  const about = EventFlag.CREATES_FD | EventFlag.USES_FD | EventFlag.DESTROYS_FD;
  if ((info.flags & about) !== 0) FD_EVENT[info.type] = 1;
  if ((info.flags & EventFlag.USES_FD) !== 0) {
    FD_PARAM[info.type] = info.params.findIndex((param) => param.type === 'FD' && param.name !== 'res');
  }
}
