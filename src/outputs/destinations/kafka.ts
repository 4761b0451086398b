import { destination } from '../forward/destination.ts';
import { DeliveryError } from '../forward/error.ts';
import { choice, flag, list, secret, text } from '../forward/option.ts';
import { body } from './format/index.ts';
import { schemaOption } from './schema.ts';

const ACKS = { ALL: -1, NONE: 0, ONE: 1 } as const;

export const kafka = destination({
  name: 'kafka',
  label: 'kafka',
  group: 'queue',
  doc: "Records in Kafka; the key is the sensor's host, so that its alerts stay in order.",
  options: {
    hostport: list('The brokers; turns the output on, with the topic.'),
    topic: text('The topic.'),
    sasl: choice('How to authenticate; empty: not at all.', ['', 'PLAIN', 'SCRAM_SHA256', 'SCRAM_SHA512'], ''),
    tls: flag('Use TLS.'),
    username: text('A user.'),
    password: secret("The user's password."),
    async: flag('Accepted and never so: an alert is done when the broker says so.'),
    requiredacks: choice('Which replicas must have a record.', ['ALL', 'ONE', 'NONE'], 'ALL'),
    compression: choice('How batches are compressed.', ['NONE', 'GZIP', 'SNAPPY', 'LZ4', 'ZSTD'], 'NONE'),
    balancer: text('Accepted: records go to the partition of their key.', 'round_robin'),
    clientid: text('The client id.', 'windhover'),
    topiccreation: flag('Make the topic when it is missing.'),
    schema: schemaOption,
  },
  enabled: (o) => o.hostport.length > 0 && o.topic !== '',
  batch: () => ({ count: 500, bytes: 900_000, linger: 0 }),
  async open(o, { tls, timeout }) {
    const { Producer, stringSerializers } = await import('@platformatic/kafka');
    const make = () =>
      new Producer({
        clientId: o.clientid,
        bootstrapBrokers: [...o.hostport],
        serializers: stringSerializers,
        acks: ACKS[o.requiredacks],
        autocreateTopics: o.topiccreation,
        ...(o.compression !== 'NONE' && { compression: o.compression.toLowerCase() as 'gzip' }),
        connectTimeout: timeout,
        timeout,
        retries: 0,
        ...(o.tls && { tls: { rejectUnauthorized: tls.checkCertificate, ca: tls.ca, cert: tls.cert, key: tls.key } }),
        ...(o.sasl !== '' && {
          sasl: { mechanism: o.sasl.replace('_SHA', '-SHA-') as 'PLAIN', username: o.username, password: o.password },
        }),
      });
    let producer: ReturnType<typeof make> | null = null;
    return {
      async send(alerts) {
        producer ??= make();
        try {
          await producer.send({
            messages: alerts.map((alert) => ({
              topic: o.topic,
              key: alert.hostname || alert.source,
              value: body(o.schema, alert),
              headers: { uuid: alert.uuid },
            })),
          });
        } catch (error) {
          const broken = producer;
          producer = null;
          void broken.close().catch(() => {});
          throw new DeliveryError(reason(error), { retry: !isFinal(error), cause: error });
        }
      },
      async check() {
        producer ??= make();
        await producer.metadata({ topics: [o.topic] });
      },
      async close() {
        await producer?.close();
      },
    };
  },
});

/** The innermost messages: the library wraps what a broker said several times. */
function reason(error: unknown): string {
  const { message, errors } = error as { message: string; errors?: readonly unknown[] };
  return errors === undefined || errors.length === 0 ? message : errors.map(reason).join('; ');
}

/** A record that the broker will never take. */
function isFinal(error: unknown): boolean {
  return /MESSAGE_TOO_LARGE|RECORD_LIST_TOO_LARGE|INVALID_RECORD|RecordTooLarge/i.test(reason(error));
}
