import type { Client } from '@grpc/grpc-js';
import type { Environment } from '../forward/destination.ts';
import { DeliveryError } from '../forward/error.ts';

/** Unary calls of one gRPC server, over a connection that is kept. */
export interface GrpcCaller {
  /**
   * @param path `/package.Service/Method`
   * @param message the request as protobuf
   * @returns the answer as protobuf
   * @throws DeliveryError
   */
  call(path: string, message: Buffer, headers?: Readonly<Record<string, string>>): Promise<Buffer>;
  close(): void;
}

/**
 * Codes after which the same request may succeed: CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED,
 * OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS (OTLP specification, "Failures").
 */
const RETRYABLE = new Set([1, 4, 8, 10, 11, 14, 15]);
const same = (bytes: Buffer): Buffer => bytes;

/** Prepares calls. @param endpoint `https://host:port`, `http://host:port` (without TLS) or `host:port` (without TLS) */
export function grpcCaller(endpoint: string, { tls, timeout }: Environment): GrpcCaller {
  const url = new URL(endpoint.includes('://') ? endpoint : `http://${endpoint}`);
  const secure = url.protocol === 'https:';
  const target = `${url.hostname}:${url.port || (secure ? 443 : 80)}`;
  let opening: Promise<{ client: Client; grpc: typeof import('@grpc/grpc-js') }> | null = null;

  async function open() {
    const grpc = await import('@grpc/grpc-js');
    const pem = (text: string | undefined) => (text === undefined ? null : Buffer.from(text));
    const credentials = secure
      ? grpc.credentials.createSsl(pem(tls.ca), pem(tls.key), pem(tls.cert), {
          rejectUnauthorized: tls.checkCertificate,
        })
      : grpc.credentials.createInsecure();
    return { client: new grpc.Client(target, credentials), grpc };
  }

  return {
    async call(path, message, headers = {}) {
      opening ??= open();
      const { client, grpc } = await opening;
      const metadata = new grpc.Metadata();
      for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
      return new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          path,
          same,
          same,
          message,
          metadata,
          { deadline: Date.now() + timeout },
          (error, answer) => {
            if (error === null) return resolve(answer as Buffer);
            reject(
              new DeliveryError(
                error.code === grpc.status.DEADLINE_EXCEEDED
                  ? `no answer within ${timeout} ms`
                  : `gRPC status ${error.code}: ${error.details}`,
                { retry: RETRYABLE.has(error.code), cause: error },
              ),
            );
          },
        );
      });
    },
    close() {
      void opening?.then(({ client }) => client.close());
    },
  };
}
