import { httpDestination, JSON_HEADERS } from '../forward/destination.ts';
import { secret, text } from '../forward/option.ts';
import { attachment, formatted, messageFormat, NAME, outputFormat } from './message.ts';

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
    footer: text('The line below the message.', NAME),
    icon: text('URL of the avatar.'),
    username: text('The name shown.', NAME),
    outputformat: outputFormat,
    messageformat: messageFormat,
  },
  enabled: (o) => o.webhookurl !== '',
  request: ([alert], o) => ({
    url: o.webhookurl,
    headers: JSON_HEADERS,
    body: JSON.stringify({
      text: formatted(o.messageformat, alert) ?? undefined,
      username: o.username,
      icon_url: o.icon || undefined,
      channel: o.channel || undefined,
      attachments: [attachment(alert, o, ['rule', 'priority', 'source', 'hostname', 'tags', 'fields', 'time'], LIMITS)],
    }),
  }),
});
