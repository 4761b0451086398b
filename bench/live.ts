/**
 * What watching costs the watched: user and system time of a workload, as ratios to the same without being watched.
 *
 *   node bench/live.ts [--runs N] [RULES.yaml…]      (root, gcc; the rules that come with the program by default)
 *
 * Runs are interleaved, because machines change their speed: bare, with a program that only returns at the end of every
 * call, with the probe attached but nothing in its scope (what any sensor costs that looks at system calls), and under
 * `windhover run`. The workload is find, grep, tar and gcc over a generated tree; the second one is `dd bs=1`, which does
 * nothing but system calls. Medians, and the least of each. The sensor's own time is that of its whole process, start
 * included. Then what an open and close of one file takes, eight directories deep, that no rule wants: the least of many.
 * Only children of this process are watched.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadObject, systemCalls } from '../src/bpf/index.ts';
import { openSyscallSource } from '../src/source/syscall.ts';

process.env.WINDHOVER_REQUIRE_SCOPE = '1';
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string', default: '9' } },
});
const program = fileURLToPath(new URL('../bin/windhover', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'windhover-bench-'));
const tree = join(directory, 'tree');
const times = join(directory, 'times');
const deep = join(directory, 'a', 'b', 'c', 'd', 'e', 'f');

function plant(): void {
  const line = 'extern int qsort_r (void *__base, size_t __nmemb, size_t __size);\n';
  for (let d = 0; d < 40; d++) {
    for (const part of ['a', 'b', 'c']) {
      const at = join(tree, `d${d}`, part);
      mkdirSync(at, { recursive: true });
      for (let f = 1; f <= 12; f++) writeFileSync(join(at, `file${f}.txt`), line.repeat(f * 10));
    }
  }
  mkdirSync(deep, { recursive: true });
  writeFileSync(join(deep, 'file'), 'x');
  mkdirSync(join(tree, 'src'));
  for (let i = 0; i < 6; i++) {
    writeFileSync(
      join(tree, 'src', `m${i}.c`),
      `#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n#include <sys/socket.h>
static int cmp(const void *x, const void *y) { return *(const int *)x - *(const int *)y; }
int f${i}(int n) { int *p = malloc(n * sizeof *p); for (int j = 0; j < n; j++) p[j] = (j * 7919) % n;
qsort(p, n, sizeof *p, cmp); int r = p[n / 2]; free(p); return r; }\n`,
    );
  }
}

const WORKLOADS: Readonly<Record<string, string>> = {
  'find, grep, tar, gcc': `cd ${tree}
    for round in 1 2 3; do
      find . -type f -name '*.c' > /dev/null; find . -size +4k -printf '%p\\n' > /dev/null
      grep -r qsort_s . > /dev/null; grep -rl 'no such thing' . > /dev/null
      tar cf ../out.tar d1 d2 d3 d4 d5 d6 d7 d8 d9 src
    done
    for i in 0 1 2 3 4 5; do gcc -O1 -c src/m$i.c -o ../m$i.o; done`,
  'dd bs=1': 'dd if=/dev/zero of=/dev/null bs=1 count=300000 2> /dev/null',
};

/** Writes to its second argument how many nanoseconds an open and close of its first takes. */
const OPENS = `#include <fcntl.h>\n#include <stdio.h>\n#include <time.h>\n#include <unistd.h>
int main(int argc, char **argv) { double least = 1e9; for (int round = 0; round < 100; round++) { struct timespec a, b;
clock_gettime(CLOCK_MONOTONIC, &a); for (int i = 0; i < 2000; i++) close(open(argv[1], O_RDONLY));
clock_gettime(CLOCK_MONOTONIC, &b); double ns = ((b.tv_sec - a.tv_sec) * 1e9 + b.tv_nsec - a.tv_nsec) / 2000;
if (ns < least) least = ns; } fprintf(fopen(argv[2], "w"), "%.0f", least); return 0; }\n`;

