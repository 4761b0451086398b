import { fieldTexts, fingerprint } from '../forward/alert.ts';
import { cut, httpDestination, JSON_HEADERS, join } from '../forward/destination.ts';
import { choice, secret, text } from '../forward/option.ts';

const PRIORITY = ['P1', 'P1', 'P1', 'P2', 'P3', 'P4', 'P5', 'P5'] as const;

export const opsgenie = httpDestination({
  name: 'opsgenie',
  label: 'opsgenie',
  group: 'alerting',
  doc: 'Alerts in Opsgenie; those of one rule in one place are one alert.',
  options: {
    apikey: secret('The API key; turns the output on.'),
    region: choice('Where the account lives.', ['us', 'eu'], 'us'),
    url: text('Another API server.'),
  },
  enabled: (o) => o.apikey !== '',
  request: ([alert], o) => ({
    url: join(o.url || (o.region === 'eu' ? 'https://api.eu.opsgenie.com' : 'https://api.opsgenie.com'), '/v2/alerts'),
    headers: { ...JSON_HEADERS, Authorization: `GenieKey ${o.apikey}` },
    // Limits: Opsgenie, "Alert API", create alert.
    body: JSON.stringify({
      message: cut(alert.output, 130),
      alias: fingerprint(alert),
      entity: cut(alert.hostname || 'Falco', 512),
      description: cut(alert.rule === '' ? alert.output : `${alert.rule}\n${alert.output}`, 15_000),
      details: Object.fromEntries([
        ...fieldTexts(alert).map(([name, value]) => [name.replaceAll('.', '_'), cut(value, 1000)]),
        ['source', alert.source],
        ['rule', alert.rule],
        ['priority', alert.priority],
        ...(alert.hostname === '' ? [] : [['hostname', alert.hostname]]),
        ...(alert.tags.length === 0 ? [] : [['tags', alert.tags.join(', ')]]),
      ]),
      priority: PRIORITY[alert.level],
    }),
  }),
});
