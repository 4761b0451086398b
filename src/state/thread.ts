import { FdTable } from './fd.ts';
import type { Path } from './paths.ts';

/** PPM_CL_* flags of a thread, as far as the state needs them (scap event schema, clone flags). */
export const CloneFlag = {
  FILES: 1 << 0,
  NEWPID: 1 << 6,
  PARENT: 1 << 8,
  THREAD: 1 << 13,
  INVERTED: 1 << 16,
  NAME_CHANGED: 1 << 17,
  CLOSED: 1 << 18,
  CHILD_IN_PIDNS: 1 << 29,
} as const;

const NO_THREADS: readonly Thread[] = [];

/** The threads of one process. */
export class ThreadGroup {
  declare readonly pid: number;
  /** Takes over the children of processes that die below it (PR_SET_CHILD_SUBREAPER, and pid 1). */
  declare reaper: boolean;
  threads: readonly Thread[] = NO_THREADS;
  /** The leader; null when it is not in the table. */
  main: Thread | null = null;
  /** Threads that have not exited. */
  alive = 0;

  constructor(pid: number, reaper: boolean) {
    this.pid = pid;
    this.reaper = reaper;
  }

  /** Most processes have one thread, for which the array is made to measure. */
  add(thread: Thread): void {
    if (this.threads.length === 0) this.threads = [thread];
    else (this.threads as Thread[]).push(thread);
  }

  remove(thread: Thread): void {
    const { threads } = this;
    const at = threads.indexOf(thread);
    if (at < 0) return;
    if (threads.length === 1) this.threads = NO_THREADS;
    else (threads as Thread[]).splice(at, 1);
  }
}

let contents = 0;

/** A number for {@link Thread.content} that no thread has had. */
function freshContent(): number {
  return ++contents;
}

/**
 * A thread and what it shares with its process. One class with all members set in the constructor, so that
 * everything that reads a thread sees one shape. Strings are byte strings.
 *
 * `declare`: a member that is not declared so is undefined before the constructor sets it, and V8 then takes it for
 * something that need not be a number.
 */
export class Thread {
  declare readonly tid: number;
  /** Dense number, given to another thread once this one is gone: an index for side tables of the engine. */
  declare readonly slot: number;
  /** Changes whenever something of the thread itself changes that a field can read; never repeats for one slot. */
  epoch = 0;
  /**
   * Changes with {@link epoch}, but a new thread that took over all of its maker's program, user and container has
   * its maker's number: two threads of one number differ only in their ids, times and counters. What is found out
   * about a program is so found out once for all of its forks.
   */
  content = freshContent();

  /** Thread-group id, what users call the process id; -1 when not known. */
  pid = -1;
  /** Thread that is the parent; -1 when not known, 0 when there is none. */
  ptid = -1;
  /** The thread with tid {@link ptid}, while it is in the table. */
  parent: Thread | null = null;
  firstChild: Thread | null = null;
  nextSibling: Thread | null = null;
  previousSibling: Thread | null = null;
  declare group: ThreadGroup;
  declare fds: FdTable;

  /** A stand-in for a thread that nothing is known of. */
  placeholder = false;
  /** Exited, and kept only because other threads or children refer to it. */
  dead = false;
  /** PPM_CL_* flags. */
  flags = 0;

  comm = '';
  exe = '';
  exepath = '';
  /** Arguments without argv[0], each followed by a NUL. */
  args = '';
  /** `NAME=value`, each followed by a NUL. */
  env = '';
  /** `subsystem=path`, each followed by a NUL. */
  cgroups = '';
  /** The current directory, absolute; null when not known. Of the leader; other threads read theirs there. */
  cwd: Path | null = null;
  root = '/';
  /** Id of the container, `''` on the host. */
  container = '';

  uid = 0xffffffff;
  gid = 0xffffffff;
  loginuid = 0xffffffff;
  sid = -1;
  pgid = -1;
  vpgid = -1;
  vtid = -1;
  vpid = -1;
  tty = 0;
  fdlimit: number | bigint = -1;
  vmsize = 0;
  vmrss = 0;
  vmswap = 0;
  pfmajor: number | bigint = 0;
  pfminor: number | bigint = 0;
  capInheritable: number | bigint = 0;
  capPermitted: number | bigint = 0;
  capEffective: number | bigint = 0;
  exeIno: number | bigint = 0;
  /** Nanoseconds since the epoch, as are the next ones; 0n is unknown. */
  exeCtime = 0n;
  exeMtime = 0n;
  cloneTs = 0n;
  execTs = 0n;
  pidnsInitStartTs = 0n;
  exeWritable = false;
  exeUpperLayer = false;
  exeLowerLayer = false;
  exeFromMemfd = false;

  /** Event time when the thread was last seen, in units of 2^32 ns (4.3 s), for purging. */
  lastSeen = 0;
  /** What the thread's next exit hands its children to, when the kernel said so; -1 otherwise. */
  reaperTid = -1;

  /** Joined texts, made when first asked for. */
  #cmdline: string | null = null;

  /** Room for the rule engine. */
  mask = 0;
  maskEpoch = -1;

