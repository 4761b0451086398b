import { toJson } from '../forward/alert.ts';
import { httpDestination, JSON_HEADERS } from '../forward/destination.ts';
import { choice, duration, flag, integer, map, text } from '../forward/option.ts';

export const webhook = httpDestination({
  name: 'webhook',
  label: 'webhook',
  group: 'web',
  doc: 'The alert as JSON to any URL.',
  options: {
    address: text('The URL; turns the output on.'),
    method: choice('The method.', ['POST', 'PUT'], 'POST'),
    customheaders: map('Further HTTP headers.'),
    'batching.enabled': flag('Send many alerts in one request, one a line (`application/x-ndjson`).'),
    'batching.batchsize': integer('Most alerts in a request.', 500),
    'batching.flushinterval': text('How long an alert may wait for others.', '0s'),
  },
  enabled: (o) => o.address !== '',
  batch: (o) => ({
    count: o['batching.enabled'] ? o['batching.batchsize'] : 1,
    bytes: 5_000_000,
    linger: o['batching.enabled'] ? duration(o['batching.flushinterval']) : 0,
  }),
  request: (alerts, o) => ({
    method: o.method,
    url: o.address,
    headers: o['batching.enabled']
      ? {
          'Content-Type': 'application/x-ndjson',
          'Idempotency-Key': `${alerts[0].uuid}-${alerts.length}`,
          ...o.customheaders,
        }
      : { ...JSON_HEADERS, 'Idempotency-Key': alerts[0].uuid, ...o.customheaders },
    body: alerts.map(toJson).join('\n'),
  }),
});
