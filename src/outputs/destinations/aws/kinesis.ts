import type { Alert } from '../../forward/alert.ts';
import { toJson } from '../../forward/alert.ts';
import { destination, type Refused } from '../../forward/destination.ts';
import { DeliveryError } from '../../forward/error.ts';
import { text } from '../../forward/option.ts';
import { type AwsClient, awsClient, awsOptions, endpointOption } from './client.ts';

interface Answer {
  readonly Records: readonly { readonly ErrorCode?: string; readonly ErrorMessage?: string }[];
}

export const awsKinesis = destination({
  name: 'aws.kinesis',
  label: 'awskinesis',
  group: 'queue',
  doc: 'Records in an AWS Kinesis stream.',
  options: { ...awsOptions, streamname: text('The stream; turns the output on.'), endpoint: endpointOption },
  enabled: (o) => o.streamname !== '',
  batch: () => ({ count: 500, bytes: 4_000_000, linger: 0 }),
  open(o, environment) {
    const aws = awsClient(o, environment);
    return {
      send: (alerts) =>
        putRecords(aws, o.endpoint || `https://kinesis.${aws.region}.amazonaws.com/`, o.streamname, alerts),
      check: () => aws.identify(),
    };
  },
});

/** PutRecords; a record that was not taken is reported by itself. */
export async function putRecords(
  aws: AwsClient,
  url: string,
  stream: string,
  alerts: readonly Alert[],
): Promise<Refused[]> {
  const { Records } = await aws.json<Answer>('kinesis', url, 'Kinesis_20131202.PutRecords', {
    StreamName: stream,
    // One key for one sensor: its alerts stay in order.
    Records: alerts.map((alert) => ({
      Data: Buffer.from(toJson(alert)).toString('base64'),
      PartitionKey: alert.hostname || alert.source,
    })),
  });
  return Records.flatMap(({ ErrorCode, ErrorMessage }, index) =>
    ErrorCode === undefined || ErrorCode === null
      ? []
      : [{ index, error: new DeliveryError(`${ErrorCode}: ${ErrorMessage}`, { retry: true }) }],
  );
}
