import { httpDestination, JSON_HEADERS } from '../forward/destination.ts';
import { secret, text } from '../forward/option.ts';
import { look, webhookMessage } from './message.ts';

/** Slack cuts longer texts itself; beyond 100 fields it refuses the message. */
const LIMITS = { text: 3000, field: 2000, fields: 100 };

export const slack = httpDestination({
  name: 'slack',
  label: 'slack',
  group: 'chat',
  doc: 'Messages in a Slack channel through an incoming webhook.',
  options: {
    webhookurl: secret('The webhook; turns the output on.'),
    channel: text('The channel, when the webhook lets one choose.'),
    ...look,
  },
  enabled: (o) => o.webhookurl !== '',
  request: ([alert], o) => ({
    url: o.webhookurl,
    headers: JSON_HEADERS,
    body: JSON.stringify({
      ...webhookMessage(alert, o, ['rule', 'priority', 'source', 'hostname', 'tags', 'fields', 'time'], LIMITS),
      channel: o.channel || undefined,
    }),
  }),
});
