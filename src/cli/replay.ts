import { CommandError, EXIT_USAGE, newCommand, runCommand } from './command.ts';
import { addFlags, type FalcoFlags } from './flags.ts';
import { MAX_JUDGES, startJudges } from './judge-threads.ts';
import { runSensor } from './runtime.ts';
import { runInput } from './sensor.ts';
import { setUp } from './setup.ts';

interface ReplayFlags extends FalcoFlags {
  stats?: true;
  threads?: string;
}

/** `windhover replay FILE.scap`: judges a capture; alerts on stdout, the statistics on stderr. */
export async function main(args: string[]): Promise<number> {
  const command = addFlags(
    newCommand('windhover replay', 'Judge a capture: alerts on standard output, statistics on standard error.', [
      ['windhover replay capture.scap', 'with the default rules'],
      ['windhover replay -r my_rules.yaml -o json_output=true capture.scap', 'own rules, JSON alerts'],
      ['windhover replay --stats capture.scap', 'how fast it was, and what each rule cost'],
      ['windhover replay --threads 2 day.scap', 'a long capture in less time'],
    ]),
    true,
  )
    .argument('<capture>', 'a .scap file, plain or compressed; - for standard input')
    .option(
      '--threads <number>',
      'judge on so many threads: the same alerts in the same order. Pays from some 20 million events on, for twice the memory',
    )
    .option('--stats', 'print events, seconds, rates and the cost of each rule as JSON on standard error');
  return runCommand(command, args, () => replay(command.opts<ReplayFlags>(), command.args[0] ?? ''));
}

async function replay(flags: ReplayFlags, capture: string): Promise<number> {
  const judges = startJudges(threads(flags.threads) - 1);
  const options = [...(flags.option ?? []), 'engine.kind=replay', `engine.replay.capture_file=${capture}`];
  const input = runInput(flags, await setUp({ ...flags, option: options }, true));
  const start = performance.now();
  const { end, snapshot } = await runSensor(input, {
    reread: null,
    verbose: flags.verbose === true,
    stopAfterSeconds: 0,
    pidfile: null,
    channels: [],
    statistics: 'stderr',
    judges,
  });
  if (flags.stats) {
    const seconds = (performance.now() - start) / 1000;
    const events = snapshot.sources.reduce((sum, source) => sum + source.judged, 0);
    const stats = {
      events,
      seconds,
      events_per_second: events / seconds,
      ns_per_event: (seconds * 1e9) / events,
      rss_bytes: process.memoryUsage.rss(),
      // The dearest first; those that no event came near are left out.
      rules: snapshot.rules
        .filter(({ evaluations }) => evaluations > 0)
        .map(({ rule, count, evaluations, matches, nanoseconds }) => ({
          rule,
          alerts: count,
          evaluations,
          matches,
          ns: Math.round(nanoseconds),
        }))
        .sort((a, b) => b.ns - a.ns || b.evaluations - a.evaluations),
    };
    process.stderr.write(`${JSON.stringify(stats)}\n`);
  }
  return end.kind === 'drops' ? 1 : 0;
}

function threads(text: string | undefined): number {
  const number = Number(text ?? 1);
  if (Number.isInteger(number) && number >= 1 && number <= MAX_JUDGES) return number;
  throw new CommandError(`Error: --threads takes a number from 1 to ${MAX_JUDGES}, not '${text}'`, EXIT_USAGE);
}
