import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { toByteString } from '../bytes.ts';
import { buildEvent, type Event, EventType, viewEvent } from '../event/index.ts';
import { emptyProcess } from '../scap/testing/collect.ts';
import { openCapture } from '../source/index.ts';
import { State, unmanagedContainer } from '../state/index.ts';
import { openRecording } from './recording.ts';

const directory = mkdtempSync(join(tmpdir(), 'windhover-recording-'));
afterAll(() => rmSync(directory, { recursive: true }));

const web = { ...unmanagedContainer('0123456789ab', 'docker'), name: toByteString('wéb'), imageRepository: 'nginx' };

/** A close of descriptor `n`. */
const close = (n: number): Event => {
  const params = { res: 0, fd: n };
  return viewEvent(buildEvent(EventType.SYSCALL_CLOSE_X as number, { ts: BigInt(n) * 1_000_000n, tid: 7, params }), n);
};

function stateWithProcess(): State {
  const state = new State();
  state.sink.process({ ...emptyProcess(7), pid: 7, comm: 'p' });
  return state;
}

/** The descriptors of the closes in a recording, and after how many of them each container became known. */
async function read(path: string): Promise<{ closes: number[]; known: Record<string, number>; state: State }> {
  const state = new State();
  const source = await openCapture(path, state.sink);
  const closes: number[] = [];
  const known: Record<string, number> = {};
  while (!source.ended) {
    await source.next((event) => {
      if (event.type === EventType.SYSCALL_CLOSE_X) closes.push(event.lo(1));
      state.apply(event);
      for (const { name } of state.containers.values()) known[name] ??= closes.length;
    }, 50);
  }
  source.close();
  return { closes, known, state };
}

const news = { starting: () => false, waitMs: 60_000 };

test('what is known of containers stands at the beginning, what is learnt where it was learnt', async () => {
  const path = join(directory, 'known.scap');
  const state = stateWithProcess();
  state.setContainer(web.id, web);
  const recording = openRecording(path, state, { ...news, waiting: () => false });
  recording.event(close(1));
  state.setContainer('b', { ...web, id: 'b', name: 'later' });
  recording.event(close(2));
  await recording.close();
  const { closes, known, state: again } = await read(path);
  expect(closes).toEqual([1, 2]);
  expect(known).toEqual({ [web.name]: 0, later: 1 });
  expect(again.containers.get(web.id)).toEqual(web);
});

test('events wait for what is being found out, which then stands before them', async () => {
  const path = join(directory, 'held.scap');
  const state = stateWithProcess();
  let waiting = false;
  const recording = openRecording(path, state, { ...news, waiting: () => waiting });
  recording.event(close(1));
  waiting = true;
  for (let n = 2; n < 5000; n++) recording.event(close(n));
  recording.poll();
  state.setContainer(web.id, web);
  waiting = false;
  recording.poll();
  recording.event(close(5000));
  await recording.close();
  const { closes, known } = await read(path);
  expect(closes).toEqual(Array.from({ length: 5000 }, (_, i) => i + 1));
  expect(known).toEqual({ [web.name]: 1 });
});

test('an answer that never comes keeps nothing out of the file', async () => {
  const path = join(directory, 'silent.scap');
  const recording = openRecording(path, stateWithProcess(), { ...news, waitMs: -1, waiting: () => true });
  for (let n = 1; n < 5; n++) {
    recording.event(close(n));
    recording.poll();
  }
  await recording.close();
  expect((await read(path)).closes).toEqual([1, 2, 3, 4]);
});
