import type { Environment } from '../../forward/destination.ts';
import { DeliveryError } from '../../forward/error.ts';
import { choice, flag, map, text } from '../../forward/option.ts';
import { grpcCaller } from '../grpc.ts';
import { type Signal, toProtobuf } from './message.ts';

/** The options that the three signals share. */
export const transportOptions = {
  endpoint: text(
    'URL of the receiver (`http://host:4318/v1/logs`; with gRPC `http://host:4317`); turns the output on.',
  ),
  protocol: choice('The encoding.', ['http/protobuf', 'http/json', 'grpc'], 'http/protobuf'),
  headers: text('Further headers, `name=value,name=value`.'),
  tls: flag('Use TLS where the endpoint does not say (`host:4317`).'),
  synced: flag('Accepted and always so: a delivery is confirmed before the next one.'),
  extraenvvars: map('Accepted: variables of the OpenTelemetry SDK (OTEL_EXPORTER_OTLP_HEADERS is honoured).'),
};

interface TransportOptions {
  readonly endpoint: string;
  readonly protocol: 'http/protobuf' | 'http/json' | 'grpc';
  readonly headers: string;
  readonly tls: boolean;
  readonly extraenvvars: Readonly<Record<string, string>>;
}

const SERVICE = {
  logs: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
  traces: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  metrics: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
};

/** Sends requests of one signal. */
export function otlpTransport(signal: Signal, o: TransportOptions, environment: Environment) {
  const { http } = environment;
  const headers = Object.fromEntries(
    (o.headers || o.extraenvvars.OTEL_EXPORTER_OTLP_HEADERS || '')
      .split(',')
      .filter((pair) => pair.includes('='))
      .map((pair) => [
        pair.slice(0, pair.indexOf('=')).trim().toLowerCase(),
        decodeURIComponent(pair.slice(pair.indexOf('=') + 1).trim()),
      ]),
  );
  const endpoint = o.endpoint.includes('://') ? o.endpoint : `http${o.tls ? 's' : ''}://${o.endpoint}`;
  const path = new URL(endpoint).pathname;
  const url = path === '/' && o.protocol !== 'grpc' ? new URL(`/v1/${signal}`, endpoint).href : endpoint;

  const grpc = o.protocol === 'grpc' ? grpcCaller(endpoint, environment) : null;

  async function send(request: unknown): Promise<void> {
    if (grpc !== null) {
      await grpc.call(SERVICE[signal], toProtobuf(signal, request), headers);
      return;
    }
    const isJson = o.protocol === 'http/json';
    const response = await http.send({
      url,
      headers: { ...headers, 'Content-Type': isJson ? 'application/json' : 'application/x-protobuf' },
      body: isJson ? JSON.stringify(request) : toProtobuf(signal, request),
    });
    // Partial success is final: the receiver has judged the content (OTLP specification, "Partial Success").
    const rejected = /"rejected\w+":"?([1-9]\d*)/.exec(response.body);
    if (rejected !== null) throw new DeliveryError(`rejected: ${response.body.slice(0, 300)}`, { retry: false });
  }
  return { send, close: () => grpc?.close() };
}
