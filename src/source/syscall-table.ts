/**
 * Which system call becomes which event, and which of the probe's programs builds it.
 *
 * Numbers are those of arch/x86/entry/syscalls/syscall_64.tbl (x32's own ones above 511 included), syscall_32.tbl
 * and include/uapi/asm-generic/unistd.h (arm64).
 */
import { EventType } from '../event/index.ts';

/** The probe's programs for families of system calls, in the order of `enum program` of probe/maps.h. */
export const FAMILIES = [
  'numbers',
  'open',
  'paths',
  'socket',
  'data',
  'process',
  'failed_exec',
  'misc',
  'file',
] as const;
export type Family = (typeof FAMILIES)[number];

/** Names of the drop classes, in the order of the probe's counters. */
export const DROP_CLASSES = ['clone_fork', 'execve', 'connect', 'open', 'dir_file', 'close', 'proc', 'other'] as const;

type Row = readonly [
  event: string,
  family: Family,
  x64: readonly number[],
  i386: readonly number[],
  arm64: readonly number[],
];

// biome-ignore format: a table
const ROWS: readonly Row[] = [
  ['SYSCALL_CLOSE_X', 'numbers', [3], [6], [57]],
  ['SYSCALL_CLOSE_RANGE_X', 'numbers', [436], [436], [436]],
  ['SYSCALL_DUP_1_X', 'file', [32], [41], [23]],
  ['SYSCALL_DUP2_X', 'file', [33], [63], []],
  ['SYSCALL_DUP3_X', 'file', [292], [330], [24]],
  ['SYSCALL_FCNTL_X', 'file', [72], [55, 221], [25]],
  ['SYSCALL_PIPE_X', 'numbers', [22], [42], []],
  ['SYSCALL_PIPE2_X', 'numbers', [293], [331], [59]],
  ['SYSCALL_EVENTFD_X', 'numbers', [284], [323], []],
  ['SYSCALL_EVENTFD2_X', 'numbers', [290], [328], [19]],
  ['SYSCALL_SIGNALFD_X', 'numbers', [282], [321], []],
  ['SYSCALL_SIGNALFD4_X', 'numbers', [289], [327], [74]],
  ['SYSCALL_TIMERFD_CREATE_X', 'numbers', [283], [322], [85]],
  ['SYSCALL_INOTIFY_INIT_X', 'numbers', [253], [291], []],
  ['SYSCALL_INOTIFY_INIT1_X', 'numbers', [294], [332], [26]],
  ['SYSCALL_EPOLL_CREATE_X', 'numbers', [213], [254], []],
  ['SYSCALL_EPOLL_CREATE1_X', 'numbers', [291], [329], [20]],
  ['SYSCALL_USERFAULTFD_X', 'numbers', [323], [374], [282]],
  ['SYSCALL_PIDFD_OPEN_X', 'numbers', [434], [434], [434]],
  ['SYSCALL_PIDFD_GETFD_X', 'numbers', [438], [438], [438]],
  ['SYSCALL_BPF_2_X', 'numbers', [321], [357], [280]],
  ['SYSCALL_IO_URING_ENTER_X', 'numbers', [426], [426], [426]],
  ['SYSCALL_IO_URING_REGISTER_X', 'numbers', [427], [427], [427]],
  ['SYSCALL_IOCTL_3_X', 'numbers', [16, 514], [54], [29]],
  ['SYSCALL_FLOCK_X', 'numbers', [73], [143], [32]],
  ['SYSCALL_LSEEK_X', 'numbers', [8], [19], [62]],
  ['SYSCALL_LLSEEK_X', 'numbers', [], [140], []],
  ['SYSCALL_FSTAT_X', 'numbers', [5], [108], [80]],
  ['SYSCALL_FSTAT64_X', 'numbers', [], [197], []],
  ['SYSCALL_GETDENTS_X', 'numbers', [78], [141], []],
  ['SYSCALL_GETDENTS64_X', 'numbers', [217], [220], [61]],
  ['SYSCALL_SPLICE_X', 'numbers', [275], [313], [76]],
  ['SYSCALL_SENDFILE_X', 'numbers', [40], [187, 239], [71]],
  ['SYSCALL_COPY_FILE_RANGE_X', 'numbers', [326], [377], [285]],
  ['SOCKET_SOCKET_X', 'numbers', [41], [359], [198]],
  ['SOCKET_LISTEN_X', 'numbers', [50], [363], [201]],
  ['SOCKET_SHUTDOWN_X', 'numbers', [48], [373], [210]],
  ['SYSCALL_SETUID_X', 'numbers', [105], [23, 213], [146]],
  ['SYSCALL_SETGID_X', 'numbers', [106], [46, 214], [144]],
  ['SYSCALL_SETREUID_X', 'numbers', [113], [70, 203], [145]],
  ['SYSCALL_SETREGID_X', 'numbers', [114], [71, 204], [143]],
  ['SYSCALL_SETRESUID_X', 'numbers', [117], [164, 208], [147]],
  ['SYSCALL_SETRESGID_X', 'numbers', [119], [170, 210], [149]],
  ['SYSCALL_GETUID_X', 'numbers', [102], [24, 199], [174]],
  ['SYSCALL_GETEUID_X', 'numbers', [107], [49, 201], [175]],
  ['SYSCALL_GETGID_X', 'numbers', [104], [47, 200], [176]],
  ['SYSCALL_GETEGID_X', 'numbers', [108], [50, 202], [177]],
  ['SYSCALL_GETRESUID_X', 'numbers', [118], [165, 209], [148]],
  ['SYSCALL_GETRESGID_X', 'numbers', [120], [171, 211], [150]],
  ['SYSCALL_SETSID_X', 'numbers', [112], [66], [157]],
  ['SYSCALL_SETPGID_X', 'numbers', [109], [57], [154]],
  ['SYSCALL_UNSHARE_X', 'numbers', [272], [310], [97]],
  ['SYSCALL_SETNS_X', 'numbers', [308], [346], [268]],
  ['SYSCALL_CAPSET_X', 'numbers', [126], [185], [91]],
  ['SYSCALL_SECCOMP_X', 'numbers', [317], [354], [277]],
  ['SYSCALL_KILL_X', 'numbers', [62], [37], [129]],
  ['SYSCALL_TKILL_X', 'numbers', [200], [238], [130]],
  ['SYSCALL_TGKILL_X', 'numbers', [234], [270], [131]],
  ['SYSCALL_BRK_4_X', 'numbers', [12], [45], [214]],
  ['SYSCALL_MMAP_X', 'file', [9], [90], [222]],
  ['SYSCALL_MMAP2_X', 'file', [], [192], []],
  ['SYSCALL_MUNMAP_X', 'numbers', [11], [91], [215]],
  ['SYSCALL_MPROTECT_X', 'numbers', [10], [125], [226]],
  ['SYSCALL_MLOCK_X', 'numbers', [149], [150], [228]],
  ['SYSCALL_MLOCK2_X', 'numbers', [325], [376], [284]],
  ['SYSCALL_MUNLOCK_X', 'numbers', [150], [151], [229]],
  ['SYSCALL_MLOCKALL_X', 'numbers', [151], [152], [230]],
  ['SYSCALL_MUNLOCKALL_X', 'numbers', [152], [153], [231]],
  ['SYSCALL_GETRLIMIT_X', 'numbers', [97], [76, 191], [163]],
  ['SYSCALL_SETRLIMIT_X', 'numbers', [160], [75], [164]],
  ['SYSCALL_PRLIMIT_X', 'numbers', [302], [340], [261]],
  ['SYSCALL_EPOLLWAIT_X', 'numbers', [232], [256], []],
  ['SYSCALL_SELECT_X', 'numbers', [23], [82], []],
  ['SYSCALL_NANOSLEEP_X', 'numbers', [35], [162], [101]],
  ['SYSCALL_FUTEX_X', 'numbers', [202], [240], [98]],
  ['SOCKET_GETSOCKNAME_X', 'numbers', [51], [367], [204]],
  ['SOCKET_GETPEERNAME_X', 'numbers', [52], [368], [205]],
  ['SYSCALL_OPEN_X', 'open', [2], [5], []],
  ['SYSCALL_CREAT_X', 'open', [85], [8], []],
  ['SYSCALL_OPENAT_2_X', 'open', [257], [295], [56]],
  ['SYSCALL_OPENAT2_X', 'open', [437], [437], [437]],
  ['SYSCALL_OPEN_BY_HANDLE_AT_X', 'open', [304], [342], [265]],
  ['SYSCALL_RENAME_X', 'paths', [82], [38], []],
  ['SYSCALL_RENAMEAT_X', 'paths', [264], [302], [38]],
  ['SYSCALL_RENAMEAT2_X', 'paths', [316], [353], [276]],
  ['SYSCALL_LINK_2_X', 'paths', [86], [9], []],
  ['SYSCALL_LINKAT_2_X', 'paths', [265], [303], [37]],
  ['SYSCALL_SYMLINK_X', 'paths', [88], [83], []],
  ['SYSCALL_SYMLINKAT_X', 'paths', [266], [304], [36]],
  ['SYSCALL_UNLINK_2_X', 'paths', [87], [10], []],
  ['SYSCALL_UNLINKAT_2_X', 'paths', [263], [301], [35]],
  ['SYSCALL_RMDIR_2_X', 'paths', [84], [40], []],
  ['SYSCALL_MKDIR_2_X', 'paths', [83], [39], []],
  ['SYSCALL_MKDIRAT_X', 'paths', [258], [296], [34]],
  ['SYSCALL_MKNOD_X', 'paths', [133], [14], []],
  ['SYSCALL_MKNODAT_X', 'paths', [259], [297], [33]],
  ['SYSCALL_CHMOD_X', 'paths', [90], [15], []],
  ['SYSCALL_FCHMOD_X', 'paths', [91], [94], [52]],
  ['SYSCALL_FCHMODAT_X', 'paths', [268, 452], [306, 452], [53, 452]],
  ['SYSCALL_CHOWN_X', 'paths', [92], [182, 212], []],
  ['SYSCALL_LCHOWN_X', 'paths', [94], [16, 198], []],
  ['SYSCALL_FCHOWN_X', 'paths', [93], [95, 207], [55]],
  ['SYSCALL_FCHOWNAT_X', 'paths', [260], [298], [54]],
  ['SYSCALL_CHDIR_X', 'paths', [80], [12], [49]],
  ['SYSCALL_FCHDIR_X', 'paths', [81], [133], [50]],
  ['SYSCALL_CHROOT_X', 'paths', [161], [61], [51]],
  ['SYSCALL_ACCESS_X', 'paths', [21], [33], []],
  ['SYSCALL_STAT_X', 'paths', [4], [106], []],
  ['SYSCALL_LSTAT_X', 'paths', [6], [107], []],
  ['SYSCALL_STAT64_X', 'paths', [], [195], []],
  ['SYSCALL_LSTAT64_X', 'paths', [], [196], []],
  ['SYSCALL_NEWFSTATAT_X', 'paths', [262], [300], [79]],
  ['SYSCALL_GETCWD_X', 'paths', [79], [183], [17]],
  ['SYSCALL_MOUNT_X', 'paths', [165], [21], [40]],
  ['SYSCALL_UMOUNT2_X', 'paths', [166], [52], [39]],
  ['SOCKET_CONNECT_X', 'socket', [42], [362], [203]],
  ['SOCKET_BIND_X', 'socket', [49], [361], [200]],
  ['SOCKET_ACCEPT_5_X', 'socket', [43], [], [202]],
  ['SOCKET_ACCEPT4_6_X', 'socket', [288], [364], [242]],
  ['SOCKET_SOCKETPAIR_X', 'socket', [53], [360], [199]],
  ['SOCKET_SETSOCKOPT_X', 'socket', [54, 541], [366], [208]],
  ['SOCKET_GETSOCKOPT_X', 'socket', [55, 542], [365], [209]],
  ['SYSCALL_READ_X', 'data', [0], [3], [63]],
  ['SYSCALL_WRITE_X', 'data', [1], [4], [64]],
  ['SYSCALL_PREAD_X', 'data', [17], [180], [67]],
  ['SYSCALL_PWRITE_X', 'data', [18], [181], [68]],
  ['SYSCALL_READV_X', 'data', [19, 515], [145], [65]],
  ['SYSCALL_WRITEV_X', 'data', [20, 516], [146], [66]],
  ['SYSCALL_PREADV_X', 'data', [295, 327, 534, 546], [333, 378], [69, 286]],
  ['SYSCALL_PWRITEV_X', 'data', [296, 328, 535, 547], [334, 379], [70, 287]],
  ['SOCKET_SENDTO_X', 'data', [44], [369], [206]],
  ['SOCKET_RECVFROM_X', 'data', [45, 517], [371], [207]],
  ['SOCKET_SENDMSG_X', 'data', [46, 518], [370], [211]],
  ['SOCKET_RECVMSG_X', 'data', [47, 519], [372], [212]],
  ['SOCKET_SENDMMSG_X', 'data', [307, 538], [345], [269]],
  ['SOCKET_RECVMMSG_X', 'data', [299, 537], [337, 417], [243, 417]],
  ['SYSCALL_PROCESS_VM_READV_X', 'data', [310, 539], [347], [270]],
  ['SYSCALL_PROCESS_VM_WRITEV_X', 'data', [311, 540], [348], [271]],
  ['SYSCALL_CLONE_20_X', 'process', [56], [120], [220]],
  ['SYSCALL_FORK_20_X', 'process', [57], [2], []],
  ['SYSCALL_VFORK_20_X', 'process', [58], [190], []],
  ['SYSCALL_CLONE3_X', 'process', [435], [435], [435]],
  ['SYSCALL_EXECVE_19_X', 'failed_exec', [59, 520], [11], [221]],
  ['SYSCALL_EXECVEAT_X', 'failed_exec', [322, 545], [358], [281]],
  ['SYSCALL_PRCTL_X', 'misc', [157], [172], [167]],
  ['SYSCALL_PTRACE_X', 'misc', [101, 521], [26], [117]],
  ['SYSCALL_MEMFD_CREATE_X', 'misc', [319], [356], [279]],
  ['SYSCALL_INIT_MODULE_X', 'misc', [175], [128], [105]],
  ['SYSCALL_FINIT_MODULE_X', 'misc', [313], [350], [273]],
  ['SYSCALL_DELETE_MODULE_X', 'misc', [176], [129], [106]],
  ['SYSCALL_IO_URING_SETUP_X', 'misc', [425], [425], [425]],
  ['SYSCALL_FSCONFIG_X', 'misc', [431], [431], [431]],
  ['SYSCALL_UMOUNT_1_X', 'paths', [], [22], []],
];

