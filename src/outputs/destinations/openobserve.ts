import { toJson } from '../forward/alert.ts';
import { basicAuth, httpDestination, JSON_HEADERS, join } from '../forward/destination.ts';
import { map, secret, text } from '../forward/option.ts';

export const openobserve = httpDestination({
  name: 'openobserve',
  label: 'openobserve',
  group: 'logs',
  doc: 'Logs in OpenObserve.',
  options: {
    hostport: text('URL of the server; turns the output on.'),
    organizationname: text('The organization.', 'default'),
    streamname: text('The stream.', 'falco'),
    username: text('A user.'),
    password: secret("The user's password."),
    customheaders: map('Further HTTP headers.'),
  },
  enabled: (o) => o.hostport !== '',
  batch: () => ({ count: 1000, bytes: 5_000_000, linger: 0 }),
  request: (alerts, o) => ({
    url: join(o.hostport, `/api/${o.organizationname}/${o.streamname}/_multi`),
    headers: { ...JSON_HEADERS, ...basicAuth(o.username, o.password), ...o.customheaders },
    body: alerts.map(toJson).join('\n'),
  }),
});
