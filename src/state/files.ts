import { type Event, EventType } from '../event/index.ts';
import { FdType } from '../scap/entries.ts';
import { CARRIES_FILE, FD_PARAM, PARAM_COUNT } from './classes.ts';
import { Fd, FdStatus, NO_INODE, OpenFlag, plainFd } from './fd.ts';
import { joinPath, normalise, type Path } from './paths.ts';
import { low, text, u32 } from './read.ts';
import type { State } from './state.ts';
import type { Thread } from './thread.ts';

const SLASH = 47;

/** PPM_AT_FDCWD: "the current directory" in place of a directory fd. */
const AT_FDCWD = -100;

/** Bits of the first of our trailing parameters. */
export const Extra = {
  PATH_RESOLVED: 1 << 0,
  DELETED: 1 << 1,
  MEMFD: 1 << 2,
  TRUNCATED: 1 << 3,
  COMPAT: 1 << 4,
  IO_URING: 1 << 5,
  RAW_DIFFERS: 1 << 6,
  UNTRUSTED: 1 << 7,
  PAGE_ABSENT: 1 << 8,
  DIRECTORY: 1 << 9,
} as const;

/** Our flags of an event; 0 when another producer wrote it. */
export function extraFlags(event: Event): number {
  const first = PARAM_COUNT[event.type] as number;
  return event.nparams > first && event.len(first) === 4 ? event.u32(first) : 0;
}

/**
 * The directory that a relative name of a call on paths starts from, as our probe read it: `slot` 0 for the first
 * name, 1 for the second. Null when the event does not say.
 */
export function kernelBase(event: Event, slot: 0 | 1): string | null {
  const first = PARAM_COUNT[event.type] as number;
  const at = slot === 0 ? first + 1 : first + 4;
  if (at >= event.nparams || (extraFlags(event) & Extra.PATH_RESOLVED) !== 0) return null;
  const base = event.str(at);
  return base === '' ? null : base;
}

/**
 * What the event itself tells of the file of its descriptor, of which nothing is known (its open was not reported, see
 * src/engine/pushdown.ts); null when it tells nothing.
 */
export function toldFile(state: State, event: Event): Fd | null {
  const first = PARAM_COUNT[event.type] as number;
  const extra = extraFlags(event);
  if ((extra & Extra.PATH_RESOLVED) === 0) {
    const param = FD_PARAM[event.type] as number;
    const dirfd = event.info.params[param]?.name.endsWith('dirfd') === true && low(event, param, AT_FDCWD) !== AT_FDCWD;
    const base = dirfd ? kernelBase(event, 0) : null;
    return base === null ? null : new Fd(FdType.DIRECTORY, state.paths.directory(base), '', 0, 0, 0, 0, 0, null, 0);
  }
  if (CARRIES_FILE[event.type] !== 1 || first + 3 >= event.nparams) return null;
  const path = text(state, event, first + 1);
  if (path.charCodeAt(0) !== SLASH) return null;
  const isDirectory = (extra & Extra.DIRECTORY) !== 0;
  const status = FdStatus.RESOLVED | ((extra & Extra.DELETED) !== 0 ? FdStatus.DELETED : 0);
  const ino = event.offset(first + 3);
  return new Fd(
    isDirectory ? FdType.DIRECTORY : FdType.FILE_V2,
    state.paths.directory(path),
    '',
    isDirectory ? OpenFlag.DIRECTORY : 0,
    status,
    u32(event, first + 2, 0),
    event.view.getInt32(ino, true),
    event.view.getInt32(ino + 4, true),
    null,
    0,
  );
}

/** Parameters of an open by event type: name, directory fd, flags, device, inode (-1: has none). */
const LAYOUT = new Int8Array(512 * 5).fill(-1);
function layout(code: string, ...parameters: [number, number, number, number, number]): void {
  LAYOUT.set(parameters, (EventType[code] as number) * 5);
}
layout('SYSCALL_OPEN_X', 1, -1, 2, 4, 5);
layout('SYSCALL_OPENAT_2_X', 2, 1, 3, 5, 6);
layout('SYSCALL_OPENAT2_X', 2, 1, 3, 6, 7);
layout('SYSCALL_CREAT_X', 1, -1, -1, 3, 4);
layout('SYSCALL_OPEN_BY_HANDLE_AT_X', 3, -1, 2, 4, 5);

