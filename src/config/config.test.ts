// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the syntax under test is ${NAME}.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expandEnvironment } from './environment.ts';
import { ConfigError, enabledRules, loadedPlugins, parseDuration, rulesFiles } from './index.ts';
import { jsonSchema } from './json-schema.ts';
import { load as loadConfig } from './load.ts';
import { applyOption, parseOption, type Raw } from './option.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'windhover-config-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

function load(text: string, options: string[] = [], environment: Record<string, string> = {}) {
  return loadConfig({ file: file('falco.yaml', text), options, environment });
}

function failure(action: () => unknown): ConfigError {
  try {
    action();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('no ConfigError was thrown');
}

describe('values', () => {
  test('a key that is left out has the default of Falco’s code', () => {
    const { config } = load('');
    expect(config.stdout_output.enabled).toBe(false);
    expect(config.syscall_event_drops.actions).toEqual(['ignore']);
    expect(config.syscall_event_drops.threshold).toBe(0.1);
    expect(config.append_output).toMatchObject([{ suggested_output: true }]);
    expect(config.falco_libs.thread_table_size).toBe(262144);
  });

  test('text becomes what the schema asks for', () => {
    const { config, warnings } = load(
      'json_output: "yes"\nlog_stderr: on\noutput_timeout: 0x10\nsyscall_event_drops: {threshold: .5, rate: 1e-2}\n' +
        'static_fields: {version: 1.10}\npriority: WARNING\nrules_files: one.yaml\n',
    );
    expect(warnings).toEqual([]);
    expect(config.json_output).toBe(true);
    expect(config.log_stderr).toBe(true);
    expect(config.output_timeout).toBe(16);
    expect(config.syscall_event_drops).toMatchObject({ threshold: 0.5, rate: 0.01 });
    expect(config.static_fields).toEqual({ version: '1.10' });
    expect(config.rules_files).toEqual(['one.yaml']);
  });

  test('aliases and merge keys are resolved, an alias in its own anchor is refused', () => {
    const { config } = load(
      'file_output: &f {enabled: true, filename: &name /tmp/x}\nwindhover: {syslog: {ident: *name}}\n',
    );
    expect(config.windhover.syslog.ident).toBe('/tmp/x');
    expect(failure(() => load('a: &a [*a]\n')).message).toContain('own anchor');
  });

  test('a value of the wrong type is reported with its place, and the default holds', () => {
    const { config, warnings } = load('webserver:\n  listen_port: many\n');
    expect(config.webserver.listen_port).toBe(8765);
    expect(warnings[0]).toMatchObject({ position: { line: 2, column: 16 } });
    expect(warnings[0]?.message).toContain('a whole number');
  });

  test('an unknown key is reported with the nearest known one', () => {
    const { warnings } = load('stdout_outptu:\n  enabled: true\nfile_output:\n  filname: x\n');
    expect(warnings.map((w) => w.message)).toEqual([
      "Unknown configuration key 'stdout_outptu'. The key will be ignored. Did you mean 'stdout_output'?",
      "Unknown configuration key 'file_output.filname'. The key will be ignored. Did you mean 'filename'?",
    ]);
    expect(warnings[1]?.position).toMatchObject({ line: 4 });
  });

  test('keys of removed features are accepted with a message', () => {
    const { warnings } = load('grpc: {enabled: true}\n');
    expect(warnings[0]?.message).toContain('has no effect');
  });

  test('what Falco refuses is refused in its words, with place and remedy', () => {
    const cases: [string, string][] = [
      ['rule_matching: test', 'Unknown rule matching strategy'],
      ['priority: high', 'Unknown priority'],
      ['syscall_event_drops: {threshold: 1.1}', 'syscall event drops threshold must be a double in the range [0, 1]'],
      ['syscall_event_drops: {threshold: -1}', 'syscall event drops threshold must be a double in the range [0, 1]'],
      [
        'syscall_event_drops: {actions: [ignore, log]}',
        'syscall event drop action "log" does not make sense with the "ignore" action',
      ],
      ['engine: {kind: replay}', "engine.kind is 'replay' but no engine.replay.capture_file specified"],
      ['engine: {kind: gvisor}', "engine.kind 'gvisor' is not a valid kind"],
      ['rules_file: a\nrules_files: [b]', "both 'rules_files' and 'rules_file' keys set"],
      ['webserver: {enabled: true, listen_address: localhost}', 'is not a valid IP address'],
      ['program_output: {enabled: true}', 'program output enabled but no program'],
      ['metrics: {enabled: true, interval: 10ms}', 'metrics interval'],
    ];
    for (const [text, message] of cases) {
      const error = failure(() => load(text));
      expect(error.message).toContain(message);
      expect(error.position?.line).toBe(1);
      expect(error.remedy).not.toBeNull();
    }
  });

  test('what is no YAML mapping is refused with its place', () => {
    expect(failure(() => load('a: [1\nb: 2\n')).position).toMatchObject({ line: 2 });
    expect(failure(() => load('- a\n')).message).toContain('mapping');
    expect(failure(() => loadConfig({ file: join(directory, 'none.yaml') })).message).toContain('ENOENT');
  });

  test('any text either loads or gives a ConfigError', () => {
    const words = fc.constantFrom(
      'a',
      'engine',
      'kind',
      ':',
      ' ',
      '\n',
      '- ',
      '[',
      ']',
      '{',
      '}',
      '&x ',
      '*x',
      '"',
      "'",
      '|',
      '>',
      '${A}',
      '#',
      '? ',
      '!!',
      '%',
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 20 }), (parts) => {
        try {
          load(parts.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('environment', () => {
  const environment = { A: 'value', NESTED: '[${A}]', LOOP: '${LOOP}x' };
  test.each([
    ['${A}', 'value'],
    ['${A}_tail', 'value_tail'],
    ['$${A}', '${A}'],
    ['$A', '$A'],
    ['${MISSING}', ''],
    ['${NESTED}', '[value]'],
    ['${LOOP}', 'x'],
    ['$${A} ${A} ${', '${A} value ${'],
  ])('%s → %s', (text, expected) => {
    expect(expandEnvironment(text, environment)).toBe(expected);
  });

  test('holds for the file, not for -o', () => {
    const { config } = load('time_format_iso_8601: ${ON}\n', ['static_fields.x=${ON}'], { ON: 'true' });
    expect(config.time_format_iso_8601).toBe(true);
    expect(config.static_fields).toEqual({ x: '${ON}' });
  });
});

describe('-o', () => {
  const apply = (root: Record<string, Raw>, ...options: string[]) => {
    for (const option of options) applyOption(root, parseOption(option));
    return root;
  };
  test('paths, elements, appending, escapes', () => {
    expect(apply({}, 'a.b.c=1')).toEqual({ a: { b: { c: '1' } } });
    expect(apply({ l: ['x'] }, 'l[]=y', 'l[0]=z', 'l[3]=w')).toEqual({ l: ['z', 'y', null, 'w'] });
    expect(apply({}, 'rules[].disable.tag=a', 'rules[].enable.rule=*')).toEqual({
      rules: [{ disable: { tag: 'a' } }, { enable: { rule: '*' } }],
    });
    expect(apply({}, 'static_fields.a\\.b\\[c\\\\=v')).toEqual({ static_fields: { 'a.b[c\\': 'v' } });
    expect(apply({}, 'append_output[]={"match": {"source": "syscall"}, "extra_fields": ["a", {"b": "%c"}]}')).toEqual({
      append_output: [{ match: { source: 'syscall' }, extra_fields: ['a', { b: '%c' }] }],
    });
    expect(apply({ append_output: [] }, 'append_output.suggested_output=false')).toEqual({
      append_output: { suggested_output: 'false' },
    });
  });

  test('applied last, and named as the place of what is wrong', () => {
    const { config } = load('json_output: false\n', ['json_output=true', 'load_plugins[0]=json']);
    expect(config.json_output).toBe(true);
    expect(config.load_plugins).toEqual(['json']);
    expect(failure(() => load('', ['rule_matching=some'])).position).toMatchObject({
      file: '-o rule_matching=some',
      line: 0,
    });
  });

  test.each(['json_output', '=x', '[0]=x', 'a[b]=c', 'a[=c', 'a={'])('%s is refused', (option) => {
    expect(failure(() => load('', [option])).message).toContain(`"${option}"`);
  });

  test('setting a path makes exactly that value', () => {
    const key = fc.stringMatching(/^[a-z_]{1,6}$/);
    fc.assert(
      fc.property(
        fc.array(key, { minLength: 1, maxLength: 4 }),
        fc.stringMatching(/^[a-z =.]{0,8}$/),
        (path, value) => {
          const root = apply({}, `${path.join('.')}=${value}`);
          let node: Raw = root;
          for (const step of path) node = (node as Record<string, Raw>)[step] as Raw;
          expect(node).toBe(value);
        },
      ),
    );
  });
});

describe('config_files', () => {
  test('merge by top-level key, by strategy, in order', () => {
    const folder = join(directory, 'config.d');
    mkdirSync(folder);
    writeFileSync(join(folder, '2.yaml'), 'rules_files: [c]\nfile_output: {filename: two}\n');
    writeFileSync(join(folder, '1.yaml'), 'rules_files: [b]\nfile_output: {enabled: true, filename: one}\n');
    mkdirSync(join(folder, 'sub'));
    const over = file('over.yaml', 'rules_files: [only]\n');
    const add = file('add.yaml', 'rules_files: [none]\nprogram_output: {program: cat}\n');
    const main = (rest: string) =>
      `rules_files: [a]\nconfig_files: [${folder}, ${join(directory, 'missing')}${rest}]\n`;

    const appended = load(main(''));
    expect(appended.config.rules_files).toEqual(['a', 'b', 'c']);
    expect(appended.config.file_output).toMatchObject({ enabled: false, filename: 'two' });
    expect(appended.directories).toEqual([folder]);
    expect(appended.files.map((f) => f.path.split('/').at(-1))).toEqual(['falco.yaml', '1.yaml', '2.yaml']);
    expect(appended.locate(['rules_files', 2])).toMatchObject({ file: join(folder, '2.yaml'), line: 1, column: 15 });

    expect(load(main(`, {path: ${over}, strategy: override}`)).config.rules_files).toEqual(['only']);
    const added = load(main(`, {path: ${add}, strategy: add-only}`)).config;
    expect(added.rules_files).toEqual(['a', 'b', 'c']);
    expect(added.program_output.program).toBe('cat');
    expect(load('rules_files: [a]\n', [`config_files[]=${over}`]).config.rules_files).toEqual(['a', 'only']);
  });

  test('a file must not include itself, nor an included one include others', () => {
    const own = join(directory, 'falco.yaml');
    expect(failure(() => load(`config_files: [${own}]\n`)).message).toContain('include itself');
    const nested = file('nested.yaml', 'config_files: [x]\n');
    expect(failure(() => load(`config_files: [${nested}]\n`)).message).toContain("tried to set 'config_files'");
    expect(failure(() => load('config_files: [{path: x, strategy: best}]\n')).message).toContain('strategy');
  });
});

describe('rules', () => {
  const rules = [
    { name: 'open (a)', tags: ['a'], enabled: true },
    { name: 'open b', tags: ['a', 'b'], enabled: false },
    { name: 'exec', tags: [], enabled: true },
  ];
  test.each([
    [[], ['open (a)', 'exec']],
    [[{ disable: { tag: 'a' } }], ['exec']],
    [[{ disable: { rule: '*' } }, { enable: { tag: 'b' } }], ['open b']],
    [[{ disable: { rule: 'open (a)' } }], ['exec']],
    [[{ enable: { rule: 'open*' } }], ['open (a)', 'exec', 'open b']],
    [[{ disable: { rule: 'pen' } }], ['open (a)', 'exec']],
  ])('%j → %j', (selectors, on) => {
    expect([...enabledRules(rules, selectors)]).toEqual(on);
  });

  test('files of directories in order; missing ones only matter with -r', () => {
    const folder = join(directory, 'rules.d');
    mkdirSync(folder);
    for (const name of ['b.yaml', 'a.yml', 'c.txt']) writeFileSync(join(folder, name), '');
    const one = file('one.yaml', '');
    const found = rulesFiles([one, join(directory, 'missing.yaml'), folder], false);
    expect(found.files).toEqual([one, join(folder, 'a.yml'), join(folder, 'b.yaml')]);
    expect(found.directories).toEqual([folder]);
    expect(() => rulesFiles([join(directory, 'missing.yaml')], true)).toThrow('missing.yaml');
  });
});

test('plugins are the built-in ones that the configuration loads', () => {
  const plugins = 'plugins: [{name: k8saudit, open_params: "http://:9765/k8s-audit"}, {name: json}, {name: okta}]\n';
  expect(loadedPlugins(load(`${plugins}load_plugins: [json, k8saudit]\n`).config)).toMatchObject([
    { name: 'json' },
    { name: 'k8saudit', openParams: 'http://:9765/k8s-audit', source: { name: 'k8s_audit' } },
  ]);
  expect(loadedPlugins(load(`${plugins}load_plugins: []\n`).config)).toEqual([]);
  expect(loadedPlugins(load('load_plugins: [container]\n').config)).toMatchObject([{ name: 'container' }]);
  expect(failure(() => loadedPlugins(load(plugins).config)).message).toContain("plugin 'okta'");
  expect(failure(() => loadedPlugins(load('load_plugins: [x]\n').config)).message).toContain('plugin config not found');
});

test.each([
  ['1h', 3_600_000],
  ['1h30m', 5_400_000],
  ['5s', 5000],
  ['100ms', 100],
  ['2d', 172_800_000],
  ['1500', 1500],
  ['', null],
  ['1x', null],
  ['30m1h', null],
])('duration %s', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test('the JSON schema names every key and allows no other', () => {
  const schema = jsonSchema() as { properties: Record<string, unknown>; additionalProperties: boolean };
  expect(schema.additionalProperties).toBe(false);
  expect(Object.keys(schema.properties)).toContain('outputs_queue');
  expect(schema.properties.webserver).toMatchObject({
    additionalProperties: false,
    properties: { listen_port: { type: 'integer', default: 8765 } },
  });
});
