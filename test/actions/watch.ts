import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Event, ParamType } from '../../src/event/index.ts';
import { runScoped } from '../../src/source/run.ts';
import { openSyscallSource, type SyscallOptions, type SyscallSource } from '../../src/source/syscall.ts';

/** One parameter, copied out of the ring. */
export interface WatchedParam {
  readonly name: string;
  readonly type: ParamType;
  readonly bytes: Buffer;
}

/** An event, copied out of the ring. */
export interface WatchedEvent {
  readonly ts: bigint;
  readonly tid: number;
  readonly code: string;
  readonly name: string;
  readonly params: readonly WatchedParam[];
}

export interface Watched {
  readonly events: WatchedEvent[];
  readonly status: number;
  readonly pid: number;
  /** Events that the probe built for it, and those that arrived. */
  readonly produced: number;
  readonly delivered: number;
}

/** Our parameters behind the table's. */
const EXTRA: readonly (readonly [string, ParamType])[] = [
  ['wh.flags', 'FLAGS32'],
  ['wh.path', 'CHARBUF'],
  ['wh.dev', 'UINT32'],
  ['wh.ino', 'UINT64'],
  ['wh.path2', 'CHARBUF'],
];

/** A parameter that is a text, as a byte string; '' when the event has none of that name. */
export function text({ params }: Pick<WatchedEvent, 'params'>, name: string): string {
  const param = params.find((one) => one.name === name);
  return param?.bytes.toString('latin1').replace(/\0$/, '') ?? '';
}

export function copyEvent(event: Event): WatchedEvent {
  const { info } = event;
  const params = Array.from({ length: event.nparams }, (_, i): WatchedParam => {
    const [name, type] =
      i < info.params.length ? [info.params[i].name, info.params[i].type] : EXTRA[i - info.params.length];
    const from = event.offset(i);
    return { name, type, bytes: Buffer.from(event.buffer.subarray(from, from + event.len(i))) };
  });
  return { ts: event.ts, tid: event.tid, code: info.code, name: info.name, params };
}

/** Why live events cannot be had here; undefined when they can. */
export function cannotWatch(): string | undefined {
  if (process.getuid?.() !== 0) return 'loading eBPF programs needs root';
  if (!existsSync('/sys/kernel/btf/vmlinux'))
    return 'this kernel does not describe its types (no /sys/kernel/btf/vmlinux)';
  return undefined;
}

/** A probe for a whole test file: loading it takes longer than most workloads. Nothing is in scope until something runs. */
export function openWatch(options: Partial<SyscallOptions> = {}): SyscallSource {
  return openSyscallSource({ scope: { kind: 'tree', pids: [] }, ringBytes: 16 << 20, ...options });
}

/** Runs a command in the scope of a source and collects what it and its children do, to the last one's end. */
export async function watch(
  source: Pick<SyscallSource, 'arm' | 'inScope' | 'counters' | 'stats' | 'next'>,
  argv: readonly string[],
): Promise<Watched> {
  const before = { counters: source.counters().produced, delivered: source.stats().events };
  const run = runScoped(argv, source, { stdio: ['ignore', 'ignore', 'inherit'], env: { PATH: process.env.PATH } });
  const events: WatchedEvent[] = [];
  const collect = (event: Event): void => void events.push(copyEvent(event));
  let status: number | undefined;
  void run.status.then((value) => {
    status = value;
  });
  for (;;) {
    const over = status !== undefined && source.inScope()?.length === 0;
    // What was written before the last process left is in the ring by now.
    if ((await source.next(collect, over ? 0 : 50)) === 0 && over) break;
  }
  return {
    events,
    status: await run.status,
    pid: run.pid,
    produced: source.counters().produced - before.counters,
    delivered: source.stats().events - before.delivered,
  };
}

/** In a virtual machine without a compiler the program is brought along. */
let compiled: string | undefined = process.env.WINDHOVER_TEST_WORKLOAD;

