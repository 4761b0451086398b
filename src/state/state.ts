import { fromByteString } from '../bytes.ts';
import { EVENTS, type Event, EventType } from '../event/index.ts';
import type { FdEntry, InitialStateSink, MachineInfo, ProcessEntry } from '../scap/entries.ts';
import { CLASS, Class, FD_PARAM, PARAM_COUNT } from './classes.ts';
import { parseContainer } from './container-json.ts';
import { CgroupMemo, type ContainerInfo, type PodInfo } from './containers.ts';
import { fdEntries, fdOfEntry, processOfThread, settleSocketRoles, threadOfEntry } from './entries.ts';
import { type Fd, NO_INODE } from './fd.ts';
import {
  chdir,
  chroot,
  closeFd,
  closeRange,
  createFd,
  dup,
  fchdir,
  fcntl,
  open,
  pidfdGetfd,
  pidfdOpen,
  pipe,
  toldFile,
} from './files.ts';
import { Interfaces } from './interfaces.ts';
import { Interner } from './interner.ts';
import { type Path, PathTable } from './paths.ts';
import {
  capset,
  clone,
  exec,
  exit,
  groupEvent,
  memory,
  prctl,
  prlimit,
  rlimit,
  setgid,
  setpgid,
  setsid,
  setuid,
  task,
  taskFile,
  userEvent,
} from './process.ts';
import { accept, bind, connect, connectEnter, socket, socketpair, transfer } from './sockets.ts';
import { type Thread, ThreadGroup, ThreadTable } from './thread.ts';
import { type User, Users } from './users.ts';

const { NONE } = Class;

/** Event type → class, number of parameters in the table (from bit 8), parameter that holds the fd (from bit 16; negative: none). */
const TYPES: Int32Array = Int32Array.from(
  CLASS,
  (kind, type) => kind | ((PARAM_COUNT[type] as number) << 8) | ((FD_PARAM[type] as number) << 16),
);

export interface StateOptions {
  /** Threads kept at most (`falco_libs.thread_table_size`); default 262144. */
  threadTableSize?: number;
  /** Seconds of silence after which a thread that does not exist any more is removed; default 300. */
  threadTimeoutSeconds?: number;
  /** Looks up a thread that no event has introduced (live: from /proc); null when there is none. */
  lookup?: ((tid: number) => { process: ProcessEntry; fds: readonly FdEntry[] } | null) | null;
  /** Tells whether a thread still exists (live); without it threads are not removed because of their silence. */
  exists?: ((tid: number) => boolean) | null;
  /** Seconds between two searches for such threads; default 300. */
  purgeIntervalSeconds?: number;
  /** Reads the users of the container that a process is in (live); null when they cannot be read (yet). */
  containerUsers?:
    | ((pid: number) => { users: readonly User[]; groups: readonly { gid: number; name: string }[] } | null)
    | null;
}

/** Attempts to learn the users of a container: its first processes can still see the host's root directory. */
const USER_ATTEMPTS = 8;

/** Containers that are always kept. */
const MIN_CONTAINERS = 1024;
const NEW_CONTAINERS = 256;

/** Counters for the metrics. */
export interface StateCounters {
  threads: number;
  /** Threads that were not known and had to be looked up or stood in for. */
  unknownThreads: number;
  /** Threads that did not fit into the table. */
  droppedThreads: number;
  /** Threads removed because they had not been seen for long. */
  purgedThreads: number;
  /** Events whose parameters contradict their lengths. */
  malformedEvents: number;
}

/**
 * What the events have told so far about the machine: threads, their files and sockets, users, addresses.
 *
 * {@link apply} takes each event in turn and leaves in {@link thread}, {@link fd} and {@link path} what the
 * event is about; the fields read them. The rules by which the tables change are those of libsinsp 0.25.
 */
export class State {
  readonly threads = new ThreadTable();
  readonly groups = new Map<number, ThreadGroup>();
  readonly paths = new PathTable();
  /** Texts of processes (names, arguments, environments, cgroups): equal ones are one string. */
  readonly texts = new Interner<string>(1 << 14, 1 << 22);
  readonly users = new Users();
  readonly interfaces = new Interfaces();
  readonly containers = new Map<string, ContainerInfo>();
  /** What the Kubernetes collector told, by the unique id of the pod. */
  readonly pods = new Map<string, PodInfo>();
  /** Changes whenever something is learnt of a container or pod. */
  containersEpoch = 0;
  /** Told of a thread in a container of which nothing is known (live), at its clone, exec or move: in time to ask. */
  unknownContainer: ((id: string, thread: Thread) => void) | null = null;
  /** Containers above which those without threads are forgotten. */
  #containerLimit = MIN_CONTAINERS;
  readonly cgroups = new CgroupMemo();
  machineInfo: MachineInfo | null = null;

