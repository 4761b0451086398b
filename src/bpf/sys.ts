import koffi from 'koffi';

/** What the kernel takes as an argument: an integer, or memory whose address is passed. */
export type SysArg = number | bigint | Uint8Array;

/**
 * The only way from this folder into the kernel. Everything else is plain TypeScript over it.
 *
 * Whoever writes {@link Sys.addr} of one buffer into another (a `bpf_attr`) keeps the first in {@link alive}
 * until the call has returned.
 */
export interface Sys {
  /** The page size in bytes. */
  readonly pageSize: number;
  /** The system call `nr`; the result, or minus the errno. */
  sys(nr: number, ...args: SysArg[]): number;
  /** The address of a buffer's first byte. */
  addr(buffer: Uint8Array): bigint;
  /** Maps `length` bytes of `fd` shared, from `offset`; throws the errno as {@link SysError}. */
  map(fd: number, length: number, offset: number, writable: boolean): ArrayBuffer;
}

/** A failed system call, with the errno's number and name. */
export class SysError extends Error {
  override readonly name = 'SysError';
  readonly errno: number;
  constructor(what: string, errno: number) {
    super(`${what}: ${errnoName(errno)}`);
    this.errno = errno;
  }
}

const ARM64 = process.arch === 'arm64';

/** System call numbers (arch/x86/entry/syscalls/syscall_64.tbl; include/uapi/asm-generic/unistd.h). */
export const NR = {
  bpf: ARM64 ? 280 : 321,
  capget: ARM64 ? 90 : 125,
  capset: ARM64 ? 91 : 126,
  close: ARM64 ? 57 : 3,
  getppid: ARM64 ? 173 : 110,
  madvise: ARM64 ? 233 : 28,
  munmap: ARM64 ? 215 : 11,
  ppoll: ARM64 ? 73 : 271,
  prctl: ARM64 ? 167 : 157,
  prlimit64: ARM64 ? 261 : 302,
} as const;

/** errno values that the loader tells apart (include/uapi/asm-generic/errno-base.h and errno.h). */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EAGAIN: 11,
  EACCES: 13,
  EINVAL: 22,
  ENOSPC: 28,
  ENOSYS: 38,
} as const;

const MORE_NAMES: Readonly<Record<number, string>> = {
  9: 'EBADF',
  7: 'E2BIG',
  12: 'ENOMEM',
  14: 'EFAULT',
  16: 'EBUSY',
  524: 'ENOTSUPP',
};

/** `EPERM` for 1; the number itself where the name is unknown. */
export function errnoName(errno: number): string {
  for (const [name, value] of Object.entries(Errno)) if (value === errno) return name;
  return MORE_NAMES[errno] ?? `errno ${errno}`;
}

/**
 * What the kernel is reading or writing just now. The garbage collector does not see addresses: without this it
 * could free a buffer whose last use in JavaScript was to take its address.
 */
export const alive = new Set<readonly unknown[]>();

let shared: Sys | undefined;

/** The {@link Sys} of this thread, over libc's `syscall` and `mmap` (koffi: no compiler, no other library). */
export function systemCalls(): Sys {
  return (shared ??= open());
}

function open(): Sys {
  const libc = koffi.load(null);
  const syscall = libc.func('int64_t syscall(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t)');
  const mmap = libc.func('void *mmap(uintptr_t, size_t, int, int, int, int64_t)');
  const getpagesize = libc.func('int getpagesize()');
  const PROT_READ = 1;
  const PROT_WRITE = 2;
  const MAP_SHARED = 1;
  const MAP_FAILED = 0xffff_ffff_ffff_ffffn;
  const value = (arg: SysArg | undefined): number | bigint => {
    if (arg === undefined) return 0;
    return typeof arg === 'object' ? koffi.address(arg) : arg;
  };
  return {
    pageSize: getpagesize(),
    sys(nr, ...args) {
      alive.add(args);
      try {
        const result = syscall(
          nr,
          value(args[0]),
          value(args[1]),
          value(args[2]),
          value(args[3]),
          value(args[4]),
          value(args[5]),
        );
        return result < 0 ? -koffi.errno() : Number(result);
      } finally {
        alive.delete(args);
      }
    },
    addr: (buffer) => koffi.address(buffer),
    map(fd, length, offset, writable) {
      const at = mmap(0, length, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, offset);
      if (at === null || BigInt.asUintN(64, koffi.address(at)) === MAP_FAILED)
        throw new SysError('mmap', koffi.errno());
      return koffi.view(at, length);
    },
  };
}

/** A kernel version as one comparable number: 5.11 → 5011. */
export function kernelVersion(release: string): number {
  const match = /^(\d+)\.(\d+)/.exec(release);
  return match === null ? 0 : Number(match[1]) * 1000 + Number(match[2]);
}
