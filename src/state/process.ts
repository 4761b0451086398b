import { type Event, EventType } from '../event/index.ts';
import { FdType } from '../scap/entries.ts';
import { bareContainerId, unmanagedContainer } from './containers.ts';
import { Fd, FdTable, plainFd } from './fd.ts';
import { bytes, id, int64, low, nanoseconds, text, u32, uint64 } from './read.ts';
import { socketOfTask } from './sockets.ts';
import type { State } from './state.ts';
import { CloneFlag, type Thread } from './thread.ts';

/** A clone event of the child that comes later than this after the parent's is of another thread with the same id. */
const STALE_CLONE_NS = 2_000_000_000n;

/** Parameters of clone, fork, vfork and clone3 (schema 4.x). */
const C = {
  RES: 0,
  EXE: 1,
  ARGS: 2,
  TID: 3,
  PID: 4,
  PTID: 5,
  FDLIMIT: 7,
  PFMAJOR: 8,
  PFMINOR: 9,
  VMSIZE: 10,
  VMRSS: 11,
  VMSWAP: 12,
  COMM: 13,
  CGROUPS: 14,
  FLAGS: 15,
  UID: 16,
  GID: 17,
  VTID: 18,
  VPID: 19,
  PIDNS_START: 20,
} as const;

/** Parameters of execve and execveat (schema 4.x). */
const X = {
  RES: 0,
  EXE: 1,
  ARGS: 2,
  PID: 4,
  PTID: 5,
  CWD: 6,
  FDLIMIT: 7,
  PFMAJOR: 8,
  PFMINOR: 9,
  VMSIZE: 10,
  VMRSS: 11,
  VMSWAP: 12,
  COMM: 13,
  CGROUPS: 14,
  ENV: 15,
  TTY: 16,
  VPGID: 17,
  LOGINUID: 18,
  FLAGS: 19,
  CAP_INHERITABLE: 20,
  CAP_PERMITTED: 21,
  CAP_EFFECTIVE: 22,
  EXE_INO: 23,
  EXE_CTIME: 24,
  EXE_MTIME: 25,
  UID: 26,
  EXEPATH: 27,
  PGID: 28,
  GID: 29,
} as const;

export function clone(state: State, event: Event, thread: Thread): void {
  const child = id(event, C.RES, -1);
  if (child < 0) return;
  if (child === 0) cloneChild(state, event, thread);
  else cloneCaller(state, event, thread, child);
}

/** The parent returned from clone: the child is made from the parent. */
function cloneCaller(state: State, event: Event, caller: Thread, tid: number): void {
  if (caller.placeholder) fillFromClone(state, event, caller);
  const flags = u32(event, C.FLAGS, 0);
  // In a pid namespace the returned id is the namespace's; the child's own event knows better.
  if ((flags & CloneFlag.CHILD_IN_PIDNS) !== 0 || (flags & CloneFlag.NEWPID) !== 0 || caller.vtid !== caller.tid)
    return;
  const existing = state.threads.get(tid);
  if (existing !== null) {
    if ((existing.flags & CloneFlag.INVERTED) !== 0) return;
    state.discard(existing);
  }
  const isThread = (flags & CloneFlag.THREAD) !== 0;
  const child = state.newThread(tid, isThread ? caller.pid : tid);
  if (child === null) return;
  inherit(child, caller, isThread, flags);
  child.flags = flags;
  child.ptid = isThread || (flags & CloneFlag.PARENT) !== 0 ? caller.ptid : caller.tid;
  child.vtid = tid;
  child.vpid = child.pid;
  identityFromClone(state, event, child);
  finishClone(state, event, child);
  shareContent(child, caller);
}

/** The child returned from clone: it is made from its parent, unless the parent's event came first. */
function cloneChild(state: State, event: Event, thread: Thread): void {
  const ts = event.ts;
  if (!thread.placeholder) {
    if (thread.cloneTs !== 0n && ts - thread.cloneTs < STALE_CLONE_NS) return;
  }
  const tid = thread.tid;
  state.discard(thread);
  const flags = u32(event, C.FLAGS, 0);
  const isThread = (flags & CloneFlag.THREAD) !== 0;
  const pid = id(event, C.PID, tid);
  const ptid = id(event, C.PTID, -1);
  const child = state.newThread(tid, pid);
  if (child === null) {
    state.thread = null;
    return;
  }
  const source = state.threads.get(isThread ? pid : ptid);
  if (source !== null && !source.placeholder) inherit(child, source, isThread, flags);
  else if (isThread && source !== null) child.fds = source.fds;
  child.flags = flags | CloneFlag.INVERTED;
  child.ptid = ptid;
  identityFromClone(state, event, child);
  child.vtid = id(event, C.VTID, tid);
  child.vpid = id(event, C.VPID, pid);
  finishClone(state, event, child);
  if (source !== null && !source.placeholder) shareContent(child, source);
  state.thread = child;
}

