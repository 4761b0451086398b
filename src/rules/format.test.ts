import { describe, expect, it } from 'vitest';
import { Checker } from './check.ts';
import { FormatError, parseOutput } from './format.ts';
import { testCatalogue } from './testing/catalogue.ts';

const checker = new Checker(testCatalogue, 'syscall');

function parts(text: string): string[] {
  return parseOutput(text, (operand) => checker.operand(operand)).parts.map((part) =>
    part.kind === 'text' ? part.text : `<${part.key}${part.width === null ? '' : `|${part.width}`}>`,
  );
}

describe('parseOutput', () => {
  it('takes the longest text that is a field', () => {
    expect(parts('a=%proc.name, b=%fd.name.')).toEqual(['a=', '<proc.name>', ', b=', '<fd.name>', '.']);
    expect(parts('%proc.name.txt%evt.time.s')).toEqual(['<proc.name>', '.txt', '<evt.time.s>']);
    expect(parts('%proc.name[x')).toEqual(['<proc.name>', '[x']);
    expect(parts('(%proc.aname[2]) %fd.name[3]')).toEqual(['(', '<proc.aname[2]>', ') ', '<fd.name>', '[3]']);
  });

  it('knows widths, transformers and the leading star', () => {
    expect(parts('*%10proc.name|')).toEqual(['<proc.name|10>', '|']);
    expect(parts('%toupper(join("-", (proc.name, fd.name)))!')).toEqual([
      '<toupper(join(-,(proc.name,fd.name)))>',
      '!',
    ]);
    expect(parseOutput('*x', (operand) => operand)).toMatchObject({ text: '*x', keepMissing: true });
  });

  it('refuses what is no field', () => {
    const refusal = (text: string) => {
      try {
        return parts(text).join();
      } catch (error) {
        return error instanceof FormatError ? error.message : String(error);
      }
    };
    expect(refusal('100%')).toBe('invalid formatting syntax: formatting cannot end with a %');
    expect(refusal('%10')).toBe('invalid formatting syntax: formatting cannot end with a number');
    expect(refusal('x %no.such y')).toBe('invalid formatting token no.such');
    expect(refusal('%%')).toBe('invalid formatting token %');
    expect(refusal('%evt.arg')).toBe("filter error: field 'evt.arg' requires an argument but none found");
    expect(refusal('%tolower(fd.num)')).toContain("type 'INT64' is not supported by 'tolower'");
  });
});
