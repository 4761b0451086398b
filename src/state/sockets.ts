import { latin1 } from '../bytes.ts';
import { type Event, EventType } from '../event/index.ts';
import { FdType } from '../scap/entries.ts';
import { hex } from './address.ts';
import { PARAM_COUNT } from './classes.ts';
import { Fd, FdStatus, L4, OpenFlag, plainFd, Socket } from './fd.ts';
import { put } from './files.ts';
import { low, u32 } from './read.ts';
import type { State } from './state.ts';
import type { Thread } from './thread.ts';

/** Families as events carry them (Linux's values). */
const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;

const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
/** In the type argument of socket(2) and socketpair(2), and the flags of accept4(2). */
const SOCK_CLOEXEC = 0o2000000;

const IPPROTO_IP = 0;
const IPPROTO_ICMP = 1;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const IPPROTO_RAW = 255;

const EINPROGRESS = 115;

/** `::ffff:0:0/96`: IPv4 in IPv6 clothes. */
const MAPPED = '\0\0\0\0\0\0\0\0\0\0\xff\xff';

function plainAddress(address: string): string {
  return address.length === 16 && address.startsWith(MAPPED) ? address.slice(12) : address;
}

/** IPv4 addresses that were met, by their own bits; a power of two. */
const ADDRESSES = 256;
const addressBits = new Int32Array(ADDRESSES);
const addressTexts: string[] = new Array(ADDRESSES).fill('\0\0\0\0');

/** The address of `width` bytes at `at` as a byte string; the same few hosts come again and again. */
function addressAt({ buffer, view }: Event, at: number, width: 4 | 16): string {
  if (width === 16) return latin1(buffer, at, at + width);
  const bits = view.getInt32(at, true);
  const slot = (Math.imul(bits, 0x9e3779b1) >>> 24) & (ADDRESSES - 1);
  if (addressBits[slot] !== bits) {
    addressTexts[slot] = latin1(buffer, at, at + 4);
    addressBits[slot] = bits;
  }
  return addressTexts[slot] as string;
}

/** A SOCKTUPLE parameter. */
interface Tuple {
  /** FdType of a socket with such ends. */
  readonly type: number;
  readonly ends: Socket;
  readonly unixPath: string;
}

/** The ends of a connection in parameter `param`; null when it is absent or of no family that we read. */
export function readTuple(event: Event, param: number, l4: number): Tuple | null {
  if (param >= event.nparams) return null;
  const length = event.len(param);
  if (length < 1) return null;
  const at = event.offset(param);
  const { buffer, view } = event;
  const family = buffer[at];
  const width = family === AF_INET ? 4 : family === AF_INET6 ? 16 : 0;
  if (width !== 0) {
    if (length < 5 + 2 * width) return null;
    let source = addressAt(event, at + 1, width);
    let destination = addressAt(event, at + 3 + width, width);
    if (width === 16 && source.startsWith(MAPPED) && destination.startsWith(MAPPED)) {
      source = source.slice(12);
      destination = destination.slice(12);
    }
    const sourcePort = view.getUint16(at + 1 + width, true);
    const destinationPort = view.getUint16(at + 3 + 2 * width, true);
    return {
      type: source.length === 4 ? FdType.IPV4_SOCK : FdType.IPV6_SOCK,
      ends: new Socket(l4, source, sourcePort, destination, destinationPort, 0n, 0n),
      unixPath: '',
    };
  }
  if (family === AF_UNIX && length >= 17) {
    const end = at + length;
    const pathEnd = buffer[end - 1] === 0 ? end - 1 : end;
    return {
      type: FdType.UNIX_SOCK,
      ends: new Socket(l4, '', 0, '', 0, view.getBigUint64(at + 1, true), view.getBigUint64(at + 9, true)),
      unixPath: latin1(buffer, at + 17, Math.max(pathEnd, at + 17)),
    };
  }
  return null;
}

function unixName(tuple: Tuple): string {
  return `${hex(tuple.ends.unixSource)}->${hex(tuple.ends.unixDestination)} ${tuple.unixPath}`;
}

function l4Of(type: number, protocol: number): number {
  const kind = type & 0xff;
  const raw = kind === SOCK_RAW;
  switch (protocol) {
    case IPPROTO_TCP:
      return raw ? L4.RAW : L4.TCP;
    case IPPROTO_UDP:
      return raw ? L4.RAW : L4.UDP;
    case IPPROTO_IP:
      return kind === SOCK_STREAM ? L4.TCP : kind === SOCK_DGRAM ? L4.UDP : L4.UNKNOWN;
    case IPPROTO_ICMP:
      return raw ? L4.RAW : L4.ICMP;
    case IPPROTO_RAW:
      return L4.RAW;
    default:
      return L4.UNKNOWN;
  }
}

