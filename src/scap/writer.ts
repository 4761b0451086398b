import { type Event, HEADER_SIZE, LARGE } from '../event/index.ts';
import {
  type FdEntry,
  FdType,
  type InitialStateSink,
  type InterfaceEntry,
  type MachineInfo,
  type ProcessEntry,
  type UserOrGroupEntry,
} from './entries.ts';
import {
  Block,
  FIRST_NEW_FD_TYPE,
  MAJOR_VERSION,
  MAX_EVENT_BLOCK,
  MINOR_VERSION,
  NEW_FD_NAMES,
  SECTION_MAGIC,
  TAIL_MARK,
  TAIL_SIZE,
} from './format.ts';
import { TABLE_COUNT } from './sizes.ts';

/** Longest strings that readers take (libs, scap_const.h and scap_limits.h), the final NUL included. */
const MAX_PATH = 1024;
const MAX_ARGUMENTS = 4096;
const MAX_CREDENTIAL = 256;
const HOSTNAME = 128;
/** Up to so many bytes are copied without a call. */
const FEW = 256;

/** A growing buffer to write little-endian values into. */
class Sheet {
  bytes: Uint8Array;
  view: DataView;
  at = 0;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
  }

  /** Room for so many bytes; returns where it is. */
  take(size: number): number {
    const at = this.at;
    if (at + size > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.bytes.length * 2, at + size));
      larger.set(this.bytes.subarray(0, at));
      this.bytes = larger;
      this.view = new DataView(larger.buffer);
    }
    this.at = at + size;
    return at;
  }

  u8(value: number): void {
    const at = this.take(1);
    this.bytes[at] = value;
  }
  u16(value: number): void {
    const at = this.take(2);
    this.view.setUint16(at, value, true);
  }
  u32(value: number): void {
    const at = this.take(4);
    this.view.setUint32(at, value, true);
  }
  u64(value: bigint): void {
    const at = this.take(8);
    this.view.setBigUint64(at, value, true);
  }
  id(value: number): void {
    this.u64(BigInt(Math.trunc(value)));
  }
  /** A byte string without its length. */
  string(text: string): void {
    const at = this.take(text.length);
    const { bytes } = this;
    for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
  }
  /** A byte string of less than `limit` bytes behind its u16 length. */
  string16(text: string, limit: number): void {
    const cut = text.length < limit ? text : text.slice(0, limit - 1);
    this.u16(cut.length);
    this.string(cut);
  }
  copy(bytes: Uint8Array): void {
    const at = this.take(bytes.length);
    this.bytes.set(bytes, at);
  }
  zeros(size: number): void {
    const at = this.take(size);
    this.bytes.fill(0, at, at + size);
  }
}

/** Cuts a list of NUL-terminated strings so that the last one kept is whole. */
function cutList(text: string, limit: number): string {
  return text.length < limit ? text : text.slice(0, text.lastIndexOf('\0', limit - 2) + 1);
}

/** The initial state until it is written. */
interface Collected {
  machine: MachineInfo;
  interfaces: Sheet;
  users: Sheet;
  processes: Sheet;
  fds: Sheet;
  /** Where the length of the current block of #initial.fds is; -1 before the first. */
  fdsBlock: number;
  fdsTid: number;
}

const NO_MACHINE: MachineInfo = { cpus: 1, memoryBytes: 0n, maxPid: 0n, hostname: '', bootTs: 0n, flags: 0n };

/**
 * Writes a .scap stream that Falco 0.44 and sysdig open: section header, machine, interfaces, users, processes,
 * file descriptors, then events.
 *
 * It is an {@link InitialStateSink}: give it the state first, in any order, then the events. The stream comes
 * out in pieces, each of which belongs to whoever takes it.
 */
export class ScapWriter implements InitialStateSink {
  /** Events written. */
  events = 0;
  /** Bytes of the stream so far, those that wait for {@link flush} included. */
  bytes = 0;

