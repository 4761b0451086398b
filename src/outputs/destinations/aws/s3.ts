import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { type Alert, rfc3339, toJson } from '../../forward/alert.ts';
import { type Batch, destination, type Sink } from '../../forward/destination.ts';
import { duration, flag, integer, text } from '../../forward/option.ts';
import { type AwsClient, awsClient, awsOptions, endpointOption } from './client.ts';

const compress = promisify(gzip);

/** Options of every object store that takes many alerts in one object. */
export const objectOptions = {
  bucket: text('The bucket; turns the output on.'),
  prefix: text('What object names begin with.'),
  'batching.enabled': flag(
    'Put many alerts into one object (gzip, one a line) below `date=…/hour=…`, instead of one object each.',
  ),
  'batching.batchsize': integer('Most alerts in an object.', 10_000),
  'batching.flushinterval': text('How long an alert may wait for others.', '60s'),
};
interface ObjectOptions {
  readonly prefix: string;
  readonly 'batching.enabled': boolean;
  readonly 'batching.batchsize': number;
  readonly 'batching.flushinterval': string;
}

export function objectBatch(o: ObjectOptions): Batch {
  if (!o['batching.enabled']) return { count: 1, bytes: Number.POSITIVE_INFINITY, linger: 0 };
  return { count: o['batching.batchsize'], bytes: 32_000_000, linger: duration(o['batching.flushinterval']) };
}

/**
 * Name and content of the object for a batch. The name is made from the alerts alone: a repetition overwrites the
 * same object instead of making another one.
 */
export async function toObjectFile(
  alerts: readonly Alert[],
  o: ObjectOptions,
): Promise<{ name: string; type: string; body: Buffer | string }> {
  const [first] = alerts;
  const time = rfc3339(first.nanoseconds);
  const at = (path: string) => (o.prefix === '' ? path : `${o.prefix.replace(/\/+$/, '')}/${path}`);
  if (!o['batching.enabled']) {
    return {
      name: at(`${time.slice(0, 10)}/${time}-${first.uuid}.json`),
      type: 'application/json',
      body: toJson(first),
    };
  }
  const name = at(
    `date=${time.slice(0, 10)}/hour=${time.slice(11, 13)}/${time}-${first.uuid}-${alerts.length}.ndjson.gz`,
  );
  return { name, type: 'application/gzip', body: await compress(`${alerts.map(toJson).join('\n')}\n`) };
}

export const awsS3 = destination({
  name: 'aws.s3',
  label: 'awss3',
  group: 'object storage',
  doc: 'Objects in AWS S3 or a store with its API.',
  options: {
    ...awsOptions,
    ...objectOptions,
    endpoint: endpointOption,
    objectcannedacl: text('The canned ACL of the objects.'),
  },
  enabled: (o) => o.bucket !== '',
  batch: objectBatch,
  open: (o, environment) => s3Sink(awsClient(o, environment), o),
});

export function s3Sink(
  aws: AwsClient,
  o: ObjectOptions & { readonly bucket: string; readonly endpoint: string; readonly objectcannedacl: string },
): Sink {
  return {
    async send(alerts) {
      const { name, type, body } = await toObjectFile(alerts, o);
      await putObject(aws, o, name, type, body);
    },
    check: () => aws.identify(),
  };
}

export async function putObject(
  aws: AwsClient,
  o: { readonly bucket: string; readonly endpoint: string; readonly objectcannedacl?: string },
  name: string,
  type: string,
  body: Buffer | string,
): Promise<void> {
  const base =
    o.endpoint === ''
      ? `https://${o.bucket}.s3.${aws.region}.amazonaws.com`
      : `${o.endpoint.replace(/\/+$/, '')}/${o.bucket}`;
  await aws.send({
    method: 'PUT',
    service: 's3',
    url: `${base}/${name.split('/').map(encodeURIComponent).join('/')}`,
    headers: { 'Content-Type': type, ...(o.objectcannedacl && { 'X-Amz-Acl': o.objectcannedacl }) },
    body,
  });
}
