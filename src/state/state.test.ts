import { describe, expect, test } from 'vitest';
import {
  buildEvent,
  type EventSpec,
  EventType,
  inetAddress,
  inetTuple,
  type ParamValue,
  unixTuple,
  viewEvent,
} from '../event/index.ts';
import type { FdEntry, ProcessEntry } from '../scap/entries.ts';
import { FdType } from '../scap/entries.ts';
import { CloneFlag, Extra, FdStatus, State, type StateOptions } from './index.ts';

const EMPTY: ProcessEntry = {
  tid: 1,
  pid: 1,
  ptid: 0,
  sid: 1,
  vpgid: 1,
  pgid: 1,
  comm: 'init',
  exe: '/sbin/init',
  exepath: '/sbin/init',
  args: '',
  cwd: '/root',
  fdlimit: 1024n,
  flags: 0,
  uid: 0,
  gid: 0,
  vmsizeKb: 0,
  vmrssKb: 0,
  vmswapKb: 0,
  pfmajor: 0n,
  pfminor: 0n,
  env: 'HOME=/root\0',
  vtid: 1,
  vpid: 1,
  cgroups: '',
  root: '/',
  pidnsInitStartTs: 0n,
  tty: 0,
  loginuid: 0xffffffff,
  exeWritable: false,
  exeUpperLayer: false,
  exeLowerLayer: false,
  exeFromMemfd: false,
  capInheritable: 0n,
  capPermitted: 0n,
  capEffective: 0n,
  exeIno: 7n,
  exeInoCtime: 0n,
  exeInoMtime: 0n,
  startTs: 5n,
};

function machine(options: StateOptions = {}, processes: Partial<ProcessEntry>[] = [{}]) {
  const state = new State(options);
  for (const one of processes) state.sink.process({ ...EMPTY, ...one });
  let ts = 1_000_000_000n;
  const send = (tid: number, code: string, params: EventSpec['params'], extra: readonly ParamValue[] = []) => {
    ts += 1000n;
    state.apply(viewEvent(buildEvent(EventType[code] as number, { ts, tid, params: params ?? {}, extra })));
    return state;
  };
  const fork = (parent: number, child: number, flags = 0) => {
    const from = state.threads.get(parent);
    const params = { comm: from?.comm ?? '', exe: from?.exe ?? '', pid: from?.pid ?? parent, tid: parent, flags };
    send(parent, 'SYSCALL_CLONE_20_X', { ...params, res: child, vtid: parent, vpid: from?.pid ?? parent });
  };
  const openat = (tid: number, fd: number, name: string, more: Record<string, ParamValue> = {}) =>
    send(tid, 'SYSCALL_OPENAT_2_X', { fd, dirfd: -100, name, flags: 1, ...more });
  return { state, send, fork, openat, wait: (ns: bigint) => (ts += ns) };
}

