import { z } from 'zod';
import { readAlert, type Store, type StoredAlert, uidOf } from '../../store/index.ts';
import type { ActionRow, ReportRow } from '../api.ts';
import type { ForwarderAddress } from './forwarders.ts';
import { type Call, Refusal, type Route } from './route.ts';

/** A responder that the hub asks how it is, and to take actions back. */
export type ResponderAddress = ForwarderAddress;

export interface Responders {
  /** How each is, asked now; one that does not answer has `error` in its body. */
  reports(): Promise<ReportRow[]>;
  /** What responders did because of an alert, the earliest first. */
  of(alert: StoredAlert): Promise<ActionRow[]>;
  readonly routes: Route[];
}

const reported = z.strictObject({
  /** The alert's `uuid`. */
  alert: z.string().min(1).max(200),
  /** What the responder calls this action; a later report with the same one takes the place of the earlier. */
  id: z.string().max(200).default(''),
  /** The host that the responder runs on. */
  responder: z.string().max(200).default(''),
  rule: z.string().max(1000).default(''),
  action: z.string().max(200),
  target: z.string().max(1000),
  status: z.string().max(100),
  detail: z
    .string()
    .transform((text) => text.slice(0, 10_000))
    .default(''),
  /** Whether the responder can take it back. */
  undo: z.boolean().default(false),
  /** Milliseconds since the epoch. */
  at: z.number().optional(),
});
type Reported = z.infer<typeof reported>;

interface Status {
  readonly hostname: string;
  readonly version: string;
  readonly rules: number;
  readonly dryRun: boolean;
  readonly actions: Readonly<Record<string, number>>;
}

/** Responders report what becomes of their actions (`POST /api/actions`); people take actions back or let them go on. */
export function createResponders(
  store: Store,
  addresses: readonly ResponderAddress[],
  fetcher: typeof fetch = fetch,
): Responders {
  const request = (address: ResponderAddress, path: string, method: 'GET' | 'POST'): Promise<Response> =>
    fetcher(new URL(path, address.url), {
      method,
      headers: address.token === undefined ? {} : { authorization: `Bearer ${address.token}` },
      signal: AbortSignal.timeout(method === 'GET' ? 2000 : 60_000),
    });

  async function statusOf(address: ResponderAddress): Promise<Status> {
    const response = await request(address, '/status', 'GET');
    if (!response.ok) throw new Error(`${response.status} ${(await response.text()).slice(0, 200).trim()}`);
    return (await response.json()) as Status;
  }

  async function enter(report: Reported): Promise<void> {
    const { alert: uuid, at, ...said } = report;
    const { alert } = readAlert(JSON.stringify({ uuid, rule: 'x', priority: 'Debug' }));
    const uid = uidOf(alert);
    const time = at ?? Date.now();
    const row: ActionRow = { ...said, time };
    await store.write(async (writer) => {
      const before = await writer.all<{ id: number; time: number; body: string }>(
        'SELECT id, time, body FROM actions WHERE uid=?',
        uid,
      );
      const same = before.find(({ body }) => said.id !== '' && (JSON.parse(body) as ActionRow).id === said.id);
      if (same === undefined) {
        await writer.run(
          'INSERT INTO actions(time, uid, body) VALUES(?,?,?)',
          Math.round(time * 1000),
          uid,
          JSON.stringify(row),
        );
      } else if (time >= (JSON.parse(same.body) as ActionRow).time) {
        await writer.run('UPDATE actions SET body=? WHERE id=?', JSON.stringify(row), same.id);
      }
    });
  }

  async function report(call: Call): Promise<null> {
    const given = await call.body(z.union([z.array(reported).max(1000), reported]));
    for (const one of Array.isArray(given) ? given : [given]) await enter(one);
    return null;
  }

  async function of({ uid }: StoredAlert): Promise<ActionRow[]> {
    const rows = await store.sql.all('SELECT body FROM actions WHERE uid=? ORDER BY time, id', BigInt(uid));
    return rows.map((row) => JSON.parse(row.body as string) as ActionRow);
  }

  async function steer(call: Call): Promise<{ message: string }> {
    const { action, what } = await call.body(
      z.strictObject({ action: z.string().min(1).max(200), what: z.enum(['undo', 'approve']) }),
    );
    const alert = await store.alert(call.id());
    const row = alert === null ? undefined : (await of(alert)).find(({ id }) => id === action);
    if (alert === null || row === undefined) throw new Refusal(404, 'no responder has reported this action');
    let trouble = `the hub knows no responder on ${row.responder}; start it with --responder URL`;
    for (const address of addresses) {
      try {
        if ((await statusOf(address)).hostname !== row.responder) continue;
        const response = await request(address, `/${what}?id=${encodeURIComponent(action)}`, 'POST');
        const message = (await response.text()).trim();
        if (!response.ok) throw new Refusal(409, `the responder says: ${message.slice(0, 300)}`);
        await store.record(
          call.caller.name,
          what === 'undo' ? 'undo action' : 'approve action',
          alert.series.group,
          `${row.action} on ${row.target}: ${message}`.slice(0, 1000),
        );
        return { message };
      } catch (error) {
        if (error instanceof Refusal) throw error;
        trouble = `the responder at ${new URL(address.url).host} cannot be asked: ${(error as Error).message}`;
      }
    }
    throw new Refusal(502, trouble);
  }

  return {
    of,
    reports: () =>
      Promise.all(
        addresses.map(async (address): Promise<ReportRow> => {
          const row = { kind: 'responder' as const, name: new URL(address.url).host, time: Date.now() };
          try {
            const { hostname, version, rules, dryRun, actions } = await statusOf(address);
            return { ...row, body: { hostname, version, response_rules: rules, dryRun, actions } };
          } catch (error) {
            return { ...row, body: { error: (error as Error).message } };
          }
        }),
      ),
    routes: [
      { method: 'POST', path: '/api/actions', access: 'ingest', handle: report },
      { method: 'POST', path: '/api/alerts/:id/actions', access: 'analyst', handle: steer },
    ],
  };
}
