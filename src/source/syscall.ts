import { readdirSync, readFileSync, statSync } from 'node:fs';
import {
  BpfError,
  type BpfMap,
  type BpfObject,
  type LoadOptions,
  loadObject,
  MapType,
  type MergedRings,
  mergeRings,
  onlineCpus,
  openRing,
  possibleCpus,
  type Ring,
  type Sys,
  systemCalls,
} from '../bpf/index.ts';
import { EVENTS, Event, EventType } from '../event/index.ts';
import type { Source, SourceStats } from './index.ts';
import { filterOpens, openAll, type ReadOpens } from './open-filter.ts';
import {
  DROP_CLASSES,
  descriptorUse,
  dropClass,
  FAMILIES,
  type Family,
  LAST_NUMBER,
  NR_I386_SOCKETCALL,
  type Numbering,
  STATE_EVENTS,
  socketcallTreatments,
  type Treatment,
  treatments,
  URING_OPERATIONS,
} from './syscall-table.ts';

/** Which processes are watched; decided in the kernel before anything is read. */
export type SyscallScope =
  /** The whole host. */
  | { readonly kind: 'all' }
  /** The processes in a control group and below: its directory, for instance `/sys/fs/cgroup/system.slice`. */
  | { readonly kind: 'cgroup'; readonly path: string }
  /** These processes, their descendants, and whoever is added later ({@link SyscallSource.arm}). */
  | { readonly kind: 'tree'; readonly pids: readonly number[] };

/** What the rules let the kernel leave out of the calls that are selected. */
export interface CallFilter {
  /** null: all opens are reported. */
  readonly opens: ReadOpens | null;
  /** Codes of calls on descriptors that are not reported where the descriptor's open was not. */
  readonly quiet: Iterable<number>;
  /** Numbers of the calls without an event of their own that are reported; null: all. */
  readonly generic: { readonly native: ReadonlySet<number>; readonly compat: ReadonlySet<number> } | null;
  /** By event code: reported only when the third argument has one of these bits. */
  readonly thirdArgument: ReadonlyMap<number, number>;
}

export interface SyscallOptions {
  readonly scope: SyscallScope;
  /** Event codes to report besides those that the state needs; every system call when absent. */
  readonly selected?: Iterable<number>;
  /** What of that need not be reported; nothing when absent or null. */
  readonly filter?: CallFilter | null;
  /** Size of each ring buffer in bytes, a power of two. */
  readonly ringBytes?: number;
  /** How many CPUs share a ring; all when absent or 0. Several rings are merged by the time of the events. */
  readonly cpusPerRing?: number;
  /** How many bytes of buffers read and written are kept. */
  readonly snaplen?: number;
  /** Refuse to watch the whole host; also by `WINDHOVER_REQUIRE_SCOPE=1`. */
  readonly requireScope?: boolean;
  /** With a tree: the source ends when its last process has, and what is left in the ring is read. */
  readonly endWithScope?: boolean;
  readonly sys?: Sys;
}

/** Live system calls through the eBPF probe. */
export interface SyscallSource extends Source {
  /** Watches the process from its next exec on (`tree` scope): whatever it does before is not seen. */
  arm(pid: number): void;
  /** Watches the process and its descendants from now on (`tree` scope). */
  add(pid: number): void;
  /**
   * The processes in scope; null when they are not known by number (`all`, `cgroup`). In a pid namespace of our own,
   * those that have done nothing yet have its numbers, the others the kernel's.
   */
  inScope(): number[] | null;
  /**
   * Changes what is reported; undefined: every system call, and null: without exception. Nothing is left out because
   * of what an earlier filter left out.
   */
  select(selected: Iterable<number> | undefined, filter?: CallFilter | null): void;
  /** Exact counts: `produced` events = delivered + those still in the ring + the drops. */
  counters(): SyscallCounters;
  /** Why parts of the probe could not be loaded on this kernel, by program. */
  readonly skipped: ReadonlyMap<string, string>;
}

