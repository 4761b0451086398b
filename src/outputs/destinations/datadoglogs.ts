import { toJson } from '../forward/alert.ts';
import { httpDestination, JSON_HEADERS, join } from '../forward/destination.ts';
import { secret, text } from '../forward/option.ts';

export const datadoglogs = httpDestination({
  name: 'datadoglogs',
  label: 'datadoglogs',
  group: 'logs',
  doc: 'Logs in Datadog.',
  options: {
    apikey: secret('The API key; turns the output on.'),
    host: text('The log intake of your site.', 'https://http-intake.logs.datadoghq.com'),
    service: text('The service that the logs belong to.'),
  },
  enabled: (o) => o.apikey !== '',
  // At most 1000 entries and 5 MB in a request (Datadog, "Send logs").
  batch: () => ({ count: 500, bytes: 4_000_000, linger: 0 }),
  request(alerts, o) {
    const entries = alerts.map((alert) => ({
      ddsource: 'falco',
      ...(alert.hostname !== '' && { hostname: alert.hostname }),
      ...(o.service !== '' && { service: o.service }),
      message: toJson(alert),
      ddtags: alert.tags.join(','),
    }));
    return {
      url: join(o.host, '/api/v2/logs'),
      headers: { ...JSON_HEADERS, 'DD-API-KEY': o.apikey },
      body: JSON.stringify(entries.length === 1 ? entries[0] : entries),
    };
  },
});