  /** Changes whenever something changes that the descendants of a thread can read of it, or a thread gets another parent. */
  lineageEpoch = 0;

  /** The thread of the event that was applied last; null when it has none. */
  thread: Thread | null = null;
  /** The fd that the event is about: the one closed, opened, connected, accepted …; null when it has none or it is not known. */
  fd: Fd | null = null;
  /** The number of that fd; -1 when there is none. */
  fdNum = -1;
  /** The path that an open names, whether it succeeded or not; null on other events. */
  path: Path | null = null;
  /** What the table kept as the inode of the fd that was closed last, for the event of the close. */
  closedInode = NO_INODE;
  /** The event gave its fd another name (`fd.name_changed`). */
  fdNameChanged = false;

  /**
   * One byte an event type: 1 for types of which nobody reads the thread or the descriptor. Where they change nothing
   * either, only their time is noted.
   */
  unread: Uint8Array = new Uint8Array(EVENTS.length);

  /** Name of the machine for `evt.hostname`; null: the one that the capture or the kernel gives. */
  hostname: string | null = null;
  /** Time of the first event. */
  firstTs = 0n;
  #started = false;

  /** Time of the event and the one before it, as halves, because both are noted for every event. */
  #tsHigh = 0;
  #tsLow = 0;
  #previousHigh = 0;
  #previousLow = 0;

  readonly counters: StateCounters = {
    threads: 0,
    unknownThreads: 0,
    droppedThreads: 0,
    purgedThreads: 0,
    malformedEvents: 0,
  };

  readonly #limit: number;
  readonly #timeout: number;
  lookup: StateOptions['lookup'];
  readonly #containerUsers: StateOptions['containerUsers'];
  readonly #userAttempts = new Map<string, number>();
  /** The thread that exited with the last event: it leaves the table before the next one. */
  leaving: Thread | null = null;
  #loading = false;
  #purgeAt = -0x80000000;
  readonly #exists: ((tid: number) => boolean) | null;
  readonly #interval: number;

  constructor(options: StateOptions = {}) {
    this.#limit = options.threadTableSize ?? 262144;
    // In units of 2^32 ns, as Thread.lastSeen is.
    this.#timeout = Math.ceil((options.threadTimeoutSeconds ?? 300) / 4.294967296);
    this.#interval = Math.ceil((options.purgeIntervalSeconds ?? 300) / 4.294967296);
    this.#exists = options.exists ?? null;
    this.lookup = options.lookup ?? null;
    this.#containerUsers = options.containerUsers ?? null;
  }

  /** The inode of the file that {@link fd} is; 0 when there is none. */
  get fdInode(): number | bigint {
    const { fd, fdNum, thread } = this;
    if (fd === null || thread === null) return fd?.ino ?? 0;
    // After a close, and of a file that only the event tells of, nothing is there.
    const kept = thread.fds.get(fdNum) === fd ? thread.fds.keptInode(fdNum) : this.closedInode;
    return kept === NO_INODE ? fd.ino : kept;
  }

