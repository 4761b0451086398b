import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { buildEvent, EVENTS, EventType, type ParamValue, viewEvent } from '../event/index.ts';
import { State } from '../state/index.ts';
import { FIELDS } from './index.ts';

/** Arguments with which a field can be bound, so that each is read in some form. */
function argumentsOf(name: string): (string | null)[] {
  if (name === 'evt.arg' || name === 'evt.rawarg') return ['0', '1', 'flags', 'name'];
  if (name === 'evt.type.is' || name === 'evt.around') return ['3'];
  if (name === 'json.value' || name === 'jevt.value') return ['/a/0'];
  const field = FIELDS.find((one) => one.name === name);
  return field?.argument === 'required' ? ['1', 'x'] : field?.argument === 'optional' ? [null, '0', '1'] : [null];
}

const READERS = FIELDS.flatMap((field) =>
  argumentsOf(field.name).flatMap((argument) => {
    if (argument !== null && field.checkArgument?.(argument)) return [];
    if (field.name === 'evt.abspath' && argument !== null) return [];
    const readers = [{ name: field.name, read: field.bind(argument) }];
    if (field.bindPrint !== null) readers.push({ name: field.name, read: field.bindPrint(argument) });
    return readers;
  }),
);

/** A parameter: bytes of any length, among them none and too few. */
const param = fc.oneof(
  fc.constant(null),
  fc.uint8Array({ maxLength: 48 }),
  fc.uint8Array({ minLength: 8, maxLength: 8 }),
  fc.constantFrom<ParamValue>('/etc/passwd', 'relative/../x', '', '<NA>'),
  // Small numbers, so that events meet each other's threads and descriptors.
  fc.integer({ min: -3, max: 12 }).map((n) => new Uint8Array(new BigInt64Array([BigInt(n)]).buffer)),
);

const event = fc.record({
  type: fc.integer({ min: 0, max: EVENTS.length - 1 }),
  tid: fc.constantFrom(1, 2, 3, 4, 5, -1, 0),
  params: fc.array(param, { maxLength: 33 }),
});

test('neither the state nor any field throws on whatever bytes events are made of', () => {
  fc.assert(
    fc.property(fc.array(event, { minLength: 1, maxLength: 40 }), (events) => {
      const state = new State();
      let ts = 1n;
      for (const { type, tid, params } of events) {
        const one = viewEvent(buildEvent(type, { ts: (ts += 1_000_000n), tid, params }));
        state.apply(one);
        for (const { name, read } of READERS) {
          const value = read(one, state);
          if (value === undefined) throw new Error(`${name} gives undefined`);
        }
      }
      let threads = 0;
      for (const thread of state.threads) {
        threads++;
        expect(state.groups.get(thread.pid)).toBe(thread.group);
        expect(thread.group.threads).toContain(thread);
        expect(thread.parent).toBe(
          thread.ptid > 0 && thread.ptid !== thread.tid ? state.threads.get(thread.ptid) : null,
        );
        expect(thread.group.alive).toBe(thread.group.threads.filter((other) => !other.dead).length);
      }
      expect(threads).toBe(state.threads.size);
    }),
    { numRuns: 150 },
  );
});

test('an event that is cut off anywhere is survived', () => {
  const whole = buildEvent(EventType.SYSCALL_EXECVE_19_X as number, {
    tid: 1,
    params: { exe: 'sh', comm: 'sh', args: ['-c', 'id'], cwd: '/tmp', pid: 1, tid: 1, trusted_exepath: '/bin/sh' },
  });
  for (let length = 26; length <= whole.length; length++) {
    const state = new State();
    state.apply(viewEvent(whole.slice(0, length)));
    expect(state.thread?.tid).toBe(1);
  }
});
