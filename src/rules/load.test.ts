import { describe, expect, it } from 'vitest';
import { toByteString } from '../bytes.ts';
import { renderDiagnostic } from '../diagnostic.ts';
import { describeAll, describeRule, descriptionAsText } from './describe.ts';
import { type LoadOptions, type LoadResult, loadRules } from './load.ts';
import { print } from './print.ts';
import { renderValidation } from './results.ts';
import { testCatalogue } from './testing/catalogue.ts';
import { checkPluginRequirements } from './version.ts';

function load(...texts: string[]): LoadResult {
  return loadRules(
    texts.map((text, i) => ({ name: `${i}.yaml`, text })),
    testCatalogue,
  );
}

/** A rule of the given condition and whatever else. */
function rule(condition: string, more = '', name = 'R'): string {
  return `
- rule: ${name}
  desc: d
  condition: ${condition}
  output: o
  priority: INFO
${more}`;
}

const messages = (result: LoadResult) =>
  result.files.flatMap(({ diagnostics }) => diagnostics.map(({ message, code }) => message || code));

function conditionOf(...texts: string[]): string {
  const result = load(...texts);
  const found = result.ruleSet?.rules[0];
  return found === undefined ? expect.fail(messages(result).join('; ')) : print(found.condition);
}

describe('lists', () => {
  it('are put in as text, wherever delimiters stand around the name', () => {
    const list = '- list: l\n  items: [a, "b c"]\n';
    expect(conditionOf(list + rule('proc.name in (l)'))).toBe('proc.name in (a, "b c")');
    expect(conditionOf(list + rule('proc.name in (x, l, y)'))).toBe('proc.name in (x, a, "b c", y)');
    expect(conditionOf(list + rule('proc.name in (l.x)'))).toBe('proc.name in (l.x)');
    expect(conditionOf(rule('proc.name in (l)') + list)).toBe('proc.name in (a, "b c")');
    expect(conditionOf(`- list: l\n  items: []\n${rule('proc.name in (x, l)')}`)).toBe('proc.name in (x)');
    expect(conditionOf(`- list: l\n  items: [a]\n${rule("proc.cmdline contains 'x l y'")}`)).toBe(
      'proc.cmdline contains "x a y"',
    );
  });

  it('hold the items of earlier lists, one level deep', () => {
    const lists = '- list: a\n  items: [1]\n- list: b\n  items: [a, 2]\n- list: c\n  items: [b, 3]\n';
    expect(conditionOf(lists + rule('proc.name in (b)'))).toBe('proc.name in (1, 2)');
    // Of `b` the items as written; the `a` in them was put in before its turn came.
    expect(conditionOf(lists + rule('proc.name in (c)'))).toBe('proc.name in (a, 2, 3)');
  });

  it('leave their name on the values that they give', () => {
    const { ruleSet } = load(`- list: l\n  items: [a, b]\n${rule('proc.name in (x, l)')}`);
    const check = ruleSet?.rules[0]?.condition;
    if (check?.kind !== 'check' || check.right?.kind !== 'values') expect.fail();
    expect(check.right.values.map(({ text, list }) => [text, list])).toEqual([
      ['x', undefined],
      ['a', 'l'],
      ['b', 'l'],
    ]);
  });

  it('grow by later files', () => {
    const first = `- list: l\n  items: [a]\n${rule('proc.name in (l)')}`;
    expect(conditionOf(first, '- list: l\n  items: [b]\n  override:\n    items: append\n')).toBe('proc.name in (a, b)');
    expect(conditionOf(first, '- list: l\n  items: [b]\n')).toBe('proc.name in (b)');
  });
});

