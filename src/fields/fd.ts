import { type Event, EventType } from '../event/index.ts';
import type { Value } from '../rules/catalogue.ts';
import { formatAddress } from '../rules/index.ts';
import { FdType } from '../scap/entries.ts';
import { FD_EVENT, FD_TYPE_CHARS, FD_TYPE_NAMES, type Fd, FdStatus, L4, type State } from '../state/index.ts';
import { dnsNames } from './dns.ts';
import { type Extractor, type Field, rowMaker } from './field.ts';
import { fdList } from './params.ts';

const row = rowMaker('fd', { sources: ['syscall'] });

/** Reads something of the event's fd; no value where the event is about none or it is not known. */
const of =
  (read: (fd: Fd, state: State) => Value | null): Extractor =>
  (_, state) =>
    state.fd === null ? null : read(state.fd, state);

const isSocket = (fd: Fd) => fd.type === FdType.IPV4_SOCK || fd.type === FdType.IPV6_SOCK;
const isServerSocket = (fd: Fd) => fd.type === FdType.IPV4_SERVSOCK || fd.type === FdType.IPV6_SERVSOCK;
const hasRole = (fd: Fd) => (fd.status & (FdStatus.SERVER | FdStatus.CLIENT)) !== 0;
const isFile = (fd: Fd) => fd.type === FdType.FILE || fd.type === FdType.FILE_V2;

/** An address that is known; no value for an end that is not. */
const known = (address: string): string | null => (address === '' ? null : address);

function clientAddress(fd: Fd): string | null {
  return isSocket(fd) && hasRole(fd) && fd.socket !== null ? known(fd.socket.sourceAddress) : null;
}

function serverAddress(fd: Fd): string | null {
  if (fd.socket === null) return null;
  if (isServerSocket(fd)) return known(fd.socket.sourceAddress);
  return isSocket(fd) && hasRole(fd) ? known(fd.socket.destinationAddress) : null;
}

/** True when the source is this machine, so that the destination is remote. */
const sourceIsLocal = (fd: Fd, state: State) => fd.socket !== null && state.interfaces.isLocal(fd.socket.sourceAddress);

function localAddress(fd: Fd, state: State): string | null {
  if (!isSocket(fd) || !hasRole(fd) || fd.socket === null) return null;
  return known(sourceIsLocal(fd, state) ? fd.socket.sourceAddress : fd.socket.destinationAddress);
}

function remoteAddress(fd: Fd, state: State): string | null {
  if (!isSocket(fd) || !hasRole(fd) || fd.socket === null) return null;
  return known(sourceIsLocal(fd, state) ? fd.socket.destinationAddress : fd.socket.sourceAddress);
}

function clientPort(fd: Fd): number | null {
  return isSocket(fd) && hasRole(fd) && fd.socket !== null ? fd.socket.sourcePort : null;
}

function serverPort(fd: Fd): number | null {
  if (fd.socket === null) return null;
  if (isServerSocket(fd)) return fd.socket.sourcePort;
  return isSocket(fd) && hasRole(fd) ? fd.socket.destinationPort : null;
}

function localPort(fd: Fd, state: State): number | null {
  if (!isSocket(fd) || !hasRole(fd) || fd.socket === null) return null;
  return sourceIsLocal(fd, state) ? fd.socket.sourcePort : fd.socket.destinationPort;
}

function remotePort(fd: Fd, state: State): number | null {
  if (!isSocket(fd) || !hasRole(fd) || fd.socket === null) return null;
  return sourceIsLocal(fd, state) ? fd.socket.destinationPort : fd.socket.sourcePort;
}

/** Both ends of a connection, or where a server socket listens. */
function bothAddresses(fd: Fd): readonly string[] | null {
  const end = fd.socket;
  if (end === null) return null;
  if (isServerSocket(fd)) return end.sourceAddress === '' ? null : [end.sourceAddress];
  if (!isSocket(fd)) return null;
  const ends = [end.sourceAddress, end.destinationAddress].filter((address) => address !== '');
  return ends.length === 0 ? null : ends;
}

