import { describe, expect, test } from 'vitest';
import { toByteString } from '../bytes.ts';
import {
  buildEvent,
  type Event,
  EventType,
  inetAddress,
  inetTuple,
  type ParamValue,
  unixTuple,
  viewEvent,
} from '../event/index.ts';
import type { Value } from '../rules/catalogue.ts';
import { Checker, parseCondition } from '../rules/index.ts';
import { containerJson, State } from '../state/index.ts';
import { comparedNames, DnsNames } from './dns.ts';
import { bind, FIELDS, fieldCatalogue } from './index.ts';

/** Applies events of thread 1 in turn; the fields read the last one. */
function session() {
  const state = new State();
  let ts = 1_700_000_000_123_456_789n;
  let last: Event | null = null;
  const send = (code: string, params: Record<string, ParamValue> | ParamValue[] = {}, tid = 1) => {
    last = viewEvent(buildEvent(EventType[code] as number, { ts, tid, params }), 7, 2);
    ts += 1_000_000n;
    state.apply(last);
  };
  const read = (name: string, argument: string | null = null): Value | null => {
    if (last === null) throw new Error('no event');
    return bind(name, argument)(last, state);
  };
  const shown = (name: string, argument: string | null = null): Value | null =>
    (fieldCatalogue().get(name)?.bindPrint ?? (() => () => null))(argument)(latest(), state);
  const latest = () => last as Event;
  const exec = (params: Record<string, ParamValue> = {}, tid = 1) =>
    send(
      'SYSCALL_EXECVE_19_X',
      {
        res: 0,
        exe: '/bin/sh',
        comm: 'sh',
        tid,
        pid: tid,
        ptid: 0,
        cwd: '/root',
        trusted_exepath: '/bin/dash',
        ...params,
      },
      tid,
    );
  return { state, send, read, shown, exec, last: latest };
}