describe('macros', () => {
  it('see those that were defined before their last change', () => {
    const a = '- macro: a\n  condition: proc.name = x\n';
    const b = '- macro: b\n  condition: a or fd.name = y\n';
    expect(conditionOf(a + b + rule('b'))).toBe('(proc.name = x or fd.name = y)');
    expect(messages(load(b + a + rule('b')))).toContain("Undefined macro 'a' used in filter.");
    // Changed after `a`, so that it sees it, though it stands first.
    const changed = '- macro: b\n  condition: or proc.name = z\n  override:\n    condition: append\n';
    expect(conditionOf(b + a + changed + rule('b'))).toBe('(proc.name = x or fd.name = y or proc.name = z)');
  });

  it('may not hold themselves', () => {
    const a = '- macro: a\n  condition: proc.name = x\n- macro: a\n  condition: a and fd.name = y\n';
    expect(messages(load(a + rule('a')))).toEqual(["reference loop in macro 'a'"]);
    const b = '- macro: b\n  condition: c\n- macro: c\n  condition: b\n- macro: b\n  condition: c\n';
    expect(messages(load(b + rule('b')))[0]).toBe("reference loop in macro 'b'");
  });

  it('mark what they were expanded to', () => {
    const { ruleSet } = load(`- macro: m\n  condition: proc.name = x\n${rule('m and fd.num = 1')}`);
    const condition = ruleSet?.rules[0]?.condition;
    expect(condition?.kind === 'and' ? condition.children : null).toMatchObject([{ macro: 'm' }, {}]);
  });
});

describe('rules', () => {
  it('take appends before replaces', () => {
    const override = `
- rule: R
  condition: and fd.num = 1
  output: other
  tags: [b, a]
  override: {condition: append, output: replace, tags: append}
`;
    const { ruleSet } = load(rule('proc.name = x', '  tags: [c]'), override);
    expect(ruleSet?.rules).toMatchObject([
      { conditionText: 'proc.name = x and fd.num = 1', output: { text: 'other' }, tags: ['a', 'b', 'c'] },
    ]);
  });

  it('keep their place when they are defined anew', () => {
    const two = rule('proc.name = x', '', 'A') + rule('proc.name = y', '', 'B');
    const { ruleSet } = load(two, rule('proc.name = z', '', 'A'));
    expect(ruleSet?.rules.map(({ name, conditionText }) => [name, conditionText])).toEqual([
      ['A', 'proc.name = z'],
      ['B', 'proc.name = y'],
    ]);
  });

  it('refuse overrides that make no sense', () => {
    const refused = (text: string) => messages(load(rule('evt.type = open'), text)).at(-1);
    expect(refused('- rule: R\n  priority: INFO\n  override: {priority: append}\n')).toBe(
      "Key 'priority' cannot be appended to, use 'replace' instead",
    );
    expect(refused('- rule: R\n  source: x\n  override: {source: replace}\n')).toBe("Key 'source' cannot be replaced");
    expect(refused('- rule: R\n  desc: x\n  override: {desc: prepend}\n')).toBe(
      "Invalid override operation for key 'desc': 'prepend'. Allowed values are: append replace ",
    );
    expect(refused('- rule: R\n  override: {desc: append}\n')).toBe(
      "An append override for 'desc' was specified but 'desc' is not defined",
    );
    expect(refused('- rule: R\n  desc: x\n  output: y\n  override: {desc: append}\n')).toBe(
      "Unexpected key 'output': no corresponding entry under 'override' is defined.",
    );
    expect(refused('- rule: R\n  desc: x\n  append: true\n  override: {desc: append}\n')).toContain(
      'cannot be used together',
    );
    expect(refused('- rule: S\n  desc: x\n  override: {desc: replace}\n')).toContain('no rule by that name');
    expect(refused('- rule: S\n  enabled: false\n')).toBe(
      "Rule has 'enabled' key but no rule by that name already exists",
    );
  });

  it('may still ask for %container.info in their output, in vain', () => {
    const result = load(rule('evt.type = open').replace('output: o', 'output: "o %container.info by %proc.name"'));
    expect(result.ruleSet?.rules[0]?.output.text).toBe('o  by %proc.name');
    expect(result.files[0]?.warnings).toMatchObject([
      { code: 'LOAD_DEPRECATED_ITEM', deprecatedField: 'container.info' },
    ]);
  });

  it('below the least priority are not compiled', () => {
    const files = [{ name: 'f', text: rule('no.such = 1') }];
    const options: LoadOptions = { minPriority: 'Warning' };
    expect(loadRules(files, testCatalogue, options).ruleSet?.rules).toEqual([]);
  });

  it('are evaluated on the events that can make them true', () => {
    const { ruleSet } = load(rule('evt.type in (open, close) and not evt.type = close'));
    const open = testCatalogue.eventTypes('open') ?? [];
    expect(ruleSet?.rules[0]?.eventTypes).toEqual([...open].sort((a, b) => a - b));
    expect(load(rule('evt.num = 0')).ruleSet?.rules[0]?.eventTypes).toEqual([]);
  });
});

