import { createKubeClient, type KubeClient, KubeError, loadKubeConfig } from '../../kube/index.ts';
import { type Alert, fieldTexts, textOf } from '../forward/alert.ts';
import { destination } from '../forward/destination.ts';
import { DeliveryError, isRetryable } from '../forward/error.ts';
import { flag, integer, text } from '../forward/option.ts';

const API = '/apis/wgpolicyk8s.io/v1alpha2';
const SEVERITY = ['critical', 'critical', 'critical', 'high', 'medium', 'low', 'info', 'info'] as const;
const TRIES = 8;

interface Result {
  readonly policy: string;
  readonly result: 'fail' | 'warn';
  readonly severity: (typeof SEVERITY)[number];
  readonly properties: Readonly<Record<string, string>>;
  readonly [key: string]: unknown;
}
interface Report {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly resourceVersion?: string };
  readonly results?: readonly Result[];
  readonly summary?: Readonly<Record<string, number>>;
}

export const policyreport = destination({
  name: 'policyreport',
  label: 'policyreport',
  group: 'kubernetes',
  doc: "Results in the PolicyReport of the alert's namespace, or in the ClusterPolicyReport (wgpolicyk8s.io/v1alpha2).",
  options: {
    enabled: flag('Turns the output on.'),
    kubeconfig: text('A kubeconfig file; without: `$KUBECONFIG` or the service account.'),
    falconamespace: text('Accepted: reports go to the namespace of the alert.'),
    maxevents: integer('Results that a report keeps.', 1000),
    prunebypriority: flag('Prune the least severe results first, instead of the oldest.'),
  },
  enabled: (o) => o.enabled,
  batch: () => ({ count: 100, bytes: 500_000, linger: 0 }),
  open(o) {
    const config = loadKubeConfig(o.kubeconfig);
    if (config === null) throw new Error('no Kubernetes: neither a kubeconfig nor a service account');
    const kube = createKubeClient(config);
    return {
      async send(alerts) {
        const byNamespace = Map.groupBy(alerts, (alert) => namespaceOf(alert));
        try {
          for (const [namespace, group] of byNamespace)
            await addResults(kube, namespace, group, o.maxevents, o.prunebypriority);
        } catch (error) {
          const status = error instanceof KubeError ? error.status : 0;
          throw new DeliveryError((error as Error).message, {
            retry: status === 0 || status === 409 || isRetryable(status),
            cause: error,
          });
        }
      },
      async check() {
        await kube.get(API);
      },
      close: () => kube.close(),
    };
  },
});

function namespaceOf(alert: Alert): string {
  const found = textOf(alert.fields['k8s.ns.name']) || textOf(alert.fields['ka.target.namespace']);
  return /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(found) ? found : '';
}

/** Adds to a report what is not in it yet; somebody else's change in between is seen, and the addition made anew. */
async function addResults(
  kube: KubeClient,
  namespace: string,
  alerts: readonly Alert[],
  limit: number,
  byPriority: boolean,
): Promise<void> {
  const [collection, kind, name] =
    namespace === ''
      ? [`${API}/clusterpolicyreports`, 'ClusterPolicyReport', 'falco-cluster-policy-report']
      : [`${API}/namespaces/${namespace}/policyreports`, 'PolicyReport', 'falco-policy-report'];
  for (let tries = 0; ; tries++) {
    const current = await kube.get<Report>(`${collection}/${name}`).catch((error: unknown) => {
      if (error instanceof KubeError && error.status === 404) return null;
      throw error;
    });
    const old = current?.results ?? [];
    const known = new Set(old.map(({ properties }) => properties.uuid));
    const added = alerts.filter(({ uuid }) => !known.has(uuid)).map((alert) => toResult(alert));
    if (added.length === 0) return;
    const results = prune([...old, ...added], limit, byPriority);
    const count = (result: Result['result']) => results.filter((other) => other.result === result).length;
    const report: Report = {
      apiVersion: 'wgpolicyk8s.io/v1alpha2',
      kind,
      metadata: current?.metadata ?? { name, ...(namespace !== '' && { namespace }) },
      results,
      summary: { fail: count('fail'), warn: count('warn'), pass: 0, error: 0, skip: 0 },
    };
    try {
      // The resourceVersion in the metadata makes this a conflict when the report has changed.
      if (current === null) await kube.post(collection, report);
      else await kube.put(`${collection}/${name}`, report);
      return;
    } catch (error) {
      if (!(error instanceof KubeError) || error.status !== 409 || tries >= TRIES) throw error;
    }
  }
}

function prune(results: readonly Result[], limit: number, byPriority: boolean): Result[] {
  const surplus = results.length - limit;
  if (surplus <= 0) return [...results];
  const order = byPriority
    ? results.toSorted((a, b) => SEVERITY.lastIndexOf(b.severity) - SEVERITY.lastIndexOf(a.severity))
    : results;
  const out = new Set(order.slice(0, surplus));
  return results.filter((result) => !out.has(result));
}

function toResult(alert: Alert): Result {
  const pod = textOf(alert.fields['k8s.pod.name']);
  return {
    policy: alert.rule,
    category: 'SI - System and Information Integrity',
    source: 'Falco',
    scored: false,
    result: alert.level <= 3 ? 'fail' : 'warn',
    severity: SEVERITY[alert.level],
    message: alert.output,
    timestamp: {
      seconds: Number(alert.nanoseconds / 1_000_000_000n),
      nanos: Number(alert.nanoseconds % 1_000_000_000n),
    },
    ...(pod !== '' && { resources: [{ apiVersion: 'v1', kind: 'Pod', name: pod, namespace: namespaceOf(alert) }] }),
    properties: {
      uuid: alert.uuid,
      ...Object.fromEntries(fieldTexts(alert)),
      ...(alert.tags.length > 0 && { tags: alert.tags.join(',') }),
    },
  };
}
