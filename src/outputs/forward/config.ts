import { readFileSync } from 'node:fs';
import { isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, type YAMLMap } from 'yaml';
import type { Destination } from './destination.ts';
import {
  choice,
  convert,
  duration,
  flag,
  integer,
  list,
  map,
  type Option,
  type Options,
  secret,
  text,
  type Values,
} from './option.ts';

/** The keys outside of the destinations' sections. */
export const GLOBALS = {
  listenaddress: text('The address to listen on; empty: all.'),
  listenport: integer('The port to listen on.', 2801),
  debug: flag('Write every delivery to the log.'),
  customfields: map('Output fields that every alert gets; `%NAME` is an environment variable.'),
  templatedfields: map("Output fields made by a Go template over the alert's output fields."),
  customtags: list('Tags that every alert gets.'),
  bracketreplacer: text('What replaces `[` in the names of output fields (`]` goes).'),
  outputfieldformat: text(
    'The form of outputs, with <timestamp> <priority> <output> <custom_fields> <templated_fields> <tags>.',
  ),
  mutualtlsfilespath: text('Folder of client.crt, client.key and ca.crt, for outputs with `mutualtls`.', '/etc/certs'),
  'mutualtlsclient.certfile': text('The certificate, instead of client.crt.'),
  'mutualtlsclient.keyfile': text('The key, instead of client.key.'),
  'mutualtlsclient.cacertfile': text('The CA, instead of ca.crt.'),
  'tlsclient.cacertfile': text('A CA for the certificates of destinations.'),
  'tlsserver.deploy': flag('Listen with TLS.'),
  'tlsserver.certfile': text("The server's certificate.", '/etc/certs/server/server.crt'),
  'tlsserver.keyfile': text("The server's key.", '/etc/certs/server/server.key'),
  'tlsserver.mutualtls': flag('Ask clients for a certificate.'),
  'tlsserver.cacertfile': text("The CA of the clients' certificates.", '/etc/certs/server/ca.crt'),
  'tlsserver.notlsport': integer('A second port, without TLS, for `notlspaths`.', 2810),
  'tlsserver.notlspaths': list('Paths that are served without TLS.'),
  'prometheus.extralabels': list('Output fields that become labels of the metrics.'),
  'queue.path': text('Folder of the durable queue.', '/var/lib/windhover/forward'),
  'queue.durability': choice(
    'When an alert counts as accepted: after write(2), after fdatasync(2), or without the disk.',
    ['write', 'fsync', 'memory'],
    'write',
  ),
  'queue.max_bytes': text('Most bytes of the queue (`1GiB`).', '1GiB'),
  'queue.max_age': text('How long an alert waits at most (`72h`); empty: as long as there is room.'),
  'queue.when_full': choice(
    'What gives way when the queue is full.',
    ['drop_oldest', 'drop_newest', 'block'],
    'drop_oldest',
  ),
  'input.nats.hostport': text('Take alerts from NATS JetStream too: `nats://host:port`.'),
  'input.nats.stream': text('The stream.', 'FALCO'),
  'input.nats.durable': text(
    'The name of the consumer; forwarders with one name share its messages.',
    'windhover-forward',
  ),
  'input.nats.token': secret('A token.'),
  'input.kafka.hostport': list('Take alerts from Kafka too: the brokers.'),
  'input.kafka.topic': text('The topic.', 'falco'),
  'input.kafka.group': text('The consumer group.', 'windhover-forward'),
  'admin.token': secret('A token for `/status`, `/dead-letters` and the like from elsewhere than this host.'),
  shutdown_timeout: text('How long to go on delivering after SIGTERM; the rest stays in the queue.', '5s'),
} as const;
export type Globals = Values<typeof GLOBALS>;

/** The keys that every destination's section may hold besides its own. */
export const COMMON = {
  minimumpriority: choice(
    'The least severe priority that is sent.',
    ['', 'emergency', 'alert', 'critical', 'error', 'warning', 'notice', 'informational', 'debug'],
    '',
  ),
  checkcert: flag("Check the server's certificate.", true),
  mutualtls: flag('Show the certificate of `mutualtlsfilespath` or `mutualtlsclient`.'),
  maxconcurrentrequests: integer('Deliveries under way at once; more than one gives up the order.', 1),
  timeout: integer('Milliseconds for one delivery.', 10_000),
  instance: text('Tells several outputs of one kind apart (the section is then a list).'),
  match: text(
    'A Falco condition over the alert: `rule`, `priority`, `source`, `tags`, `hostname`, `output` and all output fields.',
  ),
  'throttle.count': integer('Most alerts in an interval; the rest are held back and counted. 0: no limit.', 0),
  'throttle.interval': text('The interval.', '1m'),
  'group.by': list(
    'Output fields (or `rule`, `hostname`, …) whose equal values make one group: the first alert of a group is sent, the others are counted.',
  ),
  'group.interval': text('After this time a group is told again, with how many were held back.', '5m'),
} as const;
export type Common = Values<typeof COMMON>;