/** socketcall(2) of i386 by its first argument (include/uapi/linux/net.h). */
const SOCKETCALLS: readonly string[] = [
  '',
  'SOCKET_SOCKET_X',
  'SOCKET_BIND_X',
  'SOCKET_CONNECT_X',
  'SOCKET_LISTEN_X',
  'SOCKET_ACCEPT_5_X',
  'SOCKET_GETSOCKNAME_X',
  'SOCKET_GETPEERNAME_X',
  'SOCKET_SOCKETPAIR_X',
  'SOCKET_SEND_X',
  'SOCKET_RECV_X',
  'SOCKET_SENDTO_X',
  'SOCKET_RECVFROM_X',
  'SOCKET_SHUTDOWN_X',
  'SOCKET_SETSOCKOPT_X',
  'SOCKET_GETSOCKOPT_X',
  'SOCKET_SENDMSG_X',
  'SOCKET_RECVMSG_X',
  'SOCKET_ACCEPT4_6_X',
  'SOCKET_RECVMMSG_X',
  'SOCKET_SENDMMSG_X',
];

/** io_uring operations by opcode (enum io_uring_op, include/uapi/linux/io_uring.h), as the events that they become. */
export const URING_OPERATIONS: ReadonlyMap<number, number> = new Map(
  (
    [
      [13, 'SOCKET_ACCEPT4_6_X'],
      [16, 'SOCKET_CONNECT_X'],
      [18, 'SYSCALL_OPENAT_2_X'],
      [19, 'SYSCALL_CLOSE_X'],
      [28, 'SYSCALL_OPENAT2_X'],
      [35, 'SYSCALL_RENAMEAT2_X'],
      [36, 'SYSCALL_UNLINKAT_2_X'],
      [37, 'SYSCALL_MKDIRAT_X'],
      [38, 'SYSCALL_SYMLINKAT_X'],
      [39, 'SYSCALL_LINKAT_2_X'],
      [45, 'SOCKET_SOCKET_X'],
      [56, 'SOCKET_BIND_X'],
      [57, 'SOCKET_LISTEN_X'],
    ] as const
  ).map(([op, event]) => [op, EventType[event]]),
);

