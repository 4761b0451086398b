/** The rules that come with the program: their own tests, their coverage, and what is promised of each. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { fieldCatalogue } from '../fields/index.ts';
import { fieldsIn, fieldsOf, loadRules } from '../rules/index.ts';
import { coveragePercent, readTests, rulePage, runTests } from './index.ts';

const ROOT = fileURLToPath(new URL('../../rules', import.meta.url));
const FALCO_FIELDS: ReadonlySet<string> = new Set(
  readFileSync(new URL('testdata/falco-fields.txt', import.meta.url), 'utf8').split('\n'),
);
/** Keys of the items of a rules file, out of Falco's own schema (`falco --rule-schema`). */
const FALCO_KEYS: ReadonlySet<string> = new Set(
  (
    'required_engine_version required_plugin_versions list items macro condition rule desc output priority source ' +
    'enabled tags exceptions warn_evttypes skip-if-unknown-filter capture capture_duration override append'
  ).split(' '),
);

const yaml = (folder: string) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((name) => ({ name: `${folder}/${name}`, text: readFileSync(`${folder}/${name}`, 'utf8') }));

describe.each(['', '/kubernetes'])('rules%s', (part) => {
  const catalogue = fieldCatalogue();
  const { ruleSet, files } = loadRules(yaml(`${ROOT}${part}`), catalogue);
  const rules = ruleSet?.rules ?? [];

  test('they load without errors, and without warnings once all are there', () => {
    expect(files.flatMap((file) => file.errors)).toEqual([]);
    expect(files.at(-1)?.diagnostics.map(({ code, message }) => [code, message])).toEqual([]);
  });

  test('each fires in a test and is silent in another, and nearly every term decides something', async () => {
    const tests = yaml(`${ROOT}${part}/tests`).flatMap(({ name, text }) => readTests(name, text));
    const result = await runTests(tests, { rules, catalogue, explain: () => '' });
    expect(
      result.cases.filter(({ passed }) => !passed).map((one) => [one.test.rule, one.test.line, one.message]),
    ).toEqual([]);
    expect(result.untested).toEqual([]);
    expect(coveragePercent(result)).toBeGreaterThanOrEqual(95);
  });

  test('each says how ripe it is and which technique it is about', () => {
    for (const { name, tags } of rules) {
      expect([name, tags.filter((tag) => tag.startsWith('maturity_')).length]).toEqual([name, 1]);
      if (name !== 'All K8s Audit Events')
        expect([name, tags.some((tag) => /^TA?\d{4}/.test(tag))]).toEqual([name, true]);
    }
  });

  test('files that are for Falco too hold nothing that Falco 0.44.1 does not know', () => {
    for (const { name, text } of yaml(`${ROOT}${part}`)) {
      if (name.includes('/windhover-')) continue;
      const own = rules.filter((rule) => rule.file === name);
      const read = own.flatMap(({ condition, output }) => [
        ...fieldsIn(condition),
        ...output.parts.flatMap((part) => (part.kind === 'field' ? fieldsOf(part.operand) : [])),
      ]);
      // A parameter's name may stand behind a dot.
      const known = (field: string): boolean => FALCO_FIELDS.has(field.replace(/^(evt\.(?:raw)?arg)\..*/, '$1'));
      expect([name, [...new Set(read.map((field) => field.name))].filter((field) => !known(field))]).toEqual([
        name,
        [],
      ]);
      const keys = (parse(text) as object[]).flatMap((item) => Object.keys(item));
      expect([name, [...new Set(keys)].filter((key) => !FALCO_KEYS.has(key))]).toEqual([name, []]);
    }
  });

  test('every rule says what to do, and the pages are those of the rules', () => {
    for (const { name, text } of yaml(`${ROOT}${part}`)) {
      if (name.endsWith('/common.yaml')) continue;
      const title = `${part === '' ? '' : 'kubernetes-'}${basename(name, '.yaml')}`;
      const page = rulePage(title, text);
      expect(page, name).not.toContain('**What to do.** \n');
      expect(readFileSync(`${ROOT}/../docs/rules/${title}.md`, 'utf8')).toBe(page);
    }
  });
});
