import type { Alert } from '../forward/alert.ts';
import { httpDestination, JSON_HEADERS, join } from '../forward/destination.ts';
import { secret, text } from '../forward/option.ts';

/** Dynatrace's semantic attributes and the output fields that they come from. */
const ATTRIBUTES: readonly [attribute: string, field: string][] = [
  ['container.id', 'container.id'],
  ['container.name', 'container.name'],
  ['container.image.name', 'container.image.repository'],
  ['container.image.tag', 'container.image.tag'],
  ['k8s.namespace.name', 'k8s.ns.name'],
  ['k8s.pod.name', 'k8s.pod.name'],
  ['k8s.pod.uid', 'k8s.pod.id'],
  ['process.executable.name', 'proc.name'],
  ['process.executable.path', 'proc.exepath'],
];

export const dynatrace = httpDestination({
  name: 'dynatrace',
  label: 'dynatrace',
  group: 'logs',
  doc: 'Log records in Dynatrace.',
  options: {
    apitoken: secret('A token with the scope `logs.ingest`; turns the output on, with the URL.'),
    apiurl: text('URL of the API, `https://ENVIRONMENT.live.dynatrace.com/api`.'),
  },
  enabled: (o) => o.apitoken !== '' && o.apiurl !== '',
  batch: () => ({ count: 500, bytes: 900_000, linger: 0 }),
  request: (alerts, o) => ({
    url: join(o.apiurl, '/v2/logs/ingest'),
    headers: { ...JSON_HEADERS, Authorization: `Api-Token ${o.apitoken}` },
    body: JSON.stringify(alerts.map(record)),
  }),
});

function record(alert: Alert): Record<string, unknown> {
  const technique = alert.tags.find((tag) => /^T\d{4}(\.\d+)?$/.test(tag));
  const tactic = alert.tags.find((tag) => tag.startsWith('mitre_'));
  return {
    timestamp: new Date(Number(alert.nanoseconds / 1_000_000n)).toISOString(),
    'event.id': alert.uuid,
    'event.name': alert.rule,
    'event.provider': 'Falco',
    severity: alert.priority,
    ...(alert.hostname !== '' && { 'host.name': alert.hostname }),
    'log.source': alert.source,
    content: { output: alert.output, output_fields: alert.fields, ...(alert.tags.length > 0 && { tags: alert.tags }) },
    ...(technique !== undefined && { 'mitre.technique': technique }),
    ...(tactic !== undefined && { 'mitre.tactic': tactic }),
    ...Object.fromEntries(
      ATTRIBUTES.map(([attribute, field]) => [attribute, alert.fields[field]]).filter(
        ([, value]) => value !== undefined && value !== null,
      ),
    ),
  };
}