/** How the probe treats one system call number. */
export interface Treatment {
  readonly event: number;
  readonly family: Family;
}

export type Numbering = 'x64' | 'i386' | 'arm64';

const COLUMN = { x64: 2, i386: 3, arm64: 4 } as const;

/** Number → treatment, for the calls that have an event of their own. */
export function treatments(numbering: Numbering): ReadonlyMap<number, Treatment> {
  const found = new Map<number, Treatment>();
  for (const row of ROWS) {
    for (const nr of row[COLUMN[numbering]]) found.set(nr, { event: EventType[row[0]], family: row[1] });
  }
  return found;
}

const familyOf = new Map(ROWS.map(([event, family]) => [event, family]));

/** The treatments of socketcall's functions by number; undefined where there is none. */
export function socketcallTreatments(): readonly (Treatment | undefined)[] {
  return SOCKETCALLS.map((event) =>
    event === '' ? undefined : { event: EventType[event], family: familyOf.get(event) ?? 'data' },
  );
}

/** i386's socketcall(2). */
export const NR_I386_SOCKETCALL = 102;

/** Highest number of a call without an event of its own that is reported as a generic one. */
export const LAST_NUMBER = 511;

const names = (list: string): readonly number[] => list.split(/\s+/).map((name) => EventType[name]);