describe('processes', () => {
  test('a fork has what its parent has, and files of its own', () => {
    const { state, fork, openat } = machine();
    openat(1, 3, '/etc/passwd');
    fork(1, 20);
    const child = state.threads.get(20);
    expect([child?.comm, child?.pid, child?.ptid, child?.parent?.tid, child?.env]).toEqual([
      'init',
      20,
      1,
      1,
      'HOME=/root\0',
    ]);
    expect(child?.fds.get(3)?.name).toBe('/etc/passwd');
    openat(20, 4, '/tmp/x');
    expect(state.threads.get(1)?.fds.get(4)).toBeNull();
  });

  test('the second of the two clone events changes nothing, whichever came first', () => {
    const { state, send, fork, openat } = machine();
    fork(1, 20);
    openat(20, 3, '/a');
    const made = state.threads.get(20);
    send(20, 'SYSCALL_CLONE_20_X', { res: 0, tid: 20, pid: 20, ptid: 1, comm: 'init', vtid: 20, vpid: 20 });
    expect(state.threads.get(20)).toBe(made);
    send(30, 'SYSCALL_CLONE_20_X', { res: 0, tid: 30, pid: 30, ptid: 1, comm: 'init', vtid: 30, vpid: 30 });
    const inverted = state.threads.get(30);
    fork(1, 30);
    expect(state.threads.get(30)).toBe(inverted);
    expect(inverted?.parent?.tid).toBe(1);
  });

  test('a thread id that is used again belongs to a new process', () => {
    const { state, send, fork, wait } = machine();
    fork(1, 20);
    const before = state.threads.get(20);
    wait(10_000_000_000n);
    send(20, 'SYSCALL_CLONE_20_X', { res: 0, tid: 20, pid: 20, ptid: 1, comm: 'other', vtid: 20, vpid: 20 });
    expect(state.threads.get(20)).not.toBe(before);
    expect(state.thread?.comm).toBe('other');
  });

  test('threads share their process, its files and its directory', () => {
    const { state, send, fork, openat } = machine();
    fork(1, 20);
    fork(20, 21, CloneFlag.THREAD | CloneFlag.FILES);
    const thread = state.threads.get(21);
    expect([thread?.pid, thread?.ptid, thread?.main?.tid, thread?.group.alive]).toEqual([20, 1, 20, 2]);
    openat(21, 3, '/a');
    expect(state.threads.get(20)?.fds.get(3)?.name).toBe('/a');
    send(21, 'SYSCALL_CHDIR_X', { res: 0, path: 'sub' });
    openat(20, 4, 'file');
    expect(state.fd?.name).toBe('/root/sub/file');
  });

  test('an exec makes another program of it and closes what is marked so', () => {
    const { state, send, fork, openat } = machine();
    fork(1, 20);
    openat(20, 3, '/keep');
    openat(20, 4, '/drop', { flags: 1 | (1 << 12) });
    openat(20, 5, '/unmarked', { flags: 1 | (1 << 12) });
    send(20, 'SYSCALL_FCNTL_X', { res: 0, fd: 5, cmd: 3, arg: 0 });
    const epoch = state.threads.get(20)?.epoch;
    send(20, 'SYSCALL_EXECVE_19_X', {
      res: 0,
      exe: 'sh',
      args: ['-c', 'id'],
      tid: 20,
      pid: 20,
      ptid: 1,
      cwd: '/tmp',
      comm: 'sh',
      trusted_exepath: '/bin/dash (deleted)',
      uid: 1000,
      flags: 4,
    });
    const thread = state.threads.get(20);
    expect([thread?.comm, thread?.cmdline, thread?.exepath, thread?.uid, thread?.exeFromMemfd]).toEqual([
      'sh',
      'sh -c id',
      '/bin/dash',
      1000,
      true,
    ]);
    expect([3, 4, 5].map((fd) => thread?.fds.get(fd)?.name ?? null)).toEqual(['/keep', null, '/unmarked']);
    expect(thread?.epoch).not.toBe(epoch);
    send(20, 'SYSCALL_EXECVE_19_X', { res: -2, exe: 'x', comm: 'x', pid: 20, ptid: 1 });
    expect(thread?.comm).toBe('sh');
  });

  test('a process is there for its exit event, and gone with the next one', () => {
    const { state, send, fork } = machine();
    fork(1, 20);
    send(20, 'PROCEXIT_1_E', { status: 0, reaper_tid: 0 });
    expect(state.thread?.tid).toBe(20);
    send(1, 'SYSCALL_CLOSE_X', { res: 0, fd: 9 });
    expect(state.threads.get(20)).toBeNull();
    expect(state.groups.has(20)).toBe(false);
  });

  test('children of a process that ends go to the reaper that the kernel names, or to the one that must be it', () => {
    const { state, send, fork } = machine();
    fork(1, 20);
    fork(20, 30);
    fork(30, 40);
    fork(30, 41);
    const lineage = state.lineageEpoch;
    send(30, 'PROCEXIT_1_E', { status: 0, reaper_tid: 20 });
    send(1, 'SYSCALL_CLOSE_X', { res: 0, fd: 9 });
    expect([state.threads.get(40)?.ptid, state.threads.get(41)?.parent?.tid]).toEqual([20, 20]);
    expect(state.lineageEpoch).not.toBe(lineage);
    send(20, 'PROCEXIT_1_E', { status: 0, reaper_tid: 0 });
    send(1, 'SYSCALL_CLOSE_X', { res: 0, fd: 9 });
    expect(state.threads.get(40)?.parent?.tid).toBe(1);
  });

  test('a subreaper takes over the children below it', () => {
    const { state, send, fork } = machine();
    fork(1, 20);
    send(20, 'SYSCALL_PRCTL_X', { res: 0, option: 36, arg2_int: 1 });
    fork(20, 30);
    fork(30, 40);
    send(30, 'PROCEXIT_1_E', { status: 0, reaper_tid: 0 });
    send(1, 'SYSCALL_CLOSE_X', { res: 0, fd: 9 });
    expect(state.threads.get(40)?.parent?.tid).toBe(20);
  });

  test('a leader that ends stays while threads of its process live', () => {
    const { state, send, fork } = machine();
    fork(1, 20);
    fork(20, 21, CloneFlag.THREAD | CloneFlag.FILES);
    send(20, 'PROCEXIT_1_E', { status: 0, reaper_tid: 0 });
    send(21, 'SYSCALL_CLOSE_X', { res: 0, fd: 9 });
    expect([state.threads.get(20)?.dead, state.thread?.main?.tid, state.thread?.group.alive]).toEqual([true, 20, 1]);
    send(21, 'PROCEXIT_1_E', { status: 0, reaper_tid: 0 });
    send(1, 'SYSCALL_CLOSE_X', { res: 0, fd: 9 });
    expect([state.threads.get(20), state.threads.get(21)]).toEqual([null, null]);
  });

  test('ids of a pid namespace are not taken for those of the host', () => {
    const { state, send } = machine();
    send(1, 'SYSCALL_CLONE_20_X', { res: 50, pid: 1, tid: 1, comm: 'init', flags: CloneFlag.CHILD_IN_PIDNS, vtid: 1 });
    expect(state.threads.get(50)).toBeNull();
    send(900, 'SYSCALL_CLONE_20_X', { res: 0, tid: 900, pid: 900, ptid: 1, comm: 'init', vtid: 1, vpid: 1 });
    expect([state.threads.get(900)?.vpid, state.threads.get(900)?.parent?.tid]).toEqual([1, 1]);
  });

  test('a thread that nobody introduced is looked up once, or stood in for', () => {
    const asked: number[] = [];
    const { state, send } = machine({
      lookup: (tid) => {
        asked.push(tid);
        return tid === 70 ? { process: { ...EMPTY, tid: 70, pid: 70, ptid: 1, comm: 'found' }, fds: [] } : null;
      },
    });
    send(70, 'SYSCALL_CLOSE_X', { res: 0, fd: 9 });
    send(70, 'SYSCALL_CLOSE_X', { res: 0, fd: 9 });
    expect(state.thread?.comm).toBe('found');
    send(71, 'SYSCALL_CLOSE_X', { res: 0, fd: 9 });
    expect([state.thread?.comm, state.thread?.placeholder, asked]).toEqual(['<NA>', true, [70, 71]]);
    send(71, 'SYSCALL_EXECVE_19_X', { res: 0, exe: 'sh', comm: 'sh', tid: 71, pid: 71, ptid: 70 });
    expect([state.thread?.comm, state.thread?.placeholder, state.thread?.parent?.tid]).toEqual(['sh', false, 70]);
  });

  test('the table has a limit, and a slot is used again with another epoch', () => {
    const { state, send, fork } = machine({ threadTableSize: 3 });
    fork(1, 20);
    fork(1, 21);
    fork(1, 22);
    expect([state.threads.get(22), state.counters.droppedThreads]).toEqual([null, 1]);
    const { slot, epoch } = state.threads.get(21) ?? { slot: -1, epoch: -1 };
    send(21, 'PROCEXIT_1_E', { status: 0, reaper_tid: 0 });
    send(1, 'SYSCALL_CLOSE_X', { res: 0, fd: 9 });
    fork(1, 23);
    const next = state.threads.get(23);
    expect(next?.slot).toBe(slot);
    expect(next?.epoch).not.toBe(epoch);
  });

  test('threads that were silent for long and are gone are removed', () => {
    const { state, send, fork, wait } = machine({ exists: (tid) => tid === 21, threadTimeoutSeconds: 60 });
    fork(1, 20);
    fork(1, 21);
    wait(1000_000_000_000n);
    send(1, 'SYSCALL_CLOSE_X', { res: 0, fd: 9 });
    expect([state.threads.get(20), state.threads.get(21)?.tid, state.threads.get(1)?.tid]).toEqual([null, 21, 1]);
  });

  test('ids change with the calls that set them, and only when these succeed', () => {
    const { state, send } = machine();
    const thread = () => state.threads.get(1);
    send(1, 'SYSCALL_SETRESUID_X', { res: 0, ruid: 5, euid: 6, suid: 7 });
    send(1, 'SYSCALL_SETGID_X', { res: -1, gid: 9 });
    send(1, 'SYSCALL_SETREGID_X', { res: 0, rgid: 0xffffffff, egid: 8 });
    send(1, 'SYSCALL_SETSID_X', { res: 44 });
    send(1, 'SYSCALL_SETPGID_X', { res: 0, pid: 0, pgid: 0 });
    send(1, 'SYSCALL_CAPSET_X', { res: 0, cap_inheritable: 1n, cap_permitted: 2n, cap_effective: 1n << 40n });
    send(1, 'SYSCALL_PRCTL_X', { res: 0, option: 15, arg2_str: 'renamed' });
    expect([
      thread()?.uid,
      thread()?.gid,
      thread()?.sid,
      thread()?.vpgid,
      thread()?.capEffective,
      thread()?.comm,
    ]).toEqual([6, 8, 44, 1, 2 ** 40, 'renamed']);
  });

  test('containers: by the cgroup, innermost first, monitors left out; or by namespaces alone', () => {
    const { send } = machine();
    const id = 'ab'.repeat(32);
    const start = (tid: number, cgroups: string[], more: Record<string, ParamValue> = {}) =>
      send(tid, 'SYSCALL_CLONE_20_X', {
        res: 0,
        tid,
        pid: tid,
        ptid: 1,
        comm: 'x',
        vtid: tid,
        vpid: tid,
        cgroups,
        ...more,
      }).thread?.container;
    expect(start(60, [`cpu=/docker/${id}`])).toBe(id.slice(0, 12));
    expect(start(61, [`memory=/machine.slice/libpod-${id}.scope`])).toBe(id.slice(0, 12));
    expect(start(62, [`memory=/machine.slice/libpod-conmon-${id}.scope`])).toBe('');
    expect(start(63, [`cpu=/docker/${'00'.repeat(32)}/kubepods/burstable/pod1/${id}`])).toBe(id.slice(0, 12));
    expect(start(64, ['cpu=/lxc/web/init.scope'])).toBe('web');
    expect(start(65, ['cpu=/user.slice'])).toBe('');
    const bare = start(66, ['cpu=/own'], { vtid: 1, vpid: 1, pidns_init_start_ts: 77n });
    expect(bare).toMatch(/^[0-9a-f]{12}$/);
    expect(start(67, ['cpu=/own'], { ptid: 66, vtid: 2, vpid: 2, pidns_init_start_ts: 77n })).toBe(bare);
  });
});

