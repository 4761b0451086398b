import { toJson } from '../forward/alert.ts';
import { basicAuth, httpDestination, JSON_HEADERS, join } from '../forward/destination.ts';
import { secret, text } from '../forward/option.ts';

export const zincsearch = httpDestination({
  name: 'zincsearch',
  label: 'zincsearch',
  group: 'logs',
  doc: 'Documents in ZincSearch.',
  options: {
    hostport: text('URL of the server; turns the output on.'),
    index: text('The index.', 'falco'),
    username: text('A user.'),
    password: secret("The user's password."),
  },
  enabled: (o) => o.hostport !== '',
  request: ([alert], o) => ({
    url: join(o.hostport, `/api/${o.index}/_doc`),
    headers: { ...JSON_HEADERS, ...basicAuth(o.username, o.password) },
    body: toJson(alert),
  }),
});
