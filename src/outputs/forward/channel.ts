import { stringify } from 'yaml';
import { log } from '../../log.ts';
import type { Channel } from '../channel.ts';
import { DESTINATIONS } from '../destinations/index.ts';
import { LogFullError } from '../log/index.ts';
import { loadConfig, parseDuration } from './config.ts';
import { type Forwarder, startForwarder } from './forwarder.ts';

/** While the queue is full, how often it is tried again, milliseconds. */
const FULL_DELAY = 200;

/** Forwarders of this process by the path of their queue. */
const open = new Map<string, { channels: number; forwarder: Promise<Forwarder> }>();

/**
 * The forwarder inside of the sensor (`windhover.forward`, with `windhover.queue`): what the channel has taken is in the
 * durable queue, and reaches every destination however often sensor or destination stop in between.
 * @throws Error with everything that is wrong in the settings
 */
export async function forwardChannel(
  settings: Readonly<Record<string, unknown>>,
  queue: Readonly<Record<string, unknown>>,
  json: boolean,
): Promise<Channel> {
  const given = Object.keys(queue).length === 0 ? settings : { ...settings, queue };
  const config = loadConfig(stringify(given), 'windhover.forward', {}, DESTINATIONS);
  const problems = config.problems
    .filter(({ severity }) => severity === 'error')
    .map(({ message }) => `windhover.forward: ${message}`);
  if (!json) problems.push('windhover.forward: alerts are forwarded as JSON: set json_output: true');
  if (problems.length > 0) throw new Error(problems.join('\n'));
  for (const { severity, message } of config.problems)
    if (severity === 'warning') log.warning(`windhover.forward: ${message}`);
  const path = config.globals['queue.path'];
  // On a reload the next channel is opened before this one is closed: both share the queue, under the newer settings.
  let shared = open.get(path);
  if (shared === undefined) {
    shared = { channels: 0, forwarder: startForwarder(config, log) };
    open.set(path, shared);
  } else {
    const before = shared.forwarder;
    shared.forwarder = before.then(async (forwarder) => {
      await forwarder.stop(0);
      return startForwarder(config, log);
    });
  }
  shared.channels++;
  const mine = shared;
  try {
    await mine.forwarder;
  } catch (error) {
    open.delete(path);
    throw error;
  }
  let closing = false;

  async function take(line: string): Promise<void> {
    for (;;) {
      try {
        return await (await mine.forwarder).accept(Buffer.from(line));
      } catch (error) {
        if (!(error instanceof LogFullError) || closing) throw error;
        await new Promise((resolve) => setTimeout(resolve, FULL_DELAY));
      }
    }
  }

  return {
    name: 'forward',
    isDurable: true,
    async write(messages) {
      await Promise.all(messages.map(({ line }) => take(line)));
    },
    async close() {
      closing = true;
      if (--mine.channels > 0) return;
      open.delete(path);
      await (await mine.forwarder).stop(parseDuration(config.globals.shutdown_timeout));
    },
  };
}
