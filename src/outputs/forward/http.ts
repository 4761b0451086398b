import http from 'node:http';
import https from 'node:https';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { DeliveryError, isRetryable, retryAfterOf } from './error.ts';

export interface HttpRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Compress the body. */
  readonly gzip?: boolean;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  /** At most 1 MiB of it. */
  readonly body: string;
}

export interface HttpOptions {
  /** PEM texts. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Whether the server's certificate is checked. */
  readonly checkCertificate: boolean;
  readonly connections: number;
  /** Milliseconds for a request as a whole. */
  readonly timeout: number;
}

export interface HttpClient {
  /** Any answer, whatever its status. @throws DeliveryError (to be tried again) when none comes. */
  exchange(request: HttpRequest): Promise<HttpResponse>;
  /** A 2xx answer. @throws DeliveryError for any other. */
  send(request: HttpRequest): Promise<HttpResponse>;
  close(): void;
}

const CONNECT_TIMEOUT = 5000;
const MAX_ANSWER = 1024 * 1024;
/** How much of a refusal's body goes into the error. */
const MAX_REASON = 300;
const compress = promisify(gzip);

/** An HTTP client with connections of its own, kept alive; HTTP_PROXY, HTTPS_PROXY and NO_PROXY are honoured. */
export function createHttpClient(options: HttpOptions): HttpClient {
  const common = { keepAlive: true, maxSockets: options.connections, proxyEnv: process.env };
  const agents = {
    'http:': new http.Agent(common),
    'https:': new https.Agent({
      ...common,
      minVersion: 'TLSv1.2',
      rejectUnauthorized: options.checkCertificate,
      ...(options.ca !== undefined && { ca: options.ca }),
      ...(options.cert !== undefined && { cert: options.cert }),
      ...(options.key !== undefined && { key: options.key }),
    }),
  };

  async function exchange(request: HttpRequest): Promise<HttpResponse> {
    const url = new URL(request.url);
    const agent = agents[url.protocol as 'http:' | 'https:'];
    if (agent === undefined) throw new DeliveryError(`unsupported protocol ${url.protocol}`, { retry: false });
    const headers: Record<string, string | number> = { 'User-Agent': 'Windhover', ...request.headers };
    let body = typeof request.body === 'string' ? Buffer.from(request.body) : request.body;
    if (body !== undefined && request.gzip) {
      body = await compress(body);
      headers['Content-Encoding'] = 'gzip';
    }
    if (body !== undefined) headers['Content-Length'] = body.length;
    for (let attempt = 0; ; attempt++) {
      try {
        return await once(url, request.method ?? 'POST', headers, body, agent);
      } catch (error) {
        // A kept-alive connection that the server closed meanwhile: nothing was processed, so ask again at once.
        const { reused } = error as { reused?: boolean };
        if (reused === true && attempt === 0) continue;
        const { code, message } = error as NodeJS.ErrnoException;
        throw new DeliveryError(code === undefined || message.includes(code) ? message : `${message} (${code})`, {
          retry: true,
          cause: error,
        });
      }
    }
  }

  function once(
    url: URL,
    method: string,
    headers: Record<string, string | number>,
    body: Buffer | undefined,
    agent: http.Agent,
  ): Promise<HttpResponse> {
    return new Promise((resolve, reject) => {
      const request = (url.protocol === 'https:' ? https : http).request(url, { method, headers, agent });
      const fail = (error: Error) => {
        clearTimeout(timer);
        clearTimeout(connecting);
        const code = (error as NodeJS.ErrnoException).code;
        reject(Object.assign(error, { reused: request.reusedSocket && (code === 'ECONNRESET' || code === 'EPIPE') }));
      };
      const timer = setTimeout(
        () => request.destroy(new Error(`no answer within ${options.timeout} ms`)),
        options.timeout,
      );
      let connecting: NodeJS.Timeout | undefined;
      request.on('socket', (socket) => {
        if (!socket.connecting) return;
        connecting = setTimeout(
          () => request.destroy(new Error(`no connection within ${CONNECT_TIMEOUT} ms`)),
          CONNECT_TIMEOUT,
        );
        socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => clearTimeout(connecting));
      });
      request.on('error', fail);
      request.on('response', (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size <= MAX_ANSWER) chunks.push(chunk);
        });
        response.on('error', fail);
        response.on('end', () => {
          clearTimeout(timer);
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString('utf8'),
          });
        });
      });
      request.end(body);
    });
  }

  return {
    exchange,
    async send(request) {
      const response = await exchange(request);
      if (response.status >= 200 && response.status < 300) return response;
      throw refusal(response);
    },
    close() {
      agents['http:'].destroy();
      agents['https:'].destroy();
    },
  };
}

/** The error for an answer that is not a success. */
export function refusal(response: HttpResponse): DeliveryError {
  const reason = response.body.replace(/\s+/g, ' ').trim().slice(0, MAX_REASON);
  return new DeliveryError(`HTTP ${response.status}${reason === '' ? '' : `: ${reason}`}`, {
    retry: isRetryable(response.status),
    retryAfter: retryAfterOf(response.headers['retry-after']),
  });
}
