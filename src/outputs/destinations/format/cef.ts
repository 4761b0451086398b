import { type Alert, textOf } from '../../forward/alert.ts';

/** CEF's keys and the output fields that they come from (ArcSight, "Common Event Format", extension dictionary). */
const KEYS: readonly [key: string, field: string][] = [
  ['dproc', 'proc.name'],
  ['dpid', 'proc.pid'],
  ['sproc', 'proc.pname'],
  ['spid', 'proc.ppid'],
  ['suser', 'user.name'],
  ['suid', 'user.uid'],
  ['filePath', 'fd.name'],
  ['src', 'fd.sip'],
  ['spt', 'fd.sport'],
  ['dst', 'fd.rip'],
  ['dpt', 'fd.rport'],
];

/** The alert in CEF: header fields escape `|` and `\`, values `=`, `\` and line breaks. */
export function toCef(alert: Alert): string {
  const head = (value: string) => value.replace(/[\r\n]+/g, ' ').replace(/[\\|]/g, '\\$&');
  const extension = (value: string) => value.replace(/[\\=]/g, '\\$&').replace(/\r/g, '\\r').replace(/\n/g, '\\n');
  // Emergency 10, Alert 9, …, Debug 3: the scale of CEF is 0 to 10.
  const severity = 10 - alert.level;
  const pairs: [string, string][] = [
    ['externalId', alert.uuid],
    ['rt', String(alert.nanoseconds / 1_000_000n)],
    ['dvchost', alert.hostname],
    ['msg', alert.output],
    ['cat', alert.source],
    ...KEYS.map(([key, field]): [string, string] => [key, textOf(alert.fields[field])]),
    ['cs1', textOf(alert.fields['proc.cmdline'])],
    ['cs1Label', 'cmdline'],
    ['cs2', textOf(alert.fields['container.id'])],
    ['cs2Label', 'container'],
    ['cs3', textOf(alert.fields['k8s.ns.name'])],
    ['cs3Label', 'namespace'],
    ['cs4', textOf(alert.fields['k8s.pod.name'])],
    ['cs4Label', 'pod'],
    ['cs5', alert.tags.join(',')],
    ['cs5Label', 'tags'],
  ];
  const present = pairs.filter(([key, value], i) => value !== '' && !(key.endsWith('Label') && pairs[i - 1][1] === ''));
  return `CEF:0|Falcosecurity|Falco|1.0|${head(alert.rule)}|${head(alert.rule)}|${severity}|${present
    .map(([key, value]) => `${key}=${extension(value)}`)
    .join(' ')}`;
}
