/** Shells that are led by the network through pipes: no connection takes the place of a standard stream. */
import { type Event, EventType } from '../event/index.ts';
import { FdType } from '../scap/entries.ts';
import type { State, Thread } from '../state/index.ts';

/** Most programs between the shell and the one that has the connection, in each direction. */
const MAX_BETWEEN = 3;
/** Descriptors that are looked at for pipes; pipelines have theirs among the first. */
const FEW = 32;

const SHELLS: ReadonlySet<string> = new Set('ash bash busybox csh dash fish ksh mksh rbash sh tcsh zsh'.split(' '));
const STARTS: ReadonlySet<number> = new Set([
  EventType.SYSCALL_EXECVE_19_X as number,
  EventType.SYSCALL_EXECVEAT_X as number,
]);

/** What a pipe, a named one (or a file that is used as such) or a pair of sockets is known by; null for all else. */
function pipeOf({ fds }: Thread, num: number): string | null {
  const fd = fds.get(num);
  if (fd === null) return null;
  if (fd.type === FdType.FIFO) return `pipe ${fd.ino}`;
  if (fd.type === FdType.FILE_V2) {
    const inode = fds.inodeOf(num);
    return inode === 0 ? null : `file ${fd.dev} ${inode}`;
  }
  if (fd.type !== FdType.UNIX_SOCK || fd.socket === null || fd.socket.unixSource === 0n) return null;
  const { unixSource: a, unixDestination: b } = fd.socket;
  return a < b ? `pair ${a} ${b}` : `pair ${b} ${a}`;
}

/** Whether the shell was given no commands, so that it takes them from its standard input. */
function takesCommands({ comm, args }: Thread): boolean {
  if (!SHELLS.has(comm)) return false;
  return args.split('\0').every((arg) => arg === '' || (/^-/.test(arg) && !/^-[a-z]*c/.test(arg)));
}

function isConnected(thread: Thread): boolean {
  let connected = false;
  thread.fds.forEach(({ type, socket }) => {
    if ((type === FdType.IPV4_SOCK || type === FdType.IPV6_SOCK) && socket?.hasEnds === true) connected = true;
  });
  return connected;
}

function* processes(state: State): Generator<Thread> {
  for (const thread of state.threads) {
    if (thread.group.main === thread && !thread.dead && !thread.placeholder) yield thread;
  }
}

/** Processes, other than the shell, that hold the pipe; `end` is the descriptor that they must not have it as. */
function holders(state: State, pipe: string, shell: Thread, end: 0 | 1): Thread[] {
  const found: Thread[] = [];
  for (const thread of processes(state)) {
    if (thread === shell) continue;
    for (let fd = 0; fd < FEW; fd++) {
      if (fd !== end && pipeOf(thread, fd) === pipe) {
        found.push(thread);
        break;
      }
    }
  }
  return found;
}

/** Programs that a pipe of the shell comes from (`towards` 0) or leads to (1), through others that pass on. */
function reached(state: State, shell: Thread, pipe: string, towards: 0 | 1): Set<Thread> {
  const all = new Set<Thread>();
  let pipes = [pipe];
  for (let i = 0; i < MAX_BETWEEN && pipes.length > 0; i++) {
    const next: string[] = [];
    for (const one of pipes) {
      for (const thread of holders(state, one, shell, towards)) {
        if (all.has(thread)) continue;
        all.add(thread);
        const further = pipeOf(thread, towards);
        if (further !== null) next.push(further);
      }
    }
    pipes = next;
  }
  return all;
}

/** The connected programs whose commands the shell runs and whose pipes it answers to. */
function* leaders(state: State, shell: Thread): Generator<Thread> {
  const input = pipeOf(shell, 0);
  if (input === null || !takesCommands(shell)) return;
  const from = [...reached(state, shell, input, 0)].filter(isConnected);
  if (from.length === 0) return;
  const outputs = [pipeOf(shell, 1), pipeOf(shell, 2)].filter((pipe) => pipe !== null);
  const to = new Set(outputs.flatMap((pipe) => [...reached(state, shell, pipe, 1)]));
  for (const thread of from) if (to.has(thread)) yield thread;
}

/** `wh.proc.remote_shell`. */
export function remoteShell(event: Event, state: State): boolean | null {
  const { thread } = state;
  if (thread === null) return null;
  if (STARTS.has(event.type)) return !leaders(state, thread).next().done;
  const main = thread.group.main ?? thread;
  let piped = false;
  for (let fd = 0; fd < FEW && !piped; fd++) piped = pipeOf(main, fd) !== null;
  if (!piped) return false;
  for (const shell of processes(state)) {
    if (!SHELLS.has(shell.comm)) continue;
    for (const leader of leaders(state, shell)) if (leader === main) return true;
  }
  return false;
}