/**
 * Events without which threads, descriptors, directories, users and containers would not be known. They are
 * always selected, whatever the rules say.
 */
export const STATE_EVENTS: ReadonlySet<number> = new Set(
  names(
    `SYSCALL_CLONE_20_X SYSCALL_FORK_20_X SYSCALL_VFORK_20_X SYSCALL_CLONE3_X SYSCALL_EXECVE_19_X SYSCALL_EXECVEAT_X
    PROCEXIT_1_E SYSCALL_OPEN_X SYSCALL_OPENAT_2_X SYSCALL_OPENAT2_X SYSCALL_CREAT_X SYSCALL_OPEN_BY_HANDLE_AT_X
    SYSCALL_CLOSE_X SYSCALL_CLOSE_RANGE_X SYSCALL_DUP_1_X SYSCALL_DUP2_X SYSCALL_DUP3_X SYSCALL_FCNTL_X SYSCALL_PIPE_X
    SYSCALL_PIPE2_X SOCKET_SOCKET_X SOCKET_SOCKETPAIR_X SOCKET_BIND_X SOCKET_CONNECT_X SOCKET_ACCEPT_5_X
    SOCKET_ACCEPT4_6_X SOCKET_GETSOCKOPT_X SYSCALL_CHDIR_X SYSCALL_FCHDIR_X SYSCALL_CHROOT_X SYSCALL_SETUID_X
    SYSCALL_SETGID_X SYSCALL_SETREUID_X SYSCALL_SETREGID_X SYSCALL_SETRESUID_X SYSCALL_SETRESGID_X SYSCALL_SETSID_X
    SYSCALL_SETPGID_X SYSCALL_CAPSET_X SYSCALL_PRCTL_X SYSCALL_EVENTFD_X SYSCALL_EVENTFD2_X SYSCALL_SIGNALFD_X
    SYSCALL_SIGNALFD4_X SYSCALL_TIMERFD_CREATE_X SYSCALL_INOTIFY_INIT_X SYSCALL_INOTIFY_INIT1_X SYSCALL_EPOLL_CREATE_X
    SYSCALL_EPOLL_CREATE1_X SYSCALL_USERFAULTFD_X SYSCALL_MEMFD_CREATE_X SYSCALL_PIDFD_OPEN_X SYSCALL_PIDFD_GETFD_X
    SYSCALL_BPF_2_X SYSCALL_IO_URING_SETUP_X SYSCALL_UNSHARE_X SYSCALL_SETNS_X SYSCALL_MOUNT_X SYSCALL_UMOUNT2_X`,
  ),
);