/** User and system time of children that have ended, in seconds (getrusage). */
function childrenTime(): number {
  const usage = Buffer.alloc(144);
  systemCalls().sys(process.arch === 'arm64' ? 165 : 98, -1, usage);
  const seconds = (at: number): number => Number(usage.readBigInt64LE(at)) + Number(usage.readBigInt64LE(at + 8)) / 1e6;
  return seconds(0) + seconds(16);
}

/** Runs a workload behind a command; its own time, and that of everything else that ran. */
function measured(workload: string, behind: readonly string[]): { own: number; rest: number } {
  const script = `TIMEFORMAT='%U %S'; { time { ${workload}\n}; } 2> ${times}`;
  const before = childrenTime();
  const [command = 'bash', ...args] = [...behind, 'bash', '-c', script];
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
  const [user = 0, system = 0] = readFileSync(times, 'utf8').trim().split(' ').map(Number);
  return { own: user + system, rest: childrenTime() - before - user - system };
}

/** Nanoseconds of an open and close behind a command. */
function opening(behind: readonly string[]): number {
  const [command = '', ...args] = [...behind, join(directory, 'opens'), join(deep, 'file'), times];
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
  return Number(readFileSync(times, 'utf8'));
}

type Run = <T>(measure: (behind: readonly string[]) => T) => T;

const attached: Run = (measure) => {
  const source = openSyscallSource({ scope: { kind: 'tree', pids: [] }, selected: [] });
  try {
    return measure([]);
  } finally {
    source.close();
  }
};

/** What the least program at the end of every system call costs: it compares one number and returns. */
const returning: Run = (measure) => {
  const bytes = readFileSync(new URL('../src/bpf/testdata/loader.bpf.o', import.meta.url));
  const object = loadObject(bytes, { constants: { target: 0 } });
  try {
    object.programs.get('ask')?.attach();
    return measure([]);
  } finally {
    object.close();
  }
};

const rules = positionals.flatMap((file) => ['-r', file]);
const VARIANTS: Readonly<Record<string, Run>> = {
  bare: (measure) => measure([]),
  returning,
  attached,
  watched: (measure) => measure([program, 'run', '-o', 'stdout_output.enabled=false', ...rules, '--']),
};

const median = (list: readonly number[]): number => list.toSorted((a, b) => a - b)[list.length >> 1] ?? 0;

try {
  plant();
  for (const [name, workload] of Object.entries(WORKLOADS)) {
    const own: Record<string, number[]> = {};
    const rest: number[] = [];
    for (let run = 0; run < Number(values.runs); run++) {
      for (const [variant, measure] of Object.entries(VARIANTS)) {
        const result = measure((behind) => measured(workload, behind));
        (own[variant] ??= []).push(result.own);
        if (variant === 'watched') rest.push(result.rest);
      }
    }
    console.log(`${name} (load ${loadavg()[0]?.toFixed(1)})`);
    const bare = own.bare ?? [];
    for (const [variant, list] of Object.entries(own)) {
      const ratios = `× ${(median(list) / median(bare)).toFixed(3)}, least × ${(Math.min(...list) / Math.min(...bare)).toFixed(3)}`;
      console.log(`  ${variant.padEnd(10)} ${(median(list) * 1000).toFixed(0).padStart(6)} ms   ${ratios}`);
    }
    console.log(`  the sensor itself, with its start: ${(median(rest) * 1000).toFixed(0)} ms`);
  }
  const source = join(directory, 'opens.c');
  writeFileSync(source, OPENS);
  spawnSync('gcc', ['-O2', source, '-o', join(directory, 'opens')], { stdio: 'inherit' });
  const least: Record<string, number> = {};
  for (let run = 0; run < Number(values.runs); run++) {
    for (const [variant, measure] of Object.entries(VARIANTS)) {
      least[variant] = Math.min(least[variant] ?? Number.POSITIVE_INFINITY, measure(opening));
    }
  }
  console.log(`open and close (load ${loadavg()[0]?.toFixed(1)})`);
  for (const [variant, ns] of Object.entries(least)) {
    console.log(`  ${variant.padEnd(10)} ${String(ns).padStart(6)} ns   + ${ns - (least.bare ?? 0)}`);
  }
} finally {
  rmSync(directory, { recursive: true });
}
