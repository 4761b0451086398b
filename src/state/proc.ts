import { closeSync, existsSync, openSync, readdirSync, readFileSync, readlinkSync, readSync, statSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { latin1, toByteString } from '../bytes.ts';
import { parseAddress } from '../rules/index.ts';
import {
  type FdEntry,
  FdType,
  type InitialStateSink,
  type InterfaceEntry,
  type ProcessEntry,
} from '../scap/entries.ts';
import { L4, OpenFlag } from './fd.ts';
import { CloneFlag } from './thread.ts';
import { parseGroup, parsePasswd, type User } from './users.ts';

/** PPM_O_* by the kernel's O_* (x86 and ARM agree on these). */
const NATIVE_FLAGS: readonly (readonly [native: number, ppm: number])[] = [
  [0o100, OpenFlag.CREAT],
  [0o200, 1 << 5],
  [0o1000, OpenFlag.TRUNC],
  [0o2000, 1 << 3],
  [0o4000, 1 << 6],
  [0o10000, 1 << 4],
  [0o40000, 1 << 9],
  [0o100000, 1 << 11],
  [0o200000, OpenFlag.DIRECTORY],
  [0o2000000, OpenFlag.CLOEXEC],
  [0o4000000, 1 << 7],
];

function ppmFlags(native: number): number {
  // O_RDONLY, O_WRONLY and O_RDWR are 0, 1 and 2; the schema has one bit each, and both for the last.
  let flags = native & 3 ? ((native & 3) === 1 ? OpenFlag.WRONLY : OpenFlag.RDONLY | OpenFlag.WRONLY) : OpenFlag.RDONLY;
  for (const [bit, ppm] of NATIVE_FLAGS) if ((native & bit) !== 0) flags |= ppm;
  return flags;
}

/** A file below /proc as a byte string; empty when it cannot be read: processes come and go, and not all is ours to read. */
function read(path: string): string {
  try {
    const bytes = readFileSync(path);
    return latin1(bytes, 0, bytes.length);
  } catch {
    return '';
  }
}

function link(path: string): string {
  try {
    const bytes = readlinkSync(path, 'buffer');
    return latin1(bytes, 0, bytes.length);
  } catch {
    return '';
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** The lines `Name:\tvalue` of a status file. */
function statusOf(text: string): Map<string, string> {
  const status = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) status.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return status;
}

const lastNumber = (text: string | undefined, otherwise: number): number => {
  const value = Number(text?.split(/\s+/).at(-1));
  return text !== undefined && text !== '' && Number.isFinite(value) ? value : otherwise;
};

const kilobytes = (text: string | undefined): number => Number.parseInt(text ?? '0', 10) || 0;
const hexadecimal = (text: string | undefined): bigint =>
  text !== undefined && /^[0-9a-f]+$/i.test(text) ? BigInt(`0x${text}`) : 0n;

/** Clock ticks of /proc/PID/stat are hundredths of a second on every Linux that we run on (USER_HZ). */
const TICK_NS = 10_000_000n;

/** The arguments that one read gives at most: as much as the kernel puts into an event. */
const MAX_ARGS = 65536;

/** Reads at most {@link MAX_ARGS} bytes of a file below /proc. */
function readStart(path: string): string {
  let file = -1;
  try {
    file = openSync(path, 'r');
    const bytes = Buffer.alloc(MAX_ARGS);
    const length = readSync(file, bytes, 0, MAX_ARGS, 0);
    return latin1(bytes, 0, length);
  } catch {
    return '';
  } finally {
    if (file >= 0) closeSync(file);
  }
}

/** Where the host's file system is seen: HOST_ROOT (`/host` by default) when it is mounted there, else the own root. */
export function hostRoot(): string {
  const root = process.env.HOST_ROOT ?? '/host';
  return existsSync(`${root}/proc/1/status`) ? root.replace(/\/$/, '') : '';
}

/** What /proc says of processes, as the entries that a capture's initial state has. */
export class ProcReader {
  readonly #root: string;
  readonly #bootTs: bigint;
  readonly #controllers: readonly string[];
  /** Sockets by inode, for each network namespace that was met. */
  readonly #sockets = new Map<string, Map<string, SocketRow>>();
  /** Begin of the first process of each pid namespace that was met. */
  readonly #namespaces = new Map<string, bigint>();

  /** `root` is where the host's file system is seen; empty for `/`. */
  constructor(root = hostRoot()) {
    this.#root = root;
    const uptime = Number.parseFloat(read(`${root}/proc/uptime`)) || 0;
    this.#bootTs = BigInt(Math.round(Date.now() - uptime * 1000)) * 1_000_000n;
    const controllers = read(`${root}/sys/fs/cgroup/cgroup.controllers`).trim().split(' ').filter(Boolean);
    this.#controllers = controllers.length > 0 ? controllers : ['cpuset', 'cpu', 'io', 'memory', 'pids'];
  }

  /** Whether a thread is there. */
  exists(tid: number): boolean {
    return existsSync(`${this.#root}/proc/${tid}`);
  }

  /** Ids of all processes. */
  pids(): number[] {
    return list(`${this.#root}/proc`)
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  }

  /** Gives the threads and open files of the processes to the sink, parents first as far as ids tell. */
  scan(sink: InitialStateSink, pids: readonly number[] | 'all'): void {
    const wanted = pids === 'all' ? this.pids() : pids;
    const found: number[] = [];
    for (const pid of [...wanted].sort((a, b) => a - b)) {
      const leader = this.thread(pid, pid);
      if (leader === null) continue;
      found.push(pid);
      sink.process(leader);
      for (const name of list(`${this.#root}/proc/${pid}/task`)) {
        const tid = Number(name);
        if (tid === pid) continue;
        const thread = this.thread(pid, tid, leader);
        if (thread !== null) sink.process(thread);
      }
    }
    for (const pid of found) for (const entry of this.fds(pid)) sink.fd(entry);
  }

  /**
   * Gives the host and what must be known to follow the given processes: they, what descends from them,
   * what they descend from, and this process itself with its ancestors.
   */
  readInitialState(sink: InitialStateSink, pids: readonly number[] | 'all'): void {
    readHost(sink, this.#root);
    if (pids === 'all') {
      this.scan(sink, 'all');
      return;
    }
    const parents = new Map<number, number>();
    for (const pid of this.pids()) parents.set(pid, this.#parent(pid));
    const wanted = new Set(pids);
    for (const pid of parents.keys()) {
      const line: number[] = [];
      for (let at: number | undefined = pid; at !== undefined && line.length < 1000; at = parents.get(at)) {
        line.push(at);
        if (wanted.has(at)) {
          for (const one of line) wanted.add(one);
          break;
        }
      }
    }
    for (const start of [...wanted, process.pid]) {
      for (let at: number | undefined = start; at !== undefined && at > 0; at = parents.get(at)) wanted.add(at);
    }
    this.scan(sink, [...wanted]);
  }

  #parent(pid: number): number {
    const stat = read(`${this.#root}/proc/${pid}/stat`);
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0);
  }

  /** The process that a thread belongs to, with the thread and its open files; null when there is none. */
  lookup(tid: number): { process: ProcessEntry; fds: readonly FdEntry[] } | null {
    const status = read(`${this.#root}/proc/${tid}/status`);
    if (status === '') return null;
    const pid = Number(statusOf(status).get('Tgid') ?? tid);
    const process = this.thread(pid, tid);
    if (process === null) return null;
    this.#sockets.clear();
    return { process, fds: tid === pid ? this.fds(pid) : [] };
  }

  /** A thread; what all threads of a process share is taken from the leader when it is given. */
  thread(pid: number, tid: number, leader: ProcessEntry | null = null): ProcessEntry | null {
    const base = `${this.#root}/proc/${pid}/task/${tid}`;
    const status = statusOf(read(`${base}/status`));
    const stat = read(`${base}/stat`);
    if (status.size === 0 || stat === '') return null;
    // The name is in brackets and can hold anything, so the fields are counted from the last bracket.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const started = this.#bootTs + BigInt(fields[19] ?? 0) * TICK_NS;
    const uids = (status.get('Uid') ?? '').split(/\s+/).map(Number);
    const gids = (status.get('Gid') ?? '').split(/\s+/).map(Number);
    const own = {
      tid,
      pid,
      ptid: Number(status.get('PPid') ?? -1),
      sid: lastNumber(status.get('NSsid'), Number(fields[3] ?? -1)),
      vpgid: lastNumber(status.get('NSpgid'), Number(fields[2] ?? -1)),
      pgid: Number(fields[2] ?? -1),
      comm: read(`${base}/comm`).replace(/\n$/, ''),
      uid: uids[1] ?? 0xffffffff,
      gid: gids[1] ?? 0xffffffff,
      vmsizeKb: kilobytes(status.get('VmSize')),
      vmrssKb: kilobytes(status.get('VmRSS')),
      vmswapKb: kilobytes(status.get('VmSwap')),
      pfmajor: BigInt(fields[9] ?? 0),
      pfminor: BigInt(fields[7] ?? 0),
      vtid: lastNumber(status.get('NSpid'), tid),
      tty: Number(fields[4] ?? 0) >>> 0,
      capInheritable: hexadecimal(status.get('CapInh')),
      capPermitted: hexadecimal(status.get('CapPrm')),
      capEffective: hexadecimal(status.get('CapEff')),
      startTs: started,
    };
    if (leader !== null) return { ...leader, ...own, flags: CloneFlag.THREAD | CloneFlag.FILES };

    // A program that gave itself a title has filled what it left of its arguments with NULs.
    const argv = readStart(`${base}/cmdline`).replace(/\0{3,}$/, '\0');
    const end = argv.indexOf('\0');
    const target = link(`${base}/exe`);
    const exe = this.#statExe(`${base}/exe`);
    return {
      ...own,
      exe: end < 0 ? argv || own.comm : argv.slice(0, end),
      exepath: target.replace(/ \(deleted\)$/, ''),
      args: end < 0 ? '' : argv.slice(end + 1),
      cwd: link(`${base}/cwd`).replace(/ \(deleted\)$/, ''),
      fdlimit: fdLimit(read(`${base}/limits`)),
      flags: tid === pid ? 0 : CloneFlag.THREAD | CloneFlag.FILES,
      env: readStart(`${base}/environ`),
      vpid: lastNumber(status.get('NStgid'), pid),
      cgroups: this.#cgroups(read(`${base}/cgroup`)),
      root: link(`${base}/root`) || '/',
      pidnsInitStartTs: this.#namespaceStart(base, own.vtid, started),
      loginuid: loginuid(read(`${base}/loginuid`)),
      exeWritable: exe !== null && isWritable(exe, own.uid, own.gid),
      exeUpperLayer: false,
      exeLowerLayer: false,
      exeFromMemfd: target.startsWith('/memfd:'),
      exeIno: exe?.ino ?? 0n,
      exeInoCtime: exe?.ctimeNs ?? 0n,
      exeInoMtime: exe?.mtimeNs ?? 0n,
    };
  }

  #statExe(path: string): ExeStat | null {
    try {
      const { ino, ctimeNs, mtimeNs, mode, uid, gid } = statSync(path, { bigint: true });
      return { ino, ctimeNs, mtimeNs, mode: Number(mode), uid: Number(uid), gid: Number(gid) };
    } catch {
      return null;
    }
  }

  /** `subsystem=path` with a NUL after each; the one hierarchy of version 2 stands for all of its controllers. */
  #cgroups(text: string): string {
    let joined = '';
    for (const line of text.split('\n')) {
      const match = /^(\d+):([^:]*):(.*)$/.exec(line);
      if (match === null) continue;
      const [, , names = '', path = ''] = match;
      const subsystems = names === '' ? this.#controllers : names.split(',');
      for (const name of subsystems) joined += `${name.replace(/^name=/, '')}=${path}\0`;
    }
    return joined;
  }

  #namespaceStart(base: string, vtid: number, started: bigint): bigint {
    const namespace = link(`${base}/ns/pid`);
    if (namespace === '') return 0n;
    if (vtid === 1) this.#namespaces.set(namespace, started);
    return this.#namespaces.get(namespace) ?? 0n;
  }

  /** Open files of a process. */
  fds(pid: number): FdEntry[] {
    const base = `${this.#root}/proc/${pid}`;
    const entries: FdEntry[] = [];
    for (const name of list(`${base}/fd`)) {
      const target = link(`${base}/fd/${name}`);
      if (target !== '') entries.push(this.#fd(base, pid, name, target));
    }
    return entries;
  }

  #fd(base: string, pid: number, name: string, target: string): FdEntry {
    const entry: FdEntry = {
      tid: pid,
      fd: Number(name),
      ino: 0n,
      type: FdType.UNSUPPORTED,
      name: target,
      openFlags: 0,
      dev: 0,
      localAddress: '',
      remoteAddress: '',
      localPort: 0,
      remotePort: 0,
      l4proto: L4.UNKNOWN,
      unixSource: 0n,
      unixDestination: 0n,
    };
    const inode = /^(?:socket|pipe):\[(\d+)\]$/.exec(target)?.[1];
    if (inode !== undefined) entry.ino = BigInt(inode);
    if (target.startsWith('pipe:')) return { ...entry, type: FdType.FIFO };
    if (target.startsWith('socket:')) return { ...entry, ...this.#socket(base, inode ?? '') };
    const anonymous = /^anon_inode:\[?([^\]]*)\]?/.exec(target)?.[1];
    if (anonymous !== undefined) return { ...entry, type: anonymousType(anonymous), name: '' };
    const flags = /^flags:\s*([0-7]+)/m.exec(read(`${base}/fdinfo/${name}`))?.[1];
    entry.openFlags = flags === undefined ? 0 : ppmFlags(Number.parseInt(flags, 8));
    let type: number = FdType.FILE_V2;
    try {
      const stat = statSync(`${base}/fd/${name}`, { bigint: true });
      entry.ino = stat.ino;
      entry.dev = Number(BigInt.asUintN(32, stat.dev));
      if (stat.isDirectory()) type = FdType.DIRECTORY;
      else if (stat.isFIFO()) type = FdType.FIFO;
    } catch {
      // It was closed meanwhile, or is not ours to look at; the name is known all the same.
    }
    if (target.startsWith('/memfd:')) return { ...entry, type: FdType.MEMFD, name: memfdName(target) };
    return { ...entry, type, name: target.replace(/ \(deleted\)$/, '') };
  }

  #socket(base: string, inode: string): Partial<FdEntry> {
    const namespace = link(`${base}/ns/net`) || base;
    let rows = this.#sockets.get(namespace);
    if (rows === undefined) {
      rows = readSockets(`${base}/net`);
      this.#sockets.set(namespace, rows);
    }
    return rows.get(inode) ?? { type: FdType.UNKNOWN, name: '' };
  }
}