describe('exceptions', () => {
  const exceptions = (text: string) => `  exceptions:\n    - ${text}`;

  it('are put behind the condition', () => {
    const put = (text: string) => conditionOf(rule('proc.name = x', exceptions(text)));
    expect(put('{name: e, fields: fd.name, values: [a, b c]}')).toBe('(proc.name = x and not fd.name in (a, "b c"))');
    expect(put('{name: e, fields: [fd.name, fd.num], comps: [pmatch, =], values: [[[/a, /b], 1], [/c, 2]]}')).toBe(
      '(proc.name = x and not ((fd.name pmatch (/a, /b) and fd.num = 1) or (fd.name pmatch (/c) and fd.num = 2)))',
    );
    expect(put('{name: e, fields: fd.name, comps: startswith oneof, values: [a]}')).toBe(
      '(proc.name = x and not fd.name startswith oneof (a))',
    );
    expect(put('{name: e, fields: [fd.name]}')).toBe('proc.name = x');
  });

  it('take values by appending', () => {
    const base = rule('evt.type = open', exceptions('{name: e, fields: fd.name, values: [a]}'));
    const appended = (text: string) => load(base, `- rule: R\n${exceptions(text)}\n  override: {exceptions: append}\n`);
    const grown = appended('{name: e, values: [b]}').ruleSet?.rules[0]?.condition;
    expect(grown === undefined ? '' : print(grown)).toBe('(evt.type = open and not fd.name in (a, b))');
    expect(messages(appended('{name: e, fields: fd.num, values: [b]}')).at(-1)).toContain('only values');
    expect(messages(appended('{name: n, fields: fd.num}')).at(-1)).toContain('must have values property');
    expect(messages(appended('{name: n, fields: no.such, values: [1]}')).at(-1)).toBe(
      "'no.such' is not a supported filter field",
    );
  });
});

