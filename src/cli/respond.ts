import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { createKubeClient, type KubeClient, loadKubeConfig } from '../kube/index.ts';
import { log } from '../log.ts';
import {
  ACTIONS,
  type Cluster,
  checkRules,
  createCluster,
  type Election,
  loadResponseConfig,
  loadRules,
  notifierProblems,
  type ResponseConfig,
  type ResponseRule,
  type RulesProblem,
  rulesFromFalco,
  standForElection,
  startResponder,
} from '../response/index.ts';
import { serveResponder } from '../server/respond.ts';
import { ask } from './ask.ts';
import { CommandError, newCommand, runCommand } from './command.ts';

interface CommandOptions {
  readonly config?: string;
  readonly rules?: string[];
  readonly url: string;
  readonly token?: string;
  readonly id?: string;
}

/** How long actions under way may go on after SIGTERM; what is left is resumed. */
const SHUTDOWN = 10_000;

/** `windhover respond`: acts upon alerts. */
export async function main(args: string[]): Promise<number> {
  const command = newCommand(
    'windhover respond',
    "Acts upon alerts: in Kubernetes, on the host, elsewhere. Takes Falco Talon's configuration and rules.",
    [
      ['windhover respond -c config.yaml -r rules.yaml', 'listen on 127.0.0.1:2803'],
      ['windhover respond check -c config.yaml', 'read configuration and rules'],
      ['windhover respond actions', 'list the kinds of action'],
      ['windhover respond log', 'what was done'],
      ['windhover respond undo --id RUN/0', 'take it back'],
      ['windhover respond approve --id RUN/0', 'let it go on'],
    ],
  )
    .argument('[action]', 'check, actions, log, undo or approve; without: respond')
    .option('-c, --config <file>', 'the configuration')
    .option('-r, --rules <file...>', 'rules files, besides those of the configuration')
    .option('--url <url>', 'log, undo, approve: the running responder', 'http://127.0.0.1:2803')
    .option('--token <token>', 'log, undo, approve: its token')
    .option('--id <id>', 'undo, approve: the action');
  return runCommand(command, args, async () => {
    const options = command.opts<CommandOptions>();
    switch (command.args[0]) {
      case undefined:
      case 'server':
        return respond(options);
      case 'check':
        return check(options);
      case 'actions':
        return listActions();
      case 'log':
        return ask('responder', options, 'GET', '/log');
      case 'undo':
      case 'approve':
        if (options.id === undefined) throw new CommandError(`${command.args[0]}: give --id RUN/NUMBER`, 2);
        return ask('responder', options, 'POST', `/${command.args[0]}?id=${encodeURIComponent(options.id)}`);
      default:
        throw new CommandError(`there is no action ${command.args[0]}`, 2);
    }
  });
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CommandError(`cannot read ${file}: ${(error as Error).message}`);
  }
}

function readConfig(options: CommandOptions): ResponseConfig {
  try {
    return loadResponseConfig(
      options.config === undefined ? '' : readText(options.config),
      options.config ?? 'configuration',
      process.env,
    );
  } catch (error) {
    throw error instanceof CommandError ? error : new CommandError((error as Error).message);
  }
}

/** Talon's rules, then those that Falco's rules bring along. */
function readRules(
  config: ResponseConfig,
  options: CommandOptions,
): { rules: ResponseRule[]; problems: RulesProblem[] } {
  const files = (names: readonly string[]) => names.map((name) => ({ name, text: readText(name) }));
  const talon = loadRules(files([...config.rules_files, ...(options.rules ?? [])]));
  const falco = rulesFromFalco(files(config.falco_rules_files), config.actions);
  const rules = [...talon.rules, ...falco.rules];
  const problems = [...talon.problems, ...falco.problems, ...checkRules(rules)];
  const known = new Set([...Object.keys(config.notifiers), 'k8sevents']);
  for (const { name, notifiers } of rules) {
    for (const notifier of notifiers)
      if (!known.has(notifier)) problems.push({ place: `rule "${name}"`, message: `there is no notifier ${notifier}` });
  }
  const place = options.config ?? 'configuration';
  for (const message of notifierProblems(config.notifiers)) problems.push({ place, message });
  if (isOn(config.otel.traces_enabled) || isOn(config.otel.metrics_enabled))
    problems.push({
      place,
      message: 'otel is obsolete: nothing is sent to a collector; have it scrape /metrics, and read /log',
      isObsolete: true,
    });
  return { rules, problems };
}

