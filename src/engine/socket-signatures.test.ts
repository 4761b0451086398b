import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { load } from '../../test/engine/generated.ts';
import { compiled, interpreted, type Judge, run } from '../../test/engine/ways.ts';
import { buildEvent, EventType, inetTuple } from '../event/index.ts';
import type { State } from '../state/index.ts';
import { Scope } from './scope.ts';

const ACCEPT = EventType.SOCKET_ACCEPT4_6_X as number;

interface Connection {
  readonly client: string;
  readonly server: string;
  readonly from: number;
  readonly to: number;
}

const rulesOf = (conditions: readonly string[]) =>
  load(conditions.map((condition) => `evt.type = accept4 and ${condition}`));

/** The rules that fire on each connection of a machine with two addresses. */
function judge(way: (state: State) => Judge, connections: readonly Connection[]): string[][] {
  const events = connections.map(({ client, server, from, to }) =>
    buildEvent(ACCEPT, { tid: 100, params: { fd: 5, tuple: inetTuple(client, from, server, to) } }),
  );
  return run(events, (state) => {
    for (const address of ['\x7f\0\0\x01', '\x0a\0\0\x07']) {
      state.sink.interface({ address, netmask: '', broadcast: '', linkSpeed: 0n, name: 'eth0' });
    }
    return way(state);
  });
}

const port = fc.constantFrom(1, 22, 79, 80, 81, 443, 1023, 1024, 40000, 40001, 65535);
const address = fc.constantFrom(
  '127.0.0.1',
  '192.168.1.9',
  '192.168.2.1',
  '10.0.0.7',
  '10.0.0.8',
  '8.8.8.8',
  '0.0.0.0',
);
const connection = fc.record({ client: address, server: address, from: port, to: port });
const condition = fc.constantFrom(
  'fd.sport = 80',
  'fd.cport > 1024',
  'fd.port in (22, 443)',
  'fd.port != 80',
  'not fd.sport in (80, 81)',
  'fd.sport <= 80',
  'fd.name startswith /etc/',
  'fd.name contains .ssh/',
  'fd.name contains "127.0.0.1:4"',
  'fd.name endswith :80',
  'fd.name glob "*:400[0-9]?->*"',
  'fd.name != ""',
  'fd.cproto = "80"',
  'fd.net = 192.168.0.0/16',
  'fd.snet in (10.0.0.0/29, 8.0.0.0/8)',
  'fd.sip = 10.0.0.7',
  'fd.cip != 127.0.0.1',
  'fd.ip in (8.8.8.8, 192.168.2.1)',
  'fd.ip != 8.8.8.8',
  'fd.rip = 10.0.0.8',
  'fd.lip in (127.0.0.1, 10.0.0.7)',
  'not fd.rnet in (10.0.0.0/8)',
  'fd.sip exists',
  'fd.cip = val(fd.sip)',
  'tolower(fd.name) contains :443',
  'fd.connected = true',
);

describe('signatures of sockets', () => {
  test('rules see what the interpreter sees', () => {
    fc.assert(
      fc.property(fc.array(condition, { minLength: 1, maxLength: 5 }), fc.array(connection), (conditions, seen) => {
        const rules = rulesOf(conditions);
        expect(judge(compiled(rules), seen)).toEqual(judge(interpreted(rules), seen));
      }),
      { numRuns: 300 },
    );
  });

  test('a connection from yet another host and port is known', () => {
    const spy = vi.spyOn(Scope.prototype, 'signature');
    const rules = rulesOf(['fd.sport = 80 and fd.name startswith /etc/', 'fd.sport = 22 and proc.name = x']);
    const many = Array.from({ length: 100 }, (_, i) => ({
      client: `10.1.2.${i}`,
      server: '10.0.0.7',
      from: 30000 + i,
      to: 80,
    }));
    judge(compiled(rules), many);
    const few = spy.mock.calls.length;
    spy.mockClear();
    judge(compiled(rulesOf(['fd.name endswith 5'])), many);
    const each = spy.mock.calls.length;
    spy.mockRestore();
    expect(few).toBeLessThan(20);
    // A rule that can tell them apart has them told apart.
    expect(each).toBeGreaterThanOrEqual(100);
  });
});
