import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { createKubeClient, type KubeClient, loadKubeConfig } from '../../src/kube/index.ts';
import {
  checkRules,
  createCluster,
  type LogEntry,
  loadResponseConfig,
  loadRules,
  type Responder,
  startResponder,
} from '../../src/response/index.ts';
import { busyboxRoot, criImage, enginesMissing } from '../containers/engines.ts';
import { type Cluster, clusterMissing, startCluster } from '../kubernetes/cluster.ts';

/** Actions that need containers that run: on a real Kubernetes of one node. */
const TCPDUMP = '/usr/bin/tcpdump';
const reason =
  clusterMissing() ??
  enginesMissing('containerd', 'ctr') ??
  (existsSync(TCPDUMP) ? null : `${TCPDUMP} is not installed (test/response/setup.sh)`);
const BUSYBOX = 'windhover.test/busybox:1.35';
const NASTY = `$(touch /tmp/owned); \`touch /tmp/owned\` "'; touch /tmp/owned #\n{{.}}\${PATH} %s`;

describe.skipIf(reason !== null)(reason === null ? 'on a real node' : `on a real node: ${reason}`, () => {
  let cluster: Cluster;
  let client: KubeClient;
  let folder: string;
  let auditSink: Server;
  const running: Responder[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'windhover-response-node-'));
    auditSink = createServer((request, response) => void request.resume().on('end', () => response.end()));
    await new Promise<void>((resolve) => auditSink.listen(0, '127.0.0.1', resolve));
    cluster = await startCluster(
      `http://127.0.0.1:${(auditSink.address() as AddressInfo).port}/`,
      join(folder, 'audit.log'),
    );
    const config = loadKubeConfig(cluster.kubeconfig);
    if (config === null) throw new Error('no kubeconfig');
    client = createKubeClient(config);
    const root = busyboxRoot(cluster.containerd.folder);
    criImage(cluster.containerd, BUSYBOX, root, ['sleep', '100000']);
    criImage(cluster.containerd, 'windhover.test/pause:1', root, ['sleep', '100000']);
    criImage(cluster.containerd, 'windhover.test/tcpdump:1', withTcpdump(root), ['sleep', '100000']);
    criImage(cluster.containerd, 'windhover.test/sysdig:1', withSysdig(root), ['sleep', '100000']);
    await client.post('/api/v1/namespaces', { metadata: { name: 'shop' } });
    await client.post('/apis/apps/v1/namespaces/shop/deployments', WEB);
    await cluster.kubectl('-n', 'shop', 'rollout', 'status', 'deployment/web', '--timeout=60s');
  }, 240_000);
  afterEach(async () => {
    for (const responder of running.splice(0)) await responder.stop(0);
  });
  afterAll(async () => {
    client?.close();
    await cluster?.stop();
    auditSink?.closeAllConnections();
    auditSink?.close();
    rmSync(folder, { recursive: true, force: true });
  }, 120_000);

  const container = (name: string, command: string) => ({
    name,
    image: BUSYBOX,
    imagePullPolicy: 'Never',
    command: ['sh', '-c', command],
  });
  const WEB = {
    metadata: { name: 'web' },
    spec: {
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [
            container('app', 'echo first; echo second; sleep 100000'),
            // Something to be captured.
            container('talks', 'while :; do echo windhover-payload | nc -w 1 127.0.0.1 9; sleep 0.2; done'),
          ],
        },
      },
    },
  };

  interface PodObject {
    readonly metadata: { readonly name: string; readonly uid: string };
    readonly spec: { readonly ephemeralContainers?: { readonly name: string }[] };
    readonly status: { readonly containerStatuses: { readonly name: string; readonly containerID: string }[] };
  }
  const pod = async () =>
    (await client.get<{ items: PodObject[] }>('/api/v1/namespaces/shop/pods?labelSelector=app%3Dweb')).items.find(
      ({ status }) => (status.containerStatuses ?? []).length > 0,
    ) as PodObject;

  let serial = 0;
  /** Does these actions because of an alert of one container of the pod. */
  async function act(
    name: 'app' | 'talks',
    actions: Record<string, unknown>[],
    fields: Record<string, unknown> = {},
    config: Record<string, unknown> = {},
  ): Promise<LogEntry[]> {
    const { metadata, status } = await pod();
    const id = status.containerStatuses.find((each) => each.name === name)?.containerID.replace('containerd://', '');
    const all = actions.map((action, i) => ({ action: String(i), continue: true, ...action }));
    const { rules, problems } = loadRules([{ name: 'r', text: stringify([{ rule: 'r', match: {}, actions: all }]) }]);
    expect([...problems, ...checkRules(rules)]).toEqual([]);
    const responder = await startResponder({
      config: loadResponseConfig(
        stringify({ journal: { path: join(folder, `journal-${serial++}`) }, ...config }),
        'c',
        {},
      ),
      rules,
      cluster: () => createCluster(client),
      logger: { info() {}, warning() {}, error() {}, debug() {} },
    });
    running.push(responder);
    await responder.accept(
      Buffer.from(
        JSON.stringify({
          rule: 'Shell',
          priority: 'Critical',
          time: new Date().toISOString(),
          output: 'a shell',
          output_fields: {
            'k8s.ns.name': 'shop',
            'k8s.pod.name': metadata.name,
            'k8s.pod.uid': metadata.uid,
            'container.id': id?.slice(0, 12),
            ...fields,
          },
        }),
      ),
    );
    await responder.idle();
    return responder.log();
  }
  const output = () => ({ target: 'local:file', parameters: { destination: folder } });
  /** What an action has kept. */
  function kept(entry: LogEntry | undefined): Buffer {
    expect(entry).toMatchObject({ state: 'done', message: expect.stringContaining(', kept as ') });
    return readFileSync((entry as LogEntry).message.split(', kept as ')[1] as string);
  }

  it('exec and script run in the container of the alert, and what an alert holds is data there', async () => {
    const log = await act(
      'talks',
      [
        {
          actionner: 'kubernetes:exec',
          parameters: { command: 'printf %s "$FD_NAME"; ls /tmp; tr "\\0" " " </proc/1/cmdline' },
          output: output(),
        },
        { actionner: 'kubernetes:script', parameters: { script: 'x="$RULE"\necho "got $x"' }, output: output() },
        { actionner: 'kubernetes:exec', parameters: { command: 'echo broken >&2; exit 3' } },
      ],
      { 'fd.name': NASTY },
    );
    const first = kept(log[0]).toString();
    expect(first).toContain(NASTY);
    expect(first.slice(NASTY.length)).not.toContain('owned');
    expect(first).toContain('nc -w 1 127.0.0.1 9');
    expect(kept(log[1]).toString()).toBe('got Shell\n');
    expect(log[2]).toMatchObject({ state: 'failed', message: 'the command ended with 3: broken\n' });
  });

  it('log brings lines, download a file byte by byte', async () => {
    const log = await act(
      'app',
      [
        { actionner: 'kubernetes:log', parameters: { tail_lines: 1 }, output: output() },
        { actionner: 'kubernetes:download', parameters: { file: '$' + '{FD_NAME}' }, output: output() },
        { actionner: 'kubernetes:download', parameters: { file: '/no/such' }, output: output() },
      ],
      { 'fd.name': '/bin/busybox' },
    );
    expect(kept(log[0]).toString()).toBe('second\n');
    const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    expect(digest(kept(log[1]))).toBe(
      digest(readFileSync(join(cluster.containerd.folder, 'busybox-root/bin/busybox'))),
    );
    expect(log[2]).toMatchObject({ state: 'failed', message: expect.stringContaining('cannot read /no/such') });
  });

  it("actions see what their contexts add: the pod's node", async () => {
    const [entry] = await act('app', [
      {
        actionner: 'kubernetes:exec',
        additional_contexts: ['k8snode'],
        parameters: { command: 'echo "$NODE_HOSTNAME"' },
        output: output(),
      },
    ]);
    expect(kept(entry).toString()).toBe('localhost\n');
  });

  it('tcpdump captures what the pod says, from a container without more rights than that takes', async () => {
    const image = 'windhover.test/tcpdump:1';
    const capture = {
      actionner: 'kubernetes:tcpdump',
      parameters: { image, duration: 2, snaplen: 256 },
      output: output(),
    };
    const [dry] = await act('app', [capture], {}, { guards: { dry_run: true } });
    expect(dry?.state).toBe('dry-run');
    expect((await pod()).spec.ephemeralContainers).toBeUndefined();

    const [entry] = await act('app', [capture]);
    const file = join(folder, 'capture.pcap');
    writeFileSync(file, kept(entry));
    const packets = execFileSync(TCPDUMP, ['-n', '-A', '-r', file], { encoding: 'utf8', stdio: 'pipe' });
    expect(packets).toMatch(/127\.0\.0\.1\.\d+ > 127\.0\.0\.1\.9: Flags \[S\]/);
    const [{ securityContext }] = (await pod()).spec.ephemeralContainers as unknown as [{ securityContext: object }];
    expect(securityContext).toMatchObject({ allowPrivilegeEscalation: false });

    const [none] = await act('app', [{ ...capture, parameters: { image: 'windhover.test/none:1', duration: 1 } }]);
    expect(none).toMatchObject({ state: 'failed', message: expect.stringMatching(/does not start: Err/) });
  });

  it('sysdig is run by a job on the node that is gone afterwards, about the containers of the pod alone', async () => {
    const parameters = { image: 'windhover.test/sysdig:1', duration: 1, buffer_size: 512 };
    const [entry] = await act('app', [{ actionner: 'kubernetes:sysdig', parameters, output: output() }]);
    const ids = (await pod()).status.containerStatuses.map(({ containerID }) => containerID.slice(13, 25));
    expect(kept(entry).toString()).toBe(
      `--modern-bpf\n--cri\n/run/containerd/containerd.sock\n-M\n1\n-s\n512\n-z\n-w\n/tmp/sysdig.scap.gz\ncontainer.id in (${ids.join(',')})\n`,
    );
    const { items } = await client.get<{ items: unknown[] }>('/apis/batch/v1/namespaces/shop/jobs');
    expect(items).toEqual([]);
  });

  it('drain waits until the pods are gone', async () => {
    const before = await pod();
    const [entry] = await act('app', [{ actionner: 'kubernetes:drain', parameters: { max_wait_period: 60 } }]);
    expect(entry).toMatchObject({ state: 'done', message: expect.stringContaining('drained node localhost') });
    const left = await client.get<{ items: PodObject[] }>(
      '/api/v1/namespaces/shop/pods?fieldSelector=spec.nodeName%3Dlocalhost',
    );
    expect(left.items.map(({ metadata }) => metadata.uid)).not.toContain(before.metadata.uid);
    await (running.at(-1) as Responder).undo((entry as LogEntry).id);
    await cluster.kubectl('-n', 'shop', 'rollout', 'status', 'deployment/web', '--timeout=60s');
  });

  /** A root directory with the machine's own tcpdump and what it is linked with. */
  function withTcpdump(root: string): string {
    const made = join(folder, 'tcpdump-root');
    cpSync(root, made, { recursive: true, verbatimSymlinks: true });
    copyFileSync(TCPDUMP, join(made, 'usr/bin/tcpdump'));
    // Debian's gives its rights to this user once it has its socket.
    appendFileSync(join(made, 'etc/passwd'), 'tcpdump:x:100:100::/:/bin/false\n');
    appendFileSync(join(made, 'etc/group'), 'tcpdump:x:100:\n');
    for (const [path] of execFileSync('ldd', [TCPDUMP], { encoding: 'utf8' }).matchAll(/\/\S+/g)) {
      mkdirSync(join(made, dirname(path)), { recursive: true });
      copyFileSync(path, join(made, path));
    }
    return made;
  }

  /** sysdig needs a kernel of its own to capture from: what stands in for it writes how it was called. */
  function withSysdig(root: string): string {
    const made = join(folder, 'sysdig-root');
    cpSync(root, made, { recursive: true, verbatimSymlinks: true });
    writeFileSync(join(made, 'usr/bin/sysdig'), '#!/bin/sh\nprintf "%s\\n" "$@" >/tmp/sysdig.scap.gz\n', {
      mode: 0o755,
    });
    return made;
  }
});