const isOn = (flag: unknown): boolean => flag === true || flag === 'true';

const written = (problems: readonly RulesProblem[]) =>
  problems.map(({ place, message }) => `${place}: ${message}`).join('\n');

/** Logs what is merely obsolete. @throws CommandError with what cannot work */
function refuseErrors(problems: readonly RulesProblem[]): void {
  for (const { place, message } of problems.filter(({ isObsolete }) => isObsolete)) log.warning(`${place}: ${message}`);
  const errors = problems.filter(({ isObsolete }) => !isObsolete);
  if (errors.length > 0) throw new CommandError(written(errors));
}

async function respond(options: CommandOptions): Promise<number> {
  const config = readConfig(options);
  const { rules, problems } = readRules(config, options);
  refuseErrors(problems);
  let client: KubeClient | null = null;
  function kubernetes(): KubeClient {
    if (client !== null) return client;
    const found = loadKubeConfig(config.kubeconfig);
    if (found === null) throw new Error('no Kubernetes: neither a kubeconfig nor a service account');
    client = createKubeClient(found);
    return client;
  }
  let cluster: Cluster | null = null;
  const responder = await startResponder({
    config,
    rules,
    logger: log,
    // Rules about the host alone need no cluster.
    cluster: () => (cluster ??= createCluster(kubernetes())),
  }).catch((error: Error) => {
    throw new CommandError(`cannot start: ${error.message}`);
  });
  const { collectDefaultMetrics, Registry } = await import('prom-client');
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const election = await stand(config, kubernetes);
  const server = await serveResponder(config, responder, () => registry.metrics(), election).catch(
    async (error: Error) => {
      await responder.stop(0);
      throw new CommandError(`cannot listen: ${error.message}`);
    },
  );
  function reload(): void {
    try {
      const next = readRules(config, options);
      refuseErrors(next.problems);
      responder.setRules(next.rules);
      log.info(`Reloaded ${next.rules.length} rules`);
    } catch (error) {
      log.error(`The rules were not reloaded: ${(error as Error).message}`);
    }
  }
  const watched = config.watch_rules
    ? [...config.rules_files, ...(options.rules ?? []), ...config.falco_rules_files]
    : [];
  // By polling: a mounted ConfigMap is changed by swapping a symbolic link, of which a watch on the file hears nothing.
  for (const file of watched) watchFile(file, { interval: 2000 }, reload);
  process.on('SIGHUP', reload);
  const ended = new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  // Said once signals are heeded: who waits for it may send one at once.
  log.info(
    `Listening on ${config.listen_address}:${server.port}; ${rules.length} rules${config.guards.dry_run ? '; dry run' : ''}`,
  );
  await ended;
  for (const file of watched) unwatchFile(file);
  await server.close();
  await election?.stop();
  await responder.stop(SHUTDOWN);
  return 0;
}

/** Stands for election when the configuration asks for it and there is a cluster to ask; else this is the only responder. */
async function stand(config: ResponseConfig, kubernetes: () => KubeClient): Promise<Election | null> {
  if (!config.deduplication.leader_election) return null;
  let client: KubeClient;
  try {
    client = kubernetes();
  } catch {
    log.warning('deduplication.leader_election: there is no cluster here to be elected in; this is the only responder');
    return null;
  }
  const place = { namespace: process.env.POD_NAMESPACE || client.config.namespace || 'default', name: config.lease };
  return standForElection(client, place, process.env.POD_NAME || config.hostname, log);
}

async function check(options: CommandOptions): Promise<number> {
  const { rules, problems } = readRules(readConfig(options), options);
  for (const { name, actions } of rules)
    process.stdout.write(
      `${name}: ${actions.map(({ name: action, actionner }) => `${action} (${actionner})`).join(', ') || 'no action'}\n`,
    );
  if (problems.length > 0) process.stderr.write(`${written(problems)}\n`);
  return problems.some(({ isObsolete }) => !isObsolete) ? 1 : 0;
}

async function listActions(): Promise<number> {
  for (const { name, doc, continues, undo } of ACTIONS.values()) {
    process.stdout.write(
      `${name.padEnd(26)} ${doc}${continues ? '' : ' Ends the rule.'}${undo === undefined ? '' : ' Can be undone.'}\n`,
    );
  }
  return 0;
}
