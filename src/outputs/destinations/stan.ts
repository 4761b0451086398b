import { destination } from '../forward/destination.ts';
import { text } from '../forward/option.ts';

export const stan = destination({
  name: 'stan',
  label: 'stan',
  group: 'queue',
  doc: 'NATS Streaming reached its end of life in June 2023 and is not supported: use `nats` with `jetstream: true`.',
  options: {
    hostport: text('Refused with a message when set.'),
    clusterid: text('Refused with a message when set.'),
    clientid: text('Refused with a message when set.'),
    subjecttemplate: text('Refused with a message when set.', 'falco.<priority>.<rule>'),
  },
  enabled: (o) => o.hostport !== '' && o.clusterid !== '' && o.clientid !== '',
  open() {
    throw new Error(
      'NATS Streaming has reached its end of life; configure `nats` with `jetstream: true` instead of `stan`',
    );
  },
});
