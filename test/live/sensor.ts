import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What `windhover run` and `windhover replay` print as JSON. */
export interface AlertLine {
  readonly rule: string;
  readonly priority: string;
  readonly source: string;
  readonly output: string;
  readonly time: string;
  readonly tags: readonly string[];
  readonly output_fields: Readonly<Record<string, unknown>>;
}

export interface Run {
  readonly status: number | null;
  readonly alerts: AlertLine[];
  readonly stdout: string;
  readonly stderr: string;
}

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Every rule that matches raises its alert, and no alert has fields that its rule does not name. */
export const ALL_MATCHES: readonly string[] = ['-o', 'rule_matching=all', '-o', 'append_output=[]'];

/** The alerts of a command, run under the program. */
export function watched(options: readonly string[], command: readonly string[]): Promise<Run> {
  return windhover(['run', '--format', 'json', ...options, '--', ...command]);
}

/** The alerts of a recording. */
export function replayed(options: readonly string[], recording: string): Promise<Run> {
  return windhover(['replay', '-o', 'json_output=true', ...options, recording]);
}

/** Runs the program as a user would; whatever it watches is scoped to what it starts. */
export function windhover(args: readonly string[], environment: Record<string, string> = {}): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(`${ROOT}bin/windhover`, args, {
      cwd: ROOT,
      env: { ...process.env, ...environment, WINDHOVER_REQUIRE_SCOPE: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', reject);
    child.once('close', (status) => {
      const alerts = stdout
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as AlertLine);
      resolve({ status, alerts, stdout, stderr });
    });
  });
}
