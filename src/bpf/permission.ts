import { release } from 'node:os';
import { BpfError, type BpfErrorKind } from './error.ts';
import { Errno, errnoName, kernelVersion, NR, type Sys } from './sys.ts';

/** Capabilities by number (include/uapi/linux/capability.h), as far as a sensor may want to keep them. */
export const Capability = {
  DAC_OVERRIDE: 1,
  DAC_READ_SEARCH: 2,
  KILL: 5,
  SETPCAP: 8,
  NET_ADMIN: 12,
  SYS_PTRACE: 19,
  SYS_ADMIN: 21,
  SYS_RESOURCE: 24,
  PERFMON: 38,
  BPF: 39,
} as const;

export type CapabilityName = keyof typeof Capability;

/** The effective capabilities of this thread, as bits. */
export function effectiveCapabilities(sys: Sys): bigint {
  const { result, data } = capget(sys);
  return result < 0 ? 0n : BigInt(data.readUInt32LE(0)) | (BigInt(data.readUInt32LE(12)) << 32n);
}

const VERSION_3 = 0x2008_0522;

/** Calls capget(2) for this thread: two of {effective, permitted, inheritable}, low words first. */
function capget(sys: Sys): { result: number; data: Buffer } {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(VERSION_3, 0);
  const data = Buffer.alloc(24);
  return { result: sys.sys(NR.capget, header, data), data };
}

/**
 * Gives up all capabilities of this *thread* but `keep`, for good: permitted and effective ones, all inheritable
 * and ambient ones, and, where CAP_SETPCAP allows, the bounding set, so that a program it starts cannot get
 * them back even as root. Linux has capabilities per thread: threads started afterwards inherit the
 * smaller set, those that run already (other workers) call this themselves.
 * @throws BpfError `permission` when something in `keep` is not there to be kept
 */
export function dropCapabilities(sys: Sys, keep: readonly CapabilityName[] = []): void {
  const wanted = keep.reduce((bits, name) => bits | (1n << BigInt(Capability[name])), 0n);
  const { result: got, data } = capget(sys);
  if (got < 0) throw new BpfError('permission', `reading the capabilities: ${errnoName(-got)}`);
  const permitted = BigInt(data.readUInt32LE(4)) | (BigInt(data.readUInt32LE(16)) << 32n);
  const absent = keep.filter((name) => (permitted & (1n << BigInt(Capability[name]))) === 0n);
  if (absent.length > 0)
    throw new BpfError('permission', `cannot keep ${absent.map((name) => `CAP_${name}`).join(', ')}: not there`);

  const PR_CAPBSET_READ = 23;
  const PR_CAPBSET_DROP = 24;
  for (let capability = 0; capability < 64; capability++) {
    if ((wanted & (1n << BigInt(capability))) !== 0n) continue;
    const inBoundingSet = sys.sys(NR.prctl, PR_CAPBSET_READ, capability);
    if (inBoundingSet < 0) break;
    if (inBoundingSet === 1 && sys.sys(NR.prctl, PR_CAPBSET_DROP, capability) < 0) break;
  }

  const header = Buffer.alloc(8);
  header.writeUInt32LE(VERSION_3, 0);
  const low = Number(wanted & 0xffffffffn);
  const high = Number(wanted >> 32n);
  const set = Buffer.alloc(24);
  for (const at of [0, 4]) {
    set.writeUInt32LE(low, at);
    set.writeUInt32LE(high, at + 12);
  }
  const result = sys.sys(NR.capset, header, set);
  if (result < 0) throw new BpfError('permission', `giving up capabilities: ${errnoName(-result)}`);
}

/** Since 5.11 the memory of BPF objects is accounted to the cgroup; before, RLIMIT_MEMLOCK bounds it. */
const CGROUP_ACCOUNTING = 5011;

/** Raises RLIMIT_MEMLOCK where the kernel still counts maps against it. Failing is reported by the first map. */
export function raiseMemoryLimit(sys: Sys, kernel: string = release()): void {
  if (kernelVersion(kernel) >= CGROUP_ACCOUNTING) return;
  const RLIMIT_MEMLOCK = 8;
  const unlimited = Buffer.alloc(16, 0xff);
  sys.sys(NR.prlimit64, 0, RLIMIT_MEMLOCK, unlimited, 0);
}

/** A refusal of bpf(2) in words that say what to change. */
export function explain(
  sys: Sys,
  kind: BpfErrorKind,
  what: string,
  errno: number,
  kernel: string = release(),
): BpfError {
  const prefix = `${what}: ${errnoName(errno)}`;
  if (errno === Errno.EPERM || errno === Errno.EACCES) {
    const missing = missingCapabilities(effectiveCapabilities(sys));
    if (missing.length > 0) {
      return new BpfError(
        'permission',
        `${prefix}. Missing ${missing.join(' and ')}: run as root, or give this program both CAP_BPF and CAP_PERFMON.`,
      );
    }
    if (kernelVersion(kernel) < CGROUP_ACCOUNTING) {
      return new BpfError(
        'permission',
        `${prefix}. This kernel (${kernel}) counts BPF maps as locked memory: raise the limit (ulimit -l unlimited), or give this program CAP_SYS_RESOURCE.`,
      );
    }
    return new BpfError(
      'permission',
      `${prefix}, although CAP_BPF and CAP_PERFMON are there: a seccomp profile, a security module, kernel lockdown or a user namespace forbids bpf(2).`,
    );
  }
  if (errno === Errno.ENOSYS) {
    return new BpfError('kernel', `${prefix}. This kernel (${kernel}) was built without bpf(2) (CONFIG_BPF_SYSCALL).`);
  }
  if (errno === Errno.EINVAL && kernelVersion(kernel) < OLDEST) {
    return new BpfError('kernel', `${prefix}. This kernel (${kernel}) is too old: 5.8 is the first with ring buffers.`);
  }
  return new BpfError(kind, prefix);
}

/** The first kernel with BPF_MAP_TYPE_RINGBUF and CAP_BPF. */
const OLDEST = 5008;

/** What of CAP_BPF and CAP_PERFMON is missing; CAP_SYS_ADMIN stands for both. */
export function missingCapabilities(effective: bigint): string[] {
  const has = (name: CapabilityName): boolean => (effective & (1n << BigInt(Capability[name]))) !== 0n;
  if (has('SYS_ADMIN')) return [];
  return (['BPF', 'PERFMON'] as const).filter((name) => !has(name)).map((name) => `CAP_${name}`);
}
