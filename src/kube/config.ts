import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';

/** How to reach an API server, and as whom. */
export interface KubeConfig {
  /** `https://HOST:PORT`, without a slash at the end. */
  readonly server: string;
  /** PEM; null for the system's authorities. */
  readonly ca: string | null;
  readonly insecure: boolean;
  readonly certificate: { readonly cert: string; readonly key: string } | null;
  /** The bearer token as it is now (service account tokens are renewed in their file); null for none. */
  token(): string | null;
  /** Namespace to use when none is said. */
  readonly namespace: string;
}

const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * The configuration of a kubeconfig file, or of the pod that we run in when `path` is empty (then KUBECONFIG counts first).
 * null when there is none; throws when the file is no kubeconfig or asks for what we do not do.
 */
export function loadKubeConfig(
  path = '',
  environment: NodeJS.ProcessEnv = process.env,
  account = ACCOUNT,
): KubeConfig | null {
  const file = path || (environment.KUBECONFIG ?? '').split(':')[0] || '';
  if (file !== '') return fromFile(file);
  const host = environment.KUBERNETES_SERVICE_HOST;
  if (host === undefined || host === '' || !existsSync(`${account}/token`)) return null;
  const address = host.includes(':') ? `[${host}]` : host;
  return {
    server: `https://${address}:${environment.KUBERNETES_SERVICE_PORT || '443'}`,
    ca: readFileSync(`${account}/ca.crt`, 'utf8'),
    insecure: false,
    certificate: null,
    token: fileToken(`${account}/token`),
    namespace: readFileSync(`${account}/namespace`, 'utf8').trim(),
  };
}

interface Named {
  readonly name?: string;
}
type Settings = Readonly<Record<string, unknown>>;

/** Format: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1 */
function fromFile(path: string): KubeConfig {
  const all = parse(readFileSync(path, 'utf8')) as {
    readonly 'current-context'?: string;
    readonly contexts?: readonly (Named & { context?: Settings })[];
    readonly clusters?: readonly (Named & { cluster?: Settings })[];
    readonly users?: readonly (Named & { user?: Settings })[];
  };
  const context = find(all.contexts, all['current-context'], path).context ?? {};
  const cluster = find(all.clusters, context.cluster, path).cluster ?? {};
  const user = context.user === undefined ? {} : (find(all.users, context.user, path).user ?? {});
  if (user.exec !== undefined || user['auth-provider'] !== undefined) {
    throw new Error(`${path}: credentials by a program or provider are not supported; use a token or certificate`);
  }
  const base = dirname(path);
  const content = (settings: Settings, name: string): string | null => {
    const data = settings[`${name}-data`];
    if (typeof data === 'string') return Buffer.from(data, 'base64').toString('utf8');
    const file = settings[name];
    return typeof file === 'string' && file !== '' ? readFileSync(resolve(base, file), 'utf8') : null;
  };
  const cert = content(user, 'client-certificate');
  const key = content(user, 'client-key');
  const tokenFile = user.tokenFile;
  return {
    server: String(cluster.server ?? '').replace(/\/$/, ''),
    ca: content(cluster, 'certificate-authority'),
    insecure: cluster['insecure-skip-tls-verify'] === true,
    certificate: cert === null || key === null ? null : { cert, key },
    token:
      typeof tokenFile === 'string'
        ? fileToken(resolve(base, tokenFile))
        : () => (typeof user.token === 'string' ? user.token : null),
    namespace: String(context.namespace ?? 'default'),
  };
}

function find<T extends Named>(items: readonly T[] | undefined, name: unknown, path: string): T {
  const found = items?.find((item) => item.name === name);
  if (found === undefined) throw new Error(`${path}: nothing is named '${String(name)}'`);
  return found;
}

/** A token that is read again when its file has changed. */
function fileToken(path: string): () => string | null {
  let read = -1;
  let token: string | null = null;
  return () => {
    const { mtimeMs } = statSync(path);
    if (mtimeMs !== read) {
      token = readFileSync(path, 'utf8').trim();
      read = mtimeMs;
    }
    return token;
  };
}
