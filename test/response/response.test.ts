import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import {
  ACTIONS,
  checkRules,
  type LogEntry,
  loadResponseConfig,
  loadRules,
  notifierProblems,
  type Responder,
  rulesFromFalco,
  startResponder,
} from '../../src/response/index.ts';
import { type Api, putShop, startApi } from './api.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/windhover', import.meta.url));
const quiet = { info() {}, warning() {}, error() {}, debug() {} };
let api: Api;
let folder: string;
const running: Responder[] = [];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'windhover-response-'));
  api = await startApi();
  putShop(api, 3);
});
afterEach(async () => {
  for (const responder of running.splice(0)) await responder.stop(0);
  await api.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Given {
  readonly rules?: unknown[];
  readonly config?: Record<string, unknown>;
  readonly now?: () => number;
  /** The rules have something that means nothing any more. */
  readonly obsolete?: boolean;
}

async function start({ rules = [], config = {}, now, obsolete = false }: Given): Promise<Responder> {
  const loaded = loadRules([{ name: 'rules.yaml', text: stringify(rules) }]);
  const problems = [...loaded.problems, ...checkRules(loaded.rules)];
  expect(problems.filter(({ isObsolete }) => !(obsolete && isObsolete))).toEqual([]);
  const settings = loadResponseConfig(
    stringify({
      journal: { path: join(folder, 'journal') },
      quarantine: join(folder, 'quarantine'),
      deduplication: { time_window_seconds: 0 },
      ...config,
    }),
    'config.yaml',
    {},
  );
  const responder = await startResponder({
    config: settings,
    rules: loaded.rules,
    cluster: () => api.cluster,
    logger: quiet,
    ...(now !== undefined && { now }),
  });
  running.push(responder);
  return responder;
}

/** One rule for the Falco rule `Shell`, with one action. */
const rule = (actionner: string, parameters: Record<string, unknown> = {}, more: Record<string, unknown> = {}) => ({
  rule: 'React',
  match: { rules: ['Shell'] },
  actions: [{ action: 'do it', actionner, parameters, ...more }],
});

let serial = 0;
const alert = (fields: Record<string, unknown> = {}, change: Record<string, unknown> = {}) =>
  Buffer.from(
    JSON.stringify({
      rule: 'Shell',
      priority: 'Critical',
      time: new Date(Date.parse('2026-01-02T15:04:05Z') + serial++).toISOString(),
      output: `15:04:05.1: Critical a shell ${serial}`,
      hostname: hostname(),
      tags: ['container', 'T1059'],
      output_fields: {
        'k8s.ns.name': 'shop',
        'k8s.pod.name': 'web-0',
        'container.id': 'aaaaaaaaaaaa',
        'fd.name': '/etc/shadow',
        ...fields,
      },
      ...change,
    }),
  );

async function act(responder: Responder, ...bodies: Buffer[]): Promise<LogEntry[]> {
  for (const body of bodies) await responder.accept(body);
  await responder.idle();
  return responder.log();
}
const states = (log: readonly LogEntry[]) => log.map(({ state, message }) => `${state}: ${message}`);
const pod = (name: string) => api.objects.get(`/api/v1/namespaces/shop/pods/${name}`);
const deployment = () => api.objects.get('/apis/apps/v1/namespaces/shop/deployments/web');

describe('rules', () => {
  const match = (spec: Record<string, unknown>) => {
    const { rules, problems } = loadRules([{ name: 'r', text: stringify([{ rule: 'r', match: spec, actions: [] }]) }]);
    expect(problems).toEqual([]);
    return async () => rules[0];
  };
  it.each([
    [{ rules: ['Shell', 'Other'] }, true],
    [{ rules: ['Other'] }, false],
    [{ priority: 'Critical' }, true],
    [{ priority: '>=Warning' }, true],
    [{ priority: '<Critical' }, false],
    [{ source: 'syscalls' }, true],
    [{ tags: ['T1059, container'] }, true],
    [{ tags: ['T1059, nothing', 'container'] }, true],
    [{ tags: ['T1059, nothing'] }, false],
    [{ output_fields: ['k8s.ns.name=shop, fd.name=/etc/shadow'] }, true],
    [{ output_fields: ['k8s.ns.name!=kube-system, no.such!=x'] }, true],
    [{ output_fields: ['k8s.ns.name=other', 'fd.name!=/etc/shadow'] }, false],
    [{ condition: 'k8s.ns.name in (shop, test) and priority >= error' }, true],
    [{}, true],
  ])('%o matches: %s', async (spec, expected) => {
    const { matches } = await match(spec)();
    const { readAlert } = await import('../../src/outputs/forward/index.ts');
    expect(matches(readAlert(alert(), 0))).toBe(expected);
  });

  it('are merged over files as Talon does, with shared actions', () => {
    const first = [
      { action: 'Terminate', actionner: 'kubernetes:terminate', parameters: { grace_period_seconds: 5 } },
      { rule: 'A', match: { rules: ['x'] }, actions: [{ action: 'Terminate' }] },
      {
        rule: 'B',
        match: { rules: ['y'], priority: 'Error' },
        continue: 'false',
        dry_run: 'true',
        actions: [{ action: 'Terminate', parameters: { ignore_daemonsets: 'true' } }],
      },
    ];
    const second = [
      {
        rule: 'B',
        match: { rules: ['z'], priority: 'Critical' },
        notifiers: ['slack'],
        dry_run: false,
        actions: [{ action: 'log', actionner: 'kubernetes:log' }],
      },
    ];
    const { rules, problems } = loadRules([
      { name: 'a', text: stringify(first) },
      { name: 'b', text: stringify(second) },
    ]);
    expect(problems).toEqual([]);
    expect(rules[0].actions).toEqual([
      {
        name: 'Terminate',
        actionner: 'kubernetes:terminate',
        parameters: { grace_period_seconds: 5 },
        continues: null,
        ignoreErrors: false,
        output: null,
        contexts: [],
      },
    ]);
    expect(rules[1]).toMatchObject({
      continues: false,
      dryRun: false,
      notifiers: ['slack'],
      actions: [
        { parameters: { grace_period_seconds: 5, ignore_daemonsets: 'true' } },
        { actionner: 'kubernetes:log' },
      ],
    });
  });

  it('report everything wrong, with its place', () => {
    const text =
      '- rule: A\n  match: {priority: horrible}\n- rule: B\n  actoins: []\n- rule: C\n  actions: [{action: nowhere}, {action: t, actionner: "kubernetes:tcpdump"}, {action: u, actionner: "kubernetes:none"}, {action: l, actionner: "kubernetes:log", parameters: {tail: 3}}]\n';
    const { rules, problems } = loadRules([{ name: 'r.yaml', text }]);
    expect([...problems, ...checkRules(rules)].map(({ place, message }) => `${place}: ${message}`)).toEqual([
      expect.stringMatching(/^r\.yaml:3:3: rule: Unrecognized key/),
      expect.stringContaining('r.yaml:1:3: rule "A": "horrible" is no priority'),
      expect.stringContaining('rule "C": action "nowhere" has no actionner'),
      'rule "C", action "t": kubernetes:tcpdump needs an output',
      'rule "C", action "u": there is no actionner kubernetes:none',
      expect.stringContaining('rule "C", action "l": parameters: Unrecognized key'),
    ]);
  });

  it('say what of an old file has no meaning any more, and work without it', async () => {
    const old = [
      rule('kubernetes:networkpolicy', { allow: ['192.168.1.0/24'] }),
      rule('kubernetes:drain', { force: true }),
    ];
    const { rules, problems } = loadRules([
      { name: 'r', text: stringify(old.map((each, i) => ({ ...each, rule: `R${i}` }))) },
    ]);
    expect(problems).toEqual([]);
    expect(checkRules(rules)).toEqual([
      {
        place: 'rule "R0", action "do it"',
        message: 'allow is obsolete: list networks in allow_cidr, namespaces in allow_namespaces',
        isObsolete: true,
      },
      {
        place: 'rule "R1", action "do it"',
        message: 'force is obsolete: evictions are never forced; disruption budgets are honoured',
        isObsolete: true,
      },
    ]);
    const responder = await start({ rules: old.slice(0, 1), obsolete: true });
    expect((await act(responder, alert({ 'fd.rip': '203.0.113.9' })))[0].state).toBe('done');
  });

  it('come from the actions of Falco rules too', () => {
    const text = stringify([
      { macro: 'm', condition: 'x' },
      {
        rule: 'Critical security violation',
        actions: ['scale_down_deployment', { name: 'scale_down_deployment', with: { replicas: 1 } }, 'missing'],
      },
    ]);
    const { rules, problems } = rulesFromFalco([{ name: 'falco.yaml', text }], {
      scale_down_deployment: { actionner: 'kubernetes:scale', parameters: { replicas: 0 } },
    });
    expect(rules).toMatchObject([
      {
        name: 'Critical security violation',
        actions: [{ actionner: 'kubernetes:scale', parameters: { replicas: 0 } }, { parameters: { replicas: 1 } }],
      },
    ]);
    expect(problems).toEqual([
      {
        place: 'falco.yaml',
        message: 'rule "Critical security violation": there is no action "missing" in the configuration',
      },
    ]);
  });
});

describe('actions in Kubernetes', () => {
  it('terminate deletes that pod only, even if another one has got its name', async () => {
    const responder = await start({ rules: [rule('kubernetes:terminate')] });
    expect(states(await act(responder, alert()))).toEqual(['done: deleted pod shop/web-0']);
    expect(pod('web-0')).toBeUndefined();
    expect(states(await act(responder, alert({ 'k8s.pod.name': 'web-1', 'k8s.pod.uid': 'another' }))).at(-1)).toBe(
      'skipped: pod shop/web-1 is another one by now',
    );
    expect(pod('web-1')).toBeDefined();
  });

  it('terminate leaves what is exempt', async () => {
    api.put('/api/v1/namespaces/shop/pods/alone', {
      metadata: { namespace: 'shop' },
      spec: { containers: [{ name: 'app' }] },
    });
    const responder = await start({ rules: [rule('kubernetes:terminate', { min_healthy_replicas: '110%' })] });
    const log = await act(responder, alert({ 'k8s.pod.name': 'alone' }), alert(), alert({ 'k8s.pod.name': 'gone' }));
    expect(states(log)).toEqual([
      'skipped: the pod stays: it is a standalone pod',
      'skipped: the pod stays: only 3 of 3 replicas are healthy',
      'skipped: pod shop/gone is gone',
    ]);
  });

  it('scale keeps the number before; undo restores it, unless somebody has scaled meanwhile', async () => {
    const responder = await start({ rules: [rule('kubernetes:scale')] });
    const [entry] = await act(responder, alert());
    expect(entry).toMatchObject({
      state: 'done',
      target: 'deployment shop/web',
      message: 'scaled Deployment shop/web from 3 to 0',
    });
    expect(deployment().spec.replicas).toBe(0);
    deployment().spec.replicas = 7;
    await expect(responder.undo(entry.id)).rejects.toThrow('somebody has scaled it to 7 meanwhile');
    deployment().spec.replicas = 0;
    expect(await responder.undo(entry.id)).toBe('scaled shop/web back to 3');
    expect(deployment().spec.replicas).toBe(3);
    await expect(responder.undo(entry.id)).rejects.toThrow('is undone, not done');
  });

  it('label, annotation, cordon, network policy and rollout come back', async () => {
    const actions = [
      { action: 'l', actionner: 'kubernetes:label', parameters: { labels: { app: '', suspicious: 'true' } } },
      { action: 'a', actionner: 'kubernetes:annotation', parameters: { annotations: { why: 'falco' }, level: 'node' } },
      { action: 'c', actionner: 'kubernetes:cordon' },
      { action: 'n', actionner: 'kubernetes:networkpolicy', parameters: { allow_namespaces: ['dns'] } },
      { action: 'r', actionner: 'kubernetes:rollout-undo' },
    ];
    const responder = await start({ rules: [{ rule: 'all', match: {}, actions }] });
    const log = await act(responder, alert({ 'fd.rip': '203.0.113.9' }));
    expect(states(log).filter((state) => !state.startsWith('done'))).toEqual([]);
    expect(pod('web-0').metadata.labels).toEqual({ suspicious: 'true' });
    expect(api.objects.get('/api/v1/nodes/node-1')).toMatchObject({
      metadata: { annotations: { why: 'falco' } },
      spec: { unschedulable: true },
    });
    const policy = '/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/windhover-web';
    expect(api.objects.get(policy).spec).toEqual({
      podSelector: { matchLabels: { app: 'web' } },
      policyTypes: ['Egress'],
      egress: [
        {
          to: [
            { ipBlock: { cidr: '0.0.0.0/0', except: ['203.0.113.9/32'] } },
            { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'dns' } } },
          ],
        },
      ],
    });
    expect(deployment().spec.template).toEqual({ metadata: { labels: { app: 'web' } }, spec: { image: 'old' } });
    for (const { id } of log.toReversed()) await responder.undo(id);
    expect(pod('web-0').metadata.labels).toEqual({ app: 'web' });
    expect(api.objects.get('/api/v1/nodes/node-1')).toMatchObject({ metadata: { annotations: {} }, spec: {} });
    expect(api.objects.has(policy)).toBe(false);
    expect(deployment().spec.template.spec.image).toBe('new');
  });

  it('exec runs in the container of the alert, and event data is never code', async () => {
    const nasty = `$(touch /tmp/owned); \`id\` "'; rm -rf / #\n{{.}}\${PATH} %s`;
    const responder = await start({
      rules: [rule('kubernetes:exec', { command: 'ls "$' + '{FD_NAME}" && echo $' + '{PROC_CMDLINE}' })],
    });
    await act(responder, alert({ 'container.id': 'bbbbbbbbbbbb', 'fd.name': nasty, 'proc.cmdline': nasty }));
    expect(api.execs).toEqual([
      {
        container: 'sidecar',
        argv: [
          'env',
          `FD_NAME=${nasty}`,
          `PROC_CMDLINE=${nasty}`,
          '/bin/sh',
          '-c',
          'ls "$' + '{FD_NAME}" && echo $' + '{PROC_CMDLINE}',
        ],
        stdin: '',
      },
    ]);
    expect(states(await act(responder, alert({ 'container.id': '', 'container.name': '' }))).at(-1)).toBe(
      'failed: the alert does not say which of the containers app, sidecar it is about',
    );
  });

  it('a shell takes those values for data', async () => {
    const marker = join(folder, 'owned');
    const nasty = `$(touch ${marker}); touch ${marker} "'\``;
    expect(
      execFileSync('env', [`FD_NAME=${nasty}`, '/bin/sh', '-c', 'printf %s "$' + '{FD_NAME}"; : $' + '{FD_NAME}'], {
        encoding: 'utf8',
      }),
    ).toBe(nasty);
    expect(existsSync(marker)).toBe(false);
  });

  it('script goes by standard input; log and download give files', async () => {
    const output = { target: 'local:file', parameters: { destination: folder } };
    const actions = [
      { action: 's', actionner: 'kubernetes:script', parameters: { script: 'echo $RULE' }, output },
      { action: 'd', actionner: 'kubernetes:download', parameters: { file: '$' + '{FD_NAME}' }, output },
      { action: 'g', actionner: 'kubernetes:log', output },
    ];
    const responder = await start({ rules: [{ rule: 'files', match: {}, actions }] });
    const log = await act(responder, alert());
    expect(api.execs).toEqual([
      { container: 'app', argv: ['env', 'RULE=Shell', '/bin/sh', '-s'], stdin: 'echo $RULE' },
      { container: 'app', argv: ['cat', '--', '/etc/shadow'], stdin: '' },
    ]);
    const files = log.map(({ message }) => readFileSync(message.split(', kept as ')[1], 'utf8'));
    expect(files).toEqual(['ok\n', 'ok\n', 'line 1\nline 2\n']);
  });

  it('delete takes the object of an audit event; drain evicts but for DaemonSets', async () => {
    api.put('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/evil', { metadata: {} });
    api.put('/api/v1/namespaces/other/pods/ds', {
      metadata: {
        namespace: 'other',
        ownerReferences: [{ kind: 'DaemonSet', name: 'ds', uid: 'u', controller: true }],
      },
      spec: {},
    });
    const responder = await start({
      rules: [
        { rule: 'd', match: { source: 'k8s_audit' }, actions: [{ action: 'd', actionner: 'kubernetes:delete' }] },
        { rule: 'n', match: { source: 'syscalls' }, actions: [{ action: 'n', actionner: 'kubernetes:drain' }] },
      ],
    });
    const audit = alert(
      { 'ka.target.resource': 'clusterrolebindings', 'ka.target.name': 'evil' },
      { source: 'k8s_audit' },
    );
    expect(states(await act(responder, audit, alert()))).toEqual([
      'done: deleted clusterrolebindings evil',
      'done: drained node node-1: 3 pods evicted',
    ]);
    expect([...api.objects.keys()].filter((key) => key.includes('/pods/'))).toEqual([
      '/api/v1/namespaces/other/pods/ds',
    ]);
  });

  it('tries again what the API server may take later', async () => {
    const responder = await start({ rules: [rule('kubernetes:terminate')] });
    api.failing = { status: 503, times: 3 };
    expect(states(await act(responder, alert()))).toEqual(['done: deleted pod shop/web-0']);
  });

  it("contexts are fields: the node's, and those of the instance that this runs on", async () => {
    api.put('/api/v1/nodes/node-1', {
      metadata: { labels: { 'kubernetes.io/hostname': 'host-1', 'topology.kubernetes.io/zone': 'a' } },
      spec: { providerID: 'aws:///a/i-1' },
    });
    const asked: string[] = [];
    const metadata = createServer((request, response) => {
      asked.push(`${request.method} ${request.url} ${request.headers['x-aws-ec2-metadata-token'] ?? ''}`);
      const answers: Record<string, string> = {
        '/latest/api/token': 'granted',
        '/latest/meta-data/iam/info': '{"InstanceProfileArn":"arn:x","InstanceProfileId":"id"}',
        '/latest/meta-data/placement/region': 'eu-west-3',
      };
      response.end(answers[request.url ?? '']);
    });
    await new Promise<void>((resolve) => metadata.listen(0, '127.0.0.1', resolve));
    process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT = `http://127.0.0.1:${(metadata.address() as AddressInfo).port}`;
    try {
      const responder = await start({
        rules: [
          rule(
            'kubernetes:exec',
            { command: 'echo $NODE_HOSTNAME $NODE_SPEC_PROVIDERID $AWS_REGION $AWS_INSTANCE_PROFILE_ARN' },
            { additional_contexts: ['k8snode', 'aws'] },
          ),
        ],
      });
      await act(responder, alert());
    } finally {
      delete process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT;
      metadata.close();
      metadata.closeAllConnections();
    }
    expect(api.execs[0]?.argv.slice(1, 5).toSorted()).toEqual([
      'AWS_INSTANCE_PROFILE_ARN=arn:x',
      'AWS_REGION=eu-west-3',
      'NODE_HOSTNAME=host-1',
      'NODE_SPEC_PROVIDERID=aws:///a/i-1',
    ]);
    expect(asked[0]).toBe('PUT /latest/api/token ');
    expect(asked.slice(1).every((line) => line.endsWith(' granted'))).toBe(true);
  });

  it('never builds a path from an alert', async () => {
    const responder = await start({ rules: [rule('kubernetes:terminate')] });
    for (const name of ['../web-0', 'web-0/../../nodes/node-1', 'web-0?x=1', 'a b', '..', 'WEB'])
      await responder.accept(alert({ 'k8s.pod.name': name }));
    await responder.idle();
    expect(new Set(responder.log().map(({ state }) => state))).toEqual(new Set(['failed']));
    expect(api.calls).toEqual([]);
  });

  it('follows the order and the continue of a rule', async () => {
    const actions = [
      { action: 'fails', actionner: 'kubernetes:cordon', ignore_errors: 'true' },
      { action: 'label', actionner: 'kubernetes:label', parameters: { labels: { a: 'b' } } },
      { action: 'end', actionner: 'kubernetes:terminate' },
      { action: 'never', actionner: 'kubernetes:log' },
    ];
    api.objects.delete('/api/v1/nodes/node-1');
    const responder = await start({
      rules: [{ rule: 'chain', match: {}, continue: 'false', actions }, rule('kubernetes:log')],
    });
    const log = await act(responder, alert());
    expect(log.map(({ action, state }) => `${action} ${state}`)).toEqual([
      'fails failed',
      'label done',
      'end done',
      'never planned',
    ]);
  });
});

