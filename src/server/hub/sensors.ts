import type { ReportRow } from '../api.ts';

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

/** A second sample sooner than this, in milliseconds, makes no rate. */
const LEAST = 900;

/**
 * How the sensors at these addresses are, by the metrics that Falco and its likes serve (`webserver` with
 * `prometheus_metrics_enabled`).
 */
export function createSensors(
  urls: readonly string[],
  fetcher: typeof fetch = fetch,
): { reports(): Promise<ReportRow[]> } {
  const before = new Map<string, { time: number; events: number }>();

  async function scrape(url: string): Promise<ReportRow> {
    const time = Date.now();
    const row = { kind: 'sensor' as const, name: new URL(url).host, time };
    let samples: Sample[];
    try {
      const response = await fetcher(new URL('/metrics', url), { signal: AbortSignal.timeout(2000) });
      if (!response.ok) throw new Error(`it answered ${response.status}`);
      samples = parseMetrics(await response.text());
    } catch (error) {
      return { ...row, body: { error: (error as Error).message } };
    }
    const label = (name: string, key: string) => samples.find((one) => one.name === name)?.labels[key] ?? '';
    const sum = (name: string) => samples.reduce((total, one) => (one.name === name ? total + one.value : total), 0);
    const events = sum('falcosecurity_scap_n_evts_total');
    const last = before.get(url);
    if (last === undefined || time - last.time >= LEAST) before.set(url, { time, events });
    const rate =
      last === undefined || time - last.time < LEAST ? null : ((events - last.events) * 1000) / (time - last.time);
    return {
      ...row,
      name: label('falcosecurity_evt_hostname_info', 'evt_hostname') || row.name,
      body: {
        version: label('falcosecurity_falco_version_info', 'version'),
        kernel: label('falcosecurity_falco_kernel_release_info', 'kernel_release'),
        // A sensor that was started anew counts from the beginning.
        events_per_second: rate === null || rate < 0 ? null : Math.round(rate),
        drops: sum('falcosecurity_scap_n_drops_total'),
      },
    };
  }

  return { reports: () => Promise.all(urls.map(scrape)) };
}
