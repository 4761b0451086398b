/** Live system calls: the probe with the scope, the selection of events and the command that a setup asks for. */
import { onlineCpus, releaseProgramFile } from '../bpf/index.ts';
import type { Config } from '../config/index.ts';
import { deriveFilter } from '../engine/index.ts';
import { EVENTS, EventType } from '../event/index.ts';
import { syscallNumbers, watchNames } from '../fields/index.ts';
import { log } from '../log.ts';
import type { Source } from '../source/index.ts';
import { GATE_FD, type HeldRun, holdScoped } from '../source/index.ts';
import { type CallFilter, openSyscallSource, type SyscallScope, type SyscallSource } from '../source/syscall.ts';
import { ProcReader, readContainerUsers, State } from '../state/index.ts';
import { BEHAVIOUR_EVENTS } from './behaviour.ts';
import type { PipelineSetup } from './contract.ts';
import type { EventTotals } from './drops.ts';
import { type OpenSource, SourceError } from './open-source.ts';
import type { LoadedRules } from './rule-set.ts';

/** Loads the probe. Throws {@link SourceError} in words for the user. */
export function openLive(setup: PipelineSetup, rules: LoadedRules): OpenSource {
  const { config } = setup;
  // Configuration and rules are loaded, and what did it is not needed while events are judged.
  releaseProgramFile();
  const proc = new ProcReader();
  const state = new State({
    threadTableSize: config.falco_libs.thread_table_size,
    threadTimeoutSeconds: config.falco_libs.thread_table_auto_purging_thread_timeout_s,
    purgeIntervalSeconds: config.falco_libs.thread_table_auto_purging_interval_s,
    lookup: (tid) => proc.lookup(tid),
    exists: (tid) => proc.exists(tid),
    containerUsers: readContainerUsers,
  });
  const source = open(setup, rules);
  // Events wait in the ring meanwhile, so nothing falls between what is there and what happens.
  const run = setup.command === null ? null : holdScoped(setup.command, source);
  const scope = source.inScope();
  proc.readInitialState(state.sink, scope === null ? 'all' : run === null || run.pid < 0 ? scope : [...scope, run.pid]);
  watchNames(rules.active.map((rule) => rule.condition));
  // The gate's own descriptor is closed before the command begins.
  if (run !== null) state.threads.get(run.pid)?.fds.delete(GATE_FD);
  for (const [program, reason] of source.skipped) {
    if (!hasAlternative(program, source.skipped))
      log.warning(`The kernel does not take the program ${program}: ${reason}`);
  }
  let command: Command | null = null;
  let totals = noTotals();
  return {
    name: 'syscall',
    engine: 'modern_bpf',
    state,
    source: closing(
      source,
      () => {
        totals = read(source);
      },
      () => command?.status !== undefined && command.status !== null,
    ),
    totals: () => (source.ended ? totals : read(source)),
    select(next) {
      watchNames(next.active.map((rule) => rule.condition));
      source.select(selection(next, setup), callFilter(next, setup));
      learnDescriptors(state, proc);
    },
    ...(run === null
      ? {}
      : {
          start() {
            command = startCommand(run, setup.command?.[0] ?? '');
          },
          signal: (signal) => command?.signal(signal) ?? false,
          commandStatus: () => command?.status ?? null,
        }),
  };
}

/** A kernel has the tracepoint of one of these programs; the other one is not missed. */
const ALTERNATIVES = ['wh_uring_submit_req', 'wh_uring_submit_sqe'];

function hasAlternative(program: string, skipped: ReadonlyMap<string, string>): boolean {
  return ALTERNATIVES.includes(program) && !ALTERNATIVES.every((name) => skipped.has(name));
}

function open(setup: PipelineSetup, rules: LoadedRules): SyscallSource {
  const { config, command } = setup;
  try {
    return openSyscallSource({
      scope: command === null ? scopeOf(config.windhover.scope) : { kind: 'tree', pids: [] },
      selected: selection(rules, setup),
      filter: callFilter(rules, setup),
      ...ringLayout(config),
      snaplen: config.falco_libs.snaplen,
      requireScope: config.windhover.require_scope,
    });
  } catch (error) {
    throw new SourceError((error as Error).message);
  }
}

/** `everything`, `cgroup=DIRECTORY` or `pid=N,N`. */
export function scopeOf(text: string): SyscallScope {
  if (text === 'everything') return { kind: 'all' };
  const [kind, value = ''] = text.split(/=(.*)/s);
  if (kind === 'cgroup' && value.startsWith('/')) return { kind: 'cgroup', path: value };
  if (kind === 'pid' && /^\d+(,\d+)*$/.test(value)) return { kind: 'tree', pids: value.split(',').map(Number) };
  throw new SourceError(`'${text}' is no scope: use everything, cgroup=DIRECTORY or pid=NUMBER`);
}

/** CPUs that share a ring when nothing else is asked for: up to so many, one ring is no place to wait at. */
const CPUS_PER_RING = 8;
/** What `cpus_for_each_buffer` is when nobody sets it. */
const FALCO_CPUS_PER_BUFFER = 2;

