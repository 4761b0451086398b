import type { Alert, FieldValue } from './alert.ts';
import { parseTemplate, type Template } from './template.ts';

/** What the configuration adds to each alert. */
export interface Enrichment {
  readonly customfields: Readonly<Record<string, string>>;
  readonly templatedfields: Readonly<Record<string, string>>;
  readonly customtags: readonly string[];
  /** `proc.aname[2]` becomes `proc.aname<this>2`; empty: names stay. */
  readonly bracketreplacer: string;
  readonly outputFieldFormat: string;
}

/** How Falco begins an output in text form: `15:04:05.123456789: Warning …`. */
const DATED = /^(\S+): (\w+) (.*)$/s;

/** Prepares the enrichment. @throws TemplateError for a templated field that cannot be parsed. */
export function enricher(settings: Enrichment): (alert: Alert) => Alert {
  const templates = Object.entries(settings.templatedfields).map(([name, text]): [string, Template] => [
    name,
    parseTemplate(text),
  ]);
  const custom = Object.entries(settings.customfields).map(([name, value]): [string, string] => [
    name,
    value.startsWith('%') ? (process.env[value.slice(1)] ?? '') : value,
  ]);
  const replacer = settings.bracketreplacer;
  const renamed = (name: string) => (replacer === '' ? name : name.replaceAll('[', replacer).replaceAll(']', ''));

  return (alert) => {
    const fields: Record<string, FieldValue> = { ...alert.fields };
    for (const [name, value] of custom) fields[name] = value;
    const templated: [string, string][] = templates.map(([name, template]) => [name, template(fields)]);
    for (const [name, value] of templated) fields[name] = value;
    const sorted: Record<string, FieldValue> = {};
    for (const name of Object.keys(fields).sort()) sorted[renamed(name)] = fields[name];
    const tags = [...alert.tags, ...settings.customtags].sort();
    return {
      ...alert,
      fields: sorted,
      tags,
      output: formatOutput(settings.outputFieldFormat, alert, custom, templated, tags),
    };
  };
}

function formatOutput(
  format: string,
  alert: Alert,
  custom: readonly [string, string][],
  templated: readonly [string, string][],
  tags: readonly string[],
): string {
  const parts = format === '' ? null : DATED.exec(alert.output);
  if (parts === null) return alert.output;
  const pairs = (list: readonly [string, string][]) => list.map(([name, value]) => `${name}=${value}`).join(' ');
  const values: Record<string, string> = {
    timestamp: parts[1],
    priority: alert.priority,
    output: parts[3],
    custom_fields: pairs(custom),
    templated_fields: pairs(templated),
    tags: tags.join(' '),
  };
  // One pass: a value that looks like a token stays a value.
  return format
    .replace(/<(\w+)>/g, (token, name: string) => values[name] ?? token)
    .replace(/ ?\( *\)$/, '')
    .trimEnd();
}

/** What templates see of an alert: Falcosidekick's names. */
export function templateData(alert: Alert): Record<string, unknown> {
  return {
    UUID: alert.uuid,
    Output: alert.output,
    Priority: alert.priority,
    Rule: alert.rule,
    Time: alert.time,
    OutputFields: alert.fields,
    Source: alert.source,
    Tags: alert.tags,
    Hostname: alert.hostname,
  };
}
