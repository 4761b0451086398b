import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadKubeConfig } from './config.ts';

const folder = mkdtempSync(join(tmpdir(), 'windhover-kubeconfig-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

const kubeconfig = (user: string): string => `
apiVersion: v1
kind: Config
current-context: two
contexts:
  - {name: one, context: {cluster: c, user: other}}
  - {name: two, context: {cluster: c, user: u, namespace: shop}}
clusters:
  - name: c
    cluster: {server: "https://127.0.0.1:6443/", certificate-authority: ca.pem}
users:
  - name: u
    user: ${user}
`;

test('a kubeconfig: files beside it, data in it, the current context', () => {
  file('ca.pem', 'CA');
  const config = loadKubeConfig(file('a', kubeconfig('{token: secret}')));
  expect(config).toMatchObject({ server: 'https://127.0.0.1:6443', ca: 'CA', namespace: 'shop', certificate: null });
  expect(config?.token()).toBe('secret');
  const data = (text: string): string => Buffer.from(text).toString('base64');
  const user = `{client-certificate-data: ${data('CERT')}, client-key-data: ${data('KEY')}}`;
  const withCertificate = loadKubeConfig(file('b', kubeconfig(user)));
  expect(withCertificate?.certificate).toEqual({ cert: 'CERT', key: 'KEY' });
});

test('a token file is read again when it has changed', () => {
  const token = file('token', 'first\n');
  const config = loadKubeConfig(file('c', kubeconfig(`{tokenFile: ${token}}`)));
  expect(config?.token()).toBe('first');
  rmSync(token);
  file('token', 'second\n');
  expect(config?.token()).toBe('second');
});

test('the account of a pod, and none', () => {
  file('token', 'pod-token');
  file('ca.crt', 'POD-CA');
  file('namespace', 'security');
  const environment = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };
  expect(loadKubeConfig('', environment, folder)).toMatchObject({
    server: 'https://[fd00::1]:443',
    ca: 'POD-CA',
    namespace: 'security',
  });
  expect(loadKubeConfig('', {}, folder)).toBeNull();
});

test('what is no kubeconfig, or asks for a program, is refused with its name', () => {
  expect(() => loadKubeConfig(file('d', '{}'))).toThrow("nothing is named 'undefined'");
  expect(() => loadKubeConfig(file('e', kubeconfig('{exec: {command: login}}')))).toThrow('not supported');
});
