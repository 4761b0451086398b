import { goTime } from '../forward/alert.ts';
import { cut, httpDestination, JSON_HEADERS } from '../forward/destination.ts';
import { choice, secret, text } from '../forward/option.ts';
import { NAME, rows } from './message.ts';

const THEME = ['e20b0b', 'e20b0b', 'ff5400', 'ff5400', 'ffff00', '5bffb5', '68c2ff', 'ccfff2'] as const;
const STYLE = ['attention', 'attention', 'attention', 'warning', 'warning', 'accent', 'accent', 'default'] as const;
/** A message holds 28 KB. */
const MAX_TEXT = 5000;
const MAX_FACT = 1000;

export const teams = httpDestination({
  name: 'teams',
  label: 'teams',
  group: 'chat',
  doc: 'Messages in Microsoft Teams: an Adaptive Card for a Workflows URL, the older MessageCard for a connector.',
  options: {
    webhookurl: secret('The URL of the workflow or connector; turns the output on.'),
    activityimage: text('URL of the picture (MessageCard).'),
    outputformat: choice('What a message shows.', ['all', 'text', 'facts'], 'all'),
    card: choice(
      'The kind of card; `auto`: a MessageCard for connector URLs (`webhook.office.com`, `outlook.office.com`), else an Adaptive Card.',
      ['auto', 'adaptive', 'message'],
      'auto',
    ),
  },
  enabled: (o) => o.webhookurl !== '',
  request([alert], o) {
    const facts =
      o.outputformat === 'text'
        ? []
        : rows(alert, ['rule', 'priority', 'source', 'hostname', 'fields', 'tags']).map(([name, value]) => ({
            name,
            value: cut(value, MAX_FACT),
          }));
    const output = cut(alert.output, MAX_TEXT);
    const isConnector = /(webhook|outlook)\.office\.com/.test(o.webhookurl);
    const card = o.card === 'message' || (o.card === 'auto' && isConnector) ? messageCard() : adaptiveCard();

    function messageCard() {
      return {
        '@type': 'MessageCard',
        summary: output,
        themeColor: THEME[alert.level],
        sections: [
          {
            activityTitle: NAME,
            activitySubtitle: goTime(alert),
            ...(o.activityimage !== '' && { activityImage: o.activityimage }),
            ...(o.outputformat !== 'facts' && { text: output }),
            ...(facts.length > 0 && { facts }),
          },
        ],
      };
    }
    function adaptiveCard() {
      return {
        type: 'message',
        attachments: [
          {
            contentType: 'application/vnd.microsoft.card.adaptive',
            content: {
              $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
              type: 'AdaptiveCard',
              version: '1.4',
              body: [
                {
                  type: 'Container',
                  style: STYLE[alert.level],
                  items: [{ type: 'TextBlock', text: alert.rule, weight: 'bolder', wrap: true }],
                },
                { type: 'TextBlock', text: goTime(alert), isSubtle: true, spacing: 'none' },
                ...(o.outputformat === 'facts' ? [] : [{ type: 'TextBlock', text: output, wrap: true }]),
                ...(facts.length === 0
                  ? []
                  : [{ type: 'FactSet', facts: facts.map(({ name, value }) => ({ title: name, value })) }]),
              ],
            },
          },
        ],
      };
    }
    return { url: o.webhookurl, headers: JSON_HEADERS, body: JSON.stringify(card) };
  },
});
