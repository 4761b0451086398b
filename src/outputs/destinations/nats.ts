import { destination } from '../forward/destination.ts';
import { DeliveryError } from '../forward/error.ts';
import { flag, secret, text } from '../forward/option.ts';
import { body } from './format/index.ts';
import { schemaOption } from './schema.ts';

export const nats = destination({
  name: 'nats',
  label: 'nats',
  group: 'queue',
  doc: 'Messages in NATS, on one connection; with JetStream each is acknowledged and taken once.',
  options: {
    hostport: text('`nats://host:port`; turns the output on.'),
    subjecttemplate: text('The subject; `<priority>` and `<rule>` are replaced.', 'falco.<priority>.<rule>'),
    jetstream: flag('Publish to JetStream: wait for its acknowledgement, and send the uuid as `Nats-Msg-Id`.'),
    stream: text('A stream to make when none takes the subjects (JetStream).'),
    user: text('A user.'),
    password: secret("The user's password."),
    token: secret('A token.'),
    tls: flag('Use TLS with the certificates of `tlsclient` and `mutualtlsclient`.'),
    schema: schemaOption,
  },
  enabled: (o) => o.hostport !== '',
  batch: () => ({ count: 256, bytes: 1_000_000, linger: 0 }),
  async open(o, { tls, timeout }) {
    const { connect, headers } = await import('@nats-io/transport-node');
    const { jetstream, jetstreamManager } = await import('@nats-io/jetstream');
    const plain = (value: string) => value.toLowerCase().replace(/[^\w-]+/g, '_');
    let connection: Awaited<ReturnType<typeof connect>> | null = null;
    let stream: ReturnType<typeof jetstream> | null = null;

    async function ready() {
      if (connection !== null && !connection.isClosed()) return connection;
      connection = await connect({
        servers: o.hostport.split(',').map((server) => server.trim()),
        timeout,
        reconnect: false,
        ...(o.user !== '' && { user: o.user, pass: o.password }),
        ...(o.token !== '' && { token: o.token }),
        ...(o.tls && {
          tls: { ...(tls.ca && { ca: tls.ca }), ...(tls.cert && { cert: tls.cert }), ...(tls.key && { key: tls.key }) },
        }),
      });
      if (!o.jetstream) return connection;
      if (o.stream !== '') {
        const manager = await jetstreamManager(connection);
        const subject = o.subjecttemplate.replace(/<\w+>.*$/, '>');
        await manager.streams.info(o.stream).catch(() => manager.streams.add({ name: o.stream, subjects: [subject] }));
      }
      stream = jetstream(connection, { timeout });
      return connection;
    }

    return {
      async send(alerts) {
        try {
          const current = await ready();
          const messages = alerts.map((alert) => ({
            id: alert.uuid,
            subject: o.subjecttemplate
              .replaceAll('<priority>', plain(alert.priority))
              .replaceAll('<rule>', plain(alert.rule)),
            payload: body(o.schema, alert),
          }));
          if (stream !== null) {
            const { publish } = stream;
            await Promise.all(
              messages.map(({ id, subject, payload }) =>
                publish.call(stream, subject, payload, { msgID: id, timeout }),
              ),
            );
            return;
          }
          for (const { id, subject, payload } of messages) {
            const found = headers();
            found.set('Nats-Msg-Id', id);
            current.publish(subject, payload, { headers: found });
          }
          // A round trip: what was published before it has reached the server.
          await current.flush();
        } catch (error) {
          const broken = connection;
          connection = null;
          stream = null;
          void broken?.close().catch(() => {});
          throw new DeliveryError((error as Error).message, {
            retry: !/maximum payload|max_payload/i.test((error as Error).message),
            cause: error,
          });
        }
      },
      async check() {
        await (await ready()).flush();
      },
      async close() {
        await connection?.close();
      },
    };
  },
});