/** The current directory of a thread, which is its leader's; null when it is not known. */
export function currentDirectory(thread: Thread): Path | null {
  const main = thread.group.main;
  return main === null ? thread.cwd : main.cwd;
}

/** The directory that a directory fd of a call stands for; null when it is not known. */
export function directoryOf(thread: Thread, dirfd: number): Path | null {
  if (dirfd === AT_FDCWD) return currentDirectory(thread);
  const fd = thread.fds.get(dirfd);
  return fd === null ? null : fd.path;
}

/** What open_by_handle_at names was found by the kernel; when it is not a path, it is none that could be joined. */
const BY_HANDLE = EventType.SYSCALL_OPEN_BY_HANDLE_AT_X;
const CREAT = EventType.SYSCALL_CREAT_X;

/**
 * Where a regular open without our own parameters has what it says, by event type: offset of the name in the parameters,
 * and from bit 8 that of the device behind the name (flags come first there, the inode last); 0: not one of these.
 */
const PLAIN = new Int16Array(512);
PLAIN[EventType.SYSCALL_OPEN_X as number] = 8 | (8 << 8);
PLAIN[EventType.SYSCALL_OPENAT_2_X as number] = 16 | (8 << 8);
PLAIN[EventType.SYSCALL_OPENAT2_X as number] = 16 | (12 << 8);

/** open, openat, openat2, creat and open_by_handle_at. */
export function open(state: State, event: Event, thread: Thread): void {
  const type = event.type;
  const plain = PLAIN[type] as number;
  if (plain !== 0 && event.isRegular && event.nparams === PARAM_COUNT[type]) {
    openPlain(state, event, thread, plain);
    return;
  }
  const row = type * 5;
  const nameAt = LAYOUT[row] as number;
  if (nameAt >= event.nparams) return;
  const length = event.len(nameAt);
  // The kernel gave no name (NULL, or a page that was not there); a NUL alone is the empty name.
  const dirfdAt = LAYOUT[row + 1] as number;
  const at = event.offset(nameAt);
  const end = length > 0 && event.buffer[at + length - 1] === 0 ? length - 1 : length;
  const told = kernelBase(event, 0);
  const base =
    event.buffer[at] === 47 && end > 0
      ? null
      : told !== null
        ? state.paths.directory(told)
        : directoryOf(thread, dirfdAt < 0 ? AT_FDCWD : low(event, dirfdAt, AT_FDCWD));
  const extra = extraFlags(event);
  let path: Path;
  const first = PARAM_COUNT[type] as number;
  if ((extra & Extra.PATH_RESOLVED) !== 0 && first + 1 < event.nparams && event.len(first + 1) > 1) {
    const realAt = event.offset(first + 1);
    const realEnd = event.len(first + 1) - 1;
    // Only for absolute names the probe compares the caller's with the kernel's.
    if (end === 0) path = state.paths.named(event.buffer, event.view, realAt, realEnd, null);
    else if ((extra & Extra.RAW_DIFFERS) === 0 && event.buffer[at] === 47)
      path = state.paths.named(event.buffer, event.view, at, end, null);
    else path = state.paths.resolved(event.buffer, event.view, realAt, realEnd, at, end);
  } else {
    if (length === 0) return;
    path =
      type === BY_HANDLE && event.buffer[at] !== 47
        ? state.paths.directory(text(state, event, nameAt))
        : state.paths.named(event.buffer, event.view, at, end, base);
  }
  state.path = path;

  const num = low(event, 0, -1);
  if (num < 0) return;
  const flagsAt = LAYOUT[row + 2] as number;
  let flags = flagsAt < 0 ? OpenFlag.CREAT | OpenFlag.TRUNC | OpenFlag.WRONLY : u32(event, flagsAt, 0);
  if (type === CREAT && 5 < event.nparams) flags |= (event.u16(5) & 3) << 15;
  const devAt = LAYOUT[row + 3] as number;
  const inoAt = LAYOUT[row + 4] as number;
  let inoLow = 0;
  let inoHigh = 0;
  if (inoAt < event.nparams && event.len(inoAt) === 8) {
    const ino = event.offset(inoAt);
    inoLow = event.view.getInt32(ino, true);
    inoHigh = event.view.getInt32(ino + 4, true);
  }
  const dev = u32(event, devAt, 0);
  const status =
    layerStatus(flags) |
    ((extra & Extra.DELETED) !== 0 ? FdStatus.DELETED : 0) |
    ((extra & Extra.PATH_RESOLVED) !== 0 ? FdStatus.RESOLVED : 0);
  opened(state, thread, num, path, flags, status, dev, inoLow, inoHigh);
}

