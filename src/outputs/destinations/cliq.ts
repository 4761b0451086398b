import { cut, httpDestination } from '../forward/destination.ts';
import { flag, secret, text } from '../forward/option.ts';
import { EMOJI, formatted, messageFormat, NAME, outputFormat, rows } from './message.ts';

export const cliq = httpDestination({
  name: 'cliq',
  label: 'cliq',
  group: 'chat',
  doc: 'Messages in a Zoho Cliq channel through a webhook.',
  options: {
    webhookurl: secret('The webhook; turns the output on.'),
    icon: text('URL of the avatar.'),
    useemoji: flag('Begin messages with a coloured dot.'),
    outputformat: outputFormat,
    messageformat: messageFormat,
  },
  enabled: (o) => o.webhookurl !== '',
  request([alert], o) {
    const message = formatted(o.messageformat, alert) ?? alert.output;
    return {
      url: o.webhookurl,
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({
        text: cut(`${o.useemoji ? `${EMOJI[alert.level]} ` : ''}${message}`, 5000),
        bot: { name: NAME, ...(o.icon !== '' && { image: o.icon }) },
        ...(o.outputformat !== 'text' && {
          slides: [
            {
              type: 'table',
              data: {
                headers: ['field', 'value'],
                rows: rows(alert, ['rule', 'priority', 'hostname', 'fields', 'time']).map(([field, value]) => ({
                  field,
                  value: cut(value, 1000),
                })),
              },
            },
          ],
        }),
      }),
    };
  },
});
