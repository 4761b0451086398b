import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';

/** Long recordings of real machines, judged by the official rules, against every alert that Falco 0.44.1 raised. */
const shared = new URL('../../../shared/', import.meta.url);
const absent = !existsSync(shared);
const why = 'the recordings are not beside the checkout';
const program = fileURLToPath(new URL('../../bin/windhover', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'windhover-recordings-'));
afterAll(() => rmSync(directory, { recursive: true }));

const at = (name: string): string => fileURLToPath(new URL(name, shared));

interface Alert {
  readonly time: string;
  readonly hostname?: string;
}

function alerts(text: string): Omit<Alert, 'hostname'>[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => {
      const { hostname: _, ...alert } = JSON.parse(line) as Alert;
      return alert;
    });
}

async function judge(config: string, ...args: string[]): Promise<Omit<Alert, 'hostname'>[]> {
  const path = join(directory, 'falco.yaml');
  const common =
    'stdout_output: {enabled: true}\njson_output: true\nrule_matching: all\nappend_output: []\nlog_syslog: false\n';
  writeFileSync(path, common + config);
  const { stdout } = await promisify(execFile)(program, ['-c', path, ...args], {
    env: { ...process.env, TZ: 'UTC' },
    maxBuffer: 64 << 20,
  });
  return alerts(stdout);
}

test('401,222 events of a Debian guest', async (context) => {
  if (absent) context.skip(why);
  const files = ['falco_rules', 'falco-incubating_rules', 'falco-sandbox_rules'].map((name) =>
    at(`falco-rules/${name}.yaml`),
  );
  const ours = await judge(
    `rules_files: [${files.join(', ')}]\nplugins: [{name: container}]\n` +
      `engine: {kind: replay, replay: {capture_file: ${at('captures/guest-rules.scap')}}}\n`,
  );
  const expected = alerts(readFileSync(at('captures/guest-rules.alerts-falco-0.44.1.jsonl'), 'utf8'));
  expect(expected.length).toBeGreaterThan(1000);
  expect(ours).toEqual(expected);
}, 300_000);

test('audit events of a cluster', async (context) => {
  if (absent) context.skip(why);
  const ours = await judge(
    `engine: {kind: nodriver}\nrules_files: [${at('falco-rules/k8s_audit_rules.yaml')}]\n` +
      `plugins: [{name: k8saudit, open_params: ${at('data/k8s-audit-events.jsonl')}}, {name: json}]\n`,
    '--disable-source',
    'syscall',
  );
  const expected = alerts(readFileSync(at('data/k8s-audit-events.alerts-falco-0.44.1.jsonl'), 'utf8'));
  // The recording of the alerts ends before the events do.
  const last = expected.at(-1)?.time ?? '';
  expect(expected.length).toBeGreaterThan(30);
  expect(ours.filter(({ time }) => time <= last)).toEqual(expected);
}, 120_000);
