/**
 * What further threads are worth: whole processes that replay a capture, by wall and CPU time.
 *
 *   node bench/replay.ts FILE.scap[.gz] RULES.yaml… [--threads 1,2] [--runs N]
 *
 * The runs are interleaved. Prints, as JSON, for each number of threads the median wall time, CPU time and highest resident
 * memory, the gain in wall time over the first number, and whether the alerts were the same.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { threads: { type: 'string', default: '1,2' }, runs: { type: 'string', default: '3' } },
});
const [file, ...rules] = positionals;
if (file === undefined) throw new Error('usage: node bench/replay.ts FILE.scap[.gz] RULES.yaml…');
const program = fileURLToPath(new URL('../bin/windhover', import.meta.url));
const threads = values.threads.split(',');

interface Run {
  readonly seconds: number;
  readonly cpu: number;
  readonly megabytes: number;
  readonly alerts: string;
}

/** One process; its own clock is GNU time's, which also knows what its threads used. */
function replay(count: string): Run {
  const args = ['replay', '--threads', count, '-o', 'rule_matching=all', '-o', 'json_output=true'];
  const { stdout, stderr, status } = spawnSync(
    'time',
    ['-f', '%e %U %S %M', program, ...args, ...rules.flatMap((path) => ['-r', path]), file as string],
    { maxBuffer: 1 << 30, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(stderr);
  const [seconds = 0, user = 0, system = 0, kilobytes = 0] = (stderr.trim().split('\n').at(-1) ?? '')
    .split(' ')
    .map(Number);
  const alerts = createHash('sha256').update(stdout).digest('hex');
  return { seconds, cpu: user + system, megabytes: Math.round(kilobytes / 1000), alerts };
}

const runs = new Map<string, Run[]>(threads.map((count) => [count, []]));
for (let i = 0; i < Number(values.runs); i++) for (const count of threads) runs.get(count)?.push(replay(count));

const median = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[list.length >> 1] ?? 0;
const all = [...runs.values()].flat();
const wall = (count: string): number => median((runs.get(count) ?? []).map(({ seconds }) => seconds));
console.log(
  JSON.stringify(
    {
      threads: Object.fromEntries(
        [...runs].map(([count, list]) => [
          count,
          {
            wall_s: wall(count),
            cpu_s: Math.round(median(list.map(({ cpu }) => cpu)) * 100) / 100,
            rss_mb: median(list.map(({ megabytes }) => megabytes)),
            gain: Math.round((wall(threads[0] as string) / wall(count)) * 100) / 100,
          },
        ]),
      ),
      same_alerts: all.every(({ alerts }) => alerts === all[0]?.alerts),
      load: loadavg().map((value) => Math.round(value * 100) / 100),
    },
    null,
    2,
  ),
);
