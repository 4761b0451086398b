import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

/** Audit events of a real cluster, judged by the official audit rules, against what Falco 0.44.1 said of them. */
const shared = new URL('../../../shared/', import.meta.url);
const absent = !existsSync(shared);
const program = fileURLToPath(new URL('../../bin/windhover', import.meta.url));

interface Alert {
  readonly time: string;
  readonly hostname?: string;
}

function alerts(text: string): Alert[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Alert);
}

test('audit events of a real cluster give Falco’s alerts', async (context) => {
  if (absent) context.skip('the recorded events are not beside the checkout');
  const directory = mkdtempSync(join(tmpdir(), 'windhover-audit-'));
  const at = (name: string): string => fileURLToPath(new URL(name, shared));
  const config = join(directory, 'falco.yaml');
  writeFileSync(
    config,
    `engine: {kind: nodriver}\nrules_files: [${at('falco-rules/k8s_audit_rules.yaml')}]\nstdout_output: {enabled: true}\n` +
      `plugins: [{name: k8saudit, open_params: ${at('data/k8s-audit-events.jsonl')}}, {name: json}]\n` +
      'json_output: true\nrule_matching: all\nappend_output: []\nlog_syslog: false\n',
  );
  const { stdout } = await promisify(execFile)(program, ['-c', config, '--disable-source', 'syscall'], {
    env: { ...process.env, TZ: 'UTC' },
    maxBuffer: 16 << 20,
  });
  rmSync(directory, { recursive: true });
  const expected = alerts(readFileSync(new URL('data/k8s-audit-events.alerts-falco-0.44.1.jsonl', shared), 'utf8'));
  // The recording ends before the events do.
  const last = expected.at(-1)?.time ?? '';
  const ours = alerts(stdout)
    .filter(({ time }) => time <= last)
    .map(({ hostname: _, ...alert }) => alert);
  expect(expected.length).toBeGreaterThan(30);
  expect(ours).toEqual(expected);
});