  constructor(tid: number, slot: number, group: ThreadGroup, fds: FdTable) {
    this.tid = tid;
    this.slot = slot;
    this.group = group;
    this.fds = fds;
  }

  /** True for a thread-group leader. */
  get isMain(): boolean {
    return this.tid === this.pid;
  }

  /** The thread-group leader, itself for a leader; null when it is not in the table. */
  get main(): Thread | null {
    return this.group.main;
  }

  /** `proc.cmdline`: comm and arguments. */
  get cmdline(): string {
    return (this.#cmdline ??= this.args === '' ? this.comm : `${this.comm} ${joinArgs(this.args)}`);
  }

  /** To be called by the state after changing what a field can read. */
  changed(): void {
    this.epoch = (this.epoch + 1) & 0x3fffffff;
    this.content = freshContent();
    this.#cmdline = null;
  }
}

/** Joined texts that are remembered: programs are started again and again with one environment and the same arguments. */
const MAX_JOINED = 512;
const MAX_JOINED_LENGTH = 8192;
const joined = new Map<string, string>();

/** NUL-separated items, joined by blanks; equal items give the same string, which has been hashed already. */
export function joinArgs(args: string): string {
  const known = joined.get(args);
  if (known !== undefined) return known;
  const end = args.charCodeAt(args.length - 1) === 0 ? args.length - 1 : args.length;
  const text = args.slice(0, end).replaceAll('\0', ' ');
  if (args.length <= MAX_JOINED_LENGTH) {
    if (joined.size >= MAX_JOINED) joined.clear();
    joined.set(args, text);
  }
  return text;
}

/** The largest thread id (PID_MAX_LIMIT of 64-bit Linux). */
export const MAX_TID = 1 << 22;

/** Threads are spread over pages of this many ids. */
const PAGE_BITS = 10;
const PAGE = 1 << PAGE_BITS;

/** tid → Thread: an array of pages, because a look-up happens for every event. */
export class ThreadTable {
  #pages: (Array<Thread | null> | null)[] = new Array(4096).fill(null);
  /** Threads with ids that the kernel cannot have, but a sandbox can. */
  readonly #wide = new Map<number, Thread>();
  #used: Int32Array = new Int32Array(4096);
  /** A page that fell empty: where ids go up, pages come and go with single processes. */
  #spare: Array<Thread | null> | null = null;
  readonly #freeSlots: number[] = [];
  /** The epoch that the next user of a slot starts with. */
  #epochs: number[] = [];
  /** The thread that was asked for last: most events are of the same one as the event before. */
  #lastTid = -1;
  #last: Thread | null = null;
  /** Threads in the table. */
  size = 0;
  /** Slots handed out so far; the length that side tables need. */
  slots = 0;

  get(tid: number): Thread | null {
    if (tid > MAX_TID) return this.#wide.get(tid) ?? null;
    // A small integer from here on, whatever the caller computed it as.
    const small = tid | 0;
    if (small === this.#lastTid) return this.#last;
    const page = small >= 0 ? this.#pages[small >>> PAGE_BITS] : undefined;
    if (page === undefined || page === null) return null;
    const thread = page[small & (PAGE - 1)] as Thread | null;
    if (thread !== null) {
      this.#lastTid = small;
      this.#last = thread;
    }
    return thread;
  }

  /** A thread with a slot, not yet in the table. */
  create(tid: number, group: ThreadGroup, fds: FdTable = new FdTable()): Thread {
    const slot = this.#freeSlots.pop() ?? this.slots++;
    const thread = new Thread(tid, slot, group, fds);
    thread.epoch = this.#epochs[slot] ?? 0;
    return thread;
  }

  add(thread: Thread): void {
    this.size++;
    this.#lastTid = -1;
    this.#last = null;
    if (thread.tid > MAX_TID) {
      this.#wide.set(thread.tid, thread);
      return;
    }
    const index = thread.tid >>> PAGE_BITS;
    let page = this.#pages[index];
    if (page === undefined || page === null) {
      page = this.#spare ?? new Array<Thread | null>(PAGE).fill(null);
      this.#spare = null;
      this.#pages[index] = page;
    }
    page[thread.tid & (PAGE - 1)] = thread;
    this.#used[index] = (this.#used[index] as number) + 1;
  }

  remove(thread: Thread): void {
    this.size--;
    this.#lastTid = -1;
    this.#last = null;
    if (!this.#wide.delete(thread.tid)) {
      const index = thread.tid >>> PAGE_BITS;
      const page = this.#pages[index] as Array<Thread | null>;
      page[thread.tid & (PAGE - 1)] = null;
      this.#used[index] = (this.#used[index] as number) - 1;
      if (this.#used[index] === 0) {
        this.#spare = page;
        this.#pages[index] = null;
      }
    }
    this.#epochs[thread.slot] = (thread.epoch + 1) & 0x3fffffff;
    this.#freeSlots.push(thread.slot);
  }

  *[Symbol.iterator](): Generator<Thread> {
    for (const page of this.#pages) {
      if (page === null) continue;
      for (const thread of page) if (thread !== null) yield thread;
    }
    yield* this.#wide.values();
  }
}
