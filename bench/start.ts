/**
 * What a start costs, and the memory of a whole run: whole processes that replay a capture, interleaved.
 *
 *   node bench/start.ts CAPTURE.scap[.gz] NAME=RULES.yaml[,RULES.yaml…]… [--runs N]
 *
 * For each set of rules the medians of the time that passed, of CPU time (user and system, all threads) and of the highest
 * resident memory, all as they are and as ratios to Node doing nothing. With a capture of a few events the time is that of
 * the start. The first run of each is shown apart: it finds the caches empty.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string', default: '5' } },
});
const [capture, ...sets] = positionals;
if (capture === undefined) throw new Error('usage: node bench/start.ts CAPTURE.scap NAME=RULES.yaml…');

/** Says at the end what the process used; CPU time in microseconds, memory in KiB. */
const REPORT = `
import { writeSync } from 'node:fs';
process.on('exit', () => {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  writeSync(3, userCPUTime + systemCPUTime + ' ' + maxRSS);
});`;
const NODE_OPTIONS = `--import data:text/javascript,${encodeURIComponent(REPORT)}`;
const WINDHOVER = new URL('../bin/windhover', import.meta.url).pathname;

interface Cost {
  /** Milliseconds that passed. */
  readonly wall: number;
  /** Milliseconds of CPU time. */
  readonly cpu: number;
  readonly mb: number;
}

/** Caches of each case, empty at first. */
const CACHES = mkdtempSync(join(tmpdir(), 'windhover-bench-'));
process.on('exit', () => rmSync(CACHES, { recursive: true, force: true }));

function measure(name: string, [command = '', ...args]: readonly string[]): Cost {
  const start = performance.now();
  const { output, status, stderr } = spawnSync(command, args, {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS, NODE_COMPILE_CACHE: join(CACHES, name) },
  });
  const wall = performance.now() - start;
  if (status !== 0) throw new Error(`${args.join(' ')}: ${stderr}`);
  const [us, kib] = String(output[3]).split(' ').map(Number) as [number, number];
  return { wall, cpu: us / 1000, mb: (kib * 1024) / 1e6 };
}

const cases = new Map<string, readonly string[]>([
  ['Node alone', [process.execPath, '-e', '0']],
  ['--version', [WINDHOVER, '--version']],
]);
for (const set of sets) {
  const [name = '', files = ''] = set.split('=');
  const rules = files.split(',').flatMap((file) => ['-r', file]);
  cases.set(name, [WINDHOVER, 'replay', capture, ...rules, '-o', 'json_output=true', '-o', 'log_level=critical']);
}

const cold = new Map<string, Cost>();
const results = new Map([...cases.keys()].map((name) => [name, [] as Cost[]]));
for (let run = 0; run <= Number(values.runs); run++) {
  for (const [name, args] of cases) {
    const cost = measure(name, args);
    if (run === 0) cold.set(name, cost);
    else results.get(name)?.push(cost);
  }
}
const median = (numbers: number[]): number => numbers.sort((a, b) => a - b)[numbers.length >> 1] as number;
const medians = (costs: readonly Cost[]): Cost => ({
  wall: median(costs.map(({ wall }) => wall)),
  cpu: median(costs.map(({ cpu }) => cpu)),
  mb: median(costs.map(({ mb }) => mb)),
});
const ms = (value: number): string => `${value.toFixed(0).padStart(6)} ms`;
const text = ({ wall, cpu, mb }: Cost): string => `${ms(wall)} ${ms(cpu)} CPU ${mb.toFixed(0).padStart(5)} MB`;
let bare: Cost | null = null;
for (const [name, costs] of results) {
  const cost = medians(costs);
  bare ??= cost;
  const ratios = [cost.wall / bare.wall, cost.cpu / bare.cpu, cost.mb / bare.mb].map(
    (ratio) => `× ${ratio.toFixed(1)}`,
  );
  console.log(`${name.padEnd(16)} ${text(cost)}   (${ratios.join(', ')})   cold ${text(cold.get(name) ?? cost)}`);
}
console.log(`load ${loadavg()[0]?.toFixed(1)}`);
