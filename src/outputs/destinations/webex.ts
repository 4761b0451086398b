import { fieldTexts } from '../forward/alert.ts';
import { cut, httpDestination, JSON_HEADERS } from '../forward/destination.ts';
import { secret } from '../forward/option.ts';

/** Bytes of one message. */
const MAX_MESSAGE = 7439;

export const webex = httpDestination({
  name: 'webex',
  label: 'webex',
  group: 'chat',
  doc: 'Messages in a Webex space through an incoming webhook.',
  options: { webhookurl: secret('The webhook; turns the output on.') },
  enabled: (o) => o.webhookurl !== '',
  request: ([alert], o) => ({
    url: o.webhookurl,
    headers: JSON_HEADERS,
    body: JSON.stringify({
      markdown: cut(
        [
          `# Falco Rule '${alert.rule}'`,
          `### ${alert.output}`,
          'Additional informations:',
          `  * Hostname: ${alert.hostname}`,
          `  * Source:   ${alert.source}  `,
          `  * Priority: ${alert.priority}`,
          '  * Tags:',
          ...alert.tags.map((tag) => `    * ${tag}`),
          '  * Fields:',
          ...fieldTexts(alert).map(([name, value]) => `\t* ${name}: ${value}`),
        ].join('\n\n'),
        MAX_MESSAGE,
      ),
    }),
  }),
});
