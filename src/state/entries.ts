import { type FdEntry, FdType, type ProcessEntry } from '../scap/entries.ts';
import { Fd, FdStatus, type FdTable, Socket } from './fd.ts';
import { updateContainer } from './process.ts';
import { settleRoles } from './sockets.ts';
import type { State } from './state.ts';
import { CloneFlag, type Thread } from './thread.ts';

const normal = (value: bigint): number | bigint =>
  value <= 9007199254740991n && value >= -9007199254740991n ? Number(value) : value;

/** Makes a thread of an entry of the initial state. */
export function threadOfEntry(state: State, entry: ProcessEntry): void {
  const before = state.threads.get(entry.tid);
  if (before !== null) state.discard(before);
  const thread = state.newThread(entry.tid, entry.pid);
  if (thread === null) return;
  thread.ptid = entry.ptid;
  thread.sid = entry.sid;
  thread.pgid = entry.pgid;
  thread.vpgid = entry.vpgid;
  thread.comm = entry.comm;
  thread.exe = entry.exe;
  thread.exepath = entry.exepath;
  thread.args = entry.args;
  thread.cwd = entry.cwd === '' ? null : state.paths.directory(entry.cwd);
  thread.fdlimit = normal(entry.fdlimit);
  thread.flags = entry.flags;
  thread.uid = entry.uid;
  thread.gid = entry.gid;
  thread.vmsize = entry.vmsizeKb;
  thread.vmrss = entry.vmrssKb;
  thread.vmswap = entry.vmswapKb;
  thread.pfmajor = normal(entry.pfmajor);
  thread.pfminor = normal(entry.pfminor);
  thread.env = entry.env;
  thread.vtid = entry.vtid;
  thread.vpid = entry.vpid;
  thread.cgroups = entry.cgroups;
  thread.root = entry.root;
  thread.pidnsInitStartTs = entry.pidnsInitStartTs;
  thread.tty = entry.tty;
  thread.loginuid = entry.loginuid;
  thread.exeWritable = entry.exeWritable;
  thread.exeUpperLayer = entry.exeUpperLayer;
  thread.exeLowerLayer = entry.exeLowerLayer;
  thread.exeFromMemfd = entry.exeFromMemfd;
  thread.capInheritable = normal(entry.capInheritable);
  thread.capPermitted = normal(entry.capPermitted);
  thread.capEffective = normal(entry.capEffective);
  thread.exeIno = normal(entry.exeIno);
  thread.exeCtime = entry.exeInoCtime;
  thread.exeMtime = entry.exeInoMtime;
  thread.cloneTs = entry.startTs;
  const main = thread.group.main;
  if (!thread.isMain && main !== null) thread.fds = main.fds;
  state.link(thread);
  if (thread.isMain) {
    for (const other of thread.group.threads) if (other !== thread) other.fds = thread.fds;
  }
  updateContainer(state, thread);
}

/** The entry of a thread, as {@link threadOfEntry} takes it. */
export function processOfThread(thread: Thread): ProcessEntry {
  return {
    tid: thread.tid,
    pid: thread.pid,
    ptid: thread.ptid,
    sid: thread.sid,
    vpgid: thread.vpgid,
    pgid: thread.pgid,
    comm: thread.comm,
    exe: thread.exe,
    exepath: thread.exepath,
    args: thread.args,
    cwd: thread.cwd === null ? '' : thread.cwd.name,
    fdlimit: BigInt(thread.fdlimit),
    flags: thread.isMain ? thread.flags & ~CloneFlag.THREAD : thread.flags | CloneFlag.THREAD | CloneFlag.FILES,
    uid: thread.uid,
    gid: thread.gid,
    vmsizeKb: thread.vmsize,
    vmrssKb: thread.vmrss,
    vmswapKb: thread.vmswap,
    pfmajor: BigInt(thread.pfmajor),
    pfminor: BigInt(thread.pfminor),
    env: thread.env,
    vtid: thread.vtid,
    vpid: thread.vpid,
    cgroups: thread.cgroups,
    root: thread.root,
    pidnsInitStartTs: thread.pidnsInitStartTs,
    tty: thread.tty,
    loginuid: thread.loginuid,
    exeWritable: thread.exeWritable,
    exeUpperLayer: thread.exeUpperLayer,
    exeLowerLayer: thread.exeLowerLayer,
    exeFromMemfd: thread.exeFromMemfd,
    capInheritable: BigInt(thread.capInheritable),
    capPermitted: BigInt(thread.capPermitted),
    capEffective: BigInt(thread.capEffective),
    exeIno: BigInt(thread.exeIno),
    exeInoCtime: thread.exeCtime,
    exeInoMtime: thread.exeMtime,
    startTs: thread.cloneTs,
  };
}