/** What a new thread has from the one that made it. */
function inherit(child: Thread, from: Thread, isThread: boolean, flags: number): void {
  child.exepath = from.exepath;
  child.env = from.env;
  child.cwd = from.main === null ? from.cwd : from.main.cwd;
  child.root = from.root;
  child.loginuid = from.loginuid;
  child.sid = from.sid;
  child.pgid = from.pgid;
  child.vpgid = from.vpgid;
  child.tty = from.tty;
  child.capInheritable = from.capInheritable;
  child.capPermitted = from.capPermitted;
  child.capEffective = from.capEffective;
  child.exeIno = from.exeIno;
  child.exeCtime = from.exeCtime;
  child.exeMtime = from.exeMtime;
  child.exeWritable = from.exeWritable;
  child.exeUpperLayer = from.exeUpperLayer;
  child.exeLowerLayer = from.exeLowerLayer;
  child.exeFromMemfd = from.exeFromMemfd;
  child.fds = isThread || (flags & CloneFlag.FILES) !== 0 ? from.fds : new FdTable(from.fds);
}

function identityFromClone(state: State, event: Event, thread: Thread): void {
  thread.exe = text(state, event, C.EXE);
  thread.args = bytes(state, event, C.ARGS);
  thread.fdlimit = int64(event, C.FDLIMIT);
  thread.pfmajor = uint64(event, C.PFMAJOR);
  thread.pfminor = uint64(event, C.PFMINOR);
  thread.vmsize = u32(event, C.VMSIZE, 0);
  thread.vmrss = u32(event, C.VMRSS, 0);
  thread.vmswap = u32(event, C.VMSWAP, 0);
  thread.comm = text(state, event, C.COMM);
  thread.cgroups = bytes(state, event, C.CGROUPS);
  thread.uid = u32(event, C.UID, 0xffffffff);
  thread.gid = u32(event, C.GID, 0xffffffff);
  thread.pidnsInitStartTs = nanoseconds(event, C.PIDNS_START);
}

function finishClone(state: State, event: Event, child: Thread): void {
  child.cloneTs = event.ts;
  child.lastSeen = event.view.getUint32(event.at + 4, true);
  state.link(child);
  updateContainer(state, child);
}

/** Gives a new thread its maker's content number when nothing but ids, times and counters sets them apart. */
function shareContent(child: Thread, from: Thread): void {
  if (
    child.comm === from.comm &&
    child.exe === from.exe &&
    child.args === from.args &&
    child.cgroups === from.cgroups &&
    child.uid === from.uid &&
    child.gid === from.gid &&
    child.container === from.container &&
    child.cwd === from.cwd
  ) {
    child.content = from.content;
  }
}

/** A thread that we knew nothing of cloned: its event says most of what there is to know. */
function fillFromClone(state: State, event: Event, thread: Thread): void {
  identityFromClone(state, event, thread);
  const pid = id(event, C.PID, thread.pid);
  if (pid !== thread.pid) {
    // It was taken for a leader, but is another thread of a process.
    const process = state.threads.get(pid);
    if (process !== null) thread.fds = process.fds;
    state.moveToProcess(thread, pid);
  }
  thread.vtid = id(event, C.VTID, thread.tid);
  thread.vpid = id(event, C.VPID, thread.pid);
  thread.placeholder = false;
  state.adopt(thread, id(event, C.PTID, -1));
  updateContainer(state, thread);
  state.changed(thread);
}

