import { fieldTexts } from '../forward/alert.ts';
import { httpDestination, join } from '../forward/destination.ts';
import { flag, integer, map, secret, text } from '../forward/option.ts';

export const grafana = httpDestination({
  name: 'grafana',
  label: 'grafana',
  group: 'metrics',
  doc: 'Annotations in Grafana.',
  options: {
    hostport: text('URL of the server; turns the output on, with the key.'),
    apikey: secret('The token of a service account.'),
    dashboardid: integer('The dashboard; 0: all.', 0),
    panelid: integer('The panel; 0: all.', 0),
    allfieldsastags: flag('Add the values of all output fields to the tags.'),
    customheaders: map('Further HTTP headers.'),
  },
  enabled: (o) => o.hostport !== '' && o.apikey !== '',
  request([alert], o) {
    const time = Number(alert.nanoseconds / 1_000_000n);
    return {
      url: join(o.hostport, '/api/annotations'),
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${o.apikey}`, ...o.customheaders },
      body: JSON.stringify({
        ...(o.dashboardid !== 0 && { dashboardId: o.dashboardid }),
        ...(o.panelid !== 0 && { panelId: o.panelid }),
        time,
        timeEnd: time,
        tags: [
          'falco',
          alert.priority,
          alert.rule,
          alert.source,
          ...(alert.hostname === '' ? [] : [alert.hostname]),
          ...(o.allfieldsastags ? fieldTexts(alert).map(([, value]) => value) : []),
          ...alert.tags,
        ],
        text: alert.output,
      }),
    };
  },
  probe: (o) => ({ method: 'GET', url: join(o.hostport, '/api/health') }),
});
