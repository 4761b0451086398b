/** The sensor with Falco's flags: what `falco` is called with works here. Actions run in Falco's order. */
import { readFileSync } from 'node:fs';
import { CommandError, newCommand, runCommand } from './command.ts';
import { addFlags, type FalcoFlags } from './flags.ts';
import type { ListFormat } from './list-events.ts';

/** Falco's exit status for wrong usage. */
const EXIT_FALCO_USAGE = 1;

export async function main(args: string[]): Promise<number> {
  const command = addFlags(
    newCommand(
      'windhover',
      'Runtime security: watches what programs do and judges every event by rules (takes the flags of falco 0.44).\n' +
        'Further commands, each with its own --help: run, replay, record, rules, explain.',
      [
        ['windhover', 'watch this host with the default rules'],
        ['windhover run -- CMD', 'run CMD and watch only it'],
        ['windhover -c falco.yaml -r my_rules.yaml', 'another configuration, other rules'],
        ['windhover -V my_rules.yaml', 'check a rules file'],
        ['windhover -o json_output=true -M 60', 'JSON alerts for a minute'],
        ['windhover --list=syscall --format markdown', 'the fields for rules'],
      ],
    ),
  );
  return runCommand(command, args, () => act(command.opts<FalcoFlags>()), EXIT_FALCO_USAGE);
}

async function act(flags: FalcoFlags): Promise<number> {
  if (flags.pageSize) return print(`Your system page size is: ${pageSize()}\n`);
  if (flags.configSchema) {
    const { configJsonSchema } = await import('../config/index.ts');
    return print(`${JSON.stringify(await configJsonSchema(), null, 2)}\n`);
  }
  if (flags.ruleSchema) return import('./rule-schema.ts').then((m) => print(m.ruleSchemaText()));
  if (flags.ignoredEvents) return import('./ignored-events.ts').then((m) => print(m.ignoredEventsText()));
  if (flags.listEvents) return import('./list-events.ts').then((m) => print(m.listEvents(listFormat(flags))));
  if (flags.version) {
    const json = flags.config === undefined && flags.option === undefined ? false : await jsonOutput(flags);
    return import('./version.ts').then((m) => print(m.versionText(json)));
  }
  return import('./sensor.ts').then((m) => m.sensor(flags));
}

async function jsonOutput(flags: FalcoFlags): Promise<boolean> {
  const { setUp } = await import('./setup.ts');
  return (await setUp(flags)).config.json_output;
}

/** What `--format` (or the old `--markdown`) asks for. */
export function listFormat(flags: FalcoFlags, json = false): ListFormat {
  const format = flags.format ?? (flags.markdown ? 'markdown' : json ? 'json' : 'text');
  if (format === 'text' || format === 'markdown' || format === 'json') return format;
  throw new CommandError(`Error: Unknown format '${format}'\n  Use text, markdown or json.`);
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

/** From the vector that the kernel hands to each program: pairs of 64-bit words, AT_PAGESZ being 6. */
function pageSize(): bigint {
  const auxv = readFileSync('/proc/self/auxv');
  for (let i = 0; i + 16 <= auxv.length; i += 16) {
    if (auxv.readBigUInt64LE(i) === 6n) return auxv.readBigUInt64LE(i + 8);
  }
  throw new CommandError('Error: the kernel does not tell the page size');
}