describe('evt', () => {
  test('all parameters as one text: what a number stands for is in brackets', () => {
    const { send, read, exec } = session();
    exec();
    send('SYSCALL_OPENAT_2_X', { fd: 3, dirfd: -100, name: '/srv', flags: 1 | 1024 });
    send('SYSCALL_OPENAT_2_X', { fd: 4, dirfd: 3, name: 'x', flags: 4097, mode: 0o644, dev: 255, ino: 5n });
    expect(read('evt.args')).toBe(
      'fd=4(<f>/srv/x) dirfd=3(<d>/srv) name=x(/srv/x) flags=4097(O_RDONLY|O_CLOEXEC) mode=644 dev=FF ino=5',
    );
    send('SYSCALL_OPENAT_2_X', { fd: -2, dirfd: -100, name: 'gone', flags: 3 });
    expect(read('evt.args')).toMatch(
      /^fd=-2\(ENOENT\) dirfd=-100\(AT_FDCWD\) name=gone\(\/root\/gone\) flags=3\(O_RDWR\) /,
    );
  });

  test.each([
    ['SYSCALL_KILL_X', { res: -3, pid: 1, sig: 9 }, 'res=-3(ESRCH) pid=1(sh) sig=9(SIGKILL)'],
    [
      'SYSCALL_UNLINKAT_2_X',
      { res: 0, dirfd: -100, name: '/x', flags: 512 },
      'res=0 dirfd=-100(AT_FDCWD) name=/x flags=512(AT_REMOVEDIR)',
    ],
    ['SYSCALL_SETUID_X', { res: 0, uid: 0xffffffff }, 'res=0 uid=-1(<NONE>)'],
    ['SOCKET_BIND_X', { res: 0, fd: 9, addr: inetAddress('::1', 80) }, 'res=0 addr=::1:80 fd=9'],
    [
      'SOCKET_CONNECT_X',
      { res: 0, fd: 9, tuple: inetTuple('1.2.3.4', 5, '6.7.8.9', 10) },
      'res=0 tuple=1.2.3.4:5->6.7.8.9:10 fd=9 addr=<NA>',
    ],
    [
      'SOCKET_CONNECT_X',
      { res: 0, fd: 9, tuple: unixTuple(255n, 16n, '/run/x') },
      'res=0 tuple=ff->10 /run/x fd=9 addr=<NA>',
    ],
    [
      'SYSCALL_PTRACE_X',
      { res: 0, request: 11, pid: 1 },
      'res=0 addr=<NA> data=<NA> request=11(PTRACE_ATTACH) pid=1(sh)',
    ],
    [
      'SYSCALL_CHMOD_X',
      { res: 0, filename: '/a', mode: 0o4755 },
      'res=0 filename=/a mode=2541(S_IXOTH|S_IROTH|S_IXGRP|S_IRGRP|S_IXUSR|S_IWUSR|S_IRUSR|S_ISUID)',
    ],
    [
      'SYSCALL_POLL_X',
      { res: 1, fds: new Uint8Array([1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0]), timeout: 5 },
      'res=1 fds=3:?1 timeout=5',
    ],
    ['SYSCALL_NANOSLEEP_X', { res: 0, interval: 1_500_000_000n }, 'res=0 interval=1500000000(1.5s)'],
    ['SYSCALL_NANOSLEEP_X', { res: 0, interval: 1000n }, 'res=0 interval=1000(1e-06s)'],
    ['SYSCALL_WRITE_X', { res: 3, data: 'a\0\n', fd: 1, size: 3 }, 'res=3 data=a.. fd=1 size=3'],
  ])('%s', (code, params, text) => {
    const { send, read, exec } = session();
    exec();
    send(code, params as Record<string, ParamValue>);
    expect(read('evt.args')).toBe(text);
  });

  test('a parameter by name or position; what it lacks is no value or <NA>', () => {
    const { send, read, exec } = session();
    exec();
    send('SYSCALL_OPENAT_2_X', [-2, -100, null]);
    expect([read('evt.arg', 'name'), read('evt.arg', 'flags'), read('evt.arg', '0'), read('evt.arg', 'path')]).toEqual([
      '<NA>',
      '<NA>',
      'ENOENT',
      null,
    ]);
    expect([read('evt.rawarg', 'fd'), read('evt.rawarg', 'flags'), read('evt.rawarg', 'name')]).toEqual([
      -2,
      null,
      '<NA>',
    ]);
    expect(() => bind('evt.arg', 'no_such')).toThrow('no_such');
    const catalogue = fieldCatalogue();
    expect(catalogue.find('evt.arg.flags', 'syscall')?.type).toBe('CHARBUF');
    expect(catalogue.find('evt.rawarg.flags', 'syscall')?.type).toBe('INT64');
    expect(catalogue.find('evt.arg.no_such', 'syscall')).toBeUndefined();
    expect(catalogue.find('proc.name', 'k8s_audit')).toBeUndefined();
  });

  test('opens: what for, and whether a file was made', () => {
    const { send, read, exec } = session();
    exec();
    const kinds = () =>
      ['read', 'write', 'create', 'exec'].filter((kind) => read(`evt.is_open_${kind}`) === true).join(' ');
    const openat = (flags: number, mode = 0, fd = 3) => {
      send('SYSCALL_OPENAT_2_X', { fd, dirfd: -100, name: '/x', flags, mode });
      return kinds();
    };
    expect(openat(1)).toBe('read');
    expect(openat(3)).toBe('read write');
    expect(openat(2 | 4 | (1 << 14), 0o755)).toBe('write create exec');
    expect(openat(2 | (1 << 13), 0o600)).toBe('write create');
    expect(openat(2 | (1 << 13), 0o600, -13)).toBe('write');
    send('SYSCALL_CREAT_X', { fd: 3, name: '/x', mode: 0o700 });
    expect(kinds()).toBe('create exec');
  });

  test('results, categories, times', () => {
    const { send, read, exec } = session();
    exec();
    send('SYSCALL_OPENAT_2_X', { fd: 3, dirfd: -100, name: '/x', flags: 1 });
    expect([read('evt.res'), read('evt.rawres'), read('evt.failed'), read('evt.category')]).toEqual([
      'SUCCESS',
      3,
      false,
      'file',
    ]);
    send('SYSCALL_READ_X', { res: -5, fd: 3 });
    expect([read('evt.res'), read('evt.count.error.file'), read('evt.io_dir'), read('evt.buflen')]).toEqual([
      'EIO',
      1,
      'read',
      null,
    ]);
    expect([read('evt.num'), read('evt.cpu'), read('evt.type'), read('evt.dir'), read('evt.source')]).toEqual([
      7,
      2,
      'read',
      '<',
      'syscall',
    ]);
    expect([read('evt.reltime'), read('evt.deltatime'), read('evt.time.iso8601'), read('evt.rawtime')]).toEqual([
      2_000_000,
      1_000_000,
      '2023-11-14T22:13:20.125456789Z',
      1_700_000_000_125_456_789n,
    ]);
    send('GENERIC_X', { ID: 0, nativeID: 39 });
    expect([read('evt.type'), read('syscall.type')]).toEqual(['getpid', 'getpid']);
  });
});

