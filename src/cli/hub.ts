import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { z } from 'zod';
import { createHub, UI_DIRECTORY } from '../server/hub/index.ts';
import { openPostgres, openSqlite, openStore } from '../store/index.ts';
import { CommandError, newCommand, runCommand } from './command.ts';

const oidcSchema = z.strictObject({
  issuer: z.url(),
  client_id: z.string(),
  client_secret_file: z.string().optional(),
  label: z.string().default('Single sign-on'),
  roles_claim: z.string().default('groups'),
  roles: z.record(z.string(), z.enum(['viewer', 'analyst', 'admin'])).default({}),
  default_role: z.enum(['viewer', 'analyst', 'admin']).nullable().default(null),
});

/** Reads the settings of the identity provider from a YAML file. */
function readOidc(file: string) {
  const parsed = oidcSchema.safeParse(parse(readText(file)));
  if (!parsed.success) throw new CommandError(`${file}: ${z.prettifyError(parsed.error)}`);
  const { client_id, client_secret_file, label, roles_claim, roles, default_role, issuer } = parsed.data;
  return {
    issuer,
    clientId: client_id,
    clientSecret: client_secret_file === undefined ? undefined : readText(client_secret_file).trim(),
    label,
    rolesClaim: roles_claim,
    roles,
    defaultRole: default_role,
  };
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CommandError(`cannot read ${file}: ${(error as Error).message}`);
  }
}

/** `host:port`, `[v6]:port` or `:port`. */
function parseListen(text: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  if (match === null || Number(match[3]) > 65535) throw new CommandError(`--listen ${text}: give HOST:PORT`, 2);
  return { host: match[1] ?? (match[2] || '0.0.0.0'), port: Number(match[3]) };
}

/** Whether the built UI is there, and not older than what it is built from (where that is there too). */
function isBuilt(root: string): boolean {
  const built = statSync(join(UI_DIRECTORY, 'index.html'), { throwIfNoEntry: false })?.mtimeMs;
  if (built === undefined) return false;
  const source = join(root, 'src');
  return !existsSync(source) || readdirSync(source).every((name) => statSync(join(source, name)).mtimeMs <= built);
}

/** In a checkout the UI is built when it is not there yet, or out of date; a package brings it. */
async function buildUi(): Promise<void> {
  const root = join(UI_DIRECTORY, '..');
  if (isBuilt(root)) return;
  const vite = join(root, '../node_modules/vite/bin/vite.js');
  if (!existsSync(vite) || !existsSync(join(root, 'vite.config.ts'))) {
    if (existsSync(join(UI_DIRECTORY, 'index.html'))) return;
    process.stderr.write('The user interface is not built, so the hub serves its API only. Run: npm run build:ui\n');
    return;
  }
  process.stderr.write('Building the user interface (once)…\n');
  // In a process of its own: a bundler's memory would stay with the hub.
  await promisify(execFile)(process.execPath, [vite, 'build', root, '--logLevel', 'error']);
}

/** `windhover hub`: the store, its API and the web UI. Ends on SIGINT or SIGTERM. */
export async function main(args: string[]): Promise<number> {
  const command = newCommand('windhover hub', 'Keeps alerts and shows them: the store, its API and the web UI.', [
    ['windhover hub --data /var/lib/windhover', 'on 127.0.0.1:2802, alerts in SQLite'],
    ['windhover hub --data DIR --database postgres://…', 'alerts in PostgreSQL'],
  ])
    .requiredOption('--data <dir>', 'directory for the database, recordings and backups')
    .option('--listen <addr>', 'address and port', '127.0.0.1:2802')
    .option('--admin-password-file <file>', 'the first password of the user "admin" (default: made up, printed once)')
    .option('--database <url>', 'a PostgreSQL database instead of SQLite')
    .option('--rules <file...>', 'rule files that alerts are explained with and exceptions are tried against')
    .option('--rules-dir <dir>', 'where rule files saved in the UI are written to, for sensors of this host')
    .option('--captures <dir...>', 'directories that sensors of this host record into')
    .option(
      '--sensor <url...>',
      'sensors whose metrics are asked for, as http://127.0.0.1:8765; a name may stand for many',
    )
    .option('--forwarder <url...>', 'forwarders to ask how they are, as http://127.0.0.1:2801')
    .option('--responder <url...>', 'responders to ask how they are, as http://127.0.0.1:2803')
    .option('--peer-token-file <file>', 'the token that forwarders and responders ask for')
    .option('--public-url <url>', 'where users reach the hub, when a proxy stands before it')
    .option('--oidc <file>', 'YAML with issuer, client_id, client_secret_file, roles: log in by OpenID Connect')
    .option('--fsync', 'answer a sender only when its alerts would survive a loss of power');
  return runCommand(command, args, async () => {
    const options = command.opts<{
      data: string;
      listen: string;
      adminPasswordFile?: string;
      database?: string;
      rules?: string[];
      rulesDir?: string;
      captures?: string[];
      forwarder?: string[];
      sensor?: string[];
      responder?: string[];
      peerTokenFile?: string;
      publicUrl?: string;
      oidc?: string;
      fsync?: boolean;
    }>();
    const { host, port } = parseListen(options.listen);
    if (options.oidc !== undefined && options.publicUrl === undefined) {
      throw new CommandError('--oidc needs --public-url: the identity provider sends users back to it', 2);
    }
    const password =
      options.adminPasswordFile === undefined ? null : readText(options.adminPasswordFile).replace(/\r?\n$/, '');
    const token = options.peerTokenFile === undefined ? undefined : readText(options.peerTokenFile).trim();
    const peers = (urls: readonly string[] | undefined) => urls?.map((url) => ({ url, token }));
    await buildUi();
    mkdirSync(options.data, { recursive: true, mode: 0o700 });
    const sql =
      options.database === undefined
        ? openSqlite(join(options.data, 'hub.db'), { fsync: options.fsync ?? false })
        : await openPostgres(options.database);
    const store = await openStore(sql);
    const hub = createHub({
      store,
      directory: options.data,
      publicUrl: options.publicUrl,
      ruleFiles: options.rules,
      rulesDirectory: options.rulesDir,
      captureDirectories: options.captures,
      sensors: options.sensor,
      forwarders: peers(options.forwarder),
      responders: peers(options.responder),
      oidc: options.oidc === undefined ? undefined : readOidc(options.oidc),
      log: (message) => process.stderr.write(`hub: ${message}\n`),
    });
    const made = await hub.ensureAdmin(password);
    // From `windhover up`, whose forwarder brings alerts with it.
    const given = process.env.WINDHOVER_INGEST_TOKEN ?? '';
    if (given !== '') await hub.acceptToken('windhover up', given);
    const { port: bound } = await hub.listen(host, port);
    const shown = host.includes(':') ? `[${host}]` : host;
    process.stderr.write(`The hub listens on http://${shown}:${bound}\n`);
    if (made !== null) {
      process.stderr.write(`The first login (shown this once): user admin, password ${made}\n`);
    }
    await new Promise<void>((resolve) => {
      process.once('SIGINT', resolve);
      process.once('SIGTERM', resolve);
    });
    await hub.close();
    await store.close();
    return 0;
  });
}
