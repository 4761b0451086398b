import { EVENTS, type Event, EventFlag, type EventInfo, EventType, type ParamInfo } from '../event/index.ts';
import type { FieldType, Value } from '../rules/catalogue.ts';
import { FdType } from '../scap/entries.ts';
import { currentDirectory, directoryOf, joinPath, OpenFlag, type State } from '../state/index.ts';
import { errnoName } from './errno.ts';
import { type Extractor, type Field, rowMaker } from './field.ts';
import {
  allParamsText,
  clockText,
  integerParam,
  kernelBaseOf,
  NOT_AVAILABLE,
  numberText,
  paramText,
  rawParam,
  textParam,
} from './params.ts';
import { genericName } from './syscalls.ts';

const row = rowMaker('evt', { sources: ['syscall'] });

/** `evt.type`: the event's name, for the generic type the system call's. */
export function eventName(event: Event): string {
  return genericName(event) || event.info.name;
}

/** Index of the parameter called `name` by event type; -1 where the type has none. */
export function paramIndex(name: string): Int8Array {
  const index = new Int8Array(EVENTS.length).fill(-1);
  for (const info of EVENTS) index[info.type] = info.params.findIndex((param) => param.name === name);
  return index;
}

const RES = paramIndex('res');
const FD = paramIndex('fd');

/** The result of the call: `res`, or the fd that the call was to make; null when the event has none. */
export function result(event: Event): number | bigint | null {
  const type = event.type;
  const res = RES[type] as number;
  if (res >= 0) {
    const info = event.info.params[res] as ParamInfo;
    return integerParam(event, res, info.type);
  }
  const fd = FD[type] as number;
  return fd >= 0 && (event.info.flags & EventFlag.CREATES_FD) !== 0 && !event.info.enter
    ? integerParam(event, fd, 'FD')
    : null;
}

function failed(event: Event): boolean {
  const value = result(event);
  return value !== null && value < 0;
}

const isIo = EventFlag.READS_FROM_FD | EventFlag.WRITES_TO_FD;

const CATEGORIES: Readonly<Record<number, string>> = {
  1: 'other',
  2: 'file',
  3: 'net',
  4: 'IPC',
  5: 'memory',
  6: 'process',
  7: 'sleep',
  8: 'system',
  9: 'signal',
  10: 'user',
  11: 'time',
  12: 'processing',
  64: 'wait',
  128: 'scheduler',
  256: 'internal',
};

/** Category of reads, writes and other work on an fd, which what the fd refers to decides. */
const IO_READ = 0x20;
const IO_WRITE = 0x21;
const IO_OTHER = 0x22;

function fdCategory(state: State): string {
  const fd = state.fd;
  if (fd === null) return 'unknown';
  switch (fd.type) {
    case FdType.FILE:
    case FdType.FILE_V2:
    case FdType.DIRECTORY:
      return 'file';
    case FdType.IPV4_SOCK:
    case FdType.IPV6_SOCK:
    case FdType.IPV4_SERVSOCK:
    case FdType.IPV6_SERVSOCK:
      return 'net';
    case FdType.FIFO:
    case FdType.UNIX_SOCK:
    case FdType.EVENT:
    case FdType.SIGNALFD:
    case FdType.INOTIFY:
    case FdType.USERFAULTFD:
      return 'IPC';
    default:
      return 'unknown';
  }
}

function category(event: Event, state: State): string {
  const code = event.info.category & 0x1ff;
  if (code === IO_READ || code === IO_WRITE || code === IO_OTHER) return fdCategory(state);
  return CATEGORIES[code] ?? 'other';
}

/** `[name]` or `[index]` of `evt.arg` and `evt.rawarg`: the parameter's index by event type. */
function argumentIndex(argument: string | null): (event: Event) => number {
  if (argument === null || argument === '') throw new Error('filter syntax error: evt.arg needs an argument');
  if (/^\d+$/.test(argument)) {
    const index = Number(argument);
    return (event) => (index < event.info.params.length ? index : -1);
  }
  const index = paramIndex(argument);
  if (!index.some((at) => at >= 0)) throw new Error(`unknown event argument ${argument}`);
  return (event) => index[event.type] as number;
}