export function socket(state: State, event: Event, thread: Thread): void {
  const num = low(event, 0, -1);
  if (num < 0) return;
  const domain = u32(event, 1, 0);
  const type = u32(event, 2, 0);
  let kind: number = FdType.UNKNOWN;
  let l4: number = L4.UNKNOWN;
  if (domain === AF_UNIX) kind = FdType.UNIX_SOCK;
  else if (domain === AF_NETLINK) kind = FdType.NETLINK;
  else if (domain === AF_INET || domain === AF_INET6) {
    kind = domain === AF_INET ? FdType.IPV4_SOCK : FdType.IPV6_SOCK;
    l4 = l4Of(type, u32(event, 3, 0));
  }
  put(state, thread, num, freshSocket(kind, l4, (type & SOCK_CLOEXEC) !== 0));
}

const FRESH: (Fd | undefined)[] = [];

/** A socket without ends; all of one kind are one. */
function freshSocket(kind: number, l4: number, closesOnExec: boolean): Fd {
  const at = (((kind << 3) | l4) << 1) | (closesOnExec ? 1 : 0);
  let fd = FRESH[at];
  if (fd === undefined) {
    const flags = closesOnExec ? OpenFlag.CLOEXEC : 0;
    fd = new Fd(kind, null, '', flags, 0, 0, 0, 0, new Socket(l4, '', 0, '', 0, 0n, 0n), 0);
    FRESH[at] = fd;
  }
  return fd;
}

export function socketpair(state: State, event: Event, thread: Thread): void {
  if (low(event, 0, -1) < 0) return;
  const address = (param: number) => (param < event.nparams && event.len(param) === 8 ? event.u64(param) : 0n);
  const end = new Socket(L4.UNKNOWN, '', 0, '', 0, address(3), address(4));
  const fd = new Fd(FdType.UNIX_SOCK, null, '', 0, 0, 0, 0, 0, end, 0);
  for (const param of [1, 2]) {
    const num = low(event, param, -1);
    if (num >= 0) put(state, thread, num, fd);
  }
}

/** Replaces the event's fd in the table and notes whether its name is another one now. */
function replace(state: State, thread: Thread, next: Fd): void {
  const before = state.fd;
  if (before !== null && !before.sameName(next)) state.fdNameChanged = true;
  put(state, thread, state.fdNum, next);
}

export function connect(state: State, event: Event, thread: Thread): void {
  const result = low(event, 0, -1);
  if (result < 0 && result !== -EINPROGRESS) return;
  let fd = state.fd;
  if (fd === null) {
    // Only our own events always say enough to stand in for the socket event that was missed.
    if (event.nparams <= (PARAM_COUNT[event.type] as number) || state.fdNum < 0) return;
    fd = plainFd(FdType.UNKNOWN, '');
  }
  const status = (fd.status & ~FdStatus.SERVER) | FdStatus.CLIENT | FdStatus.CONNECTED;
  const tuple = readTuple(event, 1, fd.socket?.l4 ?? L4.UNKNOWN);
  if (tuple === null) {
    replace(state, thread, fd.with({ status: fd.status | FdStatus.CONNECTED }));
    return;
  }
  replace(state, thread, connected(fd, tuple, status));
}

/** The addressee is known before the call returns, and stays known when the call fails. */
export function connectEnter(state: State, event: Event, thread: Thread): void {
  const fd = state.fd;
  if (fd === null || 1 >= event.nparams) return;
  const length = event.len(1);
  if (length < 1) return;
  const at = event.offset(1);
  const family = event.buffer[at];
  const width = family === AF_INET ? 4 : family === AF_INET6 ? 16 : 0;
  if (width === 0 || length < 3 + width) return;
  const destinationAddress = plainAddress(addressAt(event, at + 1, width));
  const destinationPort = event.view.getUint16(at + 1 + width, true);
  const before = fd.socket;
  if (
    before !== null &&
    before.destinationAddress === destinationAddress &&
    before.destinationPort === destinationPort
  ) {
    return;
  }
  const next = new Socket(
    before?.l4 ?? L4.UNKNOWN,
    before?.sourceAddress ?? '',
    before?.sourcePort ?? 0,
    destinationAddress,
    destinationPort,
    0n,
    0n,
  );
  const type = destinationAddress.length === 4 ? FdType.IPV4_SOCK : FdType.IPV6_SOCK;
  replace(state, thread, fd.with({ type, socket: next, text: null }));
}

