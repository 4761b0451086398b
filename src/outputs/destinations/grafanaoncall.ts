import { fingerprint } from '../forward/alert.ts';
import { httpDestination } from '../forward/destination.ts';
import { map, secret } from '../forward/option.ts';

export const grafanaoncall = httpDestination({
  name: 'grafanaoncall',
  label: 'grafanaoncall',
  group: 'alerting',
  doc: 'Alerts in Grafana OnCall; those of one rule in one place form one group.',
  options: {
    webhookurl: secret('URL of the integration; turns the output on.'),
    customheaders: map('Further HTTP headers.'),
  },
  enabled: (o) => o.webhookurl !== '',
  request: ([alert], o) => ({
    url: o.webhookurl,
    headers: { 'Content-Type': 'application/json', ...o.customheaders },
    body: JSON.stringify({
      alert_uid: fingerprint(alert),
      state: 'alerting',
      title: `[${alert.priority}] ${alert.rule}`,
      message: alert.output,
    }),
  }),
});