function bothPorts(fd: Fd): readonly number[] | null {
  const end = fd.socket;
  if (end === null) return null;
  if (isServerSocket(fd)) return [end.sourcePort];
  return isSocket(fd) ? [end.sourcePort, end.destinationPort] : null;
}

const text = (port: number | null): string | null => (port === null ? null : String(port));

/** Names of an address are those that rules compare with: see DnsNames. */
const names = (address: string | null): Value | null => (address === null ? null : dnsNames.namesOf(address));

const L4_NAMES: Readonly<Record<number, string>> = {
  [L4.TCP]: 'tcp',
  [L4.UDP]: 'udp',
  [L4.ICMP]: 'icmp',
  [L4.RAW]: 'raw',
};

/** `fd.typechar` of calls that failed to make an fd, by the call. */
const FAILED_CHARS: ReadonlyMap<number, string> = new Map(
  (
    [
      ['SYSCALL_OPEN_X', 'f'],
      ['SYSCALL_OPENAT_2_X', 'f'],
      ['SYSCALL_OPENAT2_X', 'f'],
      ['SYSCALL_CREAT_X', 'f'],
      ['SOCKET_SOCKET_X', '4'],
      ['SOCKET_ACCEPT_5_X', '4'],
      ['SOCKET_ACCEPT4_6_X', '4'],
      ['SYSCALL_PIPE_X', 'p'],
      ['SYSCALL_PIPE2_X', 'p'],
      ['SYSCALL_EVENTFD_X', 'e'],
      ['SYSCALL_EVENTFD2_X', 'e'],
      ['SYSCALL_SIGNALFD_X', 's'],
      ['SYSCALL_SIGNALFD4_X', 's'],
      ['SYSCALL_TIMERFD_CREATE_X', 't'],
      ['SYSCALL_INOTIFY_INIT_X', 'i'],
      ['SYSCALL_INOTIFY_INIT1_X', 'i'],
    ] as const
  ).map(([code, char]) => [EventType[code] as number, char]),
);

/** open_by_handle_at names no path by itself, so a failed one has none. */
const BY_HANDLE = EventType.SYSCALL_OPEN_BY_HANDLE_AT_X;

/**
 * The name of an event that is about an fd which is not known: the path that a failed open names; an empty
 * text for other calls (libsinsp, `extract_fdname_from_creator`). No value for events about no fd.
 */
function failedName(event: Event, state: State): string | null {
  if (FD_EVENT[event.type] !== 1 || state.thread === null || event.type === BY_HANDLE) return null;
  return state.path === null ? '' : state.path.name;
}

function name(event: Event, state: State): string | null {
  return state.fd === null ? failedName(event, state) : state.fd.name;
}

function directory(event: Event, state: State): string | null {
  const fd = state.fd;
  if (fd === null) return failedName(event, state) === null ? null : (state.path?.directory ?? '/');
  if (fd.path === null) return null;
  return isFile(fd) ? fd.path.directory : fd.path.name;
}

function filename(event: Event, state: State): string | null {
  const fd = state.fd;
  if (fd === null) return failedName(event, state) === null ? null : (state.path?.filename ?? '/');
  return isFile(fd) && fd.path !== null ? fd.path.filename || '/' : null;
}

function rawName(event: Event, state: State): string | null {
  if (state.fd !== null) return state.fd.path?.raw ?? '';
  return failedName(event, state) === null ? null : (state.path?.raw ?? '');
}

const withContainer = (state: State, value: string | null): string | null =>
  value === null ? null : `${state.thread?.container ?? ''}:${value}`;

/** Major and minor number of a device as the events carry it (kernel's new_encode_dev). */
const major = (dev: number) => (dev & 0xfff00) >>> 8;
const minor = (dev: number) => (dev & 0xff) | ((dev >>> 12) & 0xfff00);