describe('fd', () => {
  test('ends of a connection, by role and by place', () => {
    const { state, send, read, exec } = session();
    exec();
    state.sink.interface({ address: '\x0a\0\0\x01', netmask: '', broadcast: '', linkSpeed: 0n, name: 'eth0' });
    send('SOCKET_SOCKET_X', { fd: 3, domain: 2, type: 1 });
    expect([read('fd.type'), read('fd.cip'), read('fd.l4proto'), read('fd.connected')]).toEqual([
      'ipv4',
      null,
      'tcp',
      false,
    ]);
    send('SOCKET_CONNECT_X', { res: 0, fd: 3, tuple: inetTuple('10.0.0.1', 5000, '1.2.3.4', 443) });
    const [here, there] = ['\x0a\0\0\x01', '\x01\x02\x03\x04'];
    expect(['cip', 'sip', 'lip', 'rip', 'ip', 'net'].map((name) => read(`fd.${name}`))).toEqual([
      here,
      there,
      here,
      there,
      [here, there],
      [here, there],
    ]);
    expect(['cport', 'sport', 'lport', 'rport', 'port'].map((name) => read(`fd.${name}`))).toEqual([
      5000,
      443,
      5000,
      443,
      [5000, 443],
    ]);
    expect([read('fd.is_server'), read('fd.sockfamily'), read('fd.typechar'), read('fd.sproto')]).toEqual([
      false,
      'ip',
      '4',
      '443',
    ]);
  });

  test('failed opens have a name and a kind, other events about nothing known an empty name, the rest none', () => {
    const { send, read, exec } = session();
    exec();
    const names = ['num', 'typechar', 'type', 'name', 'directory', 'filename', 'nameraw'];
    send('SYSCALL_OPENAT_2_X', { fd: -13, dirfd: -100, name: 'a/../secret', flags: 1 });
    expect(names.map((name) => read(`fd.${name}`))).toEqual([
      -1,
      'f',
      null,
      '/root/secret',
      '/root',
      'secret',
      'a/../secret',
    ]);
    send('SYSCALL_UNLINKAT_2_X', { res: 0, dirfd: -100, name: '/x' });
    expect(names.map((name) => read(`fd.${name}`))).toEqual([-100, 'o', null, '', '/', '/', '']);
    send('SYSCALL_KILL_X', { res: 0 });
    expect(names.map((name) => read(`fd.${name}`))).toEqual([null, null, null, null, null, null, null]);
  });

  test('names of addresses are those that are watched', async () => {
    let answer = ['\x01\x02\x03\x04'];
    const asked: string[] = [];
    const names = new DnsNames(async (name) => {
      asked.push(name);
      if (name === 'broken') throw new Error('no answer');
      return answer;
    });
    await Promise.all([names.watch('a.example'), names.watch('b.example'), names.watch('broken')]);
    expect([names.namesOf('\x01\x02\x03\x04'), names.namesOf('\x05\x05\x05\x05')]).toEqual([
      ['a.example', 'b.example'],
      null,
    ]);
    expect(asked).toHaveLength(3);
    const { epoch } = names;
    answer = ['\x05\x05\x05\x05'];
    await names.refresh(Date.now() + 700_000);
    expect([names.namesOf('\x01\x02\x03\x04'), names.namesOf('\x05\x05\x05\x05'), names.epoch > epoch]).toEqual([
      null,
      ['a.example', 'b.example'],
      true,
    ]);
  });
});

