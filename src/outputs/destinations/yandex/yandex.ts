import { destination } from '../../forward/destination.ts';
import { secret, shared, text } from '../../forward/option.ts';
import { type AwsOptions, awsClient } from '../aws/client.ts';
import { putRecords } from '../aws/kinesis.ts';
import { objectBatch, objectOptions, s3Sink } from '../aws/s3.ts';

const yandexOptions = shared({
  accesskeyid: text('The static access key.'),
  secretaccesskey: secret('Its secret.'),
  region: text('The region.', 'ru-central1'),
});

const asAws = (o: { accesskeyid: string; secretaccesskey: string; region: string }): AwsOptions => ({
  ...o,
  rolearn: '',
  externalid: '',
  checkidentity: false,
  useirsa: false,
});

export const yandexS3 = destination({
  name: 'yandex.s3',
  label: 'yandexs3',
  group: 'object storage',
  doc: 'Objects in Yandex Object Storage.',
  options: { ...yandexOptions, ...objectOptions, endpoint: text('The endpoint.', 'https://storage.yandexcloud.net') },
  enabled: (o) => o.bucket !== '',
  batch: objectBatch,
  open(o, environment) {
    const { send } = s3Sink(awsClient(asAws(o), environment), { ...o, objectcannedacl: '' });
    return { send };
  },
});

export const yandexDatastreams = destination({
  name: 'yandex.datastreams',
  label: 'yandexdatastreams',
  group: 'queue',
  doc: 'Records in Yandex Data Streams.',
  options: {
    ...yandexOptions,
    endpoint: text('The endpoint.', 'https://yds.serverless.yandexcloud.net'),
    streamname: text('The stream with its path (`/region/folder/database/stream`); turns the output on.'),
  },
  enabled: (o) => o.streamname !== '',
  batch: () => ({ count: 500, bytes: 4_000_000, linger: 0 }),
  open(o, environment) {
    const aws = awsClient(asAws(o), environment);
    return { send: (alerts) => putRecords(aws, o.endpoint, o.streamname, alerts) };
  },
});
