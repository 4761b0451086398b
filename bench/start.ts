/**
 * What a start costs, and the memory of a whole run: whole processes that replay a capture, interleaved.
 *
 *   node bench/start.ts CAPTURE.scap[.gz] NAME=RULES.yaml[,RULES.yaml…]… [--runs N]
 *
 * For each set of rules the median CPU time (user and system, all threads) and the median of the highest resident
 * memory, and both as ratios to Node doing nothing. With a capture of a few events the time is that of the start. The first
 * run of each is thrown away: it fills the compile cache.
 */
import { spawnSync } from 'node:child_process';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string', default: '5' } },
});
const [capture, ...sets] = positionals;
if (capture === undefined) throw new Error('usage: node bench/start.ts CAPTURE.scap NAME=RULES.yaml…');

/** Says at the end what the process used; CPU time in microseconds, memory in KiB. */
const REPORT = `data:text/javascript,process.on('exit',()=>{const{userCPUTime:u,systemCPUTime:s,maxRSS:m}=process.resourceUsage();require('fs').writeSync(3,(u+s)+' '+m)});import{createRequire}from'module';const require=createRequire('/')`;
const MAIN = new URL('../bin/main.js', import.meta.url).pathname;

/** As bin/windhover runs it. */
function measure(args: readonly string[]): { ms: number; mb: number } {
  const { output, status, stderr } = spawnSync(
    process.execPath,
    ['--max-semi-space-size=2', '--heap-growing-percent=30', '--import', REPORT, ...args],
    { stdio: ['ignore', 'ignore', 'pipe', 'pipe'], encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`${args.join(' ')}: ${stderr}`);
  const [us, kib] = String(output[3]).split(' ').map(Number) as [number, number];
  return { ms: us / 1000, mb: (kib * 1024) / 1e6 };
}

const cases = new Map<string, readonly string[]>([
  ['Node alone', ['-e', '0']],
  ['--version', [MAIN, '--version']],
]);
for (const set of sets) {
  const [name = '', files = ''] = set.split('=');
  const rules = files.split(',').flatMap((file) => ['-r', file]);
  cases.set(name, [MAIN, 'replay', capture, ...rules, '-o', 'json_output=true', '-o', 'log_level=critical']);
}

const results = new Map([...cases.keys()].map((name) => [name, [] as { ms: number; mb: number }[]]));
for (let run = 0; run <= Number(values.runs); run++) {
  for (const [name, args] of cases) {
    const result = measure(args);
    if (run > 0) results.get(name)?.push(result);
  }
}
const median = (numbers: number[]): number => numbers.sort((a, b) => a - b)[numbers.length >> 1] as number;
let bare: { ms: number; mb: number } | null = null;
for (const [name, list] of results) {
  const ms = median(list.map((one) => one.ms));
  const mb = median(list.map((one) => one.mb));
  bare ??= { ms, mb };
  console.log(
    `${name.padEnd(20)} ${ms.toFixed(0).padStart(6)} ms CPU (× ${(ms / bare.ms).toFixed(1)})  ${mb.toFixed(0).padStart(4)} MB (× ${(mb / bare.mb).toFixed(1)})`,
  );
}
console.log(`load ${loadavg()[0]?.toFixed(1)}`);
