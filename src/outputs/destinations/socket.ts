/** TCP and TLS lines for the destinations that have no request and answer. */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Environment } from '../forward/destination.ts';
import { DeliveryError } from '../forward/error.ts';

/** Opens a connection, writes, closes it in order; resolves when the peer has closed too. */
export function writeOnce(open: () => Socket, text: string, timeout: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = open();
    const timer = setTimeout(() => socket.destroy(new Error(`not done within ${timeout} ms`)), timeout);
    socket.on('error', (error) => {
      clearTimeout(timer);
      reject(new DeliveryError(error.message, { retry: true, cause: error }));
    });
    socket.on('close', (failed) => {
      clearTimeout(timer);
      if (!failed) resolve();
    });
    socket.end(text);
    socket.resume();
  });
}

export interface Line {
  /** Resolves when the kernel has taken the bytes and the connection still stands. */
  write(bytes: string | Buffer): Promise<void>;
  close(): void;
}

/**
 * A connection that is kept and opened anew when it broke. The protocols that use it (syslog, Logstash's json_lines)
 * know no acknowledgement: what the peer had not read when it went away is lost to us unless its end is seen first,
 * which is why every write begins by looking.
 */
export function keptConnection(host: string, port: number, tls: Environment['tls'] | null, timeout: number): Line {
  let socket: Socket | null = null;
  let opening: Promise<Socket> | null = null;

  function open(): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const made =
        tls === null
          ? connect({ host, port, keepAlive: true })
          : connectTls({
              host,
              port,
              rejectUnauthorized: tls.checkCertificate,
              minVersion: 'TLSv1.2',
              ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }),
              ...(tls.ca !== undefined && { ca: tls.ca }),
              ...(tls.cert !== undefined && { cert: tls.cert }),
              ...(tls.key !== undefined && { key: tls.key }),
            });
      const timer = setTimeout(() => made.destroy(new Error(`no connection within ${timeout} ms`)), timeout);
      made.once('error', reject);
      made.once(tls === null ? 'connect' : 'secureConnect', () => {
        clearTimeout(timer);
        resolve(made);
      });
      made.once('close', () => {
        clearTimeout(timer);
        if (socket === made) socket = null;
        reject(new Error('connection closed'));
      });
      made.on('error', () => {});
      // Syslog and Logstash answer nothing; the end of the peer's side means that it is gone.
      made.on('end', () => made.destroy());
      made.resume();
    });
  }

  return {
    async write(bytes) {
      try {
        if (socket === null || socket.destroyed || socket.readableEnded) {
          opening ??= open().finally(() => {
            opening = null;
          });
          socket = await opening;
        }
        const current = socket;
        await new Promise<void>((resolve, reject) => {
          const timer = setTimeout(() => current.destroy(new Error(`not written within ${timeout} ms`)), timeout);
          const gone = () => reject(new Error('connection closed'));
          current.once('close', gone);
          current.write(bytes, (error) => {
            clearTimeout(timer);
            current.off('close', gone);
            if (error) reject(error);
            else resolve();
          });
        });
        // An end of the peer that is already here is seen now rather than with the next write.
        await new Promise((resolve) => setImmediate(resolve));
        if (current.destroyed) throw new Error('connection closed');
      } catch (error) {
        socket?.destroy();
        socket = null;
        throw new DeliveryError((error as Error).message, { retry: true, cause: error });
      }
    },
    close() {
      socket?.end();
      socket = null;
    },
  };
}
