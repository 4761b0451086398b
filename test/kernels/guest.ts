import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CACHE } from '../parts.ts';
import { cpio, type Entry } from './cpio.ts';

/** The checkout. */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Where the checkout is in a guest. */
const GUEST_ROOT = 'windhover';

export interface GuestRun {
  /** What the script printed. */
  readonly output: string;
  /** Its exit status; null when the guest ended before it. */
  readonly status: number | null;
}

/** What a guest has, and is told, beside the checkout's own. */
export interface GuestOptions {
  /** Further files. */
  readonly files?: readonly Entry[];
  /** Packages that the scripts need, which need no others themselves. */
  readonly packages?: readonly string[];
  /** Further parameters of the kernel. */
  readonly parameters?: string;
  readonly timeoutMs?: number;
}

export interface GuestResult {
  /** One for each script. */
  readonly runs: readonly GuestRun[];
  /** All that came over the console: the kernel's words, and the scripts'. */
  readonly console: string;
}

/**
 * All that the emulator can do but protection keys: V8 uses them to guard its code, and they are the suspect for two
 * crashes of Node under 5.10 in some thirty runs.
 */
const CPU = 'max,pku=off';

/** `/init`: the guest runs the scripts, marks their output off, and goes. */
const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin HOME=/root WINDHOVER_TEST_WORKLOAD=/workload
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /tmp /root /etc /dev/shm
mount -t tmpfs tmp /tmp
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
ip link set lo up
hostname guest
echo 'root:x:0:0:root:/root:/bin/sh' >/etc/passwd
echo 'root:x:0:' >/etc/group
cd /${GUEST_ROOT}
while read -r script; do
  echo "@@@ begin $script"
  setsid node --no-warnings $script
  status=$?
  echo "@@@ end $script $status"
  # A crash is in the kernel's log only.
  [ $status = 0 ] || dmesg | tail -n 20
