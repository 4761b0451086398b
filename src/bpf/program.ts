import { release } from 'node:os';
import { latin1 } from '../bytes.ts';
import { Attr, Cmd } from './command.ts';
import { BpfError } from './error.ts';
import { INSN, POISON } from './insn.ts';
import { explain } from './permission.ts';
import { Errno, errnoName, NR, type Sys } from './sys.ts';

/** How a program is called: by its section's name. */
export interface ProgramType {
  readonly kind: 'raw_tp' | 'tp_btf' | 'syscall';
  /** The tracepoint; '' for `syscall`, and for programs that others call through a map of programs. */
  readonly tracepoint: string;
}

/** A program ready for the kernel: relocated, with its functions behind it. */
export interface ProgramCode {
  readonly name: string;
  readonly type: ProgramType;
  readonly code: Uint8Array;
  readonly license: string;
  /** tp_btf: the kernel's id of `btf_trace_<tracepoint>`; 0 elsewhere. */
  readonly traceType: number;
  /** What was made impossible because the kernel lacks it, by instruction index. */
  readonly poisoned: ReadonlyMap<number, string>;
}

/** A program that the kernel holds. */
export interface BpfProgram {
  readonly name: string;
  readonly type: ProgramType;
  readonly fd: number;
  /** The kernel's id of the program, as bpftool shows it. */
  readonly id: number;
  readonly attached: boolean;
  /**
   * How often the kernel did not run the program because it was already at work on that CPU: for another task that was
   * preempted in it, where kernels allow that. 0 where the kernel does not tell (before 5.12, and without the right to ask).
   */
  readonly misses: number;
  /** From here on the kernel calls it. Ends with {@link close}, or with the process. */
  attach(): void;
  /** Runs a `syscall` program once with `context` as its argument (which it may change); the program's result. */
  run(context?: Uint8Array): number;
  close(): void;
}

/** `raw_tp/sys_exit`, or `raw_tp` for one that is not attached → how the kernel calls it; undefined for sections that hold no program. */
export function programType(section: string): ProgramType | undefined {
  if (section === 'syscall') return { kind: 'syscall', tracepoint: '' };
  if (section === 'raw_tp') return { kind: 'raw_tp', tracepoint: '' };
  const match = /^(raw_tp|raw_tracepoint|tp_btf)\/(\w+)$/.exec(section);
  if (match === null) return undefined;
  return { kind: match[1] === 'tp_btf' ? 'tp_btf' : 'raw_tp', tracepoint: match[2] };
}

/** enum bpf_prog_type. */
const PROG_TYPE = { raw_tp: 17, tp_btf: 26, syscall: 31 } as const;
/** enum bpf_attach_type: BPF_TRACE_RAW_TP. */
const TRACE_RAW_TP = 23;
/** `syscall` programs must be marked as sleepable. */
const SLEEPABLE = 1 << 4;

const RETRIES = 10;

/** Has the kernel verify and take a program. */
export function loadProgram(sys: Sys, program: ProgramCode): BpfProgram {
  const license = Buffer.from(`${program.license}\0`, 'latin1');
  const attempt = (level: number, log: Uint8Array | null): number => {
    const attr = new Attr(sys, 120)
      .u32(0, PROG_TYPE[program.type.kind])
      .u32(4, program.code.length / INSN)
      .pointer(8, program.code)
      .pointer(16, license)
      .name(48, program.name);
    if (program.type.kind === 'tp_btf') attr.u32(68, TRACE_RAW_TP).u32(108, program.traceType);
    if (program.type.kind === 'syscall') attr.u32(44, SLEEPABLE);
    if (log !== null) attr.u32(24, level).u32(28, log.length).pointer(32, log);
    return attr.call(Cmd.PROG_LOAD);
  };
  let fd = attempt(0, null);
  // The verifier gives up when a signal arrives, as one does every millisecond under a profiler.
  for (let i = 0; i < RETRIES && fd === -Errno.EAGAIN; i++) fd = attempt(0, null);
  if (fd >= 0) return openProgram(sys, program, fd);
  if (fd === -Errno.EPERM || fd === -Errno.ENOSYS)
    throw explain(sys, 'verifier', `loading program ${program.name}`, -fd);
  throw rejected(program, -fd, verifierLog(attempt));
}

