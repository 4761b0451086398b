/** A descriptor whose open the first rules let the kernel leave out, and which the next rules ask for. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { cannotWatch } from '../actions/watch.ts';
import { ROOT } from './sensor.ts';

const directory = mkdtempSync(join(tmpdir(), 'windhover-reload-'));
const at = (name: string): string => join(directory, name);
const started: ChildProcess[] = [];

afterEach(() => {
  for (const child of started) child.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

const rule = (name: string, condition: string): string =>
  `- {rule: ${name}, desc: d, condition: '${condition}', output: '%evt.type %fd.name', priority: INFO}\n`;

/** Waits for what another process will have done. */
async function until(happened: () => boolean): Promise<void> {
  while (!happened()) await setTimeout(20);
}

test('is looked up at the reload', async (ctx) => {
  const reason = cannotWatch();
  if (reason !== undefined) return ctx.skip(reason);
  const rules = at('rules.yaml');
  writeFileSync(at('held'), 'line\n');
  writeFileSync(
    rules,
    rule('first', 'evt.type in (open, openat) and fd.num >= 0 and fd.name startswith /etc/ld.so') +
      rule('begun', 'evt.type = mkdir'),
  );
  // The numbers are closed once, so that the last open is one that the kernel leaves out.
  const script = `wait_for() { while [ ! -e "$0/$1" ]; do sleep 0.05; done; }
    wait_for open; mkdir "$0/begun"; exec 5< "$0/held"; exec 5<&-; exec 5< "$0/held"; : > "$0/opened"
    wait_for go; read line <&5; wait_for end`;
  const watched = spawn('/bin/bash', ['-c', script, directory], { stdio: 'ignore' });
  const sensor = spawn(
    `${ROOT}bin/windhover`,
    [
      '-o',
      'engine.kind=modern_ebpf',
      '-o',
      `windhover.scope=pid=${watched.pid}`,
      '-o',
      'append_output=[]',
      '-r',
      rules,
    ],
    { env: { ...process.env, WINDHOVER_REQUIRE_SCOPE: '1' }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  started.push(watched, sensor);
  let said = '';
  for (const stream of [sensor.stdout, sensor.stderr]) stream.on('data', (text) => (said += text));
  await until(() => said.includes('Enabled event sources'));
  writeFileSync(at('open'), '');
  await until(() => said.includes('mkdir') && existsSync(at('opened')));
  appendFileSync(rules, rule('held', 'evt.type = read and fd.name endswith /held'));
  sensor.kill('SIGHUP');
  await until(() => said.includes('Reloaded configuration and rules'));
  writeFileSync(at('go'), '');
  await until(() => said.includes('read '));
  expect(said).toContain(`read ${at('held')}`);
  sensor.kill('SIGINT');
  await once(sensor, 'exit');
});
