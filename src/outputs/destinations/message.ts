/** What the chat destinations have in common: how an alert becomes rows, colours and a text. */
import { type Alert, fieldTexts, goTime } from '../forward/alert.ts';
import { templateData } from '../forward/enrich.ts';
import { choice, text, type Values } from '../forward/option.ts';
import { parseTemplate, type Template } from '../forward/template.ts';

export const NAME = 'Windhover';

/** Colours by level, Emergency first, as `#rrggbb`. */
export const COLOURS = [
  '#e20b0b',
  '#e20b0b',
  '#ff5400',
  '#ff5400',
  '#ffc700',
  '#5bffb5',
  '#68c2ff',
  '#ccfff2',
] as const;
export const EMOJI = ['🔴', '🔴', '🟠', '🟠', '🟡', '🔵', '🟢', '⚪'] as const;

/** An alert's properties and fields as name and text, in the order that Falcosidekick's messages have. */
export function rows(
  alert: Alert,
  order: readonly ('rule' | 'priority' | 'source' | 'hostname' | 'tags' | 'fields' | 'time')[],
): [name: string, value: string][] {
  return order.flatMap((what): [string, string][] => {
    switch (what) {
      case 'fields':
        return fieldTexts(alert);
      case 'time':
        return [['time', goTime(alert)]];
      case 'tags':
        return alert.tags.length === 0 ? [] : [['tags', alert.tags.join(', ')]];
      case 'hostname':
        return alert.hostname === '' ? [] : [['hostname', alert.hostname]];
      default:
        return [[what, alert[what]]];
    }
  });
}

export const messageFormat = text(
  'A Go template for the text above the fields, for instance `Alert: rule *{{ .Rule }}* by *{{ index .OutputFields "user.name" }}*`.',
);
export const outputFormat = choice(
  'What a message shows: everything, the text only, or the fields only.',
  ['all', 'text', 'fields'],
  'all',
);

const parsed = new Map<string, Template>();

/** The text of `messageformat` for an alert; null without one. */
export function formatted(format: string, alert: Alert): string | null {
  if (format === '') return null;
  let template = parsed.get(format);
  if (template === undefined) parsed.set(format, (template = parseTemplate(format)));
  return template(templateData(alert));
}

/** How a message looks whose webhook is Slack's or one that others made like it. */
export const look = {
  footer: text('The line below the message.', NAME),
  icon: text('URL of the avatar.'),
  username: text('The name shown.', NAME),
  outputformat: outputFormat,
  messageformat: messageFormat,
};

/** What such a webhook takes: the text above, who says it, and the alert as an attachment. */
export function webhookMessage(
  alert: Alert,
  options: Values<Omit<typeof look, 'footer'>> & { readonly footer: string | undefined },
  order: Parameters<typeof rows>[1],
  limits: { readonly text: number; readonly field: number; readonly fields: number },
): Record<string, unknown> {
  const short = (value: string, length: number) => (value.length <= length ? value : `${value.slice(0, length - 1)}…`);
  const own = new Set<string>(order);
  const isShort = (name: string, value: string) => (own.has(name) ? name !== 'time' : [...value].length < 36);
  const attachment = {
    fallback: short(alert.output, limits.text),
    color: COLOURS[alert.level],
    ...(options.outputformat !== 'fields' && { text: short(alert.output, limits.text) }),
    ...(options.outputformat !== 'text' && {
      fields: rows(alert, order)
        .slice(0, limits.fields)
        .map(([title, value]) => ({ title, value: short(value, limits.field), short: isShort(title, value) })),
    }),
    footer: options.footer,
  };
  return {
    text: formatted(options.messageformat, alert) ?? undefined,
    username: options.username,
    icon_url: options.icon || undefined,
    attachments: [attachment],
  };
}
