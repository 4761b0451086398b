/** A sensor that runs beside its test, scoped in the kernel to one control group. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { type AlertLine, ROOT } from '../live/sensor.ts';

export interface RunningSensor {
  readonly alerts: AlertLine[];
  readonly stderr: string;
  /** Resolves with the first alert that fits, which may have come already. */
  alert(fits: (alert: AlertLine) => boolean): Promise<AlertLine>;
  stop(): Promise<void>;
}

/**
 * Starts a sensor; resolves when it watches. Without a scope (null) it may watch no system calls.
 * @param by a command that starts it
 */
export async function startSensor(
  scope: string | null,
  args: readonly string[],
  by: readonly string[] = [],
): Promise<RunningSensor> {
  const options = [
    ...(scope === null ? ['engine.kind=nodriver'] : [`windhover.scope=cgroup=${scope}`]),
    'json_output=true',
    'webserver.enabled=false',
    'log_stderr=true',
    'log_syslog=false',
    'syslog_output.enabled=false',
  ].flatMap((option) => ['-o', option]);
  const [program = '', ...flags] = [...by, `${ROOT}bin/windhover`, ...options, ...args];
  const child = spawn(program, flags, {
    cwd: ROOT,
    env: { ...process.env, WINDHOVER_REQUIRE_SCOPE: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const alerts: AlertLine[] = [];
  let stderr = '';
  let rest = '';
  let changed: () => void = () => {};
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    changed();
  });
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.startsWith('{')) alerts.push(JSON.parse(line) as AlertLine);
    changed();
  });
  const ended = end(child);
  ended.then(() => changed());
  const waitFor = async <T>(find: () => T | undefined): Promise<T> => {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      if (child.exitCode !== null) throw new Error(`the sensor ended:\n${stderr}`);
      await new Promise<void>((resolve) => {
        changed = resolve;
      });
    }
  };
  await waitFor(() => (stderr.includes('Enabled event sources') ? true : undefined));
  return {
    alerts,
    get stderr() {
      return stderr;
    },
    alert: (fits) => waitFor(() => alerts.find(fits)),
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

function end(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => child.once('close', () => resolve()));
}

/** A control group for the containers of a test: its name, as engines take it, and its directory in the unified hierarchy. */
export function makeCgroup(name: string): {
  readonly parent: string;
  readonly directory: string;
  /** Ends every process in it. */
  end(): void;
  remove(): void;
} {
  const unified = existsSync('/sys/fs/cgroup/unified') ? '/sys/fs/cgroup/unified' : '/sys/fs/cgroup';
  const parent = `/windhover-${name}-${process.pid}`;
  const directory = join(unified, parent);
  mkdirSync(directory, { recursive: true });
  return {
    parent,
    directory,
    end: () => endTree(directory),
    remove() {
      for (const folder of hierarchies()) removeTree(join(folder, parent));
    },
  };
}

function hierarchies(): string[] {
  const root = '/sys/fs/cgroup';
  return [root, ...readdirSync(root).map((name) => join(root, name))];
}

function endTree(directory: string): void {
  for (const pid of readFileSync(join(directory, 'cgroup.procs'), 'utf8').split('\n')) {
    if (pid !== '') process.kill(Number(pid), 'SIGKILL');
  }
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) endTree(join(directory, entry.name));
  }
}

function removeTree(directory: string): void {
  if (!existsSync(directory)) return;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(join(directory, entry.name));
  }
  try {
    rmdirSync(directory);
  } catch {
    // Somebody still lives there.
  }
}