  /** Takes one event; never throws on what a producer can write. */
  apply(event: Event): void {
    this.fd = null;
    this.fdNum = -1;
    this.path = null;
    this.fdNameChanged = false;
    const { view, at } = event;
    this.#previousHigh = this.#tsHigh;
    this.#previousLow = this.#tsLow;
    this.#tsHigh = view.getInt32(at + 4, true);
    this.#tsLow = view.getInt32(at, true);
    if (this.#tsHigh >= this.#purgeAt) this.#onTime(event);
    if (this.leaving !== null || this.#loading === true) this.#settle();
    const type = event.type;
    const known = TYPES[type] as number;
    const kind = known & 0xff;
    if (kind === NONE && this.unread[type] === 1) {
      this.thread = null;
      return;
    }
    const high = view.getInt32(at + 12, true);
    const tid = high === 0 ? event.tid : wideId(high, event.tid);
    let thread = this.threads.get(tid);
    if (thread === null) {
      if (kind === Class.NO_THREAD || kind === Class.CONTAINER) {
        this.thread = null;
        if (kind === Class.CONTAINER) this.#containerEvent(event);
        return;
      }
      thread = this.#unknown(tid, kind);
      if (thread === null) {
        this.thread = null;
        return;
      }
    }
    // Storing a reference costs more than comparing it.
    if (this.thread !== thread) this.thread = thread;
    thread.lastSeen = this.#tsHigh;
    const param = known >> 16;
    try {
      if (param >= 0 && param < event.nparams) {
        const num = event.lo(param);
        this.fdNum = num;
        let fd = thread.fds.get(num);
        if (fd === null && event.nparams > ((known >> 8) & 0xff)) {
          fd = toldFile(this, event);
          this.closedInode = NO_INODE;
        }
        this.fd = fd;
      }
      if (kind !== NONE) this.#dispatch(kind, event, thread);
    } catch (error) {
      this.#malformed(error);
    }
  }

  /** What happens at certain times only: the first event's is noted, and threads that are gone are searched for. */
  #onTime(event: Event): void {
    if (!this.#started) {
      this.#started = true;
      this.firstTs = event.ts;
    } else if (this.#exists !== null) this.#purge(this.#exists);
    this.#purgeAt = this.#exists === null ? 0x7fffffff : this.#tsHigh + this.#interval;
  }

  /** Time of the event that was applied last; 0n when there was none. */
  get ts(): bigint {
    return (BigInt(this.#tsHigh >>> 0) << 32n) | BigInt(this.#tsLow >>> 0);
  }

  /** Time of the event before the one that was applied last; 0n when there was none. */
  get previousTs(): bigint {
    return (BigInt(this.#previousHigh >>> 0) << 32n) | BigInt(this.#previousLow >>> 0);
  }

  /** A read beyond the event's bytes is the producer's fault; anything else is ours. */
  #malformed(error: unknown): void {
    if (!(error instanceof RangeError)) throw error;
    this.counters.malformedEvents++;
  }

  #dispatch(kind: number, event: Event, thread: Thread): void {
    switch (kind) {
      case Class.OPEN:
        open(this, event, thread);
        break;
      case Class.CLOSE:
        closeFd(this, event, thread);
        break;
      case Class.CLONE:
        clone(this, event, thread);
        break;
      case Class.EXEC:
        exec(this, event, thread);
        break;
      case Class.EXIT:
        exit(this, event, thread);
        break;
      case Class.SOCKET:
        socket(this, event, thread);
        break;
      case Class.CONNECT:
        connect(this, event, thread);
        break;
      case Class.CONNECT_ENTER:
        connectEnter(this, event, thread);
        break;
      case Class.ACCEPT:
        accept(this, event, thread);
        break;
      case Class.BIND:
        bind(this, event, thread);
        break;
      case Class.TRANSFER:
        transfer(this, event, thread);
        break;
      case Class.DUP:
        dup(this, event, thread);
        break;
      case Class.FCNTL:
        fcntl(this, event, thread);
        break;
      case Class.PIPE:
        pipe(this, event, thread);
        break;
      case Class.SOCKETPAIR:
        socketpair(this, event, thread);
        break;
      case Class.CREATE_FD:
        createFd(this, event, thread);
        break;
      case Class.PIDFD_OPEN:
        pidfdOpen(this, event, thread);
        break;
      case Class.PIDFD_GETFD:
        pidfdGetfd(this, event, thread);
        break;
      case Class.CLOSE_RANGE:
        closeRange(event, thread);
        break;
      case Class.CHDIR:
        chdir(this, event, thread);
        break;
      case Class.FCHDIR:
        fchdir(this, event, thread);
        break;
      case Class.CHROOT:
        chroot(this, event, thread);
        break;
      case Class.SETUID:
        setuid(this, event, thread);
        break;
      case Class.SETGID:
        setgid(this, event, thread);
        break;
      case Class.SETSID:
        setsid(this, event, thread);
        break;
      case Class.SETPGID:
        setpgid(this, event, thread);
        break;
      case Class.PRCTL:
        prctl(this, event, thread);
        break;
      case Class.CAPSET:
        capset(this, event, thread);
        break;
      case Class.RLIMIT:
        rlimit(this, event, thread);
        break;
      case Class.PRLIMIT:
        prlimit(this, event, thread);
        break;
      case Class.MEMORY:
        memory(event, thread);
        break;
      case Class.USER:
        userEvent(this, event);
        break;
      case Class.GROUP:
        groupEvent(this, event);
        break;
      case Class.TASK:
        task(this, event, thread);
        break;
      case Class.TASK_FILE:
        taskFile(this, event, thread);
        break;
      case Class.CONTAINER:
        this.#containerEvent(event);
        break;
      default:
        break;
    }
  }

  /** What a runtime said of a container, in a recording. */
  #containerEvent(event: Event): void {
    const isAsync = event.type === EventType.ASYNCEVENT_E;
    if (isAsync && event.str(1) !== 'container') return;
    const json = event.str(isAsync ? 2 : 0);
    const info = json === null ? null : parseContainer(fromByteString(json));
    if (info !== null) this.setContainer(info.id, info);
  }

  /** The thread of an event that none of the tables know: looked up, or a stand-in. */
  #unknown(tid: number, kind: number): Thread | null {
    if (tid <= 0) return null;
    // The child's own clone event makes the thread, and an exit needs none.
    if (kind === Class.EXIT) return null;
    this.counters.unknownThreads++;
    // Looking up is dear, and of no use where the result has no place.
    if (this.threads.size >= this.#limit) {
      this.counters.droppedThreads++;
      return null;
    }
    if (kind !== Class.CLONE && kind !== Class.TASK && this.lookup) {
      const found = this.lookup(tid);
      if (found !== null) {
        this.sink.process(found.process);
        for (const entry of found.fds) this.sink.fd(entry);
        this.#settle();
        const thread = this.threads.get(tid);
        if (thread !== null) return thread;
      }
    }
    return this.addPlaceholder(tid);
  }

  /** A thread of which nothing but its id is known. */
  addPlaceholder(tid: number): Thread | null {
    const thread = this.newThread(tid, tid);
    if (thread === null) return null;
    thread.placeholder = true;
    thread.pid = tid;
    thread.comm = thread.exe = '<NA>';
    this.link(thread);
    return thread;
  }

  /** A thread of process `pid` that is not yet linked; null when the table is full. */
  newThread(tid: number, pid: number): Thread | null {
    if (this.threads.size >= this.#limit || tid < 0) {
      this.counters.droppedThreads++;
      return null;
    }
    let group = this.groups.get(pid);
    if (group === undefined) {
      group = new ThreadGroup(pid, pid === 1);
      this.groups.set(pid, group);
    }
    const thread = this.threads.create(tid, group);
    thread.pid = pid;
    return thread;
  }

  /** Puts a thread whose ids are set into the table, its process and below its parent. */
  link(thread: Thread): void {
    this.threads.add(thread);
    this.counters.threads = this.threads.size;
    const group = thread.group;
    group.add(thread);
    if (!thread.dead) group.alive++;
    if (thread.tid === group.pid) {
      group.main = thread;
      if (group.threads.length > 1) this.lineageEpoch++;
    }
    if (thread.vtid === 1) group.reaper = true;
    this.adopt(thread, thread.ptid);
    const orphans = this.#orphans.get(thread.tid);
    if (orphans !== undefined) {
      this.#orphans.delete(thread.tid);
      for (const orphan of orphans) if (orphan.parent === null && orphan.ptid === thread.tid) attach(orphan, thread);
      this.lineageEpoch++;
    }
  }

  /** Threads whose parent is not in the table, by the parent's id. */
  readonly #orphans = new Map<number, Set<Thread>>();

  /** Makes the thread with id `ptid` the parent, now or when it appears. */
  adopt(thread: Thread, ptid: number): void {
    detach(thread);
    const before = thread.ptid;
    if (before > 0 && this.#orphans.size > 0) this.#unorphan(thread, before);
    thread.ptid = ptid;
    if (ptid <= 0 || ptid === thread.tid) return;
    const parent = this.threads.get(ptid);
    if (parent !== null) {
      attach(thread, parent);
      return;
    }
    const orphans = this.#orphans.get(ptid);
    if (orphans === undefined) this.#orphans.set(ptid, new Set([thread]));
    else orphans.add(thread);
  }

  #unorphan(thread: Thread, ptid: number): void {
    const orphans = this.#orphans.get(ptid);
    if (orphans?.delete(thread) === true && orphans.size === 0) this.#orphans.delete(ptid);
  }

  /** Something of the thread changed that its descendants can read, too. */
  changed(thread: Thread): void {
    thread.changed();
    if (thread.firstChild !== null || thread.group.threads.length > 1) this.lineageEpoch++;
  }

  /**
   * Removes a thread that is gone: its children go to the reaper; a leader stays (dead) while other
   * threads of its process live (libsinsp, `sinsp_thread_manager::remove_thread`).
   */
  remove(thread: Thread): void {
    const group = thread.group;
    if (!thread.dead) {
      thread.dead = true;
      group.alive--;
    }
    if (thread.firstChild !== null) this.#handOverChildren(thread);
    if (group.alive > 0) {
      if (group.main !== thread) this.#drop(thread);
      return;
    }
    const main = group.main;
    if (main !== null && main !== thread) this.#drop(main);
    this.#drop(thread);
    if (group.threads.length === 0 && this.groups.get(group.pid) === group) this.groups.delete(group.pid);
  }

  /** Removes a thread at once: its id belongs to another one now. */
  discard(thread: Thread): void {
    const group = thread.group;
    if (!thread.dead) {
      thread.dead = true;
      group.alive--;
    }
    this.#drop(thread);
    if (group.threads.length === 0 && this.groups.get(group.pid) === group) this.groups.delete(group.pid);
  }

  /** The thread turned out to belong to the process `pid`. */
  moveToProcess(thread: Thread, pid: number): void {
    const before = thread.group;
    before.remove(thread);
    if (!thread.dead) before.alive--;
    if (before.main === thread) before.main = null;
    if (before.threads.length === 0 && this.groups.get(before.pid) === before) this.groups.delete(before.pid);
    let group = this.groups.get(pid);
    if (group === undefined) this.groups.set(pid, (group = new ThreadGroup(pid, pid === 1)));
    group.add(thread);
    if (!thread.dead) group.alive++;
    if (thread.tid === pid) group.main = thread;
    thread.group = group;
    thread.pid = pid;
    this.changed(thread);
    this.lineageEpoch++;
  }

  #handOverChildren(thread: Thread): void {
    let reaper = thread.reaperTid > 0 ? this.threads.get(thread.reaperTid) : null;
    if (reaper === null || reaper === thread) reaper = findReaper(thread);
    else if (reaper.group !== thread.group) reaper.group.reaper = true;
    this.lineageEpoch++;
    for (let child = thread.firstChild; child !== null; child = thread.firstChild) {
      this.adopt(child, reaper === null ? 0 : reaper.tid);
      child.changed();
    }
  }

  #drop(thread: Thread): void {
    if (this.threads.get(thread.tid) !== thread) return;
    if (thread.firstChild !== null) this.#handOverChildren(thread);
    if (thread.parent === null && thread.ptid > 0) this.#unorphan(thread, thread.ptid);
    detach(thread);
    const group = thread.group;
    group.remove(thread);
    if (group.main === thread) {
      group.main = null;
      if (group.threads.length > 0) this.lineageEpoch++;
    }
    this.threads.remove(thread);
    this.counters.threads = this.threads.size;
  }

