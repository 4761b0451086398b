/**
 * The state of a machine at the start of a capture, as the blocks of a .scap file hold it.
 * The reader makes these entries, the /proc scan makes the same ones, the state tables are filled from
 * them, and the writer writes them. Strings are byte strings; ids that need 64 bits are bigints.
 */

export interface ProcessEntry {
  tid: number;
  /** Thread-group id: what users call the process id. */
  pid: number;
  /** Thread-group id of the parent. */
  ptid: number;
  sid: number;
  vpgid: number;
  pgid: number;
  comm: string;
  exe: string;
  exepath: string;
  /** Arguments without argv[0], each followed by a NUL. */
  args: string;
  cwd: string;
  fdlimit: bigint;
  /** PPM_CL_* flags. */
  flags: number;
  uid: number;
  gid: number;
  vmsizeKb: number;
  vmrssKb: number;
  vmswapKb: number;
  pfmajor: bigint;
  pfminor: bigint;
  /** `NAME=value`, each followed by a NUL. */
  env: string;
  vtid: number;
  vpid: number;
  /** `subsystem=path`, each followed by a NUL. */
  cgroups: string;
  root: string;
  pidnsInitStartTs: bigint;
  tty: number;
  loginuid: number;
  exeWritable: boolean;
  exeUpperLayer: boolean;
  exeLowerLayer: boolean;
  exeFromMemfd: boolean;
  capInheritable: bigint;
  capPermitted: bigint;
  capEffective: bigint;
  exeIno: bigint;
  /** Nanoseconds since the epoch. */
  exeInoCtime: bigint;
  exeInoMtime: bigint;
  /** Start of the process, nanoseconds since the epoch; 0n when unknown (.scap does not carry it). */
  startTs: bigint;
}

/** scap_fd_type of libs 0.25. */
export const FdType = {
  UNINITIALIZED: -1,
  UNKNOWN: 0,
  FILE: 1,
  DIRECTORY: 2,
  IPV4_SOCK: 3,
  IPV6_SOCK: 4,
  IPV4_SERVSOCK: 5,
  IPV6_SERVSOCK: 6,
  FIFO: 7,
  UNIX_SOCK: 8,
  EVENT: 9,
  UNSUPPORTED: 10,
  SIGNALFD: 11,
  EVENTPOLL: 12,
  INOTIFY: 13,
  TIMERFD: 14,
  NETLINK: 15,
  FILE_V2: 16,
  BPF: 17,
  USERFAULTFD: 18,
  IOURING: 19,
  MEMFD: 20,
  PIDFD: 21,
} as const;

export interface FdEntry {
  /** The thread whose table holds it (the thread-group leader). */
  tid: number;
  fd: number;
  ino: bigint;
  /** One of {@link FdType}. */
  type: number;
  /** Path, socket path or a name such as `pipe:[123]`; empty for IP sockets. */
  name: string;
  /** PPM_O_* flags; files only. */
  openFlags: number;
  dev: number;
  /** Byte strings of 4 or 16 bytes in network order; empty when the type has none. */
  localAddress: string;
  remoteAddress: string;
  localPort: number;
  remotePort: number;
  /** scap_l4_proto: 0 unknown, 1 n/a, 2 tcp, 3 udp, 4 icmp, 5 raw. */
  l4proto: number;
  /** Kernel addresses of both ends of a UNIX socket. */
  unixSource: bigint;
  unixDestination: bigint;
}

export type UserOrGroupEntry =
  | { kind: 'user'; uid: number; gid: number; name: string; home: string; shell: string }
  | { kind: 'group'; gid: number; name: string };

export interface InterfaceEntry {
  /** Byte string of 4 or 16 bytes. */
  address: string;
  netmask: string;
  /** Empty for IPv6. */
  broadcast: string;
  linkSpeed: bigint;
  name: string;
}

export interface MachineInfo {
  cpus: number;
  memoryBytes: bigint;
  maxPid: bigint;
  hostname: string;
  /** Nanoseconds since the epoch; 0n when unknown. */
  bootTs: bigint;
  flags: bigint;
}

/** Takes the initial state, entry by entry, in the order of the file. */
export interface InitialStateSink {
  machine(info: MachineInfo): void;
  process(entry: ProcessEntry): void;
  fd(entry: FdEntry): void;
  userOrGroup(entry: UserOrGroupEntry): void;
  interface(entry: InterfaceEntry): void;
  /** A further section starts (captures may be concatenated): what was known of the machine no longer holds. */
  section?(): void;
}
