import { toJson } from '../forward/alert.ts';
import { httpDestination, JSON_HEADERS } from '../forward/destination.ts';
import { secret, text } from '../forward/option.ts';

export const sumologic = httpDestination({
  name: 'sumologic',
  label: 'sumologic',
  group: 'logs',
  doc: 'Log lines in Sumo Logic.',
  options: {
    receiverurl: secret('URL of the HTTP source; turns the output on.'),
    sourcecategory: text('Overrides the source category.'),
    sourcehost: text('Overrides the source host.'),
    name: text('Overrides the source name.'),
  },
  enabled: (o) => o.receiverurl !== '',
  batch: () => ({ count: 500, bytes: 1_000_000, linger: 0 }),
  request: (alerts, o) => ({
    url: o.receiverurl,
    headers: {
      ...JSON_HEADERS,
      ...(o.sourcecategory !== '' && { 'X-Sumo-Category': o.sourcecategory }),
      ...(o.sourcehost !== '' && { 'X-Sumo-Host': o.sourcehost }),
      ...(o.name !== '' && { 'X-Sumo-Name': o.name }),
    },
    body: alerts.map(toJson).join('\n'),
  }),
});
