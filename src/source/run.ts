import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { SyscallSource } from './syscall.ts';

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Standard input, output and error of the command; inherited by default. */
  readonly stdio?: StdioOptions;
}

export interface HeldRun extends ScopedRun {
  /** Lets the command begin; until then its process waits, with everything it inherits already in place. */
  go(): void;
}

export interface ScopedRun {
  /** −1 when no process could be made; {@link status} then rejects. */
  readonly pid: number;
  readonly child: ChildProcess;
  /** The command's exit status; 128 + the number of the signal that ended it. */
  readonly status: Promise<number>;
}

/** The descriptor on which the gate waits. */
export const GATE_FD = 3;

/**
 * Waits for a line on descriptor 3, then becomes the command. The process is armed before the line is
 * written, and enters the scope with that exec: the command is seen from its very first event, the gate not at all.
 */
const GATE = 'IFS= read -r go <&3 || exit 125; exec 3<&-; exec "$@"';

/**
 * Runs a command inside the scope of a source that watches a process tree. Events are delivered to whoever
 * reads the source meanwhile.
 * @throws when the command cannot be started at all (a command that is not found ends with 127, as in a shell)
 */
export function runScoped(
  argv: readonly string[],
  source: Pick<SyscallSource, 'arm'>,
  options: RunOptions = {},
): ScopedRun {
  const run = holdScoped(argv, source, options);
  run.go();
  return run;
}

/** As {@link runScoped}, but the command waits for {@link HeldRun.go}: time to read what its process starts with. */
export function holdScoped(
  argv: readonly string[],
  source: Pick<SyscallSource, 'arm'>,
  options: RunOptions = {},
): HeldRun {
  const given = options.stdio ?? 'inherit';
  const stdio = Array.isArray(given) ? given.slice(0, 3) : [given, given, given];
  const child = spawn('/bin/sh', ['-c', GATE, 'sh', ...argv], {
    env: options.env ?? process.env,
    cwd: options.cwd,
    stdio: [...stdio, 'pipe'] as StdioOptions,
  });
  const status = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : signalNumber(signal)));
    });
  });
  if (child.pid === undefined) {
    return { pid: -1, child, status, go: () => {} };
  }
  source.arm(child.pid);
  const gate = child.stdio[GATE_FD] as NodeJS.WritableStream;
  gate.on('error', () => {});
  return { pid: child.pid, child, status, go: () => void gate.end('\n') };
}

function signalNumber(signal: NodeJS.Signals): number {
  return constants.signals[signal] ?? 0;
}
