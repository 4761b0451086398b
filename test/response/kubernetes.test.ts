import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { KubeList, KubeObject } from '../../src/kube/index.ts';
import {
  checkRules,
  createCluster,
  loadResponseConfig,
  loadRules,
  type Responder,
  type ResponseRule,
  rulesFromFalco,
  startResponder,
} from '../../src/response/index.ts';
import { hostile, openOutput } from '../outputs/open.ts';
import { type ControlPlane, missingKubernetes, startControlPlane } from '../peers/kubernetes.ts';

/** The response engine against a real API server. */
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

  const pods = async (app: string) =>
    (
      await plane.client.get<KubeList<KubeObject & { metadata: { deletionTimestamp?: string } }>>(
        `/api/v1/namespaces/shop/pods?labelSelector=app%3D${app}`,
      )
    ).items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  async function deploy(app: string, replicas: number) {
    await plane.client.post('/apis/apps/v1/namespaces/shop/deployments', {
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
    while ((await pods(app)).length < replicas) await sleep(100);
    return pods(app);
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
    const { rules } = loadRules([
      {
        name: 'r',
        text: stringify([{ rule: 'r', match: {}, actions: [{ action: 't', actionner: 'kubernetes:terminate' }] }]),
      },
    ]);
    const responder = await start(rules);
    for (const { metadata } of all) await responder.accept(alert(metadata.name, 'x'));
    await responder.idle();
    expect(responder.log().filter(({ state }) => state === 'done')).toHaveLength(300);
    const left = new Set((await pods('many')).map(({ metadata }) => metadata.uid));
    expect(all.filter(({ metadata }) => left.has(metadata.uid))).toEqual([]);
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
