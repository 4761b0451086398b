import type { Api, Problem, Session } from '../../src/server/api.ts';
import { session } from './session.ts';

/** An answer that was not the one hoped for; `offset` says where in the query the mistake is. */
export class CallError extends Error {
  readonly status: number;
  readonly offset: number | undefined;
  constructor(status: number, problem: Problem) {
    super(problem.error);
    this.status = status;
    this.offset = problem.offset;
  }
}

type Body<K extends keyof Api> = Api[K] extends { body: infer B } ? { body: B } : { body?: undefined };

/** Values for `:name` in the path and for the query string. Empty ones are left out. */
interface Parameters {
  readonly path?: Readonly<Record<string, string | number>>;
  readonly query?: Readonly<Record<string, string | number | null | undefined>>;
  readonly signal?: AbortSignal;
}

/** Integers that a double cannot hold are kept as text: the page only shows them. */
function keepInteger(_key: string, value: unknown, context: { source?: string }): unknown {
  return typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '')
    ? context.source
    : value;
}

export function parseJson<T>(text: string): T {
  return (JSON.parse as (text: string, reviver: typeof keepInteger) => T)(text, keepInteger);
}

export function queryString(query: Parameters['query']): string {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== null && value !== undefined && value !== '') out.set(name, String(value));
  }
  const text = out.toString();
  return text === '' ? '' : `?${text}`;
}

/** Calls a route of the hub. Throws {@link CallError}; a session that has ended leads to the login. */
export async function call<K extends keyof Api>(route: K, given: Parameters & Body<K>): Promise<Api[K]['response']> {
  const [method = 'GET', path = ''] = route.split(' ');
  const url = path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(given.path?.[name] ?? '')));
  const response = await fetch(url + queryString(given.query), {
    method,
    headers: {
      ...(given.body === undefined ? {} : { 'content-type': 'application/json' }),
      'x-csrf-token': session.value?.csrf ?? '',
    },
    ...(given.body === undefined ? {} : { body: JSON.stringify(given.body) }),
    ...(given.signal === undefined ? {} : { signal: given.signal }),
  }).catch((error: Error) => {
    if (error.name === 'AbortError') throw error;
    throw new CallError(0, { error: 'the hub cannot be reached' });
  });
  const text = await response.text();
  if (response.status === 401 && route !== 'POST /api/login') session.value = null;
  if (!response.ok) {
    let problem: Problem = { error: `the hub answered ${response.status}` };
    try {
      problem = JSON.parse(text) as Problem;
    } catch {
      // A proxy's page of its own; the status says enough.
    }
    throw new CallError(response.status, problem);
  }
  return (text === '' ? null : parseJson(text)) as Api[K]['response'];
}

/** Who is logged in, or null. */
export async function whoAmI(): Promise<Session | null> {
  const response = await fetch('/api/session');
  return response.ok ? ((await response.json()) as Session) : null;
}
