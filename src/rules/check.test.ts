import { describe, expect, it } from 'vitest';
import { Checker } from './check.ts';
import { ConditionError, parseCondition } from './parse.ts';
import { testCatalogue } from './testing/catalogue.ts';

function refusal(text: string, source = 'syscall'): string | null {
  try {
    new Checker(testCatalogue, source).check(parseCondition(text));
    return null;
  } catch (error) {
    if (error instanceof ConditionError) return error.message;
    throw error;
  }
}

describe('Checker', () => {
  it('knows the fields of a source, and their arguments', () => {
    expect(refusal('no.such = 1')).toBe('filter_check called with nonexistent field no.such');
    expect(refusal('proc.name[1] = a')).toBe('filter_check called with nonexistent field proc.name[1]');
    expect(refusal('evt.arg = a')).toBe("filter error: field 'evt.arg' requires an argument but none found");
    expect(refusal('proc.aname exists and proc.aname[1] exists')).toBeNull();
    expect(refusal('ka.verb = get')).not.toBeNull();
    expect(refusal('ka.verb = get', 'k8s_audit')).toBeNull();
  });

  it('gates operators by type', () => {
    expect(refusal('fd.types contains a')).toBe("filter error: 'contains' operator not supported for list filters");
    expect(refusal('fd.types in (a)')).toBeNull();
    expect(refusal('fd.num contains oneof (1)')).toBe(
      "filter error: 'contains' with modifier not supported for numeric filters",
    );
    expect(refusal('fd.num = one')).toBe('one is not a valid number');
    expect(refusal('fd.net = 10.0.0.1')).toBe('filter error: unrecognized IP network 10.0.0.1');
    expect(refusal('proc.name regex "(a"')).toContain("invalid regular expression '(a'");
  });

  it('gates right-hand sides', () => {
    expect(refusal('proc.name = val(proc.pname)')).toBeNull();
    expect(refusal('proc.name pmatch val(proc.pname)')).toBe(
      "operator 'PMATCH' doesn't support right-hand side fields",
    );
    expect(refusal('fd.ip = val(fd.cip)')).toBe("field 'fd.ip' doesn't support right-hand side fields");
    expect(refusal('proc.name = val(fd.num)')).toContain('cannot compare');
    expect(refusal('fd.num > len(proc.name)')).toBeNull();
  });

  it('gates transformers', () => {
    expect(refusal('concat(proc.name) = a')).toBe('concat() requires at least two arguments');
    expect(refusal('join(proc.name, fd.name) = a')).toBe('join() second argument must be a list');
    expect(refusal('len(fd.num) = 1')).toContain("type 'INT64' is not supported by 'len'");
    expect(refusal('tolower(proc.name)[1] = a')).toContain('does not take an argument');
    expect(refusal('tolower(proc.name, fd.name) = a')).toBe("unknown field transfomer 'tolower'");
  });

  it('tells in which macro a wrong check stands', () => {
    const check = parseCondition('no.such = 1');
    const inner = { ...check, macro: 'inner' };
    const outer = { kind: 'not', child: inner, range: [0, 1], macro: 'outer' } as const;
    const whole = { kind: 'not', child: outer, range: [0, 1] } as const;
    try {
      new Checker(testCatalogue, 'syscall').check(whole);
      expect.fail();
    } catch (error) {
      expect(error instanceof ConditionError ? error.macros : null).toEqual(['inner', 'outer']);
    }
  });
});
