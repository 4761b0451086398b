/** Turns a case into entries of the initial state and the bytes of events. */
import { toByteString } from '../bytes.ts';
import {
  buildEvent,
  EVENTS,
  EventFlag,
  type EventInfo,
  EventType,
  inetAddress,
  inetTuple,
  type ParamInfo,
  type ParamValue,
  unixAddress,
  unixTuple,
} from '../event/index.ts';
import { syscallNumber } from '../fields/index.ts';
import { type FdEntry, FdType } from '../scap/index.ts';
import { type ContainerInfo, Extra, L4 } from '../state/index.ts';
import { type Case, type EventSpec, type ProgramSpec, RuleTestError } from './document.ts';
import { makeContainer, makeProgram, type Program } from './programs.ts';

/** What a case needs to be played on a state. */
export interface Staged {
  readonly container: ContainerInfo | null;
  /** The oldest ancestor first; the last one is the process that the case is about. */
  readonly programs: readonly Program[];
  readonly fds: readonly FdEntry[];
  readonly events: readonly Uint8Array[];
}

/** Event codes by name: exit events of the present schema. */
const CODES: ReadonlyMap<string, EventInfo> = new Map(
  EVENTS.filter((info) => !info.enter && (info.flags & (EventFlag.OLD_VERSION | EventFlag.UNUSED)) === 0).map(
    (info) => [info.name, info],
  ),
);

/** The fd that an opening call gives in tests. */
const NEW_FD = 5;
/** PPM_AT_FDCWD. */
const AT_FDCWD = -100;
const CLIENT = '10.0.0.5:40000';
/** Milliseconds between two events of a case. */
const STEP = 1_000_000n;

/** @param pid the case's process; its ancestors have the numbers before it. @param ts nanoseconds of its first event. */
export function stage(test: Case, pid: number, ts: bigint): Staged {
  const container = test.container === null ? null : makeContainer(test.container);
  const chain: ProgramSpec[] = [...test.parents].reverse();
  chain.push(test.process);
  const programs = chain.map((spec, i) => {
    const own = typeof spec === 'string' ? undefined : spec.container;
    return makeProgram(spec, {
      pid: pid - (chain.length - 1 - i),
      ppid: i === 0 ? 1 : pid - (chain.length - i),
      ts,
      container: own === undefined ? container : own === false ? null : makeContainer(own),
    });
  });
  const fds = Object.entries(test.fds).map(([num, text]) => fdEntry(pid, Number(num), text));
  for (const [i, spec] of test.parents.entries()) {
    const own = typeof spec === 'string' ? {} : (spec.fds ?? {});
    for (const [num, text] of Object.entries(own)) fds.push(fdEntry(pid - 1 - i, Number(num), text));
  }
  const events: Uint8Array[] = [];
  const program = programs[programs.length - 1] as Program;
  for (const spec of test.events) {
    for (const made of expand(spec, program, fds)) {
      events.push(encode(made, pid, ts + STEP * BigInt(events.length)));
    }
  }
  return { container, programs, fds, events };
}

interface Plain {
  readonly info: EventInfo;
  readonly params: Readonly<Record<string, unknown>>;
  readonly extra: readonly ParamValue[];
}

function find(name: string): EventInfo {
  const info = CODES.get(name);
  if (info === undefined) throw new RuleTestError(`no system call event is called '${name}'`);
  return info;
}

const OPEN_FLAGS: Readonly<Record<string, string>> = {
  read: 'O_RDONLY',
  write: 'O_WRONLY|O_CREAT|O_TRUNC',
  append: 'O_WRONLY|O_APPEND',
  create: 'O_WRONLY|O_CREAT|O_TRUNC|O_F_CREATED',
};

/** One event of a test is one of the kernel, and what has to come before it (the socket of a connection). */
function expand(spec: EventSpec, program: Program, fds: FdEntry[]): Plain[] {
  if (typeof spec === 'string') {
    const [verb = '', ...rest] = spec.split(' ');
    const operand = rest.join(' ');
    if (verb === 'exec') return [execEvent(program)];
    const flags = OPEN_FLAGS[verb];
    if (flags !== undefined) return [plain({ type: 'openat', name: operand, flags }, fds, program)];
    if (verb === 'connect') return connection(operand, {}, fds, program);
    throw new RuleTestError(`unknown short form '${spec}': exec, connect, ${Object.keys(OPEN_FLAGS).join(', ')}`);
  }
  if (spec.audit !== undefined) return [auditEvent(spec.audit as Readonly<Record<string, unknown>>)];
  if (spec.type === 'connect' && typeof spec.to === 'string') return connection(spec.to, spec, fds, program);
  if (spec.type === 'execve') return [execEvent(program, spec)];
  return [plain(spec, fds, program)];
}

