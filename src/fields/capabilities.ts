/** Names of the capabilities by bit (linux/capability.h). */
const NAMES =
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'
    .split(' ')
    .map((name) => `CAP_${name}`);

/** Sets seen lately; a machine has few, and the text of a full one takes microseconds. */
const texts = new Map<number | bigint, string>();

/** The capabilities of a set, lowest bit first, with blanks between. */
export function capabilityNames(set: number | bigint): string {
  let text = texts.get(set);
  if (text === undefined) {
    const bits = BigInt(set);
    text = NAMES.filter((_, bit) => (bits >> BigInt(bit)) & 1n).join(' ');
    if (texts.size >= 256) texts.clear();
    texts.set(set, text);
  }
  return text;
}