function connected(fd: Fd, { type, ends, unixPath }: Tuple, status: number): Fd {
  return fd.with({ type, status, socket: ends, text: type === FdType.UNIX_SOCK ? unixPath : null });
}

const ACCEPT4 = EventType.SOCKET_ACCEPT4_6_X;

export function accept(state: State, event: Event, thread: Thread): void {
  const num = low(event, 0, -1);
  if (num < 0) return;
  const tuple = readTuple(event, 1, L4.TCP);
  if (tuple === null) return;
  const isUnix = tuple.type === FdType.UNIX_SOCK;
  const flags = event.type === ACCEPT4 && (u32(event, 5, 0) & SOCK_CLOEXEC) !== 0 ? OpenFlag.CLOEXEC : 0;
  const status = isUnix ? 0 : FdStatus.SERVER | FdStatus.CONNECTED;
  const name = isUnix ? unixName(tuple) : null;
  put(state, thread, num, new Fd(tuple.type, null, name, flags, status, 0, 0, 0, tuple.ends, 0));
}

export function bind(state: State, event: Event, thread: Thread): void {
  if (low(event, 0, -1) < 0) return;
  const fd = state.fd;
  if (fd === null || 1 >= event.nparams) return;
  const length = event.len(1);
  if (length < 1) return;
  const at = event.offset(1);
  const family = event.buffer[at];
  const width = family === AF_INET ? 4 : family === AF_INET6 ? 16 : 0;
  const status = (fd.status & ~FdStatus.CLIENT) | FdStatus.SERVER;
  if (width !== 0 && length >= 3 + width) {
    const sourceAddress = plainAddress(addressAt(event, at + 1, width));
    const sourcePort = event.view.getUint16(at + 1 + width, true);
    const end = new Socket(fd.socket?.l4 ?? L4.UNKNOWN, sourceAddress, sourcePort, '', 0, 0n, 0n);
    const type = sourceAddress.length === 4 ? FdType.IPV4_SERVSOCK : FdType.IPV6_SERVSOCK;
    replace(state, thread, fd.with({ type, status, socket: end, text: null }));
  } else if (family === AF_UNIX) {
    const end = event.buffer[at + length - 1] === 0 ? at + length - 1 : at + length;
    replace(state, thread, fd.with({ text: latin1(event.buffer, at + 1, Math.max(end, at + 1)), status }));
  }
}

/** Parameter with the tuple, and direction, of the calls that send and receive. */
const TRANSFERS = new Int8Array(512).fill(-1);
const INCOMING = new Uint8Array(512);
for (const [code, param, incoming] of [
  ['SOCKET_SEND_X', 4, 0],
  ['SOCKET_SENDTO_X', 4, 0],
  ['SOCKET_SENDMSG_X', 4, 0],
  ['SOCKET_SENDMMSG_X', 4, 0],
  ['SOCKET_RECV_X', 4, 1],
  ['SOCKET_RECVFROM_X', 2, 1],
  ['SOCKET_RECVMSG_X', 3, 1],
  ['SOCKET_RECVMMSG_X', 4, 1],
] as const) {
  TRANSFERS[EventType[code] as number] = param;
  INCOMING[EventType[code] as number] = incoming;
}

/** A datagram socket's peer can be another one with each call; a missed connect is made good here, too. */
export function transfer(state: State, event: Event, thread: Thread): void {
  const fd = state.fd;
  if (fd === null || fd.isSettled) return;
  const socket = fd.socket;
  const l4 = socket === null ? L4.UNKNOWN : socket.l4;
  if (low(event, 0, -1) < 0) return;
  const type = event.type;
  const param = TRANSFERS[type] as number;
  if (param >= event.nparams || event.len(param) < 1) return;
  const tuple = readTuple(event, param, l4);
  if (tuple === null) return;
  if (tuple.type === FdType.UNIX_SOCK) {
    const name = unixName(tuple);
    if (name === fd.name && fd.type === tuple.type) return;
    replace(state, thread, fd.with({ type: tuple.type, socket: tuple.ends, text: name }));
    return;
  }
  const isSocket = fd.type === FdType.IPV4_SOCK || fd.type === FdType.IPV6_SOCK;
  const { ends } = tuple;
  if (isSocket && socket !== null && (socket.sameEnds(ends) || socket.sameEnds(ends.swapped()))) return;
  const incoming = INCOMING[type] === 1;
  let status = fd.status;
  if ((status & (FdStatus.SERVER | FdStatus.CLIENT)) === 0) status |= guessRole(thread, ends, incoming);
  // The name goes from the client to the server.
  const swapped = (status & (incoming ? FdStatus.CLIENT : FdStatus.SERVER)) !== 0;
  replace(state, thread, fd.with({ type: tuple.type, status, socket: swapped ? ends.swapped() : ends, text: null }));
}

