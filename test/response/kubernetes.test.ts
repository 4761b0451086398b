import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { KubeList, KubeObject } from '../../src/kube/index.ts';
import { uuidOf } from '../../src/outputs/forward/index.ts';
import {
  ACTIONS,
  checkRules,
  createCluster,
  loadResponseConfig,
  loadRules,
  type Responder,
  type ResponseRule,
  rulesFromFalco,
  standForElection,
  startResponder,
} from '../../src/response/index.ts';
import { hostile, openOutput } from '../outputs/open.ts';
import { type ControlPlane, missingKubernetes, startControlPlane } from '../peers/kubernetes.ts';

/** The response engine against a real API server. */
const TERMINATE = (() => {
  const action = { action: 't', actionner: 'kubernetes:terminate' };
  return {
    action,
    rules: loadRules([{ name: 'r', text: stringify([{ rule: 'r', match: {}, actions: [action] }]) }]).rules,
  };
})();
const OF_PROCESS = { listen_port: 0, deduplication: { time_window_seconds: 0 }, guards: { max_actions: 1000 } };
const PROGRAM = fileURLToPath(new URL('../../bin/windhover', import.meta.url));
const reason = missingKubernetes();

describe.skipIf(reason !== null)(reason === null ? 'on a real API server' : `on a real API server: ${reason}`, () => {
  let plane: ControlPlane;
  let folder: string;
  let sink: Server;
  let sinkUrl: string;
  const told: { output: string }[] = [];
  const running: Responder[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'windhover-response-'));
    sink = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk) => (text += chunk));
      request.on('end', () => {
        told.push(JSON.parse(text));
        response.end();
      });
    });
    await new Promise<void>((resolve) => sink.listen(0, '127.0.0.1', resolve));
    sinkUrl = `http://127.0.0.1:${(sink.address() as AddressInfo).port}`;
    plane = await startControlPlane();
    await plane.client.post('/api/v1/namespaces', { metadata: { name: 'shop' } });
  });
  afterEach(async () => {
    for (const responder of running.splice(0)) await responder.stop(0);
    told.length = 0;
  });
  afterAll(async () => {
    await plane?.stop();
    sink?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  let serial = 0;
  const alert = (pod: string, rule: string, fields: Record<string, unknown> = {}) =>
    Buffer.from(
      JSON.stringify({
        rule,
        priority: 'Critical',
        time: new Date(Date.now() + serial++).toISOString(),
        output: `a shell ${serial}`,
        output_fields: { 'k8s.ns.name': 'shop', 'k8s.pod.name': pod, ...fields },
      }),
    );

  async function start(rules: readonly ResponseRule[], config: Record<string, unknown> = {}): Promise<Responder> {
    expect(checkRules(rules)).toEqual([]);
    const settings = loadResponseConfig(
      stringify({
        journal: { path: join(folder, `journal-${serial++}`) },
        deduplication: { time_window_seconds: 0 },
        guards: { max_actions: 1000 },
        notifiers: { webhook: { url: sinkUrl } },
        ...config,
      }),
      'c',
      {},
    );
    const responder = await startResponder({
      config: settings,
      rules,
      cluster: () => createCluster(plane.client),
      logger: { info() {}, warning() {}, error() {}, debug() {} },
    });
    running.push(responder);
    return responder;
  }

  /** `windhover respond` as a process. */
  async function command(args: readonly string[]) {
    const child = spawn(PROGRAM, ['respond', ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    let text = '';
    const url = await new Promise<string>((resolve, reject) => {
      child.stderr.setEncoding('utf8').on('data', (part: string) => {
        text += part;
        const port = /Listening on 127\.0\.0\.1:(\d+)/.exec(text)?.[1];
        if (port !== undefined) resolve(`http://127.0.0.1:${port}`);
      });
      child.once('exit', () => reject(new Error(text)));
    });
    return {
      post: async (body: Buffer) => (await fetch(url, { method: 'POST', body: body.toString() })).status,
      get: async (path: string) => (await fetch(`${url}${path}`)).text(),
      async stop(signal: NodeJS.Signals) {
        child.kill(signal);
        await ended;
      },
    };
  }

  const pods = async (app: string, namespace = 'shop') =>
    (
      await plane.client.get<KubeList<KubeObject & { metadata: { deletionTimestamp?: string } }>>(
        `/api/v1/namespaces/${namespace}/pods?labelSelector=app%3D${app}`,
      )
    ).items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  async function deploy(app: string, replicas: number, namespace = 'shop') {
    await plane.client.post(`/apis/apps/v1/namespaces/${namespace}/deployments`, {
      metadata: { name: app },
      spec: {
        replicas,
        selector: { matchLabels: { app } },
        template: {
          metadata: { labels: { app } },
          spec: {
            containers: [
              { name: 'app', image: 'none' },
              { name: 'sidecar', image: 'none' },
            ],
          },
        },
      },
    });
    while ((await pods(app, namespace)).length < replicas) await sleep(100);
    return pods(app, namespace);
  }

  it('"Critical security violation" scales the Deployment to zero and notifies; undo restores it', async () => {
    const falco = stringify([
      {
        rule: 'Critical security violation',
        desc: 'd',
        condition: 'c',
        output: 'o',
        priority: 'CRITICAL',
        actions: ['scale_down_deployment', 'notify_security_team'],
      },
    ]);
    const actions = {
      scale_down_deployment: { actionner: 'kubernetes:scale', parameters: { replicas: 0 } },
      notify_security_team: { actionner: 'notify', parameters: { notifiers: ['webhook'] } },
    };
    const { rules, problems } = rulesFromFalco([{ name: 'falco_rules.yaml', text: falco }], actions);
    expect(problems).toEqual([]);
    const responder = await start(rules);
    const [pod] = await deploy('web', 3);
    await responder.accept(alert(pod.metadata.name, 'Critical security violation'));
    await responder.idle();
    const replicas = async () =>
      (
        await plane.client.get<KubeObject & { spec: { replicas: number } }>(
          '/apis/apps/v1/namespaces/shop/deployments/web',
        )
      ).spec.replicas;
    expect(responder.log().map(({ action, state }) => `${action} ${state}`)).toEqual([
      'scale_down_deployment done',
      'notify_security_team done',
    ]);
    expect(await replicas()).toBe(0);
    while ((await pods('web')).length > 0) await sleep(100);
    expect(told).toHaveLength(1);
    expect(await responder.undo(responder.log()[0].id)).toBe('scaled shop/web back to 3');
    expect(await replicas()).toBe(3);
  });

  it('a dry run leaves everything as it is; the server has judged it', async () => {
    const [pod] = await deploy('dry', 2);
    const actions = [
      'kubernetes:terminate',
      'kubernetes:scale',
      'kubernetes:label',
      'kubernetes:networkpolicy',
      'kubernetes:evict',
    ].map((actionner) => ({
      action: actionner,
      actionner,
      continue: true,
      parameters: actionner === 'kubernetes:label' ? { labels: { a: 'b' } } : {},
    }));
    const { rules } = loadRules([{ name: 'r', text: stringify([{ rule: 'all', match: {}, dry_run: true, actions }]) }]);
    const responder = await start(rules);
    await responder.accept(alert(pod.metadata.name, 'x', { 'fd.rip': '203.0.113.9' }));
    await responder.idle();
    expect(responder.log().map(({ state, message }) => (state === 'dry-run' ? state : `${state}: ${message}`))).toEqual(
      actions.map(() => 'dry-run'),
    );
    expect((await pods('dry')).map(({ metadata }) => [metadata.name, metadata.uid, metadata.labels?.a])).toContainEqual(
      [pod.metadata.name, pod.metadata.uid, undefined],
    );
    expect(
      (await plane.client.get<KubeList<KubeObject>>('/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies'))
        .items,
    ).toEqual([]);
  });

  it('label, annotation, network policy and rollout are valid there, and come back', async () => {
    const [pod] = await deploy('all', 2);
    const actions = [
      { action: 'l', actionner: 'kubernetes:label', parameters: { labels: { suspicious: 'true' } } },
      { action: 'a', actionner: 'kubernetes:annotation', parameters: { annotations: { 'example.com/why': 'falco' } } },
      { action: 'n', actionner: 'kubernetes:networkpolicy', parameters: { allow_namespaces: ['kube-system'] } },
      { action: 'e', actionner: 'kubernetes:evict' },
    ];
    const { rules } = loadRules([
      { name: 'r', text: stringify([{ rule: 'all', match: {}, notifiers: ['k8sevents'], actions }]) },
    ]);
    const responder = await start(rules);
    await responder.accept(alert(pod.metadata.name, 'x', { 'fd.rip': '2001:db8::1' }));
    await responder.idle();
    expect(responder.log().map(({ state, message }) => (state === 'done' ? state : `${state}: ${message}`))).toEqual([
      'done',
      'done',
      'done',
      'done',
    ]);
    const policy = '/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/windhover-all';
    expect(await plane.client.get(policy)).toMatchObject({ spec: { podSelector: { matchLabels: { app: 'all' } } } });
    const events = await plane.client.get<KubeList<KubeObject & { reason: string }>>('/api/v1/namespaces/shop/events');
    expect(events.items.filter(({ reason: why }) => why === 'FalcoResponse')).toHaveLength(4);
    await responder.undo(responder.log()[2].id);
    await expect(plane.client.get(policy)).rejects.toMatchObject({ status: 404 });
  });

  it('300 alerts at once give 300 terminations', async () => {
    const all = await deploy('many', 300);
    const responder = await start(TERMINATE.rules);
    for (const { metadata } of all) await responder.accept(alert(metadata.name, 'x'));
    await responder.idle();
    expect(responder.log().filter(({ state }) => state === 'done')).toHaveLength(300);
    const left = new Set((await pods('many')).map(({ metadata }) => metadata.uid));
    expect(all.filter(({ metadata }) => left.has(metadata.uid))).toEqual([]);
    await plane.client.delete('/apis/apps/v1/namespaces/shop/deployments/many');
  });

  it('what SIGTERM interrupts is done after the next start, each once', async () => {
    const all = await deploy('resumed', 100);
    const journal = join(folder, 'journal-process');
    const write = (name: string, content: unknown) => {
      writeFileSync(join(folder, name), stringify(content));
      return join(folder, name);
    };
    const files = [
      ...['-r', write('rules.yaml', [{ rule: 'r', match: {}, actions: [TERMINATE.action] }])],
      ...['-c', write('config.yaml', { ...OF_PROCESS, kubeconfig: plane.kubeconfig, journal: { path: journal } })],
    ];
    const first = await command(files);
    const answers = await Promise.all(all.map(({ metadata }) => first.post(alert(metadata.name, 'x'))));
    expect(new Set(answers)).toEqual(new Set([200]));
    const states = async (responder: typeof first) =>
      (JSON.parse(await responder.get('/log')) as { state: string; target: string }[]).map(
        ({ state, target }) => `${state} ${target}`,
      );
    // In the middle of it, as far as that can be met.
    await first.stop('SIGTERM');
    const second = await command(files);
    let done: string[] = [];
    do done = (await states(second)).filter((line) => line.startsWith('done'));
    while (done.length < 100);
    expect(new Set(done)).toEqual(new Set(all.map(({ metadata }) => `done pod shop/${metadata.name}`)));
    await second.stop('SIGTERM');
    const left = new Set((await pods('resumed')).map(({ metadata }) => metadata.uid));
    expect(all.filter(({ metadata }) => left.has(metadata.uid))).toEqual([]);
    await plane.client.delete('/apis/apps/v1/namespaces/shop/deployments/resumed');
  });

  /** Everything that actions could have changed; what controllers write beside it is none of that. */
  async function snapshot(): Promise<string[]> {
    const lists = [
      '/api/v1/nodes',
      '/api/v1/namespaces',
      '/api/v1/namespaces/calm/pods',
      '/apis/apps/v1/namespaces/calm/deployments',
      '/apis/apps/v1/namespaces/calm/replicasets',
      '/apis/networking.k8s.io/v1/namespaces/calm/networkpolicies',
      '/apis/batch/v1/namespaces/calm/jobs',
    ];
    const all = await Promise.all(
      lists.map((path) =>
        plane.client.get<KubeList<KubeObject & { spec?: unknown; metadata: { deletionTimestamp?: string } }>>(path),
      ),
    );
    return all.flatMap(({ items }, i) =>
      items.map(({ metadata: { name, uid, labels, annotations, deletionTimestamp }, spec }) => {
        const { 'deployment.kubernetes.io/revision': _revision, ...noted } = annotations ?? {};
        return `${lists[i]}/${name} ${uuidOf(JSON.stringify([uid, labels, noted, deletionTimestamp, spec]))}`;
      }),
    );
  }
  /** The pod that alerts with hostile values are about, in a namespace where nothing else happens. */
  async function calmPod(): Promise<KubeObject> {
    const [there] = await pods('calm', 'calm').catch(() => []);
    if (there !== undefined) return there;
    await plane.client.post('/api/v1/namespaces', { metadata: { name: 'calm' } });
    return (await deploy('calm', 1, 'calm'))[0] as KubeObject;
  }
  const NASTY = [
    'web; kubectl delete ns shop',
    '$(reboot)',
    '`reboot`',
    '../../nodes/localhost',
    'web\nshop',
    '{{.Values}}',
    '%2e%2e%2f',
    'web?dryRun=All',
    '*',
    '-o yaml',
    '\u0000',
    "web' OR '1'='1",
    '$' + '{PATH}',
  ];

  it.each(
    [...ACTIONS.values()].filter(({ name }) => /^(kubernetes|calico|cilium):/.test(name)).map(({ name }) => name),
  )('%s: hostile names in every field change nothing', async (actionner) => {
    const pod = await calmPod();
    const parameters: Record<string, Record<string, unknown>> = {
      'kubernetes:label': { labels: { a: 'b' } },
      'kubernetes:annotation': { annotations: { a: 'b' } },
      'kubernetes:exec': { command: 'true' },
      'kubernetes:script': { script: 'true' },
      'kubernetes:download': { file: '/etc/passwd' },
    };
    const { rules } = loadRules([
      {
        name: 'r',
        text: stringify([
          {
            rule: 'r',
            match: {},
            actions: [
              {
                action: 'a',
                actionner,
                parameters: parameters[actionner] ?? {},
                output: { target: 'local:file', parameters: { destination: folder } },
              },
            ],
          },
        ]),
      },
    ]);
    const responder = await start(rules);
    const before = await snapshot();
    for (const nasty of NASTY) {
      for (const name of ['k8s.ns.name', 'k8s.pod.name', 'k8s.pod.uid', 'ka.target.resource', 'ka.target.name'])
        await responder.accept(
          alert(pod.metadata.name, 'x', {
            'ka.target.namespace': nasty,
            'ka.target.resource': 'pods',
            'ka.target.name': nasty,
            'container.id': nasty,
            'container.name': nasty,
            'fd.rip': nasty,
            'k8s.ns.name': 'calm',
            // Another pod of that name: nothing may be done to it. The values of the object are hostile one by one.
            'k8s.pod.uid': 'another',
            [name]: nasty,
          }),
        );
    }
    await responder.idle();
    expect(new Set(responder.log().map(({ state }) => state))).not.toContain('done');
    expect(await snapshot()).toEqual(before);
  });

  it('with hostile values in every other field it does just what it is told', async () => {
    const pod = await calmPod();
    const { rules } = loadRules([
      {
        name: 'r',
        text: stringify([
          {
            rule: 'r',
            match: {},
            actions: [{ action: 'l', actionner: 'kubernetes:label', parameters: { labels: { told: 'yes' } } }],
          },
        ]),
      },
    ]);
    const responder = await start(rules);
    const without = (lines: string[]) => lines.filter((line) => !line.includes(`/pods/${pod.metadata.name} `));
    const before = await snapshot();
    for (const nasty of NASTY) {
      const names = [
        'fd.name',
        'proc.cmdline',
        'user.name',
        'evt.arg.path',
        'container.image.repository',
        'proc.env[A]',
      ];
      const body = JSON.parse(alert(pod.metadata.name, nasty).toString()) as Record<string, unknown>;
      await responder.accept(
        Buffer.from(
          JSON.stringify({
            ...body,
            output: nasty,
            hostname: nasty,
            source: nasty,
            tags: [nasty],
            output_fields: {
              ...(body.output_fields as object),
              'k8s.ns.name': 'calm',
              ...Object.fromEntries(names.map((name) => [name, nasty])),
              [nasty]: nasty,
            },
          }),
        ),
      );
    }
    await responder.idle();
    expect(responder.log().map(({ state }) => state)).toEqual(NASTY.map(() => 'done'));
    expect(without(await snapshot())).toEqual(without(before));
    const found = await plane.client.get<KubeObject>(`/api/v1/namespaces/calm/pods/${pod.metadata.name}`);
    expect(found.metadata.labels?.told).toBe('yes');
  });

  it('of several responders one is the leader, and another one takes over', async () => {
    const quiet = { info() {}, warning() {}, error() {}, debug() {} };
    const place = { namespace: 'shop', name: 'windhover-respond' };
    const path = '/apis/coordination.k8s.io/v1/namespaces/shop/leases';
    const candidates = await Promise.all(
      ['a', 'b', 'c'].map((name) => standForElection(plane.client, place, name, quiet, 50)),
    );
    const leaders = () => candidates.filter((each) => each.isLeader());
    while (leaders().length === 0 || candidates.some((each) => each.leader() === '')) await sleep(20);
    expect(leaders()).toHaveLength(1);
    expect(new Set(candidates.map((each) => each.leader())).size).toBe(1);
    const [first] = leaders();
    await first?.stop();
    expect(first?.isLeader()).toBe(false);
    while (leaders().length === 0) await sleep(20);
    expect(leaders()).toHaveLength(1);
    for (const candidate of candidates) await candidate.stop();
    expect(leaders()).toEqual([]);

    // One that went without a word is waited for as long as its lease lasts.
    await plane.client.post(path, {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: 'gone' },
      spec: { holderIdentity: 'gone', leaseDurationSeconds: 1, renewTime: '2001-01-01T00:00:00.000000Z' },
    });
    const heir = await standForElection(plane.client, { ...place, name: 'gone' }, 'heir', quiet, 50);
    expect([heir.isLeader(), heir.leader()]).toEqual([false, 'gone']);
    while (!heir.isLeader()) await sleep(20);
    expect(await plane.client.get(`${path}/gone`)).toMatchObject({ spec: { leaseTransitions: 1 } });
    await heir.stop();
  });

  it('keeps PolicyReports', async () => {
    const versions = [
      {
        name: 'v1alpha2',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ];
    for (const [plural, kind, scope] of [
      ['policyreports', 'PolicyReport', 'Namespaced'],
      ['clusterpolicyreports', 'ClusterPolicyReport', 'Cluster'],
    ]) {
      await plane.client.post('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
        metadata: {
          name: `${plural}.wgpolicyk8s.io`,
          annotations: { 'api-approved.kubernetes.io': 'unapproved, a test' },
        },
        spec: { group: 'wgpolicyk8s.io', scope, names: { plural, singular: kind.toLowerCase(), kind }, versions },
      });
    }
    const { sink: output } = await openOutput('policyreport', { enabled: true, kubeconfig: plane.kubeconfig });
    for (let i = 0; i < 100; i++) {
      const error = await output.send([hostile(), hostile({ output: 'in no namespace', output_fields: {} })]).then(
        () => null,
        (caught: Error) => caught,
      );
      if (error === null) break;
      await sleep(100);
    }
    await output.send([hostile(), hostile({ output: 'second' })]);
    const report = await plane.client.get<KubeObject & { results: unknown[]; summary: object }>(
      '/apis/wgpolicyk8s.io/v1alpha2/namespaces/default/policyreports/falco-policy-report',
    );
    expect(report.results).toHaveLength(2);
    expect(
      await plane.client.get('/apis/wgpolicyk8s.io/v1alpha2/clusterpolicyreports/falco-cluster-policy-report'),
    ).toMatchObject({ summary: { warn: 1 } });
    await output.close?.();
  });
});