interface ExeStat {
  readonly ino: bigint;
  readonly ctimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

function isWritable(exe: ExeStat, uid: number, gid: number): boolean {
  if (uid === 0) return true;
  const shift = exe.uid === uid ? 6 : exe.gid === gid ? 3 : 0;
  return ((exe.mode >> shift) & 2) !== 0;
}

function fdLimit(limits: string): bigint {
  const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1];
  return soft === undefined || soft === 'unlimited' ? -1n : BigInt(soft);
}

const loginuid = (text: string): number => (/^\d+$/.test(text.trim()) ? Number(text) >>> 0 : 0xffffffff);

const memfdName = (target: string): string => target.slice('/memfd:'.length).replace(/ \(deleted\)$/, '');

function anonymousType(name: string): number {
  const types: Readonly<Record<string, number>> = {
    eventfd: FdType.EVENT,
    eventpoll: FdType.EVENTPOLL,
    inotify: FdType.INOTIFY,
    signalfd: FdType.SIGNALFD,
    timerfd: FdType.TIMERFD,
    io_uring: FdType.IOURING,
    userfaultfd: FdType.USERFAULTFD,
    pidfd: FdType.PIDFD,
  };
  return types[name] ?? (name.startsWith('bpf') ? FdType.BPF : FdType.UNSUPPORTED);
}

