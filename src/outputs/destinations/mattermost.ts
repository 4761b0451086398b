import { httpDestination, JSON_HEADERS } from '../forward/destination.ts';
import { secret } from '../forward/option.ts';
import { look, webhookMessage } from './message.ts';

/** A post holds 16,383 characters. */
const LIMITS = { text: 4000, field: 1000, fields: 200 };

export const mattermost = httpDestination({
  name: 'mattermost',
  label: 'mattermost',
  group: 'chat',
  doc: 'Messages in Mattermost through an incoming webhook.',
  options: {
    webhookurl: secret('The webhook; turns the output on.'),
    ...look,
  },
  enabled: (o) => o.webhookurl !== '',
  request: ([alert], o) => ({
    url: o.webhookurl,
    headers: JSON_HEADERS,
    body: JSON.stringify(
      webhookMessage(alert, o, ['rule', 'hostname', 'priority', 'source', 'tags', 'fields', 'time'], LIMITS),
    ),
  }),
});
