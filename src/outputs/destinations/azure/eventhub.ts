import { createHmac } from 'node:crypto';
import { toJson } from '../../forward/alert.ts';
import { destination, join } from '../../forward/destination.ts';
import { secret, text } from '../../forward/option.ts';
import { entraToken } from './identity.ts';

const RESOURCE = 'https://eventhubs.azure.net';

export const azureEventhub = destination({
  name: 'azure.eventhub',
  label: 'azureeventhub',
  group: 'queue',
  doc: 'Events in an Azure Event Hub, through its HTTPS endpoint.',
  options: {
    name: text('The event hub; turns the output on, with the namespace.'),
    namespace: text('The namespace, with or without `.servicebus.windows.net`.'),
    keyname: text(
      'Name of a shared access policy; without: the identity of the workload, the environment or the machine.',
    ),
    key: secret('Key of the policy.'),
    endpoint: text('Another endpoint.'),
  },
  enabled: (o) => o.name !== '' && o.namespace !== '',
  batch: () => ({ count: 200, bytes: 200_000, linger: 0 }),
  open(o, environment) {
    const host = o.namespace.includes('.') ? o.namespace : `${o.namespace}.servicebus.windows.net`;
    const base = o.endpoint || `https://${host}`;
    let token: { readonly value: string; readonly until: number } | null = null;

    async function authorization(): Promise<string> {
      if (token !== null && token.until > environment.now()) return token.value;
      token =
        o.keyname === ''
          ? await entraToken(RESOURCE, environment)
          : {
              value: sasToken(`https://${host}/${o.name}`, o.keyname, o.key, environment.now() + 3_600_000),
              until: environment.now() + 3_000_000,
            };
      return token.value;
    }

    return {
      async send(alerts) {
        await environment.http.send({
          url: join(base, `/${o.name}/messages?api-version=2014-01`),
          headers: {
            Authorization: await authorization(),
            'Content-Type': 'application/vnd.microsoft.servicebus.json',
          },
          body: JSON.stringify(alerts.map((alert) => ({ Body: toJson(alert), UserProperties: { uuid: alert.uuid } }))),
        });
      },
      async check() {
        await authorization();
      },
    };
  },
});

/** A shared access signature (Azure Event Hubs, "Generate SAS token"). @param until milliseconds since the epoch */
export function sasToken(resource: string, keyName: string, key: string, until: number): string {
  const expiry = Math.floor(until / 1000);
  const uri = encodeURIComponent(resource);
  const signature = createHmac('sha256', key).update(`${uri}\n${expiry}`).digest('base64');
  return `SharedAccessSignature sr=${uri}&sig=${encodeURIComponent(signature)}&se=${expiry}&skn=${keyName}`;
}
