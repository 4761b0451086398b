import { toObject } from '../forward/alert.ts';
import { httpDestination, JSON_HEADERS } from '../forward/destination.ts';
import { map, secret, text } from '../forward/option.ts';

export const webui = httpDestination({
  name: 'webui',
  label: 'webui',
  group: 'web',
  doc: 'The alert to a user interface: `windhover hub` or Falcosidekick-UI.',
  options: {
    url: text('URL of the interface; turns the output on.'),
    token: secret('The token that `windhover hub` asks for.'),
    customheaders: map('Further HTTP headers.'),
  },
  enabled: (o) => o.url !== '',
  request: ([alert], o, { outputs }) => ({
    url: o.url,
    headers: { ...JSON_HEADERS, ...(o.token !== '' && { Authorization: `Bearer ${o.token}` }), ...o.customheaders },
    body: JSON.stringify({ event: toObject(alert), outputs }),
  }),
});
