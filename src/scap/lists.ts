/**
 * The blocks that hold the state of the machine at the start: machine info, processes, file descriptors,
 * interfaces, users and groups. Each grew over the years; version 2 (and version 9 of the process list)
 * puts a length in front of every entry so that older readers can skip what they do not know.
 */
import { latin1 } from '../bytes.ts';
import { FdType, type InitialStateSink, type ProcessEntry } from './entries.ts';
import { Block, FIRST_NEW_FD_TYPE, NEW_FD_NAMES, ScapError } from './format.ts';

/** Reads forward through a block and never past its end. */
class Cursor {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at: number;
  end: number;
  /** Offset of bytes[0] in the stream; for messages. */
  readonly base: number;

  constructor(bytes: Uint8Array, view: DataView, at: number, end: number, base: number) {
    this.bytes = bytes;
    this.view = view;
    this.at = at;
    this.end = end;
    this.base = base;
  }

  #take(size: number): number {
    const at = this.at;
    if (at + size > this.end) throw new ScapError('an entry is longer than its block', this.base + at);
    this.at = at + size;
    return at;
  }

  /** True while `size` further bytes are there. */
  room(size: number): boolean {
    return this.at + size <= this.end;
  }
  u8(): number {
    return this.view.getUint8(this.#take(1));
  }
  u16(): number {
    return this.view.getUint16(this.#take(2), true);
  }
  u32(): number {
    return this.view.getUint32(this.#take(4), true);
  }
  u64(): bigint {
    return this.view.getBigUint64(this.#take(8), true);
  }
  /** An i64 that holds a small number: a pid, a descriptor. */
  id(): number {
    return Number(this.view.getBigInt64(this.#take(8), true));
  }
  string(length: number): string {
    const at = this.#take(length);
    return latin1(this.bytes, at, at + length);
  }
  string16(): string {
    return this.string(this.u16());
  }
}

function untilNul(text: string): string {
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}

/** 0 for a block that is no process list, else its version. */
const PROCESS_VERSION: ReadonlyMap<number, number> = new Map([
  [Block.PROCESSES_V1, 1],
  [Block.PROCESSES_V2, 2],
  [Block.PROCESSES_V3, 3],
  [Block.PROCESSES_V4, 4],
  [Block.PROCESSES_V5, 5],
  [Block.PROCESSES_V6, 6],
  [Block.PROCESSES_V7, 7],
  [Block.PROCESSES_V8, 8],
  [Block.PROCESSES_V9, 9],
]);

/** True for the block types that {@link readList} understands. */
export function isList(type: number): boolean {
  switch (type) {
    case Block.MACHINE_INFO:
    case Block.FDS:
    case Block.FDS_V2:
    case Block.INTERFACES:
    case Block.INTERFACES_V2:
    case Block.USERS:
    case Block.USERS_V2:
      return true;
    default:
      return PROCESS_VERSION.has(type);
  }
}

/**
 * Hands the entries of one block to the sink.
 * @param at,end the body of the block, trailer excluded; `base` is the offset of bytes[0] in the stream
 * @throws ScapError when an entry does not fit into the block
 */
export function readList(
  type: number,
  bytes: Uint8Array,
  view: DataView,
  at: number,
  end: number,
  base: number,
  sink: InitialStateSink,
): void {
  const cursor = new Cursor(bytes, view, at, end, base);
  switch (type) {
    case Block.MACHINE_INFO:
      machine(cursor, sink);
      break;
    case Block.FDS:
    case Block.FDS_V2:
      if (!cursor.room(8)) return;
      fds(cursor, cursor.id(), type === Block.FDS_V2, sink);
      break;
    case Block.INTERFACES:
    case Block.INTERFACES_V2:
      entries(cursor, type === Block.INTERFACES_V2 ? 'after' : 'none', 4, (c) => interfaceEntry(c, sink));
      break;
    case Block.USERS:
    case Block.USERS_V2:
      entries(cursor, type === Block.USERS_V2 ? 'whole' : 'none', 5, (c) => userOrGroup(c, sink));
      break;
    default: {
      const version = PROCESS_VERSION.get(type);
      if (version === undefined) throw new ScapError(`block type 0x${type.toString(16)} is no list`, base + at);
      entries(cursor, version >= 9 ? 'whole' : 'none', 8, (c) => sink.process(processEntry(c, version)));
    }
  }
}

/**
 * Entries until less than the smallest entry is left: the rest is padding, since blocks end on 4 bytes
 * and the unpadded length is written nowhere.
 * @param length whether a u32 length leads each entry, and whether it counts itself
 *   (the list of interfaces is the one where it does not)
 */
function entries(
  cursor: Cursor,
  length: 'none' | 'whole' | 'after',
  smallest: number,
  read: (cursor: Cursor) => void,
): void {
  if (length === 'none') {
    while (cursor.room(smallest)) read(cursor);
    return;
  }
  const blockEnd = cursor.end;
  while (cursor.room(4)) {
    const start = cursor.at;
    const size = cursor.u32();
    const end = (length === 'whole' ? start : start + 4) + size;
    if (end < cursor.at || end > blockEnd) {
      throw new ScapError(`an entry claims ${size} bytes, its block has ${blockEnd - start}`, cursor.base + start);
    }
    cursor.end = end;
    read(cursor);
    cursor.at = end;
    cursor.end = blockEnd;
  }
}

function machine(cursor: Cursor, sink: InitialStateSink): void {
  const cpus = cursor.u32();
  const memoryBytes = cursor.u64();
  const maxPid = cursor.u64();
  const hostname = untilNul(cursor.string(128));
  const bootTs = cursor.room(8) ? cursor.u64() : 0n;
  const flags = cursor.room(8) ? cursor.u64() : 0n;
  sink.machine({ cpus, memoryBytes, maxPid, hostname, bootTs, flags });
}

function processEntry(cursor: Cursor, version: number): ProcessEntry {
  const tid = cursor.id();
  const pid = cursor.id();
  const ptid = cursor.id();
  const sid = version >= 6 ? cursor.id() : 0;
  const vpgid = version >= 8 ? cursor.id() : -1;
  const entry: ProcessEntry = {
    tid,
    pid,
    ptid,
    sid,
    vpgid,
    pgid: -1,
    comm: cursor.string16(),
    exe: cursor.string16(),
    exepath: version >= 7 ? cursor.string16() : '',
    args: cursor.string16(),
    cwd: cursor.string16(),
    fdlimit: cursor.u64(),
    flags: cursor.u32(),
    uid: cursor.u32(),
    gid: cursor.u32(),
    vmsizeKb: 0,
    vmrssKb: 0,
    vmswapKb: 0,
    pfmajor: 0n,
    pfminor: 0n,
    env: '',
    vtid: tid,
    vpid: pid,
    cgroups: '',
    root: '',
    pidnsInitStartTs: 0n,
    tty: 0,
    loginuid: 0xffffffff,
    exeWritable: false,
    exeUpperLayer: false,
    exeLowerLayer: false,
    exeFromMemfd: false,
    capInheritable: 0n,
    capPermitted: 0n,
    capEffective: 0n,
    exeIno: 0n,
    exeInoCtime: 0n,
    exeInoMtime: 0n,
    startTs: 0n,
  };
  if (version >= 2) {
    entry.vmsizeKb = cursor.u32();
    entry.vmrssKb = cursor.u32();
    entry.vmswapKb = cursor.u32();
    entry.pfmajor = cursor.u64();
    entry.pfminor = cursor.u64();
  }
  if (version >= 3) entry.env = cursor.string16();
  if (version >= 4) {
    entry.vtid = cursor.id();
    entry.vpid = cursor.id();
    entry.cgroups = cursor.string16();
  }
  if (version >= 5) entry.root = cursor.string16();
  if (version < 9) return entry;
  // The rest came one by one; a producer ends the entry where its own knowledge ended.
  if (!cursor.room(8)) return entry;
  entry.pidnsInitStartTs = cursor.u64();
  if (!cursor.room(4)) return entry;
  entry.tty = cursor.u32();
  if (!cursor.room(4)) return entry;
  entry.loginuid = cursor.u32();
  if (!cursor.room(1)) return entry;
  entry.exeWritable = cursor.u8() !== 0;
  if (!cursor.room(24)) return entry;
  entry.capInheritable = cursor.u64();
  entry.capPermitted = cursor.u64();
  entry.capEffective = cursor.u64();
  if (!cursor.room(1)) return entry;
  entry.exeUpperLayer = cursor.u8() !== 0;
  if (!cursor.room(24)) return entry;
  entry.exeIno = cursor.u64();
  entry.exeInoCtime = cursor.u64();
  entry.exeInoMtime = cursor.u64();
  if (!cursor.room(1)) return entry;
  entry.exeFromMemfd = cursor.u8() !== 0;
  if (!cursor.room(1)) return entry;
  entry.exeLowerLayer = cursor.u8() !== 0;
  if (!cursor.room(8)) return entry;
  entry.pgid = cursor.id();
  return entry;
}

function fds(cursor: Cursor, tid: number, withLength: boolean, sink: InitialStateSink): void {
  entries(cursor, withLength ? 'whole' : 'none', 17, (c) => {
    const entry = {
      tid,
      fd: c.id(),
      ino: c.u64(),
      type: c.u8() as number,
      name: '',
      openFlags: 0,
      dev: 0,
      localAddress: '',
      remoteAddress: '',
      localPort: 0,
      remotePort: 0,
      l4proto: 0,
      unixSource: 0n,
      unixDestination: 0n,
    };
    switch (entry.type) {
      case FdType.IPV4_SOCK:
      case FdType.IPV6_SOCK: {
        const size = entry.type === FdType.IPV4_SOCK ? 4 : 16;
        entry.localAddress = c.string(size);
        entry.remoteAddress = c.string(size);
        entry.localPort = c.u16();
        entry.remotePort = c.u16();
        entry.l4proto = c.u8();
        break;
      }
      case FdType.IPV4_SERVSOCK:
      case FdType.IPV6_SERVSOCK:
        entry.localAddress = c.string(entry.type === FdType.IPV4_SERVSOCK ? 4 : 16);
        entry.localPort = c.u16();
        entry.l4proto = c.u8();
        break;
      case FdType.UNIX_SOCK:
        entry.unixSource = c.u64();
        entry.unixDestination = c.u64();
        entry.name = c.string16();
        break;
      case FdType.FILE_V2:
        entry.openFlags = c.u32();
        entry.name = c.string16();
        if (withLength && c.room(4)) entry.dev = c.u32();
        break;
      default:
        if (entry.type > FdType.PIDFD) {
          if (withLength) break;
          throw new ScapError(`unknown type ${entry.type} of a file descriptor`, c.base + c.at - 1);
        }
        entry.name = c.string16();
        if (entry.type === FdType.UNSUPPORTED) {
          const kind = NEW_FD_NAMES.findIndex((prefix) => entry.name.startsWith(prefix));
          if (kind >= 0) {
            entry.type = FIRST_NEW_FD_TYPE + kind;
            entry.name = entry.name.slice((NEW_FD_NAMES[kind] as string).length);
          }
        }
    }
    sink.fd(entry);
  });
}

/** scap_ifinfo types: 1 IPv4, 2 IPv6, 3 and 4 the same without link speed. */
function interfaceEntry(cursor: Cursor, sink: InitialStateSink): void {
  const start = cursor.at;
  const type = cursor.u16();
  const nameLength = cursor.u16();
  if (type < 1 || type > 4) throw new ScapError(`unknown type ${type} of an interface`, cursor.base + start);
  const size = type === 1 || type === 3 ? 4 : 16;
  const address = cursor.string(size);
  const netmask = cursor.string(size);
  const broadcast = cursor.string(size);
  const linkSpeed = type <= 2 ? cursor.u64() : 0n;
  const name = untilNul(cursor.string(nameLength));
  sink.interface({ address, netmask, broadcast: size === 4 ? broadcast : '', linkSpeed, name });
}

function userOrGroup(cursor: Cursor, sink: InitialStateSink): void {
  const start = cursor.at;
  const kind = cursor.u8();
  if (kind === 0) {
    const uid = cursor.u32();
    const gid = cursor.u32();
    const name = untilNul(cursor.string16());
    const home = untilNul(cursor.string16());
    const shell = untilNul(cursor.string16());
    sink.userOrGroup({ kind: 'user', uid, gid, name, home, shell });
  } else if (kind === 1) {
    const gid = cursor.u32();
    sink.userOrGroup({ kind: 'group', gid, name: untilNul(cursor.string16()) });
  } else {
    throw new ScapError(`unknown kind ${kind} of a user or group`, cursor.base + start);
  }
}
