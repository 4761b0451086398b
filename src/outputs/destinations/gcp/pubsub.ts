import { toJson } from '../../forward/alert.ts';
import { destination, JSON_HEADERS, join } from '../../forward/destination.ts';
import { map, text } from '../../forward/option.ts';
import { gcpClient, gcpOptions } from './client.ts';

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
    endpoint: text('Another endpoint; `PUBSUB_EMULATOR_HOST` is honoured.', 'https://pubsub.googleapis.com'),
  },
  enabled: (o) => o.projectid !== '' && o.topic !== '',
  // At most 1000 messages and 10 MB (Pub/Sub quotas); base64 adds a third.
  batch: () => ({ count: 500, bytes: 5_000_000, linger: 0 }),
  open(o, environment) {
    const emulator = process.env.PUBSUB_EMULATOR_HOST;
    const send = emulator === undefined ? gcpClient(o, environment) : environment.http.send;
    const url = join(
      emulator === undefined ? o.endpoint : `http://${emulator}`,
      `/v1/projects/${o.projectid}/topics/${o.topic}:publish`,
    );
    return {
      async send(alerts) {
        const messages = alerts.map((alert) => ({
          data: Buffer.from(toJson(alert)).toString('base64'),
          attributes: { uuid: alert.uuid, ...o.customattributes },
        }));
        await send({ url, headers: JSON_HEADERS, body: JSON.stringify({ messages }) });
      },
    };
  },
});