const checkArgumentName = (argument: string): string | null =>
  /^\d+$/.test(argument) || ARGUMENT_TYPES.has(argument) ? null : `unknown event argument ${argument}`;

/** Parameter names, with the type that the first event which has one gives it. */
const ARGUMENT_TYPES: ReadonlyMap<string, ParamInfo> = (() => {
  const types = new Map<string, ParamInfo>();
  for (const info of EVENTS) for (const param of info.params) if (!types.has(param.name)) types.set(param.name, param);
  return types;
})();

function rawArgumentType(argument: string): FieldType {
  const info = ARGUMENT_TYPES.get(argument);
  switch (info?.type) {
    case undefined:
      return 'DYN';
    case 'CHARBUF':
    case 'FSPATH':
    case 'FSRELPATH':
      return info.type;
    case 'BYTEBUF':
    case 'SOCKADDR':
    case 'SOCKTUPLE':
    case 'FDLIST':
    case 'DYN':
    case 'CHARBUFARRAY':
    case 'CHARBUF_PAIR_ARRAY':
      return 'BYTEBUF';
    case 'IPV4ADDR':
    case 'IPV6ADDR':
      return 'IPADDR';
    case 'BOOL':
      return 'BOOL';
    case 'DOUBLE':
      return 'DOUBLE';
    default:
      // Whatever the width in one event, another one can have a parameter of that name with another width.
      return 'INT64';
  }
}

function bindArgument(argument: string | null): Extractor {
  const index = argumentIndex(argument);
  return (event, state) => {
    const at = index(event);
    if (at < 0) return null;
    const value = paramText(event, at, state);
    if (value === null) return NOT_AVAILABLE;
    return value.resolved === '' ? value.text : value.resolved;
  };
}

function bindRawArgument(argument: string | null): Extractor {
  const index = argumentIndex(argument);
  return (event) => {
    const at = index(event);
    if (at < 0) return null;
    const type = (event.info.params[at] as ParamInfo).type;
    if (at >= event.nparams)
      return type === 'CHARBUF' || type === 'FSPATH' || type === 'FSRELPATH' ? NOT_AVAILABLE : null;
    return rawParam(event, at);
  };
}

/** Outputs show the number in the base that the event table gives the parameter. */
function bindRawArgumentText(argument: string | null): Extractor {
  const index = argumentIndex(argument);
  return (event, state) => {
    const at = index(event);
    if (at < 0) return null;
    // A number that the kernel left out is printed as 0, although it is no value for conditions.
    if ((at >= event.nparams || event.len(at) === 0) && rawParam(event, at) === null) return '0';
    return numberText(event, at) ?? paramText(event, at, state)?.text ?? null;
  };
}

/** Where an open has its flags and mode. */
interface OpenLayout {
  readonly flags: number;
  readonly mode: number;
}
const OPENS: ReadonlyMap<number, OpenLayout> = new Map(
  (
    [
      ['SYSCALL_OPEN_X', { flags: 2, mode: 3 }],
      ['SYSCALL_OPENAT_2_X', { flags: 3, mode: 4 }],
      ['SYSCALL_OPENAT2_X', { flags: 3, mode: 4 }],
      ['SYSCALL_OPEN_BY_HANDLE_AT_X', { flags: 2, mode: -1 }],
    ] as const
  ).map(([code, layout]) => [EventType[code] as number, layout]),
);
const CREAT = EventType.SYSCALL_CREAT_X as number;

function openFlags(event: Event): number {
  const layout = OPENS.get(event.type);
  if (layout === undefined) return 0;
  return Number(integerParam(event, layout.flags, 'FLAGS32') ?? 0);
}

const ANY_EXEC = 0o111;

function isOpenExec(event: Event): boolean {
  let mode: number | bigint | null;
  if (event.type === CREAT) {
    mode = integerParam(event, 2, 'UINT32');
  } else {
    const layout = OPENS.get(event.type);
    if (layout === undefined || layout.mode < 0) return false;
    if ((openFlags(event) & (OpenFlag.CREAT | OpenFlag.TMPFILE)) === 0) return false;
    mode = integerParam(event, layout.mode, 'UINT32');
  }
  return (Number(mode ?? 0) & ANY_EXEC) !== 0;
}

