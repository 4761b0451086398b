import { toJson } from '../forward/alert.ts';
import { httpDestination, JSON_HEADERS } from '../forward/destination.ts';
import { text } from '../forward/option.ts';

export const tekton = httpDestination({
  name: 'tekton',
  label: 'tekton',
  group: 'web',
  doc: 'The alert as JSON to a Tekton event listener.',
  options: { eventlistener: text('URL of the listener; turns the output on.') },
  enabled: (o) => o.eventlistener !== '',
  request: ([alert], o) => ({ url: o.eventlistener, headers: JSON_HEADERS, body: toJson(alert) }),
});
