import { fingerprint } from '../forward/alert.ts';
import { cut, httpDestination, JSON_HEADERS, join } from '../forward/destination.ts';
import { choice, secret, text } from '../forward/option.ts';

const SEVERITY = ['critical', 'critical', 'critical', 'error', 'warning', 'info', 'info', 'info'] as const;

export const pagerduty = httpDestination({
  name: 'pagerduty',
  label: 'pagerduty',
  group: 'alerting',
  doc: 'Events in PagerDuty; those of one rule in one place belong to one incident.',
  options: {
    routingkey: secret('The integration key; turns the output on.'),
    region: choice('Where the account lives.', ['us', 'eu'], 'us'),
    url: text('Another API server.'),
  },
  enabled: (o) => o.routingkey !== '',
  request: ([alert], o) => ({
    url: join(
      o.url || (o.region === 'eu' ? 'https://events.eu.pagerduty.com' : 'https://events.pagerduty.com'),
      '/v2/enqueue',
    ),
    headers: JSON_HEADERS,
    body: JSON.stringify({
      routing_key: o.routingkey,
      event_action: 'trigger',
      dedup_key: fingerprint(alert),
      payload: {
        summary: cut(alert.output || alert.rule, 1024),
        source: alert.hostname || 'falco',
        severity: SEVERITY[alert.level],
        timestamp: alert.time,
        component: alert.source,
        group: alert.rule,
        class: alert.priority,
        custom_details: { rule: alert.rule, tags: alert.tags.join(', '), ...alert.fields },
      },
    }),
  }),
});
