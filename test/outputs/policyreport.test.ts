import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { hostile, openOutput } from './open.ts';

/** An API server that keeps reports, and has somebody else change them in between. */
// biome-ignore lint/suspicious/noExplicitAny: reports.
const reports = new Map<string, any>();
let server: Server;
let folder: string;
let kubeconfig: string;
let conflicts = 0;

beforeEach(async () => {
  reports.clear();
  server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += chunk));
    request.on('end', () => {
      const path = request.url ?? '';
      const send = (status: number, body: unknown) =>
        response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
      if (request.method === 'GET')
        return reports.has(path)
          ? send(200, reports.get(path))
          : send(404, { reason: 'NotFound', message: 'not found' });
      const report = JSON.parse(text);
      const key = request.method === 'POST' ? `${path}/${report.metadata.name}` : path;
      const before = reports.get(key);
      if (
        before !== undefined &&
        (conflicts-- > 0 || report.metadata.resourceVersion !== before.metadata.resourceVersion)
      )
        return send(409, { reason: 'Conflict', message: 'changed' });
      reports.set(key, { ...report, metadata: { ...report.metadata, resourceVersion: String(Math.random()) } });
      send(200, report);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  folder = mkdtempSync(join(tmpdir(), 'windhover-policyreport-'));
  kubeconfig = join(folder, 'config');
  const { port } = server.address() as AddressInfo;
  writeFileSync(
    kubeconfig,
    stringify({
      'current-context': 'c',
      clusters: [{ name: 'c', cluster: { server: `http://127.0.0.1:${port}` } }],
      users: [{ name: 'u', user: {} }],
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    }),
  );
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

const REPORT = '/apis/wgpolicyk8s.io/v1alpha2/namespaces/default/policyreports/falco-policy-report';

it("adds each alert once, to its namespace's report, through conflicts", async () => {
  const { sink } = await openOutput('policyreport', { enabled: true, kubeconfig });
  const alerts = [
    hostile(),
    hostile({ output: 'second', priority: 'Critical' }),
    hostile({ output: 'cluster', output_fields: { 'k8s.ns.name': '../x' } }),
  ];
  await sink.send(alerts.slice(0, 1));
  conflicts = 3;
  await sink.send(alerts);
  await sink.send(alerts);
  const { results, summary } = reports.get(REPORT);
  expect(results).toHaveLength(2);
  expect(summary).toMatchObject({ fail: 1, warn: 1 });
  expect(results[0]).toMatchObject({
    policy: 'Read sensitive file untrusted',
    severity: 'medium',
    timestamp: { seconds: 1767366245, nanos: 123456789 },
    properties: { 'evt.time': '1767366245123456789' },
    resources: [{ name: 'shop-7d9c' }],
  });
  expect([...reports.keys()][1]).toBe('/apis/wgpolicyk8s.io/v1alpha2/clusterpolicyreports/falco-cluster-policy-report');
  await sink.close?.();
});

it('keeps the most severe, or the newest', async () => {
  const alerts = ['Debug', 'Critical', 'Debug', 'Error', 'Warning'].map((priority, i) =>
    hostile({ priority, output: String(i) }),
  );
  for (const [prunebypriority, kept] of [
    [true, ['1', '3', '4']],
    [false, ['2', '3', '4']],
  ] as const) {
    reports.clear();
    const { sink } = await openOutput('policyreport', { enabled: true, kubeconfig, maxevents: 3, prunebypriority });
    await sink.send(alerts);
    expect(reports.get(REPORT).results.map(({ message }: { message: string }) => message)).toEqual(kept);
    await sink.close?.();
  }
});
