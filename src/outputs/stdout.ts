import { constants, createWriteStream, fstatSync, openSync, write } from 'node:fs';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import type { Channel } from './channel.ts';

/** Alerts on standard output, one a line. */
export function stdoutChannel(): Channel {
  const writeText = stdoutWriter();
  return {
    name: 'stdout',
    write: (messages) => writeText(messages.map((message) => `${message.line}\n`).join('')),
    close: async () => {},
  };
}

/**
 * A way of writing to standard output that never blocks this thread. Node's own stream writes to pipes and
 * terminals synchronously: a reader that stops reading would stop everything else here.
 */
export function stdoutWriter(): (text: string) => Promise<void> {
  const stat = fstatSync(1);
  if (stat.isFIFO()) return viaStream(pipeStream());
  if (stat.isSocket()) return viaStream(new Socket({ fd: 1, readable: false, writable: true }));
  return (text) => writeAll(Buffer.from(text));
}

/** The pipe opened once more, so that non-blocking mode stays with us and does not reach who shares fd 1. */
function pipeStream(): Writable {
  try {
    const fd = openSync('/proc/self/fd/1', constants.O_WRONLY | constants.O_NONBLOCK);
    return new Socket({ fd, readable: false, writable: true });
  } catch {
    // Without /proc, or when the reader has gone: the thread pool does the waiting.
    return createWriteStream('', { fd: 1, autoClose: false });
  }
}

function viaStream(stream: Writable): (text: string) => Promise<void> {
  stream.on('error', () => {});
  if (stream instanceof Socket) stream.unref();
  return (text) =>
    new Promise((resolve, reject) => {
      stream.write(text, (error) => (error ? reject(error) : resolve()));
    });
}

function writeAll(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const next = (from: number): void => {
      write(1, bytes, from, bytes.length - from, null, (error, count) => {
        if (error) reject(error);
        else if (from + count < bytes.length) next(from + count);
        else resolve();
      });
    };
    next(0);
  });
}
