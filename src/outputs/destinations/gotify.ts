import { fieldTexts, goTime, toJson } from '../forward/alert.ts';
import { httpDestination, JSON_HEADERS, join } from '../forward/destination.ts';
import { choice, secret, text } from '../forward/option.ts';

export const gotify = httpDestination({
  name: 'gotify',
  label: 'gotify',
  group: 'chat',
  doc: 'Push messages through a Gotify server.',
  options: {
    hostport: text('URL of the server; turns the output on.'),
    token: secret('The token of the application.'),
    format: choice('The form of the message.', ['markdown', 'plaintext', 'json'], 'markdown'),
  },
  enabled: (o) => o.hostport !== '',
  request([alert], o) {
    const bold = (name: string) => (o.format === 'markdown' ? `**${name}**` : name);
    const message =
      o.format === 'json'
        ? toJson(alert)
        : [
            `- ${bold('Priority')}: ${alert.priority}`,
            `- ${bold('Rule')}: ${alert.rule}`,
            `- ${bold('Output')}: ${alert.output}`,
            `- ${bold('Source')}: ${alert.source}`,
            `- ${bold('Tags')}: ${alert.tags.map((tag) => `${tag} `).join('')}`,
            `- ${bold('Time')}: ${goTime(alert)}`,
            `- ${bold('Fields')}:`,
            ...fieldTexts(alert).map(([name, value]) => `\t- ${bold(name)}: ${value}`),
            '',
          ].join('\n');
    return {
      url: join(o.hostport, '/message'),
      headers: { ...JSON_HEADERS, 'X-Gotify-Key': o.token },
      body: JSON.stringify({
        title: `[Falco] [${alert.priority}] ${alert.rule}`,
        // Debug 1 … Emergency 8.
        priority: 8 - alert.level,
        message,
        extras: {
          'client::display': {
            contentType: o.format === 'markdown' ? 'markdown' : o.format === 'json' ? 'application/json' : 'text/plain',
          },
        },
      }),
    };
  },
  probe: (o) => ({ method: 'GET', url: join(o.hostport, '/health') }),
});
