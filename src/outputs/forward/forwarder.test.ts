import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { Alert } from './alert.ts';
import { loadConfig } from './config.ts';
import { type Batch, destination, type Refused } from './destination.ts';
import { DeliveryError } from './error.ts';
import { type Forwarder, RejectedError, startForwarder, testAlert } from './forwarder.ts';
import { text } from './option.ts';

const quiet = { info() {}, warning() {}, error() {}, debug() {} };
const folders: string[] = [];
const running: Forwarder[] = [];
afterEach(async () => {
  for (const forwarder of running.splice(0)) await forwarder.stop(0);
  for (const path of folders.splice(0)) await rm(path, { recursive: true, force: true });
});
async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'windhover-forward-'));
  folders.push(path);
  return path;
}

type Send = (alerts: readonly Alert[]) => Promise<readonly Refused[] | undefined> | undefined;

/** A forwarder with outputs that are functions. */
async function forward(
  path: string,
  outputs: Record<string, { send: Send; batch?: Batch; section?: Record<string, unknown> }>,
  globals: Record<string, unknown> = {},
) {
  const destinations = Object.entries(outputs).map(([name, { send, batch }]) =>
    destination({
      name,
      label: name,
      group: 'web',
      doc: '',
      options: { address: text('') },
      enabled: (o) => o.address !== '',
      ...(batch !== undefined && { batch: () => batch }),
      open: () => ({ send: async (alerts) => send(alerts) }),
    }),
  );
  const sections = Object.fromEntries(
    Object.entries(outputs).map(([name, { section }]) => [name, { address: 'x', ...section }]),
  );
  const config = loadConfig(stringify({ queue: { path }, ...globals, ...sections }), 'test', {}, destinations);
  expect(config.problems).toEqual([]);
  const forwarder = await startForwarder(config, quiet);
  running.push(forwarder);
  return forwarder;
}

/** Outputs that take everything, and the texts that each got. */
function takers() {
  const got: Record<string, string[]> = {};
  const take = (name: string): Send => {
    const texts: string[] = [];
    got[name] = texts;
    return (alerts) => {
      texts.push(...alerts.map(({ output }) => output));
      return undefined;
    };
  };
  return { got, take };
}

const alert = (i: number, change: Record<string, unknown> = {}) =>
  Buffer.from(
    JSON.stringify({
      rule: `rule ${i % 3}`,
      priority: 'Warning',
      time: '2026-01-02T15:04:05Z',
      output: `${i}`,
      output_fields: { i },
      ...change,
    }),
  );
const numbers = (alerts: readonly Alert[]) => alerts.map(({ output }) => Number(output));

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
const range = (count: number) => Array.from({ length: count }, (_, i) => i);

