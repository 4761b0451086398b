import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generate } from '../../bench/machine.ts';
import { buildEvent, EVENTS, EventFlag, EventType, viewEvent } from '../../src/event/index.ts';
import { DumpFlag, FdType, type ScapWriter } from '../../src/scap/index.ts';
import { emptyProcess, readAll, written } from '../../src/scap/testing/collect.ts';
import { createCapture } from '../../src/source/index.ts';

const installed = spawnSync('sysdig', ['--version']).status === 0;
/** The last event type that sysdig 0.29 knows; it passes over later ones, and hides drops. */
const LAST_KNOWN = EventType.SYSCALL_CLONE3_X as number;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'windhover-sysdig-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function sysdig(path: string, format: string): string[] {
  return execFileSync('sysdig', ['-r', path, '-p', format], { maxBuffer: 1 << 28, encoding: 'utf8' })
    .split('\n')
    .slice(0, -1);
}

/** A made-up machine's events. */
function recording(mix: 'all' | 'ruled'): (writer: ScapWriter) => void {
  return (writer) => {
    for (const _ of generate(writer, { events: 20_000, mix, seed: 7 }));
  };
}

describe('sysdig of Debian reads what we write', () => {
  it.for(['all', 'ruled'] as const)('the same events by count, order and name: %s', async (mix, ctx) => {
    if (!installed) ctx.skip('sysdig is not installed');
    const bytes = written(recording(mix));
    const expected = readAll(bytes)
      .events.filter(({ type }) => type <= LAST_KNOWN)
      .map(({ type }) => EVENTS[type])
      .map((info) => `${info?.name} ${info?.enter ? '>' : '<'}`);
    const plain = join(folder, `${mix}.scap`);
    writeFileSync(plain, bytes);
    expect(sysdig(plain, '%evt.type %evt.dir')).toEqual(expected);
    const compressed = join(folder, `${mix}.scap.gz`);
    const output = createCapture(compressed);
    output.write(bytes);
    await output.close();
    expect(sysdig(compressed, '%evt.type %evt.dir')).toEqual(expected);
  });

  it('with the state of the machine, our trailing parameters, and events that only keep state hidden', (ctx) => {
    if (!installed) ctx.skip('sysdig is not installed');
    const path = join(folder, 'state.scap');
    const fd = {
      tid: 7,
      ino: 1n,
      openFlags: 1,
      dev: 2,
      localAddress: '\x7f\0\0\x01',
      remoteAddress: '\x7f\0\0\x02',
      localPort: 1000,
      remotePort: 80,
      l4proto: 2,
      unixSource: 0n,
      unixDestination: 0n,
    };
    writeFileSync(
      path,
      written((writer) => {
        writer.process({ ...emptyProcess(7), comm: 'worker', args: 'one\0two\0' });
        // Every kind of descriptor; the newest ones have to be written so that older readers take the file.
        for (let type = FdType.FILE; type <= FdType.PIDFD; type++)
          writer.fd({ ...fd, fd: type + 10, type, name: `/n${type}` });
        const event = (code: string, params: Record<string, number | bigint | string>, flags = 0) =>
          writer.event(
            viewEvent(
              buildEvent(EventType[code] as number, {
                ts: 1_700_000_000_000_000_000n,
                tid: 7,
                params,
                extra: [1, '/resolved', 2, 3n],
              }),
            ),
            flags,
          );
        event('SYSCALL_FSTAT_X', { res: 0, fd: FdType.FILE_V2 + 10 });
        event('SYSCALL_CHDIR_X', { res: 0, path: '/tmp' }, DumpFlag.STATE_ONLY);
        event('SYSCALL_READ_X', { res: 0, fd: FdType.IPV4_SOCK + 10, size: 0 });
        event('SYSCALL_OPENAT_2_X', { fd: 3, dirfd: -100, name: 'b/c', flags: 1, mode: 0, dev: 0, ino: 0 });
      }),
    );
    expect(sysdig(path, '%evt.num %evt.type %proc.name %proc.args %proc.cwd %fd.name')).toEqual([
      '1 fstat worker one two / ',
      '3 read worker one two /tmp/ ',
      '4 openat worker one two /tmp/ /tmp/b/c',
    ]);
  });

  it('names of event types as sysdig knows them', (ctx) => {
    if (!installed) ctx.skip('sysdig is not installed');
    const known = EVENTS.filter(
      ({ type, flags, enter, large }) =>
        type <= LAST_KNOWN && !enter && !large && (flags & (EventFlag.UNUSED | EventFlag.OLD_VERSION)) === 0,
    ).filter(({ code }) => code !== 'GENERIC_X' && code !== 'DROP_X');
    const path = join(folder, 'types.scap');
    writeFileSync(
      path,
      written((writer) => {
        writer.process(emptyProcess(7));
        for (const { type } of known) writer.event(viewEvent(buildEvent(type, { ts: 1n, tid: 7, params: {} })));
      }),
    );
    expect(sysdig(path, '%evt.type')).toEqual(known.map(({ name }) => name));
  });
});