export interface SyscallCounters {
  readonly produced: number;
  /** The same by CPU. */
  readonly producedPerCpu: readonly number[];
  /** By {@link DROP_CLASSES}. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Processes that the scope had no room for, which therefore are not watched. */
  readonly scopeFull: number;
  /**
   * Calls, births and ends, of whatever process, that no program saw, because it was preempted in another's on the same
   * CPU (kernels that let programs of tracepoints be preempted).
   */
  readonly missed: number;
}

export class ScopeRequiredError extends Error {
  override readonly name = 'ScopeRequiredError';
}

/** Where the compiled probe is. */
const PROBE = new URL('../../probe/windhover.bpf.o', import.meta.url);

const DEFAULT_RING = 32 << 20;
const DEFAULT_SNAPLEN = 80;

/** No record is longer: more than the size of `rec` in `struct scratch`, where the probe builds them. */
const LONGEST_RECORD = 64 << 10;

/** What stands in a ring record before the event: u16 cpu, u16 0, u32 events lost right before. */
const PREFIX = 8;

/** Values shared with probe/maps.h. */
const SCOPE = { all: 0, cgroup: 1, tree: 2 } as const;
const STATE = { ARMED: 1, ACTIVE: 2 } as const;
const SLOTS = 5;
const OTHER = { FORK: 0, EXEC: 1, EXIT: 2 } as const;
const UNIFIED = 0xffff_ffff;
/** `enum hierarchy`: control group hierarchies of version 1 that the probe can name. */
const HIERARCHIES = ['cpuset', 'cpu', 'cpuacct', 'io', 'memory'] as const;

/** Programs for the submission of io_uring requests: a kernel has the tracepoint of one of them. */
const URING_SUBMIT = ['wh_uring_submit_req', 'wh_uring_submit_sqe'];
/** Programs that some kernels do not take; without them the events that they give are missing, nothing else. */
const OPTIONAL = [...URING_SUBMIT, 'wh_uring_complete'];

/**
 * How long the thread blocks for data before the event loop gets a turn, in milliseconds: the kernel wakes nobody
 * for an event, because that would cost the watched process more than the event. Longer when nothing happens.
 */
const POLL_MS = 5;
const IDLE_POLL_MS = 20;
/** Empty looks after which nothing is said to happen. */
const IDLE_AFTER = 100;
/** How much is read before others get a turn, in bytes. */
const DRAIN_BYTES = 1 << 20;

/**
 * Loads the probe into the running kernel and attaches it. Needs CAP_BPF and CAP_PERFMON (root on old kernels);
 * reading the events needs neither. Everything goes away with {@link Source.close} or the process.
 * @throws ScopeRequiredError, BpfError
 */
export function openSyscallSource(options: SyscallOptions): SyscallSource {
  const { scope } = options;
  if (scope.kind === 'all' && (options.requireScope || process.env.WINDHOVER_REQUIRE_SCOPE === '1')) {
    throw new ScopeRequiredError(
      'refusing to watch the whole host: a scope is required (--require-scope or WINDHOVER_REQUIRE_SCOPE=1). ' +
        'Name a command (windhover run -- CMD), a process (--scope pid=N) or a control group (--scope cgroup=DIR).',
    );
  }
  const sys = options.sys ?? systemCalls();
  const ringBytes = options.ringBytes ?? DEFAULT_RING;
  const cpusPerRing = options.cpusPerRing ?? 0;
  const rings = cpusPerRing === 0 ? 1 : Math.ceil(onlineCpus() / cpusPerRing);
  const cgroup = scope.kind === 'cgroup' ? cgroupIdentity(scope.path) : undefined;
  const pidns = ownPidNamespace();
  const object = loadProbe({
    sys,
    optional: OPTIONAL,
    maps: {
      ring: { maxEntries: ringBytes },
      rings: { maxEntries: rings === 1 ? 1 : Math.ceil(possibleCpus() / cpusPerRing) },
      scratch: { maxEntries: possibleCpus() * SLOTS },
    },
    constants: {
      c_scope: SCOPE[scope.kind],
      // In a namespace of our own we do not know the kernel's number for us.
      c_self: pidns === undefined ? process.pid : 0,
      c_pidns_dev: pidns?.dev ?? 0n,
      c_pidns_ino: pidns?.ino ?? 0n,
      c_cgroup: cgroup?.id ?? 0n,
      c_cgroup_hierarchy: cgroup?.hierarchy ?? UNIFIED,
      c_epoch: epochOffset(sys),
      c_cpus_per_ring: rings === 1 ? 0 : cpusPerRing,
      c_snaplen: options.snaplen ?? DEFAULT_SNAPLEN,
      c_pointer_key: crypto.getRandomValues(new BigUint64Array(1))[0],
    },
  });
  try {
    return new LiveSource(object, options, openRings(object, rings, ringBytes, sys), sys, pidns !== undefined);
  } catch (error) {
    object.close();
    throw error;
  }
}

