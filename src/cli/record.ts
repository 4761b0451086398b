import { hostname } from 'node:os';
import { CommandError, EXIT_USAGE, newCommand, runCommand } from './command.ts';
import { addFlags, type FalcoFlags } from './flags.ts';
import { runSensor } from './runtime.ts';
import { setUp } from './setup.ts';

interface RecordFlags extends FalcoFlags {
  write?: string;
}

/** `windhover record -w FILE.scap -- CMD…`: records a command's events without judging them. */
export async function main(args: string[]): Promise<number> {
  const command = addFlags(
    newCommand('windhover record', 'Run a command and write all events of its process tree to a capture.', [
      ['windhover record -w build.scap -- make', 'record a build'],
      ['windhover replay build.scap', 'judge it afterwards'],
    ]),
    true,
  )
    .argument('<command...>', 'the command and its arguments, after --')
    .option('-w, --write <file>', 'the .scap file to write')
    .passThroughOptions();
  return runCommand(command, args, () => record(command.opts<RecordFlags>(), command.args));
}

async function record(flags: RecordFlags, argv: readonly string[]): Promise<number> {
  if (flags.write === undefined) throw new CommandError('Error: name the capture to write with -w FILE.', EXIT_USAGE);
  const options = [...(flags.option ?? []), 'engine.kind=modern_ebpf', 'windhover.scope=everything'];
  const loaded = await setUp({ ...flags, option: options }, true);
  const setup = {
    config: loaded.config,
    rulesFiles: [],
    print: '',
    enabledSources: [],
    disabledSources: [],
    hostname: process.env.FALCO_HOSTNAME ?? hostname(),
    stopAfterNs: 0,
    command: argv,
    record: flags.write,
  };
  const { snapshot } = await runSensor(
    { loaded, setup, rulesDirectories: [] },
    {
      reread: null,
      verbose: flags.verbose === true,
      stopAfterSeconds: Number(flags.duration ?? 0),
      pidfile: null,
      channels: [],
      statistics: 'nowhere',
    },
  );
  return snapshot.commandStatus ?? 0;
}
