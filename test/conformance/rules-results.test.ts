import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  describeAll,
  type FieldCatalogue,
  loadRules,
  type RulesFile,
  renderValidation,
} from '../../src/rules/index.ts';
import { testCatalogue } from '../../src/rules/testing/catalogue.ts';

/** What Falco 0.44.1 answered to `-V FILE… -L` with `json_output`, compared field by field. */
const cases = new URL('../../../shared/conformance/', import.meta.url);
const rules = new URL('../../../shared/falco-rules/', import.meta.url);
const absent = !existsSync(cases);
const why = 'the conformance cases are not beside the checkout';

/** Cases in which the answer differs on purpose. */
const DIFFERENT: Readonly<Record<string, string>> = {
  'test_rule_loader.cpp:no_evttype_warning_for_evt_type_contradiction#1':
    'newer than 0.44.1: a condition that no event can make true is not warned about as matching too many events',
  'test_rule_loader.cpp:no_evttype_warning_for_never_true_macro#1':
    'newer than 0.44.1: a condition that no event can make true is not warned about as matching too many events',
  'test_rule_loader.cpp:list_name_invalid#1': '0.44.1 crashes; here, as later, it is a warning',
  'legacy_test.go:TestFalco_Legacy_ValidateSkipUnknownNoevt':
    '0.44.1 cuts the message short; here it is the whole one, which the case itself wants',
};

/** Collections whose order is that of a hash table. */
const UNORDERED = new Set([
  'condition_fields',
  'condition_operators',
  'events',
  'exception_fields',
  'exception_names',
  'exception_operators',
  'lists',
  'macros',
  'plugins',
]);

function canonical(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) {
    // The names of generic system calls are not in the catalogue for tests.
    if (key === 'events' && value.length > 100) return 'nearly all';
    const items = value.map((item) => canonical(item));
    return UNORDERED.has(key) && typeof items[0] === 'string' ? items.sort() : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, canonical(one, name)]));
}

function lines<T>(name: string): T[] {
  return readFileSync(new URL(name, cases), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

interface Golden {
  readonly id: string;
  readonly rc: number;
  readonly json: { readonly falco_describe_results?: unknown } | null;
}

function validate(files: readonly RulesFile[], catalogue: FieldCatalogue, golden: Golden): unknown {
  const { files: results, definitions } = loadRules(files, catalogue);
  const described = golden.json?.falco_describe_results !== undefined && definitions !== null;
  const description = described ? describeAll(definitions, catalogue) : null;
  const { stdout, exitCode } = renderValidation(results, { json: true, description });
  return { exit: exitCode, json: canonical(JSON.parse(stdout)) };
}

describe('results of validation', () => {
  const catalogue: FieldCatalogue = { ...testCatalogue, sources: ['syscall'] };

  it('are those of the engine’s own cases', (ctx) => {
    if (absent) ctx.skip(why);
    const golden = new Map(lines<Golden>('golden-engine-0.44.1.jsonl').map((one) => [one.id, one]));
    for (const one of lines<{ suite: string; id: string; steps: { load?: string }[] }>('engine-cases.jsonl')) {
      const files: RulesFile[] = [];
      for (const { load } of one.steps) {
        if (load === undefined) continue;
        files.push({ name: `r${files.length}.yaml`, text: load });
        const wanted = golden.get(`${one.suite}:${one.id}#${files.length}`);
        if (wanted === undefined || Object.hasOwn(DIFFERENT, wanted.id)) continue;
        expect(validate(files, catalogue, wanted), wanted.id).toEqual({
          exit: wanted.rc,
          json: canonical(wanted.json),
        });
      }
    }
  });

  it('are those of whole runs', (ctx) => {
    if (absent) ctx.skip(why);
    const golden = new Map(lines<Golden>('golden-testing-0.44.1.jsonl').map((one) => [one.id, one]));
    interface Run {
      readonly suite: string;
      readonly id: string;
      readonly args: readonly string[] | null;
      readonly files: readonly { name: string; content?: string; sha?: string }[] | null;
    }
    for (const one of lines<Run>('testing-cases.jsonl')) {
      const wanted = golden.get(`${one.suite}:${one.id}`);
      if (wanted?.json == null || one.args === null || Object.hasOwn(DIFFERENT, wanted.id)) continue;
      const names = one.args.filter((_, i) => one.args?.[i - 1] === '-V');
      const files = names.map((name) => {
        const file = one.files?.find((given) => given.name === name);
        return { name, text: file?.content ?? readFileSync(new URL(`files/${file?.sha}`, cases), 'utf8') };
      });
      expect(validate(files, catalogue, wanted), wanted.id).toEqual({ exit: wanted.rc, json: canonical(wanted.json) });
    }
  });
});

describe('the official rules', () => {
  it('load without an error or a warning', (ctx) => {
    if (!existsSync(rules)) ctx.skip('the official rule files are not beside the checkout');
    const names = [
      'falco_rules.yaml',
      'falco-incubating_rules.yaml',
      'falco-sandbox_rules.yaml',
      'k8s_audit_rules.yaml',
    ];
    const files = names.map((name) => ({ name, text: readFileSync(new URL(name, rules), 'utf8') }));
    const { files: results, ruleSet } = loadRules(files, testCatalogue);
    expect(results.flatMap(({ diagnostics }) => diagnostics)).toEqual([]);
    expect(results.every(({ schemaValid }) => schemaValid)).toBe(true);
    expect(ruleSet?.rules.length).toBe(93 + 48);
  });
});
