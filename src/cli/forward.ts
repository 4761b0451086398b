import { readFileSync } from 'node:fs';
import { configureLog, log } from '../log.ts';
import { DESTINATIONS } from '../outputs/destinations/index.ts';
import {
  type ForwardConfig,
  type Forwarder,
  type Input,
  loadConfig,
  parseDuration,
  startForwarder,
  startInputs,
  testAlert,
} from '../outputs/forward/index.ts';
import { serveForwarder } from '../server/forward.ts';
import { ask } from './ask.ts';
import { CommandError, newCommand, runCommand } from './command.ts';

interface CommandOptions {
  readonly configFile?: string;
  readonly send?: boolean;
  readonly output?: string;
  readonly url: string;
  readonly token?: string;
}

/** `windhover forward`: takes alerts over HTTP, stores them, and delivers them to every configured destination. */
export async function main(args: string[]): Promise<number> {
  const command = newCommand(
    'windhover forward',
    "Forwards alerts to other services. Takes Falcosidekick's configuration and routes.",
    [
      ['windhover forward -c config.yaml', 'listen on :2801'],
      ['windhover forward check -c config.yaml', 'read the configuration and try every output'],
      ['windhover forward check --send -c config.yaml', 'the same, with a test alert to each'],
      ['windhover forward status', 'ask the forwarder on this host for its outputs'],
      ['windhover forward dead-letters --output slack', 'what slack refused for good'],
      ['windhover forward replay --output slack', 'deliver it again'],
    ],
  )
    .argument('[action]', 'check, status, dead-letters or replay; without: forward')
    .option('-c, --config-file <file>', 'the configuration; every key also as an environment variable')
    .option('--send', 'check: send a test alert to each output')
    .option('--output <id>', 'dead-letters, replay: the output')
    .option('--url <url>', 'status, dead-letters, replay: the running forwarder', 'http://127.0.0.1:2801')
    .option('--token <token>', 'its admin.token');
  return runCommand(command, args, async () => {
    const options = command.opts<CommandOptions>();
    switch (command.args[0]) {
      case undefined:
        return forward(options);
      case 'check':
        return check(options);
      case 'status':
        return ask('forwarder', options, 'GET', '/status');
      case 'dead-letters':
        return ask(
          'forwarder',
          options,
          'GET',
          `/dead-letters${options.output === undefined ? '' : `?output=${encodeURIComponent(options.output)}`}`,
        );
      case 'replay':
        if (options.output === undefined) throw new CommandError('replay: give --output ID', 2);
        return ask('forwarder', options, 'POST', `/dead-letters/replay?output=${encodeURIComponent(options.output)}`);
      default:
        throw new CommandError(`there is no action ${command.args[0]}`, 2);
    }
  });
}

/** The configuration; its warnings go to the log. @throws CommandError with everything that is wrong */
function readConfig(file: string | undefined): ForwardConfig {
  let source = '';
  if (file !== undefined) {
    try {
      source = readFileSync(file, 'utf8');
    } catch (error) {
      throw new CommandError(`cannot read ${file}: ${(error as Error).message}`);
    }
  }
  const config = loadConfig(source, file ?? 'configuration', process.env, DESTINATIONS);
  for (const { severity, message, place } of config.problems)
    if (severity === 'warning') log.warning(`${place}: ${message}`);
  const errors = config.problems.filter(({ severity }) => severity === 'error');
  if (errors.length > 0)
    throw new CommandError(errors.map(({ message, place }) => `${place}: error: ${message}`).join('\n'));
  return config;
}

async function forward(options: CommandOptions): Promise<number> {
  let config = readConfig(options.configFile);
  if (config.globals.debug) configureLog({ level: 'debug' });
  let running: Promise<Forwarder> = startForwarder(config, log);
  let forwarder = await started(running);
  const { collectDefaultMetrics, Registry } = await import('prom-client');
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  let server: Awaited<ReturnType<typeof serveForwarder>>;
  let inputs: Input[];
  try {
    server = await serveForwarder(
      config,
      () => running,
      () => registry.metrics(),
    );
  } catch (error) {
    await forwarder.stop(0);
    throw new CommandError(`cannot listen: ${(error as Error).message}`);
  }
  try {
    inputs = await startInputs(config.globals, async (body) => (await running).accept(body), log);
  } catch (error) {
    await server.close();
    await forwarder.stop(0);
    throw new CommandError(`cannot take alerts from the broker: ${(error as Error).message}`);
  }
  /** Takes the new configuration or keeps the old one; what waits in the queue waits a moment longer. */
  async function reload(): Promise<void> {
    const before = config;
    try {
      const next = readConfig(options.configFile);
      running = (async () => {
        await forwarder.stop(0);
        try {
          forwarder = await startForwarder(next, log);
          config = next;
          log.info(`Reloaded; outputs: ${next.outputs.map(({ id }) => id).join(', ') || 'none'}`);
        } catch (error) {
          log.error(`The new configuration cannot work, the old one stays: ${(error as Error).message}`);
          forwarder = await startForwarder(before, log);
        }
        return forwarder;
      })();
      await running;
    } catch (error) {
      log.error(`The configuration was not reloaded: ${(error as Error).message}`);
    }
  }

  let reloading = Promise.resolve();
  process.on('SIGHUP', () => {
    reloading = reloading.then(reload);
  });
  const ended = new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  // Said once signals are heeded: who waits for it may send one at once.
  log.info(
    `Listening on ${server.addresses.join(' and ')}; outputs: ${config.outputs.map(({ id }) => id).join(', ') || 'none'}`,
  );
  await ended;
  await Promise.all([server.close(), ...inputs.map((input) => input.stop())]);
  await reloading;
  await forwarder.stop(parseDuration(config.globals.shutdown_timeout));
  return 0;
}

async function started(forwarder: Promise<Forwarder>): Promise<Forwarder> {
  try {
    return await forwarder;
  } catch (error) {
    throw new CommandError(`cannot start: ${(error as Error).message}`);
  }
}

/** Opens every output apart from the queue of a running forwarder. @returns 1 when one of them is not well */
async function check(options: CommandOptions): Promise<number> {
  const config = readConfig(options.configFile);
  const forwarder = await started(
    startForwarder(
      { ...config, globals: { ...config.globals, 'queue.durability': 'memory' } },
      { ...log, warning: () => {}, error: () => {} },
    ),
  );
  const failed = new Map<string, string>();
  const results = await forwarder.check();
  for (const { id, error } of results) if (error !== null) failed.set(id, error.message);
  if (options.send) await forwarder.accept(testAlert(Date.now()));
  await forwarder.stop(options.send ? 10_000 : 0);
  if (options.send) {
    for (const { id, waiting, deadLetters, lastError } of forwarder.status()) {
      if (waiting > 0 || deadLetters > 0) failed.set(id, lastError ?? 'not delivered');
    }
  }
  for (const { id, how } of results) {
    const problem = failed.get(id);
    const well = options.send
      ? 'the test alert was delivered'
      : how === 'checked'
        ? 'reachable'
        : 'configured; only --send can try it';
    process.stdout.write(`${id}: ${problem === undefined ? well : `failed: ${problem}`}\n`);
  }
  if (results.length === 0) process.stdout.write('no output is configured\n');
  return failed.size > 0 ? 1 : 0;
}
