import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { goTime, parseJson, parseTime, problemOf, readAlert, rfc3339, toJson } from './alert.ts';
import { compileCondition } from './condition.ts';
import { enricher } from './enrich.ts';

const read = (change: Record<string, unknown> = {}) =>
  readAlert(
    Buffer.from(
      JSON.stringify({
        rule: 'A shell',
        priority: 'Warning',
        time: '2026-01-02T15:04:05.123456789Z',
        output: 'o',
        tags: ['x', 'container'],
        hostname: 'n1',
        output_fields: {
          'proc.name': 'sh',
          'fd.sport': 443,
          'fd.sip': '10.1.2.3',
          'proc.aname[2]': 'init',
          'k8s.ns.name': 'shop',
        },
        ...change,
      }),
    ),
    0,
  );

describe('an alert', () => {
  it('keeps every number as it was written', () => {
    for (const number of [
      '1767366245123456789',
      '-9223372036854775808',
      '0.1',
      '1.0',
      '1e5',
      '18446744073709551615',
      '0.30000000000000004441',
    ]) {
      const text = `{"rule":"r","priority":"Debug","time":"2026-01-02T15:04:05Z","output":"o","output_fields":{"n":${number}}}`;
      expect(toJson(readAlert(Buffer.from(text), 0))).toContain(`"output_fields":{"n":${number}}`);
    }
    fc.assert(fc.property(fc.bigInt(), (number) => JSON.stringify(parseJson(`[${number}]`)) === `[${number}]`));
  });

  it('has the same id whenever it is read', () => {
    expect(read().uuid).toBe(read().uuid);
    expect(read().uuid).not.toBe(read({ output: 'other' }).uuid);
    expect(read({ uuid: 'b693ece7-92f9-4fc9-9501-096c9ab1d53a' }).uuid).toBe('b693ece7-92f9-4fc9-9501-096c9ab1d53a');
  });

  it('prints times as Go does', () => {
    expect(goTime(read())).toBe('2026-01-02 15:04:05.123456789 +0000 UTC');
    expect(rfc3339(parseTime('2026-01-02T17:04:05.5+02:00') ?? 0n)).toBe('2026-01-02T15:04:05.5Z');
    expect(parseTime('yesterday')).toBeNull();
  });

  it('is told from what is none', () => {
    const good = { rule: 'r', priority: 'informational', time: '2026-01-02T15:04:05Z' };
    expect(problemOf(good)).toBeNull();
    expect(problemOf({ ...good, output_fields: null, tags: null })).toBeNull();
    for (const bad of [
      null,
      [],
      'x',
      {},
      { ...good, rule: '' },
      { ...good, priority: 'bogus' },
      { ...good, time: 'now' },
      { ...good, output_fields: [] },
      { ...good, tags: 'x' },
    ]) {
      expect(problemOf(bad)).not.toBeNull();
    }
  });
});

describe('enrichment', () => {
  const settings = {
    customfields: {},
    templatedfields: {},
    customtags: [],
    bracketreplacer: '',
    outputFieldFormat: '',
  };
  it('adds fields and tags, and renames brackets', () => {
    const alert = enricher({
      ...settings,
      customfields: { Zone: '%WINDHOVER_TEST_ZONE' },
      templatedfields: { who: '{{ index . "proc.name" }}@{{ .Zone }}' },
      customtags: ['b'],
      bracketreplacer: '_',
    })(read());
    expect(alert.fields).toMatchObject({ Zone: '', who: 'sh@', 'proc.aname_2': 'init' });
    expect(alert.tags).toEqual(['b', 'container', 'x']);
  });

  it('rewrites outputs of the usual form only', () => {
    const format = enricher({
      ...settings,
      customfields: { env: 'prod' },
      outputFieldFormat: '<timestamp>: <priority> <output> (<custom_fields> <templated_fields>)',
    });
    expect(format(read({ output: '15:04:05.1: Warning Shell <tags> (a=b)' })).output).toBe(
      '15:04:05.1: Warning Shell <tags> (a=b) (env=prod )',
    );
    expect(format(read({ output: 'free text' })).output).toBe('free text');
  });
});

describe('a condition over alerts', () => {
  it.each([
    ['rule = "A shell"', true],
    ['rule startswith "A " and not hostname = n2', true],
    ['priority >= warning', true],
    ['priority > Warning', false],
    ['priority = WARNING', true],
    ['tags intersects (container, y)', true],
    ['rule contains "priority >= warning"', false],
    ['tags intersects (y, z)', false],
    ['fd.sport = 443', true],
    ['fd.sport < 400', false],
    ['fd.sip in ("10.0.0.0/8")', true],
    ['fd.sip in ("192.168.0.0/16", "172.16.0.0/12")', false],
    ['proc.aname[2] = init', true],
    ['proc.aname[3] exists', false],
    ['k8s.ns.name glob "sh*" or no.such.field = 1', true],
    ['toupper(proc.name) = SH', true],
    ['output contains "o" and source = syscalls', true],
  ])('%s', (text, expected) => {
    expect(compileCondition(text)(read())).toBe(expected);
  });

  it('refuses what is none', () => {
    expect(() => compileCondition('rule =')).toThrow();
    expect(() => compileCondition('spawned_process and rule = x')).toThrow('there are no macros here');
  });
});