describe('files', () => {
  test('an open of a known path with the same outcome gives the same object', () => {
    const { state, openat } = machine();
    openat(1, 3, '/etc/passwd', { ino: 5n });
    const first = state.fd;
    openat(1, 4, '/etc/passwd', { ino: 5n });
    expect(state.fd).toBe(first);
    openat(1, 5, '/etc/passwd', { flags: 2 });
    expect(state.fd).not.toBe(first);
    expect(state.fd?.path).toBe(first?.path);
  });

  test('descriptors of one path have the inodes of their own files', () => {
    const { state, send, fork, openat } = machine();
    const inodes = (tid: number, ...fds: number[]) => fds.map((fd) => state.threads.get(tid)?.fds.inodeOf(fd));
    const large = 2n ** 60n + 1n;
    openat(1, 3, '/tmp/x', { ino: 5n });
    openat(1, 40, '/tmp/x', { ino: 6n, flags: (1 << 12) | 1 });
    expect([state.fdInode, state.fd?.path]).toEqual([6, state.threads.get(1)?.fds.get(3)?.path]);
    openat(1, 5, '/tmp/x', { ino: large });
    expect(state.fdInode).toBe(large);
    openat(1, 2000, '/tmp/x', { ino: 8n });
    expect(state.fdInode).toBe(8);
    expect(inodes(1, 3, 40, 5, 2000, 7)).toEqual([5, 6, large, 8, 0]);
    // Copies are of the same file, wherever they stand.
    send(1, 'SYSCALL_DUP2_X', { res: 9, oldfd: 3, newfd: 9 });
    send(1, 'SYSCALL_FCNTL_X', { res: 41, fd: 3, cmd: 1 });
    send(1, 'SYSCALL_DUP3_X', { res: 3000, oldfd: 3, newfd: 3000, flags: 1 << 12 });
    expect(state.fdInode).toBe(5);
    send(1, 'SYSCALL_FCNTL_X', { res: 0, fd: 9, cmd: 3, arg: 1 });
    expect(inodes(1, 9, 41, 3000)).toEqual([5, 5, 5]);
    // A fork has them; what one of the two opens is not the other's.
    fork(1, 20);
    openat(20, 3, '/tmp/x', { ino: 50n });
    expect([...inodes(1, 3), ...inodes(20, 3, 40, 2000)]).toEqual([5, 50, 6, 8]);
    send(20, 'SYSCALL_EXECVE_19_X', { res: 0, comm: 'x', exe: 'x', pid: 20, tid: 20 });
    expect(inodes(20, 3, 40, 9, 41, 3000)).toEqual([50, 0, 0, 5, 0]);
    // The event of the close can still say which file it was.
    send(1, 'SYSCALL_CLOSE_X', { res: 0, fd: 40 });
    expect([state.fdInode, ...inodes(1, 40)]).toEqual([6, 0]);
    // A file of which only the event tells has its own.
    const told = [Extra.PATH_RESOLVED, '/tmp/y', 1, 9n];
    send(1, 'SYSCALL_FCHMOD_X', { res: 0, fd: 40, mode: 0 }, told);
    expect([state.fd?.name, state.fdInode]).toEqual(['/tmp/y', 9]);
    send(1, 'SYSCALL_DUP_1_X', { res: 42, oldfd: 40 }, told);
    expect([state.fdInode, ...inodes(1, 42)]).toEqual([9, 9]);
    send(1, 'SYSCALL_MEMFD_CREATE_X', { fd: 3, name: 'code' });
    expect([state.fdInode, ...inodes(1, 3)]).toEqual([0, 0]);
  });

  test.each([
    ['/a/./b//c/../d/', '/a/b/d'],
    ['x', '/root/x'],
    ['../../..', '/'],
    ['..', '/'],
    ['.hidden', '/root/.hidden'],
    ['a/...', '/root/a/...'],
    ['/', '/'],
    ['', '/root'],
  ])('%s is %s', (raw, name) => {
    const { state, openat } = machine();
    openat(1, 3, raw);
    expect([state.fd?.name, state.fd?.path?.raw]).toEqual([name, raw]);
  });

  test('names are relative to directory descriptors, which may be unknown', () => {
    const { state, openat } = machine();
    openat(1, 3, '/srv/data', { flags: 1 << 10 });
    expect(state.fd?.type).toBe(FdType.DIRECTORY);
    openat(1, 4, 'x/y', { dirfd: 3 });
    expect(state.fd?.name).toBe('/srv/data/x/y');
    openat(1, 5, 'x/y', { dirfd: 77 });
    expect(state.fd?.name).toBe('<UNKNOWN>x/y');
  });

  test('an open that failed has its path, but no descriptor', () => {
    const { state, openat } = machine();
    openat(1, -2, 'missing');
    expect([state.fd, state.fdNum, state.path?.name]).toEqual([null, -1, '/root/missing']);
  });

  test('the path that the kernel resolved counts, the raw one is kept', () => {
    const { state, send } = machine();
    const params = { fd: 3, dirfd: -100, name: 'link', flags: 1 };
    send(1, 'SYSCALL_OPENAT_2_X', params, [Extra.PATH_RESOLVED | Extra.RAW_DIFFERS | Extra.DELETED, '/etc/shadow']);
    expect([state.fd?.name, state.fd?.path?.raw, state.fd?.path?.directory]).toEqual(['/etc/shadow', 'link', '/etc']);
    expect((state.fd?.status ?? 0) & FdStatus.DELETED).toBeTruthy();
    const first = state.fd?.path;
    send(1, 'SYSCALL_OPENAT_2_X', { ...params, fd: 4 }, [Extra.PATH_RESOLVED | Extra.RAW_DIFFERS, '/etc/shadow']);
    expect(state.fd?.path).toBe(first);
    send(1, 'SYSCALL_OPENAT_2_X', { ...params, name: '/etc/shadow' }, [Extra.PATH_RESOLVED, '/etc/shadow']);
    expect([state.fd?.name, state.fd?.path?.raw]).toEqual(['/etc/shadow', '/etc/shadow']);
  });

  test('a close keeps the descriptor for the event only', () => {
    const { state, send, openat } = machine();
    openat(1, 3, '/a');
    send(1, 'SYSCALL_CLOSE_X', { res: 0, fd: 3 });
    expect([state.fd?.name, state.threads.get(1)?.fds.get(3)]).toEqual(['/a', null]);
    openat(1, 3, '/a');
    send(1, 'SYSCALL_CLOSE_X', { res: -4, fd: 3 });
    expect(state.threads.get(1)?.fds.get(3)?.name).toBe('/a');
  });

  test('duplicates, ranges and high numbers', () => {
    const { state, send, openat } = machine();
    const table = () => state.threads.get(1)?.fds;
    openat(1, 3, '/a');
    send(1, 'SYSCALL_DUP2_X', { res: 1000000, oldfd: 3, newfd: 1000000 });
    expect([state.fdNum, state.fd?.name, table()?.size]).toEqual([1000000, '/a', 2]);
    send(1, 'SYSCALL_FCNTL_X', { res: 9, fd: 3, cmd: 1 });
    expect(table()?.get(9)?.name).toBe('/a');
    send(1, 'SYSCALL_CLOSE_RANGE_X', { res: 0, first: 4, last: 0xffffffff });
    expect([table()?.get(3)?.name, table()?.get(9), table()?.get(1000000), table()?.size]).toEqual([
      '/a',
      null,
      null,
      1,
    ]);
  });

  test('other kinds of descriptors', () => {
    const { state, send, fork, openat } = machine();
    send(1, 'SYSCALL_PIPE2_X', { res: 0, fd1: 5, fd2: 6, ino: 2n ** 32n + 1n });
    expect([state.fdNum, state.fd?.type, state.fd?.ino]).toEqual([6, FdType.FIFO, 2 ** 32 + 1]);
    send(1, 'SYSCALL_MEMFD_CREATE_X', { fd: 7, name: 'code' });
    expect([state.fd?.type, state.fd?.name]).toEqual([FdType.MEMFD, 'code']);
    send(1, 'SYSCALL_BPF_2_X', { fd: 0, cmd: 2 });
    expect(state.threads.get(1)?.fds.get(0)).toBeNull();
    fork(1, 20);
    openat(20, 9, '/secret');
    send(1, 'SYSCALL_PIDFD_OPEN_X', { fd: 8, pid: 20 });
    send(1, 'SYSCALL_PIDFD_GETFD_X', { fd: 10, pid_fd: 8, target_fd: 9 });
    expect(state.fd?.name).toBe('/secret');
  });

  test('directories of a process', () => {
    const { state, send, openat } = machine();
    send(1, 'SYSCALL_CHDIR_X', { res: 0, path: 'a/../b' });
    openat(1, 3, '.');
    expect(state.fd?.name).toBe('/root/b');
    openat(1, 4, '/srv', { flags: 1 << 10 });
    send(1, 'SYSCALL_FCHDIR_X', { res: 0, fd: 4 });
    openat(1, 5, 'x');
    expect(state.fd?.name).toBe('/srv/x');
    send(1, 'SYSCALL_CHDIR_X', { res: -2, path: '/nowhere' });
    openat(1, 6, 'x');
    expect(state.fd?.name).toBe('/srv/x');
  });

  test('any number of unique paths takes no more memory, and known ones stay known', () => {
    const { state, openat } = machine();
    openat(1, 3, '/known');
    const known = state.fd?.path;
    for (let i = 0; i < 100_000; i++) {
      openat(1, 4, `/tmp/unique-${i}`);
      if (i % 1000 === 0) openat(1, 3, '/known');
    }
    openat(1, 3, '/known');
    expect(state.fd?.path).toBe(known);
  });
});

