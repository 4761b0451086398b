import type { Alert } from './alert.ts';
import type { HttpClient, HttpRequest, HttpResponse } from './http.ts';
import type { Options, Values } from './option.ts';

/** What a destination is given when it is opened. */
export interface Environment {
  /** With the TLS settings, time-outs and number of connections of this output. */
  readonly http: HttpClient;
  /** PEM texts for destinations that do not speak HTTP. */
  readonly tls: {
    readonly ca?: string | undefined;
    readonly cert?: string | undefined;
    readonly key?: string | undefined;
    readonly checkCertificate: boolean;
  };
  /** Milliseconds for one delivery. */
  readonly timeout: number;
  readonly customfields: readonly string[];
  readonly templatedfields: readonly string[];
  /** Labels of all outputs that are on, as the UI of Falcosidekick is told. */
  readonly outputs: readonly string[];
  /** A folder of this output's own for what must survive a restart; made on demand. */
  readonly now: () => number;
}

/** An alert of a batch that the destination would not take. */
export interface Refused {
  readonly index: number;
  readonly error: Error & { readonly retry?: boolean };
}

/** An open destination. Calls do not overlap unless the user asked for concurrent requests. */
export interface Sink {
  /**
   * Delivers alerts in order; resolves when the destination has confirmed them. What it refused of a batch is
   * returned; a throw means that nothing can be said of any of them.
   */
  send(alerts: readonly Alert[]): Promise<readonly Refused[] | undefined>;
  /** Tries the destination without delivering an alert, where that is possible. */
  check?(): Promise<void>;
  close?(): Promise<void> | void;
}

export interface Batch {
  /** Most alerts in one delivery; 1: none are put together. */
  readonly count: number;
  /** Most bytes of alert JSON in one delivery. */
  readonly bytes: number;
  /** How long an alert may wait for others, milliseconds. */
  readonly linger: number;
}

export const SINGLY: Batch = { count: 1, bytes: Number.POSITIVE_INFINITY, linger: 0 };

/** One kind of destination. */
export interface Destination<O extends Options = Options> {
  /** The configuration section: `slack`, `aws.s3`. */
  readonly name: string;
  /** In messages and in the `destination` label of the metrics. */
  readonly label: string;
  readonly group:
    | 'chat'
    | 'alerting'
    | 'logs'
    | 'metrics'
    | 'database'
    | 'queue'
    | 'object storage'
    | 'serverless'
    | 'web'
    | 'email'
    | 'tracing'
    | 'kubernetes'
    | 'siem';
  /** What the reference page says first. */
  readonly doc: string;
  readonly options: O;
  /** Whether these options turn it on (Falcosidekick's rule: the one that says where is set). */
  enabled(options: Values<O>): boolean;
  batch?(options: Values<O>): Batch;
  open(options: Values<O>, environment: Environment): Sink | Promise<Sink>;
}

/** Keeps the option types of a destination. */
export function destination<const O extends Options>(spec: Destination<O>): Destination {
  return spec as unknown as Destination;
}

/** An HTTP destination: a table row and a function from alerts to a request. */
export interface HttpDestination<O extends Options> extends Omit<Destination<O>, 'open'> {
  /** The request for a batch (of one unless `batch` says otherwise). */
  request(
    alerts: readonly [Alert, ...Alert[]],
    options: Values<O>,
    environment: Environment,
  ): HttpRequest | Promise<HttpRequest>;
  /** Judges an answer with a status below 400 or above; default: 2xx is success. */
  judge?(response: HttpResponse, alerts: readonly Alert[]): readonly Refused[] | undefined;
  /** A request that shows that the destination is there. */
  probe?(options: Values<O>): HttpRequest;
}

export function httpDestination<const O extends Options>(spec: HttpDestination<O>): Destination {
  return destination<O>({
    ...spec,
    open: (options, environment) => ({
      async send(alerts) {
        const request = await spec.request(alerts as [Alert, ...Alert[]], options, environment);
        if (spec.judge === undefined) {
          await environment.http.send(request);
          return;
        }
        return spec.judge(await environment.http.exchange(request), alerts);
      },
      ...(spec.probe && {
        async check() {
          await environment.http.send((spec.probe as NonNullable<typeof spec.probe>)(options));
        },
      }),
    }),
  });
}

/** The headers of a JSON body. */
export const JSON_HEADERS = { 'Content-Type': 'application/json; charset=utf-8' } as const;

/** `Authorization: Basic …`, or nothing without a user. */
export function basicAuth(user: string, password: string): Record<string, string> {
  return user === '' && password === ''
    ? {}
    : { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

/** A URL from a base that may end in a slash and a path. */
export function join(base: string, path: string): string {
  return `${base.replace(/\/+$/, '')}${path}`;
}

/** Cuts a text to a number of UTF-16 units without breaking a character. */
export function cut(value: string, length: number, ending = '…'): string {
  if (value.length <= length) return value;
  const end = length - ending.length;
  const whole = /[\ud800-\udbff]$/.test(value.slice(0, end)) ? end - 1 : end;
  return `${value.slice(0, whole)}${ending}`;
}
