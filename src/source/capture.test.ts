import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildEvent, EventType, viewEvent } from '../event/index.ts';
import { ScapError, ScapWriter } from '../scap/index.ts';
import { Collected, concat, emptyProcess, written } from '../scap/testing/collect.ts';
import { createCapture, openCapture } from './index.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'windhover-capture-'));
});
afterAll(() => rm(folder, { recursive: true }));

const close = (fd: number) =>
  buildEvent(EventType.SYSCALL_CLOSE_X as number, { ts: BigInt(fd), tid: 7, params: { res: 0, fd } });
/** A capture of so many closes, fds counting from 0. */
const capture = (events: number) =>
  written((writer) => {
    writer.process(emptyProcess(7));
    for (let i = 0; i < events; i++) writer.event(viewEvent(close(i)));
  });

async function file(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

/** Reads a capture to its end. */
async function replay(path: string, chunkSize?: number) {
  const state = new Collected();
  const source = await openCapture(path, state, { chunkSize });
  const fds: number[] = [];
  const nums: number[] = [];
  let delivered = 0;
  let error: unknown = null;
  try {
    while (!source.ended) {
      delivered += await source.next((event) => {
        fds.push(event.lo(1));
        nums.push(event.num);
      }, 10_000);
    }
  } catch (caught) {
    error = caught;
  }
  source.close();
  return { state, source, fds, nums, delivered, error };
}

const range = (n: number) => Array.from({ length: n }, (_, i) => i);

describe('replaying a capture', () => {
  it.each([
    ['plain', (bytes: Uint8Array) => bytes],
    ['compressed', (bytes: Uint8Array) => gzipSync(bytes)],
    [
      'in two compressed parts',
      (bytes: Uint8Array) => concat([gzipSync(bytes.subarray(0, 9999)), gzipSync(bytes.subarray(9999))]),
    ],
  ])('delivers all of it: %s', async (name, form) => {
    const path = await file(`${name}.scap`, form(capture(20_000)));
    for (const chunkSize of [undefined, 4096, 70_001]) {
      const { state, source, fds, nums, delivered, error } = await replay(path, chunkSize);
      expect(error).toBeNull();
      expect(state.processes.map(({ tid }) => tid)).toEqual([7]);
      expect(fds).toEqual(range(20_000));
      expect(nums.at(-1)).toBe(20_000);
      expect(delivered).toBe(20_000);
      expect(source.stats()).toEqual({ events: 20_000, drops: {} });
      expect(source.truncated).toBe(false);
    }
  });

  it.each([
    ['plain', (bytes: Uint8Array) => bytes],
    ['compressed', (bytes: Uint8Array) => gzipSync(bytes)],
  ])('delivers what a cut file holds and says that it is cut: %s', async (name, form) => {
    const whole = form(capture(20_000));
    const path = await file(`cut-${name}.scap`, whole.subarray(0, whole.length * 0.7 - 1));
    const { source, fds, error } = await replay(path);
    expect(error).toBeNull();
    expect(fds.length).toBeGreaterThan(5000);
    expect(fds).toEqual(range(fds.length));
    expect(source.truncated).toBe(true);
  });

  it('delivers what comes before damage, then says where it is', async () => {
    const whole = capture(20_000);
    const [first, second] = [gzipSync(whole.subarray(0, 99_999)), gzipSync(whole.subarray(99_999))];
    second[2] = 9; // A compression method that does not exist.
    const { fds, error } = await replay(await file('damaged.scap', concat([first, second])), 8192);
    expect(fds.length).toBeGreaterThan(100);
    expect(fds).toEqual(range(fds.length));
    expect(error).toBeInstanceOf(ScapError);
    expect(String(error)).toContain('the compressed data is damaged: unknown compression method');
  });

  it('refuses what is no capture', async () => {
    for (const bytes of [new TextEncoder().encode('rules'), gzipSync('rules'), new Uint8Array(1)]) {
      const { error } = await replay(await file('none', bytes));
      expect(String(error)).toContain('not a .scap capture');
    }
    expect(String((await replay(await file('empty', new Uint8Array(0)))).error)).toContain('the capture is empty');
    await expect(openCapture(join(folder, 'absent'), new Collected())).rejects.toThrow('ENOENT');
    expect(String((await replay(folder)).error)).toContain('EISDIR');
  });

  it('reads a pipe as it comes, and gives up waiting in time', async () => {
    const fifo = join(folder, 'fifo');
    await promisify(execFile)('mkfifo', [fifo]);
    const path = await file('piped.scap', capture(3));
    const bytes = await readFile(path);
    // The second half comes only when the first has been judged.
    const writer = execFile('sh', [
      '-c',
      `(head -c ${bytes.length - 30} "$1"; read go; tail -c 30 "$1") > "$2"`,
      'sh',
      path,
      fifo,
    ]);
    const source = await openCapture(fifo, new Collected());
    const fds: number[] = [];
    const visit = (event: { lo(i: number): number }) => fds.push(event.lo(1));
    while (fds.length < 2) await source.next(visit, 10_000);
    expect(await source.next(visit, 50)).toBe(0);
    expect(source.ended).toBe(false);
    writer.stdin?.end('go\n');
    while (!source.ended) await source.next(visit, 10_000);
    expect(fds).toEqual([0, 1, 2]);
  });

  it('reads the standard input', async () => {
    const path = await file('stdin.scap', gzipSync(capture(5)));
    const script = `
      import { openCapture } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)};
      const sink = { machine() {}, process() {}, fd() {}, userOrGroup() {}, interface() {} };
      const source = await openCapture('-', sink);
      while (!source.ended) await source.next(() => {}, 1000);
      console.log(source.stats().events);`;
    const { stdout } = await promisify(execFile)('sh', [
      '-c',
      'cat "$1" | "$0" --input-type=module -e "$2"',
      process.execPath,
      path,
      script,
    ]);
    expect(stdout.trim()).toBe('5');
  });

  it('can be closed in the middle', async () => {
    for (const form of [capture(20_000), gzipSync(capture(20_000))]) {
      const source = await openCapture(await file('closed.scap', form), new Collected(), { chunkSize: 4096 });
      expect(await source.next(() => {}, 10_000)).toBeGreaterThan(0);
      source.close();
      expect(source.ended).toBe(true);
      expect(await source.next(() => {}, 10_000)).toBe(0);
    }
  });
});

describe('a thread that reads', () => {
  /** Everything that a capture gives, as text. */
  async function everything(path: string, thread: boolean, chunkSize: number) {
    const lines: string[] = [];
    const say =
      (what: string) =>
      (entry?: unknown): void => {
        lines.push(`${what} ${JSON.stringify(entry, (_, value) => (typeof value === 'bigint' ? `${value}n` : value))}`);
      };
    const sink = {
      machine: say('machine'),
      process: say('process'),
      fd: say('fd'),
      userOrGroup: say('user'),
      interface: say('interface'),
      section: say('section'),
    };
    const source = await openCapture(path, sink, { thread, chunkSize });
    try {
      while (!source.ended) {
        await source.next((event) => {
          const { at, length, num, cpu, buffer } = event;
          lines.push(`${num} ${cpu} ${event.flags} ${Buffer.from(buffer.slice(at, at + length)).toString('base64')}`);
          expect(source.stats().events).toBe(num);
        }, 10_000);
      }
      lines.push(`truncated ${source.truncated}`);
    } catch (error) {
      lines.push(`${(error as Error).name} ${(error as Error).message}`);
    }
    lines.push(JSON.stringify({ ...source.read, bytes: 0 }));
    source.close();
    return lines;
  }

  it('gives the same as reading here: events, state, order, counts, errors', async () => {
    const event = (code: string, params: Record<string, number | string>, cpu = 0, flags = 0) => ({
      view: viewEvent(buildEvent(EventType[code] as number, { tid: 7, params }), 1, cpu),
      flags,
    });
    const old = written((writer) => {
      for (let i = 0; i < 4000; i++) {
        for (const { view, flags } of [
          event('SYSCALL_UNLINK_E', { path: `/tmp/${'x'.repeat(i % 300)}` }, 3),
          event('SYSCALL_UNLINK_X', { res: 0 }, 65535, 9),
          event('SYSCALL_CLOSE_X', { res: 0, fd: i }),
        ]) {
          writer.event(view, flags);
        }
      }
      const json = `{"image":"${'y'.repeat(300_000)}"}`;
      writer.event(event('CONTAINER_JSON_2_E', { json }).view);
    });
    const whole = concat([old, capture(100), old]);
    const broken = concat([whole, Uint8Array.of(1, 2, 3, 4, 5, 0, 0, 0)]);
    const forms = {
      plain: whole,
      compressed: gzipSync(whole),
      cut: whole.subarray(0, whole.length - 5),
      broken,
      text: new TextEncoder().encode('no capture'),
      empty: new Uint8Array(0),
    };
    for (const [name, bytes] of Object.entries(forms)) {
      const path = await file(`thread-${name}`, bytes);
      for (const chunkSize of [1 << 20, 10_000]) {
        const here = await everything(path, false, chunkSize);
        expect(await everything(path, true, chunkSize), `${name} ${chunkSize}`).toEqual(here);
        if (name === 'plain') expect(here.length).toBeGreaterThan(16_000);
      }
    }
    expect(await everything(join(folder, 'thread-broken'), true, 1 << 20)).toContain(
      `ScapError a block of type 0x4030201 claims 5 bytes (at byte ${whole.length})`,
    );
  });

  it('can be closed in the middle, and says when the file is not there', async () => {
    const path = await file('thread-closed.scap', capture(20_000));
    const source = await openCapture(path, new Collected(), { thread: true, chunkSize: 4096 });
    expect(await source.next(() => {}, 10_000)).toBeGreaterThan(0);
    source.close();
    expect(await source.next(() => {}, 10_000)).toBe(0);
    const absent = await openCapture(join(folder, 'absent'), new Collected(), { thread: true });
    await expect(absent.next(() => {}, 10_000)).rejects.toThrow('ENOENT');
  });
});

describe('a capture file', () => {
  it.each([true, false])('holds what was written, compressed: %s', async (compress) => {
    const path = join(folder, `written-${compress}.scap`);
    const output = createCapture(path, { compress });
    const writer = new ScapWriter((piece) => output.write(piece), 5000);
    for (const i of range(3000)) writer.event(viewEvent(close(i)));
    writer.flush();
    expect(output.waiting).toBeGreaterThan(0);
    await output.drained();
    expect(output.waiting).toBe(0);
    if (!compress) expect((await readFile(path)).length).toBe(writer.bytes);
    await output.close();
    const bytes = await readFile(path);
    expect((compress ? gunzipSync(bytes) : bytes).length).toBe(writer.bytes);
    expect((await replay(path)).fds).toEqual(range(3000));
  });

  it('appears whole or not at all, and follows no link', async () => {
    const place = join(folder, 'atomic');
    await mkdir(place);
    const victim = await file('victim', new Uint8Array(3));
    await symlink(victim, join(place, 'a.scap.part'));
    const output = createCapture(join(place, 'a.scap'), { atomic: true });
    output.write(capture(10));
    await output.drained();
    expect(await readdir(place)).toEqual(['a.scap.part']);
    await output.close();
    expect(await readdir(place)).toEqual(['a.scap']);
    expect((await readFile(victim)).length).toBe(3);
    expect((await replay(join(place, 'a.scap'))).fds).toEqual(range(10));
  });

  it('says that it cannot be written', async () => {
    const output = createCapture(join(folder, 'absent', 'a.scap'));
    output.write(capture(1));
    await expect(output.drained()).rejects.toThrow('ENOENT');
    await expect(output.close()).rejects.toThrow('ENOENT');
  });
});
