import { createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { RejectedError } from '../outputs/forward/index.ts';
import { ActionError, type Election, type Responder, type ResponseConfig } from '../response/index.ts';
import { answer, answerJson, answerMetrics, closeServer, isSame, MAX_BODY, readBody, tlsServer } from './plain.ts';

const REQUEST_TIMEOUT = 30_000;
/** How far the time of a signature may be off, seconds. */
const CLOCK_SKEW = 300;

export interface RespondServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Talon's routes (`POST /`, `/healthz`, `/metrics`) and ours (`/log`, `/undo`, `/approve`, `/status`, `/readyz`). All but
 * `/healthz` and `/readyz` ask for what the configuration says: a bearer token, a signature, or a client certificate.
 * @param election of several responders only the leader takes alerts, and is ready; null: this is the only one
 */
export async function serveResponder(
  config: ResponseConfig,
  responder: Responder,
  metrics: () => Promise<string>,
  election: Pick<Election, 'isLeader' | 'leader'> | null = null,
): Promise<RespondServer> {
  const notLeader = () => `not the leader${election?.leader() ? `; it is ${election.leader()}` : ''}\n`;
  const handle: RequestListener = (request, response) => {
    route(request, response).catch((error: Error) => answer(response, 500, `${error.message}\n`));
  };

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    if (url.pathname === '/healthz') return answer(response, 200, '{"status": "ok"}', 'application/json');
    const leads = election?.isLeader() ?? true;
    if (url.pathname === '/readyz') return answer(response, leads ? 200 : 503, leads ? 'ready\n' : notLeader());
    const body = await readBody(request);
    if (body === null) return answer(response, 413, `at most ${MAX_BODY} bytes\n`);
    if (!isAuthentic(request, body, url.pathname)) return answer(response, 401, 'not authenticated\n');
    // A page in a browser on this host cannot be made to act for somebody.
    if (request.headers.origin !== undefined) return answer(response, 403, 'not for browsers\n');
    const id = url.searchParams.get('id') ?? '';
    const isPost = request.method === 'POST';
    try {
      if (url.pathname === '/' && isPost && !leads) {
        // On another connection, which the Service will lead to the one that is ready.
        response.setHeader('Connection', 'close');
        response.setHeader('Retry-After', 1);
        return answer(response, 503, notLeader());
      }
      if (url.pathname === '/' && isPost) {
        await responder.accept(body);
        return answer(response, 200, '');
      }
      if (url.pathname === '/metrics') return answerMetrics(response, `${responder.metrics()}${await metrics()}`);
      if (url.pathname === '/status') return answerJson(response, responder.status());
      if (url.pathname === '/log') return answerJson(response, responder.log());
      if (url.pathname === '/undo' && isPost) return answer(response, 200, `${await responder.undo(id)}\n`);
      if (url.pathname === '/approve' && isPost) {
        await responder.approve(id);
        return answer(response, 200, 'approved\n');
      }
    } catch (error) {
      if (error instanceof RejectedError)
        return answer(response, 400, `Please send a valid request body: ${error.message}\n`);
      if (error instanceof ActionError) return answer(response, 409, `${error.message}\n`);
      response.setHeader('Retry-After', 1);
      return answer(response, 503, `${(error as Error).message}\n`);
    }
    return answer(response, 404, 'not found\n');
  }

  function isAuthentic(request: IncomingMessage, body: Buffer, path: string): boolean {
    const { token, hmac, none } = config.auth;
    const isCertified = config.tls !== undefined && config.tls.cacertfile !== '';
    if (token !== '' && isSame(request.headers.authorization ?? '', `Bearer ${token}`)) return true;
    if (hmac !== '') {
      const time = String(request.headers['x-windhover-timestamp'] ?? '');
      const isFresh = /^\d{1,12}$/.test(time) && Math.abs(Date.now() / 1000 - Number(time)) <= CLOCK_SKEW;
      const signature = createHmac('sha256', hmac).update(`${time}.${path}.`).update(body).digest('hex');
      if (isFresh && isSame(String(request.headers['x-windhover-signature'] ?? ''), `sha256=${signature}`)) return true;
    }
    // The certificate was checked when the connection was made.
    if (isCertified) return true;
    return token === '' && hmac === '' && (none || isLoopback(config.listen_address));
  }

  const { tls } = config;
  const server =
    tls === undefined
      ? createServer(handle)
      : tlsServer(tls.certfile, tls.keyfile, tls.cacertfile === '' ? null : tls.cacertfile, handle);
  server.requestTimeout = REQUEST_TIMEOUT;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.listen_port, config.listen_address, resolve);
  });
  return {
    port: (server.address() as { port: number }).port,
    close: () => closeServer(server),
  };
}

function isLoopback(address: string): boolean {
  return ['127.0.0.1', '::1', 'localhost'].includes(address);
}