/** Loads the probe: as quick as it can be, or, where the kernel does not take it so, by what all kernels have. */
function loadProbe(options: LoadOptions): BpfObject {
  const probe = readFileSync(PROBE);
  try {
    return loadObject(probe, options);
  } catch (error) {
    if (!(error instanceof BpfError) || error.kind !== 'verifier') throw error;
    const constants = { ...options.constants, c_casts: 0 };
    return loadObject(probe, { ...options, constants, withoutFunctions: true });
  }
}

/** Maps the rings; several are first put where the probe finds them. */
function openRings(object: BpfObject, count: number, ringBytes: number, sys: Sys): Ring[] {
  const first = object.maps.get('ring')!;
  const rings = Array.from({ length: count }, (_, i) =>
    i === 0
      ? first
      : object.createMap({ ...first, name: `ring${i}`, type: MapType.RINGBUF, maxEntries: ringBytes, inner: null }),
  );
  if (count > 1) {
    const table = object.maps.get('rings')!;
    // CPUs that are plugged in later share the last one.
    for (let i = 0; i < table.maxEntries; i++) table.update(i, rings[Math.min(i, count - 1)].fd);
  }
  return rings.map(({ fd }) => openRing(fd, ringBytes, sys, LONGEST_RECORD));
}

class LiveSource implements SyscallSource {
  readonly name = 'syscall';
  readonly skipped: ReadonlyMap<string, string>;
  readonly #object: BpfObject;
  readonly #rings: readonly Ring[];
  /** null for a single ring. */
  readonly #merged: MergedRings | null;
  /** Where processes are put, and where the kernel keeps them. */
  readonly #scope: readonly BpfMap[] | null;
  readonly #endWithScope: boolean;
  readonly #event = new Event();
  #events = 0;
  /** How many filters of opens there were. */
  #filters = 0;
  #empty = 0;
  #ended = false;
  #open = true;

  constructor(object: BpfObject, options: SyscallOptions, rings: readonly Ring[], sys: Sys, inside: boolean) {
    this.#object = object;
    const hasSubmit = URING_SUBMIT.some((name) => object.programs.has(name));
    this.skipped = new Map([...object.skipped].filter(([name]) => !(hasSubmit && URING_SUBMIT.includes(name))));
    this.#endWithScope = options.endWithScope ?? false;
    const scopes = inside ? ['scope_ns', 'scope'] : ['scope'];
    this.#scope = options.scope.kind === 'tree' ? scopes.map((name) => this.#map(name)) : null;
    const programs = this.#map('programs');
    FAMILIES.forEach((family, index) => {
      programs.update(index, object.programs.get(programOf(family))!.fd);
    });
    this.select(options.selected, options.filter);
    this.#rings = rings;
    this.#merged = rings.length > 1 ? mergeRings(rings, PREFIX, sys) : null;
    this.#event.attach(rings[0].bytes, rings[0].view);
    const called = new Set(FAMILIES.map(programOf));
    for (const program of object.programs.values()) if (!called.has(program.name)) program.attach();
    if (options.scope.kind === 'tree') for (const pid of options.scope.pids) this.add(pid);
  }