/** `enum fds` of probe/maps.h, as far as calls of their own have it: what an event's call does to descriptors. */
const FDS = { NONE: 0, RETURNS: 1, CLOSES: 2, DUPLICATES: 3, FCNTL: 4, USES_FIFTH: 5, SHARES: 6 } as const;

const DESCRIPTOR_USE: ReadonlyMap<number, number> = new Map(
  (
    [
      [
        FDS.RETURNS,
        `SOCKET_SOCKET_X SOCKET_ACCEPT_5_X SOCKET_ACCEPT4_6_X SYSCALL_EVENTFD_X SYSCALL_EVENTFD2_X SYSCALL_SIGNALFD_X
        SYSCALL_SIGNALFD4_X SYSCALL_TIMERFD_CREATE_X SYSCALL_INOTIFY_INIT_X SYSCALL_INOTIFY_INIT1_X
        SYSCALL_EPOLL_CREATE_X SYSCALL_EPOLL_CREATE1_X SYSCALL_USERFAULTFD_X SYSCALL_MEMFD_CREATE_X
        SYSCALL_PIDFD_OPEN_X SYSCALL_PIDFD_GETFD_X SYSCALL_BPF_2_X SYSCALL_CREAT_X SYSCALL_OPEN_BY_HANDLE_AT_X`,
      ],
      [FDS.CLOSES, 'SYSCALL_CLOSE_X'],
      [FDS.DUPLICATES, 'SYSCALL_DUP_1_X SYSCALL_DUP2_X SYSCALL_DUP3_X'],
      [FDS.FCNTL, 'SYSCALL_FCNTL_X'],
      [FDS.USES_FIFTH, 'SYSCALL_MMAP_X SYSCALL_MMAP2_X'],
      // Opens are followed where they are filtered; through io_uring they are not.
      [FDS.SHARES, 'SYSCALL_UNSHARE_X SYSCALL_CLOSE_RANGE_X SYSCALL_IO_URING_SETUP_X'],
    ] as const
  ).flatMap(([use, events]) => names(events).map((event) => [event, use] as const)),
);

