import { hostname } from 'node:os';
import { CommandError, EXIT_USAGE, newCommand, runCommand } from './command.ts';
import { addFlags, type FalcoFlags } from './flags.ts';
import { runSensor } from './runtime.ts';
import { setUp } from './setup.ts';

interface RecordFlags extends FalcoFlags {
  write?: string;
}

/** `windhover record -w FILE.scap -- CMD…`: records the events of a command, or of what runs already, without judging them. */
export async function main(args: string[]): Promise<number> {
  const command = addFlags(
    newCommand('windhover record', 'Run a command and write all events of its process tree to a capture.', [
      ['windhover record -w build.scap -- make', 'record a build'],
      ['windhover record -w it.scap -M 10 -o windhover.scope=pid=4711', 'record what runs, for ten seconds'],
      ['windhover replay build.scap', 'judge it afterwards'],
    ]),
    true,
  )
    .argument(
      '[command...]',
      'the command and its arguments, after --; without: what windhover.scope says, for -M seconds',
    )
    .option('-w, --write <file>', 'the .scap file to write')
    .passThroughOptions();
  return runCommand(command, args, () => record(command.opts<RecordFlags>(), command.args));
}

async function record(flags: RecordFlags, argv: readonly string[]): Promise<number> {
  if (flags.write === undefined) throw new CommandError('Error: name the capture to write with -w FILE.', EXIT_USAGE);
  const seconds = Number(flags.duration ?? 0);
  if (argv.length === 0 && !(seconds > 0))
    throw new CommandError('Error: give a command after --, or the seconds to record for with -M.', EXIT_USAGE);
  const scope = argv.length === 0 ? [] : ['windhover.scope=everything'];
  const options = [...(flags.option ?? []), 'engine.kind=modern_ebpf', ...scope];
  const loaded = await setUp({ ...flags, option: options }, true);
  const setup = {
    config: loaded.config,
    rulesFiles: [],
    print: '',
    enabledSources: [],
    disabledSources: [],
    hostname: process.env.FALCO_HOSTNAME ?? hostname(),
    stopAfterNs: 0,
    command: argv.length === 0 ? null : argv,
    record: flags.write,
  };
  const { snapshot } = await runSensor(
    { loaded, setup, rulesDirectories: [] },
    {
      reread: null,
      verbose: flags.verbose === true,
      stopAfterSeconds: seconds,
      pidfile: null,
      channels: [],
      statistics: 'nowhere',
    },
  );
  return snapshot.commandStatus ?? 0;
}