/** Puts an fd of the initial state into the table of its process. */
export function fdOfEntry(state: State, entry: FdEntry): void {
  const thread = state.threads.get(entry.tid);
  if (thread === null) return;
  thread.fds.set(entry.fd, makeFd(state, entry));
}

function makeFd(state: State, entry: FdEntry): Fd {
  const low = Number(BigInt.asIntN(32, entry.ino));
  const high = Number(BigInt.asIntN(32, entry.ino >> 32n));
  const socket = new Socket(
    entry.l4proto,
    entry.localAddress,
    entry.localPort,
    entry.remoteAddress,
    entry.remotePort,
    entry.unixSource,
    entry.unixDestination,
  );
  switch (entry.type) {
    case FdType.FILE:
    case FdType.FILE_V2:
    case FdType.DIRECTORY:
      return new Fd(
        entry.type,
        state.paths.directory(entry.name),
        '',
        entry.openFlags,
        0,
        entry.dev,
        low,
        high,
        null,
        0,
      );
    case FdType.IPV4_SOCK:
    case FdType.IPV6_SOCK: {
      // A socket that is not connected has no ends, which captures write as zeros.
      if (!/[^\0]/.test(entry.localAddress + entry.remoteAddress) && entry.localPort + entry.remotePort === 0) {
        const end = new Socket(entry.l4proto, '', 0, '', 0, 0n, 0n);
        return new Fd(entry.type, null, null, 0, 0, 0, low, high, end, 0);
      }
      const status = FdStatus.FROM_PROC | FdStatus.CONNECTED;
      return new Fd(entry.type, null, null, 0, status, 0, low, high, socket, 0);
    }
    case FdType.IPV4_SERVSOCK:
    case FdType.IPV6_SERVSOCK:
      return new Fd(entry.type, null, null, 0, FdStatus.SERVER, 0, low, high, socket, 0);
    case FdType.UNIX_SOCK:
      return new Fd(entry.type, null, entry.name, 0, 0, 0, low, high, socket, 0);
    default:
      return new Fd(entry.type, null, entry.name, 0, 0, 0, low, high, null, 0);
  }
}

/** The entries of a process's fds. Which end of a connection is local was lost with its role: the server's is the destination. */
export function* fdEntries(thread: Thread): Generator<FdEntry> {
  const entries: FdEntry[] = [];
  thread.fds.forEach((fd, num) => {
    const end = fd.socket;
    const isServer = (fd.status & FdStatus.SERVER) !== 0 && end !== null && end.destinationAddress !== '';
    entries.push({
      tid: thread.tid,
      fd: num,
      ino: BigInt(thread.fds.inodeOf(num)),
      type: fd.type,
      name: fd.name,
      openFlags: fd.flags,
      dev: fd.dev,
      localAddress: end === null ? '' : isServer ? end.destinationAddress : end.sourceAddress,
      remoteAddress: end === null ? '' : isServer ? end.sourceAddress : end.destinationAddress,
      localPort: end === null ? 0 : isServer ? end.destinationPort : end.sourcePort,
      remotePort: end === null ? 0 : isServer ? end.sourcePort : end.destinationPort,
      l4proto: end === null ? 0 : end.l4,
      unixSource: end === null ? 0n : end.unixSource,
      unixDestination: end === null ? 0n : end.unixDestination,
    });
  });
  yield* entries;
}

/** After the initial state: which end of each connection is the server. */
export function settleSocketRoles(state: State): void {
  const seen = new Set<FdTable>();
  for (const thread of state.threads) {
    if (seen.has(thread.fds)) continue;
    seen.add(thread.fds);
    settleRoles(thread);
  }
}