/**
 * How many CPUs share a ring (0: all), and its size in bytes. Falco's buffers, a preset for each group of CPUs, are
 * put together, because rings that few CPUs share fill one by one.
 */
export function ringLayout(
  { engine }: { readonly engine: Pick<Config['engine'], 'modern_ebpf'> },
  cpus: number = onlineCpus(),
): { readonly cpusPerRing: number; readonly ringBytes: number } {
  const { buf_size_preset: preset, cpus_for_each_buffer: asked } = engine.modern_ebpf;
  const bytes = 2 ** (preset - 1) * (1 << 20);
  if (asked === 0) return { cpusPerRing: 0, ringBytes: bytes };
  if (asked !== FALCO_CPUS_PER_BUFFER) return { cpusPerRing: asked < cpus ? asked : 0, ringBytes: bytes };
  const together = Math.ceil(cpus / FALCO_CPUS_PER_BUFFER) * bytes;
  const rings = Math.ceil(cpus / CPUS_PER_RING);
  return { cpusPerRing: rings === 1 ? 0 : CPUS_PER_RING, ringBytes: 2 ** Math.ceil(Math.log2(together / rings)) };
}

/** Codes of the events that rules can match, with what `base_syscalls` adds; undefined for all. */
function selection(
  { active }: LoadedRules,
  { config, record, behaviour }: PipelineSetup,
): Iterable<number> | undefined {
  const { all, custom_set: custom } = config.base_syscalls;
  if (all || record !== null) return undefined;
  const codes = new Set<number>(behaviour ? BEHAVIOUR_EVENTS : []);
  for (const rule of active) if (rule.source === 'syscall') for (const code of rule.eventTypes) codes.add(code);
  for (const entry of custom) {
    const name = entry.replace(/^!/, '');
    for (const { name: event, type } of EVENTS) {
      if (event !== name) continue;
      if (entry.startsWith('!')) codes.delete(type);
      else codes.add(type);
    }
  }
  return codes;
}

/**
 * What the rules let the kernel leave out; null when more than rules look at the events, or the configuration asks for more.
 */
function callFilter({ active }: LoadedRules, { config, record, behaviour }: PipelineSetup): CallFilter | null {
  const { all, custom_set: custom } = config.base_syscalls;
  if (all || record !== null || config.capture.enabled || behaviour) return null;
  const filter = deriveFilter(active.filter(({ source }) => source === 'syscall'));
  const { opens, quiet, generic, thirdArgument } = filter;
  const asked = (type: number): boolean => custom.includes(EVENTS[type]?.name ?? '');
  return {
    opens,
    quiet: quiet.filter((type) => !asked(type)),
    generic: generic === null || asked(EventType.GENERIC_X) ? null : syscallNumbers(new Set([...generic, ...custom])),
    thirdArgument: new Map([...thirdArgument].filter(([type]) => !asked(type))),
  };
}

/** What an earlier filter left out may matter to the next rules: the descriptors of which nothing is known are looked up. */
function learnDescriptors(state: State, proc: ProcReader): void {
  for (const thread of state.threads) {
    if (!thread.isMain || thread.dead) continue;
    for (const entry of proc.fds(thread.tid)) if (thread.fds.get(entry.fd) === null) state.sink.fd(entry);
  }
}

function noTotals(): EventTotals {
  return { events: 0, drops: 0, byReason: {} };
}

function read(source: SyscallSource): EventTotals {
  const { produced, producedPerCpu, dropped, missed } = source.counters();
  const drops = Object.values(dropped).reduce((sum, n) => sum + n, 0);
  // Of whatever process, so no part of the drops of those that are watched.
  const byReason: Record<string, number> = { buffer_total: drops, preempted: missed };
  for (const [name, count] of Object.entries(dropped)) {
    byReason[`buffer_${name === 'other' ? 'other_interest' : name}_exit`] = count;
  }
  return { events: produced - drops, drops, byReason, perCpu: producedPerCpu };
}

/** The source, which ends once the command has and its last events are read, and tells before it closes. */
function closing(source: SyscallSource, beforeClose: () => void, commandEnded: () => boolean): Source {
  let ended = false;
  return {
    name: source.name,
    async next(visit, timeoutMs) {
      const over = commandEnded();
      const delivered = await source.next(visit, over ? 0 : timeoutMs);
      if (over && delivered === 0) ended = true;
      return delivered;
    },
    get ended() {
      return ended || source.ended;
    },
    stats: () => source.stats(),
    close() {
      beforeClose();
      source.close();
    },
  };
}

interface Command {
  /** null while it runs. */
  readonly status: number | null;
  /** Passes a signal on; false when it has ended. */
  signal(signal: NodeJS.Signals): boolean;
}

/** Lets a held command go. */
function startCommand(run: HeldRun, name: string): Command {
  const command = {
    status: null as number | null,
    signal: (signal: NodeJS.Signals) => command.status === null && run.child.kill(signal),
  };
  run.status.then(
    (status) => {
      command.status = status;
    },
    (error: Error) => {
      log.error(`Cannot start ${name}: ${error.message}`);
      command.status = 127;
    },
  );
  run.go();
  return command;
}