describe('sockets', () => {
  const TCP = { fd: 3, domain: 2, type: 1, proto: 0 };

  test('connect: the client asks, the name is both ends', () => {
    const { state, send } = machine();
    send(1, 'SOCKET_SOCKET_X', TCP);
    expect([state.fd?.type, state.fd?.socket?.l4, state.fd?.name]).toEqual([FdType.IPV4_SOCK, 2, '']);
    send(1, 'SOCKET_CONNECT_X', { res: 0, fd: 3, tuple: inetTuple('10.0.0.1', 5000, '1.2.3.4', 443) });
    expect([state.fd?.name, state.fdNameChanged]).toEqual(['10.0.0.1:5000->1.2.3.4:443', true]);
    expect(state.fd?.status).toBe(FdStatus.CLIENT | FdStatus.CONNECTED);
    send(1, 'SOCKET_CONNECT_X', { res: -111, fd: 3, tuple: inetTuple('10.0.0.1', 5000, '9.9.9.9', 1) });
    expect(state.fd?.name).toBe('10.0.0.1:5000->1.2.3.4:443');
  });

  test('an IPv4 connection through an IPv6 socket is one of IPv4', () => {
    const { state, send } = machine();
    send(1, 'SOCKET_SOCKET_X', { ...TCP, domain: 10 });
    send(1, 'SOCKET_CONNECT_X', { res: 0, fd: 3, tuple: inetTuple('::ffff:a00:1', 5000, '::ffff:102:304', 443) });
    expect([state.fd?.type, state.fd?.name]).toEqual([FdType.IPV4_SOCK, '10.0.0.1:5000->1.2.3.4:443']);
  });

  test('bind and accept: the server answers', () => {
    const { state, send } = machine();
    send(1, 'SOCKET_SOCKET_X', TCP);
    send(1, 'SOCKET_BIND_X', { res: 0, fd: 3, addr: inetAddress('0.0.0.0', 80) });
    expect([state.fd?.type, state.fd?.name]).toEqual([FdType.IPV4_SERVSOCK, '0.0.0.0:80']);
    send(1, 'SOCKET_ACCEPT4_6_X', { fd: 4, tuple: inetTuple('1.2.3.4', 5000, '10.0.0.1', 80) });
    expect([state.fdNum, state.fd?.name, (state.fd?.status ?? 0) & FdStatus.SERVER]).toEqual([
      4,
      '1.2.3.4:5000->10.0.0.1:80',
      FdStatus.SERVER,
    ]);
  });

  test('datagrams: the name follows the peer, the role is guessed from who begins', () => {
    const { state, send } = machine();
    send(1, 'SOCKET_SOCKET_X', { ...TCP, type: 2 });
    const to = (ip: string) => send(1, 'SOCKET_SENDTO_X', { res: 1, fd: 3, tuple: inetTuple('10.0.0.1', 53, ip, 99) });
    to('1.1.1.1');
    expect([state.fd?.name, state.fdNameChanged]).toEqual(['10.0.0.1:53->1.1.1.1:99', true]);
    to('1.1.1.1');
    expect(state.fdNameChanged).toBe(false);
    to('2.2.2.2');
    expect([state.fd?.name, state.fdNameChanged]).toEqual(['10.0.0.1:53->2.2.2.2:99', true]);
    // The answer has the ends the other way round, which is no change.
    send(1, 'SOCKET_RECVFROM_X', { res: 1, fd: 3, tuple: inetTuple('2.2.2.2', 99, '10.0.0.1', 53) });
    expect([state.fd?.name, state.fdNameChanged]).toEqual(['10.0.0.1:53->2.2.2.2:99', false]);
  });

  test('a UNIX socket has the path of its peer', () => {
    const { state, send } = machine();
    send(1, 'SOCKET_SOCKET_X', { ...TCP, domain: 1 });
    send(1, 'SOCKET_CONNECT_X', { res: 0, fd: 3, tuple: unixTuple(1n, 2n, '/run/docker.sock') });
    expect([state.fd?.type, state.fd?.name]).toEqual([FdType.UNIX_SOCK, '/run/docker.sock']);
  });

  test('a connect whose socket call was missed is understood when it is our own event', () => {
    const { state, send } = machine();
    const params = { res: 0, fd: 3, tuple: inetTuple('10.0.0.1', 5000, '1.2.3.4', 443) };
    send(1, 'SOCKET_CONNECT_X', params);
    expect(state.fd).toBeNull();
    send(1, 'SOCKET_CONNECT_X', params, [0]);
    expect(state.fd?.name).toBe('10.0.0.1:5000->1.2.3.4:443');
  });
});

