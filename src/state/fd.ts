import { FdType } from '../scap/entries.ts';
import { formatEndpoint, formatTuple } from './address.ts';
import type { Path } from './paths.ts';

/** Bits of {@link Fd.status}. */
export const FdStatus = {
  /** The socket's role is known: it answers (server) or asks (client). */
  SERVER: 1 << 0,
  CLIENT: 1 << 1,
  CONNECTED: 1 << 2,
  /** A non-blocking connect has begun. */
  PENDING: 1 << 3,
  /** From the initial state: which end is the server is not settled. */
  FROM_PROC: 1 << 4,
  /** On an overlay file system: in the writable layer, or in an image's layer. */
  UPPER_LAYER: 1 << 5,
  LOWER_LAYER: 1 << 6,
  /** The file had no name left when it was opened. */
  DELETED: 1 << 7,
  /** The name is the kernel's, not the caller's. */
  RESOLVED: 1 << 8,
} as const;

/** PPM_O_* flags that the state reads (scap event schema; not the kernel's values). */
export const OpenFlag = {
  RDONLY: 1 << 0,
  WRONLY: 1 << 1,
  CREAT: 1 << 2,
  TRUNC: 1 << 8,
  DIRECTORY: 1 << 10,
  CLOEXEC: 1 << 12,
  TMPFILE: 1 << 13,
  CREATED: 1 << 14,
  UPPER_LAYER: 1 << 15,
  LOWER_LAYER: 1 << 16,
} as const;

/** Transport protocols (scap_l4_proto). */
export const L4 = { UNKNOWN: 0, NA: 1, TCP: 2, UDP: 3, ICMP: 4, RAW: 5 } as const;

/** Both ends of a socket; immutable (`declare`: see {@link Thread}). Addresses are byte strings of 4 or 16 bytes in network order. */
export class Socket {
  declare readonly l4: number;
  /** The source: of a connection who asks; empty while nothing is known. For a server socket: where it listens. */
  declare readonly sourceAddress: string;
  declare readonly sourcePort: number;
  declare readonly destinationAddress: string;
  declare readonly destinationPort: number;
  /** Kernel addresses of both ends of a UNIX socket. */
  declare readonly unixSource: bigint;
  declare readonly unixDestination: bigint;
  /** False while neither end is known. */
  declare readonly hasEnds: boolean;

  constructor(
    l4: number,
    sourceAddress: string,
    sourcePort: number,
    destinationAddress: string,
    destinationPort: number,
    unixSource: bigint,
    unixDestination: bigint,
  ) {
    this.l4 = l4;
    this.sourceAddress = sourceAddress;
    this.sourcePort = sourcePort;
    this.destinationAddress = destinationAddress;
    this.destinationPort = destinationPort;
    this.unixSource = unixSource;
    this.unixDestination = unixDestination;
    this.hasEnds = sourceAddress !== '' || destinationAddress !== '';
  }

  /** The same with the ends exchanged. */
  swapped(): Socket {
    return new Socket(
      this.l4,
      this.destinationAddress,
      this.destinationPort,
      this.sourceAddress,
      this.sourcePort,
      this.unixSource,
      this.unixDestination,
    );
  }

  sameEnds(other: Socket): boolean {
    return (
      this.sourcePort === other.sourcePort &&
      this.destinationPort === other.destinationPort &&
      this.sourceAddress === other.sourceAddress &&
      this.destinationAddress === other.destinationAddress
    );
  }
}

/**
 * What a file descriptor refers to. Immutable, so that processes and their forks share it, and an open
 * of a known path with the same outcome gives the same object again; what changes is the slot in the table.
 */
export class Fd {
  // In the order of use: what every event reads lies together.
  /** One of FdType. */
  declare readonly type: number;
  /** Room for the rule engine: what it decided about this fd, and under which rule set. */
  maskEpoch = -1;
  mask = 0;
  declare readonly socket: Socket | null;
  /** A TCP connection whose ends are known: what is sent on it tells nothing new. */
  declare readonly isSettled: boolean;
  /** Path of a file or directory; null for everything else. */
  declare readonly path: Path | null;
  /** Name of what has no path: a UNIX socket's path, `pipe:[1]`; null: the ends of the IP socket, written when asked for. */
  #text: string | null;
  /** PPM_O_* flags. */
  declare readonly flags: number;
  declare readonly status: number;
  declare readonly dev: number;
  declare readonly inoLow: number;
  declare readonly inoHigh: number;
  /** The process that a pidfd stands for; 0 otherwise. */
  declare readonly pid: number;

