import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { styleText } from 'node:util';
import { CommandError, newCommand, runCommand } from './command.ts';
import { rulesToLoad, setUp } from './setup.ts';

interface Options {
  readonly data?: string;
  readonly listen: string;
  readonly forwardPort: string;
  readonly sensorPort: string;
  readonly respondPort: string;
  readonly forwardConfig?: string;
  readonly respondConfig?: string;
  readonly demo?: true;
  readonly sensor: boolean;
  readonly responder: boolean;
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
 * What the sensor adds to the fields of its alerts beside what each rule's output names: enough for the hub to draw the
 * process tree and to explain conditions, and for the responder to find the process.
 */
export const SENSOR_FIELDS = {
  match: { source: 'syscall' },
  extra_fields: [
    ...[
      'evt.type',
      'evt.res',
      'fd.name',
      'fd.typechar',
      'fd.sip',
      'fd.sport',
      'user.name',
      'user.uid',
      'user.loginname',
    ],
    ...['proc.name', 'proc.exepath', 'proc.cmdline', 'proc.cwd', 'proc.tty', 'proc.pid', 'proc.pid.ts', 'proc.ppid'],
    ...['proc.pname', 'proc.pexepath', 'proc.pcmdline'],
    ...[2, 3, 4, 5].flatMap((n) => [`proc.aname[${n}]`, `proc.apid[${n}]`, `proc.acmdline[${n}]`]),
    ...['container.id', 'container.name', 'container.image.repository', 'container.image.tag'],
    ...['k8s.ns.name', 'k8s.pod.name'],
  ],
};

/**
 * `windhover up`: sensor, forwarder, hub and responder on one host, as one tree of processes. Alerts go sensor →
 * forwarder (whose queue keeps them while another is away) → hub and responder; the responder tells the hub what it did.
 * A member that dies is started again, and all end with this process, however it ends.
 */
export async function main(args: string[]): Promise<number> {
  const command = newCommand(
    'windhover up',
    'Sensor, forwarder, hub and responder on this host, in one tree of processes.',
    [
      ['windhover up', 'watch this host; the UI is on http://127.0.0.1:2802'],
      ['windhover up --demo', 'watch a small workload of our own instead, to see what it looks like'],
      [
        'windhover up --forward-config sidekick.yaml -- -c falco.yaml',
        'with other destinations, and flags for the sensor',
      ],
      ['windhover up --respond-config talon.yaml', 'act upon alerts, too'],
    ],
  )
    .argument('[flags...]', 'flags for the sensor, after --')
    .option('--data <dir>', `where everything is kept (default: ${defaultData()}; with --demo, until the end)`)
    .option('--listen <addr>', 'address and port of the UI', '127.0.0.1:2802')
    .option('--forward-port <port>', 'port of the forwarder on 127.0.0.1', '2801')
    .option('--sensor-port <port>', 'port of the sensor’s health and metrics on 127.0.0.1', '8765')
    .option('--respond-port <port>', 'port of the responder on 127.0.0.1', '2803')
    .option('--respond-config <file>', 'what to do about alerts, in the configuration of Falco Talon')
    .option('--forward-config <file>', 'further destinations, in the configuration of Falcosidekick')
    .option('--demo', 'watch a harmless workload that does what intruders do')
    .option('--no-sensor', 'for alerts from elsewhere only')
    .option('--no-responder', 'act upon nothing')
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
  process.title = ['windhover', ...process.argv.slice(2)].join(' ');
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
    for (const part of ['', 'hub', 'queue', 'recordings', 'rules.d', 'respond', 'quarantine'])
      mkdirSync(join(data, part), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new CommandError(
      `cannot write to ${data}: ${(error as Error).message}\n  Name another directory with --data.`,
    );
  }
  const page = options.listen.replace(/^(0\.0\.0\.0|\[::\])?:/, '127.0.0.1:');
  await assertFree(page, '--listen');
  await assertFree(`127.0.0.1:${options.forwardPort}`, '--forward-port');
  if (options.responder) await assertFree(`127.0.0.1:${options.respondPort}`, '--respond-port');
  const token = keptSecret(join(data, 'ingest-token'));
  const loaded = await setUp({ option: ['log_level=error'] }, true);
  const rules = rulesToLoad({}, loaded).files;
  const [forwarder, responder, sensor] = [options.forwardPort, options.respondPort, options.sensorPort].map(
    (port) => `http://127.0.0.1:${port}`,
  );
  // A demonstration's login is said again when it is over: by then the first time has scrolled away.
  const login = options.demo ? demoLogin(join(data, 'admin-password')) : null;

  // Secrets go by the environment: a command line is for all to read.
  const members: Member[] = [
    {
      name: 'hub',
      args: [
        'hub',
        ...['--data', join(data, 'hub'), '--listen', options.listen, '--captures', join(data, 'recordings')],
        ...['--forwarder', `${forwarder}`, '--rules-dir', join(data, 'rules.d')],
        ...(options.responder ? ['--responder', `${responder}`] : []),
        ...(options.sensor ? ['--sensor', `${sensor}`] : []),
        ...(login === null ? [] : ['--admin-password-file', join(data, 'admin-password')]),
        ...rules.flatMap((file) => ['--rules', file]),
      ],
      env: { WINDHOVER_INGEST_TOKEN: token },
    },
  ];
  if (options.responder) {
    members.push({
      name: 'responder',
      args: [
        'respond',
        ...(options.respondConfig === undefined ? [] : ['-c', options.respondConfig]),
        ...(options.demo ? ['-r', DEMO_RESPONSE] : []),
      ],
      env: {
        LISTEN_ADDRESS: '127.0.0.1',
        LISTEN_PORT: options.respondPort,
        JOURNAL_PATH: join(data, 'respond'),
        QUARANTINE: join(data, 'quarantine'),
        HUB_URL: `http://${page}`,
        HUB_TOKEN: token,
      },
    });
  }
  members.push({
    name: 'forwarder',
    args: ['forward', ...(options.forwardConfig === undefined ? [] : ['-c', options.forwardConfig])],
    env: {
      LISTENADDRESS: '127.0.0.1',
      LISTENPORT: options.forwardPort,
      WEBUI_URL: `http://${page}/api/v1/`,
      WEBUI_TOKEN: token,
      ...(options.responder ? { TALON_ADDRESS: `${responder}/` } : {}),
      QUEUE_PATH: join(data, 'queue'),
    },
  });
  if (options.sensor) {
    members.push({
      name: 'sensor',
      args: [
        ...(options.demo ? ['demo'] : []),
        ...sensorFlags,
        ...configured({
          json_output: 'true',
          'http_output.enabled': 'true',
          'http_output.url': `${forwarder}/`,
          'windhover.http_output.queue': join(data, 'unsent'),
          'capture.path_prefix': join(data, 'recordings/alert'),
          // What is saved in the UI comes last: exceptions and overrides of the other files.
          'rules_files[]': join(data, 'rules.d'),
          'append_output[]': JSON.stringify(SENSOR_FIELDS),
          'webserver.enabled': 'true',
          'webserver.listen_address': '127.0.0.1',
          'webserver.listen_port': options.sensorPort,
          'webserver.prometheus_metrics_enabled': 'true',
          'metrics.enabled': 'true',
          'metrics.output_rule': 'false',
        }),
        ...configured(
          options.demo
            ? { 'capture.enabled': 'true', 'capture.mode': 'all_rules', 'capture.default_duration': '2000' }
            : {},
        ),
      ],
      env: {},
      ...(login === null
        ? {}
        : {
            once: [
              'Now look at what happened, why each alert fired, and how to silence it:',
              `  http://${page}     user: admin     password: ${login}`,
              'Ctrl-C ends.',
            ].join('\n'),
          }),
    });
  }
  if (login !== null) process.stderr.write(`The page: http://${page}     user: admin     password: ${login}\n\n`);
  return supervise(members);
}

/** The response rules of the demonstration: a dry run. */
const DEMO_RESPONSE = fileURLToPath(new URL('../../demo/response.yaml', import.meta.url));

/** Makes up a password and leaves it for the hub. */
function demoLogin(file: string): string {
  const password = randomBytes(9).toString('base64url');
  writeFileSync(file, password, { mode: 0o600 });
  return password;
}

/** Says at once, and what to do about it, that another program has an address. */
function assertFree(address: string, flag: string): Promise<void> {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(address) ?? [];
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'another program listens there' : error.message;
      reject(new CommandError(`cannot listen on ${address}: ${why}\n  Choose another with ${flag}.`));
    });
    probe.listen(Number(port), host.replace(/^\[|\]$/g, ''), () => probe.close(() => resolve()));
  });
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
      // By the channel a member notices when this process is gone, however it went.
      stdio: ['ignore', member.name === 'sensor' ? 'pipe' : 'inherit', 'pipe', 'ipc'],
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
