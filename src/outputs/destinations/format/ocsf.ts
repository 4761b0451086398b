import { type Alert, textOf } from '../../forward/alert.ts';

/** OCSF severity_id: 1 Informational … 5 Critical, 6 Fatal. */
const SEVERITY = [6, 5, 5, 4, 3, 2, 1, 1] as const;
const SEVERITY_NAME = ['', 'Informational', 'Low', 'Medium', 'High', 'Critical', 'Fatal'] as const;

/** MITRE ATT&CK tactics by Falco's tags (`mitre_execution`) and their ids. */
const TACTICS: Record<string, string> = {
  reconnaissance: 'TA0043',
  resource_development: 'TA0042',
  initial_access: 'TA0001',
  execution: 'TA0002',
  persistence: 'TA0003',
  privilege_escalation: 'TA0004',
  defense_evasion: 'TA0005',
  credential_access: 'TA0006',
  discovery: 'TA0007',
  lateral_movement: 'TA0008',
  collection: 'TA0009',
  command_and_control: 'TA0011',
  exfiltration: 'TA0010',
  impact: 'TA0040',
};

/** An OCSF 1.3 Detection Finding (class 2004), action "create". */
export function toOcsf(alert: Alert): Record<string, unknown> {
  const field = (name: string) => textOf(alert.fields[name]) || undefined;
  const number = (name: string) => (field(name) === undefined ? undefined : Number(field(name)));
  const time = Number(alert.nanoseconds / 1_000_000n);
  const severity = SEVERITY[alert.level];
  const tactics = alert.tags.filter((tag) => tag.startsWith('mitre_')).map((tag) => tag.slice(6));
  const techniques = alert.tags.filter((tag) => /^T\d{4}(\.\d{3})?$/.test(tag));
  const attacks = [
    ...techniques.map((uid) => ({ version: '15', technique: { uid } })),
    ...tactics.map((name) => ({ version: '15', tactic: { name: name.replaceAll('_', ' '), uid: TACTICS[name] } })),
  ];
  return {
    activity_id: 1,
    activity_name: 'Create',
    category_uid: 2,
    category_name: 'Findings',
    class_uid: 2004,
    class_name: 'Detection Finding',
    type_uid: 200_401,
    type_name: 'Detection Finding: Create',
    severity_id: severity,
    severity: SEVERITY_NAME[severity],
    status_id: 1,
    status: 'New',
    time,
    message: alert.output,
    metadata: {
      version: '1.3.0',
      product: { name: 'Falco', vendor_name: 'Falcosecurity' },
      uid: alert.uuid,
      labels: alert.tags,
      log_name: alert.source,
    },
    finding_info: {
      uid: alert.uuid,
      title: alert.rule,
      desc: alert.output,
      created_time: time,
      ...(attacks.length > 0 && { attacks }),
      analytic: { name: alert.rule, type_id: 1, type: 'Rule' },
    },
    evidences: [
      {
        ...(field('proc.name') !== undefined && {
          process: {
            name: field('proc.name'),
            pid: number('proc.pid'),
            cmd_line: field('proc.cmdline'),
            file:
              field('proc.exepath') === undefined
                ? undefined
                : { path: field('proc.exepath'), name: field('proc.name'), type_id: 1 },
            parent_process:
              field('proc.pname') === undefined ? undefined : { name: field('proc.pname'), pid: number('proc.ppid') },
            user: field('user.name') === undefined ? undefined : { name: field('user.name'), uid: field('user.uid') },
          },
        }),
        data: alert.fields,
      },
    ],
    resources: [
      ...(alert.hostname === '' ? [] : [{ type: 'host', name: alert.hostname }]),
      ...(field('container.id') === undefined
        ? []
        : [{ type: 'container', uid: field('container.id'), name: field('container.name') }]),
      ...(field('k8s.pod.name') === undefined
        ? []
        : [{ type: 'pod', name: field('k8s.pod.name'), namespace: field('k8s.ns.name') }]),
    ],
    observables: [
      ...(alert.hostname === '' ? [] : [{ name: 'hostname', type_id: 1, value: alert.hostname }]),
      ...(field('fd.rip') === undefined ? [] : [{ name: 'fd.rip', type_id: 2, value: field('fd.rip') }]),
      ...(field('user.name') === undefined ? [] : [{ name: 'user.name', type_id: 4, value: field('user.name') }]),
      ...(field('fd.name') === undefined ? [] : [{ name: 'fd.name', type_id: 7, value: field('fd.name') }]),
      ...(field('proc.name') === undefined ? [] : [{ name: 'proc.name', type_id: 9, value: field('proc.name') }]),
    ],
  };
}
