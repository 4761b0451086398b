import { type Event, EventType } from '../event/index.ts';
import {
  currentDirectory,
  directoryOf,
  Extra,
  extraFlags,
  FdStatus,
  joinPath,
  PARAM_COUNT,
  type State,
} from '../state/index.ts';
import { paramIndex } from './evt.ts';
import { type Extractor, type Field, rowMaker } from './field.ts';
import { integerParam } from './params.ts';
import { remoteShell } from './remote-shell.ts';

/** What our own probe tells beyond Falco's schema; no value on events of other producers. */
const row = rowMaker('wh', { sources: ['syscall'] });

/** True when the event has our trailing parameters. */
const ours = (event: Event): boolean => event.nparams > (PARAM_COUNT[event.type] as number);

const flag =
  (bit: number): Extractor =>
  (event) =>
    ours(event) ? (extraFlags(event) & bit) !== 0 : null;

const DIRFD = paramIndex('dirfd');
const EXEPATH = paramIndex('trusted_exepath');
const STARTS: ReadonlySet<number> = new Set([
  EventType.SYSCALL_EXECVE_19_X as number,
  EventType.SYSCALL_EXECVEAT_X as number,
]);

/** The kernel marks the path of a program whose file is gone. */
const GONE = ' (deleted)';

function exeDeleted(event: Event): boolean | null {
  if (!STARTS.has(event.type)) return null;
  const at = EXEPATH[event.type] as number;
  return (extraFlags(event) & Extra.DELETED) !== 0 || (at < event.nparams && event.str(at)?.endsWith(GONE) === true);
}

/**
 * Whether the name that the caller gave leads, as a text, to another path than the file that the kernel opened:
 * a symbolic link on the way, or a name that was changed while the call ran.
 */
function pathMismatch(event: Event, state: State): boolean | null {
  const { path, thread } = state;
  const flags = extraFlags(event);
  if (path === null || thread === null || (flags & Extra.PATH_RESOLVED) === 0) return null;
  if ((flags & Extra.RAW_DIFFERS) === 0 && path.raw.charCodeAt(0) === 47) return false;
  const at = DIRFD[event.type] as number;
  const dirfd = at < 0 ? null : integerParam(event, at, 'FD');
  const base = dirfd === null ? currentDirectory(thread) : directoryOf(thread, Number(dirfd));
  return base === null && path.raw.charCodeAt(0) !== 47 ? null : joinPath(base?.name ?? '/', path.raw) !== path.name;
}

export const WINDHOVER_FIELDS: readonly Field[] = [
  row(
    'wh.fd.path_mismatch',
    'BOOL',
    'event',
    'Whether the opened file is another one than the name given says: a symbolic link on the way, or a name changed during the call.',
    pathMismatch,
  ),
  row('wh.fd.deleted', 'BOOL', 'fd', 'Whether the file had no name any more when it was opened.', (_, state) =>
    state.fd === null ? null : (state.fd.status & FdStatus.DELETED) !== 0,
  ),
  row(
    'wh.fd.resolved',
    'BOOL',
    'fd',
    "Whether fd.name is the kernel's own path of the file, not the text that the process gave.",
    (_, state) => (state.fd === null ? null : (state.fd.status & FdStatus.RESOLVED) !== 0),
  ),
  row(
    'wh.evt.io_uring',
    'BOOL',
    'event',
    'Whether the work was requested through io_uring instead of a system call.',
    flag(Extra.IO_URING),
  ),
  row('wh.evt.compat', 'BOOL', 'event', 'Whether the system call was made by its 32-bit number.', flag(Extra.COMPAT)),
  row(
    'wh.evt.truncated',
    'BOOL',
    'event',
    'Whether a parameter was cut because it was too long.',
    flag(Extra.TRUNCATED),
  ),
  row(
    'wh.evt.untrusted',
    'BOOL',
    'event',
    'Whether a path in the event is only what the process had in its memory, which it could change.',
    flag(Extra.UNTRUSTED),
  ),
  row(
    'wh.evt.page_absent',
    'BOOL',
    'event',
    'Whether a part of the parameters could not be read because its memory was not there.',
    flag(Extra.PAGE_ABSENT),
  ),
  row(
    'wh.evt.exe_deleted',
    'BOOL',
    'event',
    'Whether the file of the program that was started had been removed before.',
    exeDeleted,
  ),
  row(
    'wh.proc.remote_shell',
    'BOOL',
    'event',
    'Whether a shell reads commands from a program with a network connection, and answers it, through pipes: when the shell starts, and when that program connects or accepts.',
    remoteShell,
  ),
];