  #map(name: string): BpfMap {
    return this.#object.maps.get(name)!;
  }

  select(selected: Iterable<number> | undefined, filter: CallFilter | null = null): void {
    const maps = {
      filter: this.#map('open_filter'),
      prefixes: this.#map('open_prefixes'),
      comms: this.#map('open_comms'),
      programs: this.#map('open_programs'),
    };
    // Off while the maps change, so that nothing is left out that either setting wants.
    openAll(maps);
    this.#selectCalls(selected, filter, filter?.opens ? [] : null);
    // What is known of descriptors is only followed from here on.
    const tables = this.#map('fd_tables');
    for (const key of [...tables.keys()]) tables.delete(key);
    if (!filter?.opens) return;
    this.#selectCalls(selected, filter, filterOpens(maps, filter.opens, ++this.#filters) ? filter.quiet : null);
  }

  /** `quiet`: see {@link CallFilter.quiet}; null: descriptors are not followed. */
  #selectCalls(
    selected: Iterable<number> | undefined,
    filter: CallFilter | null,
    quiet: Iterable<number> | null,
  ): void {
    const wanted = selected === undefined ? undefined : new Set([...selected, ...STATE_EVENTS]);
    const write = entryWriter(new Set(selected), filter?.thirdArgument, quiet);
    const generic = filter?.generic ?? null;
    const native: Numbering = process.arch === 'arm64' ? 'arm64' : 'x64';
    const nativeTable = treatments(native);
    const compatTable = native === 'x64' ? treatments('i386') : new Map<number, Treatment>();
    const calls = this.#map('syscalls');
    for (let nr = 0; nr < calls.maxEntries; nr++) {
      const value = Buffer.alloc(calls.valueSize);
      write(value, 0, treatment(nativeTable, nr, wanted, generic?.native));
      write(value, ENTRY, nr === NR_I386_SOCKETCALL ? SOCKETCALL : treatment(compatTable, nr, wanted, generic?.compat));
      if (nr === NR_I386_OLD_MMAP) value.fill(0, ENTRY + USE, ENTRY + USE + 5);
      calls.update(nr, value);
    }
    const socketcalls = this.#map('socketcalls');
    socketcallTreatments().forEach((entry, index) => {
      const value = Buffer.alloc(ENTRY);
      write(value, 0, entry !== undefined && isWanted(wanted, entry.event) ? entry : undefined);
      socketcalls.update(index, value);
    });
    const others = this.#map('others');
    for (const [index, code] of [
      [OTHER.FORK, 'SYSCALL_CLONE_20_X'],
      [OTHER.EXEC, 'SYSCALL_EXECVE_19_X'],
      [OTHER.EXIT, 'PROCEXIT_1_E'],
    ] as const) {
      const value = Buffer.alloc(ENTRY);
      write(value, 0, { event: EventType[code], family: 'numbers' });
      others.update(index, value);
    }
    const operations = this.#map('uring_ops');
    for (let op = 0; op < operations.maxEntries; op++) {
      const event = URING_OPERATIONS.get(op);
      const value = Buffer.alloc(ENTRY);
      write(value, 0, event !== undefined && isWanted(wanted, event) ? { event, family: 'numbers' } : undefined);
      // Whoever does such a thing through a ring has descriptors that are not followed.
      if (quiet !== null) value.writeUInt8(descriptorUse(EventType.SYSCALL_IO_URING_SETUP_X), USE);
      operations.update(op, value);
    }
  }

  async next(visit: (event: Event) => void, timeoutMs: number): Promise<number> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const delivered = this.#drain(visit);
      if (delivered > 0) this.#empty = 0;
      if (delivered > 0 || this.#ended || !this.#open) return delivered;
      if (this.#endWithScope && this.#scopeIsEmpty()) {
        // Whoever was in scope wrote its last event before it left: what is in the ring now is all.
        const last = this.#drain(visit);
        if (last === 0) this.#ended = true;
        return last;
      }
      const left = deadline - performance.now();
      if (left <= 0) return 0;
      (this.#merged ?? this.#rings[0]).wait(Math.min(left, this.#empty++ < IDLE_AFTER ? POLL_MS : IDLE_POLL_MS));
      await new Promise(setImmediate);
    }
  }

  #drain(visit: (event: Event) => void): number {
    const event = this.#event;
    if (this.#merged !== null) {
      return this.#merged.drain((ring, offset) => {
        event.attach(ring.bytes, ring.view);
        event.read(offset + PREFIX, ring.view.getUint16(offset, true), ++this.#events);
        visit(event);
      }, DRAIN_BYTES);
    }
    const [ring] = this.#rings;
    const { view } = ring;
    return ring.drain((offset) => {
      event.read(offset + PREFIX, view.getUint16(offset, true), ++this.#events);
      visit(event);
    }, DRAIN_BYTES);
  }

  #scopeIsEmpty(): boolean {
    return this.#scope?.every((map) => map.keys().next().done) ?? false;
  }

  get ended(): boolean {
    return this.#ended;
  }

  arm(pid: number): void {
    this.#put(pid, STATE.ARMED);
  }

  add(pid: number): void {
    this.#put(pid, STATE.ACTIVE);
    // Children that were born before their parent was in scope; those born meanwhile come in by themselves.
    const known = new Set([pid]);
    for (let found = true; found; ) {
      found = false;
      for (const [child, parent] of parents()) {
        if (!known.has(parent) || known.has(child)) continue;
        known.add(child);
        this.#put(child, STATE.ACTIVE);
        found = true;
      }
    }
  }

  #put(pid: number, state: number): void {
    if (this.#scope === null) throw new Error('only the scope of a process tree can be added to');
    this.#scope[0].update(pid, state);
  }

  inScope(): number[] | null {
    if (this.#scope === null) return null;
    return this.#scope.flatMap((map) => Array.from(map.keys(), (key) => Buffer.from(key).readUInt32LE(0)));
  }

  counters(): SyscallCounters {
    const producedPerCpu: number[] = [];
    let scopeFull = 0;
    const dropped = DROP_CLASSES.map(() => 0);
    for (const cpu of this.#map('counters').lookupPerCpu(0)) {
      producedPerCpu.push(Number(cpu.readBigUInt64LE(0)));
      dropped.forEach((_, index) => {
        dropped[index] += Number(cpu.readBigUInt64LE(8 + 8 * index));
      });
      scopeFull += Number(cpu.readBigUInt64LE(8 + 8 * dropped.length));
    }
    return {
      produced: producedPerCpu.reduce((sum, n) => sum + n, 0),
      producedPerCpu,
      dropped: Object.fromEntries(DROP_CLASSES.map((name, index) => [name, dropped[index]])),
      scopeFull,
      missed: [...this.#object.programs.values()].reduce((sum, { misses }) => sum + misses, 0),
    };
  }

  stats(): SourceStats {
    return { events: this.#events, drops: this.#open ? this.counters().dropped : {} };
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#ended = true;
    for (const ring of this.#rings) ring.close();
    this.#object.close();
  }
}

/** The program of a family: called by the one attached to sys_exit, not attached itself. */
function programOf(family: Family): string {
  return `wh_${family}`;
}

/**
 * `struct entry` of probe/maps.h: u16 type, u8 program, u8 class, u16 id, u8 nparams, u8 fds, u32 third, u8 quiet and
 * three bytes to spare.
 */
const ENTRY = 16;
const USE = 7;
/** `enum quiet`. */
const QUIET = { UNKNOWN: 1, STATE: 2 } as const;
/** The probe looks the function up in a table of its own; the event here only says that the call is wanted. */
const SOCKETCALL: Treatment = { event: EventType.GENERIC_X, family: 'socket' };
/** Its arguments are in memory. */
const NR_I386_OLD_MMAP = 90;

/** Writes how calls are handled; descriptors are only followed when there is a `quiet`. */
function entryWriter(
  selected: ReadonlySet<number>,
  thirdArgument: ReadonlyMap<number, number> | undefined,
  quiet: Iterable<number> | null,
): (value: Buffer, at: number, entry: Treatment | undefined) => void {
  const isQuiet = new Set(quiet);
  return (value, at, entry) => {
    if (entry === undefined) return;
    const { event, family } = entry;
    value.writeUInt16LE(event, at);
    value.writeUInt8(FAMILIES.indexOf(family), at + 2);
    value.writeUInt8(dropClass(event), at + 3);
    value.writeUInt8(EVENTS[event].params.length, at + 6);
    value.writeUInt8(quiet === null ? 0 : descriptorUse(event), at + USE);
    value.writeUInt32LE(thirdArgument?.get(event) ?? 0, at + 8);
    if (isQuiet.has(event)) value.writeUInt8(selected.has(event) ? QUIET.UNKNOWN : QUIET.STATE, at + 12);
  };
}

function isWanted(wanted: ReadonlySet<number> | undefined, event: number): boolean {
  return wanted === undefined || wanted.has(event);
}

function treatment(
  table: ReadonlyMap<number, Treatment>,
  nr: number,
  wanted: ReadonlySet<number> | undefined,
  generic: ReadonlySet<number> | undefined,
): Treatment | undefined {
  const own = table.get(nr);
  if (own !== undefined) return isWanted(wanted, own.event) ? own : undefined;
  return nr <= LAST_NUMBER && isWanted(wanted, EventType.GENERIC_X) && (generic?.has(nr) ?? true)
    ? { event: EventType.GENERIC_X, family: 'numbers' }
    : undefined;
}

/** Clock numbers of clock_gettime(2). */
const CLOCK_REALTIME = 0;
const CLOCK_BOOTTIME = 7;
const NR_CLOCK_GETTIME = process.arch === 'arm64' ? 113 : 228;

function clock(sys: Sys, id: number): bigint {
  const time = Buffer.alloc(16);
  sys.sys(NR_CLOCK_GETTIME, id, time);
  return time.readBigInt64LE(0) * 1_000_000_000n + time.readBigInt64LE(8);
}

/** What to add to the boot clock for nanoseconds since the epoch. */
function epochOffset(sys: Sys): bigint {
  return clock(sys, CLOCK_REALTIME) - clock(sys, CLOCK_BOOTTIME);
}

/** Inode of the initial pid namespace (PROC_PID_INIT_INO, include/linux/proc_ns.h). */
const INITIAL_PIDNS = 0xefff_fffcn;

/** The pid namespace of this process, in which the numbers of processes are not those that the kernel counts by. */
function ownPidNamespace(): { dev: bigint; ino: bigint } | undefined {
  const { dev, ino } = statSync('/proc/self/ns/pid', { bigint: true });
  return ino === INITIAL_PIDNS ? undefined : { dev, ino };
}

/** The kernel's number of a control group is the inode of its directory; its hierarchy follows from the mount. */
function cgroupIdentity(path: string): { id: bigint; hierarchy: number } {
  const id = statSync(path, { bigint: true }).ino;
  let best = { at: '', hierarchy: UNIFIED };
  for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n')) {
    const [, at, type, mountOptions] = line.split(' ');
    if ((type !== 'cgroup' && type !== 'cgroup2') || !`${path}/`.startsWith(`${at}/`) || at.length < best.at.length)
      continue;
    const names = mountOptions.split(',').map((name) => (name === 'blkio' ? 'io' : name));
    const hierarchy = type === 'cgroup2' ? UNIFIED : HIERARCHIES.findIndex((name) => names.includes(name));
    best = { at, hierarchy };
  }
  if (best.at === '' || best.hierarchy < 0) {
    throw new Error(`${path} is no control group of the unified hierarchy or of ${HIERARCHIES.join(', ')}`);
  }
  return { id, hierarchy: best.hierarchy };
}

/** Every process and its parent. */
function* parents(): Generator<[pid: number, parent: number]> {
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      yield [pid, Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])];
    } catch {
      // It ended meanwhile.
    }
  }
}
