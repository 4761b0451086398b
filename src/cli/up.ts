import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { styleText } from 'node:util';
import { CommandError, newCommand, runCommand } from './command.ts';
import { rulesToLoad, setUp } from './setup.ts';

interface Options {
  readonly data?: string;
  readonly listen: string;
  readonly forwardPort: string;
  readonly sensorPort: string;
  readonly forwardConfig?: string;
  readonly demo?: true;
  readonly sensor: boolean;
}

/** A member of the tree: what it is called, how it is started, and whether all end with it. */
interface Member {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** A member that is not started again once it has ended by itself, and what is said then: the demonstration is over. */
  readonly once?: string;
}

/** Members run as this process does: the same file, the same flags of Node. */
const PROGRAM = [...process.execArgv, process.argv[1] as string];
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 30_000;
/** A member that ran this long has recovered: the next restart is quick again. */
const SETTLED_MS = 60_000;

/**
 * `windhover up`: sensor, forwarder and hub on one host, as one tree of processes. Alerts go sensor → forwarder
 * (whose queue keeps them while the hub is away) → hub. A member that dies is started again.
 */
export async function main(args: string[]): Promise<number> {
  const command = newCommand('windhover up', 'Sensor, forwarder and hub on this host, in one tree of processes.', [
    ['windhover up', 'watch this host; the UI is on http://127.0.0.1:2802'],
    ['windhover up --demo', 'watch a small workload of our own instead, to see what it looks like'],
    [
      'windhover up --forward-config sidekick.yaml -- -c falco.yaml',
      'with other destinations, and flags for the sensor',
    ],
  ])
    .argument('[flags...]', 'flags for the sensor, after --')
    .option('--data <dir>', `where everything is kept (default: ${defaultData()}; with --demo, until the end)`)
    .option('--listen <addr>', 'address and port of the UI', '127.0.0.1:2802')
    .option('--forward-port <port>', 'port of the forwarder on 127.0.0.1', '2801')
    .option('--sensor-port <port>', 'port of the sensor’s health and metrics on 127.0.0.1', '8765')
    .option('--forward-config <file>', 'further destinations, in the configuration of Falcosidekick')
    .option('--demo', 'watch a harmless workload that does what intruders do')
    .option('--no-sensor', 'hub and forwarder only, for alerts from elsewhere')
    .passThroughOptions();
  return runCommand(command, args, () => up(command.opts<Options>(), command.args));
}

/** Root keeps things where services do, a user in the home directory. */
function defaultData(): string {
  if (process.getuid?.() === 0) return '/var/lib/windhover';
  return join(process.env.XDG_STATE_HOME ?? join(homedir(), '.local/state'), 'windhover');
}

/** A secret that stays the same between runs, readable by its owner only. */
function keptSecret(file: string): string {
  if (!existsSync(file)) writeFileSync(file, `wh_${randomBytes(32).toString('base64url')}\n`, { mode: 0o600 });
  return readFileSync(file, 'utf8').trim();
}

