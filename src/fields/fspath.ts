import { EVENTS, type Event } from '../event/index.ts';
import { currentDirectory, directoryOf, joinPath, type State, UNKNOWN_DIRECTORY } from '../state/index.ts';
import { result } from './evt.ts';
import { type Extractor, type Field, rowMaker } from './field.ts';
import { integerParam, kernelBaseOf, textParam } from './params.ts';

const row = rowMaker('fspath', { sources: ['syscall'] });

/** Which parameter holds a path, and to which directory descriptor it is relative. */
interface Place {
  readonly path: number;
  /** -1: the current directory; -2: nothing that the event tells. */
  readonly dirfd: number;
  /** The path is that of the descriptor in this parameter. */
  readonly fd: number;
}

const UNKNOWN_BASE = -2;

type Table = ReadonlyMap<number, Place>;

function places(rows: Readonly<Record<string, readonly [path: string, dirfd?: string]>>): Table {
  const table = new Map<number, Place>();
  for (const info of EVENTS) {
    const place = rows[info.code];
    if (place === undefined) continue;
    const index = (name: string) => info.params.findIndex((param) => param.name === name);
    const [path, dirfd] = place;
    table.set(info.type, {
      path: path === '' ? -1 : index(path),
      dirfd: dirfd === undefined || path === '' ? -1 : dirfd === '?' ? UNKNOWN_BASE : index(dirfd),
      fd: path === '' && dirfd !== undefined ? index(dirfd) : -1,
    });
  }
  return table;
}

/** Calls that are about one path. */
const NAME = places({
  SYSCALL_MKDIR_2_X: ['path'],
  SYSCALL_MKDIRAT_X: ['path', 'dirfd'],
  SYSCALL_RMDIR_2_X: ['path'],
  SYSCALL_UNLINK_2_X: ['path'],
  SYSCALL_UNLINKAT_2_X: ['name', 'dirfd'],
  SYSCALL_OPEN_X: ['name'],
  SYSCALL_OPENAT_2_X: ['name', 'dirfd'],
  SYSCALL_OPENAT2_X: ['name', 'dirfd'],
  SYSCALL_CREAT_X: ['name'],
  SYSCALL_CHMOD_X: ['filename'],
  SYSCALL_FCHMODAT_X: ['filename', 'dirfd'],
  SYSCALL_FCHMOD_X: ['', 'fd'],
  SYSCALL_CHOWN_X: ['path'],
  SYSCALL_LCHOWN_X: ['path'],
  SYSCALL_FCHOWNAT_X: ['pathname', 'dirfd'],
  SYSCALL_FCHOWN_X: ['', 'fd'],
  SYSCALL_QUOTACTL_X: ['special'],
  SYSCALL_UMOUNT_1_X: ['name'],
  SYSCALL_UMOUNT2_X: ['name'],
  SYSCALL_MKNOD_X: ['path'],
  SYSCALL_MKNODAT_X: ['path', 'dirfd'],
  SYSCALL_NEWFSTATAT_X: ['path', 'dirfd'],
  SYSCALL_STAT_X: ['path'],
  SYSCALL_LSTAT_X: ['path'],
  SYSCALL_STAT64_X: ['path'],
  SYSCALL_LSTAT64_X: ['path'],
  SYSCALL_ACCESS_X: ['name'],
});

/** Calls that are about two paths; a link's source is the new name. Falco joins linkat's with the current directory. */
const SOURCE = places({
  SYSCALL_RENAME_X: ['oldpath'],
  SYSCALL_RENAMEAT_X: ['oldpath', 'olddirfd'],
  SYSCALL_RENAMEAT2_X: ['oldpath', 'olddirfd'],
  SYSCALL_LINK_2_X: ['newpath'],
  SYSCALL_LINKAT_2_X: ['newpath'],
  SYSCALL_SYMLINK_X: ['linkpath'],
  SYSCALL_SYMLINKAT_X: ['linkpath', 'linkdirfd'],
  SYSCALL_MOUNT_X: ['dev'],
});

const TARGET = places({
  SYSCALL_RENAME_X: ['newpath'],
  SYSCALL_RENAMEAT_X: ['newpath', 'newdirfd'],
  SYSCALL_RENAMEAT2_X: ['newpath', 'newdirfd'],
  SYSCALL_LINK_2_X: ['oldpath'],
  SYSCALL_LINKAT_2_X: ['oldpath'],
  SYSCALL_SYMLINK_X: ['target'],
  SYSCALL_SYMLINKAT_X: ['target', '?'],
  SYSCALL_MOUNT_X: ['dir'],
});

/** Only calls that succeeded have touched the path. */
function succeeded(event: Event): boolean {
  const value = result(event);
  return value !== null && value >= 0;
}

function raw(table: Table): Extractor {
  return (event, state) => {
    const place = table.get(event.type);
    if (place === undefined || !succeeded(event)) return null;
    if (place.fd >= 0) return state.fd?.path?.raw ?? state.fd?.name ?? null;
    return textParam(event, place.path);
  };
}

function resolved(table: Table): Extractor {
  return (event, state) => {
    const place = table.get(event.type);
    if (place === undefined || !succeeded(event)) return null;
    if (place.fd >= 0) return state.fd?.name ?? null;
    // An open knows its path already, by the kernel's word where that is there.
    if (state.path !== null) return state.path.name;
    const path = textParam(event, place.path);
    if (path === null) return null;
    const base = place.dirfd === UNKNOWN_BASE ? null : kernelBaseOf(event, place.path);
    return joinPath(base ?? baseOf(event, place, state), path);
  };
}

function baseOf(event: Event, place: Place, state: State): string {
  const thread = state.thread;
  if (thread === null || place.dirfd === UNKNOWN_BASE) return UNKNOWN_DIRECTORY;
  if (place.dirfd < 0) return currentDirectory(thread)?.name ?? UNKNOWN_DIRECTORY;
  const dirfd = integerParam(event, place.dirfd, 'FD');
  return (dirfd === null ? null : directoryOf(thread, Number(dirfd)))?.name ?? UNKNOWN_DIRECTORY;
}

export const FSPATH_FIELDS: readonly Field[] = [
  row(
    'fs.path.name',
    'CHARBUF',
    'event',
    'Absolute path that a call is about: the file opened, removed, made, mounted …, when the call succeeded.',
    resolved(NAME),
  ),
  row('fs.path.nameraw', 'CHARBUF', 'event', 'fs.path.name as the process wrote it.', raw(NAME)),
  row(
    'fs.path.source',
    'CHARBUF',
    'event',
    'First of the two paths of a call: the old name of a rename, the new name of a link, the device of a mount.',
    resolved(SOURCE),
  ),
  row('fs.path.sourceraw', 'CHARBUF', 'event', 'fs.path.source as the process wrote it.', raw(SOURCE)),
  row(
    'fs.path.target',
    'CHARBUF',
    'event',
    'Second of the two paths of a call: the new name of a rename, what a link points to, the directory of a mount.',
    resolved(TARGET),
  ),
  row('fs.path.targetraw', 'CHARBUF', 'event', 'fs.path.target as the process wrote it.', raw(TARGET)),
];