/** Who owns the destination port answers (libsinsp, `set_net_role_by_guessing`). */
function guessRole(thread: Thread, ends: Socket, incoming: boolean): number {
  let bound = false;
  let used = false;
  thread.fds.forEach((fd) => {
    const end = fd.socket;
    if (end === null) return;
    if (fd.type === FdType.IPV4_SERVSOCK || fd.type === FdType.IPV6_SERVSOCK) {
      if (end.sourcePort === ends.destinationPort) bound = true;
    } else if (fd.type === FdType.IPV4_SOCK || fd.type === FdType.IPV6_SOCK) {
      if (end.sourcePort === ends.sourcePort) used = true;
    }
  });
  if (!bound) return FdStatus.CLIENT;
  if (!used) return FdStatus.SERVER;
  return incoming ? FdStatus.SERVER : FdStatus.CLIENT;
}

/** Protocol numbers of the kernel → L4. */
function l4OfProtocol(protocol: number): number {
  return protocol === IPPROTO_TCP
    ? L4.TCP
    : protocol === IPPROTO_UDP
      ? L4.UDP
      : protocol === IPPROTO_ICMP
        ? L4.ICMP
        : protocol === IPPROTO_RAW
          ? L4.RAW
          : L4.UNKNOWN;
}

/** A socket as a BPF iterator reports it: fd, type, protocol, local and remote end, inode. */
export function socketOfTask(event: Event): Fd {
  const address = (param: number) => {
    const at = event.offset(param);
    return plainAddress(latin1(event.buffer, at, at + event.len(param)));
  };
  return socketFd(l4OfProtocol(event.u16(2)), address(3), event.u16(4), address(5), event.u16(6), low(event, 7, 0));
}

/** A socket whose ends are known, but not yet which of them is the server. */
export function socketFd(
  l4: number,
  localAddress: string,
  localPort: number,
  remoteAddress: string,
  remotePort: number,
  ino: number,
): Fd {
  const isV4 = localAddress.length === 4;
  if (remotePort === 0 && /^\0*$/.test(remoteAddress)) {
    const end = new Socket(l4, localAddress, localPort, '', 0, 0n, 0n);
    const type = isV4 ? FdType.IPV4_SERVSOCK : FdType.IPV6_SERVSOCK;
    return new Fd(type, null, null, 0, FdStatus.SERVER, 0, ino, 0, end, 0);
  }
  const end = new Socket(l4, localAddress, localPort, remoteAddress, remotePort, 0n, 0n);
  const type = isV4 ? FdType.IPV4_SOCK : FdType.IPV6_SOCK;
  const status = FdStatus.FROM_PROC | FdStatus.CONNECTED;
  return new Fd(type, null, null, 0, status, 0, ino, 0, end, 0);
}

/**
 * Settles the roles of sockets that the initial state gave: who listens on its own port is the server, and
 * the name goes from the client to the server (libsinsp, `fix_sockets_coming_from_proc`).
 */
export function settleRoles(thread: Thread): void {
  let unsettled = false;
  thread.fds.forEach((fd) => {
    if ((fd.status & FdStatus.FROM_PROC) !== 0) unsettled = true;
  });
  if (!unsettled) return;
  const ports = new Set<number>();
  thread.fds.forEach((fd) => {
    if ((fd.type === FdType.IPV4_SERVSOCK || fd.type === FdType.IPV6_SERVSOCK) && fd.socket !== null) {
      ports.add(fd.socket.sourcePort);
    }
  });
  const settled: [number, Fd][] = [];
  thread.fds.forEach((fd, num) => {
    const end = fd.socket;
    if ((fd.status & FdStatus.FROM_PROC) === 0 || end === null) return;
    const isServer = ports.has(end.sourcePort);
    const next = isServer ? end.swapped() : end;
    const status = (fd.status & ~FdStatus.FROM_PROC) | (isServer ? FdStatus.SERVER : FdStatus.CLIENT);
    settled.push([num, fd.with({ status, socket: next, text: null })]);
  });
  for (const [num, fd] of settled) thread.fds.set(num, fd);
}