function connection(to: string, spec: Readonly<Record<string, unknown>>, fds: FdEntry[], program: Program): Plain[] {
  const [address = '', protocol = 'tcp'] = to.split('/udp').length > 1 ? [to.replace('/udp', ''), 'udp'] : [to];
  const { to: _, type: __, ...rest } = spec;
  if (address.startsWith('unix:')) {
    const path = address.slice(5);
    return [
      plain({ type: 'socket', fd: NEW_FD, domain: 1, type_: 1 }, fds, program),
      plain({ type: 'connect', fd: NEW_FD, tuple: `unix:${path}`, addr: `unix:${path}`, ...rest }, fds, program),
    ];
  }
  const domain = address.startsWith('[') ? 10 : 2;
  const from = domain === 10 ? '[fd00::5]:40000' : CLIENT;
  return [
    plain({ type: 'socket', fd: NEW_FD, domain, type_: protocol === 'udp' ? 2 : 1 }, fds, program),
    plain({ type: 'connect', fd: NEW_FD, tuple: `${from}->${address}`, addr: address, ...rest }, fds, program),
  ];
}

function plain(spec: Readonly<Record<string, unknown>>, fds: FdEntry[], program: Program): Plain {
  const { type, on, extra, type_, ...given } = spec;
  const number = CODES.has(String(type)) ? -1 : syscallNumber(String(type));
  const info = find(number < 0 ? String(type) : 'syscall');
  // Calls without an event of their own come as the generic one.
  const params: Record<string, unknown> = number < 0 ? { ...given } : { ID: 0, nativeID: number };
  if (type_ !== undefined) params.type = type_;
  if (typeof on === 'string') {
    params.fd ??= NEW_FD + 1 + fds.length;
    fds.push(fdEntry(program.entry.pid, Number(params.fd), on));
  }
  for (const param of info.params) {
    if (params[param.name] !== undefined) continue;
    if (/^(new|old|link)?dir(fd)?$/.test(param.name) && param.type === 'FD') params[param.name] = AT_FDCWD;
    else if (param.name === 'fd' && (info.flags & EventFlag.CREATES_FD) !== 0) params.fd = NEW_FD;
  }
  for (const key of Object.keys(params)) {
    if (!info.params.some((param) => param.name === key)) {
      throw new RuleTestError(
        `${info.name} has no parameter '${key}': ${info.params.map((param) => param.name).join(', ')}`,
      );
    }
  }
  return { info, params, extra: trailing(extra) };
}

/** Our parameters after the table's: flags, resolved path, device, inode. */
function trailing(extra: unknown): ParamValue[] {
  if (extra === undefined) return [];
  const { flags = '', path = '' } = extra as { flags?: string; path?: string };
  let bits = 0;
  for (const word of flags.split('|').filter((part) => part !== '')) {
    if (!Object.hasOwn(Extra, word)) {
      throw new RuleTestError(`unknown flag '${word}' of extra: ${Object.keys(Extra).join(', ')}`);
    }
    bits |= Extra[word as keyof typeof Extra];
  }
  return [bits, toByteString(path), 0, 0n];
}

function execEvent({ entry, imageFlags, deleted }: Program, given: Readonly<Record<string, unknown>> = {}): Plain {
  const { type: _, extra, ...overridden } = given;
  const params: Record<string, unknown> = {
    res: 0,
    exe: entry.exe,
    args: entry.args,
    tid: entry.tid,
    pid: entry.pid,
    ptid: entry.ptid,
    cwd: entry.cwd,
    fdlimit: 1024,
    comm: entry.comm,
    cgroups: entry.cgroups,
    env: entry.env,
    tty: entry.tty,
    vpgid: entry.vpgid,
    loginuid: entry.loginuid,
    flags: imageFlags,
    cap_permitted: entry.capPermitted,
    cap_effective: entry.capEffective,
    exe_ino: entry.exeIno,
    exe_ino_ctime: entry.exeInoCtime,
    exe_ino_mtime: entry.exeInoMtime,
    uid: entry.uid,
    trusted_exepath: deleted ? `${entry.exepath} (deleted)` : entry.exepath,
    pgid: entry.pgid,
    gid: entry.gid,
    filename: entry.exepath,
    ...overridden,
  };
  return { info: find('execve'), params, extra: deleted && extra === undefined ? [Extra.DELETED] : trailing(extra) };
}

/** An audit event of Kubernetes (audit.k8s.io/v1) from its few telling members; `event` is laid over the whole. */
function auditEvent(given: Readonly<Record<string, unknown>>): Plain {
  const { user = 'alice', groups = ['system:authenticated'], verb = 'get', code = 200, decision = 'allow' } = given;
  const { resource = 'pods', name, namespace, subresource, group, request, response, reason = '', uri } = given;
  const path = [
    group === undefined ? '/api/v1' : `/apis/${String(group)}/v1`,
    ...(namespace === undefined ? [] : ['namespaces', String(namespace)]),
    String(resource),
    ...(name === undefined ? [] : [String(name)]),
    ...(subresource === undefined ? [] : [String(subresource)]),
  ].join('/');
  const event = {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'RequestResponse',
    auditID: '1b4e28ba-2fa1-11d2-883f-0016d3cca427',
    stage: 'ResponseComplete',
    requestURI: uri ?? path,
    verb,
    user: { username: user, groups },
    sourceIPs: ['10.0.0.9'],
    userAgent: 'kubectl/v1.30.0',
    objectRef: { resource, name, namespace, subresource, apiGroup: group, apiVersion: 'v1' },
    responseStatus: { metadata: {}, code },
    requestObject: request,
    responseObject: response,
    annotations: { 'authorization.k8s.io/decision': decision, 'authorization.k8s.io/reason': reason },
    requestReceivedTimestamp: '2024-01-01T00:00:00.000000Z',
    stageTimestamp: '2024-01-01T00:00:00.100000Z',
    ...((given.event ?? {}) as object),
  };
  return {
    info: EVENTS[EventType.PLUGINEVENT_E as number] as EventInfo,
    params: { plugin_id: 1, event_data: toByteString(JSON.stringify(event)) },
    extra: [],
  };
}

