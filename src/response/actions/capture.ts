/** Recordings of what a pod does: its network packets by tcpdump, the system calls of its containers by sysdig. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { ActionError, actionKind } from '../action.ts';
import type { Cluster, Thing } from '../cluster.ts';
import { number } from './pod.ts';
import { containerOf, podOf, podTarget } from './target.ts';

/** How long a container that captures may take until it runs, milliseconds: an image may have to be fetched. */
const STARTING = 60_000;
const POLL = 300;
/** Seconds after which it ends by itself, whatever happens to us; an ephemeral container cannot be taken away. */
const LIFETIME = 120;
/** The exit status of timeout(1) when the time was up. */
const TIMED_OUT = 124;

/** `windhover-tcpdump-1f3a9`: one for each capture, so that an earlier one is in nobody's way. */
const nameOf = (tool: string): string => `windhover-${tool}-${randomBytes(3).toString('hex').slice(0, 5)}`;

/** Asks again and again until there is an answer. @throws ActionError when there is none in time */
async function until<T>(what: string, ask: () => Promise<T | null>): Promise<T> {
  for (const end = Date.now() + STARTING; Date.now() < end; await sleep(POLL)) {
    const found = await ask();
    if (found !== null) return found;
  }
  throw new ActionError(`${what} does not run after ${STARTING / 1000} s`);
}

/** Why a container will not start, in the words of its status; null while it may. */
function refusalOf(status: Thing | undefined): string | null {
  const { waiting, terminated } = (status?.state ?? {}) as {
    waiting?: { reason?: string; message?: string };
    terminated?: { reason?: string; message?: string };
  };
  if (terminated !== undefined) return `${terminated.reason ?? 'ended'}: ${terminated.message ?? ''}`;
  const { reason = '', message = '' } = waiting ?? {};
  return /Err|BackOff|Invalid|CannotRun/.test(reason) ? `${reason}: ${message}` : null;
}

const tcpdump = actionKind({
  name: 'kubernetes:tcpdump',
  doc: 'Captures the network packets of the pod, from an ephemeral container.',
  continues: false,
  repeatable: false,
  artefact: true,
  parameters: z.strictObject({
    image: z.string().min(1).default('issif/tcpdump:latest'),
    duration: number(5).pipe(z.number().min(1).max(50)),
    snaplen: number(4096),
  }),
  async plan(alert, { image, duration, snaplen }, { cluster }) {
    const pod = await podOf(alert, cluster());
    const container = containerOf(alert, pod);
    return {
      ...podTarget(pod),
      async perform(dryRun) {
        const { name: podName, namespace = '' } = pod.metadata;
        const name = nameOf('tcpdump');
        await cluster().patch(
          { version: 'v1', resource: 'pods', namespace, name: podName, subresource: 'ephemeralcontainers' },
          {
            spec: {
              ephemeralContainers: [
                {
                  name,
                  image,
                  imagePullPolicy: 'IfNotPresent',
                  command: ['sleep', String(LIFETIME)],
                  targetContainerName: container,
                  // What a packet socket needs, giving up root after it is open, and ending that process; no more.
                  securityContext: {
                    runAsUser: 0,
                    runAsNonRoot: false,
                    allowPrivilegeEscalation: false,
                    capabilities: { drop: ['ALL'], add: ['NET_RAW', 'NET_ADMIN', 'SETUID', 'SETGID', 'KILL'] },
                  },
                },
              ],
            },
          },
          'strategic-merge',
          dryRun,
        );
        if (dryRun) return { message: `would capture the packets of ${namespace}/${podName} for ${duration} s` };
        await until(`the container ${name} in ${namespace}/${podName}`, async () => {
          const now = await cluster().get({ version: 'v1', resource: 'pods', namespace, name: podName });
          const status = (now.status?.ephemeralContainerStatuses as Thing[] | undefined)?.find(
            (each) => each.name === name,
          );
          if (status?.state?.running !== undefined) return true;
          const refusal = refusalOf(status);
          if (refusal !== null) throw new ActionError(`the container ${name} does not start: ${refusal}`);
          return null;
        });
        // The capture comes over standard output: nothing is left in the pod.
        const { stdout, stderr, status } = await cluster().exec(
          namespace,
          podName,
          name,
          ['timeout', String(duration), 'tcpdump', '-n', '-U', '-i', 'any', '-s', String(snaplen), '-w', '-'],
          null,
        );
        if (status !== TIMED_OUT && status !== 0)
          throw new ActionError(`tcpdump ended with ${status}: ${stderr.toString('utf8').slice(0, 300)}`);
        return {
          message: `captured ${duration} s of packets of ${namespace}/${podName} (${stdout.length} bytes)`,
          artefact: { name: 'tcpdump.pcap', content: stdout },
        };
      },
    };
  },
});

