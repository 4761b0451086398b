import WebSocket from 'ws';
import { tlsOptions } from './client.ts';
import type { KubeConfig } from './config.ts';

export interface ExecRequest {
  readonly namespace: string;
  readonly pod: string;
  /** Empty for the pod's only (or default) container. */
  readonly container: string;
  readonly command: readonly string[];
  /** Given to the command; null for no standard input. */
  readonly stdin: Buffer | null;
  /** Bytes of output after which the rest is dropped. */
  readonly maxBytes: number;
  readonly timeoutMs: number;
}

export interface ExecResult {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  /** Exit status of the command. */
  readonly status: number;
}

/** Channels of the protocol `v5.channel.k8s.io`: the first byte of each message; 255 closes the one that follows. */
const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;
const ERROR = 3;
const CLOSE = 255;
const PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];

/** Runs a command in a container by the API server's `exec` (as kubectl does); rejects when it cannot be started. */
export function execInPod(config: KubeConfig, request: ExecRequest): Promise<ExecResult> {
  const query = new URLSearchParams({ stdout: 'true', stderr: 'true' });
  for (const part of request.command) query.append('command', part);
  if (request.container !== '') query.set('container', request.container);
  if (request.stdin !== null) query.set('stdin', 'true');
  const path = `/api/v1/namespaces/${encodeURIComponent(request.namespace)}/pods/${encodeURIComponent(request.pod)}/exec`;
  const token = config.token();
  const socket = new WebSocket(`${config.server.replace(/^http/, 'ws')}${path}?${query}`, PROTOCOLS, {
    ...tlsOptions(config),
    headers: token === null ? {} : { authorization: `Bearer ${token}` },
    handshakeTimeout: request.timeoutMs,
  });
  return new Promise((resolve, reject) => {
    const output: Record<number, Buffer[]> = { [STDOUT]: [], [STDERR]: [] };
    let size = 0;
    let status: number | null = null;
    const timer = setTimeout(() => {
      reject(new Error(`no end after ${request.timeoutMs} ms`));
      socket.terminate();
    }, request.timeoutMs);
    socket.on('open', () => {
      if (request.stdin === null) return;
      socket.send(Buffer.concat([Buffer.of(STDIN), request.stdin]));
      if (socket.protocol === PROTOCOLS[0]) socket.send(Buffer.of(CLOSE, STDIN));
    });
    socket.on('message', (data: Buffer) => {
      const channel = data[0] ?? -1;
      const rest = data.subarray(1);
      if (channel === ERROR) {
        status = exitStatus(rest.toString('utf8'), reject);
        return;
      }
      const kept = output[channel];
      if (kept === undefined || size >= request.maxBytes) return;
      kept.push(rest.subarray(0, request.maxBytes - size));
      size += rest.length;
    });
    socket.on('unexpected-response', (_request, response) => {
      response.resume();
      reject(new Error(`exec was refused with ${response.statusCode}`));
      socket.terminate();
    });
    socket.on('error', reject);
    socket.on('close', () => {
      clearTimeout(timer);
      if (status === null) reject(new Error('the connection ended before the command did'));
      else {
        resolve({
          stdout: Buffer.concat(output[STDOUT] ?? []),
          stderr: Buffer.concat(output[STDERR] ?? []),
          status,
        });
      }
    });
  });
}

/** The exit status in a Status object; anything that is no exit is a failure to start. */
function exitStatus(text: string, reject: (error: Error) => void): number | null {
  const { status, reason, message, details } = JSON.parse(text) as {
    readonly status?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly details?: { readonly causes?: readonly { readonly reason?: string; readonly message?: string }[] };
  };
  if (status === 'Success') return 0;
  const code = details?.causes?.find((cause) => cause.reason === 'ExitCode')?.message;
  if (reason === 'NonZeroExitCode' && code !== undefined) return Number(code);
  reject(new Error(message ?? 'the command could not be started'));
  return null;
}