function encode({ info, params, extra }: Plain, pid: number, ts: bigint): Uint8Array {
  const values: Record<string, ParamValue> = {};
  for (const param of info.params) {
    const value = params[param.name];
    if (value !== undefined) values[param.name] = encodeValue(info, param, value);
  }
  const tid = info.name === 'pluginevent' ? -1 : pid;
  return buildEvent(info.type, { ts, tid, params: values, extra });
}

function encodeValue(info: EventInfo, param: ParamInfo, value: unknown): ParamValue {
  if (param.type === 'SOCKTUPLE') return tuple(String(value));
  if (param.type === 'SOCKADDR') {
    const text = String(value);
    if (text.startsWith('unix:')) return unixAddress(toByteString(text.slice(5)));
    const { ip, port } = endpoint(text);
    return inetAddress(ip, port);
  }
  if (typeof value === 'string') {
    if (['CHARBUF', 'FSPATH', 'FSRELPATH'].includes(param.type)) return toByteString(value);
    if (param.flags === null) {
      const integer = /^(U?INT|FLAGS|ENUMFLAGS|FD|PID|UID|GID|MODE|ERRNO|SIG|PORT)/.test(param.type);
      if (integer && !/^-?\d+$/.test(value)) {
        throw new RuleTestError(`'${value}' is no number, which ${info.name}'s ${param.name} is`);
      }
      return integer ? Number(value) : (value as string);
    }
    return value.split('|').reduce((bits, word) => {
      const bit = param.flags?.[word];
      if (bit === undefined) throw new RuleTestError(`${info.name}'s ${param.name} has no flag '${word}'`);
      return bits | bit;
    }, 0);
  }
  if (Array.isArray(value)) return value.map((item) => toByteString(String(item)));
  return value as ParamValue;
}

function endpoint(text: string): { ip: string; port: number } {
  const match = /^\[?([0-9a-fA-F.:]+?)\]?:(\d+)$/.exec(text);
  if (match === null) throw new RuleTestError(`'${text}' is no address with a port`);
  return { ip: match[1] as string, port: Number(match[2]) };
}

function tuple(text: string): Uint8Array {
  if (text.startsWith('unix:')) return unixTuple(1n, 2n, toByteString(text.slice(5)));
  const [from = '', to = ''] = text.split('->');
  const source = endpoint(from);
  const target = endpoint(to);
  return inetTuple(source.ip, source.port, target.ip, target.port);
}

const PROTOCOLS: Readonly<Record<string, number>> = { tcp: L4.TCP, udp: L4.UDP, icmp: L4.ICMP, raw: L4.RAW };

/** `tcp A:P->B:P`, `udp …`, `unix PATH`, `pipe` (with its inode), `memfd NAME`, or the path of a file. */
function fdEntry(tid: number, fd: number, text: string): FdEntry {
  const [kind = '', operand = ''] = text.split(' ');
  const entry: FdEntry = {
    tid,
    fd,
    ino: BigInt(fd) + 5000n,
    type: FdType.FILE_V2,
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
  if (kind.startsWith('/')) return { ...entry, name: toByteString(text), openFlags: 1 };
  if (kind === 'pipe') {
    const ino = operand === '' ? entry.ino : BigInt(operand);
    return { ...entry, ino, type: FdType.FIFO, name: `pipe:[${ino}]` };
  }
  if (kind === 'memfd') return { ...entry, type: FdType.MEMFD, name: operand };
  if (kind === 'unix') return { ...entry, type: FdType.UNIX_SOCK, name: operand, unixSource: 1n, unixDestination: 2n };
  const l4proto = PROTOCOLS[kind];
  if (l4proto === undefined) throw new RuleTestError(`unknown descriptor '${text}'`);
  const [from = CLIENT, to = '0.0.0.0:0'] = operand === '' ? [] : operand.split('->');
  const local = endpoint(from);
  const remote = endpoint(to);
  const bytes = (ip: string): string => String.fromCharCode(...inetAddress(ip, 0).slice(1, -2));
  return {
    ...entry,
    type: local.ip.includes(':') ? FdType.IPV6_SOCK : FdType.IPV4_SOCK,
    localAddress: bytes(local.ip),
    remoteAddress: bytes(remote.ip),
    localPort: local.port,
    remotePort: remote.port,
    l4proto,
  };
}