/** The ids of a pod's containers as sysdig names them, of those that run. */
function containerIds(pod: Thing): string[] {
  const statuses = (pod.status?.containerStatuses ?? []) as { containerID?: string }[];
  return statuses.flatMap(({ containerID }) => {
    const id = /^\w[\w+.-]*:\/\/([0-9a-f]{12})[0-9a-f]*$/.exec(containerID ?? '')?.[1];
    return id === undefined ? [] : [id];
  });
}

const sysdig = actionKind({
  name: 'kubernetes:sysdig',
  doc: 'Captures the system calls of the pod (or its node), from a job on the node.',
  continues: false,
  repeatable: false,
  artefact: true,
  parameters: z.strictObject({
    image: z.string().min(1).default('issif/sysdig:latest'),
    scope: z.enum(['pod', 'node']).default('pod'),
    duration: number(5).pipe(z.number().min(1).max(30)),
    buffer_size: number(2048).pipe(z.number().min(128)),
  }),
  async plan(alert, { image, scope, duration, buffer_size }, { cluster }) {
    const pod = await podOf(alert, cluster());
    const { namespace = '', name: podName } = pod.metadata;
    const ids = containerIds(pod);
    if (scope === 'pod' && ids.length === 0)
      throw new ActionError(`no container of ${namespace}/${podName} runs`, true);
    const node = String(pod.spec?.nodeName ?? '');
    const jobs = { version: 'batch/v1', resource: 'jobs', namespace };
    const about = scope === 'pod' ? `pod ${namespace}/${podName}` : `node ${node}`;
    return {
      ...podTarget(pod),
      async perform(dryRun) {
        const name = nameOf('sysdig');
        await cluster().create(jobs, sysdigJob(name, namespace, node, image), dryRun);
        if (dryRun) return { message: `would capture the system calls of ${about} for ${duration} s` };
        try {
          const at = await until(`the job ${namespace}/${name}`, () => runningPodOf(cluster(), namespace, name));
          const file = '/tmp/sysdig.scap.gz';
          const filter = scope === 'pod' ? [`container.id in (${ids.join(',')})`] : [];
          const run = (argv: readonly string[]) => cluster().exec(namespace, at, 'sysdig', argv, null);
          const result = await run([
            ...['sysdig', '--modern-bpf', '--cri', '/run/containerd/containerd.sock'],
            ...['-M', String(duration), '-s', String(buffer_size), '-z', '-w', file, ...filter],
          ]);
          if (result.status !== 0)
            throw new ActionError(
              `sysdig ended with ${result.status}: ${result.stderr.toString('utf8').slice(0, 300)}`,
            );
          const { stdout, stderr, status } = await run(['cat', file]);
          if (status !== 0) throw new ActionError(`cannot read the capture: ${stderr.toString('utf8').slice(0, 200)}`);
          return {
            message: `captured ${duration} s of system calls of ${about} (${stdout.length} bytes)`,
            artefact: { name: 'sysdig.scap.gz', content: stdout },
          };
        } finally {
          // A privileged container stays no longer than it is needed.
          await cluster()
            .remove({ ...jobs, name }, { propagationPolicy: 'Background', gracePeriodSeconds: 0 }, false)
            .catch(() => {});
        }
      },
    };
  },
});

async function runningPodOf(cluster: Cluster, namespace: string, job: string): Promise<string | null> {
  const [pod] = await cluster.list(
    { version: 'v1', resource: 'pods', namespace },
    { labelSelector: `batch.kubernetes.io/job-name=${job}` },
  );
  if (pod === undefined) return null;
  const status = (pod.status?.containerStatuses as Thing[] | undefined)?.[0];
  const refusal = refusalOf(status);
  if (refusal !== null) throw new ActionError(`the job ${namespace}/${job} does not start: ${refusal}`);
  return status?.state?.running === undefined ? null : pod.metadata.name;
}

/** A job of one privileged pod on a node, with the host's files at /host, that ends by itself. */
function sysdigJob(name: string, namespace: string, node: string, image: string): unknown {
  const labels = { 'app.kubernetes.io/managed-by': 'windhover', 'app.kubernetes.io/name': 'windhover-sysdig' };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace, labels },
    spec: {
      backoffLimit: 0,
      activeDeadlineSeconds: LIFETIME,
      ttlSecondsAfterFinished: 60,
      template: {
        metadata: { labels },
        spec: {
          nodeName: node,
          restartPolicy: 'Never',
          terminationGracePeriodSeconds: 1,
          automountServiceAccountToken: false,
          tolerations: [{ operator: 'Exists' }],
          containers: [
            {
              name: 'sysdig',
              image,
              imagePullPolicy: 'IfNotPresent',
              command: ['sleep', String(LIFETIME)],
              securityContext: { privileged: true, runAsUser: 0 },
              volumeMounts: [
                { name: 'host', mountPath: '/host' },
                { name: 'containerd', mountPath: '/run/containerd' },
              ],
            },
          ],
          volumes: [
            { name: 'host', hostPath: { path: '/' } },
            { name: 'containerd', hostPath: { path: '/run/containerd' } },
          ],
        },
      },
    },
  };
}

export const CAPTURE_ACTIONS = [tcpdump, sysdig];
