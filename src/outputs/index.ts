/** The local channels of alerts, as Falco's configuration names them. Each is loaded only when it is on. */
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
  const lanes = channels.map((channel) =>
    createLane(channel, {
      capacity: config.outputs_queue.capacity,
      timeoutMs: config.output_timeout,
      lingerMs: config.buffered_outputs && channel.name === 'stdout' ? LINGER_MS : 0,
      onBlocked: (name) => log.critical(`"${name}" output timeout, this output channel is blocked`),
      onDropped: (name, total) => log.error(`${name} output: the queue is full, ${total} alerts lost so far`),
      onError: (name, error) => log.error(`${name} output: ${error.message}`),
    }),
  );
  return {
    push(message) {
      for (const lane of lanes) lane.push(message);
    },
    async drainedTo(waiting) {
      await Promise.all(lanes.map((lane) => lane.drainedTo(waiting)));
    },
    stats: () => Object.fromEntries(lanes.map((lane: Lane) => [lane.channel.name, lane.stats()])),
    async reopen() {
      await Promise.all(lanes.map((lane) => lane.reopen()));
    },
    async close(deadlineMs) {
      await Promise.all(lanes.map((lane) => lane.close(deadlineMs)));
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
    const { httpChannel } = await import('./http.ts');
    const { stdoutWriter } = await import('./stdout.ts');
    const echo = http.echo ? stdoutWriter() : null;
    channels.push(
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
        maxRetries: windhover.http_output.max_retries,
        maxConsecutiveTimeouts: http.max_consecutive_timeouts,
        retryDelayMs: HTTP_RETRY_DELAY_MS,
      }),
    );
  }
  if (Object.keys(windhover.forward).length > 0) {
    const { forwardChannel } = await import('./forward/channel.ts');
    channels.push(await forwardChannel(windhover.forward, windhover.queue, config.json_output));
  }
  return channels;
}