function isOpenCreate(event: Event): boolean {
  const done = result(event);
  const ok = done !== null && done >= 0;
  if (event.type === CREAT) return ok;
  const flags = openFlags(event);
  return (flags & OpenFlag.CREATED) !== 0 || ((flags & OpenFlag.TMPFILE) !== 0 && ok);
}

/** Parameters of the calls that name paths relative to directory fds, source first. */
const ABSPATH: ReadonlyMap<string, readonly (readonly [directory: string, path: string])[]> = new Map([
  [
    'rename',
    [
      ['', 'oldpath'],
      ['', 'newpath'],
    ],
  ],
  [
    'renameat',
    [
      ['olddirfd', 'oldpath'],
      ['newdirfd', 'newpath'],
    ],
  ],
  [
    'renameat2',
    [
      ['olddirfd', 'oldpath'],
      ['newdirfd', 'newpath'],
    ],
  ],
  [
    'linkat',
    [
      ['olddir', 'oldpath'],
      ['newdir', 'newpath'],
    ],
  ],
  ['symlinkat', [['linkdirfd', 'linkpath']]],
  ['openat', [['dirfd', 'name']]],
  ['openat2', [['dirfd', 'name']]],
  ['unlinkat', [['dirfd', 'name']]],
  ['mkdirat', [['dirfd', 'path']]],
  ['fchmodat', [['dirfd', 'filename']]],
  ['fchownat', [['dirfd', 'pathname']]],
  ['mknodat', [['dirfd', 'path']]],
  ['newfstatat', [['dirfd', 'path']]],
  ['open_by_handle_at', [['', 'path']]],
]);

function bindAbspath(argument: string | null): Extractor {
  if (argument !== null && argument !== 'src' && argument !== 'dst') {
    throw new Error(`unknown argument ${argument} of evt.abspath, expected src or dst`);
  }
  const which = argument === 'dst' ? 1 : 0;
  return (event, state) => {
    const pair = ABSPATH.get(event.info.name)?.[which];
    const thread = state.thread;
    if (pair === undefined || thread === null) return null;
    const params = event.info.params;
    const path = textParam(
      event,
      params.findIndex((param) => param.name === pair[1]),
    );
    if (path === null) return null;
    if (path.charCodeAt(0) === 47) return joinPath('/', path);
    const kernel = kernelBaseOf(
      event,
      params.findIndex((param) => param.name === pair[1]),
    );
    if (kernel !== null) return joinPath(kernel, path);
    let base = currentDirectory(thread);
    if (pair[0] !== '') {
      const dirfd = integerParam(
        event,
        params.findIndex((param) => param.name === pair[0]),
        'FD',
      );
      if (dirfd === null) return null;
      base = directoryOf(thread, Number(dirfd));
    }
    return base === null ? null : joinPath(base.name, path);
  };
}

function ioLength(event: Event): number | bigint | null {
  if ((event.info.flags & isIo) === 0) return null;
  const value = result(event);
  return value !== null && value >= 0 ? value : null;
}

const READS = EventFlag.READS_FROM_FD;
const WRITES = EventFlag.WRITES_TO_FD;

/** Length of an input or output on an fd of a kind (`file`, `net`, or any). */
function lengthOf(direction: number, kind: 'file' | 'net' | null): Extractor {
  return (event, state) => {
    if ((event.info.flags & direction) === 0) return null;
    if (kind !== null && fdCategory(state) !== kind) return null;
    return ioLength(event);
  };
}

const DATA = paramIndex('data');

function buffer(event: Event): Value | null {
  const at = DATA[event.type] as number;
  return at < 0 ? null : event.bytes(at);
}

const one = (when: (event: Event, state: State) => boolean): Extractor => {
  return (event, state) => (when(event, state) ? 1 : null);
};

function errorIn(...kinds: string[]) {
  return one((event, state) => {
    if (!failed(event)) return false;
    const code = event.info.category & 0x1ff;
    const kind = code >= IO_READ && code <= IO_OTHER ? fdCategory(state) : category(event, state);
    return kinds.includes(kind);
  });
}

const hasFlag =
  (flag: number): Extractor =>
  (event) =>
    (event.info.flags & flag) !== 0;
const never: Extractor = () => null;
const deprecated = { deprecated: true };
const hidden = { hidden: true };
const argument = { argument: 'required', checkArgument: checkArgumentName } as const;

