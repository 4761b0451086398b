import { httpDestination, JSON_HEADERS } from '../forward/destination.ts';
import { secret, text } from '../forward/option.ts';
import { look, webhookMessage } from './message.ts';

const LIMITS = { text: 5000, field: 5000, fields: 200 };

export const rocketchat = httpDestination({
  name: 'rocketchat',
  label: 'rocketchat',
  group: 'chat',
  doc: 'Messages in Rocket.Chat through an incoming webhook.',
  options: {
    webhookurl: secret('The webhook; turns the output on.'),
    ...look,
    footer: text('The line below the message.'),
  },
  enabled: (o) => o.webhookurl !== '',
  request: ([alert], o) => ({
    url: o.webhookurl,
    headers: JSON_HEADERS,
    body: JSON.stringify(
      webhookMessage(
        alert,
        { ...o, footer: o.footer || undefined },
        ['rule', 'priority', 'source', 'tags', 'fields', 'time', 'hostname'],
        LIMITS,
      ),
    ),
  }),
});