describe('proc', () => {
  test('arguments, environment, ancestors', () => {
    const { send, read, shown, exec } = session();
    exec({ comm: 'init', exe: 'init', env: ['A=1', 'TERM= x '] });
    send('SYSCALL_CLONE_20_X', { res: 20, tid: 1, pid: 1, comm: 'init', exe: 'init', vtid: 1, vpid: 1 });
    exec({ comm: 'bash', exe: '-bash', ptid: 1, args: ['-l', 'a b'], env: ['B=2'] }, 20);
    send(
      'SYSCALL_CLONE_20_X',
      { res: 30, tid: 20, pid: 20, comm: 'bash', exe: '-bash', args: ['-l'], vtid: 20, vpid: 20 },
      20,
    );
    exec({ comm: 'curl', exe: '/usr/bin/curl', ptid: 20, args: ['-s', ''], env: ['C=3'] }, 30);
    expect([read('proc.name'), read('proc.pname'), read('proc.aname', '2'), read('proc.aname', '3')]).toEqual([
      'curl',
      'bash',
      'init',
      null,
    ]);
    expect([read('proc.aname'), read('proc.apid'), read('proc.aname', '0')]).toEqual([
      ['bash', 'init'],
      [20, 1],
      'curl',
    ]);
    expect([shown('proc.aname'), shown('proc.apid'), shown('proc.aenv')]).toEqual(['bash init', 30, 'C=3']);
    expect([read('proc.args'), read('proc.args', '0'), read('proc.cmdnargs'), read('proc.cmdlenargs')]).toEqual([
      '-s ',
      '-s',
      2,
      2,
    ]);
    expect([read('proc.cmdline'), read('proc.pcmdline'), read('proc.exeline')]).toEqual([
      'curl -s ',
      'bash -l a b',
      '/usr/bin/curl -s ',
    ]);
    expect([read('proc.env', 'C'), read('proc.env', 'B'), read('proc.aenv', 'B'), read('proc.aenv', 'TERM')]).toEqual([
      '3',
      '',
      '2',
      'x',
    ]);
    expect([read('proc.loginshellid'), read('proc.cwd'), read('proc.ppid'), read('proc.is_vpgid_leader')]).toEqual([
      20,
      '/root/',
      20,
      false,
    ]);
  });

  test('capabilities, users, durations', () => {
    const { state, read, exec } = session();
    exec({ cap_effective: (1n << 21n) | 1n, uid: 5, loginuid: 0xffffffff });
    expect([read('thread.cap_effective'), read('user.name'), read('user.loginuid'), read('user.loginname')]).toEqual([
      'CAP_CHOWN CAP_SYS_ADMIN',
      '<NA>',
      -1,
      '<NA>',
    ]);
    state.sink.userOrGroup({ kind: 'user', uid: 5, gid: 5, name: 'eve', home: '/h', shell: '/s' });
    expect([read('user.name'), read('user.homedir'), read('group.name'), read('proc.duration')]).toEqual([
      'eve',
      '/h',
      'root',
      null,
    ]);
    exec({ uid: 0 });
    expect([read('user.name'), read('user.uid')]).toEqual(['root', 0]);
  });
});

test('containers: the host has a name only, a container what is known of it', () => {
  const { state, read, exec } = session();
  exec();
  expect([read('container.id'), read('container.name'), read('container.image.repository')]).toEqual([
    'host',
    'host',
    null,
  ]);
  const id = 'cd'.repeat(32);
  exec({ cgroups: [`memory=/docker/${id}`], exe: 'check', args: ['-q'] });
  expect([read('container.id'), read('container.name')]).toEqual([id.slice(0, 12), null]);
  const info = {
    id: id.slice(0, 12),
    fullId: id,
    type: 'docker',
    name: 'web',
    image: 'nginx:1',
    imageId: 'i',
    imageRepository: 'nginx',
    imageTag: '1',
    imageDigest: 'sha256:1',
    ip: '172.17.0.2',
    cniJson: '',
    hostPid: false,
    hostNetwork: true,
    hostIpc: false,
    privileged: true,
    mounts: [
      { source: '/proc/sys', destination: '/p', mode: 'rw', writable: true, propagation: 'private' },
      { source: '/data', destination: '/d', mode: '', writable: false, propagation: '' },
    ],
    labels: { 'io.kubernetes.pod.name': 'p1' },
    podSandboxLabels: {},
    podSandboxId: '',
    isPodSandbox: false,
    probes: [{ type: 'HEALTHCHECK', exe: 'check', args: ['-q'] }],
    createdTs: 1_600_000_000_000_000_123n,
  };
  state.setContainer(info.id, info);
  expect([read('container.name'), read('container.privileged'), read('k8s.pod.name')]).toEqual(['web', true, 'p1']);
  expect([
    read('container.mount.dest', '/proc*'),
    read('container.mount.source', '/d'),
    read('container.mount', '1'),
  ]).toEqual(['/p', '/data', '/data:/d::false:']);
  expect([read('container.mounts'), read('proc.is_container_healthcheck')]).toEqual([
    '/proc/sys:/p:rw:true:private,/data:/d::false:',
    true,
  ]);
  const copy = new State();
  const json = containerJson(info);
  copy.apply(viewEvent(buildEvent(EventType.CONTAINER_JSON_2_E as number, { tid: -1, params: { json } })));
  expect(copy.containers.get(info.id)).toEqual(info);
});

