import type { ConfirmChannel } from 'amqplib';
import { destination } from '../forward/destination.ts';
import { DeliveryError } from '../forward/error.ts';
import { flag, secret, text } from '../forward/option.ts';
import { body } from './format/index.ts';
import { schemaOption } from './schema.ts';

export const rabbitmq = destination({
  name: 'rabbitmq',
  label: 'rabbitmq',
  group: 'queue',
  doc: 'Persistent messages in RabbitMQ (AMQP 0.9.1), each confirmed by the broker.',
  options: {
    url: secret('`amqp://user:password@host:port/vhost`; turns the output on, with the queue.'),
    queue: text('The queue, or the routing key of the exchange.'),
    exchange: text('An exchange; empty: straight into the queue.'),
    declare: flag('Make the queue (durable) when it is missing.', true),
    schema: schemaOption,
  },
  enabled: (o) => o.url !== '' && o.queue !== '',
  batch: () => ({ count: 256, bytes: 2_000_000, linger: 0 }),
  async open(o, { tls, timeout }) {
    const { connect } = await import('amqplib');
    let connection: Awaited<ReturnType<typeof connect>> | null = null;
    let channel: ConfirmChannel | null = null;
    /** Why the channel went away: amqplib tells it by an event only. */
    let broken: Error | null = null;

    async function ready() {
      if (channel !== null) return channel;
      broken = null;
      const lost = (error?: Error) => {
        broken ??= error ?? new Error('connection closed');
        channel = null;
        connection = null;
      };
      const made = await connect(o.url, {
        timeout,
        rejectUnauthorized: tls.checkCertificate,
        ca: tls.ca,
        cert: tls.cert,
        key: tls.key,
      });
      made.on('error', lost);
      made.on('close', lost);
      const opened = await made.createConfirmChannel();
      opened.on('error', lost);
      opened.on('close', lost);
      if (o.declare && o.exchange === '') {
        // A queue that exists with other properties is used as it is: asking for ours would close the channel.
        const probe = await made.createChannel();
        probe.on('error', () => {});
        const exists = await probe.checkQueue(o.queue).then(
          () => true,
          () => false,
        );
        if (exists) await probe.close();
        else await opened.assertQueue(o.queue, { durable: true });
      }
      connection = made;
      channel = opened;
      return opened;
    }

    return {
      async send(alerts) {
        try {
          const current = await ready();
          const confirmed = alerts.map(
            (alert) =>
              new Promise<void>((resolve, reject) => {
                current.publish(
                  o.exchange,
                  o.queue,
                  Buffer.from(body(o.schema, alert)),
                  {
                    persistent: true,
                    messageId: alert.uuid,
                    contentType: 'application/json',
                    timestamp: Math.floor(alert.received / 1000),
                    mandatory: false,
                  },
                  (error) => (error ? reject(error) : resolve()),
                );
              }),
          );
          let timer: NodeJS.Timeout | undefined;
          const late = new Promise<never>((_resolve, reject) => {
            timer = setTimeout(() => reject(new Error(`no confirmation within ${timeout} ms`)), timeout);
          });
          try {
            await Promise.race([Promise.all(confirmed), late]);
          } finally {
            clearTimeout(timer);
          }
        } catch (error) {
          const { message } = broken ?? (error as Error);
          void connection?.close().catch(() => {});
          connection = null;
          channel = null;
          throw new DeliveryError(message, { retry: true, cause: error });
        }
      },
      async check() {
        await ready();
      },
      async close() {
        await connection?.close().catch(() => {});
      },
    };
  },
});
