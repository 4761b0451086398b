import { createServer, type Server, type ServerResponse } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import type { PodInfo } from '../state/index.ts';
import { createKubeClient, type KubeClient } from './client.ts';
import { followPods, type Pods } from './pods.ts';

const ID = 'ab'.repeat(32);

function pod(name: string, more: object = {}): object {
  return {
    metadata: {
      name,
      namespace: 'shop',
      uid: `uid-${name}`,
      labels: { app: 'web', 'pod-template-hash': '5f6' },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-5f6', uid: 'rs', controller: true }],
    },
    spec: {
      containers: [{ name: 'main', image: 'web:1', livenessProbe: { exec: { command: ['/bin/check', '-q'] } } }],
    },
    status: {
      podIP: '10.0.0.9',
      containerStatuses: [{ name: 'main', image: 'docker.io/library/web:1', containerID: `containerd://${ID}` }],
    },
    ...more,
  };
}

/** An API server that the test is. */
function serve(
  answers: (path: string, response: ServerResponse) => unknown,
): Promise<{ server: Server; client: KubeClient }> {
  return new Promise((resolve) => {
    const server = createServer((request, response) => {
      const answer = answers(request.url ?? '', response);
      if (answer === undefined) return;
      response.statusCode = answer === null ? 404 : 200;
      response.end(JSON.stringify(answer ?? { reason: 'NotFound', message: 'not found' }));
    });
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      const config = { ca: null, insecure: false, certificate: null, token: () => 'secret', namespace: 'default' };
      resolve({ server, client: createKubeClient({ ...config, server: `http://127.0.0.1:${port}` }) });
    });
  });
}

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** Follows and collects; `until` resolves once what was told fits. */
function follow(client: KubeClient, kubelet: KubeClient | null = null) {
  const told = new Map<string, PodInfo | null>();
  let check: () => void = () => {};
  const pods: Pods = followPods({
    client,
    kubelet,
    nodeName: 'node-1',
    changed(uid, info) {
      told.set(uid, info);
      check();
    },
    log: () => {},
  });
  closers.push(() => pods.close());
  const until = (fits: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      check = () => {
        if (fits()) resolve();
      };
      check();
    });
  return { pods, told, until };
}

test('one list, one watch; what stands around pods is asked for once', async () => {
  const paths: string[] = [];
  let watch: ServerResponse | null = null;
  const { server, client } = await serve((path, response) => {
    paths.push(path);
    if (path.includes('watch=1')) {
      watch = response;
      response.writeHead(200);
      response.flushHeaders();
      return undefined;
    }
    if (path.startsWith('/api/v1/pods')) return { metadata: { resourceVersion: '5' }, items: [pod('a'), pod('b')] };
    if (path === '/api/v1/namespaces/shop?resourceVersion=0')
      return { metadata: { name: 'shop', uid: 'ns', labels: { team: 'blue' } } };
    if (path.includes('/services?')) {
      const service = (name: string, selector: object) => ({ metadata: { name, uid: name }, spec: { selector } });
      return { metadata: {}, items: [service('web', { app: 'web' }), service('db', { app: 'db' }), service('x', {})] };
    }
    if (path.includes('/replicasets/web-5f6?')) {
      const owner = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: 'dep', controller: true };
      return { metadata: { name: 'web-5f6', uid: 'rs', ownerReferences: [owner] } };
    }
    return path.includes('/deployments/web?') ? { metadata: { name: 'web', uid: 'dep' } } : null;
  });
  closers.push(
    () => server.closeAllConnections(),
    () => server.close(),
  );
  const { pods, told, until } = follow(client);
  await until(() => told.get('uid-b')?.deployment?.uid === 'dep' && told.get('uid-a')?.deployment?.uid === 'dep');
  expect(told.get('uid-a')).toMatchObject({
    name: 'a',
    ip: '10.0.0.9',
    namespace: { uid: 'ns', labels: { team: 'blue' } },
    replicaSet: { name: 'web-5f6' },
    owner: { kind: 'Deployment', name: 'web' },
    services: [{ name: 'web' }],
  });
  const counts = paths.map((path) => path.replace(/timeoutSeconds=\d+/, ''));
  expect(new Set(counts).size).toBe(counts.length);
  expect(paths[0]).toContain('fieldSelector=spec.nodeName%3Dnode-1');

  expect(pods.container(ID)).toMatchObject({
    name: 'main',
    type: 'containerd',
    imageRepository: 'docker.io/library/web',
    imageTag: '1',
    labels: { 'io.kubernetes.pod.name': 'a' },
    probes: [{ type: 'LIVENESS_PROBE', exe: '/bin/check', args: ['-q'] }],
  });
  const send = (type: string, object: object): void => {
    (watch as unknown as ServerResponse).write(`${JSON.stringify({ type, object })}\n`);
  };
  send('DELETED', pod('a'));
  send('ADDED', pod('c'));
  await until(() => told.get('uid-a') === null && told.get('uid-c')?.services.length === 1);
});

