/** Private container engines for tests: own data, own sockets, no network, images made by hand. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BUILT, orFail } from '../parts.ts';

const RUNC = fileURLToPath(new URL('runc.sh', import.meta.url));
const BUSYBOX = '/bin/busybox';

/** Why engines cannot be started here; null when they can. */
export function enginesMissing(...programs: readonly string[]): string | null {
  if (process.getuid?.() !== 0) return 'needs root';
  const missing = [...programs, 'busybox', 'runc'].filter(
    (name) => !['/usr/bin', '/usr/sbin', '/bin'].some((folder) => existsSync(`${folder}/${name}`)),
  );
  return missing.length === 0 ? null : orFail(`not installed: ${missing.join(', ')} (test/containers/setup.sh)`);
}

export interface Daemon {
  readonly socket: string;
  readonly folder: string;
  stop(): Promise<void>;
  /** Ends the daemon and starts it again; containers live on. */
  restart(): Promise<void>;
}

/** Runs a program; its output. Throws with its error output when it fails. */
export function run(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 16 << 20 });
}

async function until(what: string, test: () => boolean, log: string): Promise<void> {
  for (let i = 0; i < 300; i++) {
    try {
      if (test()) return;
    } catch {
      // Not yet.
    }
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`${what} does not start:\n${readFileSync(log, 'utf8').slice(-2000)}`);
}

async function startDaemon(
  program: string,
  args: readonly string[],
  folder: string,
  socket: string,
  ready: () => boolean,
  /** Ends the containers, which would outlive the daemon. */
  endContainers: () => void,
): Promise<Daemon> {
  const log = join(folder, 'log');
  writeFileSync(log, '');
  let child: ChildProcess;
  const start = async (): Promise<void> => {
    child = spawn('sh', ['-c', 'exec "$@" >>"$0" 2>&1', log, program, ...args], { stdio: 'ignore' });
    await until(program, ready, log);
  };
  const end = (): Promise<void> =>
    new Promise((resolve) => {
      const ending = child;
      if (ending.exitCode !== null) return resolve();
      const timer = setTimeout(() => ending.kill('SIGKILL'), 15_000);
      ending.once('exit', () => {
        clearTimeout(timer);
        resolve();
      });
      ending.kill('SIGTERM');
    });
  await start();
  return {
    socket,
    folder,
    async stop() {
      endContainers();
      await end();
      unmountBelow(folder);
      // What an engine starts to tidy up may still be at it.
      rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 200 });
    },
    async restart() {
      await end();
      await start();
    },
  };
}

function unmountBelow(folder: string): void {
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${folder}/`))
    .sort()
    .reverse();
  for (const mount of mounts) run('umount', '-l', mount);
}

/** A Docker daemon without networks. */
export function startDocker(): Promise<Daemon> {
  const folder = mkdtempSync(join(tmpdir(), 'windhover-docker-'));
  const socket = join(folder, 'docker.sock');
  const args = [
    `--data-root=${folder}/data`,
    `--exec-root=${folder}/exec`,
    `--pidfile=${folder}/pid`,
    `--host=unix://${socket}`,
    '--bridge=none',
    '--iptables=false',
    '--ip6tables=false',
    '--ip-masq=false',
    '--ip-forward=false',
    '--userland-proxy=false',
    '--oom-score-adjust=0',
    '--exec-opt=native.cgroupdriver=cgroupfs',
    `--add-runtime=test=${RUNC}`,
    '--default-runtime=test',
  ];
  return startDaemon(
    'dockerd',
    args,
    folder,
    socket,
    () => docker(socket, 'version') !== '',
    () => {
      const all = docker(socket, 'ps', '-aq');
      if (all !== '') docker(socket, 'rm', '-f', ...all.split('\n'));
    },
  );
}

export function docker(socket: string, ...args: readonly string[]): string {
  return run('docker', '-H', `unix://${socket}`, ...args).trim();
}

/** How to call Podman on data of its own. */
function podmanCommand(folder: string): readonly string[] {
  return [
    `--root=${folder}/storage`,
    `--runroot=${folder}/run`,
    `--tmpdir=${folder}/tmp`,
    '--storage-driver=vfs',
    `--runtime=${RUNC}`,
    '--cgroup-manager=cgroupfs',
    '--events-backend=file',
  ];
}

/** Podman needs no daemon: this is its service, which answers questions about what it runs. */
export function startPodman(): Promise<Daemon> {
  const folder = mkdtempSync(join(tmpdir(), 'windhover-podman-'));
  const socket = join(folder, 'podman.sock');
  return startDaemon(
    'podman',
    [...podmanCommand(folder), 'system', 'service', '--time=0', `unix://${socket}`],
    folder,
    socket,
    () => existsSync(socket),
    () => podman(folder, 'rm', '--all', '--force', '--time=0'),
  );
}

