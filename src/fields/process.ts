import type { Event } from '../event/index.ts';
import type { Value } from '../rules/catalogue.ts';
import { currentDirectory, FD_TYPE_NAMES, type Fd, joinArgs, type State, type Thread } from '../state/index.ts';
import { capabilityNames } from './capabilities.ts';
import { exact } from './evt.ts';
import { type Extractor, type Field, rowMaker } from './field.ts';

const row = rowMaker('process', { sources: ['syscall'] });

/** Reads something of the event's thread. */
const of =
  (read: (thread: Thread, state: State) => Value | null): Extractor =>
  (_, state) =>
    state.thread === null ? null : read(state.thread, state);

/** Reads something of the parent. */
const ofParent =
  (read: (thread: Thread, state: State) => Value | null): Extractor =>
  (_, state) => {
    const parent = state.thread?.parent ?? null;
    return parent === null ? null : read(parent, state);
  };

/** Loops in the chain of parents cannot be, but a chain of this length would be as bad. */
const MAX_ANCESTORS = 1000;

/** The n-th ancestor of a process: 0 is the process itself. */
function ancestor(thread: Thread, n: number): Thread | null {
  let at: Thread | null = thread.main;
  for (let i = 0; i < n && at !== null; i++) at = at.parent;
  return at;
}

/** What `read` gives for each ancestor, the parent first. */
function ancestors<T extends Value>(thread: Thread, read: (thread: Thread) => T | null): T[] {
  const values: T[] = [];
  let at: Thread | null = thread.main?.parent ?? null;
  for (let i = 0; at !== null && i < MAX_ANCESTORS; i++, at = at.parent) {
    const value = read(at);
    if (value !== null) values.push(value);
  }
  return values;
}

const checkIndex = (name: string) => (argument: string) =>
  /^\d+$/.test(argument) ? null : `filter syntax error: ${name} needs a number in brackets, not ${argument}`;

/** An ancestor field: with a number one ancestor, without any of them. */
function bindAncestor<T extends Value>(read: (thread: Thread) => T | null) {
  return {
    bind(argument: string | null): Extractor {
      if (argument === null) {
        return of((thread) => {
          const values = ancestors(thread, read);
          return values.length === 0 ? null : values;
        });
      }
      const n = Number(argument);
      return of((thread) => {
        const at = ancestor(thread, n);
        return at === null ? null : read(at);
      });
    },
    /** All of them in one text, the parent first. */
    print(argument: string | null): Extractor {
      if (argument !== null) return this.bind(argument);
      return of((thread) => (thread.main === null ? null : ancestors(thread, read).join(' ')));
    },
  };
}

const anyOf = (name: string) =>
  ({
    argument: 'optional',
    argumentHelp: 'how many generations up; 0 is the process itself',
    noRhs: true,
    noTransformer: true,
    multi: 'any',
    checkArgument: checkIndex(name),
  }) as const;

const exe = bindAncestor((thread) => thread.exe);
const exepath = bindAncestor((thread) => thread.exepath);
const comm = bindAncestor((thread) => thread.comm);
const cmdline = bindAncestor((thread) => thread.cmdline);
const pid = bindAncestor((thread) => kernelId(thread.pid));
const envText = bindAncestor((thread) => joinArgs(thread.env));

/** An id that the kernel can have; those of sandboxes say nothing to anybody outside. */
const kernelId = (id: number): number | null => (id < 0 || id > 0xffffffff ? null : id);

/** NUL-separated items as an array. */
function items(list: string): string[] {
  if (list === '') return [];
  const end = list.charCodeAt(list.length - 1) === 0 ? list.length - 1 : list.length;
  return list.slice(0, end).split('\0');
}

function bindArgs(argument: string | null): Extractor {
  if (argument === null) return of((thread) => joinArgs(thread.args));
  const n = Number(argument);
  return of((thread) => items(thread.args)[n] ?? '');
}

function bindAncestorArgs(argument: string | null): Extractor {
  const n = Number(argument ?? '0');
  return of((thread) => {
    const at = ancestor(thread, n);
    return at === null ? null : joinArgs(at.args);
  });
}

/** Value of a variable in `NAME=value` items; null when it is not set. */
function variable(env: string, name: string): string | null {
  const start = `${name}=`;
  for (let at = 0; at < env.length; ) {
    const end = env.indexOf('\0', at);
    const stop = end < 0 ? env.length : end;
    if (env.startsWith(start, at)) return env.slice(at + start.length, stop).replace(/^[ \t]+|[ \t]+$/g, '');
    at = stop + 1;
  }
  return null;
}

