import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Drop, type DurableLog, type Entry, openLog } from '../log/index.ts';
import {
  type Alert,
  alertOf,
  PRIORITIES,
  parseJson,
  priorityLevel,
  problemOf,
  readAlert,
  TEST_RULE,
  textOf,
  toJson,
} from './alert.ts';
import { compileCondition } from './condition.ts';
import { type ForwardConfig, type OutputConfig, parseBytes, parseDuration } from './config.ts';
import { type Environment, SINGLY, type Sink } from './destination.ts';
import { enricher } from './enrich.ts';
import { createHttpClient } from './http.ts';
import { type ForwardMetrics, forwardMetrics } from './metrics.ts';
import type { Values } from './option.ts';
import { createRecent } from './recent.ts';
import { createRestraint } from './restraint.ts';
import { startWorker, type Worker } from './worker.ts';

/** Bytes of alerts that are kept as objects for the outputs, which come to them a little later. */
const FRESH_BYTES = 2 * 1024 * 1024;
const DEAD_BYTES = 256 * 1024 * 1024;
/** How long somebody waits for the test of one output, in milliseconds. */
const TEST_TIMEOUT = 8000;

export interface DeadLetter {
  readonly output: string;
  readonly reason: string;
  readonly time: string;
  readonly uuid: string;
  readonly rule: string;
  /** When it was, milliseconds since the epoch. */
  readonly received: number;
  /** As it was received. */
  readonly alert: string;
}

export interface OutputStatus {
  readonly id: string;
  readonly destination: string;
  readonly circuit: string;
  readonly waiting: number;
  readonly lastError: string | null;
  readonly failingSince: string | null;
  readonly nextTry: string | null;
  readonly deadLetters: number;
}

export interface Logger {
  info(message: string): void;
  warning(message: string): void;
  error(message: string): void;
  debug(message: string): void;
}

export interface Forwarder {
  /**
   * Stores an alert as it was received; resolves when it is as durable as configured.
   * @throws RejectedError for what is no alert, LogFullError when there is no room.
   */
  accept(body: Buffer): Promise<void>;
  status(): OutputStatus[];
  metrics(): string;
  readonly counters: ForwardMetrics;
  /** Tries every output: null when it is well, the error when not, "sent" for those that only a test alert can try. */
  check(): Promise<{ id: string; error: Error | null; how: 'checked' | 'opened' }[]>;
  /**
   * Sends the test alert to one output, past the queue. Resolves with its error, or null; what can be tried again is,
   * also after that. @throws when there is no output of that id
   */
  test(output: string): Promise<Error | null>;
  deadLetters(output?: string): Promise<DeadLetter[]>;
  /** Delivers dead letters again. @returns how many were delivered, and how many were refused once more. */
  replay(output: string): Promise<{ delivered: number; refused: number }>;
  /** Delivers what waits for at most so many milliseconds, and closes; the rest stays in the queue. */
  stop(timeout: number): Promise<void>;
}

/** A body that is no alert. */
export class RejectedError extends Error {}

