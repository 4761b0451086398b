/** A second start with the same rules and configuration reads no YAML and checks nothing again. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { buildEvent, EventType, viewEvent } from '../event/index.ts';
import { ScapWriter } from '../scap/index.ts';

const directory = mkdtempSync(join(tmpdir(), 'windhover-start-'));
afterAll(() => rmSync(directory, { recursive: true }));
const rules = join(directory, 'rules.yaml');
const config = join(directory, 'falco.yaml');
const capture = join(directory, 'open.scap');

/** Names, on the last line of standard error, the packages that the program loaded. */
const WATCH = `data:text/javascript,${encodeURIComponent(`
import { registerHooks } from 'node:module';
const packages = new Set();
registerHooks({
  load(url, context, next) {
    const name = /node_modules\\/([^/]+)/.exec(url)?.[1];
    if (name !== undefined) packages.add(name);
    return next(url, context);
  },
});
process.on('exit', () => process.stderr.write('\\n' + [...packages].join(' ')));
`)}`;

/** Replays the capture: the alerts, and which of the large packages were loaded. */
function start(...options: string[]): { alerts: string; loaded: string[] } {
  const stderr = join(directory, 'stderr');
  const alerts = execFileSync(
    '/bin/sh',
    ['-c', 'exec "$@" 2>"$0"', stderr, process.execPath, '--import', WATCH, main, 'replay', capture, ...options],
    { env: { ...process.env, NODE_COMPILE_CACHE: join(directory, 'cache'), TZ: 'UTC' }, encoding: 'utf8' },
  );
  const packages = execFileSync('tail', ['-n', '1', stderr], { encoding: 'utf8' }).split(' ');
  return { alerts, loaded: packages.filter((name) => name === 'yaml' || name === 'zod').sort() };
}

const main = fileURLToPath(new URL('../main.ts', import.meta.url));

function writeRules(output: string): void {
  writeFileSync(
    rules,
    `- rule: Opened\n  desc: d\n  condition: evt.type = open\n  output: ${output} %fd.name\n  priority: INFO\n`,
  );
}

function writeCapture(): void {
  const pieces: Uint8Array[] = [];
  const writer = new ScapWriter((piece) => pieces.push(piece));
  const params = { fd: 3, name: '/etc/x', flags: 1, mode: 0, dev: 1, ino: 1n };
  const event = buildEvent(EventType.SYSCALL_OPEN_X as number, { ts: 1_700_000_000_000_000_000n, tid: 42, params });
  writer.event(viewEvent(event, 1), 0);
  writer.flush();
  writeFileSync(capture, Buffer.concat(pieces));
}
writeCapture();

test('the rules and the configuration of the last start are used again, and no older ones', () => {
  writeRules('first');
  writeFileSync(config, 'append_output: []\nstdout_output: {enabled: true}\n');
  const flags = ['-c', config, '-r', rules];

  const first = start(...flags);
  expect(first.alerts).toContain('first /etc/x');
  expect(first.loaded).toEqual(['yaml', 'zod']);
  expect(start(...flags)).toEqual({ alerts: first.alerts, loaded: [] });

  writeRules('second');
  const second = start(...flags);
  expect(second.alerts).toContain('second /etc/x');
  expect(second.loaded).toEqual(['yaml']);

  writeFileSync(config, 'append_output: [{extra_output: and more}]\nstdout_output: {enabled: true}\n');
  const third = start(...flags);
  expect(third.alerts).toContain('second /etc/x and more');
  expect(third.loaded).toEqual(['yaml', 'zod']);
  expect(start(...flags)).toEqual({ alerts: third.alerts, loaded: [] });

  // An option makes another configuration; these rules are known.
  expect(start(...flags, '-o', 'append_output=[]')).toEqual({ alerts: second.alerts, loaded: ['yaml', 'zod'] });

  // Variables of the environment are looked at each time.
  writeFileSync(config, `append_output: [{extra_output: '\${TZ}'}]\nstdout_output: {enabled: true}\n`);
  start(...flags);
  expect(start(...flags).loaded).toEqual(['yaml', 'zod']);
});

test('what the launcher sets for itself is not handed on to what is started', () => {
  const out = join(directory, 'environment');
  writeRules('alert');
  const options = ['program_output.enabled=true', `program_output.program=env >${out}`].flatMap((o) => ['-o', o]);
  const launcher = fileURLToPath(new URL('../../bin/windhover', import.meta.url));
  const run = (env: NodeJS.ProcessEnv): string => {
    execFileSync(launcher, ['replay', capture, '-r', rules, ...options], { env: { ...process.env, ...env } });
    return readFileSync(out, 'utf8');
  };
  expect(run({ MALLOC_ARENA_MAX: undefined, MALLOC_MMAP_THRESHOLD_: undefined })).not.toMatch(/MALLOC/);
  expect(run({ MALLOC_ARENA_MAX: '3' })).toMatch(/^MALLOC_ARENA_MAX=3$/m);
});