function bindEnv(argument: string | null): Extractor {
  if (argument === null) return of((thread) => joinArgs(thread.env));
  if (/^\d+$/.test(argument)) {
    const n = Number(argument);
    return of((thread) => items(thread.env)[n] ?? '');
  }
  return of((thread) => variable(thread.env, argument) ?? '');
}

/** With a number the environment of that ancestor; with a name the nearest ancestor's value of the variable. */
function bindAncestorEnv(argument: string | null): Extractor {
  if (argument === null || /^\d+$/.test(argument)) return envText.bind(argument);
  return of((thread) => {
    let at: Thread | null = thread.main?.parent ?? null;
    for (let i = 0; at !== null && i < MAX_ANCESTORS; i++, at = at.parent) {
      const value = variable(at.env, argument);
      if (value !== null) return value;
    }
    return '';
  });
}

/**
 * The leader of a session or process group: the thread with that id, or, when it has exited, the highest
 * ancestor in an unbroken line of members.
 */
function leader(thread: Thread, state: State, id: number, member: (thread: Thread) => boolean): Thread | null {
  const found = state.threads.get(id);
  if (found !== null) return found;
  let highest = thread.main;
  let at: Thread | null = highest?.parent ?? null;
  for (let i = 0; at !== null && i < MAX_ANCESTORS && member(at); i++, at = at.parent) highest = at;
  return highest;
}

function ofSession(read: (thread: Thread) => string): Extractor {
  return of((thread, state) => {
    const found = leader(thread, state, thread.sid, (other) => other.sid === thread.sid);
    return found === null ? null : read(found);
  });
}

function ofVirtualGroup(read: (thread: Thread) => string): Extractor {
  return of((thread, state) => {
    const found = leader(thread, state, thread.vpgid, (other) => other.vpgid === thread.vpgid);
    return found === null ? null : read(found);
  });
}

function ofGroup(read: (thread: Thread) => string): Extractor {
  return of((thread, state) => {
    const found = leader(thread, state, thread.pgid, (other) => other.pgid === thread.pgid);
    return found === null ? null : read(found);
  });
}

function age(event: Event, thread: Thread | null): Value | null {
  return thread === null || thread.cloneTs === 0n ? null : exact(event.ts - thread.cloneTs);
}

/** The oldest shell above a process, itself included. */
function loginShell(thread: Thread): number | null {
  let found: number | null = null;
  let at = thread.main;
  for (let i = 0; at !== null && i < MAX_ANCESTORS; i++, at = at.parent) if (at.comm.endsWith('sh')) found = at.pid;
  return found;
}

function cwd(thread: Thread): string {
  const path = currentDirectory(thread);
  if (path === null) return '';
  return path.name.endsWith('/') ? path.name : `${path.name}/`;
}

const ofMain =
  (read: (thread: Thread, state: State) => Value | null): Extractor =>
  (_, state) => {
    const main = state.thread?.main ?? null;
    return main === null ? null : read(main, state);
  };

const onlyMain =
  (read: (thread: Thread) => number): Extractor =>
  (_, state) =>
    state.thread === null ? null : state.thread.isMain ? read(state.thread) : 0;

const standard = (num: number, read: (fd: Fd) => string | null): Extractor =>
  of((thread) => {
    const fd = thread.fds.get(num);
    return fd === null ? null : read(fd);
  });

function bindCgroup(argument: string | null): Extractor {
  const start = `${argument ?? ''}=`;
  return of((thread) => {
    for (const entry of items(thread.cgroups)) if (entry.startsWith(start)) return entry.slice(start.length);
    return null;
  });
}

const unmeasured: Extractor = () => null;
const hidden = { hidden: true };