describe('the initial state', () => {
  const fd = (one: Partial<FdEntry>): FdEntry => ({
    tid: 1,
    fd: 3,
    ino: 0n,
    type: FdType.IPV4_SOCK,
    name: '',
    openFlags: 0,
    dev: 0,
    localAddress: '\x0a\0\0\x01',
    remoteAddress: '\x01\x02\x03\x04',
    localPort: 80,
    remotePort: 5000,
    l4proto: 2,
    unixSource: 0n,
    unixDestination: 0n,
    ...one,
  });

  test('who listens on the local port is the server of a connection', () => {
    const { state, send } = machine();
    state.sink.fd(fd({}));
    state.sink.fd(fd({ fd: 4, localPort: 6000, remotePort: 443 }));
    state.sink.fd(fd({ fd: 5, type: FdType.IPV4_SERVSOCK, localAddress: '\0\0\0\0', remoteAddress: '' }));
    send(1, 'SYSCALL_READ_X', { res: 1, fd: 3 });
    expect(state.fd?.name).toBe('1.2.3.4:5000->10.0.0.1:80');
    send(1, 'SYSCALL_READ_X', { res: 1, fd: 4 });
    expect(state.fd?.name).toBe('10.0.0.1:6000->1.2.3.4:443');
  });

  test('threads that come before their leader get its files', () => {
    const { state } = machine({}, [
      { tid: 11, pid: 10, flags: CloneFlag.THREAD | CloneFlag.FILES },
      { tid: 10, pid: 10, ptid: 1 },
      {},
    ]);
    expect(state.threads.get(11)?.fds).toBe(state.threads.get(10)?.fds);
    expect(state.threads.get(10)?.parent?.tid).toBe(1);
  });

  test('a snapshot makes the same state again', () => {
    const { state, send, fork, openat } = machine();
    state.sink.userOrGroup({ kind: 'user', uid: 5, gid: 6, name: 'u', home: '/h', shell: '/s' });
    state.sink.interface({ address: '\x0a\0\0\x01', netmask: '', broadcast: '', linkSpeed: 0n, name: 'eth0' });
    fork(1, 20);
    fork(20, 21, CloneFlag.THREAD | CloneFlag.FILES);
    openat(20, 3, '/etc/passwd', { ino: 2n ** 40n, dev: 9 });
    send(20, 'SOCKET_SOCKET_X', { fd: 4, domain: 2, type: 1 });
    send(20, 'SOCKET_BIND_X', { res: 0, fd: 4, addr: inetAddress('0.0.0.0', 80) });
    send(20, 'SOCKET_ACCEPT4_6_X', { fd: 5, tuple: inetTuple('1.2.3.4', 5000, '10.0.0.1', 80) });
    const copy = new State();
    state.snapshot(copy.sink);
    copy.apply(viewEvent(buildEvent(EventType.SYSCALL_READ_X as number, { ts: 9n, tid: 21, params: { fd: 5 } })));
    expect([copy.thread?.main?.tid, copy.thread?.ptid, copy.fd?.name, copy.fd?.status]).toEqual([
      20,
      1,
      '1.2.3.4:5000->10.0.0.1:80',
      FdStatus.SERVER | FdStatus.CONNECTED,
    ]);
    const file = copy.thread?.fds.get(3);
    expect([file?.name, file?.ino, file?.dev]).toEqual(['/etc/passwd', 2 ** 40, 9]);
    send(20, 'SOCKET_SOCKET_X', { fd: 6, domain: 2, type: 2 });
    const entries: FdEntry[] = [];
    state.snapshot({ ...new State().sink, fd: (entry) => entries.push(entry) });
    const zero = '\0\0\0\0';
    for (const entry of entries)
      copy.sink.fd(entry.fd === 6 ? { ...entry, localAddress: zero, remoteAddress: zero } : entry);
    expect([copy.thread?.fds.get(6)?.name, copy.thread?.fds.get(6)?.socket?.l4]).toEqual(['', 3]);
    expect([copy.users.user('', 5)?.name, copy.interfaces.isLocal('\x0a\0\0\x01')]).toEqual(['u', true]);
  });
});

