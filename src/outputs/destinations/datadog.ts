import { fieldTexts, fingerprint } from '../forward/alert.ts';
import { cut, httpDestination, JSON_HEADERS, join } from '../forward/destination.ts';
import { secret, text } from '../forward/option.ts';

const TYPE = ['error', 'error', 'error', 'warning', 'warning', 'info', 'info', 'info'] as const;

export const datadog = httpDestination({
  name: 'datadog',
  label: 'datadog',
  group: 'alerting',
  doc: 'Events in Datadog.',
  options: {
    apikey: secret('The API key; turns the output on. It goes in a header, never in the URL.'),
    host: text('The API of your site.', 'https://api.datadoghq.com'),
  },
  enabled: (o) => o.apikey !== '',
  request: ([alert], o) => ({
    url: join(o.host, '/api/v1/events'),
    headers: { ...JSON_HEADERS, 'DD-API-KEY': o.apikey },
    body: JSON.stringify({
      title: alert.rule,
      text: cut(alert.output, 4000),
      date_happened: Math.floor(Number(alert.nanoseconds / 1_000_000_000n)),
      ...(alert.hostname !== '' && { host: alert.hostname }),
      aggregation_key: fingerprint(alert),
      alert_type: TYPE[alert.level],
      source_type_name: 'falco',
      tags: [
        ...fieldTexts(alert).map(([name, value]) => `${name}:${value}`),
        `source:${alert.source}`,
        'source:falco',
        ...(alert.hostname === '' ? [] : [`hostname:${alert.hostname}`]),
        ...alert.tags,
      ],
    }),
  }),
});