export interface OutputConfig {
  /** `slack`, or `slack:security` when there are several. */
  readonly id: string;
  readonly destination: Destination;
  readonly options: Record<string, unknown>;
  readonly common: Common;
}

export interface Problem {
  readonly severity: 'error' | 'warning';
  readonly message: string;
  /** `file:line:column`, or the environment variable. */
  readonly place: string;
}

export interface ForwardConfig {
  readonly globals: Globals;
  readonly outputs: readonly OutputConfig[];
  readonly problems: readonly Problem[];
  /** Values that must not be printed. */
  readonly secrets: readonly string[];
}

interface Found {
  readonly value: unknown;
  readonly place: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads a configuration in Falcosidekick's form, with every key also as an environment variable
 * (`SLACK_WEBHOOKURL`, `AWS_S3_BUCKET`; they win over the file). Everything wrong is reported, not just the first.
 * @param source the YAML text; empty when there is only the environment.
 */
export function loadConfig(
  source: string,
  file: string,
  env: Environment,
  destinations: readonly Destination[],
): ForwardConfig {
  const problems: Problem[] = [];
  const secrets = new Set<string>();
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines });
  const placeOf = (node: unknown): string => {
    const range = (node as Node | null)?.range;
    if (!range) return file;
    const { line, col } = lines.linePos(range[0]);
    return `${file}:${line}:${col}`;
  };
  for (const error of document.errors)
    problems.push({
      severity: 'error',
      message: error.message.split('\n')[0],
      place: `${file}:${error.linePos?.[0].line}:${error.linePos?.[0].col}`,
    });
  const root = isMap(document.contents) ? document.contents : null;
  if (root === null && document.contents !== null && document.errors.length === 0) {
    problems.push({ severity: 'error', message: 'expected a mapping', place: placeOf(document.contents) });
  }
  const used = new Set<unknown>();

  function pairOf(node: unknown, key: string): Pair | undefined {
    if (!isMap(node)) return undefined;
    return node.items.find((pair) => isScalar(pair.key) && String(pair.key.value).toLowerCase() === key) as
      | Pair
      | undefined;
  }

  /** The node at a dotted path below a mapping; what was walked through counts as known. */
  function nodeAt(start: unknown, path: string): unknown {
    let node: unknown = start;
    for (const key of path.split('.')) {
      const pair = pairOf(node, key);
      if (pair === undefined) return undefined;
      used.add(pair);
      node = pair.value;
    }
    return node;
  }

  function fromFile(start: unknown, path: string): Found | undefined {
    const node = nodeAt(start, path);
    if (node === undefined || node === null || (isScalar(node) && node.value === null)) return undefined;
    markAll(node);
    return { value: (node as Node).toJS(document), place: placeOf(node) };
  }

  function markAll(node: unknown): void {
    if (isMap(node)) {
      for (const pair of node.items) {
        used.add(pair);
        markAll(pair.value);
      }
    } else if (isSeq(node)) for (const item of node.items) markAll(item);
  }

  function fromEnvironment(path: string, option: Option): Found | undefined {
    const name = path.toUpperCase().replaceAll('.', '_');
    const value = env[name];
    if (value === undefined || value === '') return undefined;
    // Names that others set too: Kubernetes has `REDIS_PORT=tcp://…` for a service "redis", and DEBUG is everybody's.
    if (option.type === 'integer' && /^(tcp|udp|sctp):\/\//.test(value)) return undefined;
    if (path === 'debug' && 'problem' in convert(option, value)) return undefined;
    return { value, place: `environment ${name}` };
  }

  /** A secret may stand in a file: `webhookurl_file: PATH`, `SLACK_WEBHOOKURL_FILE=PATH`. */
  function fromSecretFile(found: Found | undefined): Found | undefined {
    if (found === undefined) return undefined;
    try {
      return { value: readFileSync(String(found.value), 'utf8').trim(), place: found.place };
    } catch (error) {
      problems.push({
        severity: 'error',
        message: `cannot read the secret: ${(error as Error).message}`,
        place: found.place,
      });
      return undefined;
    }
  }

  function read<O extends Options>(table: O, section: string, node: unknown): Values<O> {
    const parent = section.includes('.') ? section.slice(0, section.lastIndexOf('.')) : '';
    const prefix = section === '' ? '' : `${section}.`;
    const values: Record<string, unknown> = {};
    for (const [name, option] of Object.entries<Option>(table)) {
      const above = option.shared && parent !== '';
      const look = (suffix: string): Found | undefined => {
        // Walked through in any case, so that an overridden key is not an unknown one.
        const own = fromFile(node, `${name}${suffix}`);
        const inherited = above ? fromFile(root, `${parent}.${name}${suffix}`) : undefined;
        return (
          fromEnvironment(`${prefix}${name}${suffix}`, option) ??
          (above ? fromEnvironment(`${parent}.${name}${suffix}`, option) : undefined) ??
          own ??
          inherited
        );
      };
      const found = look('') ?? (option.secret ? fromSecretFile(look('_file')) : undefined);
      values[name] = option.default;
      if (found === undefined) continue;
      // Sample files are full of `key: ""`: what is no text is then left as it is.
      if (found.value === '' && (option.values !== undefined || ['integer', 'flag'].includes(option.type))) continue;
      const converted = convert(option, found.value);
      if ('problem' in converted)
        problems.push({ severity: 'error', message: `${prefix}${name}: ${converted.problem}`, place: found.place });
      else values[name] = converted.value;
      if (option.secret && typeof values[name] === 'string' && values[name] !== '') secrets.add(values[name] as string);
    }
    return values as Values<O>;
  }

  const globals = read(GLOBALS, '', root);
  for (const name of ['queue.max_bytes'] as const) {
    if (parseBytes(globals[name]) === null)
      problems.push({ severity: 'error', message: `${name}: expected a size such as 512MiB`, place: file });
  }

  const outputs: OutputConfig[] = [];
  for (const destination of destinations) {
    const node = nodeAt(root, destination.name);
    const instances = isSeq(node) ? node.items : [node];
    for (const instance of instances) {
      const common = read(COMMON, destination.name, instance);
      // Custom headers and the like stand in the destination's own table.
      const options = read(destination.options, destination.name, instance) as Record<string, unknown>;
      if (!destination.enabled(options as Values<Options>)) continue;
      const id = common.instance === '' ? destination.label : `${destination.label}:${common.instance}`;
      if (outputs.some((other) => other.id === id)) {
        problems.push({
          severity: 'error',
          message: `two outputs are called ${id}: give them different names`,
          place: placeOf(instance),
        });
        continue;
      }
      outputs.push({ id, destination, options, common });
    }
  }

  const known = new Set<string>();
  for (const { name, options } of destinations) {
    for (const key of [...Object.keys(options), ...Object.keys(COMMON)]) known.add(`${name}.${key}`);
  }
  for (const key of Object.keys(GLOBALS)) known.add(key);
  const sections = new Set(
    [...known].flatMap((path) =>
      path
        .split('.')
        .slice(0, -1)
        .map((_, i, parts) => parts.slice(0, i + 1).join('.')),
    ),
  );
  if (root !== null) reportUnknown(root, '');

  function reportUnknown(node: YAMLMap, path: string): void {
    for (const pair of node.items) {
      const key = `${path}${isScalar(pair.key) ? String(pair.key.value).toLowerCase() : '?'}`;
      if (!used.has(pair) && !sections.has(key)) {
        const near =
          [...known].find((other) => isNear(other, key)) ?? [...sections].find((other) => isNear(other, key));
        problems.push({
          severity: 'warning',
          message: `unknown key ${key}${near === undefined ? '' : `; did you mean ${near}?`}`,
          place: placeOf(pair.key),
        });
        continue;
      }
      if (isMap(pair.value)) reportUnknown(pair.value, `${key}.`);
      if (isSeq(pair.value)) for (const item of pair.value.items) if (isMap(item)) reportUnknown(item, `${key}.`);
    }
  }

  return { globals, outputs, problems, secrets: [...secrets] };
}

/** Whether one edit (insert, delete, change, swap) turns one text into the other. */
function isNear(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false;
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  const [restA, restB] = [a.slice(i), b.slice(i)];
  return (
    restA.slice(1) === restB.slice(1) ||
    restA.slice(1) === restB ||
    restA === restB.slice(1) ||
    (restA[0] === restB[1] && restA[1] === restB[0] && restA.slice(2) === restB.slice(2))
  );
}

/** `512MiB`, `1GB`, `1000` → bytes; null when it is none. */
export function parseBytes(written: string): number | null {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*$/i.exec(written);
  if (match === null) return null;
  const step = match[3] === '' && match[2] !== '' ? 1000 : 1024;
  return Math.floor(Number(match[1]) * step ** ' kmgt'.indexOf(match[2].toLowerCase() || ' '));
}

export { duration as parseDuration };