export function exec(state: State, event: Event, thread: Thread): void {
  if (low(event, X.RES, -1) < 0) return;
  if (thread.dead) {
    // Another thread of the process took the leader's place.
    thread.dead = false;
    thread.group.alive++;
  }
  const pid = id(event, X.PID, thread.pid);
  if (pid !== thread.pid && pid > 0) state.moveToProcess(thread, pid);
  if (thread.placeholder) {
    thread.placeholder = false;
    thread.vtid = thread.vtid < 0 ? thread.tid : thread.vtid;
    thread.vpid = thread.vpid < 0 ? thread.pid : thread.vpid;
    state.adopt(thread, id(event, X.PTID, -1));
  }
  thread.exe = text(state, event, X.EXE);
  thread.args = bytes(state, event, X.ARGS);
  thread.comm = text(state, event, X.COMM);
  thread.env = bytes(state, event, X.ENV);
  thread.cgroups = bytes(state, event, X.CGROUPS);
  thread.fdlimit = int64(event, X.FDLIMIT);
  thread.pfmajor = uint64(event, X.PFMAJOR);
  thread.pfminor = uint64(event, X.PFMINOR);
  thread.vmsize = u32(event, X.VMSIZE, 0);
  thread.vmrss = u32(event, X.VMRSS, 0);
  thread.vmswap = u32(event, X.VMSWAP, 0);
  const cwd = text(state, event, X.CWD);
  if (cwd !== '') thread.cwd = state.paths.directory(cwd);
  if (X.TTY < event.nparams) thread.tty = u32(event, X.TTY, 0);
  if (X.VPGID < event.nparams) thread.vpgid = low(event, X.VPGID, -1);
  if (X.LOGINUID < event.nparams) thread.loginuid = u32(event, X.LOGINUID, 0xffffffff);
  const flags = u32(event, X.FLAGS, 0);
  thread.exeWritable = (flags & 1) !== 0;
  thread.exeUpperLayer = (flags & 2) !== 0;
  thread.exeFromMemfd = (flags & 4) !== 0;
  thread.exeLowerLayer = (flags & 8) !== 0;
  if (X.CAP_EFFECTIVE < event.nparams) {
    thread.capInheritable = uint64(event, X.CAP_INHERITABLE);
    thread.capPermitted = uint64(event, X.CAP_PERMITTED);
    thread.capEffective = uint64(event, X.CAP_EFFECTIVE);
  }
  thread.exeIno = uint64(event, X.EXE_INO);
  thread.exeCtime = nanoseconds(event, X.EXE_CTIME);
  thread.exeMtime = nanoseconds(event, X.EXE_MTIME);
  if (X.UID < event.nparams) thread.uid = u32(event, X.UID, thread.uid);
  if (X.EXEPATH < event.nparams) thread.exepath = programPath(text(state, event, X.EXEPATH));
  if (X.PGID < event.nparams) thread.pgid = low(event, X.PGID, -1);
  if (X.GID < event.nparams) thread.gid = u32(event, X.GID, thread.gid);
  thread.execTs = event.ts;
  thread.flags &= CloneFlag.INVERTED;
  thread.fds = thread.fds.withoutCloseOnExec();
  updateContainer(state, thread);
  for (const other of thread.group.threads) if (other !== thread) sameProgram(other, thread);
  state.changed(thread);
}

/** The other threads of a process die with an exec; until their exits are seen, they are of the new program. */
function sameProgram(other: Thread, thread: Thread): void {
  other.exe = thread.exe;
  other.exepath = thread.exepath;
  other.args = thread.args;
  other.env = thread.env;
  other.changed();
}

/** The kernel marks the path of a program whose file is gone. */
function programPath(path: string): string {
  return path.endsWith(' (deleted)') ? path.slice(0, -10) : path;
}

/** The process keeps its entry until the next event, so that the rules can still read it. */
export function exit(state: State, event: Event, thread: Thread): void {
  thread.flags |= CloneFlag.CLOSED;
  thread.reaperTid = low(event, 4, -1);
  if (!thread.dead) {
    thread.dead = true;
    thread.group.alive--;
  }
  state.leaving = thread;
}

/**
 * Which container a thread is in: by its cgroups when an engine named them; otherwise a process in a pid
 * namespace of its own, whose cgroup is not the one of the process that started the namespace.
 */
export function updateContainer(state: State, thread: Thread): void {
  let container = state.cgroups.container(thread.cgroups);
  if (container === '' && thread.vtid >= 0 && thread.vtid !== thread.tid && thread.pidnsInitStartTs !== 0n) {
    container = bareContainer(state, thread);
  }
  thread.container = container;
  if (container !== '' && state.unknownContainer !== null && !state.containers.has(container)) {
    state.unknownContainer(container, thread);
  }
}

function bareContainer(state: State, thread: Thread): string {
  let steps = 0;
  let outside: Thread | null = thread.parent;
  while (outside !== null && outside.vtid !== outside.tid && steps++ < 64) {
    if (outside.container !== '' && outside.pidnsInitStartTs === thread.pidnsInitStartTs) return outside.container;
    outside = outside.parent;
  }
  if (outside === null || outside.cgroups === thread.cgroups) return '';
  const id = bareContainerId(thread.cgroups, thread.pidnsInitStartTs);
  if (!state.containers.has(id)) state.setContainer(id, unmanagedContainer(id, 'bare'));
  return id;
}

