import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Context } from 'hono';
import type { z } from 'zod';
import { QueryError } from '../../store/index.ts';
import type { Problem, TokenRole } from '../api.ts';

/** Who may call: everybody, or those of a role (and better). `ingest` is for tokens that bring alerts in. */
export type Access = 'open' | TokenRole;

/** Who calls. */
export interface Caller {
  readonly name: string;
  readonly role: TokenRole;
  /** How the caller proved it; only a cookie is sent by a browser that somebody else's page commands. */
  readonly by: 'session' | 'token' | 'basic';
}

export interface Call {
  readonly context: Context;
  /** Of a route that is not open. */
  readonly caller: Caller;
  readonly param: (name: string) => string;
  /** A path parameter that is a number. */
  readonly id: (name?: string) => number;
  readonly query: (name: string) => string | undefined;
  /** The request's body, read as JSON and checked. */
  readonly body: <T>(schema: z.ZodType<T>) => Promise<T>;
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly access: Access;
  /** A value is sent as JSON, null as 204, a Response as it is. */
  readonly handle: (call: Call) => Promise<unknown>;
}

/** A body beyond this many bytes, after inflating, is refused. */
export const BODY_BYTES = 64 * 1024 * 1024;

const inflate = promisify(gunzip);

/** The request's body as text; senders may compress it with gzip. */
export async function bodyText(context: Context): Promise<string> {
  if (context.req.header('content-encoding') !== 'gzip') return context.req.text();
  try {
    const body = await inflate(await context.req.arrayBuffer(), { maxOutputLength: BODY_BYTES });
    return body.toString();
  } catch (error) {
    throw new Refusal(400, `the body cannot be inflated: ${(error as Error).message}`);
  }
}

/** An answer that is not the one asked for. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;
  readonly headers: Record<string, string>;
  constructor(status: number, message: string, headers: Record<string, string> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

const RANK: Record<TokenRole, number> = { ingest: 0, viewer: 1, analyst: 2, admin: 3 };

/** Whether a caller of `role` may use a route of `access`. Bringing alerts in is for ingest tokens and admins. */
export function mayUse(role: TokenRole, access: Access): boolean {
  if (access === 'open') return true;
  if (access === 'ingest') return role === 'ingest' || role === 'admin';
  return role !== 'ingest' && RANK[role] >= RANK[access];
}

export function problem(error: unknown): { status: number; body: Problem; headers: Record<string, string> } {
  if (error instanceof Refusal) return { status: error.status, body: { error: error.message }, headers: error.headers };
  if (error instanceof QueryError) {
    return { status: 400, body: { error: error.message, offset: error.offset }, headers: {} };
  }
  return { status: 500, body: { error: 'something went wrong; the hub wrote down what' }, headers: {} };
}
