/** What an action may know besides the alert (Talon's `additional_contexts`). */
import type { Alert } from '../outputs/forward/index.ts';
import { podOf } from './actions/target.ts';
import type { Cluster } from './cluster.ts';

/** Talon's names of them. */
export const CONTEXTS = ['k8snode', 'aws'] as const;
export type ContextName = (typeof CONTEXTS)[number];

/** Where an EC2 instance asks about itself; the variable is the one that Amazon's own libraries read. */
const INSTANCE_METADATA = 'http://169.254.169.254';
const INSTANCE_TIMEOUT = 2000;

/**
 * The alert with the fields of these contexts; actions see them as they see its own (`${NODE_HOSTNAME}`).
 * @throws when one cannot be had: the action is not done without what it was promised
 */
export async function withContexts(
  alert: Alert,
  names: readonly ContextName[],
  cluster: () => Cluster,
): Promise<Alert> {
  if (names.length === 0) return alert;
  const added = await Promise.all(names.map((name) => (name === 'aws' ? instance() : node(alert, cluster()))));
  return { ...alert, fields: Object.assign({ ...alert.fields }, ...added) };
}

async function node(alert: Alert, cluster: Cluster): Promise<Record<string, string>> {
  const pod = await podOf(alert, cluster);
  const found = await cluster.get({ version: 'v1', resource: 'nodes', name: String(pod.spec?.nodeName ?? '') });
  const label = (name: string) => found.metadata.labels?.[name] ?? '';
  return {
    'node.hostname': label('kubernetes.io/hostname'),
    'node.instancetype': label('node.kubernetes.io/instance-type'),
    'node.role': label('kubernetes.io/role'),
    'node.topology.region': label('topology.kubernetes.io/region'),
    'node.topology.zone': label('topology.kubernetes.io/zone'),
    'node.spec.providerid': String(found.spec?.providerID ?? ''),
  };
}

/** The instance that we run on, by the second version of its metadata service (a token first). */
async function instance(): Promise<Record<string, string>> {
  const base = process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT || INSTANCE_METADATA;
  const ask = async (path: string, method: string, headers: Record<string, string>): Promise<string> => {
    const response = await fetch(`${base}/latest/${path}`, {
      method,
      headers,
      signal: AbortSignal.timeout(INSTANCE_TIMEOUT),
    });
    if (!response.ok) throw new Error(`the instance's metadata service answered ${response.status} to ${path}`);
    return response.text();
  };
  const token = await ask('api/token', 'PUT', { 'X-aws-ec2-metadata-token-ttl-seconds': '60' });
  const get = (path: string) => ask(`meta-data/${path}`, 'GET', { 'X-aws-ec2-metadata-token': token });
  const profile = JSON.parse(await get('iam/info')) as { InstanceProfileArn?: string; InstanceProfileId?: string };
  return {
    'aws.instance_profile_arn': profile.InstanceProfileArn ?? '',
    'aws.instance_profile_id': profile.InstanceProfileId ?? '',
    'aws.region': await get('placement/region'),
  };
}
