import { type Config, rulesFiles } from '../config/index.ts';
import { openPipeline } from '../pipeline.ts';
import { compareAlerts, comparisonText, type Seen } from './backtest-comparison.ts';
import { CommandError, EXIT_USAGE, newCommand, runCommand } from './command.ts';
import { addFlags, type FalcoFlags } from './flags.ts';
import { runInput } from './sensor.ts';
import { setUp } from './setup.ts';

interface BacktestFlags extends FalcoFlags {
  rules?: string[];
  baseline?: string[];
  against?: string;
  failOnNew?: true;
  json?: true;
}

/** Exit status with `--fail-on-new`. */
const EXIT_NEW = 1;

/** `windhover backtest --rules NEW.yaml --against FILE.scap`: what changed rules would have said of recorded events. */
export async function main(args: string[]): Promise<number> {
  const list = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];
  const command = addFlags(
    newCommand(
      'windhover backtest',
      'What changed rules would have said of recorded events: new, gone and same alerts.',
      [
        ['windhover backtest --rules new.yaml --against day.scap', 'compared with the rules in use'],
        [
          'windhover backtest --baseline old.yaml --rules new.yaml --fail-on-new --against day.scap',
          'fail when the new rules say more',
        ],
      ],
    ),
    true,
  )
    .option('--rules <file>', 'the changed rules; may be given more than once, in the order of loading', list)
    .option('--against <file>', 'a .scap file. Alerts that a hub keeps do not hold the events, so a capture is needed')
    .option('--baseline <file>', 'the rules to compare with; without it those of -r or the configuration', list)
    .option('--fail-on-new', `exit with ${EXIT_NEW} when there are new alerts`)
    .option('--json', 'print JSON');
  return runCommand(command, args, () => backtest(command.opts<BacktestFlags>()));
}

async function backtest(flags: BacktestFlags): Promise<number> {
  const { rules, against, baseline } = flags;
  if (rules === undefined || against === undefined) {
    throw new CommandError('Error: name the rules with --rules FILE and the capture with --against FILE.', EXIT_USAGE);
  }
  if (against === '-') throw new CommandError('Error: the capture is read twice, so it must be a file.', EXIT_USAGE);
  const options = [...(flags.option ?? []), 'engine.kind=replay', `engine.replay.capture_file=${against}`];
  const loaded = await setUp({ ...flags, option: options }, true);
  const sets = [baseline ?? flags.rulesFile, rules].map((files) =>
    runInput({ ...flags, ...(files === undefined ? {} : { rulesFile: [...expanded(files)] }) }, loaded),
  );
  const seen: Seen[][] = [];
  for (const { setup } of sets) seen.push(await alertsOf({ ...setup, config: forComparing(setup.config) }));
  const [before = [], after = []] = seen;
  const comparison = compareAlerts(before, after);
  process.stdout.write(flags.json ? `${JSON.stringify(comparison)}\n` : comparisonText(comparison));
  return flags.failOnNew && comparison.new > 0 ? EXIT_NEW : 0;
}

function expanded(paths: readonly string[]): readonly string[] {
  try {
    return rulesFiles(paths, true).files;
  } catch (error) {
    throw new CommandError(`Error: ${(error as Error).message}`);
  }
}

const FIELDS = ['evt.num', 'container.id', 'container.name', 'k8s.ns.name', 'k8s.pod.name'] as const;

/** Alerts that say which event they are of, and in which workload it was. */
function forComparing(config: Config): Config {
  return {
    ...config,
    json_output: true,
    json_include_output_fields_property: true,
    append_output: [
      {
        match: { rule: '', source: 'syscall', tags: [] },
        extra_output: '',
        extra_fields: [...FIELDS],
        suggested_output: false,
      },
    ],
  };
}

async function alertsOf(setup: Parameters<typeof openPipeline>[0]): Promise<Seen[]> {
  const seen: Seen[] = [];
  const pipeline = await openPipeline(setup, {
    alerts(messages) {
      for (const { line } of messages) {
        const alert = JSON.parse(line) as { rule: string; source: string; output_fields: Record<string, unknown> };
        if (alert.source === 'internal') continue;
        const fields = alert.output_fields;
        seen.push({ rule: alert.rule, event: Number(fields['evt.num']), workload: workloadOf(fields) });
      }
    },
    room: null,
  });
  await pipeline.run();
  return seen;
}

function workloadOf(fields: Readonly<Record<string, unknown>>): string {
  const [id, name, namespace, pod] = FIELDS.slice(1).map((field) => {
    const value = fields[field];
    return typeof value === 'string' && value !== '<NA>' ? value : '';
  });
  if (pod) return namespace ? `${namespace}/${pod}` : pod;
  return name || id || 'host';
}
