import { toJson } from '../forward/alert.ts';
import { httpDestination } from '../forward/destination.ts';
import { map, text } from '../forward/option.ts';

export const cloudevents = httpDestination({
  name: 'cloudevents',
  label: 'cloudevents',
  group: 'serverless',
  doc: 'CloudEvents over HTTP in binary mode.',
  options: { address: text('The URL; turns the output on.'), extensions: map('Further attributes of the event.') },
  enabled: (o) => o.address !== '',
  request: ([alert], o) => ({
    url: o.address,
    headers: Object.fromEntries(
      Object.entries({
        'ce-specversion': '1.0',
        'ce-id': alert.uuid,
        'ce-type': 'falco.rule.output.v1',
        'ce-source': 'https://falco.org',
        'ce-time': alert.time,
        'ce-priority': alert.priority,
        'ce-rule': alert.rule,
        'ce-eventsource': alert.source,
        ...(alert.hostname !== '' && { 'ce-hostname': alert.hostname }),
        ...Object.fromEntries(Object.entries(o.extensions).map(([name, value]) => [`ce-${name.toLowerCase()}`, value])),
        'Content-Type': 'application/json',
      }).map(([name, value]) => [name, headerValue(value)]),
    ),
    body: toJson(alert),
  }),
});

/** What a header cannot hold is percent-encoded (CloudEvents, HTTP binding, "HTTP header values"). */
function headerValue(value: string): string {
  return value.replace(/[^\x20-\x7e]|[%"]/gu, (c) => encodeURIComponent(c));
}
