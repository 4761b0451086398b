import { cut, httpDestination, JSON_HEADERS } from '../forward/destination.ts';
import { secret, text } from '../forward/option.ts';
import { rows } from './message.ts';

const COLOURS = ['15158332', '15158332', '11027200', '15105570', '12745742', '3066993', '3447003', '12370112'] as const;
/** Discord refuses a message that exceeds one of these (Discord, "Embed limits"). */
const MAX_FIELDS = 25;
const MAX_VALUE = 1024;
const MAX_DESCRIPTION = 4096;
const MAX_EMBED = 6000;

export const discord = httpDestination({
  name: 'discord',
  label: 'discord',
  group: 'chat',
  doc: 'Messages in a Discord channel through a webhook.',
  options: { webhookurl: secret('The webhook; turns the output on.'), icon: text('URL of the avatar.') },
  enabled: (o) => o.webhookurl !== '',
  request([alert], o) {
    const description = cut(alert.output, Math.min(MAX_DESCRIPTION, MAX_EMBED / 2));
    let size = description.length;
    const all = rows(alert, ['rule', 'priority', 'source', 'hostname', 'fields', 'tags', 'time']);
    const names = new Set(['rule', 'priority', 'source', 'hostname', 'tags', 'time']);
    const fields: { name: string; value: string; inline: boolean }[] = [];
    // What has no room is fields of the alert, never its own properties.
    const spare = all.filter(([name]) => !names.has(name)).length - (all.length - MAX_FIELDS);
    let taken = 0;
    for (const [name, value] of all) {
      const isField = !names.has(name);
      if (isField && all.length > MAX_FIELDS && ++taken > spare) continue;
      const shown = isField ? `\`\`\`${cut(value, MAX_VALUE - 6)}\`\`\`` : cut(value, MAX_VALUE);
      if (size + name.length + shown.length > MAX_EMBED) continue;
      size += name.length + shown.length;
      fields.push({ name: cut(name, 256), value: shown, inline: true });
    }
    return {
      url: o.webhookurl,
      headers: JSON_HEADERS,
      body: JSON.stringify({
        content: '',
        ...(o.icon !== '' && { avatar_url: o.icon }),
        embeds: [{ title: '', url: '', description, color: COLOURS[alert.level], fields }],
      }),
    };
  },
});