const NO_ID = 0xffffffff;

/** setuid, setresuid and setreuid: the effective id. */
export function setuid(state: State, event: Event, thread: Thread): void {
  if (low(event, 0, -1) < 0) return;
  const uid = u32(event, event.type === EventType.SYSCALL_SETUID_X ? 1 : 2, NO_ID);
  if (uid === NO_ID || uid === thread.uid) return;
  thread.uid = uid;
  state.changed(thread);
}

export function setgid(state: State, event: Event, thread: Thread): void {
  if (low(event, 0, -1) < 0) return;
  const gid = u32(event, event.type === EventType.SYSCALL_SETGID_X ? 1 : 2, NO_ID);
  if (gid === NO_ID || gid === thread.gid) return;
  thread.gid = gid;
  state.changed(thread);
}

export function setsid(state: State, event: Event, thread: Thread): void {
  const sid = low(event, 0, -1);
  if (sid < 0) return;
  thread.sid = sid;
  state.changed(thread);
}

export function setpgid(state: State, event: Event, thread: Thread): void {
  if (low(event, 0, -1) !== 0) return;
  const pid = low(event, 1, 0);
  const target = pid === 0 || pid === thread.vpid ? thread : state.threads.get(pid);
  if (target === null) return;
  const pgid = low(event, 2, 0);
  target.vpgid = pgid === 0 ? target.vpid : pgid;
  if (thread.vtid === thread.tid) target.pgid = pgid === 0 ? target.pid : pgid;
  state.changed(target);
}

const PR_SET_NAME = 15;
const PR_SET_CHILD_SUBREAPER = 36;

export function prctl(state: State, event: Event, thread: Thread): void {
  if (low(event, 0, -1) < 0) return;
  const option = u32(event, 1, 0);
  if (option === PR_SET_NAME) {
    thread.comm = text(state, event, 2);
    state.changed(thread);
  } else if (option === PR_SET_CHILD_SUBREAPER) {
    thread.group.reaper = low(event, 3, 0) !== 0;
  }
}

export function capset(state: State, event: Event, thread: Thread): void {
  if (low(event, 0, -1) < 0) return;
  thread.capInheritable = uint64(event, 1);
  thread.capPermitted = uint64(event, 2);
  thread.capEffective = uint64(event, 3);
  state.changed(thread);
}

/** PPM_RLIMIT_NOFILE */
const RLIMIT_NOFILE = 7;

export function rlimit(state: State, event: Event, thread: Thread): void {
  if (low(event, 0, -1) < 0 || !(3 < event.nparams) || event.u8(3) !== RLIMIT_NOFILE) return;
  const main = thread.main ?? thread;
  main.fdlimit = int64(event, 1);
  state.changed(main);
}

export function prlimit(state: State, event: Event, thread: Thread): void {
  if (low(event, 0, -1) < 0 || !(6 < event.nparams) || event.u8(6) !== RLIMIT_NOFILE) return;
  const pid = low(event, 5, 0);
  const target = pid === 0 ? (thread.main ?? thread) : state.threads.get(pid);
  if (target === null) return;
  // -1 for "no new limit": then the old one is still valid.
  const next = int64(event, 1);
  target.fdlimit = next === -1 ? int64(event, 3) : next;
  state.changed(target);
}

/** brk, mmap and munmap carry the sizes of the process after the call. */
export function memory(event: Event, thread: Thread): void {
  const main = thread.main ?? thread;
  main.vmsize = u32(event, 1, main.vmsize);
  main.vmrss = u32(event, 2, main.vmrss);
  main.vmswap = u32(event, 3, main.vmswap);
}

export function userEvent(state: State, event: Event): void {
  const container = event.str(5) ?? '';
  const uid = u32(event, 0, NO_ID);
  if (event.type === EventType.USER_DELETED_E) {
    state.users.deleteUser(container, uid);
    return;
  }
  state.users.addUser(container, {
    uid,
    gid: u32(event, 1, NO_ID),
    name: event.str(2) ?? '',
    home: event.str(3) ?? '',
    shell: event.str(4) ?? '',
  });
}

export function groupEvent(state: State, event: Event): void {
  const container = event.str(2) ?? '';
  const gid = u32(event, 0, NO_ID);
  if (event.type === EventType.GROUP_DELETED_E) state.users.deleteGroup(container, gid);
  else state.users.addGroup(container, gid, event.str(1) ?? '');
}