  /** Before an event: what the previous one left to do, and the end of the initial state. */
  #settle(): void {
    if (this.#loading) {
      this.#loading = false;
      settleSocketRoles(this);
    }
    const thread = this.leaving;
    if (thread !== null) {
      this.leaving = null;
      this.remove(thread);
    }
  }

  /** Removes threads that were not seen for the time-out and that do not exist any more. */
  #purge(exists: (tid: number) => boolean): void {
    const now = this.#tsHigh;
    const gone: Thread[] = [];
    for (const thread of this.threads) {
      if (now - thread.lastSeen > this.#timeout && thread !== this.thread && !exists(thread.tid)) gone.push(thread);
    }
    for (const thread of gone) this.remove(thread);
    this.counters.purgedThreads += gone.length;
  }

  /** A user as the thread's container (or the host) knows it; null when it does not. */
  userOf(thread: Thread, uid: number): User | null {
    this.#learnUsers(thread);
    return this.users.user(thread.container, uid);
  }

  groupOf(thread: Thread, gid: number): string | null {
    this.#learnUsers(thread);
    return this.users.group(thread.container, gid);
  }

  #learnUsers({ container, pid }: Thread): void {
    if (!this.#containerUsers || container === '' || this.users.has(container)) return;
    const attempts = this.#userAttempts.get(container) ?? 0;
    if (attempts >= USER_ATTEMPTS) return;
    if (this.#userAttempts.size >= 4096) this.#userAttempts.clear();
    this.#userAttempts.set(container, attempts + 1);
    const found = this.#containerUsers(pid);
    if (found === null) return;
    for (const user of found.users) this.users.addUser(container, user);
    for (const { gid, name } of found.groups) this.users.addGroup(container, gid, name);
  }

  /** Says what is known of a container; null forgets it. */
  setContainer(id: string, info: ContainerInfo | null): void {
    if (info === null) {
      this.containers.delete(id);
      this.users.forget(id);
    } else {
      this.containers.set(id, info);
      if (this.containers.size > this.#containerLimit) this.#forgetContainers();
    }
    this.containersEpoch++;
  }

  /** Says what is known of a pod by its unique id; null forgets it. */
  setPod(uid: string, info: PodInfo | null): void {
    if (info === null) this.pods.delete(uid);
    else this.pods.set(uid, info);
    this.containersEpoch++;
  }

  /** Forgets containers in which no thread lives, except for the newest: their first one may be on its way. */
  #forgetContainers(): void {
    const used = new Set<string>();
    for (const { container } of this.threads) used.add(container);
    let old = this.containers.size - NEW_CONTAINERS;
    for (const id of this.containers.keys()) {
      if (old-- <= 0) break;
      if (used.has(id)) continue;
      this.containers.delete(id);
      this.users.forget(id);
    }
    this.#containerLimit = Math.max(MIN_CONTAINERS, 2 * this.containers.size);
  }

  /** Takes the initial state: of a capture, or of /proc. */
  readonly sink: InitialStateSink = {
    machine: (info) => {
      this.machineInfo = info;
    },
    process: (entry) => {
      this.#loading = true;
      threadOfEntry(this, entry);
    },
    fd: (entry) => {
      this.#loading = true;
      fdOfEntry(this, entry);
    },
    userOrGroup: (entry) => this.users.add(entry),
    interface: (entry) => this.interfaces.add(entry),
  };

  /**
   * The tables as entries, from which {@link sink} makes the same tables again: the start of a recording.
   * @param includes leaves out threads
   */
  snapshot(sink: InitialStateSink, includes: (thread: Thread) => boolean = () => true): void {
    this.#settle();
    if (this.machineInfo !== null) sink.machine(this.machineInfo);
    const threads = [...this.threads].filter((thread) => !thread.dead && includes(thread));
    for (const thread of threads) if (!thread.placeholder) sink.process(processOfThread(thread));
    for (const thread of threads) {
      if (thread.isMain) for (const entry of fdEntries(thread)) sink.fd(entry);
    }
    for (const entry of this.users.entries()) sink.userOrGroup(entry);
    for (const entry of this.interfaces.entries()) sink.interface(entry);
  }
}

