import koffi from 'koffi';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const EPROTOTYPE = 91;
const EAGAIN = 11;
/** sizeof(sockaddr_un.sun_path) */
const MAX_PATH = 108;
/** How long a full socket is waited for, and how often it is tried. */
const FULL_WAIT_MS = 20;
const FULL_TRIES = 250;

export interface UnixDatagram {
  /** Rejects when the socket has gone, or stayed full for about five seconds. */
  send(line: string): Promise<void>;
  close(): void;
}

/**
 * A datagram socket connected to the one at `path`; null when that one is a stream socket. Throws an Error
 * naming the path when there is none. Node has no such sockets, so these are direct calls to libc.
 */
export function openUnixDatagram(path: string): UnixDatagram | null {
  const libc = koffi.load(null as unknown as string);
  const call = {
    socket: libc.func('int socket(int, int, int)'),
    connect: libc.func('int connect(int, void *, uint32_t)'),
    send: libc.func('intptr_t send(int, void *, size_t, int)'),
    close: libc.func('int close(int)'),
  };
  const name = Buffer.from(path);
  if (name.length >= MAX_PATH) throw new Error(`the socket path ${path} is too long`);
  const sockaddr = Buffer.alloc(2 + MAX_PATH);
  sockaddr.writeUInt16LE(AF_UNIX, 0);
  name.copy(sockaddr, 2);

  const fd = call.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) as number;
  if (fd < 0) throw new Error(`no socket for ${path}: errno ${koffi.errno()}`);
  if (call.connect(fd, sockaddr, sockaddr.length) !== 0) {
    const errno = koffi.errno();
    call.close(fd);
    if (errno === EPROTOTYPE) return null;
    throw new Error(`cannot connect to ${path}: errno ${errno}`);
  }
  return {
    async send(line) {
      const bytes = Buffer.from(line);
      for (let tries = 0; tries < FULL_TRIES; tries++) {
        if ((call.send(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL) as number) >= 0) return;
        const errno = koffi.errno();
        if (errno !== EAGAIN) throw new Error(`cannot send to ${path}: errno ${errno}`);
        await new Promise((done) => setTimeout(done, FULL_WAIT_MS));
      }
      throw new Error(`${path} takes no messages`);
    },
    close: () => void call.close(fd),
  };
}