describe('the forwarder', () => {
  it('delivers in order through failures', async () => {
    const got: number[] = [];
    let calls = 0;
    const forwarder = await forward(await folder(), {
      a: {
        send: (alerts) => {
          if (++calls % 10 === 5) throw new DeliveryError('503', { retry: true, retryAfter: 1 });
          got.push(...numbers(alerts));
          return undefined;
        },
      },
    });
    for (const i of range(60)) await forwarder.accept(alert(i));
    await until(() => got.length === 60);
    expect(got).toEqual(range(60));
  });

  it('keeps what it has accepted over a restart, and gives nothing twice that was confirmed', async () => {
    const path = await folder();
    const first = await forward(path, {
      a: { send: () => Promise.reject(new DeliveryError('down', { retry: true })) },
    });
    for (const i of range(20)) await first.accept(alert(i));
    await first.stop(0);
    const got: number[] = [];
    const take: Send = (alerts) => {
      got.push(...numbers(alerts));
      return undefined;
    };
    const second = await forward(path, { a: { send: take } });
    await until(() => got.length === 20);
    await second.stop(1000);
    const third = await forward(path, { a: { send: take } });
    await third.accept(alert(20));
    await until(() => got.length > 20);
    expect(got).toEqual(range(21));
  });

  it('lets no output delay another one', async () => {
    const got: number[] = [];
    const forwarder = await forward(await folder(), {
      hung: { send: () => new Promise(() => {}) },
      fine: {
        send: (alerts) => {
          got.push(...numbers(alerts));
          return undefined;
        },
      },
    });
    for (const i of range(30)) await forwarder.accept(alert(i));
    await until(() => got.length === 30);
    expect(forwarder.status().find(({ id }) => id === 'hung')?.waiting).toBe(30);
  });

  it('sets aside the one alert of a batch that is refused, and can deliver it later', async () => {
    const path = await folder();
    const got: number[] = [];
    let isFixed = false;
    const forwarder = await forward(path, {
      a: {
        batch: { count: 16, bytes: 1e6, linger: 20 },
        send: (alerts) => {
          if (!isFixed && numbers(alerts).includes(7)) throw new DeliveryError('HTTP 400: bad', { retry: false });
          got.push(...numbers(alerts));
          return undefined;
        },
      },
    });
    await Promise.all(range(16).map((i) => forwarder.accept(alert(i))));
    await until(() => got.length === 15);
    await until(() => forwarder.status()[0].deadLetters === 1);
    expect(got).toEqual(range(16).filter((i) => i !== 7));
    expect(await forwarder.deadLetters('a')).toEqual([
      expect.objectContaining({ output: 'a', reason: 'HTTP 400: bad', rule: 'rule 1' }),
    ]);
    expect(await forwarder.replay('a')).toEqual({ delivered: 0, refused: 1 });
    isFixed = true;
    expect(await forwarder.replay('a')).toEqual({ delivered: 1, refused: 0 });
    expect(got.at(-1)).toBe(7);
    expect(await forwarder.deadLetters('a')).toEqual([]);
  });

  it('tries again only what a batch left over', async () => {
    const calls: number[][] = [];
    const forwarder = await forward(await folder(), {
      a: {
        batch: { count: 8, bytes: 1e6, linger: 20 },
        send: async (alerts) => {
          calls.push(numbers(alerts));
          return calls.length === 1
            ? [{ index: 2, error: new DeliveryError('busy', { retry: true, retryAfter: 1 }) }]
            : [];
        },
      },
    });
    await Promise.all(range(4).map((i) => forwarder.accept(alert(i))));
    await until(() => calls.length === 2);
    expect(calls).toEqual([[0, 1, 2, 3], [2]]);
  });

  it('sends several at once when asked to, and still loses none', async () => {
    const got: number[] = [];
    let together = 0;
    let most = 0;
    const path = await folder();
    const section = { maxconcurrentrequests: 8 };
    const forwarder = await forward(path, {
      a: {
        section,
        send: async (alerts) => {
          most = Math.max(most, ++together);
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 5));
          together--;
          got.push(...numbers(alerts));
          return undefined;
        },
      },
    });
    for (const i of range(100)) await forwarder.accept(alert(i));
    await until(() => got.length === 100);
    expect(most).toBeGreaterThan(2);
    expect(most).toBeLessThanOrEqual(8);
    expect(got.toSorted((a, b) => a - b)).toEqual(range(100));
  });

  it('routes by priority and by condition; a test alert goes everywhere', async () => {
    const { got, take } = takers();
    const forwarder = await forward(await folder(), {
      severe: { send: take('severe'), section: { minimumpriority: 'critical' } },
      shop: { send: take('shop'), section: { match: 'k8s.ns.name = shop' } },
    });
    await forwarder.accept(alert(1, { priority: 'Critical' }));
    await forwarder.accept(alert(2, { output_fields: { 'k8s.ns.name': 'shop' } }));
    await forwarder.accept(testAlert(Date.now()));
    await until(() => got.severe.length === 2 && got.shop.length === 2);
    expect(got.severe[0]).toBe('1');
    expect(got.shop[0]).toBe('2');
    await until(() => forwarder.status().every(({ waiting }) => waiting === 0));
  });

  it('holds back what grouping and throttling are told to, and says how much', async () => {
    const { got, take } = takers();
    const forwarder = await forward(await folder(), {
      grouped: { send: take('grouped'), section: { group: { by: ['rule'], interval: '1h' } } },
      throttled: { send: take('throttled'), section: { throttle: { count: 5, interval: '1h' } } },
    });
    for (const i of range(30)) await forwarder.accept(alert(i));
    await until(() => forwarder.status().every(({ waiting }) => waiting === 0));
    expect(got).toEqual({ grouped: ['0', '1', '2'], throttled: ['0', '1', '2', '3', '4'] });
    await forwarder.stop(2000);
    expect(got.grouped.slice(3)).toHaveLength(3);
    expect(got.grouped[3]).toMatch(
      /^9 more alerts with the same rule held back from 2026-01-02T15:04:05Z to 2026-01-02T15:04:05Z; the last: 27$/,
    );
    expect(got.throttled[5]).toMatch(/^25 more alerts beyond 5 in 1h held back/);
    expect(forwarder.metrics()).toContain('windhover_forward_held_back_total{output="throttled"} 25');
  });

  it('drops what waited for an output that is configured no more, and counts it', async () => {
    const path = await folder();
    const down: Send = () => Promise.reject(new DeliveryError('down', { retry: true }));
    const first = await forward(path, { a: { send: down }, b: { send: down } });
    await first.accept(alert(1));
    await first.stop(0);
    const second = await forward(path, { a: { send: () => undefined } });
    expect(second.metrics()).toContain('windhover_forward_dropped_total{reason="output removed",priority="unknown"} 1');
  });

  it('refuses what is no alert', async () => {
    const forwarder = await forward(await folder(), {});
    await expect(forwarder.accept(Buffer.from('{'))).rejects.toThrow(RejectedError);
    await expect(forwarder.accept(Buffer.from('{"rule":"x"}'))).rejects.toThrow('it has no known priority');
    expect(forwarder.metrics()).toContain(
      'falcosecurity_falcosidekick_inputs_total{source="requests",status="rejected"} 2',
    );
  });

  it("counts under Falcosidekick's names", async () => {
    const forwarder = await forward(
      await folder(),
      { a: { send: () => undefined } },
      { customfields: { env: 'prod' } },
    );
    await forwarder.accept(alert(0, { hostname: 'n"1', output_fields: { 'k8s.ns.name': 7 } }));
    await until(() =>
      forwarder.metrics().includes('falcosecurity_falcosidekick_outputs_total{destination="a",status="ok"} 1'),
    );
    expect(forwarder.metrics()).toContain(
      'falcosecurity_falcosidekick_falco_events_total{hostname="n\\"1",rule="rule 0",priority="4",priority_raw="warning",source="syscalls",k8s_ns_name="7",k8s_pod_name="",env="prod"} 1',
    );
  });
});