/** @param folder that of the daemon */
export function podman(folder: string, ...args: readonly string[]): string {
  return run('podman', ...podmanCommand(folder), ...args).trim();
}

/** A shell script that calls Podman as {@link podman} does. */
export function podmanScript(folder: string): string {
  const path = join(folder, 'podman');
  writeFileSync(path, `#!/bin/sh\nexec /usr/bin/podman ${podmanCommand(folder).join(' ')} "$@"\n`, { mode: 0o755 });
  return path;
}

/** containerd with the Container Runtime Interface, and pods whose network leads nowhere. */
export function startContainerd(folder = mkdtempSync(join(tmpdir(), 'windhover-containerd-'))): Promise<Daemon> {
  const socket = join(folder, 'containerd.sock');
  writeNetwork(folder);
  writeFileSync(
    join(folder, 'config.toml'),
    `version = 2
root = "${folder}/root"
state = "${folder}/state"
oom_score = 0
[grpc]
  address = "${socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "windhover.test/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "${RUNC}"
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${folder}/cni/bin"
    conf_dir = "${folder}/cni/conf"
`,
  );
  const args = ['-c', join(folder, 'config.toml')];
  return startDaemon(
    'containerd',
    args,
    folder,
    socket,
    () => run('ctr', '-a', socket, 'version') !== '',
    () => endTasks(socket),
  );
}

/** Why no CRI-O can be started here; null when it can. */
export function crioMissing(): string | null {
  return existsSync(join(BUILT, 'crio')) ? null : 'crio is not built (test/kubernetes/setup.sh)';
}

