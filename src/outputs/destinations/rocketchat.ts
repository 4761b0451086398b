import { httpDestination, JSON_HEADERS } from '../forward/destination.ts';
import { secret, text } from '../forward/option.ts';
import { attachment, formatted, messageFormat, NAME, outputFormat } from './message.ts';

const LIMITS = { text: 5000, field: 5000, fields: 200 };

export const rocketchat = httpDestination({
  name: 'rocketchat',
  label: 'rocketchat',
  group: 'chat',
  doc: 'Messages in Rocket.Chat through an incoming webhook.',
  options: {
    webhookurl: secret('The webhook; turns the output on.'),
    footer: text('The line below the message.'),
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
      attachments: [
        attachment(
          alert,
          { outputformat: o.outputformat, ...(o.footer !== '' && { footer: o.footer }) },
          ['rule', 'priority', 'source', 'tags', 'fields', 'time', 'hostname'],
          LIMITS,
        ),
      ],
    }),
  }),
});