/** Loads once more with a log; old kernels keep the beginning of one that is too small, so it must hold all. */
function verifierLog(attempt: (level: number, log: Uint8Array) => number): string {
  const LOG_STEPS = 1;
  const LOG_ERRORS_ONLY = 4;
  let log = Buffer.alloc(0);
  for (const [level, size] of [
    [LOG_STEPS, 1 << 20],
    [LOG_STEPS, (1 << 24) - 1],
    [LOG_ERRORS_ONLY, 1 << 20],
  ]) {
    log = Buffer.alloc(size);
    const result = attempt(level, log);
    if (result >= 0) return '';
    if (result !== -Errno.ENOSPC) break;
  }
  const end = log.indexOf(0);
  return latin1(log, 0, end < 0 ? log.length : end);
}

/** How many of the log's last lines are shown. */
const LOG_LINES = 20;

function rejected(program: ProgramCode, errno: number, log: string): BpfError {
  const kernel = release();
  const at = new RegExp(`^(\\d+): \\(85\\) call unknown#${POISON}`, 'm').exec(log);
  const missing = at === null ? undefined : program.poisoned.get(Number(at[1]));
  if (missing !== undefined) {
    return new BpfError(
      'relocation',
      `program ${program.name} needs ${missing}, which this kernel (${kernel}) does not have in that form`,
    );
  }
  const lines = [
    '',
    ...log
      .split('\n')
      .filter((line) => line !== '')
      .slice(-LOG_LINES),
  ];
  return new BpfError(
    'verifier',
    `program ${program.name} was rejected by this kernel (${kernel}): ${errnoName(errno)}${lines.join('\n')}`,
  );
}

function openProgram(sys: Sys, { name, type }: ProgramCode, fd: number): BpfProgram {
  let link = -1;
  let open = true;
  const ask = (info: Buffer): number =>
    new Attr(sys, 16).u32(0, fd).u32(4, info.length).pointer(8, info).call(Cmd.OBJ_GET_INFO_BY_FD);
  return {
    name,
    type,
    fd,
    get id() {
      const info = Buffer.alloc(8);
      const result = ask(info);
      if (result < 0) throw new BpfError('object', `asking for program ${name}: ${errnoName(-result)}`);
      return info.readUInt32LE(4);
    },
    get misses() {
      // `recursion_misses` of struct bpf_prog_info.
      const info = Buffer.alloc(216);
      return ask(info) < 0 ? 0 : Number(info.readBigUInt64LE(208));
    },
    get attached() {
      return link >= 0;
    },
    attach() {
      if (link >= 0) return;
      const attr = new Attr(sys, 16).u32(8, fd);
      if (type.tracepoint === '') throw new BpfError('attach', `program ${name} is not for a tracepoint`);
      if (type.kind === 'raw_tp') attr.pointer(0, Buffer.from(`${type.tracepoint}\0`, 'latin1'));
      const result = attr.call(Cmd.RAW_TRACEPOINT_OPEN);
      if (result === -Errno.ENOENT) {
        throw new BpfError(
          'attach',
          `program ${name}: this kernel (${release()}) has no tracepoint ${type.tracepoint}`,
        );
      }
      if (result < 0) throw explain(sys, 'attach', `attaching program ${name} to ${type.tracepoint}`, -result);
      link = result;
    },
    run(context) {
      const attr = new Attr(sys, 80).u32(0, fd);
      if (context !== undefined) attr.u32(40, context.length).pointer(48, context);
      const result = attr.call(Cmd.PROG_TEST_RUN);
      if (result < 0) throw explain(sys, 'object', `running program ${name}`, -result);
      return attr.bytes.readInt32LE(4);
    },
    close() {
      if (link >= 0) sys.sys(NR.close, link);
      if (open) sys.sys(NR.close, fd);
      link = -1;
      open = false;
    },
  };
}
