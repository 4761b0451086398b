import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Channel } from './channel.ts';

/**
 * Alerts on the standard input of a program, one a line. The configured text is the shell's whole command;
 * nothing of an event ever stands in it. Without `keepAlive` the program runs once for each alert.
 */
export function programChannel(program: string, keepAlive: boolean): Channel {
  let running: ChildProcess | null = null;

  function start(): ChildProcess {
    const child = spawn('/bin/sh', ['-c', program], { stdio: ['pipe', 'inherit', 'inherit'] });
    // A program that does not read its input to the end is no error of ours.
    child.stdin?.on('error', () => {});
    child.on('exit', () => {
      if (running === child) running = null;
    });
    return child;
  }

  /** Closes the program's input and waits for its end. */
  async function finish(child: ChildProcess): Promise<void> {
    child.stdin?.end();
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }

  async function stop(): Promise<void> {
    const child = running;
    running = null;
    if (child !== null) await finish(child);
  }

  return {
    name: 'program',
    async write(messages) {
      if (!keepAlive) {
        for (const { line } of messages) {
          const child = start();
          child.stdin?.write(`${line}\n`);
          await finish(child);
        }
        return;
      }
      running ??= start();
      const { stdin } = running;
      const text = messages.map(({ line }) => `${line}\n`).join('');
      await new Promise<void>((resolve, reject) => {
        stdin?.write(text, (error) => (error ? reject(error) : resolve()));
      });
    },
    reopen: stop,
    close: stop,
  };
}
