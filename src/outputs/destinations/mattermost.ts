import { httpDestination, JSON_HEADERS } from '../forward/destination.ts';
import { secret, text } from '../forward/option.ts';
import { attachment, formatted, messageFormat, NAME, outputFormat } from './message.ts';

/** A post holds 16,383 characters. */
const LIMITS = { text: 4000, field: 1000, fields: 200 };

export const mattermost = httpDestination({
  name: 'mattermost',
  label: 'mattermost',
  group: 'chat',
  doc: 'Messages in Mattermost through an incoming webhook.',
  options: {
    webhookurl: secret('The webhook; turns the output on.'),
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
      attachments: [attachment(alert, o, ['rule', 'hostname', 'priority', 'source', 'tags', 'fields', 'time'], LIMITS)],
    }),
  }),
});
