import { lookup } from 'node:dns/promises';
import { z } from 'zod';
import type { Json } from '../../store/index.ts';
import type { ReportRow, RuleExpense } from '../api.ts';

/** A metric of the text format of Prometheus (exposition format 0.0.4). */
interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:\\.|[^"\\])*)"/g;

export function parseMetrics(text: string): Sample[] {
  return text.split('\n').flatMap((line): Sample[] => {
    const match = line.startsWith('#') ? null : LINE.exec(line);
    if (match === null) return [];
    const labels: Record<string, string> = {};
    for (const [, name = '', value = ''] of (match[2] ?? '').matchAll(LABEL)) {
      labels[name] = value.replace(/\\n/g, '\n').replace(/\\(.)/g, '$1');
    }
    return [{ name: match[1] as string, labels, value: Number(match[3]) }];
  });
}

export interface Sensors {
  /** How each was when it was asked last; one that does not answer has `error` in its body, beside what it said before. */
  reports(): Promise<ReportRow[]>;
  /** Ends asking. */
  close(): void;
}

/** Between two rounds of questions, in milliseconds: five seconds, and longer the more sensors there are. */
const EVERY = 5000;
const EVERY_SENSOR = 50;
/** Sensors asked at the same time. */
const AT_ONCE = 16;
const TIMEOUT = 2000;

/** Falco's metrics that say in how many ways events were lost. */
const DROPS = /^falcosecurity_scap_n_drops_(\w+)_total$/;

/**
 * How the sensors at these addresses are, by the metrics that Falco and its likes serve (`webserver` with
 * `prometheus_metrics_enabled`). A name that stands for several addresses, as that of a headless service of Kubernetes
 * does, is as many sensors.
 */
export function createSensors(
  urls: readonly string[],
  fetcher: typeof fetch = fetch,
  resolve: (host: string) => Promise<readonly string[]> = addressesOf,
): Sensors {
  const last = new Map<string, { time: number; events: number; row: ReportRow }>();
  let known: ReportRow[] = [];
  let round: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;
  let closed = false;

  async function ask(url: string): Promise<ReportRow> {
    const time = Date.now();
    const before = last.get(url);
    let samples: Sample[];
    try {
      const response = await fetcher(new URL('/metrics', url), { signal: AbortSignal.timeout(TIMEOUT) });
      if (!response.ok) throw new Error(`it answered ${response.status}`);
      samples = parseMetrics(await response.text());
    } catch (error) {
      const message = ((error as Error).cause as Error | undefined)?.message ?? (error as Error).message;
      if (before === undefined) return { kind: 'sensor', name: new URL(url).host, time, body: { error: message } };
      return { ...before.row, body: { ...before.row.body, events_per_second: null, error: message } };
    }
    const events = sum(samples, 'falcosecurity_scap_n_evts_total');
    const seconds = before === undefined ? 0 : (time - before.time) / 1000;
    // A sensor that was started anew counts from the beginning.
    const rate = before === undefined || events < before.events ? null : Math.round((events - before.events) / seconds);
    const row: ReportRow = {
      kind: 'sensor',
      name: label(samples, 'falcosecurity_evt_hostname_info', 'evt_hostname') || new URL(url).host,
      time,
      body: {
        version: label(samples, 'falcosecurity_falco_version_info', 'version'),
        kernel: label(samples, 'falcosecurity_falco_kernel_release_info', 'kernel_release'),
        events,
        events_per_second: rate,
        drops: sum(samples, 'falcosecurity_scap_n_drops_total'),
        dropped_by: reasons(samples),
        cpu: value(samples, 'falcosecurity_falco_cpu_usage_ratio'),
        memory: value(samples, 'falcosecurity_falco_memory_rss_bytes'),
        uptime: value(samples, 'falcosecurity_falco_duration_seconds_total'),
        lost_alerts: sum(samples, 'falcosecurity_falco_outputs_queue_num_drops_total'),
        rules: expenses(samples) as unknown as Json,
      },
    };
    last.set(url, { time, events, row });
    return row;
  }

  async function askAll(): Promise<void> {
    const all = (await Promise.all(urls.map((url) => expand(url, resolve)))).flat();
    const waiting = [...all.entries()];
    const rows: ReportRow[] = [];
    const work = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) rows[next[0]] = await ask(next[1]);
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, all.length) }, work));
    for (const url of last.keys()) if (!all.includes(url)) last.delete(url);
    known = rows;
  }

  function begin(): void {
    round = askAll().finally(() => {
      if (closed) return;
      timer = setTimeout(begin, EVERY + EVERY_SENSOR * known.length);
      timer.unref();
    });
    round.catch(() => {});
  }
  if (urls.length > 0) begin();

  return {
    reports: async () => {
      // Before the first answers are there, they are waited for.
      if (known.length === 0) await round;
      return known;
    },
    close: () => {
      closed = true;
      if (timer !== null) clearTimeout(timer);
    },
  };
}

