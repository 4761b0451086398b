/** Makes entries of processes and containers from what tests say of them. */
import { toByteString } from '../bytes.ts';
import type { ProcessEntry } from '../scap/index.ts';
import { type ContainerInfo, unmanagedContainer } from '../state/index.ts';
import { type ContainerSpec, type ProgramFields, type ProgramSpec, RuleTestError } from './document.ts';

/** Users that tests can name; the same inside and outside of containers. */
export const USERS: Readonly<Record<string, { uid: number; home: string; shell: string }>> = {
  root: { uid: 0, home: '/root', shell: '/bin/bash' },
  daemon: { uid: 1, home: '/usr/sbin', shell: '/usr/sbin/nologin' },
  mail: { uid: 8, home: '/var/mail', shell: '/usr/sbin/nologin' },
  'www-data': { uid: 33, home: '/var/www', shell: '/usr/sbin/nologin' },
  postgres: { uid: 106, home: '/var/lib/postgresql', shell: '/bin/bash' },
  alice: { uid: 1000, home: '/home/alice', shell: '/bin/bash' },
  nobody: { uid: 65534, home: '/nonexistent', shell: '/usr/sbin/nologin' },
};

/** Capabilities by number (include/uapi/linux/capability.h), which here is their order. */
const CAPABILITIES =
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'.split(
    ' ',
  );

const NO_LOGIN = 0xffffffff;

/** Bits of the exec event's flags (PPM_EXE_*). */
const IMAGE = { writable: 1, upper_layer: 2, memfd: 4, lower_layer: 8 } as const;

/** A process, and what only its exec event carries. */
export interface Program {
  readonly entry: ProcessEntry;
  readonly imageFlags: number;
  readonly deleted: boolean;
}

/** Words of a command line; '…' and "…" keep blanks together. */
export function words(line: string): string[] {
  const found: string[] = [];
  for (const [, single, double, bare] of line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)) {
    found.push(single ?? double ?? bare ?? '');
  }
  return found;
}

const terminated = (items: readonly string[]): string => items.map((item) => `${toByteString(item)}\0`).join('');

/** @param place where the process stands: its ids, time (ns), and the cgroups of its container. */
export function makeProgram(
  spec: ProgramSpec,
  place: { pid: number; ppid: number; ts: bigint; container: ContainerInfo | null },
): Program {
  const fields: ProgramFields = typeof spec === 'string' ? { cmd: spec } : spec;
  const [exe = fields.name ?? 'program', ...args] = fields.cmd === undefined ? [] : words(fields.cmd);
  const { pid, container } = place;
  const vpid = fields.vpid ?? (container === null ? pid : pid % 1000 || 1);
  const program = fields.exe ?? exe;
  const name = fields.name ?? program.slice(program.lastIndexOf('/') + 1);
  const caps = capabilities(fields.caps ?? '');
  const image = fields.image ?? [];
  let imageFlags = 0;
  for (const word of image) {
    if (word === 'deleted') continue;
    if (!Object.hasOwn(IMAGE, word)) throw new RuleTestError(`unknown word '${word}' of an image`);
    imageFlags |= IMAGE[word as keyof typeof IMAGE];
  }
  const entry: ProcessEntry = {
    tid: pid,
    pid,
    ptid: place.ppid,
    sid: fields.session === false ? vpid - 1 : vpid,
    pgid: fields.pgid ?? (fields.leader === false ? pid - 1 : pid),
    vpgid: fields.leader === false ? vpid - 1 : vpid,
    comm: toByteString(name).slice(0, 15),
    exe: toByteString(program),
    exepath: toByteString(fields.exepath ?? (program.startsWith('/') ? program : `/usr/bin/${program}`)),
    args: terminated(fields.args ?? args),
    cwd: toByteString(fields.cwd ?? '/'),
    fdlimit: 1024n,
    flags: 0,
    uid: userId(fields.user ?? 'root'),
    gid: userId(fields.user ?? 'root'),
    vmsizeKb: 4096,
    vmrssKb: 1024,
    vmswapKb: 0,
    pfmajor: 0n,
    pfminor: 0n,
    env: terminated(fields.env ?? ['PATH=/usr/bin:/bin']),
    vtid: vpid,
    vpid,
    cgroups: container === null ? 'cpuset=/user.slice\0' : `cpuset=/system.slice/docker-${container.fullId}.scope\0`,
    root: '/',
    pidnsInitStartTs: container === null ? 0n : place.ts - 3_600_000_000_000n,
    tty: fields.tty ?? 0,
    loginuid: fields.loginuid ?? NO_LOGIN,
    exeWritable: (imageFlags & IMAGE.writable) !== 0,
    exeUpperLayer: (imageFlags & IMAGE.upper_layer) !== 0,
    exeLowerLayer: (imageFlags & IMAGE.lower_layer) !== 0,
    exeFromMemfd: (imageFlags & IMAGE.memfd) !== 0,
    capInheritable: 0n,
    capPermitted: caps,
    capEffective: caps,
    exeIno: 1000n,
    exeInoCtime: place.ts - 86_400_000_000_000n,
    exeInoMtime: place.ts - 86_400_000_000_000n,
    startTs: place.ts - BigInt(Math.round((fields.age ?? 1) * 1e9)),
  };
  return { entry, imageFlags, deleted: image.includes('deleted') };
}

