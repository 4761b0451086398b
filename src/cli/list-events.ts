import { EVENTS, EventFlag, type EventInfo, type ParamInfo } from '../event/index.ts';
import { SCHEMA_VERSION } from '../version.ts';

export type ListFormat = 'text' | 'markdown' | 'json';

/** Bits of {@link EventInfo.category} that say where events come from (enum ppm_event_category). */
const SECTIONS: readonly [string, number][] = [
  ['Syscall events', 512],
  ['Tracepoint events', 1024],
  ['Plugin events', 2048],
  ['Metaevents', 4096],
];

/** `--list-events`: all current event types by origin. */
export function listEvents(format: ListFormat): string {
  const current = EVENTS.filter((event) => (event.flags & (EventFlag.OLD_VERSION | EventFlag.UNUSED)) === 0);
  const sections = SECTIONS.map(([title, bit]) => [title, current.filter((e) => (e.category & bit) !== 0)] as const);
  if (format === 'json') {
    const lists = sections.map(([title, events]) => [title, events.map(eventJson)]);
    return `${JSON.stringify({ schema_version: SCHEMA_VERSION, ...Object.fromEntries(lists) })}\n`;
  }
  const head = `The events below are valid for Falco *Schema Version*: ${SCHEMA_VERSION}\n`;
  const body = sections.map(([title, events]) =>
    format === 'markdown' ? markdownSection(title, events) : textSection(title, events),
  );
  return `${head}\n${body.join('\n')}`;
}

function direction(event: EventInfo): string {
  return event.enter ? '>' : '<';
}

function typeName(param: ParamInfo): string {
  return param.type;
}

/** Whether the live source sends it, or it only stands in captures. */
function available(event: EventInfo): boolean {
  return !event.enter || (event.flags & EventFlag.CONVERTER_MANAGED) === 0;
}

function eventJson(event: EventInfo): unknown {
  return {
    name: event.name,
    dir: direction(event),
    available: available(event),
    params: event.params.map((param) => ({
      name: param.name,
      type: typeName(param),
      ...(param.flags === null ? {} : { flags: Object.keys(param.flags) }),
    })),
  };
}

function markdownSection(title: string, events: readonly EventInfo[]): string {
  const rows = events.map((event) => {
    const params = event.params.map((param) => {
      const flags = Object.keys(param.flags ?? {}).map((flag) => `*${flag}*`);
      return `${typeName(param)} **${param.name}**${flags.length === 0 ? '' : `: ${flags.join(', ')}`}`;
    });
    return `${available(event) ? 'Yes' : 'No'} | \`${direction(event)}\` | \`${event.name}\` | ${params.join(', ')}`;
  });
  return [`## ${title}`, '', 'Default | Dir | Name | Params', ':-------|:----|:-----|:-----', ...rows, ''].join('\n');
}

function textSection(title: string, events: readonly EventInfo[]): string {
  const rows = events.map((event) => {
    const params = event.params.map((param) => {
      const flags = Object.keys(param.flags ?? {});
      return `${typeName(param)} ${param.name}${flags.length === 0 ? '' : `: ${flags.join(', ')}`}`;
    });
    return `${direction(event)} ${event.name}(${params.join(', ')})`;
  });
  return [`## ${title}`, '', ...rows, ''].join('\n');
}