/** Names of system calls have a category bit of their own. */
const SYSCALL_BIT = 1 << 9;

const isSyscall = (info: EventInfo) => (info.category & SYSCALL_BIT) !== 0;

/** Nanoseconds between this event and the one before it in the stream. */
const sincePrevious = (event: Event, state: State): bigint => {
  const before = state.previousTs;
  return before === 0n ? 0n : event.ts - before;
};

/** A bigint as a value: a number while that is exact. */
export function exact(value: bigint): number | bigint {
  return value <= 9007199254740991n && value >= -9007199254740991n ? Number(value) : value;
}

const SECOND = 1000000000n;

export const EVT_FIELDS: readonly Field[] = [
  row(
    'evt.latency',
    'RELTIME',
    'event',
    'Was the time between the enter and exit event; there are no enter events any more.',
    never,
    deprecated,
  ),
  row('evt.latency.s', 'RELTIME', 'event', 'Whole seconds of evt.latency.', never, deprecated),
  row('evt.latency.ns', 'RELTIME', 'event', 'Nanoseconds below the second of evt.latency.', never, deprecated),
  row('evt.latency.quantized', 'UINT64', 'event', 'Logarithmic scale of evt.latency.', never, {
    ...deprecated,
    ...hidden,
  }),
  row('evt.latency.human', 'CHARBUF', 'event', 'evt.latency in a form for people.', never, deprecated),
  row('evt.deltatime', 'RELTIME', 'time', 'Nanoseconds since the event before this one.', (event, state) =>
    exact(sincePrevious(event, state)),
  ),
  row('evt.deltatime.s', 'RELTIME', 'time', 'Whole seconds of evt.deltatime.', (event, state) =>
    exact(sincePrevious(event, state) / SECOND),
  ),
  row('evt.deltatime.ns', 'RELTIME', 'time', 'Nanoseconds below the second of evt.deltatime.', (event, state) =>
    exact(sincePrevious(event, state) % SECOND),
  ),
  row(
    'evt.outputtime',
    'CHARBUF',
    'time',
    'The time at which the line is printed, which lags behind the event.',
    () => clockText(BigInt(Date.now()) * 1000000n),
    { printOnly: true },
  ),
  row(
    'evt.dir',
    'CHARBUF',
    'constant',
    'Direction: always "<" since events are produced when calls return.',
    (event) => (event.info.enter && isSyscall(event.info) ? '>' : '<'),
    deprecated,
  ),
  row('evt.type', 'CHARBUF', 'event', 'Name of the event, for system calls the name of the call.', (event) =>
    eventName(event),
  ),
  row(
    'evt.type.is',
    'UINT32',
    'event',
    '1 for events with the code given as argument, else 0.',
    {
      bind: (code) => {
        const wanted = Number(code);
        return (event) => (event.type === wanted ? 1 : 0);
      },
    },
    {
      argument: 'required',
      argumentHelp: 'an event code',
      checkArgument: (text) => (/^\d+$/.test(text) ? null : `wrong event code ${text}`),
    },
  ),
  row('syscall.type', 'CHARBUF', 'event', 'Name of the system call; no value for events that are none.', (event) =>
    isSyscall(event.info) ? eventName(event) : null,
  ),
  row(
    'evt.category',
    'CHARBUF',
    'event',
    'What the event is concerned with: file, net, IPC, memory, process, signal, user, time, other …; for reads and writes this is decided by what is read or written.',
    category,
  ),
  row('evt.cpu', 'INT16', 'event', 'Number of the CPU on which the event happened.', (event) => event.cpu),
  row('evt.args', 'CHARBUF', 'event', 'All parameters as one text, each as name=value.', allParamsText),
  row(
    'evt.arg',
    'CHARBUF',
    'event',
    'One parameter by name or position, in the form in which people read it: symbols for flags and errors, names for file descriptors.',
    { bind: bindArgument },
    { ...argument, argumentHelp: 'name or position of a parameter' },
  ),
  row(
    'evt.rawarg',
    'DYN',
    'event',
    'One parameter by name as the number or text that the kernel gave.',
    { bind: bindRawArgument },
    {
      ...argument,
      argumentHelp: 'name of a parameter',
      noRhs: true,
      noTransformer: true,
      bindPrint: bindRawArgumentText,
    },
  ),
  row('evt.info', 'CHARBUF', 'event', 'The same as evt.args for system calls.', allParamsText),
  row('evt.buffer', 'BYTEBUF', 'event', 'Bytes that were read or written, as far as they were captured.', buffer),
  row('evt.buflen', 'UINT64', 'event', 'Number of bytes that were read or written.', (event) => ioLength(event)),
  row('evt.res', 'CHARBUF', 'event', 'SUCCESS, or the symbol of the error with which the call failed.', (event) => {
    const value = result(event);
    if (value === null) return null;
    return value >= 0 ? 'SUCCESS' : errnoName(Number(value)) || value.toString();
  }),
  row('evt.rawres', 'INT64', 'event', 'Result of the call as a number; negative for an error.', (event) =>
    result(event),
  ),
  row('evt.failed', 'BOOL', 'event', 'Whether the call failed.', failed),
  row('evt.is_io', 'BOOL', 'event', 'Whether the event reads from or writes to a file descriptor.', hasFlag(isIo)),
  row('evt.is_io_read', 'BOOL', 'event', 'Whether the event reads from a file descriptor.', hasFlag(READS)),
  row('evt.is_io_write', 'BOOL', 'event', 'Whether the event writes to a file descriptor.', hasFlag(WRITES)),
  row('evt.io_dir', 'CHARBUF', 'event', '"read" or "write"; no value for other events.', (event) =>
    (event.info.flags & READS) !== 0 ? 'read' : (event.info.flags & WRITES) !== 0 ? 'write' : null,
  ),
  row(
    'evt.is_wait',
    'BOOL',
    'event',
    'Whether the call waits for something (sleep, poll …).',
    hasFlag(EventFlag.WAITS),
  ),
  row(
    'evt.wait_latency',
    'RELTIME',
    'event',
    'Was the time spent in waiting calls; there are no enter events any more.',
    never,
    deprecated,
  ),
  row(
    'evt.is_syslog',
    'BOOL',
    'event',
    'Whether the event writes to the system log at /dev/log.',
    (event, state) => (event.info.flags & WRITES) !== 0 && state.fd !== null && state.fd.name.includes('/dev/log'),
  ),
  row('evt.count', 'UINT32', 'constant', 'Always 1, to be summed up.', () => 1),
  row('evt.count.error', 'UINT32', 'event', '1 for events that failed.', one(failed)),
  row('evt.count.error.file', 'UINT32', 'event', '1 for events concerned with files that failed.', errorIn('file')),
  row('evt.count.error.net', 'UINT32', 'event', '1 for events concerned with the network that failed.', errorIn('net')),
  row(
    'evt.count.error.memory',
    'UINT32',
    'event',
    '1 for events concerned with memory that failed.',
    errorIn('memory'),
  ),
  row(
    'evt.count.error.other',
    'UINT32',
    'event',
    '1 for other events that failed.',
    one((event, state) => failed(event) && !['file', 'net', 'memory'].includes(category(event, state))),
  ),
  row(
    'evt.count.exit',
    'UINT32',
    'event',
    '1 for events at the return of a call.',
    one((event) => !event.info.enter),
  ),
  row(
    'evt.count.procinfo',
    'UINT32',
    'event',
    '1 for process information events of leaders.',
    one((event, state) => event.type === EventType.PROCINFO_E && state.thread?.isMain === true),
    hidden,
  ),
  row(
    'evt.count.threadinfo',
    'UINT32',
    'event',
    '1 for process information events.',
    one((event) => event.type === EventType.PROCINFO_E),
    hidden,
  ),
  row(
    'evt.around',
    'UINT64',
    'time',
    'Distance of the event in milliseconds from the time given as argument (nanoseconds since the epoch).',
    {
      bind: (text) => {
        const centre = BigInt(text ?? '0');
        return (event) => {
          const distance = event.ts - centre;
          return exact((distance < 0n ? -distance : distance) / 1000000n);
        };
      },
    },
    {
      filterOnly: true,
      noRhs: true,
      noTransformer: true,
      argument: 'required',
      argumentHelp: 'nanoseconds since the epoch',
      checkArgument: (text) => (/^\d+$/.test(text) ? null : `wrong time ${text}`),
    },
  ),
  row(
    'evt.abspath',
    'CHARBUF',
    'event',
    'Absolute path of the file that a call with directory descriptors names; src and dst tell the two of a rename or link apart.',
    { bind: bindAbspath },
    { argument: 'optional', argumentHelp: 'src or dst' },
  ),
  row('evt.buflen.in', 'UINT64', 'event', 'Bytes read.', lengthOf(READS, null), hidden),
  row('evt.buflen.out', 'UINT64', 'event', 'Bytes written.', lengthOf(WRITES, null), hidden),
  row('evt.buflen.file', 'UINT64', 'event', 'Bytes read from or written to files.', lengthOf(isIo, 'file'), hidden),
  row('evt.buflen.file.in', 'UINT64', 'event', 'Bytes read from files.', lengthOf(READS, 'file'), hidden),
  row('evt.buflen.file.out', 'UINT64', 'event', 'Bytes written to files.', lengthOf(WRITES, 'file'), hidden),
  row(
    'evt.buflen.net',
    'UINT64',
    'event',
    'Bytes received from or sent to the network.',
    lengthOf(isIo, 'net'),
    hidden,
  ),
  row('evt.buflen.net.in', 'UINT64', 'event', 'Bytes received from the network.', lengthOf(READS, 'net'), hidden),
  row('evt.buflen.net.out', 'UINT64', 'event', 'Bytes sent to the network.', lengthOf(WRITES, 'net'), hidden),
  row(
    'evt.is_open_read',
    'BOOL',
    'event',
    'Whether an open asks for reading.',
    (event) => (openFlags(event) & OpenFlag.RDONLY) !== 0,
  ),
  row(
    'evt.is_open_write',
    'BOOL',
    'event',
    'Whether an open asks for writing.',
    (event) => (openFlags(event) & OpenFlag.WRONLY) !== 0,
  ),
  row(
    'evt.infra.docker.name',
    'CHARBUF',
    'event',
    'Name of an infrastructure event of Docker; not produced any more.',
    never,
    hidden,
  ),
  row(
    'evt.infra.docker.container.id',
    'CHARBUF',
    'event',
    'Container of an infrastructure event of Docker; not produced any more.',
    never,
    hidden,
  ),
  row(
    'evt.infra.docker.container.name',
    'CHARBUF',
    'event',
    'Container name of an infrastructure event of Docker; not produced any more.',
    never,
    hidden,
  ),
  row(
    'evt.infra.docker.container.image',
    'CHARBUF',
    'event',
    'Image of an infrastructure event of Docker; not produced any more.',
    never,
    hidden,
  ),
  row(
    'evt.is_open_exec',
    'BOOL',
    'event',
    'Whether an open or creat makes a file with a permission to execute.',
    isOpenExec,
  ),
  row('evt.is_open_create', 'BOOL', 'event', 'Whether an open or creat made a new file.', isOpenCreate),
];