function userId(user: string | number): number {
  if (typeof user === 'number') return user;
  const known = USERS[user];
  if (known === undefined) throw new RuleTestError(`unknown user '${user}': one of ${Object.keys(USERS).join(', ')}`);
  return known.uid;
}

/** `CAP_SYS_ADMIN CAP_BPF`, as `thread.cap_*` print them, or `all`. */
function capabilities(text: string): bigint {
  if (text === 'all') return (1n << BigInt(CAPABILITIES.length)) - 1n;
  return text
    .split(/[\s,]+/)
    .filter((word) => word !== '')
    .reduce((bits, word) => {
      const number = CAPABILITIES.indexOf(word.replace(/^CAP_/, ''));
      if (number < 0) throw new RuleTestError(`unknown capability '${word}'`);
      return bits | (1n << BigInt(number));
    }, 0n);
}

/** The container that a test describes; equal descriptions are one container. */
export function makeContainer(spec: ContainerSpec): ContainerInfo {
  const fields = typeof spec === 'string' ? { image: spec } : spec;
  const fullId = digits(JSON.stringify(fields));
  const repository = toByteString(fields.image);
  const tag = fields.tag ?? 'latest';
  const labels: Record<string, string> = {};
  if (fields.namespace !== undefined) labels['io.kubernetes.pod.namespace'] = fields.namespace;
  if (fields.pod !== undefined) labels['io.kubernetes.pod.name'] = fields.pod;
  return {
    ...unmanagedContainer(fullId.slice(0, 12), 'docker'),
    fullId,
    name: 'test',
    image: `${repository}:${tag}`,
    imageRepository: repository,
    imageTag: tag,
    privileged: fields.privileged ?? false,
    hostPid: fields.hostPid ?? false,
    hostNetwork: fields.hostNetwork ?? false,
    mounts: (fields.mounts ?? []).map((text) => {
      const [source = '', destination = '', mode = 'rw'] = text.split(':');
      return { source, destination, mode, writable: mode !== 'ro', propagation: 'rprivate' };
    }),
    labels,
  };
}

/** 64 hexadecimal digits that depend on the text (FNV-1a over and over; this is a name, not a secret). */
function digits(text: string): string {
  let made = '';
  for (let round = 0; round < 8; round++) {
    let hash = 0x811c9dc5 ^ round;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    made += (hash >>> 0).toString(16).padStart(8, '0');
  }
  return made;
}