/** The same as {@link open} for what nearly all recorded opens are. */
function openPlain(state: State, event: Event, thread: Thread, plain: number): void {
  const { buffer, view, data } = event;
  const nameAt = plain & 0xff;
  const at = data + nameAt;
  // The descriptors before the name have 8 bytes each.
  const length = event.len(nameAt >> 3);
  if (length === 0) return;
  const end = buffer[at + length - 1] === 0 ? length - 1 : length;
  const base =
    buffer[at] === SLASH && end > 0
      ? null
      : directoryOf(thread, nameAt === 8 ? AT_FDCWD : view.getInt32(data + 8, true));
  const path = state.paths.named(buffer, view, at, end, base);
  state.path = path;
  const num = view.getInt32(data, true);
  if (num < 0) return;
  const behind = at + length;
  const flags = view.getUint32(behind, true);
  const dev = behind + (plain >> 8);
  const status = layerStatus(flags);
  opened(
    state,
    thread,
    num,
    path,
    flags,
    status,
    view.getUint32(dev, true),
    view.getInt32(dev + 4, true),
    view.getInt32(dev + 8, true),
  );
}

function layerStatus(flags: number): number {
  return (
    ((flags & OpenFlag.UPPER_LAYER) !== 0 ? FdStatus.UPPER_LAYER : 0) |
    ((flags & OpenFlag.LOWER_LAYER) !== 0 ? FdStatus.LOWER_LAYER : 0)
  );
}

/** Puts a file into the table as descriptor `num`, which the event is then about. */
function opened(
  state: State,
  thread: Thread,
  num: number,
  path: Path,
  flags: number,
  status: number,
  dev: number,
  inoLow: number,
  inoHigh: number,
): void {
  // The inode stands in the table, unless it is no exact double.
  const isOwn = inoHigh >>> 0 >= 0x200000;
  let fd = path.opened;
  if (
    fd === null ||
    isOwn ||
    path.openedFlags !== (flags | 0) ||
    path.openedDev !== (dev | 0) ||
    path.openedStatus !== status
  ) {
    const before = fd;
    fd = path.openedBefore;
    if (fd === null || isOwn || fd.flags !== flags || fd.dev !== dev || fd.status !== status) {
      const kind = (flags & OpenFlag.DIRECTORY) !== 0 ? FdType.DIRECTORY : FdType.FILE_V2;
      fd = new Fd(kind, path, '', flags, status, dev, isOwn ? inoLow : 0, isOwn ? inoHigh : 0, null, 0);
    }
    if (!isOwn) {
      path.openedBefore = before;
      path.opened = fd;
      path.openedFlags = flags | 0;
      path.openedStatus = status;
      path.openedDev = dev | 0;
    }
  }
  state.fd = thread.fds.set(num, fd, isOwn ? NO_INODE : inoHigh * 4294967296 + (inoLow >>> 0));
  state.fdNum = num;
}

