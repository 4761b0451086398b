import { expect, test } from 'vitest';
import { buildEvent, EventType, viewEvent } from '../event/index.ts';
import { fieldCatalogue } from '../fields/index.ts';
import { emptyProcess } from '../scap/testing/collect.ts';
import { State } from '../state/index.ts';
import { type Behaviour, watchBehaviour } from './behaviour.ts';

const READ = 1;
const WRITE = 2;

function watch(locked: Behaviour | null) {
  const state = new State();
  state.sink.process({ ...emptyProcess(7), pid: 7, comm: 'p', cwd: '/home/me/project' });
  const outside: string[] = [];
  const catalogue = fieldCatalogue();
  const behaviour = watchBehaviour({
    cwd: '/home/me/project',
    home: '/home/me',
    locked,
    bind: (name) => catalogue.bind(name, null),
    outside: (kind, item) => outside.push(`${kind} ${item}`),
  });
  const play = (code: string, params: Record<string, number | bigint | string>): void => {
    const event = viewEvent(
      buildEvent(EventType[code as keyof typeof EventType] as number, { ts: 1n, tid: 7, params }),
      1,
    );
    state.apply(event);
    behaviour.event(event, state);
  };
  const open = (name: string, flags = READ, fd = 3): void =>
    play('SYSCALL_OPENAT_2_X', { fd, dirfd: -100, name, flags, mode: 0, dev: 1, ino: 1n });
  return { behaviour, play, open, outside };
}

test('what is done is noted as it is the same in another run', () => {
  const { behaviour, play, open } = watch(null);
  open('/usr/lib/libc.so');
  open('/usr/share/x');
  open('src/main.c');
  open('/home/me/.ssh/id');
  open('/home/me/.ssh/none', READ, -2);
  open('/proc/123/status');
  open('out/a.o', WRITE);
  open('/tmp/build.X1/a', WRITE);
  open('/tmp/build.X2/deep/b', WRITE);
  open('/etc/none', WRITE, -13);
  play('SYSCALL_RENAMEAT2_X', {
    res: 0,
    olddirfd: -100,
    oldpath: 'out/a.o',
    newdirfd: -100,
    newpath: '/opt/a.o',
    flags: 0,
  });
  play('SYSCALL_LINKAT_2_X', { res: 0, olddir: -100, oldpath: '/var/x', newdir: -100, newpath: 'links/x', flags: 0 });
  play('SYSCALL_UNLINKAT_2_X', { res: -2, dirfd: -100, name: '/srv/none', flags: 0 });
  expect(behaviour.seen()).toEqual({
    programs: [],
    writes: ['./links', './out', '/opt', '/tmp'],
    reads: ['/proc', '/usr', '~/.ssh'],
    network: [],
  });
  expect(behaviour.outside).toBe(0);
});

test('what a lock does not list is told once', () => {
  const { behaviour, open, outside } = watch({ programs: [], writes: ['./out*'], reads: ['/usr'], network: [] });
  open('/usr/a');
  open('out/deep/a', WRITE);
  open('/etc/a');
  open('/etc/b');
  open('src/a', WRITE);
  expect(outside).toEqual(['reads /etc', 'writes ./src']);
  expect(behaviour.outside).toBe(2);
});
