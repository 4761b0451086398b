import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cannotWatch } from '../actions/watch.ts';
import { ALL_MATCHES, ROOT, watched } from '../live/sensor.ts';

/** Everyday work raises at most one alert with the rules that come with the program; docs/noise.md has the figures. */

const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const text = (path: string): string => readFileSync(path, 'utf8');
/** What a script needs that not every machine has, as a shell condition. */
const NEEDS: Readonly<Record<string, string>> = {
  npm: 'command -v npm',
  dpkg: 'command -v dpkg-deb',
  make: 'command -v make && command -v gcc',
  git: 'command -v git && test -e "$(git --exec-path)/git-daemon"',
  sshd: 'command -v sshd && command -v ssh',
  apt: 'command -v apt-get',
  cron: 'command -v cron',
  docker: 'command -v dockerd && command -v busybox',
  postgres: 'ls /usr/lib/postgresql/*/bin/initdb && id postgres',
  nginx: 'command -v nginx',
};

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(`${tmpdir()}/windhover-benign-`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const scripts = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.sh') && !['prelude.sh', 'setup.sh'].includes(name))
  .map((name) => name.slice(0, -3));

test.for(scripts)('%s', async (name, context) => {
  const reason = cannotWatch() ?? missing(name);
  if (reason !== undefined) context.skip(reason);
  const scratch = mkdtempSync(`${folder}/${name}-`);
  const parts = [`${ROOT}demo/actions/layers.sh`, `${FOLDER}prelude.sh`, `${FOLDER}${name}.sh`];
  const script = `scratch=$1\n${parts.map(text).join('')}`;
  // The machine's own tools, not those of the checkout, which may stand in a temporary directory.
  const PATH = (process.env.PATH ?? '')
    .split(':')
    .filter((entry) => !entry.includes('node_modules'))
    .join(':');
  const run = await watched(
    [...ALL_MATCHES, '-r', `${ROOT}rules`],
    ['env', `PATH=${PATH}`, 'unshare', '--mount', '--net', 'sh', '-c', script, name, scratch],
  );
  expect(run.status, run.stderr).toBe(0);
  const raised = run.alerts.map(({ rule, output }) => `${rule}: ${output.slice(0, 300)}`);
  expect(raised.length, raised.join('\n')).toBeLessThanOrEqual(1);
});

function missing(name: string): string | undefined {
  const needs = NEEDS[name];
  if (needs === undefined) return undefined;
  try {
    execFileSync('sh', ['-c', needs], { stdio: 'ignore' });
    return undefined;
  } catch {
    return `${name} is not here`;
  }
}