/** Opens the queue and starts the outputs. @throws when the configuration cannot work. */
export async function startForwarder(
  config: ForwardConfig,
  log: Logger,
  now: () => number = Date.now,
): Promise<Forwarder> {
  const { globals } = config;
  const counters = forwardMetrics();
  const redact = redactor(config.secrets);
  const enrich = enricher({ ...globals, outputFieldFormat: globals.outputfieldformat });
  const maxAge = globals['queue.max_age'];
  const path = globals['queue.path'];
  const durability = globals['queue.durability'];

  const queue = await openLog({
    path: join(path, 'queue'),
    durability,
    maxBytes: parseBytes(globals['queue.max_bytes']) ?? undefined,
    maxAge: maxAge === '' ? undefined : parseDuration(maxAge),
    whenFull: globals['queue.when_full'],
    now,
  });
  let dead: DurableLog;
  try {
    dead = await openLog({ path: join(path, 'dead'), durability, maxBytes: DEAD_BYTES, now });
  } catch (error) {
    await queue.close();
    throw error;
  }

  /** What was just taken in, parsed; then, where there are several outputs, what the first of them made of it. */
  const parsed = createRecent<unknown>(FRESH_BYTES);
  const decoded = createRecent<Alert>(FRESH_BYTES);
  function decode(entry: Entry): Alert {
    let alert = decoded.get(entry.sequence);
    if (alert !== undefined) return alert;
    const body = parsed.get(entry.sequence);
    alert = enrich(
      body === undefined ? readAlert(entry.payload, entry.time) : alertOf(body, entry.payload, entry.time),
    );
    parsed.delete(entry.sequence);
    if (config.outputs.length > 1) decoded.set(entry.sequence, alert, entry.payload.length);
    return alert;
  }

  const labels = config.outputs.map(({ destination }) => destination.label);
  const outputs = new Map<string, { config: OutputConfig; worker: Worker; oldest: () => number | null }>();
  const deadCounts = new Map<string, number>();

  async function start(output: OutputConfig): Promise<void> {
    const { id, destination, common } = output;
    const consumer = await queue.consumer(id);
    await dead.consumer(id);
    const least = common.minimumpriority === '' ? PRIORITIES.length - 1 : priorityLevel(common.minimumpriority);
    const condition = common.match === '' ? null : compileCondition(common.match);
    const options = output.options as Values<Record<string, never>>;
    let oldest: number | null = null;
    const worker = startWorker({
      id,
      consumer,
      now,
      decode(entry) {
        oldest = entry.time;
        const alert = decode(entry);
        if (alert.isTest) return alert;
        return alert.level <= least && (condition === null || condition(alert)) ? alert : null;
      },
      restraint: createRestraint(common, now),
      batch: destination.batch?.(options) ?? SINGLY,
      concurrency: Math.max(1, common.maxconcurrentrequests),
      timeout: common.timeout,
      open: () => openSink(output, environmentOf(config, output, labels, now)),
      on: {
        delivered({ alert }) {
          counters.outputs.add({ destination: destination.label, status: 'ok' });
          counters.seconds.add({ destination: destination.label }, Math.max(0, now() - alert.received) / 1000);
          counters.deliveries.add({ destination: destination.label });
          log.debug(`${id}: delivered ${alert.uuid}`);
        },
        heldBack: () => counters.heldBack.add({ output: id }),
        failed(count, error, final) {
          if (count > 0) counters.outputs.add({ destination: destination.label, status: 'error' }, count);
          if (!final) counters.retries.add({ output: id });
          const message = redact(error.message);
          if (final) log.error(`${id}: refused, kept as a dead letter: ${message}`);
          else log.warning(`${id}: delivery failed, will be tried again: ${message}`);
        },
        async refused({ alert, entry }, error) {
          const letter: DeadLetter = {
            output: id,
            reason: redact(error.message),
            time: new Date(now()).toISOString(),
            uuid: alert.uuid,
            rule: alert.rule,
            received: alert.received,
            alert: entry === null ? toJson(alert) : entry.payload.toString('utf8'),
          };
          await dead.append(Buffer.from(JSON.stringify(letter)), alert.level);
          counters.deadLetters.add({ output: id });
          deadCounts.set(id, (deadCounts.get(id) ?? 0) + 1);
        },
      },
    });
    outputs.set(id, { config: output, worker, oldest: () => (consumer.backlog === 0 ? null : oldest) });
  }

  try {
    for (const output of config.outputs) await start(output);
    // A queue must not wait for outputs that are no more.
    for (const name of queue.consumers) {
      if (outputs.has(name)) continue;
      const waiting = (await queue.consumer(name)).backlog;
      if (waiting > 0)
        log.warning(`${name} is not configured any more: ${waiting} alerts that waited for it are dropped`);
      await queue.forget(name);
      await dead.forget(name);
    }
    for (const id of outputs.keys()) deadCounts.set(id, (await letters(id)).length);
  } catch (error) {
    await close(0);
    throw error;
  }

  async function letters(output?: string): Promise<DeadLetter[]> {
    const found: DeadLetter[] = [];
    for (const id of output === undefined ? outputs.keys() : [output]) {
      const consumer = await dead.consumer(id);
      consumer.rewind();
      for (let entries = await consumer.read(256); entries.length > 0; entries = await consumer.read(256)) {
        for (const entry of entries) {
          const letter = JSON.parse(entry.payload.toString('utf8')) as DeadLetter;
          if (letter.output === id) found.push(letter);
        }
      }
    }
    return found;
  }

  async function close(deadline: number): Promise<void> {
    await Promise.all([...outputs.values()].map(({ worker }) => worker.stop(deadline)));
    await queue.close();
    await dead.close();
  }

  const namedLabels = [
    ...Object.keys(globals.customfields),
    ...Object.keys(globals.templatedfields),
    ...globals['prometheus.extralabels'],
  ];

  return {
    counters,
    async accept(body) {
      let given: Record<string, unknown>;
      try {
        given = parseJson(body.toString('utf8')) as Record<string, unknown>;
      } catch (error) {
        counters.inputs.add({ source: 'requests', status: 'rejected' });
        throw new RejectedError(`it is no JSON: ${(error as Error).message}`);
      }
      const problem = problemOf(given);
      if (problem !== null) {
        counters.inputs.add({ source: 'requests', status: 'rejected' });
        throw new RejectedError(problem);
      }
      const level = priorityLevel(given.priority as string);
      const sequence = await queue.append(body, level);
      parsed.set(sequence, given, body.length);
      counters.inputs.add({ source: 'requests', status: 'accepted' });
      const fields = (given.output_fields ?? {}) as Record<string, string>;
      const label = (name: string) => {
        const value = globals.customfields[name] ?? fields[name];
        return typeof value === 'string' ? value : textOf(value);
      };
      counters.events.add({
        hostname: String(given.hostname ?? ''),
        rule: given.rule as string,
        // Falcosidekick's numbers: Debug 1 … Emergency 8.
        priority: String(PRIORITIES.length - level),
        priority_raw: PRIORITIES[level].toLowerCase(),
        source: String(given.source || (given.rule === TEST_RULE ? 'internal' : 'syscalls')),
        k8s_ns_name: label('k8s.ns.name'),
        k8s_pod_name: label('k8s.pod.name'),
        ...Object.fromEntries(namedLabels.map((name) => [name.replace(/\W/g, '_'), label(name)])),
      });
    },
    status: () =>
      [...outputs].map(
        ([
          id,
          {
            config: { destination },
            worker: { status },
          },
        ]) => ({
          id,
          destination: destination.name,
          circuit: status.circuit,
          waiting: queue.backlog(id),
          lastError: status.lastError === null ? null : redact(status.lastError),
          failingSince: status.failingSince === null ? null : new Date(status.failingSince).toISOString(),
          nextTry: status.nextTry === null ? null : new Date(status.nextTry).toISOString(),
          deadLetters: deadCounts.get(id) ?? 0,
        }),
      ),
    metrics() {
      for (const [id, { oldest }] of outputs) {
        const since = oldest();
        counters.depth.set({ output: id }, queue.backlog(id));
        counters.oldest.set({ output: id }, since === null ? 0 : Math.max(0, (now() - since) / 1000));
      }
      counters.bytes.set({}, queue.bytes);
      for (const drop of queue.drops) counters.dropped.set(dropLabels(drop), drop.count);
      return Object.values(counters)
        .map((metric) => metric.text())
        .join('');
    },
    check: () =>
      Promise.all(
        [...outputs].map(async ([id, { worker }]) => {
          try {
            return { id, error: null, how: (await worker.check()) ? ('checked' as const) : ('opened' as const) };
          } catch (error) {
            return { id, error: new Error(redact((error as Error).message)), how: 'checked' as const };
          }
        }),
      ),
    async test(output) {
      const found = outputs.get(output);
      if (found === undefined) throw new Error(`there is no output ${output}`);
      const alert = enrich(readAlert(testAlert(now()), now()));
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<Error>((resolve) => {
        timer = setTimeout(() => {
          resolve(new Error(`not delivered yet, still trying: ${found.worker.status.lastError ?? 'no answer'}`));
        }, TEST_TIMEOUT);
      });
      const settled = new Promise<Error | null>((settle) =>
        found.worker.inject([{ alert, entry: null, settled: settle }]),
      );
      const error = await Promise.race([settled, late]);
      clearTimeout(timer);
      return error === null ? null : new Error(redact(error.message));
    },
    deadLetters: letters,
    async replay(output) {
      const found = outputs.get(output);
      if (found === undefined) throw new Error(`there is no output ${output}`);
      const consumer = await dead.consumer(output);
      const upTo = dead.next - 1;
      const waiting = (await letters(output)).map(
        (letter) =>
          new Promise<{ letter: DeadLetter; error: Error | null }>((resolve) => {
            const alert = enrich(readAlert(Buffer.from(letter.alert), letter.received));
            found.worker.inject([{ alert, entry: null, settled: (error) => resolve({ letter, error }) }]);
          }),
      );
      const results = await Promise.all(waiting);
      const refused = results.filter(({ error }) => error !== null);
      for (const { letter, error } of refused) {
        await dead.append(
          Buffer.from(
            JSON.stringify({
              ...letter,
              reason: redact((error as Error).message),
              time: new Date(now()).toISOString(),
            }),
          ),
          4,
        );
      }
      await consumer.ack(upTo);
      deadCounts.set(output, refused.length);
      return { delivered: results.length - refused.length, refused: refused.length };
    },
    stop: (timeout) => close(now() + timeout),
  };
}

