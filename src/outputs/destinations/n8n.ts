import { toJson } from '../forward/alert.ts';
import { basicAuth, httpDestination, JSON_HEADERS } from '../forward/destination.ts';
import { secret, text } from '../forward/option.ts';

export const n8n = httpDestination({
  name: 'n8n',
  label: 'n8n',
  group: 'web',
  doc: 'The alert as JSON to an n8n webhook node.',
  options: {
    address: text('URL of the webhook node; turns the output on.'),
    user: text('A user.'),
    password: secret("The user's password."),
    headerauthname: text('Name of the header that authenticates.'),
    headerauthvalue: secret('Its value.'),
  },
  enabled: (o) => o.address !== '',
  request: ([alert], o) => ({
    url: o.address,
    headers: {
      ...JSON_HEADERS,
      ...basicAuth(o.user, o.password),
      ...(o.headerauthname !== '' && { [o.headerauthname]: o.headerauthvalue }),
    },
    body: toJson(alert),
  }),
});