describe('guards', () => {
  it.each([
    ['a protected namespace', { guards: { protected_namespaces: ['shop'] } }, 'refused: namespace shop is protected'],
    [
      'a protected label',
      { guards: { protected_labels: { app: 'web' } } },
      'refused: it is protected by its label app',
    ],
    ['the dry run of everything', { guards: { dry_run: true } }, 'dry-run: dry run: deleted pod shop/web-0'],
  ])('%s', async (_name, config, expected) => {
    const responder = await start({ rules: [rule('kubernetes:terminate')], config });
    expect(states(await act(responder, alert()))).toEqual([expected]);
    expect(pod('web-0')).toBeDefined();
  });

  it('a dry run asks the API server', async () => {
    const responder = await start({ rules: [{ ...rule('kubernetes:terminate'), dry_run: 'true' }] });
    await act(responder, alert());
    expect(api.calls.at(-1)).toBe('DELETE /api/v1/namespaces/shop/pods/web-0');
    expect(pod('web-0')).toBeDefined();
  });

  it('never itself, nor what it belongs to', async () => {
    process.env.POD_NAMESPACE = 'shop';
    process.env.POD_NAME = 'web-0';
    const actions = ['scale', 'rollout-undo', 'terminate', 'drain'].map((name) => ({
      action: name,
      actionner: `kubernetes:${name}`,
      ignore_errors: true,
    }));
    try {
      const responder = await start({ rules: [{ rule: 'all', match: {}, actions }] });
      expect(states(await act(responder, alert()))).toEqual([
        'refused: never itself',
        'refused: never itself',
        'refused: never itself',
        'done: drained node node-1: 2 pods evicted',
      ]);
      expect([pod('web-0') !== undefined, pod('web-1') !== undefined]).toEqual([true, false]);
    } finally {
      delete process.env.POD_NAMESPACE;
      delete process.env.POD_NAME;
    }
  });

  it('a limit for each kind of action, also over a restart', async () => {
    let time = Date.now();
    const given: Given = {
      rules: [rule('kubernetes:terminate')],
      config: { guards: { max_actions: 2, max_actions_interval: '10m' } },
      now: () => time,
    };
    const first = await start(given);
    await act(first, alert(), alert({ 'k8s.pod.name': 'web-1' }));
    await first.stop(1000);
    const second = await start(given);
    expect(states(await act(second, alert({ 'k8s.pod.name': 'web-2' }))).at(-1)).toBe(
      'refused: 2 times kubernetes:terminate in 10m is the limit',
    );
    time += 11 * 60_000;
    expect(states(await act(second, alert({ 'k8s.pod.name': 'web-2' }))).at(-1)).toBe('done: deleted pod shop/web-2');
  });

  it('a limit for the pods that one action ends', async () => {
    const config = { guards: { max_pods: 2 } };
    for (const [kind, expected] of [
      ['kubernetes:scale', 'refused: it would end 3 pods, and 2 is the limit'],
      ['kubernetes:drain', 'refused: it would end 3 pods, and 2 is the limit'],
    ] as const) {
      const responder = await start({
        rules: [rule(kind)],
        config: { ...config, journal: { path: join(folder, kind) } },
      });
      expect(states(await act(responder, alert()))).toEqual([expected]);
    }
    expect(deployment().spec.replicas).toBe(3);
    const responder = await start({ rules: [rule('kubernetes:scale', { replicas: 1 })], config });
    expect(states(await act(responder, alert()))).toEqual(['done: scaled Deployment shop/web from 3 to 1']);
  });

  it('a drain leaves pods of protected namespaces and labels where they are', async () => {
    api.put('/api/v1/namespaces/kube-system/pods/dns', { metadata: { namespace: 'kube-system' }, spec: {} });
    api.put('/api/v1/namespaces/other/pods/keep', {
      metadata: { namespace: 'other', labels: { keep: 'yes' } },
      spec: {},
    });
    const responder = await start({
      rules: [rule('kubernetes:drain')],
      config: { guards: { protected_labels: { keep: '' } } },
    });
    expect(states(await act(responder, alert()))).toEqual(['done: drained node node-1: 3 pods evicted']);
    expect([...api.objects.keys()].filter((key) => key.includes('/pods/'))).toEqual([
      '/api/v1/namespaces/kube-system/pods/dns',
      '/api/v1/namespaces/other/pods/keep',
    ]);
  });

  it('a cool-down for each target', async () => {
    const responder = await start({
      rules: [rule('kubernetes:label', { labels: { a: 'b' } })],
      config: { guards: { cooldown: '1h' } },
    });
    const log = await act(responder, alert(), alert(), alert({ 'k8s.pod.name': 'web-1' }));
    expect(log.map(({ state }) => state)).toEqual(['done', 'refused', 'done']);
  });

  it('approval: waits, goes on when given, expires when not', async () => {
    const config = { guards: { approval: ['kubernetes:terminate'], approval_expires: '300ms' } };
    const responder = await start({ rules: [rule('kubernetes:terminate')], config });
    await responder.accept(alert());
    await responder.accept(alert({ 'k8s.pod.name': 'web-1' }));
    while (responder.log().some(({ state }) => state !== 'waiting'))
      await new Promise((resolve) => setTimeout(resolve, 5));
    expect(pod('web-0')).toBeDefined();
    await responder.approve(responder.log()[0].id);
    await responder.idle();
    expect(responder.log().map(({ state }) => state)).toEqual(['done', 'expired']);
    expect([pod('web-0') === undefined, pod('web-1') === undefined]).toEqual([true, false]);
    await expect(responder.approve(responder.log()[1].id)).rejects.toThrow('does not wait');
  });

  it('the same alert acts once; the same trouble once in the window', async () => {
    const responder = await start({
      rules: [rule('kubernetes:log')],
      config: { deduplication: { time_window_seconds: 60 } },
    });
    const same = alert({}, { output: '15:04:05.1: Critical same' });
    const later = alert({}, { output: '15:04:09.9: Critical same' });
    expect(await act(responder, same, same, later)).toHaveLength(1);
    const other = await start({
      rules: [rule('kubernetes:log')],
      config: { journal: { path: join(folder, 'other') } },
    });
    expect(await act(other, same, same)).toHaveLength(1);
  });
});