  readonly #out: (piece: Uint8Array) => void;
  readonly #pieceSize: number;
  #sheet: Sheet;
  /** The initial state, until the first event. */
  #initial: Collected | null = {
    machine: NO_MACHINE,
    interfaces: new Sheet(512),
    users: new Sheet(4096),
    processes: new Sheet(1 << 14),
    fds: new Sheet(1 << 12),
    fdsBlock: -1,
    fdsTid: 0,
  };

  /**
   * @param out takes the pieces, in order
   * @param pieceSize about how many bytes a piece has; the memory for one is allocated as it fills
   */
  constructor(out: (piece: Uint8Array) => void, pieceSize = 256 << 10) {
    this.#out = out;
    this.#pieceSize = pieceSize;
    this.#sheet = new Sheet(4096);
  }

  /** A writer of further events for a stream that another one began. */
  static continuing(out: (piece: Uint8Array) => void, pieceSize?: number): ScapWriter {
    const writer = new ScapWriter(out, pieceSize);
    writer.#initial = null;
    return writer;
  }

  #state(): Collected {
    if (this.#initial === null) throw new Error('the initial state must be written before the first event');
    return this.#initial;
  }

  machine(info: MachineInfo): void {
    this.#state().machine = info;
  }

  interface({ address, netmask, broadcast, linkSpeed, name }: InterfaceEntry): void {
    const sheet = this.#state().interfaces;
    const size = address.length === 4 ? 4 : 16;
    const cut = name.slice(0, MAX_PATH - 1);
    // The one list whose entry lengths do not count themselves.
    sheet.u32(2 + 2 + 3 * size + 8 + cut.length);
    sheet.u16(size === 4 ? 1 : 2);
    sheet.u16(cut.length);
    for (const part of [address, netmask, broadcast]) {
      sheet.string(part.slice(0, size));
      sheet.zeros(size - Math.min(size, part.length));
    }
    sheet.u64(linkSpeed);
    sheet.string(cut);
  }

  userOrGroup(entry: UserOrGroupEntry): void {
    const sheet = this.#state().users;
    withLength(sheet, () => {
      if (entry.kind === 'user') {
        sheet.u8(0);
        sheet.u32(entry.uid);
        sheet.u32(entry.gid);
        sheet.string16(entry.name, MAX_CREDENTIAL);
        sheet.string16(entry.home, MAX_PATH);
        sheet.string16(entry.shell, MAX_PATH);
      } else {
        sheet.u8(1);
        sheet.u32(entry.gid);
        sheet.string16(entry.name, MAX_CREDENTIAL);
      }
    });
  }

  process(entry: ProcessEntry): void {
    const sheet = this.#state().processes;
    withLength(sheet, () => {
      sheet.id(entry.tid);
      sheet.id(entry.pid);
      sheet.id(entry.ptid);
      sheet.id(entry.sid);
      sheet.id(entry.vpgid);
      sheet.string16(entry.comm, MAX_PATH);
      sheet.string16(entry.exe, MAX_PATH);
      sheet.string16(entry.exepath, MAX_PATH);
      sheet.string16(cutList(entry.args, MAX_ARGUMENTS), MAX_ARGUMENTS);
      sheet.string16(entry.cwd, MAX_PATH);
      sheet.u64(entry.fdlimit);
      sheet.u32(entry.flags);
      sheet.u32(entry.uid);
      sheet.u32(entry.gid);
      sheet.u32(entry.vmsizeKb);
      sheet.u32(entry.vmrssKb);
      sheet.u32(entry.vmswapKb);
      sheet.u64(entry.pfmajor);
      sheet.u64(entry.pfminor);
      sheet.string16(cutList(entry.env, MAX_ARGUMENTS), MAX_ARGUMENTS);
      sheet.id(entry.vtid);
      sheet.id(entry.vpid);
      sheet.string16(cutList(entry.cgroups, MAX_ARGUMENTS), MAX_ARGUMENTS);
      sheet.string16(entry.root, MAX_PATH);
      sheet.u64(entry.pidnsInitStartTs);
      sheet.u32(entry.tty);
      sheet.u32(entry.loginuid);
      sheet.u8(entry.exeWritable ? 1 : 0);
      sheet.u64(entry.capInheritable);
      sheet.u64(entry.capPermitted);
      sheet.u64(entry.capEffective);
      sheet.u8(entry.exeUpperLayer ? 1 : 0);
      sheet.u64(entry.exeIno);
      sheet.u64(entry.exeInoCtime);
      sheet.u64(entry.exeInoMtime);
      sheet.u8(entry.exeFromMemfd ? 1 : 0);
      sheet.u8(entry.exeLowerLayer ? 1 : 0);
      sheet.id(entry.pgid);
    });
  }

  /** Entries of one thread should come together: each run of them becomes a block. */
  fd(entry: FdEntry): void {
    if (entry.type < 0 || entry.type > FdType.PIDFD) return;
    const state = this.#state();
    const sheet = state.fds;
    if (state.fdsBlock < 0 || state.fdsTid !== entry.tid) {
      endBlock(sheet, state.fdsBlock);
      state.fdsBlock = beginBlock(sheet, Block.FDS_V2);
      state.fdsTid = entry.tid;
      sheet.id(entry.tid);
    }
    const kind = NEW_FD_NAMES[entry.type - FIRST_NEW_FD_TYPE];
    withLength(sheet, () => {
      sheet.id(entry.fd);
      sheet.u64(entry.ino);
      sheet.u8(kind === undefined ? entry.type : FdType.UNSUPPORTED);
      const address = (text: string, size: number) => {
        sheet.string(text.slice(0, size));
        sheet.zeros(size - Math.min(size, text.length));
      };
      switch (entry.type) {
        case FdType.IPV4_SOCK:
        case FdType.IPV6_SOCK: {
          const size = entry.type === FdType.IPV4_SOCK ? 4 : 16;
          address(entry.localAddress, size);
          address(entry.remoteAddress, size);
          sheet.u16(entry.localPort);
          sheet.u16(entry.remotePort);
          sheet.u8(entry.l4proto);
          break;
        }
        case FdType.IPV4_SERVSOCK:
        case FdType.IPV6_SERVSOCK:
          address(entry.localAddress, entry.type === FdType.IPV4_SERVSOCK ? 4 : 16);
          sheet.u16(entry.localPort);
          sheet.u8(entry.l4proto);
          break;
        case FdType.UNIX_SOCK:
          sheet.u64(entry.unixSource);
          sheet.u64(entry.unixDestination);
          sheet.string16(entry.name, MAX_PATH);
          break;
        case FdType.FILE_V2:
          sheet.u32(entry.openFlags);
          sheet.string16(entry.name, MAX_PATH);
          sheet.u32(entry.dev);
          break;
        default:
          sheet.string16((kind ?? '') + entry.name, MAX_PATH);
      }
    });
  }

  /** Writes the section header and the collected state, if that has not been done. */
  begin(): void {
    const state = this.#initial;
    if (state === null) return;
    this.#initial = null;
    const sheet = this.#sheet;
    const section = beginBlock(sheet, Block.SECTION_HEADER);
    sheet.u32(SECTION_MAGIC);
    sheet.u16(MAJOR_VERSION);
    sheet.u16(MINOR_VERSION);
    sheet.u64(0xffffffffffffffffn);
    endBlock(sheet, section);

    const { machine } = state;
    const block = beginBlock(sheet, Block.MACHINE_INFO);
    sheet.u32(machine.cpus);
    sheet.u64(machine.memoryBytes);
    sheet.u64(machine.maxPid);
    const hostname = machine.hostname.slice(0, HOSTNAME - 1);
    sheet.string(hostname);
    sheet.zeros(HOSTNAME - hostname.length);
    sheet.u64(machine.bootTs);
    sheet.u64(machine.flags);
    sheet.zeros(16);
    endBlock(sheet, block);

    for (const [type, list] of [
      [Block.INTERFACES_V2, state.interfaces],
      [Block.USERS_V2, state.users],
      [Block.PROCESSES_V9, state.processes],
    ] as const) {
      const listBlock = beginBlock(sheet, type);
      sheet.copy(list.bytes.subarray(0, list.at));
      endBlock(sheet, listBlock);
    }
    endBlock(state.fds, state.fdsBlock);
    sheet.copy(state.fds.bytes.subarray(0, state.fds.at));
    this.bytes += sheet.at;
    this.#emit();
  }

  /** Writes the event that the view points at, trailing parameters included. */
  event(event: Event, flags = 0): void {
    const size = event.length;
    const { type, nparams } = event;
    if (nparams > (TABLE_COUNT[type] as number) && LARGE[type] === 0) {
      this.#withTail(event.buffer, event.at, size, nparams, type, event.cpu, flags);
      return;
    }
    const to = this.#beginEvent(type, size, event.cpu, flags);
    const { view, bytes } = this.#sheet;
    const from = event.at;
    if (size > FEW) bytes.set(event.buffer.subarray(from, from + size), to);
    else {
      // Four bytes at a time: making a subarray to copy from costs more.
      const source = event.view;
      const whole = size & ~3;
      for (let i = 0; i < whole; i += 4) view.setUint32(to + i, source.getUint32(from + i, true), true);
      for (let i = whole; i < size; i++) bytes[to + i] = event.buffer[from + i] as number;
    }
    this.#endEvent();
  }

  /**
   * Writes an event from its bytes.
   * @param from,size where the scap event (its header first) is in `bytes`
   */
  raw(bytes: Uint8Array, from: number, size: number, cpu: number, flags = 0): void {
    const type = (bytes[from + 20] as number) | ((bytes[from + 21] as number) << 8);
    const count = (bytes[from + 22] as number) | ((bytes[from + 23] as number) << 8);
    if (count > (TABLE_COUNT[type] as number) && LARGE[type] === 0) {
      this.#withTail(bytes, from, size, count, type, cpu, flags);
      return;
    }
    const to = this.#beginEvent(type, size, cpu, flags);
    this.#sheet.bytes.set(bytes.subarray(from, from + size), to);
    this.#endEvent();
  }

  /** Writes an event that has more parameters than the table gives its type; see {@link TAIL_MARK}. */
  #withTail(bytes: Uint8Array, from: number, size: number, count: number, type: number, cpu: number, flags: number) {
    const to = this.#beginEvent(type, size + TAIL_SIZE, cpu, flags);
    const { view, bytes: sheet } = this.#sheet;
    const known = TABLE_COUNT[type] as number;
    const extraLens = from + HEADER_SIZE + 2 * known;
    const data = from + HEADER_SIZE + 2 * count;
    sheet.set(bytes.subarray(from, extraLens), to);
    let at = to + extraLens - from;
    sheet.set(bytes.subarray(data, from + size), at);
    at += from + size - data;
    sheet.set(bytes.subarray(extraLens, data), at);
    at += data - extraLens;
    view.setUint16(at, count - known, true);
    view.setUint16(at + 2, TAIL_MARK, true);
    view.setUint32(to + 16, size + TAIL_SIZE, true);
    view.setUint32(to + 22, known, true);
    this.#endEvent();
  }

  /** Writes the block around an event of `size` bytes; returns where those go. */
  #beginEvent(type: number, size: number, cpu: number, flags: number): number {
    if (this.#initial !== null) this.begin();
    const sheet = this.#sheet;
    const flagged = flags !== 0;
    const header = flagged ? 14 : 10;
    const length = (header + size + 3 + 4) & ~3;
    let block: number = flagged ? Block.EVENT_FLAGS_V2 : Block.EVENT_V2;
    if (LARGE[type] === 1 || length > MAX_EVENT_BLOCK) {
      block = flagged ? Block.EVENT_FLAGS_V2_LARGE : Block.EVENT_V2_LARGE;
    }
    const start = sheet.take(length);
    const { view } = sheet;
    view.setUint32(start, block, true);
    view.setUint32(start + 4, length, true);
    view.setUint16(start + 8, cpu, true);
    if (flagged) view.setUint32(start + 10, flags, true);
    // Padding, where there is any, then the length again.
    view.setUint32(start + length - 8, 0, true);
    view.setUint32(start + length - 4, length, true);
    this.events++;
    this.bytes += length;
    return start + header;
  }

  #endEvent(): void {
    if (this.#sheet.at >= this.#pieceSize) this.#emit();
  }

  /** Hands over what has been written so far. */
  flush(): void {
    this.begin();
    this.#emit();
  }

  #emit(): void {
    const sheet = this.#sheet;
    if (sheet.at === 0) return;
    this.#out(sheet.bytes.subarray(0, sheet.at));
    // The next piece will be about as long; the slack spares the event that fills it a copy.
    this.#sheet = new Sheet(Math.min(sheet.bytes.length, this.#pieceSize + 4096));
  }
}

/** Runs `write` and puts in front of what it wrote the length of it, this u32 included. */
function withLength(sheet: Sheet, write: () => void): void {
  const start = sheet.at;
  sheet.u32(0);
  write();
  sheet.view.setUint32(start, sheet.at - start, true);
}

function beginBlock(sheet: Sheet, type: number): number {
  const start = sheet.at;
  sheet.u32(type);
  sheet.u32(0);
  return start;
}

function endBlock(sheet: Sheet, start: number): void {
  if (start < 0) return;
  sheet.zeros(-(sheet.at - start) & 3);
  const length = sheet.at + 4 - start;
  sheet.u32(length);
  sheet.view.setUint32(start + 4, length, true);
}
