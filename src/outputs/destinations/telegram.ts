import { fieldTexts, goTime } from '../forward/alert.ts';
import { httpDestination, JSON_HEADERS, join } from '../forward/destination.ts';
import { secret, text } from '../forward/option.ts';

/** Characters of one message after the entities are parsed. */
const MAX_MESSAGE = 4096;

/** MarkdownV2: these characters must be escaped everywhere (Telegram Bot API, "MarkdownV2 style"). */
function escaped(value: string): string {
  return value.replace(/[_*[\]()~`>#+\-=|{}.!\\]/g, '\\$&');
}

export const telegram = httpDestination({
  name: 'telegram',
  label: 'telegram',
  group: 'chat',
  doc: 'Messages by a Telegram bot.',
  options: {
    token: secret('The token of the bot.'),
    chatid: text('The chat; turns the output on, with the token.'),
    messagethreadid: text('The topic within a group.'),
    host: text('Another API server.', 'https://api.telegram.org'),
  },
  enabled: (o) => o.token !== '' && o.chatid !== '',
  request([alert], o) {
    const lines = [
      `*\\[Falco\\] \\[${escaped(alert.priority)}\\] ${escaped(alert.rule)}*`,
      '',
      `• *Time*: ${escaped(goTime(alert))}`,
      `• *Source*: ${escaped(alert.source)}`,
      `• *Hostname*: ${escaped(alert.hostname)}`,
      `• *Tags*: ${alert.tags.map((tag) => `${escaped(tag)} `).join('')}`,
      '• *Fields*:',
    ];
    const end = ['', '', `**Output**: ${escaped(alert.output.slice(0, 1500))}`, ''];
    // Whole lines are left out, so that no escape is cut in two.
    let room = MAX_MESSAGE - [...lines, ...end].join('\n').length;
    for (const [name, value] of fieldTexts(alert)) {
      const line = `\t  • *${escaped(name)}*: ${escaped(value)}`;
      if (line.length + 1 > room) continue;
      room -= line.length + 1;
      lines.push(line);
    }
    return {
      url: join(o.host, `/bot${o.token}/sendMessage`),
      headers: JSON_HEADERS,
      body: JSON.stringify({
        text: [...lines, ...end].join('\n'),
        parse_mode: 'MarkdownV2',
        disable_web_page_preview: true,
        chat_id: o.chatid,
        ...(o.messagethreadid !== '' && { message_thread_id: o.messagethreadid }),
      }),
    };
  },
});
