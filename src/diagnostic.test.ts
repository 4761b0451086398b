import { expect, it } from 'vitest';
import { type Diagnostic, describeCode, frame, nearest, renderDiagnostic } from './diagnostic.ts';

const place = { file: 'f.yaml', line: 2, column: 3, length: 2 };

it('frame marks the place between its neighbours', () => {
  expect(frame('a\nb cd\ne\nf', place)).toBe('  1 | a\n> 2 | b cd\n    |   ^^\n  3 | e');
  expect(frame('a', place)).toBeNull();
});

it('frame cuts lines that are too long', () => {
  const lines = frame(`${'x'.repeat(500)}`, { ...place, line: 1, column: 300, length: 900 })?.split('\n') ?? [];
  expect(lines.every((line) => line.length < 120)).toBe(true);
  expect(lines[1]).toContain('^');
});

it('renderDiagnostic shows place, code, frame, notes and remedy', () => {
  const diagnostic: Diagnostic = {
    code: 'LOAD_ERR_VALIDATE',
    severity: 'error',
    message: 'wrong',
    place,
    frame: '> 2 | b',
    notes: [{ message: 'defined here', place: { ...place, line: 1 }, frame: null }],
    remedy: describeCode('LOAD_ERR_VALIDATE').remedy,
  };
  expect(renderDiagnostic(diagnostic)).toBe(
    [
      'f.yaml:2:3: error: wrong [LOAD_ERR_VALIDATE]',
      '    > 2 | b',
      '  note: defined here (f.yaml:1:3)',
      '  help: Define what is referred to, earlier than it is used.',
    ].join('\n'),
  );
  expect(renderDiagnostic(diagnostic, { colour: true })).toContain('\x1b[31merror\x1b[0m');
});

it('nearest finds the name that is meant', () => {
  expect(nearest('proc.nmae', ['fd.name', 'proc.name', 'proc.args'])).toBe('proc.name');
  expect(nearest('xyz', ['proc.name'])).toBeNull();
});