/** The fd stays the event's although it is gone from the table. */
export function closeFd(state: State, event: Event, thread: Thread): void {
  if (low(event, 0, -1) < 0) return;
  state.closedInode = thread.fds.keptInode(state.fdNum);
  thread.fds.delete(state.fdNum);
}

/** Puts an fd into the table; it becomes the one that the event is about. */
export function put(state: State, thread: Thread, num: number, fd: Fd, inode: number = NO_INODE): void {
  state.fd = thread.fds.set(num, fd, inode);
  state.fdNum = num;
}

const DUP3 = EventType.SYSCALL_DUP3_X;

export function dup(state: State, event: Event, thread: Thread): void {
  const num = low(event, 0, -1);
  const from = state.fd;
  if (num < 0) return;
  if (from === null) {
    // Whatever had that number is not there any more.
    thread.fds.delete(num);
    return;
  }
  const marked = event.type === DUP3 && (u32(event, 3, 0) & OpenFlag.CLOEXEC) !== 0;
  put(state, thread, num, from.closingOnExec(marked), thread.fds.keptInode(state.fdNum));
}

/** PPM_FCNTL_* commands. */
const F_DUPFD = 1;
const F_SETFD = 3;
const F_DUPFD_CLOEXEC = 26;

export function fcntl(state: State, event: Event, thread: Thread): void {
  const from = state.fd;
  if (2 >= event.nparams) return;
  // Behind the result and the descriptor.
  const command = event.isRegular ? (event.buffer[event.data + 16] as number) : event.u8(2);
  if (command !== F_DUPFD && command !== F_DUPFD_CLOEXEC && command !== F_SETFD) return;
  const result = low(event, 0, -1);
  if (result < 0) return;
  if (from === null) {
    if (command !== F_SETFD) thread.fds.delete(result);
    return;
  }
  const inode = thread.fds.keptInode(state.fdNum);
  // FD_CLOEXEC is 1.
  if (command === F_SETFD) thread.fds.set(state.fdNum, from.closingOnExec((low(event, 3, 0) & 1) !== 0), inode);
  else put(state, thread, result, from.closingOnExec(command === F_DUPFD_CLOEXEC), inode);
}

export function pipe(state: State, event: Event, thread: Thread): void {
  if (low(event, 0, -1) < 0) return;
  let inoLow = 0;
  let inoHigh = 0;
  if (3 < event.nparams && event.len(3) === 8) {
    const at = event.offset(3);
    inoLow = event.view.getInt32(at, true);
    inoHigh = event.view.getInt32(at + 4, true);
  }
  const fd = plainFd(FdType.FIFO, '', u32(event, 4, 0), inoLow, inoHigh);
  for (const param of [1, 2]) {
    const num = low(event, param, -1);
    if (num >= 0) put(state, thread, num, fd);
  }
}

/** Event type → type of the fd that it makes. */
const CREATED: Readonly<Record<number, number>> = Object.fromEntries(
  (
    [
      ['SYSCALL_EVENTFD_X', FdType.EVENT],
      ['SYSCALL_EVENTFD2_X', FdType.EVENT],
      ['SYSCALL_SIGNALFD_X', FdType.SIGNALFD],
      ['SYSCALL_SIGNALFD4_X', FdType.SIGNALFD],
      ['SYSCALL_TIMERFD_CREATE_X', FdType.TIMERFD],
      ['SYSCALL_INOTIFY_INIT_X', FdType.INOTIFY],
      ['SYSCALL_INOTIFY_INIT1_X', FdType.INOTIFY],
      ['SYSCALL_EPOLL_CREATE_X', FdType.EVENTPOLL],
      ['SYSCALL_EPOLL_CREATE1_X', FdType.EVENTPOLL],
      ['SYSCALL_USERFAULTFD_X', FdType.USERFAULTFD],
      ['SYSCALL_IO_URING_SETUP_X', FdType.IOURING],
      ['SYSCALL_BPF_2_X', FdType.BPF],
      ['SYSCALL_MEMFD_CREATE_X', FdType.MEMFD],
    ] as const
  ).map(([code, type]) => [EventType[code] as number, type]),
);