/** What the call of an event does to descriptors, as the probe is told it. */
export function descriptorUse(event: number): number {
  return DESCRIPTOR_USE.get(event) ?? FDS.NONE;
}

const CLASS_OF = new Map<number, (typeof DROP_CLASSES)[number]>([
  ...names('SYSCALL_CLONE_20_X SYSCALL_FORK_20_X SYSCALL_VFORK_20_X SYSCALL_CLONE3_X').map(
    (event) => [event, 'clone_fork'] as const,
  ),
  ...names('SYSCALL_EXECVE_19_X SYSCALL_EXECVEAT_X').map((event) => [event, 'execve'] as const),
  ...names('SOCKET_CONNECT_X').map((event) => [event, 'connect'] as const),
  ...names('SYSCALL_OPEN_X SYSCALL_OPENAT_2_X SYSCALL_OPENAT2_X SYSCALL_CREAT_X SYSCALL_OPEN_BY_HANDLE_AT_X').map(
    (event) => [event, 'open'] as const,
  ),
  ...names('SYSCALL_CLOSE_X SYSCALL_CLOSE_RANGE_X').map((event) => [event, 'close'] as const),
  ...names('PROCEXIT_1_E').map((event) => [event, 'proc'] as const),
  ...ROWS.filter(([, family]) => family === 'paths').map(([event]) => [EventType[event], 'dir_file'] as const),
]);

/** Index into {@link DROP_CLASSES}. */
export function dropClass(event: number): number {
  return DROP_CLASSES.indexOf(CLASS_OF.get(event) ?? 'other');
}
