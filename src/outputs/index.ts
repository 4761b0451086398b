/** The local channels of alerts, as Falco's configuration names them. Each is loaded only when it is on. */
import { hash } from 'node:crypto';
import { join } from 'node:path';
import type { Config } from '../config/index.ts';
import { log } from '../log.ts';
import type { Channel, Message } from './channel.ts';
import { createLane, type Lane, type LaneStats } from './lane.ts';

export type { Channel, Message } from './channel.ts';
export type { LaneStats } from './lane.ts';

export interface Outputs {
  /** Hands the message to every channel; never waits. */
  push(message: Message): void;
  /** Resolves once no channel has more than `waiting` messages to write. */
  drainedTo(waiting: number): Promise<void>;
  stats(): Readonly<Record<string, LaneStats>>;
  reopen(): Promise<void>;
  /** Writes what waits, for at most `deadlineMs` a channel, and closes them all. */
  close(deadlineMs: number): Promise<void>;
}

/** How long buffered alerts are held back (`buffered_outputs`), so that many go out in one write. */
const LINGER_MS = 200;
const HTTP_RETRY_DELAY_MS = 250;

/** Opens the channels that the configuration turns on, plus `extra` ones. */
export async function openOutputs(config: Config, extra: readonly Channel[] = []): Promise<Outputs> {
  const channels = [...(await configuredChannels(config)), ...extra];
  const durable = channels.filter(({ isDurable }) => isDurable);
  /** Messages that not all durable channels have yet, with how many of them have not. */
  const unstored = new Map<Message, number>();
  const lanes = channels.map((channel) =>
    createLane(channel, {
      ...(channel.isDurable && { onDone: stored }),
      capacity: config.outputs_queue.capacity,
      timeoutMs: config.output_timeout,
      lingerMs: config.buffered_outputs && channel.name === 'stdout' ? LINGER_MS : 0,
      onBlocked: (name) => log.critical(`"${name}" output timeout, this output channel is blocked`),
      onDropped: (name, total) => log.error(`${name} output: the queue is full, ${total} alerts lost so far`),
      onError: (name, error) => log.error(`${name} output: ${error.message}`),
    }),
  );
  const first = lanes.filter(({ channel }) => channel.isDurable);
  const others = lanes.filter(({ channel }) => !channel.isDurable);

  /** What has been printed must not be lost on the way elsewhere: printed is what is stored (or cannot be). */
  function stored(messages: readonly Message[]): void {
    for (const message of messages) {
      const left = (unstored.get(message) ?? 1) - 1;
      if (left > 0) {
        unstored.set(message, left);
        continue;
      }
      unstored.delete(message);
      for (const lane of others) lane.push(message);
    }
  }

  return {
    push(message) {
      if (durable.length > 0) unstored.set(message, durable.length);
      for (const lane of durable.length > 0 ? first : others) lane.push(message);
    },
    async drainedTo(waiting) {
      await Promise.all(first.map((lane) => lane.drainedTo(waiting)));
      await Promise.all(others.map((lane) => lane.drainedTo(waiting)));
    },
    stats: () => Object.fromEntries(lanes.map((lane: Lane) => [lane.channel.name, lane.stats()])),
    async reopen() {
      await Promise.all(lanes.map((lane) => lane.reopen()));
    },
    async close(deadlineMs) {
      await Promise.all(first.map((lane) => lane.close(deadlineMs)));
      await Promise.all(others.map((lane) => lane.close(deadlineMs)));
    },
  };
}

async function configuredChannels(config: Config): Promise<Channel[]> {
  const { file_output: file, program_output: program, http_output: http, windhover } = config;
  const channels: Channel[] = [];
  if (config.stdout_output.enabled) channels.push((await import('./stdout.ts')).stdoutChannel());
  if (config.syslog_output.enabled) {
    const { syslogChannel } = await import('./syslog.ts');
    channels.push(syslogChannel(windhover.syslog.address, windhover.syslog.ident));
  }
  if (file.enabled) channels.push((await import('./file.ts')).fileChannel(file.filename, file.keep_alive));
  if (program.enabled) {
    channels.push((await import('./program.ts')).programChannel(program.program, program.keep_alive));
  }
  if (http.enabled) {
    const { HttpOutputError, httpChannel } = await import('./http.ts');
    const { stdoutWriter } = await import('./stdout.ts');
    const echo = http.echo ? stdoutWriter() : null;
    const open = (maxRetries: number): Channel =>
      httpChannel({
        url: http.url,
        userAgent: http.user_agent,
        json: config.json_output,
        insecure: http.insecure,
        caCert: http.ca_cert,
        caBundle: http.ca_bundle,
        caPath: http.ca_path,
        client: http.mtls ? { cert: http.client_cert, key: http.client_key } : null,
        compress: http.compress_uploads,
        keepAlive: http.keep_alive,
        echo: echo === null ? null : (body) => void echo(body).catch(() => {}),
        timeoutMs: windhover.http_output.timeout_ms,
        maxRetries,
        maxConsecutiveTimeouts: http.max_consecutive_timeouts,
        retryDelayMs: HTTP_RETRY_DELAY_MS,
      });
    channels.push(
      await behindLog(open, windhover.http_output.max_retries, windhover.http_output.queue, http.url, (error) =>
        error instanceof HttpOutputError ? (error.retry ? error.retryAfterMs : null) : 0,
      ),
    );
  }
  if (Object.keys(windhover.forward).length > 0) {
    const { forwardChannel } = await import('./forward/channel.ts');
    channels.push(await forwardChannel(windhover.forward, windhover.queue, config.json_output));
  }
  return channels;
}

/** The channel behind a durable log of its own; alone, with a warning, where there can be none. */
async function behindLog(
  open: (maxRetries: number) => Channel,
  maxRetries: number,
  folder: string,
  url: string,
  delayAfter: (error: Error) => number | null,
): Promise<Channel> {
  if (folder === '') return open(maxRetries);
  // The queue tries again by itself, and for as long as it takes.
  const channel = open(0);
  const { durableChannel } = await import('./durable.ts');
  // What waits for one receiver is nothing for another one.
  const path = join(folder, hash('sha256', url, 'hex').slice(0, 16));
  try {
    return await durableChannel(channel, {
      path,
      delayAfter,
      onRefused: (error) => log.error(`${channel.name} output: an alert was refused for good: ${error.message}`),
      onWaiting: (error) => log.warning(`${channel.name} output: ${error.message}; it stays in the queue`),
    });
  } catch (error) {
    log.warning(`${channel.name} output: alerts wait in memory alone: ${(error as Error).message}`);
    await channel.close();
    return open(maxRetries);
  }
}
