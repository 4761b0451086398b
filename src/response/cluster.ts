import { type ExecResult, execInPod, type KubeClient, KubeError, type KubeMetadata } from '../kube/index.ts';

/** An object of the API, as far as actions look into it. */
export interface Thing {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: KubeMetadata & { readonly deletionTimestamp?: string };
  // biome-ignore lint/suspicious/noExplicitAny: the rest has the kind's own shape.
  readonly [key: string]: any;
}

/** `v1` and `pods`, `apps/v1` and `deployments`; the names are segments of the path, whatever they hold. */
export interface Place {
  readonly version: string;
  readonly resource: string;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: 'scale' | 'eviction' | 'log' | 'ephemeralcontainers' | undefined;
}

/** What actions do to a cluster. `dryRun` has the server do everything but keep it (`dryRun=All`). */
export interface Cluster {
  get(place: Place): Promise<Thing>;
  list(place: Place, query: Readonly<Record<string, string>>): Promise<Thing[]>;
  create(place: Place, object: unknown, dryRun: boolean): Promise<Thing>;
  patch(place: Place, patch: unknown, type: 'merge' | 'strategic-merge' | 'json', dryRun: boolean): Promise<Thing>;
  remove(place: Place, options: Readonly<Record<string, unknown>>, dryRun: boolean): Promise<Thing>;
  text(place: Place, query: Readonly<Record<string, string>>): Promise<string>;
  exec(
    namespace: string,
    pod: string,
    container: string,
    argv: readonly string[],
    stdin: Buffer | null,
  ): Promise<ExecResult>;
}

const MAX_ARTEFACT = 32 * 1024 * 1024;
const EXEC_TIMEOUT = 60_000;

export function createCluster(client: KubeClient): Cluster {
  const dry = (dryRun: boolean): Readonly<Record<string, string>> => (dryRun ? { dryRun: 'All' } : {});
  return {
    get: (place) => client.get(pathOf(place)),
    async list(place, query) {
      const { items } = await client.get<{ items: Thing[] | null }>(pathOf(place, query));
      return items ?? [];
    },
    create: (place, object, dryRun) => client.post(pathOf(place, dry(dryRun)), object),
    patch: (place, patch, type, dryRun) => client.patch(pathOf(place, dry(dryRun)), patch, type),
    // A DELETE with a body takes its options from there alone: `dryRun` in the query would be ignored, and the object gone.
    remove: (place, options, dryRun) =>
      client.delete(pathOf(place), { ...options, ...(dryRun && { dryRun: ['All'] }) }),
    text: (place, query) => client.text(pathOf(place, query), MAX_ARTEFACT),
    exec: (namespace, pod, container, command, stdin) =>
      execInPod(client.config, {
        namespace,
        pod,
        container,
        command,
        stdin,
        maxBytes: MAX_ARTEFACT,
        timeoutMs: EXEC_TIMEOUT,
      }),
  };
}

/** `/apis/apps/v1/namespaces/shop/deployments/web/scale?dryRun=All` */
export function pathOf(place: Place, query: Readonly<Record<string, string>> = {}): string {
  const parts = [
    place.version.includes('/') ? `apis/${place.version}` : `api/${place.version}`,
    ...(place.namespace === undefined ? [] : ['namespaces', segment(place.namespace)]),
    segment(place.resource),
    ...(place.name === undefined ? [] : [segment(place.name)]),
    ...(place.subresource === undefined ? [] : [place.subresource]),
  ];
  const search = new URLSearchParams(query).toString();
  return `/${parts.join('/')}${search === '' ? '' : `?${search}`}`;
}

/** A name that is none would lead to another object. */
function segment(name: string): string {
  if (name === '' || name === '.' || name === '..' || /[/%?#\\\s]/.test(name))
    throw new Error(`"${name}" is no name of an object`);
  return encodeURIComponent(name);
}

/** Whether the same call may succeed later: no answer, too many requests, the server's own trouble. */
export function isTemporary(error: unknown): boolean {
  if (error instanceof KubeError) return error.status === 429 || error.status >= 500 || error.status === 409;
  const { code, name } = error as NodeJS.ErrnoException;
  return (
    name === 'TimeoutError' ||
    ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN'].includes(
      code ?? '',
    )
  );
}

export { KubeError };