function dropLabels(drop: Drop): Record<string, string> {
  return {
    reason: drop.reason,
    priority: drop.priority === null ? 'unknown' : PRIORITIES[drop.priority].toLowerCase(),
  };
}

/** Takes secrets out of what is logged: destinations may put a URL or a header into an error. */
export function redactor(secrets: readonly string[]): (text: string) => string {
  const parts = secrets
    .flatMap((secret) => [secret, encodeURIComponent(secret)])
    .filter((secret) => secret.length >= 4)
    .sort((a, b) => b.length - a.length);
  return (text) => parts.reduce((cleaned, secret) => cleaned.replaceAll(secret, '***'), text);
}

/** What a destination is given: its own connections, the certificates, and what the configuration names. */
export function environmentOf(
  config: ForwardConfig,
  { common, options }: OutputConfig,
  labels: readonly string[],
  now: () => number,
): Environment {
  const { globals } = config;
  const file = (path: string) => readFileSync(path, 'utf8');
  const folder = globals.mutualtlsfilespath;
  /** Some destinations have files of their own. */
  const own = (name: string) => (typeof options[name] === 'string' ? (options[name] as string) : '');
  const mutual = common.mutualtls
    ? {
        cert: file(own('certfile') || globals['mutualtlsclient.certfile'] || join(folder, 'client.crt')),
        key: file(own('keyfile') || globals['mutualtlsclient.keyfile'] || join(folder, 'client.key')),
        ca: file(own('cacertfile') || globals['mutualtlsclient.cacertfile'] || join(folder, 'ca.crt')),
      }
    : {};
  const authority = own('cacertfile') || globals['tlsclient.cacertfile'];
  const ca = authority === '' ? {} : { ca: file(authority) };
  const tls = { ...ca, ...mutual, checkCertificate: common.checkcert };
  return {
    tls,
    http: createHttpClient({ ...tls, connections: Math.max(1, common.maxconcurrentrequests), timeout: common.timeout }),
    timeout: common.timeout,
    customfields: Object.keys(globals.customfields),
    templatedfields: Object.keys(globals.templatedfields),
    outputs: labels,
    now,
  };
}

async function openSink({ destination, options }: OutputConfig, environment: Environment): Promise<Sink> {
  const sink = await destination.open(options as never, environment);
  return {
    ...sink,
    async close() {
      await sink.close?.();
      environment.http.close();
    },
  };
}

/** The alert that `/test` sends everywhere. */
export function testAlert(now: number): Buffer {
  return Buffer.from(
    JSON.stringify({
      output: 'This is a test from Windhover',
      priority: 'Debug',
      hostname: 'falcosidekick',
      rule: TEST_RULE,
      time: new Date(now).toISOString(),
      output_fields: { 'proc.name': 'falcosidekick', 'user.name': 'falcosidekick' },
      tags: ['test', 'example'],
    }),
  );
}