export const PROCESS_FIELDS: readonly Field[] = [
  row(
    'proc.exe',
    'CHARBUF',
    'thread',
    'The first argument of the command line, which the caller of exec chooses.',
    of((thread) => thread.exe),
  ),
  row(
    'proc.pexe',
    'CHARBUF',
    'lineage',
    'proc.exe of the parent.',
    ofParent((thread) => thread.exe),
  ),
  row('proc.aexe', 'CHARBUF', 'lineage', 'proc.exe of an ancestor; without a number, of any ancestor.', exe, {
    ...anyOf('proc.aexe'),
    bindPrint: (argument) => exe.print(argument),
  }),
  row(
    'proc.exepath',
    'CHARBUF',
    'thread',
    'Full path of the program as the kernel resolved it.',
    of((thread) => thread.exepath),
  ),
  row(
    'proc.pexepath',
    'CHARBUF',
    'lineage',
    'proc.exepath of the parent.',
    ofParent((thread) => thread.exepath),
  ),
  row(
    'proc.aexepath',
    'CHARBUF',
    'lineage',
    'proc.exepath of an ancestor; without a number, of any ancestor.',
    exepath,
    { ...anyOf('proc.aexepath'), bindPrint: (argument) => exepath.print(argument) },
  ),
  row(
    'proc.name',
    'CHARBUF',
    'thread',
    'Name of the program (comm): at most 15 bytes, and the process can change it.',
    of((thread) => thread.comm),
  ),
  row(
    'proc.pname',
    'CHARBUF',
    'lineage',
    'proc.name of the parent.',
    ofParent((thread) => thread.comm),
  ),
  row('proc.aname', 'CHARBUF', 'lineage', 'proc.name of an ancestor; without a number, of any ancestor.', comm, {
    ...anyOf('proc.aname'),
    bindPrint: (argument) => comm.print(argument),
  }),
  row(
    'proc.args',
    'CHARBUF',
    'thread',
    'Arguments of the command line without the first; with a number, one of them.',
    { bind: bindArgs },
    { argument: 'optional', argumentHelp: 'number of the argument, from 0', checkArgument: checkIndex('proc.args') },
  ),
  row(
    'proc.aargs',
    'CHARBUF',
    'lineage',
    'proc.args of an ancestor.',
    { bind: bindAncestorArgs },
    {
      argument: 'optional',
      argumentHelp: 'how many generations up; 0 is the process itself',
      checkArgument: checkIndex('proc.aargs'),
    },
  ),
  row(
    'proc.cmdline',
    'CHARBUF',
    'thread',
    'proc.name and proc.args.',
    of((thread) => thread.cmdline),
  ),
  row(
    'proc.pcmdline',
    'CHARBUF',
    'lineage',
    'proc.cmdline of the parent.',
    ofParent((thread) => thread.cmdline),
  ),
  row(
    'proc.acmdline',
    'CHARBUF',
    'lineage',
    'proc.cmdline of an ancestor; without a number, of any ancestor.',
    cmdline,
    { ...anyOf('proc.acmdline'), bindPrint: (argument) => cmdline.print(argument) },
  ),
  row(
    'proc.cmdnargs',
    'UINT64',
    'thread',
    'Number of arguments.',
    of((thread) => items(thread.args).length),
  ),
  row(
    'proc.cmdlenargs',
    'UINT64',
    'thread',
    'Bytes of all arguments together, without separators.',
    of((thread) => items(thread.args).reduce((sum, item) => sum + item.length, 0)),
  ),
  row(
    'proc.exeline',
    'CHARBUF',
    'thread',
    'proc.exe and proc.args.',
    of((thread) => (thread.args === '' ? thread.exe : `${thread.exe} ${joinArgs(thread.args)}`)),
  ),
  row(
    'proc.env',
    'CHARBUF',
    'thread',
    'The environment; with a name, the value of that variable.',
    { bind: bindEnv },
    { argument: 'optional', argumentHelp: 'name of a variable' },
  ),
  row(
    'proc.aenv',
    'CHARBUF',
    'lineage',
    'The environment of an ancestor (number), or the nearest value of a variable among the ancestors (name).',
    { bind: bindAncestorEnv },
    {
      argument: 'optional',
      argumentHelp: 'generations up, or name of a variable',
      noRhs: true,
      noTransformer: true,
      multi: 'any',
      bindPrint: (argument) => bindAncestorEnv(argument ?? '0'),
    },
  ),
  row('proc.cwd', 'CHARBUF', 'lineage', 'Current directory, with a slash at the end.', of(cwd)),
  row(
    'proc.loginshellid',
    'INT64',
    'lineage',
    'Process id of the oldest shell among the process and its ancestors.',
    of(loginShell),
  ),
  row(
    'proc.tty',
    'UINT32',
    'thread',
    'Device number of the controlling terminal; 0 for none.',
    of((thread) => thread.tty),
  ),
  row(
    'proc.pid',
    'INT64',
    'thread',
    'Process id.',
    of((thread) => kernelId(thread.pid)),
  ),
  row(
    'proc.ppid',
    'INT64',
    'lineage',
    'Process id of the parent.',
    ofMain((thread) => kernelId(thread.ptid)),
  ),
  row('proc.apid', 'INT64', 'lineage', 'Process id of an ancestor; without a number, of any ancestor.', pid, {
    ...anyOf('proc.apid'),
    bindPrint: (argument) => pid.bind(argument ?? '0'),
  }),
  row(
    'proc.vpid',
    'INT64',
    'thread',
    'Process id as the process itself sees it in its pid namespace.',
    of((thread) => thread.vpid),
  ),
  row(
    'proc.pvpid',
    'INT64',
    'lineage',
    'proc.vpid of the parent.',
    ofParent((thread) => thread.vpid),
  ),
  row(
    'proc.sid',
    'INT64',
    'thread',
    'Session id.',
    of((thread) => thread.sid),
  ),
  row(
    'proc.sname',
    'CHARBUF',
    'lineage',
    'proc.name of the session leader, or of the highest ancestor in the session when it is gone.',
    ofSession((thread) => thread.comm),
  ),
  row(
    'proc.sid.exe',
    'CHARBUF',
    'lineage',
    'proc.exe of the session leader.',
    ofSession((thread) => thread.exe),
  ),
  row(
    'proc.sid.exepath',
    'CHARBUF',
    'lineage',
    'proc.exepath of the session leader.',
    ofSession((thread) => thread.exepath),
  ),
  row(
    'proc.vpgid',
    'INT64',
    'thread',
    'Process group id as seen in the pid namespace of the process.',
    of((thread) => thread.vpgid),
  ),
  row(
    'proc.vpgid.name',
    'CHARBUF',
    'lineage',
    'proc.name of the process group leader.',
    ofVirtualGroup((thread) => thread.comm),
  ),
  row(
    'proc.vpgid.exe',
    'CHARBUF',
    'lineage',
    'proc.exe of the process group leader.',
    ofVirtualGroup((thread) => thread.exe),
  ),
  row(
    'proc.vpgid.exepath',
    'CHARBUF',
    'lineage',
    'proc.exepath of the process group leader.',
    ofVirtualGroup((thread) => thread.exepath),
  ),
  row(
    'proc.pgid',
    'INT64',
    'thread',
    'Process group id as seen by the host.',
    of((thread) => thread.pgid),
  ),
  row(
    'proc.pgid.name',
    'CHARBUF',
    'lineage',
    'proc.name of the process group leader, by the id that the host sees.',
    ofGroup((thread) => thread.comm),
  ),
  row(
    'proc.pgid.exe',
    'CHARBUF',
    'lineage',
    'proc.exe of that leader.',
    ofGroup((thread) => thread.exe),
  ),
  row(
    'proc.pgid.exepath',
    'CHARBUF',
    'lineage',
    'proc.exepath of that leader.',
    ofGroup((thread) => thread.exepath),
  ),
  row('proc.duration', 'RELTIME', 'time', 'Nanoseconds since the process began.', (event, state) =>
    age(event, state.thread),
  ),
  row('proc.ppid.duration', 'RELTIME', 'time', 'Nanoseconds since the parent began.', (event, state) =>
    age(event, state.thread?.parent ?? null),
  ),
  row(
    'proc.pid.ts',
    'RELTIME',
    'thread',
    'Begin of the process, in nanoseconds since the epoch.',
    of((thread) => exact(thread.cloneTs)),
  ),
  row(
    'proc.ppid.ts',
    'RELTIME',
    'lineage',
    'Begin of the parent, in nanoseconds since the epoch.',
    ofParent((thread) => exact(thread.cloneTs)),
  ),
  row(
    'proc.is_exe_writable',
    'BOOL',
    'thread',
    'Whether the user of the process may write to its program.',
    of((thread) => thread.exeWritable),
  ),
  row(
    'proc.is_exe_upper_layer',
    'BOOL',
    'thread',
    'Whether the program is in the writable layer of an overlay file system: it was put there after the container began.',
    of((thread) => thread.exeUpperLayer),
  ),
  row(
    'proc.is_exe_lower_layer',
    'BOOL',
    'thread',
    'Whether the program is in a read-only layer of an overlay file system.',
    of((thread) => thread.exeLowerLayer),
  ),
  row(
    'proc.is_exe_from_memfd',
    'BOOL',
    'thread',
    'Whether the program is a memory file that has no place in a file system.',
    of((thread) => thread.exeFromMemfd),
  ),
  row(
    'proc.is_sid_leader',
    'BOOL',
    'thread',
    'Whether the process leads its session.',
    of((thread) => thread.sid === thread.vpid),
  ),
  row(
    'proc.is_vpgid_leader',
    'BOOL',
    'thread',
    'Whether the process leads its process group: it was started on its own, not as a part of a script.',
    of((thread) => thread.vpgid === thread.vpid),
  ),
  row(
    'proc.is_pgid_leader',
    'BOOL',
    'thread',
    'Whether the process leads its process group, by the ids that the host sees.',
    of((thread) => thread.pgid === thread.pid),
  ),
  row(
    'proc.exe_ino',
    'INT64',
    'thread',
    'Inode of the program.',
    of((thread) => thread.exeIno),
  ),
  row(
    'proc.exe_ino.ctime',
    'ABSTIME',
    'thread',
    'Last change of the inode of the program, in nanoseconds since the epoch.',
    of((thread) => exact(thread.exeCtime)),
  ),
  row(
    'proc.exe_ino.mtime',
    'ABSTIME',
    'thread',
    'Last change of the content of the program, in nanoseconds since the epoch.',
    of((thread) => exact(thread.exeMtime)),
  ),
  row(
    'proc.exe_ino.ctime_duration_proc_start',
    'ABSTIME',
    'thread',
    'Nanoseconds between the last change of the inode of the program and the begin of the process.',
    of((thread) => (thread.cloneTs === 0n ? null : exact(thread.cloneTs - thread.exeCtime))),
  ),
  row(
    'proc.exe_ino.ctime_duration_pidns_start',
    'ABSTIME',
    'thread',
    'Nanoseconds between the begin of the pid namespace and a later change of the inode of the program.',
    of((thread) =>
      thread.pidnsInitStartTs !== 0n && thread.exeCtime > thread.pidnsInitStartTs
        ? exact(thread.exeCtime - thread.pidnsInitStartTs)
        : null,
    ),
  ),
  row(
    'proc.pidns_init_start_ts',
    'UINT64',
    'thread',
    'Begin of the pid namespace of the process, in nanoseconds since the epoch.',
    of((thread) => exact(thread.pidnsInitStartTs)),
  ),
  row(
    'thread.cap_permitted',
    'CHARBUF',
    'thread',
    'Permitted capabilities.',
    of((thread) => capabilityNames(thread.capPermitted)),
  ),
  row(
    'thread.cap_inheritable',
    'CHARBUF',
    'thread',
    'Inheritable capabilities.',
    of((thread) => capabilityNames(thread.capInheritable)),
  ),
  row(
    'thread.cap_effective',
    'CHARBUF',
    'thread',
    'Effective capabilities.',
    of((thread) => capabilityNames(thread.capEffective)),
  ),
  row(
    'proc.fdopencount',
    'UINT64',
    'event',
    'Number of open file descriptors.',
    of((thread) => thread.fds.size),
  ),
  row(
    'proc.fdlimit',
    'INT64',
    'lineage',
    'How many file descriptors the process may open.',
    ofMain((thread) => thread.fdlimit),
  ),
  row(
    'proc.fdusage',
    'DOUBLE',
    'event',
    'Open file descriptors in percent of the limit.',
    ofMain((thread) => (Number(thread.fdlimit) > 0 ? (thread.fds.size * 100) / Number(thread.fdlimit) : 0)),
  ),
  row(
    'proc.vmsize',
    'UINT64',
    'event',
    'Virtual memory of the process in KB.',
    ofMain((thread) => thread.vmsize),
  ),
  row(
    'proc.vmrss',
    'UINT64',
    'event',
    'Resident memory of the process in KB.',
    ofMain((thread) => thread.vmrss),
  ),
  row(
    'proc.vmswap',
    'UINT64',
    'event',
    'Swapped memory of the process in KB.',
    ofMain((thread) => thread.vmswap),
  ),
  row(
    'thread.pfmajor',
    'UINT64',
    'thread',
    'Major page faults of the thread when it was last reported.',
    of((thread) => thread.pfmajor),
  ),
  row(
    'thread.pfminor',
    'UINT64',
    'thread',
    'Minor page faults of the thread when it was last reported.',
    of((thread) => thread.pfminor),
  ),
  row(
    'thread.tid',
    'INT64',
    'thread',
    'Thread id.',
    of((thread) => kernelId(thread.tid)),
  ),
  row(
    'thread.ismain',
    'BOOL',
    'thread',
    'Whether the thread is the first of its process.',
    of((thread) => thread.isMain),
  ),
  row(
    'thread.vtid',
    'INT64',
    'thread',
    'Thread id as the thread itself sees it in its pid namespace.',
    of((thread) => thread.vtid),
  ),
  row(
    'thread.nametid',
    'CHARBUF',
    'thread',
    'proc.name and thread id in one.',
    of((thread) => `${thread.comm}${thread.tid}`),
    hidden,
  ),
  row(
    'thread.exectime',
    'RELTIME',
    'event',
    'Time on a CPU; no value, as scheduler events are not collected.',
    unmeasured,
  ),
  row(
    'thread.totexectime',
    'RELTIME',
    'event',
    'Time on CPUs since the begin of the capture; no value, as scheduler events are not collected.',
    unmeasured,
  ),
  row(
    'thread.cgroups',
    'CHARBUF',
    'thread',
    'All control groups as subsystem=path.',
    of((thread) => joinArgs(thread.cgroups)),
  ),
  row(
    'thread.cgroup',
    'CHARBUF',
    'thread',
    'Path of the control group of one subsystem.',
    { bind: bindCgroup },
    { argument: 'required', argumentHelp: 'name of a subsystem' },
  ),
  row(
    'proc.nthreads',
    'UINT64',
    'event',
    'Living threads of the process.',
    of((thread) => thread.group.alive),
  ),
  row(
    'proc.nchilds',
    'UINT64',
    'event',
    'Living threads of the process without its leader.',
    of((thread) => thread.group.alive - (thread.main !== null && !thread.main.dead ? 1 : 0)),
  ),
  row(
    'thread.cpu',
    'DOUBLE',
    'event',
    'CPU used in the last second; no value, as scheduler events are not collected.',
    unmeasured,
  ),
  row(
    'thread.cpu.user',
    'DOUBLE',
    'event',
    'CPU used outside of the kernel in the last second; no value, as scheduler events are not collected.',
    unmeasured,
  ),
  row(
    'thread.cpu.system',
    'DOUBLE',
    'event',
    'CPU used in the kernel in the last second; no value, as scheduler events are not collected.',
    unmeasured,
  ),
  row(
    'thread.vmsize',
    'UINT64',
    'event',
    'proc.vmsize for the first thread of a process, 0 for the others, so that a sum is right.',
    onlyMain((thread) => thread.vmsize),
  ),
  row(
    'thread.vmrss',
    'UINT64',
    'event',
    'proc.vmrss for the first thread of a process, 0 for the others.',
    onlyMain((thread) => thread.vmrss),
  ),
  row(
    'thread.vmsize.b',
    'UINT64',
    'event',
    'thread.vmsize in bytes.',
    onlyMain((thread) => thread.vmsize * 1024),
    hidden,
  ),
  row(
    'thread.vmrss.b',
    'UINT64',
    'event',
    'thread.vmrss in bytes.',
    onlyMain((thread) => thread.vmrss * 1024),
    hidden,
  ),
  ...(['stdin', 'stdout', 'stderr'] as const).map((name, num) =>
    row(
      `proc.${name}.type`,
      'CHARBUF',
      'event',
      `fd.type of the ${name} of the process.`,
      standard(num, (fd) => FD_TYPE_NAMES[fd.type] ?? null),
    ),
  ),
  ...(['stdin', 'stdout', 'stderr'] as const).map((name, num) =>
    row(
      `proc.${name}.name`,
      'CHARBUF',
      'event',
      `fd.name of the ${name} of the process.`,
      standard(num, (fd) => fd.name),
    ),
  ),
];

const CGROUP = PROCESS_FIELDS.find((field) => field.name === 'thread.cgroup') as Field;

/** `thread.cgroup.NAME` as a field of its own. */
export function dottedCgroupField(name: string): Field | undefined {
  const match = /^thread\.cgroup\.(.+)$/.exec(name);
  if (match === null) return undefined;
  return { ...CGROUP, name, argument: 'none', argumentHelp: null, bind: () => bindCgroup(match[1] as string) };
}
