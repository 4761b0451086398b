import { toJson } from '../forward/alert.ts';
import { httpDestination, JSON_HEADERS } from '../forward/destination.ts';
import { map, secret, text } from '../forward/option.ts';

export const talon = httpDestination({
  name: 'talon',
  label: 'talon',
  group: 'web',
  doc: 'The alert to a response engine: `windhover respond` or Falco Talon.',
  options: {
    address: text('URL of the response engine; turns the output on.'),
    token: secret('The token that `windhover respond` asks for.'),
    customheaders: map('Further HTTP headers.'),
  },
  enabled: (o) => o.address !== '',
  request: ([alert], o) => ({
    url: o.address,
    headers: { ...JSON_HEADERS, ...(o.token !== '' && { Authorization: `Bearer ${o.token}` }), ...o.customheaders },
    body: toJson(alert),
  }),
});
