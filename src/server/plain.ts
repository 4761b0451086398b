/** What the servers of the forwarder and the responder have in common: bodies, answers, secrets, TLS. */
import { timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:https';

/** Bytes of a body at most. */
export const MAX_BODY = 4 * 1024 * 1024;

/** The whole body; null when it is too long. */
export function readBody(request: IncomingMessage): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MAX_BODY) chunks.push(chunk);
      else resolve(null);
    });
    request.on('error', reject);
    request.on('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
  });
}

export function answer(
  response: ServerResponse,
  status: number,
  text: string,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text) });
  response.end(text);
}

export function answerJson(response: ServerResponse, value: unknown): void {
  answer(response, 200, `${JSON.stringify(value, null, 2)}\n`, 'application/json');
}

/** Metrics in Prometheus' text form. */
export function answerMetrics(response: ServerResponse, text: string): void {
  answer(response, 200, text, 'text/plain; version=0.0.4; charset=utf-8');
}

/** Compares with a secret, in the same time whatever the two have in common. */
export function isSame(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/**
 * A server with TLS, from PEM files.
 * @param cacertfile whoever connects needs a certificate of this authority; null: nobody needs one
 */
export function tlsServer(
  certfile: string,
  keyfile: string,
  cacertfile: string | null,
  handle: RequestListener,
): Server {
  return createServer(
    {
      cert: readFileSync(certfile),
      key: readFileSync(keyfile),
      minVersion: 'TLSv1.2',
      ...(cacertfile !== null && { ca: readFileSync(cacertfile), requestCert: true, rejectUnauthorized: true }),
    },
    handle,
  ) as unknown as Server;
}

/** Ends a server once it has answered what it was asked. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}
