import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { load as loadConfig } from '../config/load.ts';
import { buildEvent, type Event, EventType, viewEvent } from '../event/index.ts';
import type { Rule } from '../rules/index.ts';
import { captureFileName } from '../scap/index.ts';
import { emptyProcess } from '../scap/testing/collect.ts';
import { openCapture } from '../source/index.ts';
import { State, unmanagedContainer } from '../state/index.ts';
import { openRecorder, type Recorder } from './recorder.ts';

const directory = mkdtempSync(join(tmpdir(), 'windhover-recorder-'));
afterAll(() => rmSync(directory, { recursive: true }));

const rule = { name: 'R', capture: true, captureDuration: 1 } as Rule;
const CONTAINER = 'ab'.repeat(32);

function open(name: string, options: readonly string[] = [], awaits: () => boolean = () => false) {
  const prefix = join(directory, name);
  const { config } = loadConfig({
    embedded: true,
    options: [
      'capture.enabled=true',
      `capture.path_prefix=${prefix}`,
      'engine.kind=replay',
      'engine.replay.capture_file=x',
      ...options,
    ],
    environment: {},
  });
  const state = new State();
  const host = (tid: number, sid: number, ptid = 1) =>
    state.sink.process({ ...emptyProcess(tid), pid: tid, ptid, sid, comm: `p${tid}` });
  state.sink.process({ ...emptyProcess(1), pid: 1, ptid: 0, sid: 1, comm: 'init' });
  host(10, 10);
  host(11, 10, 10);
  host(20, 20);
  state.sink.process({
    ...emptyProcess(30),
    pid: 30,
    ptid: 20,
    sid: 30,
    comm: 'inside',
    cgroups: `cpu=/docker/${CONTAINER}\0`,
  });
  const recorder = openRecorder(config, state, {
    waiting: awaits,
    awaits,
    starting: () => false,
    waitMs: 60_000,
  }) as Recorder;
  return { state, recorder, prefix };
}

/** A close of descriptor `n` by a thread, `n` milliseconds after the beginning. */
const close = (tid: number, n: number): Event =>
  viewEvent(
    buildEvent(EventType.SYSCALL_CLOSE_X as number, { ts: BigInt(n) * 1_000_000n, tid, params: { res: 0, fd: n } }),
    n,
  );

function play({ state, recorder }: ReturnType<typeof open>, event: Event): void {
  recorder.event(event);
  state.apply(event);
  recorder.applied(event);
}

/** The closes and the processes of a capture. */
async function read(path: string, state = new State()): Promise<{ closes: number[]; processes: string[] }> {
  const source = await openCapture(path, state.sink);
  const closes: number[] = [];
  const visit = (event: Event): void => {
    if (event.type === EventType.SYSCALL_CLOSE_X) closes.push(event.lo(1));
    else state.apply(event);
  };
  while (!source.ended) await source.next(visit, 100);
  return { closes, processes: [...state.threads].map((thread) => thread.comm).sort() };
}

test('a capture begins before its alert, with the events and processes of the container alone', async () => {
  const run = open('container');
  for (let n = 1; n <= 9; n++) play(run, close([10, 30, 20][n % 3] as number, n));
  const alert = close(30, 10);
  play(run, alert);
  run.recorder.matched(rule, alert);
  play(run, close(30, 11));
  play(run, close(30, 12));
  await run.recorder.close();
  expect(await read(captureFileName(run.prefix, alert.ts, alert.num))).toEqual({
    closes: [1, 4, 7, 10, 11],
    // Those above it are there for rules on ancestors.
    processes: ['init', 'inside', 'p20'],
  });
});

test('on the host, a session has a history of its own', async () => {
  const run = open('session');
  for (let n = 1; n <= 4; n++) play(run, close([10, 11, 20, 30][n % 4] as number, n));
  const alert = close(11, 5);
  play(run, alert);
  run.recorder.matched(rule, alert);
  // Its time is over although no event of its own comes.
  play(run, close(20, 50));
  run.recorder.poll();
  await run.recorder.close();
  expect(await read(captureFileName(run.prefix, alert.ts, alert.num))).toEqual({
    closes: [1, 4, 5],
    processes: ['init', 'p10', 'p11'],
  });
});

test('nothing is written through a link at the name of a capture; large limits of its size are no small ones', async () => {
  const run = open('linked', ['capture.max_file_size_mb=4096']);
  const alert = close(10, 1);
  const path = captureFileName(run.prefix, alert.ts, alert.num);
  const victim = join(directory, 'victim');
  writeFileSync(victim, 'kept');
  symlinkSync(victim, path);
  symlinkSync(victim, `${path}.part`);
  play(run, alert);
  run.recorder.matched({ ...rule, captureDuration: 1000 }, alert);
  for (let n = 2; n < 100; n++) play(run, close(10, n));
  await run.recorder.close();
  expect(readFileSync(victim, 'utf8')).toBe('kept');
  expect((await read(path)).closes).toHaveLength(99);
  expect(readdirSync(directory).filter((name) => name.endsWith('.part'))).toEqual([]);
});

test('a capture waits for what is being found out about its container, and says it', async () => {
  let awaited = true;
  const run = open('late', [], () => awaited);
  const alert = close(30, 1);
  play(run, alert);
  run.recorder.matched({ ...rule, captureDuration: 1000 }, alert);
  run.recorder.poll();
  play(run, close(30, 2));
  const id = CONTAINER.slice(0, 12);
  const info = { ...unmanagedContainer(id, 'docker'), name: 'web' };
  run.state.setContainer(id, info);
  awaited = false;
  run.recorder.poll();
  play(run, close(30, 3));
  await run.recorder.close();
  const state = new State();
  expect((await read(captureFileName(run.prefix, alert.ts, alert.num), state)).closes).toEqual([1, 2, 3]);
  expect(state.containers.get(id)).toEqual(info);
});
