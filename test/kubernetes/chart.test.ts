import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { run } from '../containers/engines.ts';
import { ROOT } from '../live/sensor.ts';
import { HELM, helmMissing } from './cluster.ts';

const CHART = `${ROOT}deploy/charts/windhover`;
const missing = helmMissing();

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  // biome-ignore lint/suspicious/noExplicitAny: manifests are as open as JSON
  readonly [key: string]: any;
}

/** Manifests by kind; the ConfigMap of rules has its name. */
function render(...args: readonly string[]): Map<string, Manifest> {
  const text = run(HELM, 'template', 'wh', CHART, '-n', 'security', '--kube-version', '1.33.0', ...args);
  const manifests = parseAllDocuments(text).flatMap((document) => (document.toJS() as Manifest | null) ?? []);
  return new Map(manifests.map((one) => [one.metadata.name.endsWith('-rules') ? 'rules' : one.kind, one]));
}

const valuesFile = (name: string): string[] => ['-f', fileURLToPath(new URL(`values/${name}.yaml`, import.meta.url))];

const container = (manifest: Manifest | undefined) => manifest?.spec.template.spec.containers[0];
// biome-ignore lint/suspicious/noExplicitAny: the configuration is as open as JSON
const config = (rendered: Map<string, Manifest>): any =>
  parseAllDocuments(rendered.get('ConfigMap')?.data['falco.yaml'] ?? '')[0]?.toJS();

