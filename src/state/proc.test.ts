import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FdType } from '../scap/entries.ts';
import { FdStatus, ProcReader, readContainerUsers, State } from './index.ts';

let directory = '';
let file = -1;
let server: Server;
let client: Socket;
let port = 0;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'windhover-proc-'));
  file = openSync(join(directory, 'open file'), 'a');
  server = createServer(() => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  port = typeof address === 'object' && address !== null ? address.port : 0;
  client = connect(port, '127.0.0.1');
  await once(client, 'connect');
});

afterAll(() => {
  client.destroy();
  server.close();
  closeSync(file);
  rmSync(directory, { recursive: true });
});

test('this process is read as it is, with its ancestors, files and sockets', () => {
  const state = new State();
  new ProcReader().readInitialState(state.sink, []);
  const own = state.threads.get(process.pid);
  expect([own?.pid, own?.ptid, own?.exepath, own?.cwd?.name, own?.uid]).toEqual([
    process.pid,
    process.ppid,
    process.execPath,
    process.cwd(),
    process.geteuid?.(),
  ]);
  expect(own?.parent?.tid).toBe(process.ppid);
  expect(own?.group.alive).toBeGreaterThan(1);
  expect(own?.env).toContain(`PATH=${process.env.PATH}\0`);
  const opened = own?.fds.get(file);
  expect([opened?.name, opened?.type, (opened?.flags ?? 0) & 3]).toEqual([
    join(directory, 'open file'),
    FdType.FILE_V2,
    2,
  ]);
  const sockets: string[] = [];
  state.snapshot({ ...new State().sink });
  own?.fds.forEach((fd) => {
    if (fd.socket !== null && fd.name.includes(`:${port}`)) sockets.push(`${fd.status & FdStatus.SERVER} ${fd.name}`);
  });
  expect(sockets).toContain(`${FdStatus.SERVER} 127.0.0.1:${port}`);
  expect(sockets).toContain(`${FdStatus.SERVER} 127.0.0.1:${client.localPort}->127.0.0.1:${port}`);
  expect(state.machineInfo?.cpus).toBeGreaterThan(0);
  expect(state.interfaces.isLocal('\x7f\0\0\x01')).toBe(true);
});

test('a process in scope brings what descends from it', async () => {
  const child = spawn('/bin/sh', ['-c', 'sleep 60 & wait'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const pid = child.pid ?? 0;
  try {
    const reader = new ProcReader();
    let names: string[] = [];
    for (let tries = 0; tries < 100 && !names.includes('sleep'); tries++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      const state = new State();
      reader.readInitialState(state.sink, [pid]);
      names = [...state.threads]
        .filter((thread) => thread.pid === pid || thread.ptid === pid)
        .map((thread) => thread.comm);
    }
    expect(names.sort()).toEqual(['sh', 'sleep']);
    expect(reader.lookup(pid)?.process.args).toBe('-c\0sleep 60 & wait\0');
    expect([reader.exists(pid), reader.lookup(0x3fffff), reader.exists(0x3fffff)]).toEqual([true, null, false]);
  } finally {
    const sleeping = [...new ProcReader().pids()].filter((one) => new ProcReader().lookup(one)?.process.ptid === pid);
    child.kill('SIGKILL');
    for (const one of sleeping) process.kill(one, 'SIGKILL');
    await once(child, 'exit');
  }
});

test('the host does not count as a container', () => {
  expect(readContainerUsers(process.pid)).toBeNull();
});