done </scripts
poweroff -f
`;

/**
 * Boots a kernel in qemu (emulated, so that it needs no rights and no /dev/kvm) and runs scripts of this checkout
 * under Node in it, one after another, as root, alone in the machine.
 * @param kernel a folder of {@link CACHE}/kernels
 * @param scripts relative to the checkout
 * @param workload the compiled program of test/actions; the guest has no compiler
 */
export async function runInGuest(
  kernel: string,
  scripts: readonly string[],
  workload: string,
  { files = [], packages = [], parameters = '', timeoutMs = 480_000 }: GuestOptions = {},
): Promise<GuestResult> {
  const directory = mkdtempSync(join(tmpdir(), 'windhover-guest-'));
  const initrd = join(directory, 'initrd');
  writeFileSync(
    initrd,
    Buffer.concat([readFileSync(baseArchive()), overlay(scripts, workload, packages), cpio(files)]),
  );
  const qemu = spawn(
    'qemu-system-x86_64',
    [
      ...['-machine', 'q35,accel=tcg', '-cpu', CPU, '-m', '1536', '-smp', '2'],
      ...['-nographic', '-no-reboot', '-nodefaults', '-serial', 'stdio', '-nic', 'none'],
      ...['-kernel', join(CACHE, 'kernels', kernel, 'vmlinuz'), '-initrd', initrd],
      ...['-append', `console=ttyS0 quiet panic=-1 mitigations=off nokaslr no_timer_check ${parameters}`],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const timer = setTimeout(() => qemu.kill('SIGKILL'), timeoutMs);
  try {
    let text = '';
    for (const stream of [qemu.stdout, qemu.stderr]) {
      stream.setEncoding('latin1').on('data', (data: string) => {
        text += data;
      });
    }
    await new Promise((resolve, reject) => qemu.once('close', resolve).once('error', reject));
    text = Buffer.from(text.replaceAll('\r\n', '\n'), 'latin1').toString();
    return { runs: scripts.map((script) => outputOf(script, text)), console: text };
  } finally {
    clearTimeout(timer);
    rmSync(directory, { recursive: true });
  }
}

function outputOf(script: string, text: string): GuestRun {
  const begin = `@@@ begin ${script}\n`;
  const from = text.indexOf(begin);
  const to = text.indexOf(`@@@ end ${script} `);
  if (from < 0 || to < 0) return { output: '', status: null };
  const status = /^\d+/.exec(text.slice(to + `@@@ end ${script} `.length));
  return { output: text.slice(from + begin.length, to), status: Number(status?.[0] ?? 1) };
}

/** Fetches what guests need (setup.sh); why there can be none here, or undefined. In CI, where they must be, it throws. */
export function guestsUnavailable(): string | undefined {
  if (process.arch !== 'x64') return 'the kernels are those of x86-64';
  try {
    execFileSync(fileURLToPath(new URL('setup.sh', import.meta.url)), {
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
    });
    return undefined;
  } catch (error) {
    if (process.env.CI !== undefined) throw error;
    return `setup.sh failed: ${(error as { stderr: string }).stderr.trim().split('\n').at(-1)}`;
  }
}

/** The kernels that setup.sh has fetched, with their versions. */
export function kernels(): { name: string; version: string }[] {
  const directory = join(CACHE, 'kernels');
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((name) => existsSync(join(directory, name, 'version')))
    .map((name) => ({ name, version: readFileSync(join(directory, name, 'version'), 'utf8').trim() }));
}

/** Node, its libraries, and busybox; packed once for each version of them. */
function baseArchive(): string {
  const node = process.execPath;
  const busybox = '/bin/busybox';
  const libraries = [...execFileSync('ldd', [node], { encoding: 'utf8' }).matchAll(/(\/\S+) \(0x/g)].map(
    (match) => match[1],
  );
  const key = createHash('sha256');
  for (const text of [process.version, INIT, ...libraries]) key.update(`${text}\0`);
  for (const path of [busybox, ...libraries]) key.update(readFileSync(path));
  const cached = join(CACHE, `base-${key.digest('hex').slice(0, 16)}.cpio`);
  if (existsSync(cached)) return cached;

  mkdirSync(CACHE, { recursive: true });
  // Without its symbols it is 20 MB smaller, which the emulated machine need not copy.
  const stripped = join(CACHE, `node-${process.pid}.tmp`);
  execFileSync('strip', ['-o', stripped, node]);
  const entries: Entry[] = [
    { path: 'init', mode: 0o755, data: Buffer.from(INIT) },
    { path: 'bin/busybox', mode: 0o755, data: readFileSync(busybox) },
    { path: 'usr/bin/node', mode: 0o755, data: readFileSync(stripped) },
    ...libraries.map((path) => ({ path: path.slice(1), mode: 0o755, data: readFileSync(path) })),
    ...['proc', 'sys', 'dev'].map((path) => ({ path })),
  ];
  rmSync(stripped);
  const unfinished = `${cached}.${process.pid}.tmp`;
  writeFileSync(unfinished, cpio(entries));
  renameSync(unfinished, cached);
  return cached;
}

/** The checkout's files, as they are now, the packages, the workload and the list of scripts. */
function overlay(scripts: readonly string[], workload: string, packages: readonly string[]): Buffer {
  const { resolve } = createRequire(import.meta.url);
  const koffi = dirname(resolve('koffi'));
  const native = dirname(resolve(`@koromix/koffi-linux-${process.arch}`));
  const entries: Entry[] = [
    { path: 'scripts', data: Buffer.from(`${scripts.join('\n')}\n`) },
    { path: 'workload', mode: 0o755, data: readFileSync(workload) },
  ];
  const isSource = (path: string): boolean =>
    !/\.test\.ts$|\.md$/.test(path) && !/\/koffi\/(vendor|doc|lib)\//.test(path);
  const add = (from: string, to: string): void => {
    for (const path of filesIn(from)) {
      const name = join(to, relative(from, path));
      if (isSource(name)) entries.push({ path: join(GUEST_ROOT, name), mode: 0o755, data: readFileSync(path) });
    }
  };
  for (const file of ['package.json', 'bin', 'src', 'probe', 'rules', 'test/actions', 'test/kernels'])
    add(join(ROOT, file), file);
  add(koffi, 'node_modules/koffi');
  add(native, `node_modules/@koromix/koffi-linux-${process.arch}`);
  for (const name of packages) add(join(ROOT, 'node_modules', name), `node_modules/${name}`);
  return cpio(entries);
}

/** A file, or all files below a directory. */
function filesIn(path: string): string[] {
  const entries = readdirSync(dirname(path), { withFileTypes: true }).find(
    (entry) => join(dirname(path), entry.name) === path,
  );
  if (entries?.isDirectory() !== true) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