describe('problems', () => {
  const broken = `
- macro: m
  condition: proc.nam = x

- rule: One
  desc: d
  condition: evt.type = open and m
  output: o
  priority: INFO

- rule: Two
  desc: d
  condition: evt.type = opne
  output: "%proc.nme"
  priority: LOUD

- rule: Three
  condition: evt.type = open
`;

  it('are all found, the first being the one at which Falco stops', () => {
    const [file] = load(broken).files;
    expect(file?.errors.map(({ message }) => message)).toEqual(['Invalid priority']);
    expect(file?.diagnostics.map(({ message, place }) => `${place.line}:${place.column} ${message}`)).toEqual([
      '15:13 Invalid priority',
      "17:3 Item has no mapping for key 'output'",
      '7:14 filter_check called with nonexistent field proc.nam',
    ]);
  });

  it('come with a frame, the macro that is meant, and a remedy', () => {
    const diagnostic = load(broken).files[0]?.diagnostics.at(-1) ?? expect.fail();
    expect(renderDiagnostic(diagnostic)).toBe(
      `
0.yaml:7:14: error: filter_check called with nonexistent field proc.nam [LOAD_ERR_COMPILE_CONDITION]
      6 |   desc: d
    > 7 |   condition: evt.type = open and m
        |              ^^^^^^^^
      8 |   output: o
  note: macro 'm' defined here (0.yaml:2:3)
      1 |
    > 2 | - macro: m
        |   ^^^^^^^^
      3 |   condition: proc.nam = x
  help: Did you mean 'proc.name'?
`.trim(),
    );
  });

  it('show the condition as it is once lists and exceptions are in it', () => {
    const text = `- list: l\n  items: [a, b]\n${rule('evt.type = open and proc.name in (l) and proc.nam = x')}`;
    const diagnostic = load(text).files[0]?.diagnostics[0];
    expect(diagnostic?.place).toMatchObject({ line: 6, column: 55, length: 8 });
    expect(diagnostic?.notes[0]?.frame).toContain('proc.name in ( a, b ) and proc.nam = x');
  });

  it('guess what was meant', () => {
    const help = (text: string) => load(text).files[0]?.diagnostics[0]?.remedy;
    expect(help(rule('evt.type = opne'))).toBe("Did you mean 'open'?");
    expect(help(rule('evt.type = open').replace('output: o', 'output: "%prc.name"'))).toBe("Did you mean 'proc.name'?");
    expect(help(`- macro: opened\n  condition: evt.type = open\n${rule('openned')}`)).toBe("Did you mean 'opened'?");
    expect(help(rule('evt.type = open', '  tag: [a]\n'))).toBe("Did you mean 'tags'?");
    expect(help(rule('quite.unlike.anything = 1'))).toBe('Correct the condition at the marked place.');
  });

  it('are not repeated for every use of a macro that is wrong itself', () => {
    const text = `- macro: m\n  condition: proc.name = \n${rule('evt.type = open and m')}`;
    expect(messages(load(text))).toHaveLength(1);
  });

  it('in YAML are errors too', () => {
    expect(load('- rule: [').files[0]?.errors[0]?.code).toBe('LOAD_ERR_YAML_PARSE');
    expect(load('a: &a [*a]').files[0]?.successful).toBe(false);
    expect(load(`${'['.repeat(5000)}`).files[0]?.successful).toBe(false);
    expect(load('').ruleSet?.rules).toEqual([]);
    expect(load('\n---\n~\n---\n# nothing\n').ruleSet?.rules).toEqual([]);
  });

  it('forgiven by skip-if-unknown-filter leave the rule out', () => {
    const more = '  skip-if-unknown-filter: true\n';
    expect(load(rule('no.such = 1', more)).ruleSet?.rules).toEqual([]);
    expect(load(rule('proc.name = ', more)).ruleSet).toBeNull();
  });

  it('are bombs that unfold to more than memory holds', () => {
    const chain = (count: number, condition: (i: number) => string) =>
      Array.from({ length: count }, (_, i) => `- macro: m${i}\n  condition: ${condition(i)}\n`).join('');
    const deep = chain(1500, (i) => (i === 0 ? 'fd.num = 1' : `not m${i - 1}`));
    expect(messages(load(deep + rule('m1499')))[0]).toBe('exceeded max depth limit of 1000');
    const wide = chain(40, (i) => (i === 0 ? 'fd.num = 1' : `m${i - 1} and m${i - 1}`));
    expect(messages(load(wide + rule('m39')))[0]).toContain('terms once its macros are put in');
    const lists = Array.from({ length: 40 }, (_, i) => `- list: l${i}\n  items: ["l${i + 1},l${i + 1}"]\n`);
    expect(messages(load(lists.join('') + rule('proc.name in (l0)')))[0]).toContain('lists once these are put in');
    const many = `- list: a\n  items: [${'1,'.repeat(3000)}]\n- list: b\n  items: [${'a,'.repeat(3000)}]\n`;
    expect(messages(load(many))[0]).toBe('List holds more than 200000 items');
  });

  it('of later files leave no rule set', () => {
    const result = load(rule('evt.type = open'), '- rule: R\n  condition: or\n  append: true\n');
    expect(result.ruleSet).toBeNull();
    expect(result.files.map(({ successful }) => successful)).toEqual([true, false]);
  });

  it('that are warnings are repeated with each file', () => {
    const result = load('- macro: unused\n  condition: evt.type = open\n', rule('evt.type = open'));
    expect(result.files.map(({ warnings }) => warnings.map(({ code }) => code))).toEqual([
      ['LOAD_UNUSED_MACRO'],
      ['LOAD_UNUSED_MACRO'],
    ]);
  });

  it('with <NA> in audit rules are pointed out', () => {
    const text = rule('ka.verb = "<NA>"', '  source: k8s_audit\n');
    expect(load(text).files[0]?.warnings.map(({ code }) => code)).toEqual(['LOAD_UNSAFE_NA_CHECK']);
  });
});