type SocketRow = Pick<
  FdEntry,
  'type' | 'name' | 'localAddress' | 'remoteAddress' | 'localPort' | 'remotePort' | 'l4proto' | 'unixSource'
>;

/** `0100007F:0050`: the address in words of the host's byte order (little endian). */
function endpoint(text: string): { address: string; port: number } {
  const [hex = '', port = '0'] = text.split(':');
  let address = '';
  for (let word = 0; word < hex.length; word += 8) {
    for (let byte = 6; byte >= 0; byte -= 2) {
      address += String.fromCharCode(Number.parseInt(hex.slice(word + byte, word + byte + 2), 16));
    }
  }
  const mapped = '\0\0\0\0\0\0\0\0\0\0\xff\xff';
  if (address.length === 16 && address.startsWith(mapped)) address = address.slice(12);
  return { address, port: Number.parseInt(port, 16) };
}

/** Sockets of a network namespace by their inode. */
function readSockets(net: string): Map<string, SocketRow> {
  const rows = new Map<string, SocketRow>();
  const plain = { localAddress: '', remoteAddress: '', localPort: 0, remotePort: 0, unixSource: 0n, name: '' };
  for (const [file, l4proto] of [
    ['tcp', L4.TCP],
    ['tcp6', L4.TCP],
    ['udp', L4.UDP],
    ['udp6', L4.UDP],
    ['raw', L4.RAW],
    ['raw6', L4.RAW],
  ] as const) {
    for (const line of read(`${net}/${file}`).split('\n').slice(1)) {
      const parts = line.trim().split(/\s+/);
      const [, local, remote] = parts;
      const inode = parts[9];
      if (local === undefined || remote === undefined || inode === undefined || inode === '0') continue;
      const here = endpoint(local);
      const there = endpoint(remote);
      const listens = there.port === 0 && /^\0*$/.test(there.address);
      const v4 = here.address.length === 4;
      rows.set(inode, {
        ...plain,
        type: listens ? (v4 ? FdType.IPV4_SERVSOCK : FdType.IPV6_SERVSOCK) : v4 ? FdType.IPV4_SOCK : FdType.IPV6_SOCK,
        localAddress: here.address,
        localPort: here.port,
        remoteAddress: listens ? '' : there.address,
        remotePort: there.port,
        l4proto,
      });
    }
  }
  for (const line of read(`${net}/unix`).split('\n').slice(1)) {
    const parts = line.trim().split(/\s+/);
    const inode = parts[6];
    if (inode === undefined) continue;
    rows.set(inode, {
      ...plain,
      type: FdType.UNIX_SOCK,
      name: parts.slice(7).join(' '),
      unixSource: hexadecimal(parts[0]?.replace(/:$/, '')),
      l4proto: L4.UNKNOWN,
    });
  }
  for (const line of read(`${net}/netlink`).split('\n').slice(1)) {
    const inode = line.trim().split(/\s+/)[9];
    if (inode !== undefined) rows.set(inode, { ...plain, type: FdType.NETLINK, l4proto: L4.UNKNOWN });
  }
  return rows;
}

