import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';

/**
 * The program as a black box: the cases of the reference's own tests, run by their runner, and what they print
 * compared with what Falco 0.44.1 printed.
 */
const shared = new URL('../../../shared/', import.meta.url);
const cases = new URL('conformance/', shared);
const program = fileURLToPath(new URL('../../bin/windhover', import.meta.url));
const absent = !existsSync(cases);

/** Cases that Falco 0.44.1 meets and we do not, and why. */
const EXCEPTIONS: Readonly<Record<string, string>> = {};

/** Recorded answers of Falco 0.44.1 that differ on purpose. */
const DIFFERENT: Readonly<Record<string, string>> = {
  'commands_test.go:TestFalco_Cmd_Version/json-output': 'our own versions stand in it',
  'commands_test.go:TestFalco_Cmd_PluginInfo': 'the recording lacks the container plugin, which is built in here',
  'legacy_test.go:TestFalco_Legacy_ProgramOutputStrict':
    'the same lines in another order: each channel writes for itself, and standard output does not wait for the program',
  'legacy_test.go:TestFalco_Legacy_RuleNamesWithRegexChars':
    'the recording lacks the container plugin, whose fields are built in here',
};

interface Case {
  readonly suite: string;
  readonly id: string;
  readonly falco0441: boolean | null;
}
interface Outcome {
  readonly id: string;
  readonly pass: boolean | null;
  readonly why: string;
}
interface Answer {
  readonly id: string;
  readonly rc: number;
  readonly alerts: readonly Record<string, unknown>[];
  readonly stdout: string;
}

const directory = absent ? '' : mkdtempSync(join(tmpdir(), 'windhover-conformance-'));
afterAll(() => {
  if (directory !== '') rmSync(directory, { recursive: true });
});

function lines<T>(text: string): T[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as T);
}

function readCases<T>(name: string): T[] {
  return lines<T>(readFileSync(new URL(name, cases), 'utf8'));
}

async function runCases(mode: 'engine' | 'testing'): Promise<{ outcomes: Outcome[]; answers: Answer[] }> {
  const record = join(directory, `${mode}.jsonl`);
  const { stdout } = await promisify(execFile)(
    'python3',
    [
      fileURLToPath(new URL('run_cases.py', cases)),
      mode,
      program,
      '--v',
      '--record',
      record,
      '--k8srules',
      fileURLToPath(new URL('falco-rules/k8s_audit_rules.yaml', shared)),
    ],
    { maxBuffer: 64 << 20 },
  );
  return {
    outcomes: lines<Outcome | Record<string, number>>(stdout).filter(
      (line): line is Outcome => 'pass' in line && 'id' in line,
    ),
    answers: lines<Answer>(readFileSync(record, 'utf8')),
  };
}

function failures(mode: 'engine' | 'testing', outcomes: readonly Outcome[]): string[] {
  const met = new Set(
    readCases<Case>(`${mode}-cases.jsonl`)
      .filter((one) => one.falco0441 === true)
      .map((one) => `${one.suite}:${one.id}`),
  );
  return outcomes
    .filter(({ id, pass }) => pass === false && met.has(id) && EXCEPTIONS[id] === undefined)
    .map(({ id, why }) => `${id}: ${why}`);
}

describe('the reference’s own cases', () => {
  test('rules are accepted, refused and described alike', async (context) => {
    if (absent) context.skip('the conformance cases are not beside the checkout');
    const { outcomes } = await runCases('engine');
    expect(outcomes.length).toBeGreaterThan(40);
    expect(failures('engine', outcomes)).toEqual([]);
  }, 300_000);

  test('whole runs end, detect and print alike', async (context) => {
    if (absent) context.skip('the conformance cases are not beside the checkout');
    const { outcomes, answers } = await runCases('testing');
    expect(outcomes.length).toBeGreaterThan(100);
    expect(failures('testing', outcomes)).toEqual([]);

    const golden = new Map(readCases<Answer>('golden-testing-0.44.1.jsonl').map((answer) => [answer.id, answer]));
    const compared = answers.filter(
      ({ id }) =>
        golden.has(id) &&
        DIFFERENT[id] === undefined &&
        EXCEPTIONS[id] === undefined &&
        // Recorded without the plugin; see k8s-audit.test.ts.
        !id.startsWith('k8saudit_test.go'),
    );
    expect(compared.map(essence)).toEqual(compared.map(({ id }) => essence(golden.get(id) as Answer)));
  }, 600_000);
});

/** What must be the same, the machine's own name left out. */
function essence({ id, rc, alerts, stdout }: Answer): unknown {
  return { id, rc, alerts: alerts.map(({ hostname: _, ...rest }) => rest), stdout };
}