/** Also sensors that nobody asks may say it, in their reports. */
const expense = z.object({
  name: z.string(),
  evaluations: z.number(),
  nanoseconds: z.number(),
  matches: z.number().default(0),
});

/** What judging each rule has cost, over all sensors that said so. */
export function expensesOf(reports: readonly ReportRow[]): RuleExpense[] {
  const total = new Map<string, RuleExpense>();
  for (const { body } of reports) {
    for (const one of Array.isArray(body.rules) ? body.rules : []) {
      const { success, data } = expense.safeParse(one);
      if (!success) continue;
      const { name, evaluations, nanoseconds, matches } = data;
      const sofar = total.get(name);
      total.set(name, {
        name,
        evaluations: (sofar?.evaluations ?? 0) + evaluations,
        nanoseconds: (sofar?.nanoseconds ?? 0) + nanoseconds,
        matches: (sofar?.matches ?? 0) + matches,
      });
    }
  }
  return [...total.values()].sort((a, b) => b.nanoseconds - a.nanoseconds || b.evaluations - a.evaluations);
}

async function addressesOf(host: string): Promise<string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

/** The URL for each address of its host. TLS needs the name, and a host with one address can keep it. */
async function expand(url: string, resolve: (host: string) => Promise<readonly string[]>): Promise<string[]> {
  const { protocol, hostname, port } = new URL(url);
  if (protocol !== 'http:') return [url];
  try {
    const addresses = await resolve(hostname.replace(/^\[|\]$/g, ''));
    if (addresses.length < 2) return [url];
    return addresses.map((address) => `http://${address.includes(':') ? `[${address}]` : address}:${port || '80'}`);
  } catch {
    // Whoever asks it learns why.
    return [url];
  }
}

const label = (samples: readonly Sample[], name: string, key: string): string =>
  samples.find((one) => one.name === name)?.labels[key] ?? '';
const value = (samples: readonly Sample[], name: string): number | null =>
  samples.find((one) => one.name === name)?.value ?? null;
const sum = (samples: readonly Sample[], name: string): number =>
  samples.reduce((total, one) => (one.name === name ? total + one.value : total), 0);

function reasons(samples: readonly Sample[]): Record<string, number> {
  const out: Record<string, number> = {};
  for (const { name, value: n } of samples) {
    const [, reason] = DROPS.exec(name) ?? [];
    if (reason !== undefined && n > 0) out[reason] = (out[reason] ?? 0) + n;
  }
  return out;
}

function expenses(samples: readonly Sample[]): RuleExpense[] {
  const out = new Map<string, { name: string; evaluations: number; nanoseconds: number; matches: number }>();
  for (const { name, labels, value: n } of samples) {
    const { rule_name: rule } = labels;
    if (rule === undefined) continue;
    const entry = out.get(rule) ?? { name: rule, evaluations: 0, nanoseconds: 0, matches: 0 };
    if (name === 'windhover_rules_evaluations_total') entry.evaluations += n;
    else if (name === 'windhover_rules_evaluation_seconds_total') entry.nanoseconds += Math.round(n * 1e9);
    else if (name === 'falcosecurity_falco_rules_matches_total') entry.matches += n;
    else continue;
    out.set(rule, entry);
  }
  return [...out.values()];
}