async function up(options: Options, sensorFlags: readonly string[]): Promise<number> {
  if (options.data !== undefined) return run(options, options.data, sensorFlags);
  if (!options.demo) return run(options, defaultData(), sensorFlags);
  const data = mkdtempSync(join(tmpdir(), 'windhover-'));
  try {
    return await run(options, data, sensorFlags);
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
}

async function run(options: Options, data: string, sensorFlags: readonly string[]): Promise<number> {
  try {
    for (const part of ['', 'hub', 'queue', 'recordings'])
      mkdirSync(join(data, part), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new CommandError(
      `cannot write to ${data}: ${(error as Error).message}\n  Name another directory with --data.`,
    );
  }
  const token = keptSecret(join(data, 'ingest-token'));
  const loaded = await setUp({ option: ['log_level=error'] }, true);
  const rules = rulesToLoad({}, loaded).files;
  const forwarderUrl = `http://127.0.0.1:${options.forwardPort}`;

  // Secrets go by the environment: a command line is for all to read.
  const members: Member[] = [
    {
      name: 'hub',
      args: [
        'hub',
        '--data',
        join(data, 'hub'),
        '--listen',
        options.listen,
        '--captures',
        join(data, 'recordings'),
        '--forwarder',
        forwarderUrl,
        ...(options.sensor && !options.demo ? ['--sensor', `http://127.0.0.1:${options.sensorPort}`] : []),
        ...rules.flatMap((file) => ['--rules', file]),
      ],
      env: { WINDHOVER_INGEST_TOKEN: token },
    },
    {
      name: 'forwarder',
      args: ['forward', ...(options.forwardConfig === undefined ? [] : ['-c', options.forwardConfig])],
      env: {
        LISTENADDRESS: '127.0.0.1',
        LISTENPORT: options.forwardPort,
        WEBUI_URL: `http://${options.listen.replace(/^(0\.0\.0\.0|\[::\])?:/, '127.0.0.1:')}/api/v1/`,
        WEBUI_TOKEN: token,
        QUEUE_PATH: join(data, 'queue'),
      },
    },
  ];
  if (options.sensor) {
    members.push({
      name: 'sensor',
      args: [
        ...(options.demo ? ['demo'] : []),
        ...sensorFlags,
        ...configured({
          json_output: 'true',
          'http_output.enabled': 'true',
          'http_output.url': `${forwarderUrl}/`,
          'capture.path_prefix': join(data, 'recordings/alert'),
        }),
        ...configured(
          options.demo
            ? { 'capture.enabled': 'true', 'capture.mode': 'all_rules', 'capture.default_duration': '2000' }
            : {
                'webserver.enabled': 'true',
                'webserver.listen_address': '127.0.0.1',
                'webserver.listen_port': options.sensorPort,
                'webserver.prometheus_metrics_enabled': 'true',
                'metrics.enabled': 'true',
                'metrics.output_rule': 'false',
              },
        ),
      ],
      env: {},
      ...(options.demo
        ? { once: `The page on http://${options.listen} shows what happened (the login stands above). Ctrl-C ends.` }
        : {}),
    });
  }
  return supervise(members);
}

function onLines(stream: Readable | null, take: (line: string) => void): void {
  if (stream !== null) createInterface({ input: stream }).on('line', take);
}

/** The text of an alert in JSON; any other line as it is. */
function alertText(line: string): string {
  if (!line.startsWith('{')) return line;
  try {
    return (JSON.parse(line) as { output?: string }).output ?? line;
  } catch {
    return line;
  }
}

/** Keys of the configuration as flags. */
function configured(keys: Readonly<Record<string, string>>): string[] {
  return Object.entries(keys).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
}

/** Keeps the members running until a signal comes; then all end, the last first. Resolves with the exit status. */
async function supervise(members: readonly Member[]): Promise<number> {
  const running = new Map<string, ChildProcess>();
  let stopping = false;
  const timers = new Set<NodeJS.Timeout>();

  function start(member: Member, delay: number): void {
    const began = Date.now();
    const child = spawn(process.execPath, [...PROGRAM, ...member.args], {
      stdio: ['ignore', member.name === 'sensor' ? 'pipe' : 'inherit', 'pipe'],
      env: { ...process.env, ...member.env },
    });
    running.set(member.name, child);
    onLines(child.stderr, (line) => process.stderr.write(`${styleText('dim', member.name.padEnd(9))} ${line}\n`));
    // The sensor writes JSON for the forwarder's sake; a person reads the text in it.
    if (member.name === 'sensor') onLines(child.stdout, (line) => process.stdout.write(`${alertText(line)}\n`));
    child.once('close', (code, signal) => {
      running.delete(member.name);
      if (stopping) return;
      if (member.once !== undefined && code === 0) {
        process.stderr.write(`\n${styleText('bold', member.once)}\n`);
        return;
      }
      const next = Date.now() - began > SETTLED_MS ? FIRST_DELAY_MS : Math.min(MAX_DELAY_MS, delay * 2);
      process.stderr.write(
        `${member.name} ended (${signal ?? code}); it is started again in ${Math.round(next / 100) / 10} s\n`,
      );
      const timer = setTimeout(() => {
        timers.delete(timer);
        start(member, next);
      }, next);
      timers.add(timer);
    });
  }

  for (const member of members) {
    start(member, FIRST_DELAY_MS / 2);
    // The receiver before the sender, so that the first alerts find somebody.
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
  await new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
  stopping = true;
  for (const timer of timers) clearTimeout(timer);
  for (const member of members.toReversed()) {
    const child = running.get(member.name);
    if (child === undefined) continue;
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(late);
  }
  return 0;
}