function bindTypes(argument: string | null): Extractor {
  const wanted = argument === null ? null : Number(argument);
  return (event, state) => {
    const thread = state.thread;
    if (thread === null || FD_EVENT[event.type] !== 1) return null;
    const types = new Set<string>();
    if (wanted !== null) {
      const type = FD_TYPE_NAMES[thread.fds.get(wanted)?.type ?? -1];
      if (typeof type !== 'string') return null;
      types.add(type);
    } else {
      thread.fds.forEach((fd) => {
        const type = FD_TYPE_NAMES[fd.type];
        if (typeof type === 'string') types.add(type);
      });
    }
    return [...types].sort();
  };
}

const ends = { filterOnly: true, noRhs: true, noTransformer: true, multi: 'ends' } as const;
const dns = { noRhs: true, noTransformer: true, multi: 'any' } as const;
const number = (text: string) => (/^\d+$/.test(text) ? null : `wrong file descriptor ${text}`);

export const FD_FIELDS: readonly Field[] = [
  row('fd.num', 'INT64', 'event', 'Number of the file descriptor.', (event, state) =>
    FD_EVENT[event.type] === 1 && state.thread !== null ? state.fdNum : null,
  ),
  row(
    'fd.type',
    'CHARBUF',
    'fd',
    'What the descriptor refers to: file, directory, ipv4, ipv6, unix, pipe, event, signalfd, eventpoll, inotify, timerfd, netlink, bpf, memfd, pidfd …',
    of((fd) => FD_TYPE_NAMES[fd.type] ?? '<NA>'),
  ),
  row(
    'fd.typechar',
    'CHARBUF',
    'fd',
    'fd.type as one letter: f file, d directory, 4 and 6 IP sockets, 2 and 3 listening ones, u UNIX socket, p pipe, e event, s signalfd, l eventpoll, i inotify, t timerfd, n netlink, b bpf, m memfd, P pidfd, o other.',
    (event, state) => {
      if (state.fd !== null) return FD_TYPE_CHARS[state.fd.type] ?? 'o';
      return FD_EVENT[event.type] === 1 && state.thread !== null ? (FAILED_CHARS.get(event.type) ?? 'o') : null;
    },
  ),
  row(
    'fd.name',
    'CHARBUF',
    'fd',
    'Full path of a file, both ends of a connection, or the name of anything else.',
    name,
  ),
  row('fd.directory', 'CHARBUF', 'path', 'Directory of the file.', directory),
  row('fd.filename', 'CHARBUF', 'path', 'Last part of the path of the file.', filename),
  row(
    'fd.ip',
    'IPADDR',
    'fd',
    'Either address of a connection: true in a comparison when one of them fits.',
    of(bothAddresses),
    ends,
  ),
  row('fd.cip', 'IPADDR', 'fd', 'Address of the client.', of(clientAddress)),
  row('fd.sip', 'IPADDR', 'fd', 'Address of the server.', of(serverAddress)),
  row('fd.lip', 'IPADDR', 'fd', 'Address of the local end.', of(localAddress)),
  row('fd.rip', 'IPADDR', 'fd', 'Address of the remote end.', of(remoteAddress)),
  row('fd.port', 'PORT', 'fd', 'Either port of a connection.', of(bothPorts), ends),
  row('fd.cport', 'PORT', 'fd', 'Port of the client.', of(clientPort)),
  row('fd.sport', 'PORT', 'fd', 'Port of the server.', of(serverPort)),
  row('fd.lport', 'PORT', 'fd', 'Port of the local end.', of(localPort)),
  row('fd.rport', 'PORT', 'fd', 'Port of the remote end.', of(remotePort)),
  row(
    'fd.l4proto',
    'CHARBUF',
    'fd',
    'Transport protocol of a socket: tcp, udp, icmp or raw.',
    of((fd) => L4_NAMES[fd.socket?.l4 ?? 0] ?? '<NA>'),
  ),
  row(
    'fd.sockfamily',
    'CHARBUF',
    'fd',
    '"ip" or "unix".',
    of((fd) => (isSocket(fd) || isServerSocket(fd) ? 'ip' : fd.type === FdType.UNIX_SOCK ? 'unix' : null)),
  ),
  row(
    'fd.is_server',
    'BOOL',
    'fd',
    'Whether the process is the server of the connection.',
    of((fd) => isServerSocket(fd) || (isSocket(fd) && (fd.status & FdStatus.SERVER) !== 0)),
  ),
  row(
    'fd.uid',
    'CHARBUF',
    'event',
    'A name for the descriptor that is unique on the machine: thread id and number in one.',
    of((_, state) => `${state.thread?.tid ?? ''}${state.fdNum}`),
  ),
  row('fd.containername', 'CHARBUF', 'event', 'Container id and fd.name, with a colon between.', (event, state) =>
    withContainer(state, name(event, state)),
  ),
  row(
    'fd.containerdirectory',
    'CHARBUF',
    'event',
    'Container id and fd.directory, with a colon between.',
    (event, state) => withContainer(state, directory(event, state)),
  ),
  row(
    'fd.proto',
    'PORT',
    'fd',
    'Either port of a connection, by its number or the name of its service.',
    of(bothPorts),
    ends,
  ),
  row(
    'fd.cproto',
    'CHARBUF',
    'fd',
    'Port of the client as text.',
    of((fd) => text(clientPort(fd))),
  ),
  row(
    'fd.sproto',
    'CHARBUF',
    'fd',
    'Port of the server as text.',
    of((fd) => text(serverPort(fd))),
  ),
  row(
    'fd.lproto',
    'CHARBUF',
    'fd',
    'Port of the local end as text.',
    of((fd, state) => text(localPort(fd, state))),
  ),
  row(
    'fd.rproto',
    'CHARBUF',
    'fd',
    'Port of the remote end as text.',
    of((fd, state) => text(remotePort(fd, state))),
  ),
  row(
    'fd.net',
    'IPNET',
    'fd',
    'Either address of a connection, to be compared with networks.',
    of(bothAddresses),
    ends,
  ),
  row('fd.cnet', 'IPNET', 'fd', 'Address of the client, to be compared with networks.', of(clientAddress), {
    filterOnly: true,
    noRhs: true,
    noTransformer: true,
  }),
  row('fd.snet', 'IPNET', 'fd', 'Address of the server, to be compared with networks.', of(serverAddress), {
    filterOnly: true,
    noRhs: true,
    noTransformer: true,
  }),
  row('fd.lnet', 'IPNET', 'fd', 'Address of the local end, to be compared with networks.', of(localAddress), {
    filterOnly: true,
    noRhs: true,
    noTransformer: true,
  }),
  row('fd.rnet', 'IPNET', 'fd', 'Address of the remote end, to be compared with networks.', of(remoteAddress), {
    filterOnly: true,
    noRhs: true,
    noTransformer: true,
  }),
  row(
    'fd.connected',
    'BOOL',
    'fd',
    'Whether the socket is connected.',
    of((fd) => (fd.status & FdStatus.CONNECTED) !== 0),
  ),
  row(
    'fd.name_changed',
    'BOOL',
    'event',
    'Whether this event gave the descriptor another name, as datagrams to another peer do.',
    of((_, state) => state.fdNameChanged),
  ),
  row(
    'fd.cip.name',
    'CHARBUF',
    'event',
    "Name of the client's address, out of the names that rules compare it with.",
    of((fd) => names(clientAddress(fd))),
    dns,
  ),
  row(
    'fd.sip.name',
    'CHARBUF',
    'event',
    "Name of the server's address, out of the names that rules compare it with.",
    of((fd) => names(serverAddress(fd))),
    dns,
  ),
  row(
    'fd.lip.name',
    'CHARBUF',
    'event',
    'Name of the local address, out of the names that rules compare it with.',
    of((fd, state) => names(localAddress(fd, state))),
    dns,
  ),
  row(
    'fd.rip.name',
    'CHARBUF',
    'event',
    'Name of the remote address, out of the names that rules compare it with.',
    of((fd, state) => names(remoteAddress(fd, state))),
    dns,
  ),
  row(
    'fd.dev',
    'INT32',
    'fd',
    'Number of the device that holds the file.',
    of((fd) => fd.dev | 0),
  ),
  row(
    'fd.dev.major',
    'INT32',
    'fd',
    'Major number of that device.',
    of((fd) => major(fd.dev)),
  ),
  row(
    'fd.dev.minor',
    'INT32',
    'fd',
    'Minor number of that device.',
    of((fd) => minor(fd.dev)),
  ),
  row(
    'fd.ino',
    'INT64',
    'fd',
    'Number of the inode.',
    of((_, state) => state.fdInode),
  ),
  row('fd.nameraw', 'CHARBUF', 'fd', 'The path as the process wrote it, neither joined nor normalised.', rawName),
  row(
    'fd.types',
    'CHARBUF',
    'event',
    'Types of all open descriptors of the process, each once; with a number, of that descriptor.',
    { bind: bindTypes },
    { isList: true, argument: 'optional', argumentHelp: 'number of a descriptor', noRhs: true, checkArgument: number },
  ),
  row(
    'fd.is_upper_layer',
    'BOOL',
    'fd',
    'Whether the file is in the writable layer of an overlay file system.',
    of((fd) => (fd.status & FdStatus.UPPER_LAYER) !== 0),
  ),
  row(
    'fd.is_lower_layer',
    'BOOL',
    'fd',
    'Whether the file is in a read-only layer of an overlay file system.',
    of((fd) => (fd.status & FdStatus.LOWER_LAYER) !== 0),
  ),
];