describe('the journal', () => {
  it('resumes what a stop has left, and repeats only what may be repeated', async () => {
    putShop(api, 60);
    api.delay = 20;
    const given: Given = { rules: [rule('kubernetes:terminate')], config: { concurrency: 4 } };
    const first = await start(given);
    for (let i = 0; i < 60; i++) await first.accept(alert({ 'k8s.pod.name': `web-${i}` }));
    await new Promise((resolve) => setTimeout(resolve, 100));
    await first.stop(5000);
    const left = [...api.objects.keys()].filter((key) => key.includes('/pods/')).length;
    expect(left).toBeGreaterThan(0);
    api.delay = 0;
    const second = await start(given);
    await second.idle();
    expect([...api.objects.keys()].filter((key) => key.includes('/pods/'))).toEqual([]);
    expect(api.calls.filter((call) => call.startsWith('DELETE'))).toHaveLength(60);
  });

  it('does not repeat an exec that a crash interrupted', async () => {
    const given: Given = { rules: [rule('kubernetes:exec', { command: 'true' })] };
    const first = await start(given);
    const [entry] = await act(first, alert());
    await first.stop(1000);
    // As if the machine had stopped between "started" and its result.
    const { openJournal } = await import('../../src/response/journal.ts');
    const journal = await openJournal(
      { path: join(folder, 'journal'), max_bytes: '1MiB', durability: 'write' },
      Date.now,
    );
    await journal.record(entry.id, { state: 'started' });
    await journal.close();
    const second = await start(given);
    await second.idle();
    expect(states(second.log())).toEqual(['unknown: interrupted while it was done; not repeated']);
    expect(api.execs).toHaveLength(1);
  });

  it('does 300 terminations at once', async () => {
    putShop(api, 300);
    api.delay = 50;
    const responder = await start({ rules: [rule('kubernetes:terminate')], config: { guards: { max_actions: 1000 } } });
    for (let i = 0; i < 300; i++) await responder.accept(alert({ 'k8s.pod.name': `web-${i}` }));
    await responder.idle();
    expect(responder.log().filter(({ state }) => state === 'done')).toHaveLength(300);
    expect([...api.objects.keys()].some((key) => key.includes('/pods/'))).toBe(false);
  });
});

