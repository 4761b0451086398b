import { cut, httpDestination, JSON_HEADERS } from '../forward/destination.ts';
import { choice, secret } from '../forward/option.ts';
import { formatted, messageFormat, outputFormat, rows } from './message.ts';

/** A message holds 32,000 bytes. */
const MAX_VALUE = 1000;

export const googlechat = httpDestination({
  name: 'googlechat',
  label: 'googlechat',
  group: 'chat',
  doc: 'Messages in a Google Chat space through a webhook.',
  options: {
    webhookurl: secret('The webhook; turns the output on.'),
    outputformat: outputFormat,
    messageformat: messageFormat,
    card: choice('`v2` cards, or the deprecated `v1`.', ['v2', 'v1'], 'v2'),
  },
  enabled: (o) => o.webhookurl !== '',
  request([alert], o) {
    const shown =
      o.outputformat === 'text'
        ? []
        : rows(alert, ['rule', 'priority', 'source', 'hostname', 'fields', 'tags', 'time']);
    const message = formatted(o.messageformat, alert) ?? (o.card === 'v1' ? undefined : cut(alert.output, 4000));
    const widgets = shown.map(([topLabel, value]) => {
      const content = cut(value, MAX_VALUE);
      return o.card === 'v1'
        ? { keyValue: { topLabel, content } }
        : { decoratedText: { topLabel, text: escaped(content), wrapText: true } };
    });
    const card = {
      header: { title: o.card === 'v1' ? '' : alert.rule, subtitle: o.card === 'v1' ? '' : alert.priority },
      sections: [{ widgets }],
    };
    return {
      url: o.webhookurl,
      headers: JSON_HEADERS,
      body: JSON.stringify({
        text: message,
        ...(widgets.length > 0 && (o.card === 'v1' ? { cards: [card] } : { cardsV2: [{ cardId: alert.uuid, card }] })),
      }),
    };
  },
});

/** Decorated text is a small HTML. */
function escaped(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