describe('audit events', () => {
  const audit = (payload: unknown) => {
    const { send, read } = session();
    const data = toByteString(typeof payload === 'string' ? payload : JSON.stringify(payload));
    send('PLUGINEVENT_E', { plugin_id: 1, event_data: data }, -1);
    return read;
  };
  const pod = {
    verb: 'create',
    requestURI: '/api/v1/pods?container=a%20b',
    annotations: { 'authorization.k8s.io/decision': 'allow' },
    objectRef: { resource: 'pods', name: 'p' },
    responseStatus: { code: 201 },
    sourceIPs: ['10.0.0.1'],
    requestObject: {
      spec: {
        hostPID: true,
        securityContext: { runAsUser: 7 },
        containers: [
          {
            name: 'a',
            image: 'registry:5000/web/nginx:1.2',
            securityContext: { privileged: true },
            ports: [{ hostPort: 80 }],
          },
          {
            name: 'b',
            image: 'busybox@sha256:1',
            securityContext: { runAsUser: 0, capabilities: { add: ['NET_RAW'] } },
          },
        ],
        volumes: [
          { name: 'v', hostPath: { path: '/etc' } },
          { name: 'e', emptyDir: {} },
        ],
      },
    },
  };

  test('single values, lists, and positions in lists', () => {
    const read = audit(pod);
    expect([read('ka.verb'), read('ka.auth.decision'), read('ka.auth.reason'), read('ka.response.code')]).toEqual([
      'create',
      'allow',
      null,
      '201',
    ]);
    expect([read('ka.uri.param', 'container'), read('ka.target.pod.name'), read('ka.sourceips')]).toEqual([
      'a b',
      'p',
      ['10.0.0.1'],
    ]);
    expect([read('ka.req.pod.host_pid'), read('ka.req.pod.host_ipc')]).toEqual(['true', null]);
    expect([
      read('ka.req.pod.containers.image'),
      read('ka.req.pod.containers.image.repository'),
      read('ka.req.pod.containers.privileged'),
      read('ka.req.pod.containers.eff_run_as_user'),
      read('ka.req.pod.containers.name', '1'),
      read('ka.req.pod.containers.name', '5'),
      read('ka.req.pod.initContainers.name'),
      read('ka.req.pod.containers.add_capabilities'),
      read('ka.req.pod.volumes.hostpath'),
      read('ka.req.pod.volumes.volume_type'),
      read('ka.req.volume.hostpath', '/et*'),
    ]).toEqual([
      ['registry:5000/web/nginx:1.2', 'busybox@sha256:1'],
      ['registry:5000/web/nginx', 'busybox'],
      ['true', '<NA>'],
      ['7', '0'],
      ['b'],
      null,
      null,
      ['NET_RAW'],
      ['/etc'],
      ['hostPath', 'emptyDir'],
      'true',
    ]);
  });

  test('any JSON by pointers; long numbers keep their digits; no JSON is no value', () => {
    const read = audit('{"a":[{"b/c":1}],"n":1234567890123456789,"s":"\\u00e9","z":null}');
    expect([
      read('json.value', '/a/0/b~1c'),
      read('jevt.value', '/a'),
      read('jevt.value', '/n'),
      read('jevt.value', '/s'),
      read('jevt.value', '/z'),
      read('jevt.value', '/q'),
    ]).toEqual(['1', '[{"b/c":1}]', '1234567890123456789', '\xc3\xa9', 'null', null]);
    expect(read('json.obj')).toContain('"n": 1234567890123456789');
    expect(audit('not json')('ka.verb')).toBeNull();
    expect([read('evt.source'), read('evt.pluginname')]).toEqual(['k8s_audit', 'k8saudit']);
  });
});