/** CRI-O; its pods have a network that leads nowhere. */
export function startCrio(): Promise<Daemon> {
  const folder = mkdtempSync(join(tmpdir(), 'windhover-crio-'));
  const socket = join(folder, 'crio.sock');
  writeNetwork(folder);
  writeFileSync(join(folder, 'policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}');
  writeFileSync(
    join(folder, 'crio.conf'),
    `[crio]
root = "${folder}/storage"
runroot = "${folder}/run"
storage_driver = "vfs"
version_file = "${folder}/version"
version_file_persist = "${folder}/version-persist"
clean_shutdown_file = "${folder}/clean"
log_dir = "${folder}/logs"
[crio.api]
listen = "${socket}"
stream_port = "0"
[crio.runtime]
conmon = "/usr/bin/conmon"
conmon_cgroup = "pod"
cgroup_manager = "cgroupfs"
default_runtime = "runc"
container_exits_dir = "${folder}/exits"
container_attach_socket_dir = "${folder}/attach"
namespaces_dir = "${folder}/namespaces"
pinns_path = "${BUILT}/pinns"
hooks_dir = []
[crio.runtime.runtimes.runc]
runtime_path = "${RUNC}"
runtime_type = "oci"
runtime_root = "${folder}/runc"
[crio.image]
pause_image = "windhover.test/pause:1"
pause_command = ""
signature_policy = "${folder}/policy.json"
[crio.network]
network_dir = "${folder}/cni/conf"
plugin_dirs = ["${folder}/cni/bin"]
[crio.metrics]
enable_metrics = false
`,
  );
  const args = ['--config', join(folder, 'crio.conf'), '--config-dir', ''];
  // Containers are removed through its own interface.
  return startDaemon(
    join(BUILT, 'crio'),
    args,
    folder,
    socket,
    () => existsSync(socket),
    () => {},
  );
}

/** Ends every container of the kubelet's at once. */
export function endTasks(socket: string): void {
  const ctr = ['-a', socket, '-n', 'k8s.io'];
  for (const id of run('ctr', ...ctr, 'task', 'ls', '-q').split('\n')) {
    if (id === '') continue;
    try {
      run('ctr', ...ctr, 'task', 'rm', '-f', id);
    } catch {
      // It ended by itself.
    }
  }
}

const CNI_HEAD = `#!/bin/bash
cat >/dev/null
[ "$CNI_COMMAND" != VERSION ] || echo '{"cniVersion":"0.4.0","supportedVersions":["0.3.1","0.4.0"]}'
[ "$CNI_COMMAND" = ADD ] || exit 0
inside() { nsenter --net="$CNI_NETNS" ip "$@" >/dev/null 2>&1; }
inside link set lo up
`;
/** Both ends of a veth pair stand in the pod: it has an address, and nobody to talk to. */
const CNI_PLUGINS = {
  nowhere: `${CNI_HEAD}
n=$((0x$(echo -n "$CNI_CONTAINERID" | sha256sum | cut -c1-4)))
address=10.244.$((n / 256)).$((n % 256))
inside link add "$CNI_IFNAME" type veth peer name peer0
inside addr add "$address/32" dev "$CNI_IFNAME"
inside link set "$CNI_IFNAME" up
echo '{"cniVersion":"0.4.0","interfaces":[{"name":"'"$CNI_IFNAME"'","sandbox":"'"$CNI_NETNS"'"}],"ips":[{"version":"4","address":"'"$address"'/32","interface":0}],"dns":{}}'
`,
  loopback: `${CNI_HEAD}
echo '{"cniVersion":"0.4.0","interfaces":[{"name":"lo","sandbox":"'"$CNI_NETNS"'"}],"ips":[{"version":"4","address":"127.0.0.1/8","interface":0}],"dns":{}}'
`,
} as const;

function writeNetwork(folder: string): void {
  mkdirSync(join(folder, 'cni/bin'), { recursive: true });
  mkdirSync(join(folder, 'cni/conf'), { recursive: true });
  for (const [name, script] of Object.entries(CNI_PLUGINS)) {
    writeFileSync(join(folder, 'cni/bin', name), script, { mode: 0o755 });
  }
  const network = { cniVersion: '0.4.0', name: 'nowhere', plugins: [{ type: 'nowhere' }] };
  writeFileSync(join(folder, 'cni/conf/10-nowhere.conflist'), JSON.stringify(network));
}

/** Runs a line of sh on a terminal: that is what `script` gives it. */
export async function onTerminal(line: string): Promise<void> {
  const child = spawn('script', ['-qec', line, '/dev/null'], { stdio: 'ignore' });
  await new Promise<void>((resolve) => child.once('close', () => resolve()));
}

/** A root directory of busybox alone. */
export function busyboxRoot(folder: string): string {
  const root = join(folder, 'busybox-root');
  for (const part of ['bin', 'etc', 'tmp', 'root', 'proc', 'sys', 'dev', 'usr/bin', 'sbin', 'var']) {
    mkdirSync(join(root, part), { recursive: true });
  }
  cpSync(BUSYBOX, join(root, 'bin/busybox'));
  for (const name of run(BUSYBOX, '--list').split('\n')) {
    if (name !== '' && name !== 'busybox') symlinkSync('busybox', join(root, 'bin', name));
  }
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\n');
  return root;
}

/** Makes an image of a root directory in Docker. */
export function dockerImage(daemon: Daemon, name: string, root: string, ...changes: readonly string[]): void {
  const tar = join(daemon.folder, 'image.tar');
  run('tar', '-C', root, '-cf', tar, '.');
  const options = changes.flatMap((change) => ['-c', change]);
  docker(daemon.socket, 'import', ...options, '-c', 'ENV PATH=/bin:/sbin:/usr/bin', tar, name);
  rmSync(tar);
}

/** Makes an image of a root directory in Podman, or in CRI-O, which keeps its images in the same way. */
export function podmanImage(folder: string, name: string, root: string, ...changes: readonly string[]): void {
  const tar = join(folder, 'image.tar');
  run('tar', '-C', root, '-cf', tar, '.');
  podman(folder, 'import', ...changes.flatMap((change) => ['-c', change]), tar, name);
  rmSync(tar);
}

/** Makes an image of a root directory in containerd's namespace of Kubernetes: an OCI archive, written and imported. */
export function criImage(daemon: Daemon, name: string, root: string, command: readonly string[]): void {
  const folder = mkdtempSync(join(daemon.folder, 'image-'));
  const blobs = join(folder, 'oci/blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const put = (bytes: Buffer | string): { digest: string; size: number } => {
    const hash = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(blobs, hash), bytes);
    return { digest: `sha256:${hash}`, size: Buffer.byteLength(bytes) };
  };
  const tar = join(folder, 'layer.tar');
  run('tar', '--sort=name', '--owner=0', '--group=0', '--mtime=@0', '-C', root, '-cf', tar, '.');
  const oci = 'application/vnd.oci.image';
  const layer = { mediaType: `${oci}.layer.v1.tar`, ...put(readFileSync(tar)) };
  const config = {
    mediaType: `${oci}.config.v1+json`,
    ...put(
      JSON.stringify({
        architecture: process.arch === 'x64' ? 'amd64' : process.arch,
        os: 'linux',
        config: { Env: ['PATH=/bin:/sbin:/usr/bin:/usr/sbin'], Cmd: command },
        rootfs: { type: 'layers', diff_ids: [layer.digest] },
      }),
    ),
  };
  const mediaType = `${oci}.manifest.v1+json`;
  const manifest = { mediaType, ...put(JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [layer] })) };
  const annotations = { 'io.containerd.image.name': name };
  writeFileSync(
    join(folder, 'oci/index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
  );
  writeFileSync(join(folder, 'oci/oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  const archive = join(folder, 'image.tar');
  run('tar', '-C', join(folder, 'oci'), '-cf', archive, '.');
  run('ctr', '-a', daemon.socket, '-n', 'k8s.io', 'images', 'import', archive);
  rmSync(folder, { recursive: true });
}
