import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEMO_RULES, demoActions, demoCommand, demoOptions, PLACES } from '../../src/cli/demo-actions.ts';
import { cannotWatch } from '../actions/watch.ts';
import { enginesMissing } from '../containers/engines.ts';
import { ALL_MATCHES, type AlertLine, ROOT, replayed, watched } from './sensor.ts';

/**
 * The rules that come with the program, on real processes: each act of demo/actions raises its rule, and the
 * recording of the run raises it again.
 */

const SETTINGS = [...ALL_MATCHES, '-o', 'rules=[{enable: {rule: "*"}}]'];
const ACTIONS = demoActions();

let folder = '';
let server: Server;
beforeAll(async () => {
  folder = mkdtempSync(`${tmpdir()}/windhover-rules-`);
  server = createServer((socket) => socket.on('error', () => {}).resume());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Compares names of addresses, which are looked up while events happen; a recording has the addresses alone. */
const NAMED = 'Detect outbound connections to common miner pool ports';
const RULES = DEMO_RULES.flatMap((path) => ['-r', path]);

describe.each(PLACES)('acts in the place %s', (place) => {
  test('raise their rules, live and replayed', async (context) => {
    const reason = cannotWatch() ?? (place === 'engine' ? enginesMissing('dockerd', 'docker') : null);
    if (reason != null) context.skip(reason);
    const recording = `${folder}/${place}.scap`;
    const scratch = mkdtempSync(`${folder}/scratch-`);
    const { port } = server.address() as { port: number };
    const live = await watched(
      [
        ...['--record', recording, ...SETTINGS, ...RULES],
        ...demoOptions(place, scratch).flatMap((option) => ['-o', option]),
      ],
      demoCommand(ACTIONS, place, { scratch, port, announce: false }),
    );
    expect(live.status, live.stderr).toBe(0);
    const wanted = ACTIONS.filter((action) => action.place === place).map((action) => action.rule);
    expect(missing(wanted, live.alerts)).toEqual([]);

    const again = await replayed([...SETTINGS, ...RULES], recording);
    expect(again.status, again.stderr).toBe(0);
    expect(missing(wanted, again.alerts).filter((rule) => rule !== NAMED)).toEqual([]);
  });
});

function missing(wanted: readonly string[], alerts: readonly AlertLine[]): string[] {
  const fired = new Set(alerts.map((alert) => alert.rule));
  return wanted.filter((rule) => !fired.has(rule));
}

/** Rules without an act, and why. */
const UNSTAGED: ReadonlyMap<string, string> = new Map([
  ['Linux Kernel Module Injection Detected', 'it changes the kernel: test/kernels loads a module in a guest'],
]);

test('every rule about system calls has an act', () => {
  const rules = readdirSync(`${ROOT}rules`)
    .filter((name) => name.endsWith('.yaml'))
    .flatMap((name) => [...readFileSync(`${ROOT}rules/${name}`, 'utf8').matchAll(/^- rule: (.*)$/gm)])
    .map((match) => match[1] ?? '');
  expect([...ACTIONS.map(({ rule }) => rule), ...UNSTAGED.keys()].sort()).toEqual(rules.sort());
});
