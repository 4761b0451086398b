import { homedir } from 'node:os';
import { log } from '../log.ts';
import type { Channel } from '../outputs/index.ts';
import { stdoutWriter } from '../outputs/stdout.ts';
import { PRIORITIES } from '../rules/ruleset.ts';
import type { BehaviourSetup } from '../sensor/behaviour.ts';
import { CommandError, EXIT_USAGE, newCommand, runCommand } from './command.ts';
import { githubChannel, sarifChannel } from './findings.ts';
import { addFlags, type FalcoFlags } from './flags.ts';
import { runSensor } from './runtime.ts';
import { runInput } from './sensor.ts';
import { setUp } from './setup.ts';

interface RunFlags extends FalcoFlags {
  failOn?: string;
  format: string;
  record?: string;
  profile?: string;
  locked?: string;
}

/** Exit status with `--fail-on`, when an alert of that priority or worse fired, and with `--locked`. */
const EXIT_ALERTS = 3;
const FORMATS = ['text', 'json', 'sarif', 'github'];

/** `windhover run -- CMD`: runs a command and watches only its process tree. */
export async function main(args: string[]): Promise<number> {
  const command = addFlags(
    newCommand('windhover run', 'Run a command and watch only its process tree.', [
      ['windhover run -- make test', 'watch a build with the default rules'],
      [
        'windhover run --fail-on warning --format github -- npm ci',
        'fail the job when a rule of warning or worse fires',
      ],
      ['windhover run --record build.scap -- make', 'keep the events as well'],
      ['windhover run --profile build.lock -- make', 'write down what the build does, for review'],
      ['windhover run --locked build.lock -- make', 'fail when it does anything else'],
    ]),
    true,
  )
    .argument('<command...>', 'the command and its arguments, after --')
    .option('--fail-on <priority>', `exit with ${EXIT_ALERTS} when an alert of this priority or worse fired`)
    .option('--format <format>', `form of the alerts: ${FORMATS.join(', ')}`, 'text')
    .option('--record <file>', 'also write the events to a .scap file')
    .option('--profile <file>', 'write what the command does to a lock file: programs, writes, reads, network')
    .option('--locked <file>', `alert on what the lock file does not list, and exit with ${EXIT_ALERTS}`)
    .passThroughOptions();
  return runCommand(command, args, () => run(command.opts<RunFlags>(), command.args));
}

/** Position in {@link PRIORITIES}; null for what is no priority. */
function severityOf(name: string): number | null {
  const wanted = name.toLowerCase();
  const severity = PRIORITIES.findIndex(
    (priority) => priority.toLowerCase() === (wanted === 'info' ? 'informational' : wanted),
  );
  return severity < 0 ? null : severity;
}

async function run(flags: RunFlags, argv: readonly string[]): Promise<number> {
  if (!FORMATS.includes(flags.format)) {
    throw new CommandError(`Error: Unknown format '${flags.format}'\n  Use ${FORMATS.join(', ')}.`, EXIT_USAGE);
  }
  const limit = flags.failOn === undefined ? null : severityOf(flags.failOn);
  if (flags.failOn !== undefined && limit === null) {
    throw new CommandError(`Error: Unknown priority '${flags.failOn}'\n  Use ${PRIORITIES.join(', ')}.`, EXIT_USAGE);
  }
  const behaviour = await behaviourOf(flags);
  const machine = flags.format === 'sarif' || flags.format === 'github';
  const options = [
    ...(flags.option ?? []),
    'engine.kind=modern_ebpf',
    ...(flags.format === 'text' ? [] : ['json_output=true']),
  ];
  const input = runInput(flags, await setUp({ ...flags, option: options }, true));
  const { loaded } = input;
  const config = machine ? { ...loaded.config, stdout_output: { enabled: false } } : loaded.config;
  const channels: Channel[] = [];
  if (flags.format === 'sarif') channels.push(sarifChannel(stdoutWriter()));
  if (flags.format === 'github') channels.push(githubChannel(stdoutWriter()));
  const { snapshot, worst } = await runSensor(
    {
      ...input,
      loaded: { ...loaded, config },
      setup: { ...input.setup, command: argv, record: flags.record ?? null, behaviour },
    },
    {
      reread: null,
      verbose: flags.verbose === true,
      stopAfterSeconds: Number(flags.duration ?? 0),
      pidfile: null,
      channels,
      statistics: 'stderr',
    },
  );
  if (snapshot.behaviour !== null) {
    const lost = snapshot.sources.reduce((sum, { drops }) => sum + drops, 0);
    if (lost > 0) log.warning(`${lost} events were lost: what the command did is not known completely.`);
    if (flags.profile !== undefined) (await lockFile()).writeLockFile(flags.profile, snapshot.behaviour.seen);
    if (snapshot.behaviour.outside > 0) return EXIT_ALERTS;
  }
  if (limit !== null && worst !== null && worst <= limit) return EXIT_ALERTS;
  return snapshot.commandStatus ?? 0;
}

async function behaviourOf({ profile, locked }: RunFlags): Promise<BehaviourSetup | null> {
  if (profile === undefined && locked === undefined) return null;
  const allowed = locked === undefined ? null : (await lockFile()).readLockFile(locked);
  return { cwd: process.cwd(), home: homedir(), locked: allowed };
}

/** Only for who has one: what reads and checks it is large. */
const lockFile = () => import('./lock-file.ts');
