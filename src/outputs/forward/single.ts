import { stringify } from 'yaml';
import { loadConfig } from './config.ts';
import type { Destination, Sink } from './destination.ts';
import { environmentOf } from './forwarder.ts';

/** Settings of one section, checked. @throws Error with everything that is wrong */
function configure(name: string, settings: Readonly<Record<string, unknown>>, destinations: readonly Destination[]) {
  const section = name.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), settings);
  const config = loadConfig(stringify(section), name, {}, destinations);
  const problems = config.problems.map(({ message }) => message);
  const output = config.outputs.find(({ destination }) => destination.name === name);
  if (output === undefined) problems.push(`${name}: the setting that turns it on is missing`);
  if (problems.length > 0 || output === undefined) throw new Error(problems.join('; '));
  return { config, output };
}

/** What is wrong with the settings of a destination; null when nothing is. */
export function problemOfSettings(
  name: string,
  settings: Readonly<Record<string, unknown>>,
  destinations: readonly Destination[],
): string | null {
  try {
    configure(name, settings, destinations);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Opens one destination outside of a forwarder: without a queue, a delivery is tried once. */
export async function openSingle(
  name: string,
  settings: Readonly<Record<string, unknown>>,
  destinations: readonly Destination[],
): Promise<Sink> {
  const { config, output } = configure(name, settings, destinations);
  const environment = environmentOf(config, output, [name], Date.now);
  const sink = await output.destination.open(output.options as never, environment);
  return {
    ...sink,
    async close() {
      await sink.close?.();
      environment.http.close();
    },
  };
}
