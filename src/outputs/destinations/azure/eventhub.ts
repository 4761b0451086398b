import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { toJson } from '../../forward/alert.ts';
import { destination, type Environment, join } from '../../forward/destination.ts';
import { secret, text } from '../../forward/option.ts';

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
          ? await entraToken(environment)
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

/** A token of Microsoft Entra: a client secret or a federated token of the environment, else the machine's identity. */
async function entraToken({ http, now }: Environment): Promise<{ value: string; until: number }> {
  const env = process.env;
  const authority = (env.AZURE_AUTHORITY_HOST || 'https://login.microsoftonline.com').replace(/\/+$/, '');
  const form = new URLSearchParams({
    client_id: env.AZURE_CLIENT_ID ?? '',
    scope: `${RESOURCE}/.default`,
    grant_type: 'client_credentials',
  });
  let answer: string;
  if (env.AZURE_CLIENT_SECRET || env.AZURE_FEDERATED_TOKEN_FILE) {
    if (env.AZURE_CLIENT_SECRET) form.set('client_secret', env.AZURE_CLIENT_SECRET);
    else {
      form.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
      form.set('client_assertion', (await readFile(env.AZURE_FEDERATED_TOKEN_FILE as string, 'utf8')).trim());
    }
    const url = `${authority}/${env.AZURE_TENANT_ID}/oauth2/v2.0/token`;
    answer = (
      await http.send({ url, headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, body: form.toString() })
    ).body;
  } else {
    const query = new URLSearchParams({
      'api-version': '2018-02-01',
      resource: RESOURCE,
      ...(env.AZURE_CLIENT_ID && { client_id: env.AZURE_CLIENT_ID }),
    });
    answer = (
      await http.send({
        method: 'GET',
        url: `http://169.254.169.254/metadata/identity/oauth2/token?${query}`,
        headers: { Metadata: 'true' },
      })
    ).body;
  }
  const { access_token, expires_in } = JSON.parse(answer) as { access_token: string; expires_in: number | string };
  return { value: `Bearer ${access_token}`, until: now() + (Number(expires_in) - 120) * 1000 };
}
