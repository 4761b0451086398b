import { describe, expect, it } from 'vitest';
import type { Value } from './catalogue.ts';
import { Checker } from './check.ts';
import { interpret, type Trace } from './interpret.ts';
import { parseCondition } from './parse.ts';
import { print, printOperand } from './print.ts';
import { testCatalogue } from './testing/catalogue.ts';

const bound = (text: string) => new Checker(testCatalogue, 'syscall').check(parseCondition(text)).expr;

function judge(text: string, values: Record<string, Value | null>): boolean {
  return interpret(bound(text), (field) => values[printOperand(field)] ?? null);
}

describe('interpret', () => {
  it('a field without a value makes every comparison false', () => {
    for (const check of ['proc.name = a', 'proc.name != a', 'proc.name in ()', 'proc.name exists', "proc.name != ''"]) {
      expect(judge(check, {}), check).toBe(false);
      expect(judge(`not ${check}`, {}), check).toBe(true);
    }
    expect(judge('proc.name = val(proc.pname)', { 'proc.name': 'a' })).toBe(false);
    expect(judge('fd.types exists', { 'fd.types': [] })).toBe(false);
  });

  it('compares with fields and transformers', () => {
    const values = {
      'proc.name': 'cat',
      'proc.pname': 'CAT',
      'fd.name': '/bin/cat',
      'fd.num': 3,
      'fd.types': ['a', 'b'],
    };
    expect(judge('proc.name = val(proc.pname)', values)).toBe(false);
    expect(judge('proc.name = tolower(proc.pname)', values)).toBe(true);
    expect(judge('toupper(proc.name) = val(proc.pname)', values)).toBe(true);
    expect(judge('basename(fd.name) = val(proc.name)', values)).toBe(true);
    expect(judge('fd.name endswith val(proc.name)', values)).toBe(true);
    expect(judge('len(fd.name) = 8 and len(fd.types) = 2', values)).toBe(true);
    expect(judge('join("-", (proc.name, fd.num)) = cat-3', values)).toBe(true);
    expect(judge('join(",", ()) = ""', values)).toBe(true);
    expect(judge('concat(proc.name, "x") = catx', values)).toBe(true);
    expect(judge('b64("Zm9v") = foo and b64("Zm9vYg==") = foob and not b64("*") exists', values)).toBe(true);
    expect(judge('proc.aname[2] = init', { 'proc.aname[2]': 'init' })).toBe(true);
  });

  it('reads options as getopt(3) does', () => {
    const argv = '("-a", "-n", "5", "file", "-xv", "-o9")';
    expect(judge(`getopt(${argv}, "an:xvo:")[n] = 5`, {})).toBe(true);
    expect(judge(`getopt(${argv}, "an:xvo:")[o] = 9`, {})).toBe(true);
    expect(judge(`getopt(${argv}, "an:xvo:")[q] exists`, {})).toBe(false);
    expect(judge(`getopt(${argv}, "an:xvo:") in (a, n, x, v, o)`, {})).toBe(true);
    expect(judge(`getopt(${argv}, "an:xvo:") intersects (q, v)`, {})).toBe(true);
    expect(judge('getopt(("--", "-a"), "a") exists', {})).toBe(false);
  });

  it('stops as soon as the truth is known, and tells what it saw', () => {
    const seen: string[] = [];
    const trace: Trace = {
      evaluated: (expr, truth) => seen.push(`${print(expr)}: ${truth}`),
      compared: (check, left, right) => seen.push(`${printOperand(check.left)} ${left} ${right}`),
    };
    const values: Record<string, Value> = { 'proc.name': 'a', 'proc.pname': 'b' };
    interpret(
      bound('proc.name = b and fd.name = c or proc.name = val(proc.pname)'),
      (f) => values[f.name] ?? null,
      trace,
    );
    expect(seen).toEqual([
      'proc.name a undefined',
      'proc.name = b: false',
      '(proc.name = b and fd.name = c): false',
      'proc.name a b',
      'proc.name = val(proc.pname): false',
      '((proc.name = b and fd.name = c) or proc.name = val(proc.pname)): false',
    ]);
  });
});
