import type { KubeClient } from './client.ts';

/** Asks for the eviction of a pod, which disruption budgets may refuse (a KubeError with status 429). */
export async function evictPod(
  client: KubeClient,
  namespace: string,
  name: string,
  gracePeriodSeconds: number | null,
): Promise<void> {
  await client.post(`/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}/eviction`, {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { namespace, name },
    ...(gracePeriodSeconds === null ? {} : { deleteOptions: { gracePeriodSeconds } }),
  });
}
