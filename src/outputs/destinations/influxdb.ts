import type { Alert } from '../forward/alert.ts';
import { httpDestination, join } from '../forward/destination.ts';
import { choice, secret, text } from '../forward/option.ts';

const DIVISOR = { ns: 1n, us: 1_000n, ms: 1_000_000n, s: 1_000_000_000n };

export const influxdb = httpDestination({
  name: 'influxdb',
  label: 'influxdb',
  group: 'metrics',
  doc: "Points in InfluxDB (versions 1 and 2), with the alert's own time.",
  options: {
    hostport: text('URL of the server; turns the output on.'),
    database: text('The database (version 1).', 'falco'),
    organization: text('The organization (version 2).'),
    bucket: text('The bucket (version 2).', 'falco'),
    precision: choice('The precision of times.', ['ns', 'us', 'ms', 's'], 'ns'),
    user: text('A user (version 1).'),
    password: secret("The user's password."),
    token: secret('A token (version 2).'),
  },
  enabled: (o) => o.hostport !== '',
  batch: () => ({ count: 1000, bytes: 2_000_000, linger: 0 }),
  request(alerts, o) {
    const query =
      o.organization !== '' && o.bucket !== ''
        ? `/api/v2/write?${new URLSearchParams({ org: o.organization, bucket: o.bucket, precision: o.precision })}`
        : `/write?${new URLSearchParams({ db: o.database, precision: o.precision === 'ns' ? 'n' : o.precision === 'us' ? 'u' : o.precision })}`;
    const basic = `Basic ${Buffer.from(`${o.user}:${o.password}`).toString('base64')}`;
    return {
      url: join(o.hostport, query),
      headers: {
        Accept: 'application/json',
        'Content-Type': 'text/plain; charset=utf-8',
        ...(o.token !== '' ? { Authorization: `Token ${o.token}` } : o.user !== '' && { Authorization: basic }),
      },
      body: alerts.map((alert) => line(alert, DIVISOR[o.precision])).join('\n'),
    };
  },
  probe: (o) => ({ method: 'GET', url: join(o.hostport, '/ping') }),
});

/** One point (InfluxDB, "Line protocol reference"). Tags: the alert's own and all text fields; field: the output. */
function line(alert: Alert, divisor: bigint): string {
  const fields = Object.entries(alert.fields).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string' && entry[1] !== '',
  );
  const tags: [string, string][] = [
    ['rule', alert.rule],
    ['priority', alert.priority],
    ['source', alert.source],
    ...fields,
    ['hostname', alert.hostname],
    ['tags', alert.tags.join(',')],
  ];
  const written = tags.filter(([, value]) => value !== '').map(([name, value]) => `${key(name)}=${key(value)}`);
  return `events,${written.join(',')} value="${alert.output.replace(/[\\"]/g, '\\$&')}" ${alert.nanoseconds / divisor}`;
}

/** Commas, equals signs and spaces are escaped; a tag cannot hold a line break nor end in a backslash. */
function key(value: string): string {
  return (
    value
      .replace(/[\r\n]+/g, ' ')
      .replace(/\\+$/, '')
      .replace(/[, =]/g, '\\$&') || '-'
  );
}
