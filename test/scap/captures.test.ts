import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { constants, gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { viewEvent } from '../../src/event/index.ts';
import { ScapReader } from '../../src/scap/index.ts';
import { readAll, type SeenEvent, written } from '../../src/scap/testing/collect.ts';

/** Captures that other programs recorded stand beside the checkout, where there are any. */
const SHARED = process.env.WINDHOVER_SHARED ?? fileURLToPath(new URL('../../../shared/', import.meta.url));

function capturesIn(folder: string): string[] {
  const path = join(SHARED, folder);
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.scap'))
    .map((name) => join(path, name))
    .sort();
}

function load(path: string): Uint8Array {
  const bytes = readFileSync(path);
  return bytes[0] === 0x1f ? gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }) : bytes;
}

const comparable = ({ cpu, flags, bytes }: SeenEvent) => `${cpu} ${flags} ${Buffer.from(bytes).toString('base64')}`;

describe('captures that others recorded', () => {
  const captures = [...capturesIn('conformance'), ...capturesIn('captures')];

  it('are all read, and read the same when we have written them', (ctx) => {
    if (captures.length === 0) ctx.skip('no captures beside the checkout');
    for (const path of captures) {
      const { state, events, reader, left } = readAll(load(path), () => 100_003);
      expect(reader.stats, path).toMatchObject({ malformed: 0, unknown: 0 });
      expect(left, path).toBe(0);
      expect(events.length, path).toBeGreaterThan(0);
      expect(state.machines.length, path).toBe(1);
      const again = readAll(
        written((writer) => {
          for (const machine of state.machines) writer.machine(machine);
          for (const entry of state.interfaces) writer.interface(entry);
          for (const entry of state.usersAndGroups) writer.userOrGroup(entry);
          for (const entry of state.processes) writer.process(entry);
          for (const entry of state.fds) writer.fd(entry);
          for (const { bytes, cpu, flags } of events) writer.event(viewEvent(bytes, 1, cpu), flags);
        }),
      );
      expect(again.state, path).toEqual(state);
      expect(again.events.length, path).toBe(events.length);
      for (let i = 0; i < events.length; i++) {
        const [a, b] = [events[i] as SeenEvent, again.events[i] as SeenEvent];
        if (comparable(a) !== comparable(b)) expect(b, `${path} event ${i + 1}`).toEqual(a);
      }
    }
  });

  it('are written byte for byte as Falco 0.44 wrote them, but for the descriptors', (ctx) => {
    const path = join(SHARED, 'captures/guest-rules.scap');
    if (!existsSync(path)) ctx.skip('no capture of Falco 0.44 beside the checkout');
    // Falco writes an empty list for a thread without descriptors, and types that older readers refuse.
    const FDS = 0x218;
    const blocks = (bytes: Uint8Array): Buffer[] => {
      const all: Buffer[] = [];
      const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      for (let at = 0; at < bytes.length; ) {
        const size = buffer.readUInt32LE(at + 4);
        if (buffer.readUInt32LE(at) !== FDS) all.push(buffer.subarray(at, at + size));
        at += size;
      }
      return all;
    };
    const original = load(path);
    const ours = written((writer) => {
      const reader = new ScapReader(writer);
      reader.push(original, (event) => writer.event(event, event.flags));
    });
    const [theirs, mine] = [blocks(original), blocks(ours)];
    expect(mine.length).toBe(theirs.length);
    expect(mine.every((block, i) => block.equals(theirs[i] as Buffer))).toBe(true);
  });

  it('have the number of events that libsinsp counted', (ctx) => {
    const list = join(SHARED, 'conformance/sinsp/checks.jsonl');
    if (!existsSync(list)) ctx.skip('no list of checks beside the checkout');
    const checks = readFileSync(list, 'utf8').trim().split('\n');
    const lastNumbers = new Map<string, number>();
    for (const line of checks) {
      const { scap, evtnum } = JSON.parse(line) as { scap?: string; evtnum?: number };
      if (scap !== undefined) lastNumbers.set(scap, Math.max(evtnum ?? 0, lastNumbers.get(scap) ?? 0));
    }
    expect(lastNumbers.size).toBeGreaterThan(0);
    for (const [scap, last] of lastNumbers) {
      const { events } = readAll(load(join(SHARED, 'conformance/sinsp', scap)));
      expect(events.length, scap).toBeGreaterThanOrEqual(last);
    }
  });
});
