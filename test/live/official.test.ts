import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ALL_MATCHES, type AlertLine, ROOT, replayed, watched } from './sensor.ts';

/**
 * The official rules, unmodified, on a scripted workload: each act raises the alert that it is about, and the
 * recording of the same run gives the same alerts again.
 */

const SHARED = process.env.WINDHOVER_SHARED ?? `${ROOT}../shared`;
const FILES = ['falco_rules', 'falco-incubating_rules', 'falco-sandbox_rules'].map(
  (name) => `${SHARED}/falco-rules/${name}.yaml`,
);
const present = FILES.every((file) => existsSync(file));
const SCRIPT = `${ROOT}test/live/fixtures/official.sh`;

/** The acts of the script by the rule that stands before each. */
const EXPECTED = (readFileSync(SCRIPT, 'utf8').split('\nact() ')[1] ?? '')
  .split('\n')
  .filter((line) => line.startsWith('# '))
  .map((line) => line.slice(2));

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(`${tmpdir()}/windhover-official-`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const rules = FILES.flatMap((file) => ['-r', file]);
const options = [...ALL_MATCHES, ...rules];

describe('the official rules', () => {
  test('live, and again from the recording', async (context) => {
    if (!present) context.skip('the official rules are not here (set WINDHOVER_SHARED)');
    const recording = `${folder}/official.scap`;
    const scratch = mkdtempSync(`${folder}/scratch-`);
    const command = ['unshare', '--mount', SCRIPT, scratch];
    const live = await watched(['--record', recording, ...options], command);
    expect(live.status, live.stderr).toBe(0);
    const fired = new Set(live.alerts.map((alert) => alert.rule));
    expect(EXPECTED.filter((rule) => !fired.has(rule))).toEqual([]);

    const again = await replayed(options, recording);
    expect(again.status, again.stderr).toBe(0);
    expect(again.alerts.map(comparable)).toEqual(live.alerts.map(comparable));
  });

  test('live without a recording: opens that no rule wants stay in the kernel', async (context) => {
    if (!present) context.skip('the official rules are not here (set WINDHOVER_SHARED)');
    const scratch = mkdtempSync(`${folder}/scratch-`);
    const live = await watched(options, ['unshare', '--mount', SCRIPT, scratch]);
    expect(live.status, live.stderr).toBe(0);
    const fired = new Set(live.alerts.map((alert) => alert.rule));
    expect(EXPECTED.filter((rule) => !fired.has(rule))).toEqual([]);
  });
});

/** Whatever a replay on another machine cannot know is left out. */
function comparable({ rule, output, output_fields }: AlertLine): object {
  return { rule, output, output_fields };
}