/** The addresses of this machine. */
function readInterfaces(): InterfaceEntry[] {
  const entries: InterfaceEntry[] = [];
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    for (const { address, netmask, family } of addresses ?? []) {
      const bytes = parseAddress(address.replace(/%.*$/, ''));
      const mask = parseAddress(netmask);
      if (bytes === null || mask === null) continue;
      let broadcast = '';
      if (family === 'IPv4') {
        for (let i = 0; i < 4; i++) broadcast += String.fromCharCode(bytes.charCodeAt(i) | (~mask.charCodeAt(i) & 255));
      }
      entries.push({ address: bytes, netmask: mask, broadcast, linkSpeed: 0n, name: toByteString(name) });
    }
  }
  return entries;
}

/** The users and groups that the files below a root directory list. */
function readUsers(root: string): { users: User[]; groups: { gid: number; name: string }[] } {
  return {
    users: [...parsePasswd(read(`${root}/etc/passwd`))],
    groups: [...parseGroup(read(`${root}/etc/group`))],
  };
}

/** The machine, its addresses and its users. */
function readHost(sink: InitialStateSink, root = hostRoot()): void {
  const meminfo = /^MemTotal:\s*(\d+) kB/m.exec(read(`${root}/proc/meminfo`))?.[1];
  const uptime = Number.parseFloat(read(`${root}/proc/uptime`)) || 0;
  sink.machine({
    cpus: navigator.hardwareConcurrency,
    memoryBytes: BigInt(meminfo ?? 0) * 1024n,
    maxPid: BigInt(read(`${root}/proc/sys/kernel/pid_max`).trim() || 0),
    hostname: toByteString(process.env.FALCO_HOSTNAME ?? hostname()),
    bootTs: BigInt(Math.round(Date.now() - uptime * 1000)) * 1_000_000n,
    flags: 0n,
  });
  for (const entry of readInterfaces()) sink.interface(entry);
  const { users, groups } = readUsers(root);
  for (const user of users) sink.userOrGroup({ kind: 'user', ...user });
  for (const group of groups) sink.userOrGroup({ kind: 'group', ...group });
}

/**
 * Users and groups of the container that a process is in, by its root directory; null while that is the
 * host's (a process on its way into the container) or cannot be read.
 */
export function readContainerUsers(pid: number, host = hostRoot()): ReturnType<typeof readUsers> | null {
  const root = `${host}/proc/${pid}/root`;
  try {
    const own = statSync(`${root}/`);
    const outside = statSync(`${host}/`);
    if (own.dev === outside.dev && own.ino === outside.ino) return null;
    return readUsers(root);
  } catch {
    return null;
  }
}
