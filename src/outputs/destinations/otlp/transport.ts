import { connect } from 'node:http2';
import type { Environment } from '../../forward/destination.ts';
import { DeliveryError } from '../../forward/error.ts';
import { choice, flag, map, text } from '../../forward/option.ts';
import { type Signal, toProtobuf } from './message.ts';

/** The options that the three signals share. */
export const transportOptions = {
  endpoint: text(
    'URL of the receiver (`http://host:4318/v1/logs`; with gRPC `http://host:4317`); turns the output on.',
  ),
  protocol: choice('The encoding.', ['http/protobuf', 'http/json', 'grpc'], 'http/protobuf'),
  headers: text('Further headers, `name=value,name=value`.'),
  synced: flag('Accepted and always so: a delivery is confirmed before the next one.'),
  extraenvvars: map('Accepted: variables of the OpenTelemetry SDK (OTEL_EXPORTER_OTLP_HEADERS is honoured).'),
};

interface TransportOptions {
  readonly endpoint: string;
  readonly protocol: 'http/protobuf' | 'http/json' | 'grpc';
  readonly headers: string;
  readonly extraenvvars: Readonly<Record<string, string>>;
}

const SERVICE = {
  logs: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
  traces: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  metrics: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
};

/** gRPC codes after which the same request may succeed (OTLP specification, "Failures"). */
const RETRYABLE = new Set(['1', '4', '8', '10', '11', '14', '15']);

/** Sends requests of one signal. */
export function otlpTransport(signal: Signal, o: TransportOptions, { http, timeout }: Environment) {
  const headers = Object.fromEntries(
    (o.headers || o.extraenvvars.OTEL_EXPORTER_OTLP_HEADERS || '')
      .split(',')
      .filter((pair) => pair.includes('='))
      .map((pair) => [
        pair.slice(0, pair.indexOf('=')).trim().toLowerCase(),
        decodeURIComponent(pair.slice(pair.indexOf('=') + 1).trim()),
      ]),
  );
  const path = new URL(o.endpoint).pathname;
  const url = path === '/' && o.protocol !== 'grpc' ? new URL(`/v1/${signal}`, o.endpoint).href : o.endpoint;

  return async (request: unknown): Promise<void> => {
    if (o.protocol === 'grpc') return unary(o.endpoint, SERVICE[signal], headers, toProtobuf(signal, request), timeout);
    const isJson = o.protocol === 'http/json';
    const response = await http.send({
      url,
      headers: { ...headers, 'Content-Type': isJson ? 'application/json' : 'application/x-protobuf' },
      body: isJson ? JSON.stringify(request) : toProtobuf(signal, request),
    });
    // Partial success is final: the receiver has judged the content (OTLP specification, "Partial Success").
    const rejected = /"rejected\w+":"?([1-9]\d*)/.exec(response.body);
    if (rejected !== null) throw new DeliveryError(`rejected: ${response.body.slice(0, 300)}`, { retry: false });
  };
}

/** One unary gRPC call over HTTP/2. */
function unary(
  endpoint: string,
  path: string,
  headers: Record<string, string>,
  message: Buffer,
  timeout: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const session = connect(endpoint.includes('://') ? endpoint : `http://${endpoint}`);
    const fail = (error: Error) => {
      session.destroy();
      reject(error instanceof DeliveryError ? error : new DeliveryError(error.message, { retry: true, cause: error }));
    };
    session.on('error', fail);
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    stream.setTimeout(timeout, () => fail(new Error(`no answer within ${timeout} ms`)));
    let status: string | undefined;
    let reason = '';
    const take = (found: Record<string, unknown>) => {
      if (found['grpc-status'] === undefined) return;
      status = String(found['grpc-status']);
      reason = String(found['grpc-message'] ?? '');
    };
    stream.on('response', take);
    stream.on('trailers', take);
    stream.on('error', fail);
    stream.resume();
    stream.on('end', () => {
      if (status === '0') {
        session.close();
        resolve();
      } else
        fail(
          new DeliveryError(`gRPC status ${status ?? 'none'}: ${decodeURIComponent(reason)}`, {
            retry: status === undefined || RETRYABLE.has(status),
          }),
        );
    });
    // A message is preceded by "not compressed" and its length.
    const frame = Buffer.alloc(5);
    frame.writeUInt32BE(message.length, 1);
    stream.end(Buffer.concat([frame, message]));
  });
}