/**
 * The parameter, by name or position, that a field reads: that of `evt.arg[NAME]`, `evt.arg.NAME` and the same with
 * `evt.rawarg`; null for other fields.
 */
export function parameterOf({
  name,
  argument,
}: {
  readonly name: string;
  readonly argument: string | null;
}): string | null {
  if (name === 'evt.arg' || name === 'evt.rawarg') return argument;
  return name.startsWith('evt.arg.') ? name.slice(8) : name.startsWith('evt.rawarg.') ? name.slice(11) : null;
}

/** `evt.arg.NAME`, `evt.rawarg.NAME` and `evt.abspath.src` as fields of their own. */
export function dottedEvtField(name: string): Field | undefined {
  const match = /^(evt\.arg|evt\.rawarg|evt\.abspath)\.(.+)$/.exec(name);
  if (match === null) return undefined;
  const base = EVT_FIELDS.find((field) => field.name === match[1]) as Field;
  const text = match[2] as string;
  if (base.name === 'evt.abspath' ? text !== 'src' && text !== 'dst' : !ARGUMENT_TYPES.has(text)) return undefined;
  return {
    ...base,
    name,
    type: base.name === 'evt.rawarg' ? rawArgumentType(text) : base.type,
    argument: 'none',
    argumentHelp: null,
    checkArgument: undefined,
    bind: () => base.bind(text),
    bindPrint: base.bindPrint === null ? null : () => bindRawArgumentText(text),
  };
}
