import { toJson } from '../forward/alert.ts';
import { basicAuth, httpDestination, JSON_HEADERS } from '../forward/destination.ts';
import { map, secret, text } from '../forward/option.ts';

export const nodered = httpDestination({
  name: 'nodered',
  label: 'nodered',
  group: 'web',
  doc: 'The alert as JSON to a Node-RED flow.',
  options: {
    address: text('URL of the HTTP-in node; turns the output on.'),
    user: text('A user.'),
    password: secret("The user's password."),
    customheaders: map('Further HTTP headers.'),
  },
  enabled: (o) => o.address !== '',
  request: ([alert], o) => ({
    url: o.address,
    headers: { ...JSON_HEADERS, ...basicAuth(o.user, o.password), ...o.customheaders },
    body: toJson(alert),
  }),
});
