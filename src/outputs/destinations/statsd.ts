import { createSocket } from 'node:dgram';
import { type Alert, textOf } from '../forward/alert.ts';
import { destination } from '../forward/destination.ts';
import { DeliveryError } from '../forward/error.ts';
import { list, text } from '../forward/option.ts';

const options = {
  forwarder: text('`host:port` of the daemon; turns the output on.'),
  namespace: text('What the names begin with.', 'falcosidekick.'),
  tags: list('Tags that every counter gets (DogStatsD).'),
};

/** Bytes of a datagram that passes everywhere. */
const DATAGRAM = 1400;

/** Counters of alerts over UDP: `falco.accepted` and one for each rule. */
const counters = (
  name: 'statsd' | 'dogstatsd',
  doc: string,
  line: (alert: Alert, namespace: string, tags: readonly string[]) => string,
) =>
  destination({
    name,
    label: name,
    group: 'metrics',
    doc,
    options,
    enabled: (o) => o.forwarder !== '',
    batch: () => ({ count: 200, bytes: Number.POSITIVE_INFINITY, linger: 0 }),
    open(o) {
      const at = o.forwarder.lastIndexOf(':');
      const host = o.forwarder.slice(0, at).replace(/^\[|\]$/g, '');
      const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
      socket.unref();
      const send = (text: string) =>
        new Promise<void>((resolve, reject) =>
          socket.send(text, Number(o.forwarder.slice(at + 1)), host, (error) =>
            error === null ? resolve() : reject(new DeliveryError(error.message, { retry: true, cause: error })),
          ),
        );
      return {
        async send(alerts) {
          let datagram = '';
          for (const alert of alerts) {
            const text = line(alert, o.namespace, o.tags);
            if (datagram !== '' && datagram.length + text.length > DATAGRAM) {
              await send(datagram);
              datagram = '';
            }
            datagram += `${datagram === '' ? '' : '\n'}${text}`;
          }
          await send(datagram);
        },
        close() {
          socket.close();
        },
      };
    },
  });

const plain = (value: string) => value.replace(/[^\w-]+/g, '_');

export const statsd = counters(
  'statsd',
  'A counter for each kind of alert over the StatsD protocol.',
  (alert, namespace) => {
    const parts = [alert.priority.toLowerCase(), plain(alert.rule)];
    return `${namespace}falco.accepted.${parts.join('.')}:1|c`;
  },
);

export const dogstatsd = counters(
  'dogstatsd',
  'A counter of alerts with tags over the DogStatsD protocol.',
  (alert, namespace, tags) => {
    const tag = (name: string, value: string) => (value === '' ? [] : [`${name}:${value.replace(/[|,\s#]/g, '_')}`]);
    const all = [
      ...tags,
      ...tag('priority', alert.priority.toLowerCase()),
      ...tag('rule', alert.rule),
      ...tag('source', alert.source),
      ...tag('hostname', alert.hostname),
      ...tag('k8s_ns_name', textOf(alert.fields['k8s.ns.name'])),
    ];
    return `${namespace}falco.accepted:1|c|#${all.join(',')}`;
  },
);
