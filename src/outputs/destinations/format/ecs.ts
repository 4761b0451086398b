import { type Alert, textOf } from '../../forward/alert.ts';

/** ECS fields and the output fields that they come from (Elastic Common Schema 8.11). */
const FIELDS: readonly [ecs: string, field: string, numeric?: 'numeric'][] = [
  ['process.name', 'proc.name'],
  ['process.pid', 'proc.pid', 'numeric'],
  ['process.command_line', 'proc.cmdline'],
  ['process.executable', 'proc.exepath'],
  ['process.working_directory', 'proc.cwd'],
  ['process.parent.name', 'proc.pname'],
  ['process.parent.pid', 'proc.ppid', 'numeric'],
  ['user.name', 'user.name'],
  ['user.id', 'user.uid'],
  ['container.id', 'container.id'],
  ['container.name', 'container.name'],
  ['container.image.name', 'container.image.repository'],
  ['orchestrator.namespace', 'k8s.ns.name'],
  ['orchestrator.resource.name', 'k8s.pod.name'],
  ['file.path', 'fd.name'],
  ['source.ip', 'fd.cip'],
  ['source.port', 'fd.cport', 'numeric'],
  ['destination.ip', 'fd.sip'],
  ['destination.port', 'fd.sport', 'numeric'],
];

/** The alert in the Elastic Common Schema, with the output fields kept below `falco`. */
export function toEcs(alert: Alert): Record<string, unknown> {
  const techniques = alert.tags.filter((tag) => /^T\d{4}(\.\d{3})?$/.test(tag));
  const document: Record<string, unknown> = {
    '@timestamp': alert.time,
    ecs: { version: '8.11.0' },
    message: alert.output,
    event: {
      id: alert.uuid,
      kind: 'alert',
      category: ['intrusion_detection'],
      type: ['info'],
      action: alert.rule,
      module: 'falco',
      provider: alert.source,
      severity: 8 - alert.level,
    },
    log: { level: alert.priority.toLowerCase() },
    rule: { name: alert.rule },
    observer: { vendor: 'Falcosecurity', product: 'Falco', ...(alert.hostname !== '' && { hostname: alert.hostname }) },
    ...(alert.hostname !== '' && { host: { name: alert.hostname } }),
    ...(techniques.length > 0 && {
      threat: { framework: 'MITRE ATT&CK', technique: techniques.map((id) => ({ id })) },
    }),
    tags: alert.tags,
    falco: { output_fields: alert.fields },
  };
  for (const [path, field, numeric] of FIELDS) {
    const text = textOf(alert.fields[field]);
    // fd.name is a file only when it is no connection.
    if (text === '' || (path === 'file.path' && !text.startsWith('/'))) continue;
    let at = document;
    const keys = path.split('.');
    for (const key of keys.slice(0, -1)) at = at[key] = { ...(at[key] as Record<string, unknown> | undefined) };
    at[keys.at(-1) as string] = numeric === undefined ? text : Number(text);
  }
  return document;
}
