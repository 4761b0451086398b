import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Config } from '../config/index.ts';
import { startSensorServer } from './sensor.ts';

const directory = mkdtempSync(join(tmpdir(), 'windhover-sensor-server-'));
afterAll(() => rmSync(directory, { recursive: true }));

const webserver: Config['webserver'] = {
  enabled: true,
  threadiness: 0,
  listen_port: 0,
  listen_address: '127.0.0.1',
  k8s_healthz_endpoint: '/alive',
  prometheus_metrics_enabled: true,
  ssl_enabled: false,
  ssl_certificate: '',
};

test('only GET, only the paths that are on, and an error of the metrics is an error', async () => {
  const server = await startSensorServer({
    webserver,
    versions: '{}',
    metrics: () => Promise.reject(new Error('no numbers')),
  });
  const get = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${server.port}${path}`, init);
  expect((await get('/alive?x=1')).status).toBe(200);
  expect((await get('/healthz')).status).toBe(404);
  expect((await get('/versions', { method: 'POST' })).status).toBe(405);
  expect(await (await get('/metrics')).text()).toBe('no numbers\n');
  await server.close();
  const bare = await startSensorServer({ webserver, versions: '{}', metrics: null });
  expect((await fetch(`http://127.0.0.1:${bare.port}/metrics`)).status).toBe(404);
  await bare.close();
});

test('with ssl_enabled it speaks TLS with the one PEM file', async () => {
  const at = (name: string): string => join(directory, name);
  const names = ['-keyout', at('key'), '-out', at('crt'), '-days', '2', '-subj', '/CN=x'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  execFileSync('openssl', ['req', '-x509', '-nodes', ...kind, ...names], { stdio: 'ignore' });
  writeFileSync(at('falco.pem'), readFileSync(at('key'), 'utf8') + readFileSync(at('crt'), 'utf8'));
  const secure = { ...webserver, ssl_enabled: true, ssl_certificate: at('falco.pem') };
  const server = await startSensorServer({ webserver: secure, versions: '{}', metrics: null });
  const status = await new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port: server.port,
      path: '/alive',
      ca: readFileSync(at('crt')),
      checkServerIdentity: () => undefined,
    };
    request(options, (response) => resolve(response.statusCode))
      .on('error', reject)
      .end();
  });
  expect(status).toBe(200);
  await server.close();
});