/** A BPF iterator reports a thread that exists (schema 4.5): what the /proc scan would have given. */
export function task(state: State, event: Event, thread: Thread): void {
  thread.placeholder = false;
  state.adopt(thread, low(event, 0, -1));
  thread.pgid = low(event, 1, -1);
  thread.vpgid = low(event, 2, -1);
  thread.sid = low(event, 3, -1);
  thread.comm = text(state, event, 4);
  const argv = bytes(state, event, 5);
  const end = argv.indexOf('\0');
  thread.exe = end < 0 ? argv : argv.slice(0, end);
  thread.args = end < 0 ? '' : argv.slice(end + 1);
  thread.exepath = text(state, event, 6);
  const flags = u32(event, 7, 0);
  thread.exeWritable = (flags & 1) !== 0;
  thread.exeUpperLayer = (flags & 2) !== 0;
  thread.exeFromMemfd = (flags & 4) !== 0;
  thread.exeLowerLayer = (flags & 8) !== 0;
  thread.env = bytes(state, event, 8);
  thread.cwd = state.paths.directory(text(state, event, 9));
  thread.fdlimit = int64(event, 10);
  thread.uid = u32(event, 11, NO_ID);
  thread.gid = u32(event, 12, NO_ID);
  thread.capPermitted = uint64(event, 13);
  thread.capEffective = uint64(event, 14);
  thread.capInheritable = uint64(event, 15);
  thread.exeIno = uint64(event, 16);
  thread.exeCtime = nanoseconds(event, 17);
  thread.exeMtime = nanoseconds(event, 18);
  thread.vmsize = u32(event, 19, 0);
  thread.vmrss = u32(event, 20, 0);
  thread.vmswap = u32(event, 21, 0);
  thread.pfmajor = uint64(event, 22);
  thread.pfminor = uint64(event, 23);
  thread.vpid = low(event, 24, -1);
  thread.vtid = low(event, 25, -1);
  thread.pidnsInitStartTs = nanoseconds(event, 26);
  thread.cgroups = bytes(state, event, 27);
  thread.root = text(state, event, 28);
  thread.cloneTs = nanoseconds(event, 29);
  thread.tty = u32(event, 30, 0);
  thread.loginuid = u32(event, 31, NO_ID);
  updateContainer(state, thread);
  state.changed(thread);
}

/** ANON_INODE_FD_TYPE_* → FdType, by value. */
const ANON_INODE_TYPES = [
  FdType.UNSUPPORTED,
  FdType.EVENT,
  FdType.EVENTPOLL,
  FdType.INOTIFY,
  FdType.SIGNALFD,
  FdType.TIMERFD,
  FdType.IOURING,
  FdType.USERFAULTFD,
  FdType.PIDFD,
  FdType.BPF,
  FdType.BPF,
  FdType.BPF,
  FdType.BPF,
  FdType.UNSUPPORTED,
] as const;

/** A BPF iterator reports an open file of a thread. */
export function taskFile(state: State, event: Event, thread: Thread): void {
  const fd = low(event, 0, -1);
  if (fd < 0) return;
  thread.fds.set(fd, fdOfTask(state, event));
}

function fdOfTask(state: State, event: Event): Fd {
  const name = event.info.code.slice('ITER_TASK_FILE_'.length, -2);
  switch (name) {
    case 'REGULAR':
    case 'DIRECTORY': {
      const regular = name === 'REGULAR';
      const ino = event.offset(regular ? 4 : 2);
      return new Fd(
        regular ? FdType.FILE_V2 : FdType.DIRECTORY,
        state.paths.directory(text(state, event, 1)),
        '',
        regular ? u32(event, 2, 0) : 0,
        0,
        0,
        event.view.getInt32(ino, true),
        event.view.getInt32(ino + 4, true),
        null,
        0,
      );
    }
    case 'PIPE':
    case 'MEMFD':
      return plainFd(name === 'PIPE' ? FdType.FIFO : FdType.MEMFD, text(state, event, 1), 0, low(event, 2, 0));
    case 'ANON_INODE': {
      const type = ANON_INODE_TYPES[event.u8(1)] ?? FdType.UNSUPPORTED;
      return plainFd(type, text(state, event, 2), 0, low(event, 3, 0));
    }
    case 'SOCKET_INET':
    case 'SOCKET_INET6':
      return socketOfTask(event);
    case 'SOCKET_UNIX':
      return plainFd(FdType.UNIX_SOCK, text(state, event, 4), 0, low(event, 5, 0));
    default:
      return plainFd(FdType.NETLINK, '', 0, low(event, 3, 0));
  }
}
