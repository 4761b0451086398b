import { destination } from '../forward/destination.ts';
import { DeliveryError } from '../forward/error.ts';
import { choice, flag, integer, secret, text } from '../forward/option.ts';
import { body } from './format/index.ts';
import { schemaOption } from './schema.ts';

export const redis = destination({
  name: 'redis',
  label: 'redis',
  group: 'database',
  doc: 'Alerts in Redis: a list, a hash by uuid, or a stream.',
  options: {
    address: text('`host:port`, or a `redis://` URL; turns the output on.'),
    username: text('A user.'),
    password: secret("The user's password."),
    database: integer('The number of the database.', 0),
    storagetype: choice('How alerts are stored.', ['list', 'hashmap', 'stream'], 'list'),
    key: text('The key.', 'falco'),
    maxlength: integer('Entries that a list or stream keeps, about; 0: all.', 0),
    tls: flag('Use TLS.'),
    version: integer('Accepted and not needed: the server says what it speaks.', 0),
    certfile: text('The certificate for `mutualtls`, instead of the one of `mutualtlsclient`.'),
    keyfile: text('The key for `mutualtls`, instead of the one of `mutualtlsclient`.'),
    cacertfile: text("The CA of the server's certificate, instead of the one of `tlsclient`."),
    schema: schemaOption,
  },
  enabled: (o) => o.address !== '',
  batch: () => ({ count: 500, bytes: 2_000_000, linger: 0 }),
  async open(o, { tls, timeout }) {
    const { createClient } = await import('redis');
    const url = o.address.includes('://') ? o.address : `redis${o.tls ? 's' : ''}://${o.address}`;
    const make = () =>
      createClient({
        url,
        ...(o.username !== '' && { username: o.username }),
        ...(o.password !== '' && { password: o.password }),
        database: o.database,
        // The queue is ours: a command without a connection fails at once.
        disableOfflineQueue: true,
        socket: {
          connectTimeout: timeout,
          reconnectStrategy: false,
          ...(url.startsWith('rediss:') && {
            tls: true as const,
            rejectUnauthorized: tls.checkCertificate,
            ...(tls.ca !== undefined && { ca: tls.ca }),
            ...(tls.cert !== undefined && { cert: tls.cert }),
            ...(tls.key !== undefined && { key: tls.key }),
          }),
        },
      }).on('error', () => {});
    let client: ReturnType<typeof make> | null = null;
    const connection = async () => {
      if (client?.isReady) return client;
      client?.destroy();
      client = null;
      const made = make();
      await made.connect();
      client = made;
      return made;
    };
    const failed = (error: unknown) => {
      client?.destroy();
      client = null;
      // A transaction's error hides the commands' own.
      const { message, replies } = error as Error & { replies?: readonly unknown[] };
      const reason = (replies?.find((reply) => reply instanceof Error) as Error | undefined)?.message ?? message;
      return new DeliveryError(reason, { retry: !/^(WRONGTYPE|ERR syntax)/.test(reason), cause: error });
    };
    return {
      async send(alerts) {
        try {
          const multi = (await connection()).multi();
          if (o.storagetype === 'list') {
            multi.rPush(
              o.key,
              alerts.map((alert) => body(o.schema, alert)),
            );
            if (o.maxlength > 0) multi.lTrim(o.key, -o.maxlength, -1);
          } else if (o.storagetype === 'hashmap') {
            for (const alert of alerts) multi.hSet(o.key, alert.uuid, body(o.schema, alert));
          } else {
            for (const alert of alerts) {
              const trim =
                o.maxlength > 0
                  ? { TRIM: { strategy: 'MAXLEN' as const, strategyModifier: '~' as const, threshold: o.maxlength } }
                  : {};
              multi.xAdd(
                o.key,
                '*',
                { uuid: alert.uuid, rule: alert.rule, priority: alert.priority, alert: body(o.schema, alert) },
                trim,
              );
            }
          }
          await multi.exec();
        } catch (error) {
          throw failed(error);
        }
      },
      async check() {
        try {
          await (await connection()).ping();
        } catch (error) {
          throw failed(error);
        }
      },
      close() {
        client?.destroy();
      },
    };
  },
});
