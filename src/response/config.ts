import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { parseDocument } from 'yaml';
import { z } from 'zod';

const flag = z.union([z.boolean(), z.stringbool()]);
const record = z.record(z.string(), z.unknown());
const size = z.string().default('256MiB');

/**
 * Talon's configuration (`config.yaml`), and what it lacks: `auth`, `tls`, `guards`, `journal`, `actions`, `programs`,
 * `falco_rules_files`, `hub`, `lease`.
 */
const schema = z.strictObject({
  listen_address: z.string().default('127.0.0.1'),
  listen_port: z.coerce.number().int().min(0).max(65_535).default(2803),
  rules_files: z.union([z.array(z.string()), z.string().transform((file) => [file])]).default([]),
  watch_rules: flag.default(true),
  print_all_events: flag.default(false),
  log_format: z.string().default('color'),
  kubeconfig: z.string().default(''),
  deduplication: z
    .strictObject({
      leader_election: flag.default(false),
      time_window_seconds: z.coerce.number().int().min(0).default(5),
    })
    .prefault({}),
  /** The Lease by which several responders agree on one of them, in the namespace that they run in. */
  lease: z.string().default('windhover-respond'),
  default_notifiers: z.array(z.string()).default([]),
  notifiers: z.record(z.string(), record.nullable()).default({}),
  aws: record.default({}),
  minio: record.default({}),
  gcp: record.default({}),
  otel: record.default({}),

  auth: z
    .strictObject({
      /** Bearer token. */
      token: z.string().default(''),
      token_file: z.string().default(''),
      /** HMAC-SHA256 over `TIMESTAMP.BODY`. */
      hmac_secret: z.string().default(''),
      hmac_secret_file: z.string().default(''),
      /** Says that the network is trusted. */
      none: flag.default(false),
    })
    .prefault({}),
  tls: z.strictObject({ certfile: z.string(), keyfile: z.string(), cacertfile: z.string().default('') }).optional(),
  falco_rules_files: z.array(z.string()).default([]),
  actions: z
    .record(
      z.string(),
      z.strictObject({ actionner: z.string(), parameters: record.optional(), continue: flag.optional() }),
    )
    .default({}),
  programs: z.record(z.string(), z.array(z.string()).min(1)).default({}),
  guards: z
    .strictObject({
      dry_run: flag.default(false),
      protected_namespaces: z.array(z.string()).default(['kube-system', 'kube-public', 'kube-node-lease']),
      protected_labels: z.record(z.string(), z.string()).default({}),
      /** Most actions of one kind in an interval. */
      max_actions: z.coerce.number().int().min(1).default(100),
      max_actions_interval: z.string().default('10m'),
      /** Most pods that one action may end: a Deployment scaled down, a node drained. */
      max_pods: z.coerce.number().int().min(1).default(100),
      /** How long an action is not repeated on one target. */
      cooldown: z.string().default('0s'),
      /** Actions (by name or kind) that wait for somebody's approval. */
      approval: z.array(z.string()).default([]),
      approval_expires: z.string().default('15m'),
    })
    .prefault({}),
  journal: z
    .strictObject({
      path: z.string().default('/var/lib/windhover/respond'),
      max_bytes: size,
      durability: z.enum(['write', 'fsync', 'memory']).default('fsync'),
    })
    .prefault({}),
  quarantine: z.string().default('/var/lib/windhover/quarantine'),
  hub: z
    .strictObject({
      /** The hub that shows what was done beside the alert, as http://127.0.0.1:2802. */
      url: z.string().default(''),
      token: z.string().default(''),
      token_file: z.string().default(''),
    })
    .prefault({}),
  hostname: z.string().default(hostname()),
  concurrency: z.coerce.number().int().min(1).max(512).default(32),
});
export type ResponseConfig = Omit<z.infer<typeof schema>, 'auth' | 'hub'> & {
  /** Where to report actions to; the empty URL is nowhere. */
  readonly hub: { readonly url: string; readonly token: string };
  readonly auth: { readonly token: string; readonly hmac: string; readonly none: boolean };
};

/**
 * Reads the configuration; each top-level key also as an environment variable (`LISTEN_PORT`), `HUB_URL`,
 * `HUB_TOKEN`, `JOURNAL_PATH`, `QUARANTINE`, and `AUTH_TOKEN`, `AUTH_HMAC_SECRET` (each also as `…_FILE`), `AUTH_NONE=true`.
 * @throws Error with everything that is wrong, one a line
 */
export function loadResponseConfig(
  text: string,
  file: string,
  env: Readonly<Record<string, string | undefined>>,
): ResponseConfig {
  const document = parseDocument(text);
  if (document.errors.length > 0)
    throw new Error(document.errors.map(({ message }) => `${file}: ${message.split('\n')[0]}`).join('\n'));
  const given = { ...((document.toJS() ?? {}) as Record<string, unknown>) };
  for (const key of Object.keys(schema.shape)) {
    const value = env[key.toUpperCase()];
    if (
      value !== undefined &&
      value !== '' &&
      ['listen_address', 'listen_port', 'kubeconfig', 'rules_files', 'log_format', 'watch_rules'].includes(key)
    )
      given[key] = value;
  }
  const parsed = schema.safeParse(given);
  if (!parsed.success)
    throw new Error(
      parsed.error.issues.map(({ path, message }) => `${file}: ${path.join('.')}: ${message}`).join('\n'),
    );
  const { auth, hub, ...config } = parsed.data;
  const secret = (value: string, path: string) => value || (path === '' ? '' : readFileSync(path, 'utf8').trim());
  const ready = {
    ...config,
    hub: { url: env.HUB_URL || hub.url, token: env.HUB_TOKEN || secret(hub.token, hub.token_file) },
    quarantine: env.QUARANTINE || config.quarantine,
    journal: { ...config.journal, path: env.JOURNAL_PATH || config.journal.path },
    auth: {
      token: env.AUTH_TOKEN || secret(auth.token, env.AUTH_TOKEN_FILE || auth.token_file),
      hmac: env.AUTH_HMAC_SECRET || secret(auth.hmac_secret, env.AUTH_HMAC_SECRET_FILE || auth.hmac_secret_file),
      none: env.AUTH_NONE === 'true' || auth.none,
    },
  };
  const isLocal = ['127.0.0.1', '::1', 'localhost'].includes(config.listen_address);
  const isGuarded = ready.auth.token !== '' || ready.auth.hmac !== '' || (config.tls?.cacertfile ?? '') !== '';
  if (!isLocal && !isGuarded && !ready.auth.none) {
    throw new Error(
      `${file}: listen_address ${config.listen_address}: whoever reaches it could have pods deleted. Set auth.token_file, auth.hmac_secret_file (also as AUTH_TOKEN_FILE, AUTH_HMAC_SECRET_FILE in the environment) or tls.cacertfile; or auth.none: true (AUTH_NONE=true) where the network is trusted`,
    );
  }
  return ready;
}
