import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningSensor, startSensor } from '../containers/sensor.ts';
import { freePort } from '../ports.ts';

/** The rule and the configuration key of the project's introduction, as printed there. */

const RULES = fileURLToPath(new URL('introduction_rules.yaml', import.meta.url));

let sensor: RunningSensor;
let url = '';
beforeAll(async () => {
  const port = await freePort();
  url = `http://127.0.0.1:${port}/audit`;
  sensor = await startSensor(null, ['-r', RULES, '-o', `k8s_audit_endpoint=http://kube-apiserver:${port}/audit`]);
}, 60_000);
afterAll(() => sensor?.stop());

function creation(name: string, namespace: string, change: object = {}): object {
  return {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    stage: 'ResponseComplete',
    verb: 'create',
    user: { username: 'alice' },
    objectRef: { resource: 'pods', namespace, name, apiVersion: 'v1' },
    responseStatus: { code: 201 },
    stageTimestamp: '2026-01-02T03:04:05.000001Z',
    ...change,
  };
}

async function post(body: string): Promise<number> {
  const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
  return response.status;
}

test('pods outside of the approved namespaces give the alert of the introduction', async () => {
  const items = [
    creation('approved', 'production'),
    creation('attempt', 'dev', { responseStatus: { code: 403 } }),
    creation('begun', 'dev', { stage: 'ResponseStarted' }),
    creation('shell', 'dev', { objectRef: { resource: 'pods', subresource: 'exec', namespace: 'dev', name: 'shell' } }),
    creation('made-by-controller', 'dev', {
      objectRef: { resource: 'pods', namespace: 'dev' },
      responseObject: { metadata: { name: 'made-by-controller-x7x2k' } },
    }),
    creation('last', 'dev'),
  ];
  expect(await post(JSON.stringify({ kind: 'EventList', apiVersion: 'audit.k8s.io/v1', items }))).toBe(200);
  await sensor.alert(({ output }) => output.includes('pod=last'));
  expect(sensor.alerts.map(({ output, source }) => [source, output.replace(/^\S+ /, '')])).toEqual([
    ['k8s_audit', 'Warning Unauthorized pod creation (pod=made-by-controller-x7x2k namespace=dev user=alice)'],
    ['k8s_audit', 'Warning Unauthorized pod creation (pod=last namespace=dev user=alice)'],
  ]);
});

test('what is no audit event is refused', async () => {
  expect(await post('{')).toBe(400);
  expect(await post('{"kind":"Pod"}')).toBe(400);
  expect(await post(JSON.stringify(creation('still-alive', 'dev')))).toBe(200);
  await sensor.alert(({ output }) => output.includes('pod=still-alive'));
});
