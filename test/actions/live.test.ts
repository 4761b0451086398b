/**
 * Live events of a scripted workload, family by family: the whole list of events is compared. Everything is
 * watched in a scope of its own, decided in the kernel.
 */
import { release } from 'node:os';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { SyscallSource } from '../../src/source/syscall.ts';
import { cannotWatch, openWatch, text, type WatchedEvent, watchFamily, workload } from './watch.ts';

process.env.WINDHOVER_REQUIRE_SCOPE = '1';

const reason = cannotWatch() ?? (workload() === undefined ? 'no C compiler (gcc)' : undefined);
let source: SyscallSource;

beforeAll(() => {
  if (reason === undefined) source = openWatch();
});
beforeEach((ctx) => {
  if (reason !== undefined) ctx.skip(reason);
});
afterAll(() => source?.close());

const number = ({ params }: WatchedEvent, name: string): number =>
  Number(params.find((param) => param.name === name)?.bytes.readBigInt64LE(0));
const flags = ({ params }: WatchedEvent): number =>
  params.find((param) => param.name === 'wh.flags')?.bytes.readUInt32LE(0) ?? 0;
for (const family of [
  'open',
  'deleted',
  'mounts',
  'paths',
  'descriptors',
  'network',
  'processes',
  'images',
  'identity',
  'data',
  'misc',
  'absent',
]) {
  test(`events of the family ${family}`, async () => {
    const { lines, status, produced, delivered } = await watchFamily(source, family);
    expect(status).toBe(0);
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(`golden/${family}.txt`);
    expect(produced).toBe(delivered);
  });
}

test('system calls in the numbering of i386', async (ctx) => {
  if (process.arch !== 'x64') ctx.skip('only x86-64 has them');
  const { lines } = await watchFamily(source, 'compat');
  await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot('golden/compat.txt');
});

test('operations of io_uring', async (ctx) => {
  // Before, some operations were not there yet.
  if (Number.parseInt(release(), 10) < 6) ctx.skip(`kernel ${release()} lacks operations that are used`);
  const { lines, status } = await watchFamily(source, 'uring');
  if (status === 77) ctx.skip('io_uring is switched off here');
  await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot('golden/uring.txt');
});

test('a file opened by handle has the name that the kernel knows', async (ctx) => {
  const { lines, status } = await watchFamily(source, 'handle');
  if (status === 77) ctx.skip('the file system of /tmp gives no handles');
  expect(lines[0]).toMatch(
    /^T0 SYSCALL_OPEN_BY_HANDLE_AT_X fd=4 mountfd=3 flags=0x1 path="DIR\/file" wh\.flags=\[resolved\]/,
  );
});

test('layers of an overlay, of files and of programs', async (ctx) => {
  const { events, status } = await watchFamily(source, 'overlay');
  if (status === 77) ctx.skip('no overlay can be mounted here');
  const [UPPER, LOWER] = [0x8000, 0x10000];
  const flagsOf = (name: string): number | undefined =>
    events
      .find(
        (event) =>
          event.code === 'SYSCALL_OPENAT_2_X' && text(event, 'name').endsWith(`/${name}`) && number(event, 'fd') >= 0,
      )
      ?.params.find((param) => param.name === 'flags')
      ?.bytes.readUInt32LE(0);
  expect((flagsOf('merged/old') ?? 0) & (UPPER | LOWER)).toBe(LOWER);
  expect((flagsOf('merged/new') ?? 0) & (UPPER | LOWER)).toBe(UPPER);
  expect((flagsOf('merged/created') ?? 0) & (UPPER | LOWER)).toBe(UPPER);
  const images = events.filter((event) => event.code === 'SYSCALL_EXECVE_19_X' && text(event, 'exe') === 'program');
  const [EXE_UPPER, EXE_LOWER] = [2, 8];
  expect(
    images.map((event) => [
      text(event, 'trusted_exepath').split('/').at(-1),
      (event.params.find((param) => param.name === 'flags')?.bytes.readUInt32LE(0) ?? 0) & (EXE_UPPER | EXE_LOWER),
    ]),
  ).toEqual([
    ['old', EXE_LOWER],
    ['new', EXE_UPPER],
  ]);
});

test('a name that changes during the call: what is reported is what was opened', async () => {
  const { events, directory } = await watchFamily(source, 'race');
  const opens = events.filter(
    (event) => event.code === 'SYSCALL_OPENAT_2_X' && number(event, 'fd') >= 0 && /^[ab]$/.test(text(event, 'name')),
  );
  expect(opens.length).toBeGreaterThan(4000);
  const inodes = new Map<string, Set<number>>();
  for (const event of opens) {
    const path = text(event, 'wh.path');
    inodes.set(path, (inodes.get(path) ?? new Set()).add(number(event, 'wh.ino')));
  }
  for (const [path, seen] of inodes) {
    expect(path).toMatch(new RegExp(`^${directory}/[ab]$`));
    expect(seen.size).toBe(1);
  }
  expect(opens.every((event) => flags(event) & 1)).toBe(true);
});
