import { destination } from '../forward/destination.ts';
import { DeliveryError } from '../forward/error.ts';
import { flag, integer, secret, text } from '../forward/option.ts';
import { body } from './format/index.ts';
import { schemaOption } from './schema.ts';

export const mqtt = destination({
  name: 'mqtt',
  label: 'mqtt',
  group: 'queue',
  doc: 'Messages over MQTT, on one connection, each acknowledged (QoS 1 and 2).',
  options: {
    broker: text('`tcp://host:port` or `ssl://host:port`; turns the output on.'),
    topic: text('The topic.', 'falco/events'),
    qos: integer('0, 1 or 2; with 0 nothing tells that a message arrived.', 0),
    retained: flag('Ask the broker to keep the last message.'),
    user: text('A user.'),
    password: secret("The user's password."),
    clientid: text('The client id; default: one made for each start.'),
    schema: schemaOption,
  },
  enabled: (o) => o.broker !== '',
  batch: () => ({ count: 64, bytes: 1_000_000, linger: 0 }),
  async open(o, { tls, timeout }) {
    const { connectAsync } = await import('mqtt');
    type Client = Awaited<ReturnType<typeof connectAsync>>;
    let client: Client | null = null;
    async function ready(): Promise<Client> {
      if (client?.connected) return client;
      client?.end(true);
      client = null;
      const url = o.broker.replace(/^tcp:/, 'mqtt:').replace(/^(ssl|tls):/, 'mqtts:');
      const made = await connectAsync(
        url,
        {
          connectTimeout: timeout,
          reconnectPeriod: 0,
          clean: o.clientid === '',
          ...(o.clientid !== '' && { clientId: o.clientid }),
          ...(o.user !== '' && { username: o.user, password: o.password }),
          rejectUnauthorized: tls.checkCertificate,
          ...(tls.ca !== undefined && { ca: tls.ca }),
          ...(tls.cert !== undefined && { cert: tls.cert }),
          ...(tls.key !== undefined && { key: tls.key }),
        },
        false,
      );
      made.on('error', () => {});
      client = made;
      return made;
    }
    return {
      async send(alerts) {
        const qos = Math.min(2, Math.max(0, o.qos)) as 0 | 1 | 2;
        try {
          const current = await ready();
          const gone = new Promise<never>((_resolve, reject) => {
            current.once('close', () => reject(new Error('connection closed')));
          });
          gone.catch(() => {});
          const sent = Promise.all(
            alerts.map((alert) => current.publishAsync(o.topic, body(o.schema, alert), { qos, retain: o.retained })),
          );
          let timer: NodeJS.Timeout | undefined;
          const late = new Promise<never>((_resolve, reject) => {
            timer = setTimeout(() => reject(new Error(`no acknowledgement within ${timeout} ms`)), timeout);
          });
          try {
            await Promise.race([sent, gone, late]);
          } finally {
            clearTimeout(timer);
          }
        } catch (error) {
          client?.end(true);
          client = null;
          throw new DeliveryError((error as Error).message, { retry: true, cause: error });
        }
      },
      async check() {
        await ready();
      },
      async close() {
        await client?.endAsync();
      },
    };
  },
});