describe('actions on the host', () => {
  const here = (pid: number, started: bigint | string, fields: Record<string, unknown> = {}) =>
    alert({
      'k8s.pod.name': null,
      'k8s.ns.name': null,
      'container.id': 'host',
      'proc.pid': pid,
      'proc.pid.ts': String(started),
      ...fields,
    });
  function startedAt(pid: number): bigint {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const ticks = BigInt(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
    const uptime = Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]);
    return (BigInt(Date.now()) - BigInt(Math.round(uptime * 1000))) * 1_000_000n + ticks * 10_000_000n;
  }

  it('kills that process, and no other that has its number', async (context) => {
    const child = spawn('sleep', ['100'], { stdio: 'ignore' });
    try {
      const pid = child.pid as number;
      const responder = await start({ rules: [rule('host:kill-process')] });
      const elsewhere = here(pid, startedAt(pid));
      const log = await act(
        responder,
        here(pid, startedAt(pid) - 5_000_000_000n),
        Buffer.from(elsewhere.toString().replace(`"hostname":"${hostname()}"`, '"hostname":"elsewhere"')),
        here(process.pid, startedAt(process.pid)),
        here(1, 1n),
      );
      expect(states(log)).toEqual([
        `skipped: process ${pid} is another one by now`,
        `failed: the alert is from "elsewhere", and this is ${hostname()}`,
        'failed: never itself',
        'failed: 1 is no process to act on',
      ]);
      expect(child.signalCode).toBeNull();
      const ended = new Promise((resolve) => child.once('exit', resolve));
      const [, , , , last] = states(await act(responder, here(pid, startedAt(pid))));
      if (/pidfd|refused/.test(last)) context.skip(`this kernel has no pidfd: ${last}`);
      await ended;
      expect(last).toBe(`done: kill for 1 process (sleep, ${pid})`);
      expect(child.signalCode).toBe('SIGKILL');
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('stops, and lets go on by undo; kills a whole tree', async () => {
    const child = spawn('sh', ['-c', 'sleep 100 & sleep 100 & wait'], { stdio: 'ignore' });
    try {
      const pid = child.pid as number;
      while (readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').length < 3)
        await new Promise((resolve) => setTimeout(resolve, 10));
      const state = () => readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1][0];
      const responder = await start({
        rules: [
          { rule: 's', match: { priority: 'Critical' }, actions: [{ action: 's', actionner: 'host:stop-process' }] },
          { rule: 't', match: { priority: 'Debug' }, actions: [{ action: 't', actionner: 'host:kill-tree' }] },
        ],
      });
      const [entry] = await act(responder, here(pid, startedAt(pid)));
      expect(state()).toBe('T');
      await responder.undo(entry.id);
      while (state() === 'T') await new Promise((resolve) => setTimeout(resolve, 10));
      const ended = new Promise((resolve) => child.once('exit', resolve));
      const body = here(pid, startedAt(pid)).toString().replace('"priority":"Critical"', '"priority":"Debug"');
      expect(states(await act(responder, Buffer.from(body))).at(-1)).toBe(`done: kill for 3 processes (sh, ${pid})`);
      await ended;
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('puts a file into quarantine and back; never follows a link', async () => {
    const file = join(folder, 'evil;$(id)');
    writeFileSync(file, 'payload', { mode: 0o755 });
    const responder = await start({ rules: [rule('host:quarantine-file')] });
    const [entry] = await act(responder, here(process.pid, 0n, { 'fd.name': file }));
    expect(entry.state).toBe('done');
    expect(existsSync(file)).toBe(false);
    expect(await responder.undo(entry.id)).toBe(`moved ${file} back`);
    expect(readFileSync(file, 'utf8')).toBe('payload');
    const log = await act(
      responder,
      here(process.pid, 0n, { 'fd.name': '/proc/self/exe' }),
      here(process.pid, 0n, { 'fd.name': `${folder}/../x` }),
    );
    expect(states(log).slice(1)).toEqual([
      'failed: /proc/self/exe is no regular file',
      expect.stringMatching(/^failed: ".*" is no absolute path$/),
    ]);
  });

  it('takes the file that the process sees, and none but that of the alert', async (context) => {
    if (process.getuid?.() !== 0) context.skip('only root can mount');
    const file = join(folder, 'both');
    const hidden = join(folder, 'hidden');
    mkdirSync(hidden);
    writeFileSync(file, 'of the host');
    writeFileSync(join(hidden, 'both'), 'of the namespace');
    const responder = await start({ rules: [rule('host:quarantine-file')] });
    const { ino } = statSync(file);
    const [other] = await act(responder, here(process.pid, 0n, { 'fd.name': file, 'fd.ino': ino + 1 }));
    expect(other).toMatchObject({ state: 'failed', message: expect.stringContaining('is not the file of the alert') });
    expect(readFileSync(file, 'utf8')).toBe('of the host');
    // A bind mount that only the process and its children see.
    const child = spawn('unshare', ['-m', 'sh', '-c', `mount --bind ${hidden} ${folder} && echo ready && sleep 60`]);
    try {
      await once(child.stdout, 'data');
      const pid = child.pid as number;
      const entries = await act(responder, here(pid, startedAt(pid), { 'fd.name': file }));
      expect(entries.at(-1)).toMatchObject({ state: 'done' });
      expect(readFileSync(file, 'utf8')).toBe('of the host');
      expect(existsSync(join(hidden, 'both'))).toBe(false);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('records what the process and its children do from now on', async (context) => {
    const child = spawn('sh', ['-c', 'while :; do cat /etc/hostname >/dev/null; sleep 0.1; done'], { stdio: 'ignore' });
    try {
      const pid = child.pid as number;
      const output = { target: 'local:file', parameters: { destination: folder } };
      const responder = await start({ rules: [rule('host:capture', { seconds: 1 }, { output })] });
      const [entry] = await act(responder, here(pid, startedAt(pid)));
      if (process.getuid?.() !== 0 && entry.state === 'failed') context.skip(`only root can record: ${entry.message}`);
      expect(entry).toMatchObject({ state: 'done', message: expect.stringMatching(/^recorded sh \(\d+\) for 1 s/) });
      const rules = join(folder, 'rules.yaml');
      writeFileSync(
        rules,
        stringify([
          {
            rule: 'Read',
            desc: 'd',
            condition: 'evt.type in (open, openat) and proc.name = cat and fd.name = /etc/hostname',
            output: '%proc.name %fd.name',
            priority: 'INFO',
          },
        ]),
      );
      const file = entry.message.split(', kept as ')[1] as string;
      const judged = execFileSync(PROGRAM, ['replay', file, '-r', rules], { encoding: 'utf8', stdio: 'pipe' });
      expect(judged).toContain('cat /etc/hostname');
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('runs configured programs only, with the alert on standard input', async () => {
    const file = join(folder, 'out');
    const responder = await start({
      rules: [rule('program:run', { program: 'keep' })],
      config: { programs: { keep: ['tee', file] } },
    });
    await act(responder, alert({ 'proc.cmdline': '$(id); rm -rf /' }));
    expect(JSON.parse(readFileSync(file, 'utf8')).output_fields['proc.cmdline']).toBe('$(id); rm -rf /');
    const other = await start({
      rules: [rule('program:run', { program: 'sh' })],
      config: { journal: { path: join(folder, 'o') } },
    });
    expect(states(await act(other, alert()))).toEqual(['failed: "sh" is not among the configured programs']);
  });
});

describe('notifications', () => {
  it("tell what was done, through Talon's notifiers", async () => {
    const got: string[] = [];
    const server = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk) => (text += chunk));
      request.on('end', () => {
        got.push(text);
        response.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const responder = await start({
      rules: [{ ...rule('kubernetes:scale'), notifiers: ['webhook'] }],
      config: {
        default_notifiers: ['k8sevents'],
        notifiers: { webhook: { url, http_method: 'POST', custom_headers: { a: 'b' } }, k8sevents: null },
      },
    });
    await act(responder, alert());
    server.close();
    expect(JSON.parse(got[0])).toMatchObject({
      rule: 'Shell',
      output_fields: { 'falco-talon.status': 'done', 'falco-talon.target': 'deployment shop/web' },
    });
    const [event] = [...api.objects].filter(([key]) => key.includes('/events/')).map(([, object]) => object);
    expect(event).toMatchObject({ involvedObject: { kind: 'Pod', name: 'web-0' }, reason: 'FalcoResponse' });
  });
});

describe('configuration', () => {
  it('does not listen to everybody without authentication', () => {
    expect(() => loadResponseConfig('listen_address: 0.0.0.0', 'c.yaml', {})).toThrow(
      'whoever reaches it could have pods deleted',
    );
    expect(loadResponseConfig('{listen_address: 0.0.0.0, auth: {token: x}}', 'c.yaml', {}).auth.token).toBe('x');
    expect(loadResponseConfig('listen_port: 99', 'c.yaml', { LISTEN_PORT: '100' }).listen_port).toBe(100);
  });

  it("takes Talon's whole file", () => {
    const talon = {
      listen_address: '127.0.0.1',
      listen_port: '2803',
      rules_files: ['./rules.yaml'],
      kubeconfig: './kubeconfig.yaml',
      log_format: 'color',
      watch_rules: true,
      print_all_events: false,
      deduplication: { leader_election: true, time_window_seconds: 5 },
      default_notifiers: ['slack', 'k8sevents'],
      notifiers: {
        slack: { webhook_url: 'http://x', icon: 'http://i', username: 'Falco Talon', footer: 'f', format: 'long' },
        webhook: {
          url: 'http://x',
          http_method: 'POST',
          content_type: 'application/json',
          user_agent: 'u',
          custom_headers: { a: 'b' },
        },
        smtp: { host_port: 'x:25', user: 'u', password: 'p', from: 'a@b', to: 'c@d', format: 'html', tls: false },
        loki: { url: 'http://x', user: 'u', api_key: 'k', tenant: 't', custom_headers: {} },
        elasticsearch: {
          url: 'http://x',
          user: 'u',
          password: 'p',
          suffix: 'daily',
          index: 'i',
          number_of_shards: 3,
          number_of_replicas: 3,
          create_index_template: true,
          custom_headers: {},
        },
        k8sevents: null,
      },
      aws: { role_arn: 'r', external_id: 'e', region: 'us-east-1', access_key: 'k', secret_key: 's' },
      minio: { endpoint: 'x:9000', access_key: 'k', secret_key: 's', use_ssl: false },
      gcp: { credentials_path: '/x' },
      otel: { traces_enabled: false },
    };
    const config = loadResponseConfig(stringify(talon), 'c.yaml', {});
    expect(config.listen_port).toBe(2803);
    expect(notifierProblems(config.notifiers)).toEqual([]);
    expect(notifierProblems({ slack: {}, pager: {} })).toEqual([
      'notifiers.slack: slack: the setting that turns it on is missing',
      'notifiers.pager: there is no notifier of that kind',
    ]);
  });

  it('keeps artefacts in S3, for MinIO as Talon is told of it', async () => {
    const puts: string[] = [];
    const store = createServer((request, response) => {
      puts.push(`${request.method} ${request.url?.split('?')[0]} ${request.headers.authorization?.slice(0, 32)}`);
      request.resume().on('end', () => response.end());
    });
    await new Promise<void>((resolve) => store.listen(0, '127.0.0.1', resolve));
    const output = { target: 'minio:s3', parameters: { bucket: 'talon', prefix: '/files/' } };
    const responder = await start({
      rules: [rule('kubernetes:log', {}, { output })],
      config: {
        minio: {
          endpoint: `127.0.0.1:${(store.address() as AddressInfo).port}`,
          access_key: 'KEY',
          secret_key: 'SECRET',
          use_ssl: false,
        },
      },
    });
    const [entry] = await act(responder, alert());
    store.close();
    store.closeAllConnections();
    expect(entry.state).toBe('done');
    expect(puts[0]).toMatch(/^PUT \/talon\/files\/[\w.-]+_app\.log AWS4-HMAC-SHA256 Credential=KEY/);
  });

  it('reports what it does not know', () => {
    expect(() => loadResponseConfig('{listen_prot: 1, guards: {max: 3}}', 'c.yaml', {})).toThrow(
      /guards: Unrecognized key: "max"\nc\.yaml: : Unrecognized key: "listen_prot"/,
    );
  });

  it('every action has a page of its own in --help and checks its parameters', () => {
    for (const kind of ACTIONS.values()) {
      expect(kind.doc).toMatch(/\.$/);
      expect(kind.parameters.safeParse({ nonsense: 1 }).success).toBe(false);
    }
  });
});
