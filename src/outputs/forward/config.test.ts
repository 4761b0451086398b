import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DESTINATIONS } from '../destinations/index.ts';
import { COMMON, GLOBALS, loadConfig, parseBytes } from './config.ts';
import { duration } from './option.ts';

const load = (source: string, env: Record<string, string> = {}) => loadConfig(source, 'c.yaml', env, DESTINATIONS);

describe('the configuration', () => {
  it("reads Falcosidekick's file: nested sections, any case, lists as texts", () => {
    const { outputs, globals, problems } = load(`
listenport: 2901
customFields: {Akey: AValue}
outputFieldFormat: "<timestamp>: <output>"
slack: {webhookurl: "https://hooks/x", minimumpriority: Critical, outputformat: fields}
alertmanager: {hostport: "http://a:9093,http://b:9093"}
AWS: {accesskeyid: k, secretaccesskey: s, region: eu-west-1, S3: {bucket: b}}
elasticsearch: {hostport: "http://es:9200", batching: {enabled: true, batchsize: 1000, flushinterval: 2s}}
mutualtlsclient: {certfile: /c}
`);
    expect(problems).toEqual([]);
    expect(globals).toMatchObject({
      listenport: 2901,
      customfields: { Akey: 'AValue' },
      outputfieldformat: '<timestamp>: <output>',
      'mutualtlsclient.certfile': '/c',
    });
    expect(outputs.map(({ id }) => id)).toEqual(['alertmanager', 'awss3', 'elasticsearch', 'slack']);
    expect(outputs[0].options.hostport).toEqual(['http://a:9093', 'http://b:9093']);
    expect(outputs[1].options).toMatchObject({ bucket: 'b', region: 'eu-west-1', accesskeyid: 'k' });
    expect(outputs[2].options).toMatchObject({ 'batching.batchsize': 1000, 'batching.flushinterval': '2s' });
    expect(outputs[3].common.minimumpriority).toBe('critical');
  });

  it('takes every key of every destination from the environment', () => {
    for (const { name, options } of DESTINATIONS) {
      for (const [key, option] of Object.entries(options)) {
        const variable = `${name}.${key}`.toUpperCase().replaceAll('.', '_');
        const given = {
          text: option.values?.at(-1) ?? 'v',
          integer: '7',
          flag: String(!option.default),
          list: 'a,b',
          map: 'k:v:w',
        }[option.type];
        // Everything that could turn the output on is set too.
        const all = Object.fromEntries(
          Object.entries(options)
            .filter(([other, { type }]) => (type !== 'flag' || other === 'enabled') && type !== 'map')
            .map(([other, { type, values }]) => [
              `${name}.${other}`.toUpperCase().replaceAll('.', '_'),
              type === 'integer' ? '1' : type === 'flag' ? 'true' : (values?.at(-1) ?? 'v'),
            ]),
        );
        const { outputs, problems } = load('', { ...all, [variable]: given });
        expect(problems, variable).toEqual([]);
        const output = outputs.find(({ destination }) => destination.name === name);
        expect(output?.options[key], variable).toEqual(
          { text: given, integer: 7, flag: !option.default, list: ['a', 'b'], map: { k: 'v:w' } }[option.type],
        );
      }
    }
  });

  it('lets the environment win over the file', () => {
    const { outputs } = load('slack: {webhookurl: "https://file"}', { SLACK_WEBHOOKURL: 'https://environment' });
    expect(outputs[0].options.webhookurl).toBe('https://environment');
  });

  it('does not take what others have set under the same names', () => {
    const { problems, globals, outputs } = load('syslog: {host: h, port: 514}', {
      DEBUG: 'express:*',
      SYSLOG_PORT: 'tcp://10.0.0.1:514',
    });
    expect(problems).toEqual([]);
    expect(globals.debug).toBe(false);
    expect(outputs[0].options.port).toBe(514);
  });

  it('leaves what a sample file has empty as it is', () => {
    const { outputs, problems } = load(
      'slack: {webhookurl: https://x, footer: "", outputformat: "", checkcert: "", maxconcurrentrequests: ""}',
    );
    expect(problems).toEqual([]);
    expect(outputs[0].options).toMatchObject({ footer: '', outputformat: 'all' });
    expect(outputs[0].common).toMatchObject({ checkcert: true, maxconcurrentrequests: 1 });
  });

  it('reports everything wrong at once, with its place', () => {
    const { problems } = load(
      'listenport: many\nslack:\n  webhookurl: https://x\n  minimumpriority: horrible\n  webhokurl: y\nslakc: {}\n',
    );
    expect(problems.map(({ message, place, severity }) => `${severity} ${place}: ${message}`)).toEqual([
      'error c.yaml:1:13: listenport: expected a whole number',
      expect.stringMatching(/^error c\.yaml:4:20: slack\.minimumpriority: expected one of , emergency, alert/),
      'warning c.yaml:5:3: unknown key slack.webhokurl; did you mean slack.webhookurl?',
      'warning c.yaml:6:1: unknown key slakc; did you mean slack?',
    ]);
  });

  it('knows several outputs of one kind', () => {
    const { outputs, problems } = load(
      'slack: [{instance: sec, webhookurl: a, match: "priority >= Critical"}, {instance: ops, webhookurl: b}, {instance: ops, webhookurl: c}]',
    );
    expect(outputs.map(({ id }) => id)).toEqual(['slack:sec', 'slack:ops']);
    expect(problems).toEqual([
      expect.objectContaining({
        severity: 'error',
        message: 'two outputs are called slack:ops: give them different names',
      }),
    ]);
  });

  it('reads secrets from files and remembers them', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'windhover-config-')), 'token');
    writeFileSync(file, 'top-secret\n');
    expect(load(`slack: {webhookurl_file: ${file}}`)).toMatchObject({
      problems: [],
      secrets: ['top-secret'],
      outputs: [{ options: { webhookurl: 'top-secret' } }],
    });
    expect(load('', { SLACK_WEBHOOKURL_FILE: file }).outputs[0].options.webhookurl).toBe('top-secret');
    expect(load('slack: {webhookurl_file: /nowhere}').problems[0].message).toContain('cannot read the secret');
  });

  it('says what is wrong with a file that is no YAML', () => {
    expect(load('slack: [').problems[0]).toMatchObject({ severity: 'error' });
    expect(load('- a').problems[0].message).toBe('expected a mapping');
  });

  it('never throws, whatever the file', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (source) => void load(source)),
      { numRuns: 100 },
    );
  });

  it('has no two options whose environment names are the same', () => {
    const names = [
      ...Object.keys(GLOBALS),
      ...DESTINATIONS.flatMap(({ name, options }) =>
        [...Object.keys(options), ...Object.keys(COMMON)].map((key) => `${name}.${key}`),
      ),
    ].map((path) => path.toUpperCase().replaceAll('.', '_'));
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  });
});

describe('sizes and durations', () => {
  it('reads them', () => {
    expect(['1GiB', '512 MB', '1000', '2k', 'x'].map(parseBytes)).toEqual([2 ** 30, 512e6, 1000, 2000, null]);
    expect(['1s', '1m30s', '500ms', '0s', '72h'].map(duration)).toEqual([1000, 90_000, 500, 0, 259_200_000]);
  });
});
