import { expect, it } from 'vitest';
import { stringify } from 'yaml';
import { ACTIONS, checkRules, loadRules } from '../../src/response/index.ts';

/** A rules file with everything that Talon's may hold, by its own names. */
const output = { target: 'aws:s3', parameters: { bucket: 'b', prefix: '/p/', region: 'us-east-1' } };
const healthy = { min_healthy_replicas: '50%', ignore_daemonsets: true, ignore_statefulsets: 'true' };
const networks = { allow_cidr: ['192.0.2.0/24'], allow_namespaces: ['dns'] };
const ACTIONNERS: Record<string, { parameters?: Record<string, unknown>; output?: unknown }> = {
  'kubernetes:terminate': { parameters: { ...healthy, ignore_standalone_pods: true, grace_period_seconds: 5 } },
  'kubernetes:label': { parameters: { labels: { suspicious: 'true', old: '' }, level: 'node' } },
  'kubernetes:annotation': { parameters: { annotations: { checked: 'no' }, level: 'pod' } },
  'kubernetes:networkpolicy': { parameters: networks },
  'kubernetes:exec': { parameters: { shell: '/bin/sh', command: 'id' }, output },
  'kubernetes:script': {
    parameters: { shell: '/bin/sh', script: 'id' },
    output: { target: 'local:file', parameters: { destination: '/tmp' } },
  },
  'kubernetes:log': {
    parameters: { tail_lines: 200 },
    output: { target: 'minio:s3', parameters: { bucket: 'b', prefix: 'p' } },
  },
  'kubernetes:delete': {},
  'kubernetes:cordon': {},
  'kubernetes:drain': {
    parameters: { ...healthy, ignore_errors: false, max_wait_period: 90, wait_period_excluded_namespaces: ['batch'] },
  },
  'kubernetes:download': {
    parameters: { file: '/etc/passwd' },
    output: { target: 'gcp:gcs', parameters: { bucket: 'b', prefix: 'p' } },
  },
  'kubernetes:tcpdump': { parameters: { image: 'tcpdump:1', duration: 5, snaplen: 512 }, output },
  'kubernetes:sysdig': { parameters: { image: 'sysdig:1', scope: 'node', duration: 5, buffer_size: 4096 }, output },
  'calico:networkpolicy': { parameters: { ...networks, order: 20 } },
  'cilium:networkpolicy': { parameters: networks },
  'aws:lambda': {
    parameters: { aws_lambda_name: 'f', aws_lambda_alias_or_version: '$LATEST', aws_lambda_invocation_type: 'Event' },
  },
  'gcp:function': {
    parameters: { gcp_function_name: 'f', gcp_function_location: 'us-central1', gcp_function_timeout: 10 },
  },
};

it("takes Talon's rules with its 17 actionners and everything that they are told", () => {
  const shared = Object.entries(ACTIONNERS).map(([actionner, given]) => ({
    action: `Do ${actionner}`,
    description: 'shared by rules',
    actionner,
    continue: 'false',
    ignore_errors: true,
    additional_contexts: ['aws', 'k8snode'],
    ...given,
  }));
  const rule = {
    rule: 'All of it',
    description: 'd',
    match: {
      rules: ['Terminal shell in container'],
      priority: '>=Warning',
      source: 'syscalls',
      tags: ['container, shell', 'mitre_execution'],
      output_fields: ['k8s.ns.name!=kube-system, k8s.ns.name!=falco'],
    },
    continue: false,
    dry_run: 'true',
    notifiers: ['slack'],
    actions: shared.map(({ action }) => ({ action })),
  };
  const override = [{ action: 'Do kubernetes:terminate', parameters: { grace_period_seconds: 2 } }];
  const { rules, problems } = loadRules([
    { name: 'rules.yaml', text: stringify([...shared, rule]) },
    { name: 'rules_override.yaml', text: stringify(override) },
  ]);
  expect([...problems, ...checkRules(rules)]).toEqual([]);
  expect(Object.keys(ACTIONNERS)).toHaveLength(17);
  expect(Object.keys(ACTIONNERS).filter((name) => !ACTIONS.has(name))).toEqual([]);
  expect(rules[0]?.actions.map(({ actionner }) => actionner)).toEqual(Object.keys(ACTIONNERS));
  expect(rules[0]?.actions[0]).toMatchObject({
    parameters: { grace_period_seconds: 2, min_healthy_replicas: '50%' },
    continues: false,
    ignoreErrors: true,
    contexts: ['aws', 'k8snode'],
  });
});