test('users and groups come and go with their events', () => {
  const { state, send } = machine();
  const user = { uid: 7, gid: 7, name: 'app', home: '/app', shell: '/bin/sh', container_id: 'abc' };
  send(1, 'USER_ADDED_E', user);
  send(1, 'GROUP_ADDED_E', { gid: 8, name: 'g', container_id: 'abc' });
  expect([state.users.user('abc', 7)?.home, state.users.user('', 7), state.users.group('abc', 8)]).toEqual([
    '/app',
    null,
    'g',
  ]);
  send(1, 'USER_DELETED_E', user);
  expect(state.users.user('abc', 7)).toBeNull();
});

test('the users of a container are read when its own root directory can be seen', () => {
  let visible = false;
  const { state } = machine({
    containerUsers: () =>
      visible ? { users: [{ uid: 7, gid: 7, name: 'app', home: '/', shell: '' }], groups: [] } : null,
  });
  const thread = state.threads.get(1);
  if (thread === null) throw new Error('no thread');
  thread.container = 'abc';
  expect(state.userOf(thread, 7)).toBeNull();
  visible = true;
  expect(state.userOf(thread, 7)?.name).toBe('app');
});

test('containers of a recording are known by their JSON', () => {
  const { state, send } = machine();
  const json = JSON.stringify({
    container: { id: 'ab12', type: 11, name: 'web', imagerepo: 'nginx', privileged: true, created_time: 1700000000 },
  });
  send(-1, 'ASYNCEVENT_E', { plugin_id: 0, name: 'container', data: json });
  const info = state.containers.get('ab12');
  expect([info?.type, info?.name, info?.imageRepository, info?.privileged, info?.createdTs]).toEqual([
    'podman',
    'web',
    'nginx',
    true,
    1700000000000000000n,
  ]);
});
