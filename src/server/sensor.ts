import { readFileSync } from 'node:fs';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Config } from '../config/index.ts';

export interface SensorServerOptions {
  readonly webserver: Config['webserver'];
  /** The answer of `/versions`, a JSON text. */
  readonly versions: string;
  /** The answer of `/metrics` in Prometheus' text form; null when metrics are off. */
  readonly metrics: (() => Promise<string>) | null;
}

export interface SensorServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Serves Falco's three paths: the health check, `/versions` and `/metrics`. Rejects when the port is taken. */
export async function startSensorServer(options: SensorServerOptions): Promise<SensorServer> {
  const { webserver } = options;
  const server = await createServer(webserver, (request, response) => {
    answer(options, request, response).catch((error: Error) => send(response, 500, 'text/plain', `${error.message}\n`));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(webserver.listen_port, webserver.listen_address, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : webserver.listen_port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function createServer(webserver: Config['webserver'], listener: RequestListener): Promise<Server> {
  if (!webserver.ssl_enabled) return (await import('node:http')).createServer(listener);
  const pem = readFileSync(webserver.ssl_certificate);
  return (await import('node:https')).createServer({ cert: pem, key: pem }, listener);
}

async function answer(options: SensorServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? '/').split('?')[0];
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return send(response, 405, 'text/plain', 'only GET\n');
  }
  if (path === options.webserver.k8s_healthz_endpoint) {
    return send(response, 200, 'application/json', '{"status": "ok"}');
  }
  if (path === '/versions') return send(response, 200, 'application/json', options.versions);
  if (path === '/metrics' && options.metrics !== null) {
    return send(response, 200, 'text/plain; version=0.0.4', await options.metrics());
  }
  send(response, 404, 'text/plain', 'not found\n');
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  if (response.headersSent) return;
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}
