import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { toJson } from '../../forward/alert.ts';
import { destination, JSON_HEADERS, join } from '../../forward/destination.ts';
import { choice, map, text } from '../../forward/option.ts';
import { grpcCaller } from '../grpc.ts';
import { gcpClient, gcpOptions, gcpTokens } from './client.ts';

interface Message {
  readonly data: string;
  readonly attributes: Readonly<Record<string, string>>;
}

export const gcpPubsub = destination({
  name: 'gcp.pubsub',
  label: 'gcppubsub',
  group: 'queue',
  doc: 'Messages in a Google Cloud Pub/Sub topic.',
  options: {
    ...gcpOptions,
    projectid: text('The project; turns the output on, with the topic.'),
    topic: text('The topic.'),
    customattributes: map('Attributes that every message gets.'),
    protocol: choice('How to speak with it.', ['http', 'grpc'], 'http'),
    endpoint: text(
      'Another endpoint; `PUBSUB_EMULATOR_HOST` is honoured, and spoken to by gRPC.',
      'https://pubsub.googleapis.com',
    ),
  },
  enabled: (o) => o.projectid !== '' && o.topic !== '',
  // At most 1000 messages and 10 MB (Pub/Sub quotas); base64 adds a third.
  batch: () => ({ count: 500, bytes: 5_000_000, linger: 0 }),
  open(o, environment) {
    const emulator = process.env.PUBSUB_EMULATOR_HOST ?? '';
    const topic = `projects/${o.projectid}/topics/${o.topic}`;
    const messagesOf = (alerts: Parameters<typeof toJson>[0][]): Message[] =>
      alerts.map((alert) => ({ data: toJson(alert), attributes: { uuid: alert.uuid, ...o.customattributes } }));

    if (emulator === '' && o.protocol === 'http') {
      const send = gcpClient(o, environment);
      const url = join(o.endpoint, `/v1/${topic}:publish`);
      return {
        async send(alerts) {
          const messages = messagesOf([...alerts]).map(({ data, attributes }) => ({
            data: Buffer.from(data).toString('base64'),
            attributes,
          }));
          await send({ url, headers: JSON_HEADERS, body: JSON.stringify({ messages }) });
        },
      };
    }
    const grpc = grpcCaller(emulator === '' ? o.endpoint : `http://${emulator}`, environment);
    // Emulators take everybody.
    const tokens = emulator === '' ? gcpTokens(o, environment) : null;
    return {
      async send(alerts) {
        const headers: Record<string, string> =
          tokens === null ? {} : { authorization: `Bearer ${await tokens.get()}` };
        try {
          await grpc.call(
            '/google.pubsub.v1.Publisher/Publish',
            publishRequest(topic, messagesOf([...alerts])),
            headers,
          );
        } catch (error) {
          if ((error as Error).message.startsWith('gRPC status 16')) tokens?.forget();
          throw error;
        }
      },
      close: () => grpc.close(),
    };
  },
});

/** google.pubsub.v1.PublishRequest (google/pubsub/v1/pubsub.proto). */
function publishRequest(topic: string, messages: readonly Message[]): Buffer {
  const writer = new BinaryWriter().tag(1, WireType.LengthDelimited).string(topic);
  for (const { data, attributes } of messages) {
    writer.tag(2, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).string(data);
    for (const [name, value] of Object.entries(attributes)) {
      writer.tag(2, WireType.LengthDelimited).fork();
      writer.tag(1, WireType.LengthDelimited).string(name).tag(2, WireType.LengthDelimited).string(value).join();
    }
    writer.join();
  }
  return Buffer.from(writer.finish());
}