/** An id of more than 32 bits; -1 stays what it is. */
function wideId(high: number, low: number): number {
  return high * 4294967296 + (low >>> 0);
}

function detach(thread: Thread): void {
  const parent = thread.parent;
  if (parent === null) return;
  if (thread.previousSibling !== null) thread.previousSibling.nextSibling = thread.nextSibling;
  else parent.firstChild = thread.nextSibling;
  if (thread.nextSibling !== null) thread.nextSibling.previousSibling = thread.previousSibling;
  thread.parent = thread.nextSibling = thread.previousSibling = null;
}

function attach(thread: Thread, parent: Thread): void {
  thread.parent = parent;
  thread.nextSibling = parent.firstChild;
  if (parent.firstChild !== null) parent.firstChild.previousSibling = thread;
  parent.firstChild = thread;
}

/**
 * Who takes over the children of a thread when the kernel did not say: another thread of its process, or
 * the nearest ancestor that is a reaper in the same pid namespace (libsinsp, `find_new_reaper`).
 */
function findReaper(thread: Thread): Thread | null {
  for (const other of thread.group.threads) if (other !== thread && !other.dead) return other;
  const inNamespace = thread.vtid !== thread.tid;
  let steps = 0;
  for (let parent = thread.parent; parent !== null && steps < 4096; parent = parent.parent, steps++) {
    if ((parent.vtid !== parent.tid) !== inNamespace) return null;
    if (!parent.group.reaper) continue;
    for (const other of parent.group.threads) if (other !== thread && !other.dead) return other;
  }
  return null;
}