/** The compiled workload; undefined where there is no C compiler. */
export function workload(): string | undefined {
  if (compiled !== undefined) return compiled;
  const source = fileURLToPath(new URL('workload.c', import.meta.url));
  const directory = mkdtempSync(join(tmpdir(), 'windhover-actions-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const output = join(directory, 'workload');
  try {
    execFileSync('gcc', ['-static', '-O1', '-w', '-o', output, source], { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return (compiled = realpathSync(output));
}

/** Runs one family of the workload in an empty directory, and gives what it did between its marks. */
export async function watchFamily(
  source: SyscallSource,
  family: string,
): Promise<Watched & { lines: string[]; directory: string }> {
  const program = workload();
  if (program === undefined) throw new Error('no C compiler (gcc)');
  const directory = mkdtempSync('/tmp/windhover-family-');
  mkdirSync(join(directory, 'w'));
  const place = join(directory, 'w');
  try {
    const watched = await watch(source, [program, family, place]);
    return { ...watched, directory: place, lines: normalise(betweenMarks(watched), watched.pid, place, program) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The workload closes this descriptor before and behind what counts. */
const MARK = -1000n;

function betweenMarks({ events, pid }: Watched): WatchedEvent[] {
  const marks = events.flatMap((event, index) =>
    event.tid === pid && event.code === 'SYSCALL_CLOSE_X' && event.params[1].bytes.readBigInt64LE(0) === MARK
      ? [index]
      : [],
  );
  return events.slice(marks[0] + 1, marks[1] ?? events.length);
}

/** What a C library does when a program starts. */
const STARTUP = new Set([
  'SYSCALL_BRK_4_X',
  'SYSCALL_PRLIMIT_X',
  'SYSCALL_MUNMAP_X',
  'SYSCALL_NEWFSTATAT_X',
  'SYSCALL_FUTEX_X',
]);
/** Calls without an event of their own, by number: only getppid is asked for. */
const GETPPID = 110;

function isNoise(event: WatchedEvent, leader: boolean): boolean {
  if (STARTUP.has(event.code)) return true;
  if (event.code === 'GENERIC_X') return event.params[1].bytes.readUInt16LE(0) !== GETPPID;
  return !leader && event.code === 'SYSCALL_MPROTECT_X';
}

/** Values that depend on the machine, its memory or the time. */
const VOLATILE =
  /^(vm_.*|pgft_.*|cgroups|loginuid|tty|exe_ino.*|pidns_init_start_ts|dev|ino|wh\.dev|wh\.ino|fdlimit|source|peer|features|ID)$/;

const WH_FLAGS = ['resolved', 'deleted', 'memfd', 'truncated', 'compat', 'uring', 'mismatch', 'untrusted', 'absent'];

/** One line an event, grouped by thread in the order of their first events; without what differs from run to run. */
function normalise(events: readonly WatchedEvent[], leader: number, directory: string, program: string): string[] {
  const groups = new Map<number, WatchedEvent[]>([[leader, []]]);
  for (const event of events) {
    if (isNoise(event, event.tid === leader)) continue;
    const group = groups.get(event.tid);
    if (group === undefined) groups.set(event.tid, [event]);
    else group.push(event);
  }
  const threads = [...groups.keys()];
  const ports: number[] = [];
  const context: Context = {
    thread: (id) => (threads.includes(id) ? `T${threads.indexOf(id)}` : 'T?'),
    port: (port) => {
      if (port < 1024) return String(port);
      if (!ports.includes(port)) ports.push(port);
      return `port${ports.indexOf(port)}`;
    },
    text: (bytes) =>
      JSON.stringify(bytes.toString('latin1').replace(/\0$/, ''))
        .replaceAll(directory, 'DIR')
        .replaceAll(program, 'PROGRAM')
        .replaceAll(/#\d+/g, '#N')
        .replaceAll(/(a|b)\1{99,}/g, (run) => `${run[0]}*${run.length}`)
        .replace(/^".ELF.*/, 'ELF'),
  };
  return [...groups.values()].flat().map((event) => {
    // A program started from a descriptor is called after its number by old kernels, after its file by new ones.
    const fromFd = event.params.some(({ name, bytes }) => name === 'filename' && bytes.includes('/dev/fd/'));
    const isOpen = (name: string): boolean =>
      VOLATILE.test(name) || (event.name === 'execve' && (name.startsWith('cap_') || (fromFd && name === 'comm')));
    const words = event.params
      .filter(({ name }) => !isOpen(name))
      .map((param) => `${param.name}=${show(event, param, context)}`);
    return [context.thread(event.tid), event.code, ...words].join(' ');
  });
}

interface Context {
  readonly thread: (id: number) => string;
  readonly port: (port: number) => string;
  readonly text: (bytes: Buffer) => string;
}

function show({ code }: WatchedEvent, { name, type, bytes }: WatchedParam, context: Context): string {
  if (bytes.length === 0) return '-';
  if (name === 'wh.flags') {
    const bits = bytes.readUInt32LE(0);
    return `[${WH_FLAGS.filter((_, bit) => bits & (1 << bit)).join(',')}]`;
  }
  if (/^SYSCALL_(MMAP|MPROTECT)/.test(code) && /^(res|addr)$/.test(name) && bytes.readBigInt64LE(0) > 0n)
    return 'ADDRESS';
  // Kernels without modules have another reason to refuse.
  if (/_MODULE_X$/.test(code) && name === 'res') return bytes.readBigInt64LE(0) < 0n ? 'REFUSED' : '0';
  switch (type) {
    case 'PID': {
      const id = Number(bytes.readBigInt64LE(0));
      return id <= 0 ? String(id) : context.thread(id);
    }
    case 'SOCKTUPLE':
    case 'SOCKADDR':
      return socket(type, bytes, context);
    case 'DYN':
      return bytes[0] === 0 && bytes.readBigUInt64LE(1) > 0xffffn ? 'ADDRESS' : bytes.toString('hex');
    case 'CHARBUF':
    case 'FSPATH':
    case 'FSRELPATH':
    case 'BYTEBUF':
      return context.text(bytes);
    default: {
      const value = integer(bytes, type);
      // How long the program itself is.
      return value > 100_000n && /^(res|size)$/.test(name)
        ? 'SIZE'
        : /FLAGS|MODE/.test(type)
          ? `0x${value.toString(16)}`
          : String(value);
    }
  }
}

function integer(bytes: Buffer, type: ParamType): bigint {
  const signed = /^(INT|ERRNO|FD)/.test(type);
  if (bytes.length === 8) return signed ? bytes.readBigInt64LE(0) : bytes.readBigUInt64LE(0);
  return BigInt(signed ? bytes.readIntLE(0, bytes.length) : bytes.readUIntLE(0, bytes.length));
}

/** Family, then one end or both. */
function socket(type: ParamType, bytes: Buffer, { port, text }: Context): string {
  const end = (at: number): string =>
    bytes[0] === 2
      ? `${[...bytes.subarray(at, at + 4)].join('.')}:${port(bytes.readUInt16LE(at + 4))}`
      : `[${bytes.subarray(at, at + 16).toString('hex')}]:${port(bytes.readUInt16LE(at + 16))}`;
  switch (`${bytes[0]} ${bytes.length}`) {
    case '2 7':
    case '10 19':
      return end(1);
    case '2 13':
      return `${end(1)}->${end(7)}`;
    case '10 37':
      return `${end(1)}->${end(19)}`;
    default:
      // Of a tuple's two sides only the identities are known, which differ from run to run.
      return `unix ${text(bytes.subarray(type === 'SOCKTUPLE' ? 17 : 1))}`;
  }
}
