import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { demoActions, demoCommand } from '../../src/cli/demo-actions.ts';
import { cannotWatch } from '../actions/watch.ts';
import { type AlertLine, ROOT, windhover } from './sensor.ts';

/**
 * The rules that come with the program, on real processes: each act of demo/actions raises its rule, and the
 * recording of the run raises it again.
 */

const SETTINGS = ['-o', 'rule_matching=all', '-o', 'append_output=[]', '-o', 'rules=[{enable: {rule: "*"}}]'];
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

describe.each(['host', 'container'] as const)('acts on a %s', (place) => {
  test('raise their rules, live and replayed', async (context) => {
    const reason = cannotWatch();
    if (reason !== undefined) context.skip(reason);
    const recording = `${folder}/${place}.scap`;
    const scratch = mkdtempSync(`${folder}/scratch-`);
    const { port } = server.address() as { port: number };
    const live = await windhover([
      'run',
      '--format',
      'json',
      '--record',
      recording,
      ...SETTINGS,
      '-r',
      `${ROOT}rules`,
      '--',
      ...demoCommand(ACTIONS, place, { scratch, port, announce: false }),
    ]);
    expect(live.status, live.stderr).toBe(0);
    const wanted = ACTIONS.filter((action) => action.place === place).map((action) => action.rule);
    expect(missing(wanted, live.alerts)).toEqual([]);

    const again = await windhover(['replay', '-o', 'json_output=true', ...SETTINGS, '-r', `${ROOT}rules`, recording]);
    expect(again.status, again.stderr).toBe(0);
    expect(missing(wanted, again.alerts)).toEqual([]);
  });
});

function missing(wanted: readonly string[], alerts: readonly AlertLine[]): string[] {
  const fired = new Set(alerts.map((alert) => alert.rule));
  return wanted.filter((rule) => !fired.has(rule));
}

test('every act names a rule that there is', () => {
  const names = new Set(
    readdirSync(`${ROOT}rules`)
      .filter((name) => name.endsWith('.yaml'))
      .flatMap((name) => [...readFileSync(`${ROOT}rules/${name}`, 'utf8').matchAll(/^- rule: (.*)$/gm)])
      .map((match) => match[1]),
  );
  expect(ACTIONS.filter(({ rule }) => !names.has(rule)).map(({ rule }) => rule)).toEqual([]);
});
