/** What the process and its host use, from /proc and the cgroup. */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

export interface HostUsage {
  /** CPU time of this process since its start, in percent of one CPU. */
  readonly cpuPercent: number;
  readonly rssBytes: number;
  readonly vszBytes: number;
  readonly pssBytes: number;
  /** Memory of our cgroup. */
  readonly containerBytes: number;
  /** CPU time of the host since the last call, in percent of all CPUs. */
  readonly hostCpuPercent: number;
  readonly hostMemoryBytes: number;
  readonly hostProcessesRunning: number;
  readonly hostOpenFds: number;
}

/** Returns a function that measures; what is not readable is 0. `root` is HOST_ROOT. */
export function createHostUsage(root: string, environment: NodeJS.ProcessEnv): () => HostUsage {
  let last = { busy: 0, total: 0 };
  return () => {
    const cpu = process.cpuUsage();
    const jiffies = hostJiffies(root);
    const total = jiffies.total - last.total;
    const busy = jiffies.busy - last.busy;
    last = jiffies;
    const status = read('/proc/self/status');
    const memory = read(`${root}/proc/meminfo`);
    const kb = (text: string, name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
    return {
      cpuPercent: (cpu.user + cpu.system) / 1e4 / process.uptime(),
      rssBytes: kb(status, 'VmRSS') * 1024,
      vszBytes: kb(status, 'VmSize') * 1024,
      pssBytes: kb(read('/proc/self/smaps_rollup'), 'Pss') * 1024,
      containerBytes: containerMemory(environment),
      hostCpuPercent: total > 0 ? (100 * busy) / total : 0,
      hostMemoryBytes: (kb(memory, 'MemTotal') - kb(memory, 'MemAvailable')) * 1024,
      hostProcessesRunning: Number(/^procs_running (\d+)/m.exec(read(`${root}/proc/stat`))?.[1] ?? 0),
      hostOpenFds: Number(read(`${root}/proc/sys/fs/file-nr`).split(/\s+/)[0] || 0),
    };
  };
}

/** When the host started, in nanoseconds since the epoch. */
export function bootTime(root: string): bigint {
  return BigInt(/^btime (\d+)/m.exec(read(`${root}/proc/stat`))?.[1] ?? 0) * 1_000_000_000n;
}

/** The addresses of the network interfaces, the loopback left out. */
export function hostAddresses(): Record<string, { ipv4: string[]; ipv6: string[] }> {
  const result: Record<string, { ipv4: string[]; ipv6: string[] }> = {};
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    const outer = (addresses ?? []).filter((address) => !address.internal);
    if (outer.length === 0) continue;
    result[name] = {
      ipv4: outer.filter((a) => a.family === 'IPv4').map((a) => a.address),
      ipv6: outer.filter((a) => a.family === 'IPv6').map((a) => a.address),
    };
  }
  return result;
}

function hostJiffies(root: string): { busy: number; total: number } {
  const fields = (/^cpu +(.*)$/m.exec(read(`${root}/proc/stat`))?.[1] ?? '').split(' ').map(Number);
  const total = fields.slice(0, 8).reduce((sum, n) => sum + n, 0);
  return { total, busy: total - (fields[3] ?? 0) - (fields[4] ?? 0) };
}

function containerMemory(environment: NodeJS.ProcessEnv): number {
  const own = /^0::(\/.*)$/m.exec(read('/proc/self/cgroup'))?.[1] ?? '';
  const paths = [
    environment.FALCO_CGROUP_MEM_PATH ?? '',
    `/sys/fs/cgroup${own}/memory.current`,
    '/sys/fs/cgroup/memory/memory.usage_in_bytes',
  ];
  for (const path of paths) {
    const value = path === '' ? '' : read(path);
    if (value !== '') return Number(value);
  }
  return 0;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