describe('versions', () => {
  it('of the engine are checked', () => {
    expect(load('- required_engine_version: 0.57.0\n').ruleSet).not.toBeNull();
    expect(messages(load('- required_engine_version: 0.99.0\n'))).toEqual([
      'Rules require engine version 0.99.0, but engine version is 0.63.0',
    ]);
  });

  it('of plugins are collected and checked', () => {
    const text = `
- required_plugin_versions:
  - name: a
    version: 0.4.0
    alternatives:
      - name: b
        version: 1.0.0
`;
    const required = load(text).definitions?.requiredPluginVersions ?? expect.fail();
    const check = (name: string, version: string) => checkPluginRequirements(required, [{ name, version }]);
    expect(check('a', '0.7.1')).toBeNull();
    expect(check('b', '1.2.0')).toBeNull();
    expect(check('a', '0.3.9')).toBe(
      "Plugin 'a' version '0.3.9' is not compatible with required plugin version '0.4.0'",
    );
    expect(check('c', '1.0.0')).toBe('Plugin requirement not satisfied, must load one of: a (>= 0.4.0), b (>= 1.0.0)');
    expect(messages(load(text.replace('1.0.0', 'one')))).toEqual(["Invalid required version 'one' for plugin 'b'"]);
  });
});

describe('results as text', () => {
  it('say what is wrong, where', () => {
    const { files } = load(rule('evt.type = '));
    expect(renderValidation(files, { json: false })).toEqual({
      exitCode: 1,
      stderr: '',
      stdout: `0.yaml: Invalid
1 Errors:
In rules content: (0.yaml:0:0)
    rule 'R': (0.yaml:1:2)
    rule condition: (0.yaml:3:13)
    condition expression: ("evt.type =":4:24)
------
evt.type =
         ^
------
LOAD_ERR_COMPILE_CONDITION (Error compiling condition): expected a string value or a field with a valid transformer: 'val', 'tolower', 'toupper', 'b64', 'basename', 'len', 'join', 'concat', 'getopt'
`,
    });
  });

  it('keep warnings apart', () => {
    const { files } = load(rule('proc.name = x'));
    const { stdout, stderr, exitCode } = renderValidation(files, { json: false });
    expect([stdout, exitCode]).toEqual(['0.yaml: Ok, with warnings\n', 0]);
    expect(stderr).toContain('LOAD_NO_EVTTYPE (Condition has no event-type restriction): ');
  });
});

describe('descriptions', () => {
  it('tell what rules, macros and lists are made of', () => {
    const text = `- list: l\n  items: [a]\n- macro: m\n  condition: proc.name in (l)\n${rule('evt.type = open and m')}`;
    const { definitions } = load(text);
    if (definitions === null) expect.fail();
    expect(describeAll(definitions, testCatalogue)).toMatchObject({
      lists: [{ details: { items_compiled: ['a'], used: true }, info: { name: 'l' } }],
      macros: [{ details: { lists: ['l'], condition_fields: ['proc.name'], used: true } }],
      rules: [{ details: { macros: ['m'], lists: [], events: ['asyncevent', 'open'], output_fields: [] } }],
    });
    expect(describeRule(definitions, 'R', testCatalogue)?.rules).toHaveLength(1);
    expect(describeRule(definitions, 'S', testCatalogue)).toBeNull();
  });

  it('make a table', () => {
    const { definitions } = load(rule('evt.type = open'));
    if (definitions === null) expect.fail();
    const line = (name: string, text: string) => `${name.padEnd(50)} ${text}\n`;
    expect(descriptionAsText(describeAll(definitions, testCatalogue))).toBe(
      line('Rule', 'Description') + line('----', '-----------') + line('R', 'd \n'),
    );
  });
});

describe('texts beyond ASCII', () => {
  it('are bytes within and text without', () => {
    const condition = `"evt.type = open and proc.name = 'é\\u00e8'"`;
    const { ruleSet, files } = load(rule(condition, '  tags: ["\\u00e9"]', 'Ü'));
    expect(files[0]?.diagnostics).toEqual([]);
    expect(ruleSet?.rules[0]).toMatchObject({
      name: 'Ü',
      tags: ['é'],
      condition: { children: [{}, { right: { value: { text: toByteString('éè') } } }] },
    });
  });
});
