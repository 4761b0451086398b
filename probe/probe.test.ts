import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parseElf } from '../src/bpf/elf.ts';
import { wireHeader } from './generate.ts';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

test('wire.h is what the event table gives', () => {
  expect(readFileSync(here('wire.h'), 'utf8')).toBe(wireHeader());
});

test('the committed object is what the compiler makes of the source', (ctx) => {
  try {
    execFileSync('clang-14', ['--version'], { stdio: 'ignore' });
  } catch {
    ctx.skip('clang-14 is not installed');
  }
  const directory = mkdtempSync(join(tmpdir(), 'windhover-probe-'));
  try {
    const fresh = join(directory, 'fresh.o');
    execFileSync(here('build.sh'), [fresh], { stdio: ['ignore', 'ignore', 'inherit'] });
    expect(readFileSync(fresh).equals(readFileSync(here('windhover.bpf.o')))).toBe(true);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('the object names no path of the machine that it was built on', () => {
  const text = readFileSync(here('windhover.bpf.o')).toString('latin1');
  expect(text).not.toMatch(/\/(home|root|work|tmp|usr\/include)\//);
});

test('the object has the programs that the source attaches', () => {
  const names = parseElf(readFileSync(here('windhover.bpf.o'))).symbols.map(({ name }) => name);
  for (const name of [
    'wh_sys_exit',
    'wh_fork',
    'wh_exec',
    'wh_exit',
    'wh_numbers',
    'wh_failed_exec',
    'wh_uring_complete',
  ]) {
    expect(names).toContain(name);
  }
});
