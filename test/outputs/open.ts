import { stringify } from 'yaml';
import { DESTINATIONS } from '../../src/outputs/destinations/index.ts';
import { type Alert, readAlert } from '../../src/outputs/forward/alert.ts';
import { loadConfig, type OutputConfig } from '../../src/outputs/forward/config.ts';
import type { Environment, Sink } from '../../src/outputs/forward/destination.ts';
import { enricher } from '../../src/outputs/forward/enrich.ts';
import { environmentOf } from '../../src/outputs/forward/forwarder.ts';
import { ENRICHMENT, HOSTILE } from './alert.ts';

/** One output made from a section's settings, the way the forwarder makes it. */
export function configure(name: string, settings: Record<string, unknown>, env: Record<string, string> = {}) {
  const nested = name.split('.').reduceRight<Record<string, unknown>>((inner, key) => ({ [key]: inner }), settings);
  const config = loadConfig(stringify(nested), 'test', env, DESTINATIONS);
  const errors = config.problems.map(({ message }) => message);
  if (errors.length > 0) throw new Error(errors.join('\n'));
  const output = config.outputs.find(({ destination }) => destination.name === name);
  if (output === undefined) throw new Error(`${name} is not enabled by ${JSON.stringify(settings)}`);
  return { config, output };
}

/** Opens one output; `change` replaces parts of what it is given. */
export async function openOutput(
  name: string,
  settings: Record<string, unknown>,
  change: Partial<Environment> = {},
): Promise<{ sink: Sink; output: OutputConfig }> {
  const { config, output } = configure(name, settings);
  const environment = {
    ...environmentOf(config, output, [output.destination.label], Date.now),
    customfields: Object.keys(ENRICHMENT.customfields),
    templatedfields: Object.keys(ENRICHMENT.templatedfields),
    ...change,
  };
  return { sink: await output.destination.open(output.options as never, environment), output };
}

const enrich = enricher(ENRICHMENT);

/** The hostile alert, enriched; `change` replaces members of what Falco sent. */
export function hostile(change: Record<string, unknown> = {}): Alert {
  const bytes = Object.keys(change).length === 0 ? HOSTILE : JSON.stringify({ ...JSON.parse(HOSTILE), ...change });
  return enrich(readAlert(Buffer.from(bytes), Date.parse('2026-11-24T05:00:00Z')));
}
