import { z } from 'zod';
import type { Forwarder } from '../../outputs/forward/index.ts';
import type { Store } from '../../store/index.ts';
import type { DeadLetterRow, ReportRow } from '../api.ts';
import { type Call, Refusal, type Route } from './route.ts';

/** A forwarder that the hub asks how it is; its administration answers this host, or the bearer of the token. */
export interface ForwarderAddress {
  readonly url: string;
  readonly token?: string | undefined;
}

/** What a forwarder's `/status`, `/dead-letters` (the oldest first) and `/dead-letters/replay` answer. */
interface Status {
  readonly outputs: ReturnType<Forwarder['status']>;
}
type DeadLetters = Awaited<ReturnType<Forwarder['deadLetters']>>;
type Replayed = Awaited<ReturnType<Forwarder['replay']>>;

/** Dead letters shown at most, the latest. */
const LETTERS = 200;

export interface Forwarders {
  /** How each is, asked now; one that does not answer has `error` in its body. */
  reports(): Promise<ReportRow[]>;
  readonly routes: Route[];
}

export function createForwarders(
  store: Store,
  addresses: readonly ForwarderAddress[],
  fetcher: typeof fetch = fetch,
): Forwarders {
  async function ask<T>(address: ForwarderAddress, path: string, method = 'GET'): Promise<T> {
    const response = await fetcher(new URL(path, address.url), {
      method,
      headers: address.token === undefined ? {} : { authorization: `Bearer ${address.token}` },
      signal: AbortSignal.timeout(method === 'GET' ? 2000 : 60_000),
    });
    if (!response.ok) throw new Error(`${response.status} ${(await response.text()).slice(0, 200).trim()}`);
    return (await response.json()) as T;
  }

  /** Asks the forwarder that the path names; what it answers instead is the caller's answer. */
  async function tell<T>(call: Call, path: string, method = 'GET'): Promise<T> {
    const address = addresses.find(({ url }) => new URL(url).host === call.param('name'));
    if (address === undefined) throw new Refusal(404, `the hub knows no forwarder ${call.param('name')}`);
    try {
      return await ask<T>(address, path, method);
    } catch (error) {
      throw new Refusal(502, `the forwarder says: ${(error as Error).message}`);
    }
  }

  const outputOf = async (call: Call): Promise<string> =>
    (await call.body(z.strictObject({ output: z.string().min(1).max(200) }))).output;

  return {
    reports: () =>
      Promise.all(
        addresses.map(async (address): Promise<ReportRow> => {
          const row = { kind: 'forwarder' as const, name: new URL(address.url).host, time: Date.now() };
          try {
            const { outputs } = await ask<Status>(address, '/status');
            const destinations = outputs.map(
              ({ id, destination, circuit, waiting, lastError, failingSince, deadLetters }) => ({
                name: id,
                destination,
                circuit,
                depth: waiting,
                error: lastError,
                since: failingSince === null ? null : Date.parse(failingSince),
                dead: deadLetters,
              }),
            );
            return { ...row, body: { destinations, replay: true } };
          } catch (error) {
            return { ...row, body: { error: (error as Error).message, destinations: [] } };
          }
        }),
      ),
    routes: [
      {
        method: 'POST',
        path: '/api/forwarders/:name/replay',
        access: 'analyst',
        handle: async (call) => {
          const output = await outputOf(call);
          const result = await tell<Replayed>(
            call,
            `/dead-letters/replay?output=${encodeURIComponent(output)}`,
            'POST',
          );
          await store.record(
            call.caller.name,
            'replay dead letters',
            null,
            `${output}: ${result.delivered} delivered, ${result.refused} refused`,
          );
          return result;
        },
      },
      {
        method: 'POST',
        path: '/api/forwarders/:name/test',
        access: 'admin',
        handle: async (call) => {
          const output = await outputOf(call);
          const result = await tell<{ error: string | null }>(
            call,
            `/test-output?output=${encodeURIComponent(output)}`,
            'POST',
          );
          await store.record(call.caller.name, 'test destination', null, `${output}: ${result.error ?? 'delivered'}`);
          return result;
        },
      },
      {
        method: 'GET',
        path: '/api/forwarders/:name/dead-letters',
        access: 'viewer',
        handle: async (call): Promise<DeadLetterRow[]> => {
          const output = call.query('output') ?? '';
          const letters = await tell<DeadLetters>(call, `/dead-letters?output=${encodeURIComponent(output)}`);
          return letters
            .slice(-LETTERS)
            .reverse()
            .map(({ time, received, reason, rule, alert }) => ({
              time: Date.parse(time),
              received,
              reason,
              rule,
              alert: alert.slice(0, 4000),
            }));
        },
      },
    ],
  };
}