test('without the API server the kubelet is asked; names follow from the pod alone', async () => {
  const { server, client } = await serve(() => ({ metadata: {}, items: [] }));
  server.close();
  const kubelet = await serve((path) => (path === '/pods' ? { metadata: {}, items: [pod('a')] } : null));
  closers.push(() => kubelet.server.close());
  const { told, until } = follow(client, kubelet.client);
  await until(() => told.get('uid-a') !== undefined);
  expect(told.get('uid-a')).toMatchObject({
    namespace: { name: 'shop' },
    replicaSet: { name: 'web-5f6', uid: 'rs' },
    deployment: { name: 'web' },
  });
});

test('the owner in the end: a job of a cron job, a daemon set, nobody', async () => {
  const owned = (name: string, kind: string, owner: string) =>
    pod(name, {
      metadata: {
        ...{ name, namespace: 'shop', uid: `uid-${name}` },
        ownerReferences: [{ apiVersion: 'x/v1', kind, name: owner, uid: 'o', controller: true }],
      },
    });
  const items = [
    owned('a', 'Job', 'clean-1'),
    owned('b', 'DaemonSet', 'agent'),
    owned('c', 'StatefulSet', 'db'),
    pod('d', { metadata: { name: 'd', namespace: 'shop', uid: 'uid-d' } }),
  ];
  const { server, client } = await serve((path) => {
    if (path.includes('watch=1')) return undefined;
    if (path.startsWith('/api/v1/pods')) return { metadata: { resourceVersion: '5' }, items };
    const ownerReferences = [{ apiVersion: 'batch/v1', kind: 'CronJob', name: 'clean', uid: 'c', controller: true }];
    return path.includes('/jobs/clean-1?') ? { metadata: { name: 'clean-1', uid: 'o', ownerReferences } } : null;
  });
  closers.push(
    () => server.closeAllConnections(),
    () => server.close(),
  );
  const { told, until } = follow(client);
  await until(() => told.get('uid-a')?.owner?.kind === 'CronJob' && told.size === 4);
  const owners = [...told.values()].map((one) => (one?.owner ? `${one.owner.kind} ${one.owner.name}` : null));
  expect(owners).toEqual(['CronJob clean', 'DaemonSet agent', 'StatefulSet db', null]);
});

test('what may not be read is left out, and not asked for again', async () => {
  let asked = 0;
  const { server, client } = await serve((path, response) => {
    if (path.startsWith('/api/v1/pods') && !path.includes('watch=1')) {
      return { metadata: { resourceVersion: '1' }, items: [pod('a'), pod('b'), pod('c')] };
    }
    if (path.includes('watch=1')) return undefined;
    asked++;
    response.statusCode = 403;
    response.end('{"reason":"Forbidden","message":"no"}');
    return undefined;
  });
  closers.push(
    () => server.closeAllConnections(),
    () => server.close(),
  );
  const { told, until } = follow(client);
  await until(() => told.size === 3 && asked === 3);
  expect(told.get('uid-c')).toMatchObject({ deployment: { name: 'web', uid: '' }, services: [] });
});
