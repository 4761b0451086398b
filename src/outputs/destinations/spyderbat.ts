import { randomUUID } from 'node:crypto';
import type { Alert } from '../forward/alert.ts';
import { destination, join } from '../forward/destination.ts';
import { secret, text } from '../forward/option.ts';

const SEVERITY = ['critical', 'high', 'high', 'high', 'medium', 'low', 'info', 'info'] as const;

export const spyderbat = destination({
  name: 'spyderbat',
  label: 'spyderbat',
  group: 'siem',
  doc: 'Records in Spyderbat.',
  options: {
    orguid: text('The organization; turns the output on, with the key.'),
    apikey: secret('The API key.'),
    apiurl: text('URL of the API.', 'https://api.spyderbat.com'),
    source: text('Name of the source that the records belong to.', 'falcosidekick'),
    sourcedescription: text('Its description, when it has to be made.', 'Alerts of Falco'),
  },
  enabled: (o) => o.orguid !== '' && o.apikey !== '',
  batch: () => ({ count: 100, bytes: 1_000_000, linger: 0 }),
  open(o, { http }) {
    const api = join(o.apiurl, `/api/v1/org/${o.orguid}`);
    const headers = { Authorization: `Bearer ${o.apikey}`, 'Content-Type': 'application/json' };
    const uid = `falcosidekick_${o.orguid}`;
    let registered = false;
    async function register(): Promise<void> {
      const { body } = await http.send({ method: 'GET', url: `${api}/source/`, headers });
      if (!(JSON.parse(body) as { uid: string }[]).some((source) => source.uid === uid)) {
        await http.send({
          url: `${api}/source/`,
          headers,
          body: JSON.stringify({ name: o.source, description: o.sourcedescription, uid }),
        });
      }
      registered = true;
    }
    return {
      async send(alerts) {
        if (!registered) await register();
        await http.send({
          url: `${api}/source/${uid}/data/sb-agent`,
          headers: { ...headers, 'Content-Type': 'application/ndjson' },
          body: alerts.map(record).join('\n'),
          gzip: true,
        });
      },
    };
  },
});

function record(alert: Alert): string {
  const seconds = Number(alert.nanoseconds / 1_000_000n) / 1000;
  return JSON.stringify({
    schema: 'falco_alert::1.0.0',
    id: alert.uuid,
    monotonic_time: 1,
    orc_time: seconds,
    time: seconds,
    pid: Number(alert.fields['proc.pid'] ?? 0),
    level: SEVERITY[alert.level],
    message: [alert.output],
    args: { hostname: alert.hostname, fields: Object.keys(alert.fields), ...alert.fields },
    container: String(alert.fields['container.id'] ?? ''),
    request: randomUUID(),
  });
}