  #twin: Fd | null = null;

  constructor(
    type: number,
    path: Path | null,
    text: string | null,
    flags: number,
    status: number,
    dev: number,
    inoLow: number,
    inoHigh: number,
    socket: Socket | null,
    pid: number,
  ) {
    this.type = type;
    this.socket = socket;
    this.isSettled = socket !== null && socket.l4 === L4.TCP && socket.hasEnds;
    this.path = path;
    this.#text = text;
    this.flags = flags;
    this.status = status;
    this.dev = dev;
    this.inoLow = inoLow;
    this.inoHigh = inoHigh;
    this.pid = pid;
  }

  /** `fd.name`. */
  get name(): string {
    if (this.path !== null) return this.path.name;
    let text = this.#text;
    if (text === null) {
      const { socket, type } = this;
      text =
        socket === null || !socket.hasEnds
          ? ''
          : type === FdType.IPV4_SERVSOCK || type === FdType.IPV6_SERVSOCK
            ? formatEndpoint(socket.sourceAddress, socket.sourcePort)
            : formatTuple(socket.sourceAddress, socket.sourcePort, socket.destinationAddress, socket.destinationPort);
      this.#text = text;
    }
    return text;
  }

  /** Whether {@link name} is the same as the other's; cheaper than writing both. */
  sameName(other: Fd): boolean {
    const here = this.socket;
    const there = other.socket;
    if (this.#text === null && other.#text === null && this.type === other.type && here !== null && there !== null) {
      return here.sameEnds(there);
    }
    // A socket that had no name before it was connected.
    if (this.#text === '' && this.path === null && other.#text === null && there?.hasEnds === true) return false;
    return this.name === other.name;
  }

  /** The inode, unless the table keeps one beside it (see {@link FdTable.inodeOf}). */
  get ino(): number | bigint {
    const high = this.inoHigh >>> 0;
    return high < 0x200000
      ? high * 4294967296 + (this.inoLow >>> 0)
      : (BigInt(high) << 32n) | BigInt(this.inoLow >>> 0);
  }

  /** The same, with that inode (an integer below 2^53). */
  withInode(inode: number): Fd {
    const { type, path, flags, status, dev, socket, pid } = this;
    return new Fd(type, path, this.#text, flags, status, dev, inode | 0, Math.floor(inode / 4294967296), socket, pid);
  }

  /** The same, with or without the mark that closes it on exec; made once and kept. */
  closingOnExec(on: boolean): Fd {
    if (((this.flags & OpenFlag.CLOEXEC) !== 0) === on) return this;
    let twin = this.#twin;
    if (twin === null) {
      twin = this.with({ flags: this.flags ^ OpenFlag.CLOEXEC });
      twin.#twin = this;
      this.#twin = twin;
    }
    return twin;
  }

  /** A copy with some members changed. */
  with(change: FdChange): Fd {
    return new Fd(
      change.type ?? this.type,
      change.path === undefined ? this.path : change.path,
      change.text === undefined ? this.#text : change.text,
      change.flags ?? this.flags,
      change.status ?? this.status,
      this.dev,
      this.inoLow,
      this.inoHigh,
      change.socket === undefined ? this.socket : change.socket,
      this.pid,
    );
  }
}

export interface FdChange {
  type?: number;
  path?: Path | null;
  text?: string | null;
  flags?: number;
  status?: number;
  socket?: Socket | null;
}

/** An fd with nothing but a type and a name. */
export function plainFd(type: number, text: string, flags = 0, inoLow = 0, inoHigh = 0): Fd {
  return new Fd(type, null, text, flags, 0, 0, inoLow, inoHigh, null, 0);
}

/** Descriptors a chunk. */
const CHUNK_BITS = 5;
const CHUNK = 1 << CHUNK_BITS;
/** Numbers below this are in chunks (one bit each says whose a chunk is), others in a map. */
const CHUNKED = CHUNK * 31;

type Chunk = (Fd | null)[];

/** What stands where there is no chunk: nobody owns it, so nobody writes to it. */
const EMPTY: Chunk = new Array<Fd | null>(CHUNK).fill(null);
const NO_CHUNKS: Chunk[] = [];

/** In the place of an inode: that of the {@link Fd} is valid. No integer, so that V8 keeps plain doubles in the arrays. */
export const NO_INODE = 0.5;

/** Inodes of a chunk's files by position; null while none was set. */
type Inodes = number[] | null;
const NO_INODES: Inodes[] = [];

/**
 * The file descriptors of a process (shared by its threads). A fork has a table of its own that shares its maker's chunks
 * until one of the two changes something: most forks change little, and shells keep a descriptor as high as 255.
 *
 * The inode of a file stands beside its {@link Fd}, so that the opens of one path share that object, whatever file is
 * there at the time.
 */
export class FdTable {
  /** The chunk that nearly all descriptors are in, and those behind it. */
  #first: Chunk;
  #others: Chunk[];
  #firstInodes: Inodes = null;
  #otherInodes: Inodes[] = NO_INODES;
  /** Bit by chunk: this table alone has it, and may write to it. */
  #own = 0;
  /** Whether {@link #others} is this table's alone. */
  #ownOthers = false;
  #high: Map<number, Fd> | null = null;
  size = 0;

  constructor(from: FdTable | null = null) {
    if (from === null) {
      this.#first = EMPTY;
      this.#others = NO_CHUNKS;
    } else {
      this.#first = from.#first;
      this.#others = from.#others;
      this.#firstInodes = from.#firstInodes;
      this.#otherInodes = from.#otherInodes;
      from.#own = 0;
      from.#ownOthers = false;
      if (from.#high !== null) this.#high = new Map(from.#high);
      this.size = from.size;
    }
  }

  get(fd: number): Fd | null {
    // A negative number lies beyond all chunks when it is shifted so.
    const index = fd >>> CHUNK_BITS;
    if (index === 0) return this.#first[fd] as Fd | null;
    if (index <= this.#others.length) return (this.#others[index - 1] as Chunk)[fd & (CHUNK - 1)] as Fd | null;
    return this.#high === null ? null : (this.#high.get(fd) ?? null);
  }

  /** The inode of the file that a descriptor stands for; 0 where there is none. */
  inodeOf(fd: number): number | bigint {
    const entry = this.get(fd);
    if (entry === null) return 0;
    const kept = this.keptInode(fd);
    return kept === NO_INODE ? entry.ino : kept;
  }

  /** What {@link set} was given as the inode; {@link NO_INODE} when that of the entry is valid, and where there is none. */
  keptInode(fd: number): number {
    const index = fd >>> CHUNK_BITS;
    const inodes = index <= this.#others.length ? this.#inodes(index) : null;
    return inodes === null ? NO_INODE : (inodes[fd & (CHUNK - 1)] as number);
  }

  /** Inodes of the chunk of that index, which is there. */
  #inodes(index: number): Inodes {
    return index === 0 ? this.#firstInodes : (this.#otherInodes[index - 1] as Inodes);
  }

  /**
   * @param inode of the file, when it is not the entry's own
   * @returns what stands in the table now: the entry, or one with the inode where that has no place beside it
   */
  set(fd: number, entry: Fd, inode: number = NO_INODE): Fd {
    if (fd < 0) return entry;
    if (fd >= CHUNKED) {
      this.#high ??= new Map();
      if (!this.#high.has(fd)) this.size++;
      const own = inode === NO_INODE ? entry : entry.withInode(inode);
      this.#high.set(fd, own);
      return own;
    }
    const index = fd >>> CHUNK_BITS;
    const chunk = this.#writable(index);
    const at = fd & (CHUNK - 1);
    if (chunk[at] === null) this.size++;
    chunk[at] = entry;
    let inodes = this.#inodes(index);
    if (inodes === null) {
      if (inode === NO_INODE) return entry;
      inodes = new Array<number>(CHUNK).fill(NO_INODE);
      if (index === 0) this.#firstInodes = inodes;
      else this.#otherInodes[index - 1] = inodes;
    }
    inodes[at] = inode;
    return entry;
  }

  delete(fd: number): void {
    const index = fd >>> CHUNK_BITS;
    if (index <= this.#others.length) {
      if (this.get(fd) === null) return;
      const at = fd & (CHUNK - 1);
      this.#writable(index)[at] = null;
      const inodes = this.#inodes(index);
      if (inodes !== null) inodes[at] = NO_INODE;
      this.size--;
    } else if (this.#high?.delete(fd) === true) {
      this.size--;
    }
  }

  /** The chunk of that index, below 31; no other table sees what is written to it. */
  #writable(index: number): Chunk {
    const bit = 1 << index;
    const owned = (this.#own & bit) !== 0;
    if (index === 0) {
      if (!owned) {
        this.#first = this.#first.slice();
        if (this.#firstInodes !== null) this.#firstInodes = this.#firstInodes.slice();
        this.#own |= bit;
      }
      return this.#first;
    }
    if (owned) return this.#others[index - 1] as Chunk;
    if (!this.#ownOthers) {
      this.#others = this.#others.slice();
      this.#otherInodes = this.#otherInodes.slice();
      this.#ownOthers = true;
    }
    const others = this.#others;
    while (others.length < index) others.push(EMPTY);
    while (this.#otherInodes.length < index) this.#otherInodes.push(null);
    const own = (others[index - 1] as Chunk).slice();
    others[index - 1] = own;
    this.#otherInodes[index - 1] = this.#otherInodes[index - 1]?.slice() ?? null;
    this.#own |= bit;
    return own;
  }

  /** What is left of the table after an exec. */
  withoutCloseOnExec(): FdTable {
    const kept = new FdTable();
    this.forEach((entry, fd) => {
      if ((entry.flags & OpenFlag.CLOEXEC) === 0) kept.set(fd, entry, this.keptInode(fd));
    });
    return kept;
  }

  clear(): void {
    this.#first = EMPTY;
    this.#others = NO_CHUNKS;
    this.#firstInodes = null;
    this.#otherInodes = NO_INODES;
    this.#own = 0;
    this.#ownOthers = false;
    this.#high = null;
    this.size = 0;
  }

  /** In ascending order of the numbers that are in chunks. */
  forEach(visit: (entry: Fd, fd: number) => void): void {
    for (let index = 0; index <= this.#others.length; index++) {
      const chunk = index === 0 ? this.#first : (this.#others[index - 1] as Chunk);
      if (chunk === EMPTY) continue;
      for (let at = 0; at < CHUNK; at++) {
        const entry = chunk[at] as Fd | null;
        if (entry !== null) visit(entry, (index << CHUNK_BITS) | at);
      }
    }
    this.#high?.forEach(visit);
  }
}

/** `fd.type`: the word for each FdType. */
export const FD_TYPE_NAMES: readonly (string | null)[] = (() => {
  const names: (string | null)[] = new Array(22).fill(null);
  names[FdType.FILE] = names[FdType.FILE_V2] = 'file';
  names[FdType.DIRECTORY] = 'directory';
  names[FdType.IPV4_SOCK] = names[FdType.IPV4_SERVSOCK] = 'ipv4';
  names[FdType.IPV6_SOCK] = names[FdType.IPV6_SERVSOCK] = 'ipv6';
  names[FdType.UNIX_SOCK] = 'unix';
  names[FdType.FIFO] = 'pipe';
  names[FdType.EVENT] = 'event';
  names[FdType.SIGNALFD] = 'signalfd';
  names[FdType.EVENTPOLL] = 'eventpoll';
  names[FdType.INOTIFY] = 'inotify';
  names[FdType.TIMERFD] = 'timerfd';
  names[FdType.NETLINK] = 'netlink';
  names[FdType.BPF] = 'bpf';
  names[FdType.USERFAULTFD] = 'userfaultfd';
  names[FdType.IOURING] = 'io_uring';
  names[FdType.MEMFD] = 'memfd';
  names[FdType.PIDFD] = 'pidfd';
  return names;
})();

/** `fd.typechar`: one letter for each FdType (libsinsp's CHAR_FD_*). */
export const FD_TYPE_CHARS: readonly string[] = (() => {
  const chars: string[] = new Array(22).fill('o');
  chars[FdType.FILE] = chars[FdType.FILE_V2] = 'f';
  chars[FdType.DIRECTORY] = 'd';
  chars[FdType.IPV4_SOCK] = '4';
  chars[FdType.IPV6_SOCK] = '6';
  chars[FdType.IPV4_SERVSOCK] = '2';
  chars[FdType.IPV6_SERVSOCK] = '3';
  chars[FdType.UNIX_SOCK] = 'u';
  chars[FdType.UNSUPPORTED] = 'X';
  chars[FdType.FIFO] = 'p';
  chars[FdType.EVENT] = 'e';
  chars[FdType.SIGNALFD] = 's';
  chars[FdType.EVENTPOLL] = 'l';
  chars[FdType.INOTIFY] = 'i';
  chars[FdType.TIMERFD] = 't';
  chars[FdType.NETLINK] = 'n';
  chars[FdType.BPF] = 'b';
  chars[FdType.USERFAULTFD] = 'u';
  chars[FdType.IOURING] = 'r';
  chars[FdType.MEMFD] = 'm';
  chars[FdType.PIDFD] = 'P';
  return chars;
})();