describe('what our own probe adds', () => {
  const probe = () => {
    const { state, exec } = session();
    exec();
    const read = (code: string, params: Record<string, ParamValue>, extra: ParamValue[], ...names: string[]) => {
      const event = viewEvent(buildEvent(EventType[code] as number, { tid: 1, params, extra }));
      state.apply(event);
      return names.map((name) => bind(name, null)(event, state));
    };
    return read;
  };

  test('all names of a value of an enumeration, as in Falco', () => {
    const { state, send, last } = session();
    send('SOCKET_SOCKET_X', { fd: 3, domain: 1, type: 1 });
    expect(fieldCatalogue().bind('evt.arg', 'domain')(last(), state)).toBe('AF_LOCAL|AF_UNIX');
  });

  test('names that lead elsewhere than they say', () => {
    const read = probe();
    const open = (name: string, real: string, flags: number) =>
      read(
        'SYSCALL_OPENAT_2_X',
        { fd: 3, dirfd: -100, name, flags: 1 },
        [flags, real],
        'wh.fd.path_mismatch',
        'fd.nameraw',
        'fd.name',
      );
    expect(open('/etc/passwd', '/etc/passwd', 1)).toEqual([false, '/etc/passwd', '/etc/passwd']);
    expect(open('/tmp/link', '/etc/shadow', 1 | 64)).toEqual([true, '/tmp/link', '/etc/shadow']);
    expect(open('/etc/../etc/passwd', '/etc/passwd', 1 | 64)).toEqual([false, '/etc/../etc/passwd', '/etc/passwd']);
    expect(open('../etc/shadow', '/etc/shadow', 1)).toEqual([false, '../etc/shadow', '/etc/shadow']);
    expect(open('link', '/etc/shadow', 1)).toEqual([true, 'link', '/etc/shadow']);
    expect(read('SYSCALL_OPENAT_2_X', { fd: 3, dirfd: -100, name: '/x' }, [], 'wh.fd.path_mismatch')).toEqual([null]);
  });

  test('flags, and the directories of relative names', () => {
    const read = probe();
    expect(
      read(
        'SYSCALL_RENAMEAT2_X',
        { res: 0, olddirfd: 5, oldpath: 'a', newdirfd: -100, newpath: '../b' },
        [128 | 32, '/srv', null, null, '/tmp/d'],
        'fs.path.source',
        'fs.path.target',
        'wh.evt.io_uring',
        'wh.evt.untrusted',
        'wh.evt.compat',
      ),
    ).toEqual(['/srv/a', '/tmp/b', true, true, false]);
    expect(read('SYSCALL_KILL_X', { res: 0 }, [], 'wh.evt.io_uring')).toEqual([null]);
  });
});

describe('the catalogue', () => {
  test('every field has a name of its own in its sources, a sentence, and reads without its argument being parsed again', () => {
    const names = new Set(FIELDS.map((field) => `${field.name} ${field.sources}`));
    expect(names.size).toBe(FIELDS.length);
    for (const field of FIELDS)
      expect([field.name, /^[A-Z"0-9a-z].{8,}[.)…]$/.test(field.description)]).toEqual([field.name, true]);
  });

  test('texts of the configuration are fields', () => {
    const catalogue = fieldCatalogue({ staticFields: { site: 'lab' } });
    const { state, send, last } = session();
    send('SYSCALL_KILL_X');
    expect(catalogue.bind('static.site', null)(last(), state)).toBe('lab');
    expect(catalogue.find('static.site', 'k8s_audit')?.type).toBe('CHARBUF');
    expect(fieldCatalogue().find('static.site', 'syscall')).toBeUndefined();
  });

  test('names of events, generic ones among them', () => {
    const catalogue = fieldCatalogue();
    expect(catalogue.eventTypes('execve')).toContain(EventType.SYSCALL_EXECVE_19_X);
    expect(catalogue.eventTypes('getpid')).toContain(EventType.GENERIC_X);
    expect(catalogue.eventTypes('no_such_call')).toBeUndefined();
  });
});

test('names that conditions compare addresses with are found', () => {
  const checker = new Checker(fieldCatalogue(), 'syscall');
  const { expr } = checker.check(
    parseCondition('fd.sip.name in (a.example, b.example) or not (fd.cip.name = c.example and fd.name = d)'),
  );
  expect(comparedNames(expr)).toEqual(['a.example', 'b.example', 'c.example']);
});
