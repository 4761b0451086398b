import { createSocket } from 'node:dgram';
import { createConnection } from 'node:net';
import type { Channel } from './channel.ts';

/** LOG_USER of RFC 3164. */
const FACILITY_USER = 1;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Alerts to syslog at `address`: the path of a local socket, or `udp://HOST:PORT`. */
export function syslogChannel(address: string, ident: string): Channel {
  const sender = syslogSender(address);
  return {
    name: 'syslog',
    async write(messages) {
      for (const { line, severity } of messages) await sender.send(syslogLine(severity, ident, line, new Date()));
    },
    reopen: async () => sender.close(),
    close: async () => sender.close(),
  };
}

/** A message as local syslog daemons read it (RFC 3164 without a host name, as syslog(3) sends it). */
export function syslogLine(severity: number, ident: string, text: string, at: Date): string {
  const time = `${String(at.getHours()).padStart(2, '0')}:${String(at.getMinutes()).padStart(2, '0')}:${String(at.getSeconds()).padStart(2, '0')}`;
  const date = `${MONTHS[at.getMonth()]} ${String(at.getDate()).padStart(2, ' ')} ${time}`;
  return `<${FACILITY_USER * 8 + severity}>${date} ${ident}[${process.pid}]: ${text}`;
}

export interface SyslogSender {
  send(line: string): Promise<void>;
  close(): void;
}

/** Opens the socket at the first message, and again after an error. */
export function syslogSender(address: string): SyslogSender {
  return address.startsWith('udp://') ? udpSender(new URL(address)) : localSender(address);
}

function udpSender(url: URL): SyslogSender {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  let socket: ReturnType<typeof createSocket> | null = null;
  return {
    send(line) {
      socket ??= createSocket(host.includes(':') ? 'udp6' : 'udp4').on('error', () => {});
      const open = socket.unref();
      return new Promise((resolve, reject) => {
        open.send(line, Number(url.port || 514), host, (error) => (error ? reject(error) : resolve()));
      });
    },
    close() {
      socket?.close();
      socket = null;
    },
  };
}

/** /dev/log is a datagram socket on most systems, which Node cannot open by itself; on some it is a stream. */
function localSender(path: string): SyslogSender {
  let socket: { send(line: string): Promise<void>; close(): void } | null = null;
  const close = (): void => {
    socket?.close();
    socket = null;
  };
  return {
    async send(line) {
      socket ??= await openLocal(path);
      try {
        await socket.send(line);
      } catch {
        // The daemon was restarted: its socket is a new one.
        close();
        socket = await openLocal(path);
        await socket.send(line);
      }
    },
    close,
  };
}

async function openLocal(path: string): Promise<{ send(line: string): Promise<void>; close(): void }> {
  const { openUnixDatagram } = await import('./unix-datagram.ts');
  return openUnixDatagram(path) ?? (await openStream(path));
}

/** Messages in a stream end with a NUL or a newline; ours hold no newline. */
function openStream(path: string): Promise<{ send(line: string): Promise<void>; close(): void }> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.unref();
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject).on('error', () => {});
      resolve({
        send: (line) =>
          new Promise((sent, failed) => {
            socket.write(`${line}\n`, (error) => (error ? failed(error) : sent()));
          }),
        close: () => socket.destroy(),
      });
    });
  });
}
