import { toObject } from '../forward/alert.ts';
import { httpDestination, JSON_HEADERS, join } from '../forward/destination.ts';
import { map, secret, text } from '../forward/option.ts';

export const splunk = httpDestination({
  name: 'splunk',
  label: 'splunk',
  group: 'siem',
  doc: 'Events in Splunk through the HTTP Event Collector.',
  options: {
    host: text('URL of the collector; turns the output on.'),
    token: secret('The token.'),
    index: text("The index, when it is not the token's own."),
    sourcetype: text('The source type.', 'falcosidekick'),
    customheaders: map('Further HTTP headers.'),
  },
  enabled: (o) => o.host !== '',
  batch: () => ({ count: 500, bytes: 800_000, linger: 0 }),
  request: (alerts, o) => ({
    url: join(o.host, '/services/collector'),
    headers: { ...JSON_HEADERS, Authorization: `Splunk ${o.token}`, ...o.customheaders },
    // Events follow one another without a separator (Splunk, "Format events for HTTP Event Collector").
    body: alerts
      .map((alert) =>
        JSON.stringify({
          time: Number(alert.nanoseconds / 1_000_000n) / 1000,
          ...(alert.hostname !== '' && { host: alert.hostname }),
          source: alert.source,
          sourcetype: o.sourcetype,
          ...(o.index !== '' && { index: o.index }),
          event: toObject(alert),
        }),
      )
      .join(''),
  }),
  probe: (o) => ({ method: 'GET', url: join(o.host, '/services/collector/health') }),
});