describe('the chart', () => {
  test('lint', (ctx) => {
    if (missing !== null) ctx.skip(missing);
    expect(run(HELM, 'lint', '--strict', CHART)).toContain('0 chart(s) failed');
  });

  test('by default nothing is privileged, and only what is needed is allowed', (ctx) => {
    if (missing !== null) ctx.skip(missing);
    const rendered = render();
    expect([...rendered.keys()].sort()).toEqual([
      'ClusterRole',
      'ClusterRoleBinding',
      'ConfigMap',
      'DaemonSet',
      'NetworkPolicy',
      'ServiceAccount',
    ]);
    const daemon = rendered.get('DaemonSet');
    expect(container(daemon).securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsUser: 0,
      capabilities: { drop: ['ALL'], add: ['BPF', 'PERFMON', 'SYS_RESOURCE', 'SYS_PTRACE', 'DAC_READ_SEARCH'] },
      seccompProfile: { type: 'RuntimeDefault' },
    });
    const pod = daemon?.spec.template.spec;
    expect(pod.initContainers).toBeUndefined();
    expect(pod.hostPID).toBeUndefined();
    expect(pod.hostNetwork).toBeUndefined();
    expect(daemon?.spec.template.metadata.labels.app).toBe('windhover');
    for (const rule of rendered.get('ClusterRole')?.rules ?? []) {
      for (const verb of rule.verbs) expect(['get', 'list', 'watch']).toContain(verb);
    }
    for (const mount of container(daemon).volumeMounts) {
      if (mount.name !== 'tmp') expect(mount.readOnly, mount.name).toBe(true);
    }
  });

  test('a label app: falco, privileges, metrics, a monitor, a dashboard on request', (ctx) => {
    if (missing !== null) ctx.skip(missing);
    const rendered = render(
      '--set=nameOverride=falco,driver.modernEbpf.leastPrivileged=false,metrics.enabled=true,metrics.interval=30m',
      '--set=serviceMonitor.create=true,grafana.dashboards.enabled=true',
    );
    const daemon = rendered.get('DaemonSet');
    expect(daemon?.spec.template.metadata.labels.app).toBe('falco');
    expect(container(daemon).securityContext).toEqual({ privileged: true });
    expect(rendered.get('ServiceMonitor')?.spec.endpoints[0]).toMatchObject({ port: 'metrics', path: '/metrics' });
    expect(rendered.get('Service')?.spec.ports[0]).toMatchObject({ name: 'metrics', port: 8765 });
    const dashboard = JSON.parse(readFileSync(`${CHART}/dashboards/windhover.json`, 'utf8'));
    expect(dashboard.panels.length).toBeGreaterThan(4);
  });

  test('values that were written for the chart of Falco', (ctx) => {
    if (missing !== null) ctx.skip(missing);
    const audit = render(...valuesFile('k8saudit'));
    expect(audit.has('DaemonSet')).toBe(false);
    expect(container(audit.get('Deployment')).securityContext.runAsNonRoot).toBe(true);
    expect(config(audit)).toMatchObject({
      engine: { kind: 'nodriver' },
      load_plugins: ['k8saudit', 'json'],
      plugins: [{ name: 'k8saudit', open_params: 'http://:9765/k8s-audit' }, { name: 'json' }],
    });
    const service = audit.get('Service');
    expect(service?.metadata.name).toBe('wh-windhover-k8saudit-webhook');
    expect(service?.spec).toMatchObject({ type: 'NodePort', ports: [{ port: 9765, nodePort: 30007 }] });
    expect(audit.get('NetworkPolicy')?.spec.ingress[0].ports).toContainEqual({ port: 9765, protocol: 'TCP' });

    const both = render(...valuesFile('syscall-k8saudit'));
    expect(both.has('DaemonSet')).toBe(true);
    expect(config(both)).toMatchObject({ engine: { kind: 'modern_ebpf' }, load_plugins: ['k8saudit', 'json'] });

    const many = render(...valuesFile('many'));
    const daemon = many.get('DaemonSet');
    expect(daemon?.metadata.name).toBe('falco');
    expect(container(daemon).image).toBe('registry.test/security/falco:0.44.1');
    expect(daemon?.spec.template.spec).toMatchObject({ priorityClassName: 'important', nodeSelector: { pool: 'a' } });
    expect(container(daemon).env).toContainEqual({ name: 'EXTRA', value: 'yes' });
    expect(container(daemon).args).toContain('--disable-source');
    expect(config(many)).toMatchObject({ json_output: true, priority: 'warning', http_output: { enabled: true } });
  });

  test('forwarder, hub and responder, under the names that the chart of Falco gives them', (ctx) => {
    if (missing !== null) ctx.skip(missing);
    const text = run(HELM, 'template', 'wh', CHART, '-n', 'security', '--kube-version', '1.33.0', ...valuesFile('all'));
    const manifests = parseAllDocuments(text).flatMap((document) => (document.toJS() as Manifest | null) ?? []);
    const of = (kind: string, name: string) => manifests.find((one) => one.kind === kind && one.metadata.name === name);
    const parts = manifests.filter(({ kind }) => kind === 'StatefulSet');
    expect(parts.map(({ metadata }) => metadata.name).sort()).toEqual([
      'wh-falco-talon',
      'wh-falcosidekick',
      'wh-falcosidekick-ui',
    ]);
    for (const part of parts) {
      const { name } = part.metadata;
      expect(container(part).securityContext, name).toMatchObject({
        runAsNonRoot: true,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(part.spec.volumeClaimTemplates, name).toHaveLength(1);
      expect(of('Service', name), name).toBeDefined();
      expect(of('NetworkPolicy', name), name).toBeDefined();
    }
    const falco = parseAllDocuments(of('ConfigMap', 'wh-windhover')?.data['falco.yaml'])[0]?.toJS();
    expect(falco).toMatchObject({
      json_output: true,
      http_output: { enabled: true, url: 'http://wh-falcosidekick.security.svc.cluster.local:2801' },
    });
    const sidekick = parseAllDocuments(of('Secret', 'wh-falcosidekick')?.stringData['config.yaml'])[0]?.toJS();
    expect(sidekick).toEqual({
      customfields: { environment: 'production', datacenter: 'eu-1' },
      slack: { webhookurl: 'https://hooks.slack.test/services/X', minimumpriority: 'warning' },
    });
    expect(container(of('StatefulSet', 'wh-falcosidekick')).envFrom).toEqual([
      { secretRef: { name: 'sidekick-secrets' } },
    ]);
    expect(of('PodDisruptionBudget', 'wh-falcosidekick')).toBeDefined();
    expect(of('Ingress', 'wh-falcosidekick-ui')?.spec.rules[0].host).toBe('falco.example');
    // What Talon may do by default is to look.
    for (const rule of of('ClusterRole', 'wh-falco-talon')?.rules ?? []) expect(rule.verbs).toEqual(['get', 'list']);
  });

  test('an update starts the new sensor first, where both can listen', (ctx) => {
    if (missing !== null) ctx.skip(missing);
    const strategy = (...args: readonly string[]) => render(...args).get('DaemonSet')?.spec.updateStrategy;
    expect(strategy()).toEqual({ type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } });
    expect(strategy('--set=hostNetwork=true')).toEqual({ type: 'RollingUpdate' });
    expect(strategy('--set=controller.daemonset.updateStrategy.type=OnDelete')).toEqual({ type: 'OnDelete' });
  });

  test('certificates out of the values', (ctx) => {
    if (missing !== null) ctx.skip(missing);
    const text =
      'certs.server.key=KEY,certs.server.crt=CRT,certs.ca.crt=CA,certs.client.key=CKEY,certs.client.crt=CCRT';
    const rendered = render(`--set=${text}`);
    const mounts = container(rendered.get('DaemonSet')).volumeMounts.map(
      (mount: { mountPath: string }) => mount.mountPath,
    );
    expect(mounts).toEqual(expect.arrayContaining(['/etc/falco/certs', '/etc/falco/certs/client']));
    expect(rendered.get('Secret')?.stringData).toEqual({ 'client.crt': 'CCRT', 'client.key': 'CKEY' });
  });

  test('the plain manifests are what it gives by default', (ctx) => {
    if (missing !== null) ctx.skip(missing);
    const folder = mkdtempSync(join(tmpdir(), 'windhover-manifests-'));
    const file = join(folder, 'windhover.yaml');
    execFileSync(`${ROOT}deploy/manifests/render.sh`, [file], { env: { ...process.env, HELM } });
    expect(readFileSync(file, 'utf8')).toBe(readFileSync(`${ROOT}deploy/manifests/windhover.yaml`, 'utf8'));
    rmSync(folder, { recursive: true });
  });

  test.for([
    ['driver.kind=gvisor', 'unsupported driver kind'],
    ['controller.kind=job', 'controller'],
    ['falco.webserver.listen_port=99999', 'listen_port'],
    ['collectors.containerEngine.engines.docker.socket=/x', 'docker'],
    ['image.pullpolicy=Never', 'image'],
  ] as const)('%s is refused', ([setting, word], ctx) => {
    if (missing !== null) ctx.skip(missing);
    expect(() => render(`--set=${setting}`)).toThrow(word);
  });
});
