import { createHmac } from 'node:crypto';
import { destination, join } from '../../forward/destination.ts';
import { secret, text } from '../../forward/option.ts';
import { objectBatch, objectOptions, toObjectFile } from '../aws/s3.ts';
import { entraToken } from './identity.ts';

const RESOURCE = 'https://storage.azure.com';
/** Version of the Blob service that the requests are written for. */
const VERSION = '2021-12-02';
const { bucket: _bucket, ...shape } = objectOptions;

export const azureBlob = destination({
  name: 'azure.blob',
  label: 'azureblob',
  group: 'object storage',
  doc: 'Block blobs in Azure Storage.',
  options: {
    account: text('The storage account; turns the output on, with the container.'),
    container: text('The container.'),
    key: secret(
      'A key of the account, in base64; without: the identity of the workload, the environment or the machine.',
    ),
    ...shape,
    endpoint: text('Another endpoint; what comes after its host is part of every path.'),
  },
  enabled: (o) => o.account !== '' && o.container !== '',
  batch: objectBatch,
  open(o, environment) {
    const base = o.endpoint || `https://${o.account}.blob.core.windows.net`;
    let token: { readonly value: string; readonly until: number } | null = null;

    async function authorization(url: URL, headers: Record<string, string>, length: number): Promise<string> {
      if (o.key !== '') return sharedKey(o.account, o.key, url, headers, length);
      if (token === null || token.until <= environment.now()) token = await entraToken(RESOURCE, environment);
      return token.value;
    }

    return {
      async send(alerts) {
        const { name, type, body } = await toObjectFile(alerts, o);
        const path = [o.container, ...name.split('/')].map(encodeURIComponent).join('/');
        const url = new URL(join(base, `/${path}`));
        const bytes = Buffer.from(body);
        const headers = {
          'Content-Type': type,
          'x-ms-blob-type': 'BlockBlob',
          'x-ms-date': new Date(environment.now()).toUTCString(),
          'x-ms-version': VERSION,
        };
        await environment.http.send({
          method: 'PUT',
          url: url.href,
          headers: { ...headers, Authorization: await authorization(url, headers, bytes.length) },
          body: bytes,
        });
      },
    };
  },
});

/** The `Authorization` of a PUT (Azure Storage, "Authorize with Shared Key"). */
function sharedKey(
  account: string,
  key: string,
  url: URL,
  headers: Readonly<Record<string, string>>,
  length: number,
): string {
  const own = Object.entries(headers)
    .filter(([name]) => name.startsWith('x-ms-'))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}:${value}`);
  const lines = [
    'PUT',
    ...['', ''], // Content-Encoding, Content-Language
    length === 0 ? '' : String(length),
    '', // Content-MD5
    headers['Content-Type'] ?? '',
    ...['', '', '', '', '', ''], // Date, the four conditions, Range
    ...own,
    `/${account}${url.pathname}`,
  ];
  const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(lines.join('\n')).digest('base64');
  return `SharedKey ${account}:${signature}`;
}
