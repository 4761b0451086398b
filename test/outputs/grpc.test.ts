import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fromProtobuf } from '../../src/outputs/destinations/otlp/message.ts';
import { hostile, openOutput } from './open.ts';

/** A gRPC server of one method. */
let server: Http2Server;
let port: number;
let status = '0';
const got: { path: string; headers: Record<string, unknown>; message: Buffer }[] = [];

beforeAll(async () => {
  server = createServer();
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      const frame = Buffer.concat(chunks);
      got.push({ path: String(headers[':path']), headers, message: frame.subarray(5, 5 + frame.readUInt32BE(1)) });
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status, 'grpc-message': 'told%20so' }));
      stream.end(Buffer.alloc(5));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => server.close());

it('exports over gRPC, and tells "later" from "never"', async () => {
  const { sink } = await openOutput('otlp.logs', {
    endpoint: `http://127.0.0.1:${port}`,
    protocol: 'grpc',
    headers: 'x-tenant=a%20b',
  });
  await sink.send([hostile(), hostile({ output: 'second' })]);
  expect(got[0].path).toBe('/opentelemetry.proto.collector.logs.v1.LogsService/Export');
  expect(got[0].headers['x-tenant']).toBe('a b');
  const { resourceLogs } = fromProtobuf('logs', got[0].message) as {
    resourceLogs: { scopeLogs: { logRecords: { body: { stringValue: string } }[] }[] }[];
  };
  expect(resourceLogs[0].scopeLogs[0].logRecords.map(({ body }) => body.stringValue)).toEqual([
    hostile().output,
    'second',
  ]);
  status = '14';
  await expect(sink.send([hostile()])).rejects.toMatchObject({ retry: true, message: 'gRPC status 14: told so' });
  status = '3';
  await expect(sink.send([hostile()])).rejects.toMatchObject({ retry: false });
});
