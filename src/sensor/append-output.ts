import { type Config, loadedPlugins } from '../config/index.ts';
import type { BoundCatalogue } from '../fields/index.ts';

interface RuleIdentity {
  readonly name: string;
  readonly source: string;
  readonly tags: readonly string[];
}

/** A function that gives a rule's output with what `append_output` (and `-p`) adds to it. */
export function appendOutput(
  config: Config,
  catalogue: BoundCatalogue,
  print: string,
): (rule: RuleIdentity, output: string) => string {
  const plugins = new Set(loadedPlugins(config).map((plugin) => plugin.name));
  // Containers are always looked up; what stands around their pods only when it is asked for.
  const suggested = catalogue.fields.filter(
    (field) => field.suggested && (field.class !== 'k8smeta' || plugins.has('k8smeta')),
  );
  return (rule, output) => {
    const parts = [output];
    for (const entry of entriesFor(config, rule)) {
      if (entry.extra_output !== '') parts.push(entry.extra_output);
      if (!entry.suggested_output) continue;
      for (const { name, sources } of suggested) {
        if (sources.length === 0 || sources.includes(rule.source)) parts.push(`${name.replace(/\./g, '_')}=%${name}`);
      }
    }
    if (print !== '') parts.push(print);
    return parts.join(' ');
  };
}

export interface ExtraField {
  /** The key in `output_fields`. */
  readonly key: string;
  /** A format string, or null for the value of the field `key` itself. */
  readonly format: string | null;
}

/** The fields that `append_output` adds to the JSON alerts of a rule. */
export function extraFields(config: Config, rule: RuleIdentity): ExtraField[] {
  return entriesFor(config, rule).flatMap((entry) =>
    entry.extra_fields.flatMap((field): ExtraField[] =>
      typeof field === 'string'
        ? [{ key: field, format: null }]
        : Object.entries(field).map(([key, format]) => ({ key, format })),
    ),
  );
}

function entriesFor(config: Config, rule: RuleIdentity): Config['append_output'] {
  return config.append_output.filter(
    ({ match }) =>
      (match.rule === '' || match.rule === rule.name) &&
      (match.source === '' || match.source === rule.source) &&
      match.tags.every((tag) => rule.tags.includes(tag)),
  );
}
