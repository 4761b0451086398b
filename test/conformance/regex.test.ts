import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { toByteString } from '../../src/bytes.ts';
import { compileRegex, RegexError } from '../../src/rules/index.ts';

const directory = mkdtempSync(join(tmpdir(), 'windhover-re2-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** The oracle's program; null when it cannot be built here. */
function buildOracle(): string | null {
  const program = join(directory, 'oracle');
  const source = fileURLToPath(new URL('re2-oracle.cc', import.meta.url));
  const { status } = spawnSync('g++', ['-O1', '-std=c++17', source, '-o', program, '-lre2', '-lpthread'], {
    stdio: 'ignore',
  });
  return status === 0 ? program : null;
}

const ATOMS = [
  ...['a', 'b', '.', '\\.', '\\/', '[ab]', '[^a]', '[]a]', '[a-c]', '[[:alpha:]]', '[[:digit:]b]', '[^[:space:]]'],
  ...['\\x41', '\\t', '\\n', '^', '$', 'é', '\\101', '\\x{e9}', '-', '/', ']', '}', 'ab', '[\\.]', '[^\\n]'],
];
/** What POSIX mode refuses, or reads in its own way. */
const ODD = [
  ...[
    '\\d',
    '\\w',
    '\\b',
    '\\z',
    '\\pL',
    '\\Q',
    '[\\d]',
    '(?:',
    '(?i)',
    '\\1',
    '{',
    '[a',
    '[[:no:]]',
    '[b-a]',
    '\\',
    ')',
    '*',
  ],
];
const REPEATS = ['', '', '', '*', '+', '?', '{2}', '{1,}', '{0,2}', '**', '+?'];
const ODD_REPEATS = ['{2,1}', '{1001}', '{,2}', '{', '{x}'];
const mostly = (usual: string[], odd: string[]) =>
  fc.oneof({ weight: 60, arbitrary: fc.constantFrom(...usual) }, { weight: 1, arbitrary: fc.constantFrom(...odd) });

const pattern = fc.letrec<{ re: string; seq: string }>((tie) => ({
  re: fc.array(tie('seq'), { minLength: 1, maxLength: 2 }).map((parts) => parts.join('|')),
  seq: fc
    .array(
      fc.tuple(
        fc.oneof(
          { maxDepth: 2, depthSize: 'small' },
          mostly(ATOMS, ODD),
          tie('re').map((re) => `(${re})`),
        ),
        mostly(REPEATS, ODD_REPEATS),
      ),
      { maxLength: 4 },
    )
    .map((parts) => parts.map(([atom, repeat]) => atom + repeat).join('')),
})).re;
const text = fc
  .array(fc.constantFrom('a', 'b', 'c', 'A', '1', '.', '/', '\n', '\t', ' ', 'é', ']', '-', '}', '{'), { maxLength: 6 })
  .map((chars) => chars.join(''));

const hex = (value: string) => Buffer.from(value, 'utf8').toString('hex');

function ours(regex: string, value: string): string {
  try {
    return compileRegex(toByteString(regex))(toByteString(value)) ? '1' : '0';
  } catch (error) {
    if (error instanceof RegexError) return 'E';
    throw error;
  }
}

it('regex agrees with libre2 in POSIX mode', (ctx) => {
  const oracle = buildOracle();
  if (oracle === null) ctx.skip('the oracle needs g++ and libre2-dev');
  const samples = fc.sample(fc.tuple(pattern, text), { numRuns: 15_000, seed: 7 });
  const input = samples.map(([regex, value]) => `${hex(regex)} ${hex(value)}\n`).join('');
  const answers = execFileSync(oracle as string, { input, maxBuffer: 1 << 24 })
    .toString()
    .trim()
    .split('\n');
  const wrong = samples.flatMap(([regex, value], i) => {
    const [want, got] = [answers[i], ours(regex, value)];
    return want === got ? [] : [{ regex, value, want, got }];
  });
  expect(wrong.slice(0, 25)).toEqual([]);
});