const listRow = rowMaker('fdlist', { sources: ['syscall'] });

const POLLS = new Set([EventType.SYSCALL_POLL_X, EventType.SYSCALL_PPOLL_X]);

/** Joins what `read` gives for each descriptor that a poll is about. */
function polled(read: (num: number, fd: Fd | null) => string | null): Extractor {
  return (event, state) => {
    if (!POLLS.has(event.type)) return null;
    const thread = state.thread;
    const parts: string[] = [];
    for (const { fd } of fdList(event, 1)) {
      const part = read(fd, thread === null ? null : thread.fds.get(fd));
      if (part !== null) parts.push(part);
    }
    return parts.join(',');
  };
}

const address = (value: string | null) => (value === null ? null : formatAddress(value));

export const FDLIST_FIELDS: readonly Field[] = [
  listRow(
    'fdlist.nums',
    'CHARBUF',
    'event',
    'Numbers of the descriptors that a poll waits for.',
    polled((num) => String(num)),
  ),
  listRow(
    'fdlist.names',
    'CHARBUF',
    'event',
    'Names of the descriptors that a poll waits for.',
    polled((_, fd) => (fd === null ? '' : fd.name)),
  ),
  listRow(
    'fdlist.cips',
    'CHARBUF',
    'event',
    'Client addresses of the sockets that a poll waits for.',
    polled((_, fd) => (fd === null ? null : address(clientAddress(fd)))),
  ),
  listRow(
    'fdlist.sips',
    'CHARBUF',
    'event',
    'Server addresses of the sockets that a poll waits for.',
    polled((_, fd) => (fd === null ? null : address(serverAddress(fd)))),
  ),
  listRow(
    'fdlist.cports',
    'CHARBUF',
    'event',
    'Client ports of the sockets that a poll waits for.',
    polled((_, fd) => (fd === null ? null : text(clientPort(fd)))),
  ),
  listRow(
    'fdlist.sports',
    'CHARBUF',
    'event',
    'Server ports of the sockets that a poll waits for.',
    polled((_, fd) => (fd === null ? null : text(serverPort(fd)))),
  ),
];