/** BPF commands whose result is an fd. */
const BPF_FD_COMMANDS = new Set([0, 5, 7, 13, 14, 17, 18, 19, 28, 30, 32, 33]);

export function createFd(state: State, event: Event, thread: Thread): void {
  const num = low(event, 0, -1);
  if (num < 0) return;
  const type = event.type;
  if (type === EventType.SYSCALL_BPF_2_X && event.nparams > 1 && !BPF_FD_COMMANDS.has(u32(event, 1, 0))) return;
  const name = type === EventType.SYSCALL_MEMFD_CREATE_X ? text(state, event, 1) : '';
  put(state, thread, num, plainFd(CREATED[type] as number, name));
}

export function pidfdOpen(state: State, event: Event, thread: Thread): void {
  const num = low(event, 0, -1);
  if (num < 0) return;
  put(state, thread, num, new Fd(FdType.PIDFD, null, '', 0, 0, 0, 0, 0, null, low(event, 1, 0)));
}

/** The new fd refers to what an fd of the other process refers to. */
export function pidfdGetfd(state: State, event: Event, thread: Thread): void {
  const num = low(event, 0, -1);
  if (num < 0) return;
  const pidfd = thread.fds.get(low(event, 1, -1));
  const target = pidfd === null ? null : state.threads.get(pidfd.pid);
  const there = low(event, 2, -1);
  const fd = target === null ? null : target.fds.get(there);
  if (target !== null && fd !== null) put(state, thread, num, fd, target.fds.keptInode(there));
}

/** CLOSE_RANGE_CLOEXEC marks them instead. */
const CLOSE_RANGE_CLOEXEC = 4;

export function closeRange(event: Event, thread: Thread): void {
  if (low(event, 0, -1) < 0) return;
  const first = u32(event, 1, 0);
  const last = u32(event, 2, 0);
  const mark = (u32(event, 3, 0) & CLOSE_RANGE_CLOEXEC) !== 0;
  const fds = thread.fds;
  const hit: number[] = [];
  fds.forEach((_, fd) => {
    if (fd >= first && fd <= last) hit.push(fd);
  });
  for (const num of hit) {
    const fd = fds.get(num);
    if (fd === null) continue;
    if (mark) fds.set(num, fd.closingOnExec(true), fds.keptInode(num));
    else fds.delete(num);
  }
}

function setDirectory(state: State, thread: Thread, path: string): void {
  const main = thread.main ?? thread;
  const before = main.cwd;
  main.cwd = state.paths.directory(path);
  if (main.cwd !== before) state.changed(main);
  if (main !== thread) thread.changed();
}

export function chdir(state: State, event: Event, thread: Thread): void {
  if (low(event, 0, -1) < 0) return;
  const resolved = resolvedPath(state, event);
  const given = resolved ?? text(state, event, 1);
  if (given === '') return;
  setDirectory(state, thread, resolved ?? joinPath(currentDirectory(thread)?.name ?? '/', given));
}

/** The path that the kernel resolved, from our trailing parameters; null when there is none. */
function resolvedPath(state: State, event: Event): string | null {
  if ((extraFlags(event) & Extra.PATH_RESOLVED) === 0) return null;
  const path = text(state, event, (PARAM_COUNT[event.type] as number) + 1);
  return path === '' ? null : path;
}

export function fchdir(state: State, event: Event, thread: Thread): void {
  if (low(event, 0, -1) < 0) return;
  const path = resolvedPath(state, event) ?? state.fd?.path?.name;
  if (path !== undefined) setDirectory(state, thread, path);
}

export function chroot(state: State, event: Event, thread: Thread): void {
  if (low(event, 0, -1) < 0) return;
  const given = text(state, event, 1);
  if (given === '') return;
  thread.root = normalise(joinPath(currentDirectory(thread)?.name ?? '/', given));
  state.changed(thread);
}
