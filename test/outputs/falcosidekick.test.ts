import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { DESTINATIONS } from '../../src/outputs/destinations/index.ts';
import { loadConfig } from '../../src/outputs/forward/config.ts';

/**
 * Every key that Falcosidekick's configuration has, by its own names (`aws.s3.bucket: text`), each with a value of its type:
 * whoever changes over keeps the file.
 */
const KEYS = readFileSync(new URL('./fixtures/falcosidekick-keys.txt', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line): [string, string] => {
    const at = line.indexOf(': ');
    return [line.slice(0, at), line.slice(at + 2)];
  });
/** Ours alone. */
const OWN = ['aws.securityhub', 'azure.blob'];
const theirs = DESTINATIONS.map(({ name }) => name).filter((name) => !OWN.includes(name));

describe("Falcosidekick's configuration", () => {
  it('is taken whole: no key is unknown, no value is refused, every destination is on', () => {
    const tree: Record<string, unknown> = {};
    for (const [key, value] of KEYS) {
      const parts = key.split('.');
      let at = tree;
      for (const part of parts.slice(0, -1)) at = (at[part] ??= {}) as Record<string, unknown>;
      at[parts.at(-1) as string] = parse(value);
    }
    const { problems, outputs } = loadConfig(stringify(tree), 'config.yaml', {}, DESTINATIONS);
    expect(problems).toEqual([]);
    expect(outputs.map(({ destination }) => destination.name).sort()).toEqual(theirs.sort());
  });

  it('is taken from the environment as well, under the same names', () => {
    const written = (value: string): string => {
      const read = parse(value) as unknown;
      if (Array.isArray(read)) return read.join(',');
      if (typeof read === 'object' && read !== null)
        return Object.entries(read)
          .map(([name, each]) => `${name}:${each}`)
          .join(',');
      return String(read);
    };
    const env = Object.fromEntries(
      KEYS.map(([key, value]) => [key.toUpperCase().replaceAll('.', '_'), written(value)]),
    );
    const { problems, outputs, globals } = loadConfig('', 'config.yaml', env, DESTINATIONS);
    expect(problems).toEqual([]);
    expect(outputs.map(({ destination }) => destination.name).sort()).toEqual(theirs.sort());
    expect(globals.customfields).toEqual({ a: 'b' });
    expect(outputs.find(({ id }) => id === 'alertmanager')?.options.extralabels).toEqual({ a: 'b' });
  });
});
