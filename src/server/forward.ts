import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { type ForwardConfig, type Forwarder, RejectedError, testAlert } from '../outputs/forward/index.ts';
import { answer, answerJson, answerMetrics, closeServer, isSame, MAX_BODY, readBody, tlsServer } from './plain.ts';

/** Falcosidekick's time-outs. */
const REQUEST_TIMEOUT = 60_000;
/** What a caller is told to wait when the queue is full. */
const RETRY_AFTER_SECONDS = 1;

export interface ForwardServer {
  /** Where it listens: the main port, then the one without TLS. */
  readonly addresses: readonly string[];
  close(): Promise<void>;
}

/**
 * Falcosidekick's routes (`/`, `/ping`, `/healthz`, `/test`, `/metrics`) and our own (`/status`, `/dead-letters`,
 * `/dead-letters/replay`, `/test-output`), which answer only this host or the bearer of `admin.token`.
 * @param current the forwarder in force: a reload puts another one in its place.
 */
export async function serveForwarder(
  config: ForwardConfig,
  current: () => Promise<Forwarder>,
  metrics: () => Promise<string>,
): Promise<ForwardServer> {
  const { globals } = config;
  const handle: RequestListener = (request, response) => {
    route(request, response).catch((error: Error) => answer(response, 500, `${error.message}\n`));
  };

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // The way of every alert: without the cost of reading a URL.
    if (request.url === '/') return accept(request, response);
    const url = new URL(request.url ?? '/', 'http://localhost');
    switch (url.pathname) {
      case '/ping':
        return answer(response, 200, 'pong\n');
      case '/healthz':
        return answer(response, 200, '{"status": "ok"}', 'application/json');
      case '/metrics':
        return answerMetrics(response, `${(await current()).metrics()}${await metrics()}`);
      case '/test':
        await (await current()).accept(testAlert(Date.now()));
        return answer(response, 200, '');
      case '/':
        return accept(request, response);
      case '/status':
      case '/test-output':
      case '/dead-letters':
      case '/dead-letters/replay':
        return administer(request, response, url);
      default:
        return answer(response, 404, 'not found\n');
    }
  }

  async function accept(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'POST') return answer(response, 400, 'Please send with post http method\n');
    const body = await readBody(request);
    if (body === null) return answer(response, 413, `Please send at most ${MAX_BODY} bytes\n`);
    try {
      await (await current()).accept(body);
      answer(response, 200, '');
    } catch (error) {
      if (error instanceof RejectedError)
        return answer(response, 400, `Please send a valid request body: ${error.message}\n`);
      response.setHeader('Retry-After', RETRY_AFTER_SECONDS);
      answer(response, 503, `${(error as Error).message}\n`);
    }
  }

  async function administer(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    if (!isAdministrator(request))
      return answer(response, 403, 'Please come from this host, or with the token of admin.token\n');
    const output = url.searchParams.get('output') ?? undefined;
    if (url.pathname === '/status') return answerJson(response, { outputs: (await current()).status() });
    if (url.pathname === '/dead-letters') return answerJson(response, await (await current()).deadLetters(output));
    if (request.method !== 'POST') return answer(response, 405, 'Please send with post http method\n');
    if (output === undefined) return answer(response, 400, 'Please name an output: ?output=ID\n');
    if (url.pathname === '/test-output') {
      const error = await (await current()).test(output);
      return answerJson(response, { error: error === null ? null : error.message });
    }
    return answerJson(response, await (await current()).replay(output));
  }

  function isAdministrator(request: IncomingMessage): boolean {
    const token = globals['admin.token'];
    if (token !== '') return isSame(request.headers.authorization ?? '', `Bearer ${token}`);
    // A page in a browser on this host could be made to ask; it cannot leave out its Origin, nor name us as Host.
    const isLocal = ['127.0.0.1', '::1', '::ffff:127.0.0.1'].includes(request.socket.remoteAddress ?? '');
    const host = (request.headers.host ?? '').replace(/:\d+$/, '');
    return isLocal && request.headers.origin === undefined && ['localhost', '127.0.0.1', '[::1]'].includes(host);
  }

  const servers: Server[] = [];
  const addresses: string[] = [];
  async function listen(server: Server, port: number): Promise<void> {
    server.headersTimeout = REQUEST_TIMEOUT;
    server.requestTimeout = REQUEST_TIMEOUT;
    servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, globals.listenaddress || undefined, resolve);
    });
    const bound = server.address() as { address: string; port: number };
    addresses.push(`${bound.address.includes(':') ? `[${bound.address}]` : bound.address}:${bound.port}`);
  }

  try {
    if (globals['tlsserver.deploy']) {
      const secure = tlsServer(
        globals['tlsserver.certfile'],
        globals['tlsserver.keyfile'],
        globals['tlsserver.mutualtls'] ? globals['tlsserver.cacertfile'] : null,
        handle,
      );
      await listen(secure, globals.listenport);
      const plain = new Set(globals['tlsserver.notlspaths']);
      if (plain.size > 0) {
        const open: RequestListener = (request, response) =>
          plain.has(new URL(request.url ?? '/', 'http://localhost').pathname)
            ? handle(request, response)
            : answer(response, 404, 'not found\n');
        await listen(createServer(open), globals['tlsserver.notlsport']);
      }
    } else await listen(createServer(handle), globals.listenport);
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }

  return {
    addresses,
    async close() {
      await Promise.all(servers.map(closeServer));
    },
  };
}
