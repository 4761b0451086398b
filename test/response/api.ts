import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { createKubeClient } from '../../src/kube/index.ts';
import { type Cluster, createCluster } from '../../src/response/index.ts';

/** As much of the Kubernetes API as actions use: objects in a map, preconditions, dry run, patches, exec. */
// biome-ignore lint/suspicious/noExplicitAny: objects of every kind.
type Thing = any;

export interface Api {
  readonly url: string;
  readonly cluster: Cluster;
  readonly objects: Map<string, Thing>;
  /** `METHOD path?query`, in order. */
  readonly calls: string[];
  /** The argv of every exec, with the container. */
  readonly execs: { container: string; argv: string[]; stdin: string }[];
  execResult: { status: number; stdout: string };
  /** Milliseconds before each answer. */
  delay: number;
  /** Answers of this status come first, so many times. */
  failing: { status: number; times: number };
  put(path: string, object: Thing): void;
  close(): Promise<void>;
}

export async function startApi(): Promise<Api> {
  const objects = new Map<string, Thing>();
  const calls: string[] = [];
  const execs: Api['execs'] = [];
  let serial = 1;
  const api = {
    objects,
    calls,
    execs,
    execResult: { status: 0, stdout: 'ok\n' },
    delay: 0,
    failing: { status: 503, times: 0 },
  } as Api;

  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '', 'http://x');
    calls.push(`${request.method} ${request.url}`);
    const text = await body(request);
    if (api.delay > 0) await new Promise((resolve) => setTimeout(resolve, api.delay));
    if (api.failing.times > 0) {
      api.failing.times--;
      return fail(response, api.failing.status, 'InternalError', 'told to fail');
    }
    answer(
      request.method ?? '',
      url,
      text === '' ? undefined : JSON.parse(text),
      response,
      request.headers['content-type'] ?? '',
    );
  });

  function answer(method: string, url: URL, given: Thing, response: ServerResponse, type: string) {
    // As the real one: the options of a DELETE are in its body, if it has one.
    const isDry =
      method === 'DELETE' && given !== undefined
        ? given.dryRun?.[0] === 'All'
        : url.searchParams.get('dryRun') === 'All';
    const path = url.pathname;
    const keep = (key: string, object: Thing) => {
      object.metadata.resourceVersion = String(++serial);
      if (!isDry) objects.set(key, object);
      send(response, 200, object);
    };
    if (method === 'POST' && path.endsWith('/eviction')) {
      const pod = path.replace(/\/eviction$/, '');
      if (!objects.has(pod)) return fail(response, 404, 'NotFound', `${pod} not found`);
      if (!isDry) objects.delete(pod);
      return send(response, 201, { kind: 'Status', status: 'Success' });
    }
    if (method === 'POST') {
      const name = given.metadata.name ?? `${given.metadata.generateName}${++serial}`;
      return keep(`${path}/${name}`, { ...given, metadata: { ...given.metadata, name, uid: `uid-${++serial}` } });
    }
    if (path.endsWith('/log')) {
      response.writeHead(200).end('line 1\nline 2\n');
      return;
    }
    const isScale = path.endsWith('/scale');
    const key = isScale ? path.replace(/\/scale$/, '') : path;
    const found = objects.get(key);
    if (method === 'GET' && found === undefined && /\/(pods|replicasets|events|networkpolicies)$/.test(path)) {
      const inside = [...objects].filter(([other]) =>
        path.startsWith('/api/v1/pods') ? /\/pods\/[^/]+$/.test(other) : other.startsWith(`${path}/`),
      );
      return send(response, 200, { items: inside.map(([, object]) => object), metadata: {} });
    }
    if (found === undefined) return fail(response, 404, 'NotFound', `${key} not found`);
    const shown = isScale
      ? { kind: 'Scale', metadata: found.metadata, spec: { replicas: found.spec.replicas } }
      : found;
    if (method === 'GET') return send(response, 200, shown);
    if (method === 'DELETE') {
      if (given?.preconditions?.uid !== undefined && given.preconditions.uid !== found.metadata.uid)
        return fail(response, 409, 'Conflict', 'the uid is another');
      if (!isDry) objects.delete(key);
      return send(response, 200, found);
    }
    if (method === 'PATCH') {
      const wanted = given.metadata?.resourceVersion;
      if (wanted !== undefined && wanted !== found.metadata.resourceVersion)
        return fail(response, 409, 'Conflict', 'changed meanwhile');
      return keep(
        key,
        type.includes('json-patch') ? jsonPatch(structuredClone(found), given) : merge(structuredClone(found), given),
      );
    }
    fail(response, 405, 'MethodNotAllowed', method);
  }

  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'v5.channel.k8s.io' });
  server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (client) => {
      const url = new URL(request.url ?? '', 'http://x');
      const run = {
        container: url.searchParams.get('container') ?? '',
        argv: url.searchParams.getAll('command'),
        stdin: '',
      };
      execs.push(run);
      const finish = () => {
        const { status, stdout } = api.execResult;
        client.send(Buffer.concat([Buffer.from([1]), Buffer.from(stdout)]));
        const end =
          status === 0
            ? { status: 'Success' }
            : {
                status: 'Failure',
                reason: 'NonZeroExitCode',
                details: { causes: [{ reason: 'ExitCode', message: String(status) }] },
              };
        client.send(Buffer.concat([Buffer.from([3]), Buffer.from(JSON.stringify(end))]));
        client.close();
      };
      if (url.searchParams.get('stdin') !== 'true') return finish();
      client.on('message', (data: Buffer) => {
        if (data[0] === 0) run.stdin += data.subarray(1).toString();
        else finish();
      });
    });
  });

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = createKubeClient({
    server: url,
    ca: null,
    certificate: null,
    insecure: false,
    token: () => null,
  } as Parameters<typeof createKubeClient>[0]);
  return Object.assign(api, {
    url,
    cluster: createCluster(client),
    put(path: string, object: Thing) {
      const name = path.split('/').pop() as string;
      objects.set(path, {
        ...object,
        metadata: { name, uid: `uid-${name}`, resourceVersion: String(++serial), ...object.metadata },
      });
    },
    async close() {
      client.close();
      sockets.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

/** A Deployment `web` in `shop` with so many pods; the first has a sidecar. */
export function putShop(api: Api, pods: number): void {
  const owner = (kind: string, name: string) => [
    { apiVersion: 'apps/v1', kind, name, uid: `uid-${name}`, controller: true },
  ];
  api.put('/apis/apps/v1/namespaces/shop/deployments/web', {
    metadata: { namespace: 'shop', annotations: { 'deployment.kubernetes.io/revision': '2' } },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { image: 'new' } },
    },
  });
  for (const [name, revision, image] of [
    ['web-1', '1', 'old'],
    ['web-2', '2', 'new'],
  ]) {
    api.put(`/apis/apps/v1/namespaces/shop/replicasets/${name}`, {
      metadata: {
        namespace: 'shop',
        annotations: { 'deployment.kubernetes.io/revision': revision },
        ownerReferences: owner('Deployment', 'web'),
      },
      spec: {
        replicas: 3,
        selector: { matchLabels: { app: 'web' } },
        template: { metadata: { labels: { app: 'web', 'pod-template-hash': name } }, spec: { image } },
      },
      status: { readyReplicas: 3 },
    });
  }
  for (let i = 0; i < pods; i++) {
    api.put(`/api/v1/namespaces/shop/pods/web-${i}`, {
      metadata: { namespace: 'shop', labels: { app: 'web' }, ownerReferences: owner('ReplicaSet', 'web-2') },
      spec: { nodeName: 'node-1', containers: [{ name: 'app' }, { name: 'sidecar' }] },
      status: {
        containerStatuses: [
          { name: 'app', containerID: `containerd://aaaaaaaaaaaa${i}` },
          { name: 'sidecar', containerID: `containerd://bbbbbbbbbbbb${i}` },
        ],
      },
    });
  }
  api.put('/api/v1/nodes/node-1', { metadata: {}, spec: {} });
}

function merge(target: Thing, patch: Thing): Thing {
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete target[key];
    else if (typeof value === 'object' && !Array.isArray(value)) target[key] = merge(target[key] ?? {}, value);
    else target[key] = value;
  }
  return target;
}

function jsonPatch(target: Thing, operations: { path: string; value: Thing }[]): Thing {
  for (const { path, value } of operations) {
    const keys = path.split('/').slice(1);
    let at = target;
    for (const key of keys.slice(0, -1)) at = at[key];
    at[keys.at(-1) as string] = value;
  }
  return target;
}

async function body(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}

function send(response: ServerResponse, status: number, object: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(object));
}

function fail(response: ServerResponse, status: number, reason: string, message: string): void {
  send(response, status, { kind: 'Status', status: 'Failure', reason, message, code: status });
}
