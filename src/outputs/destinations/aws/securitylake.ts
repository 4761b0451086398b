import { type Alert, rfc3339 } from '../../forward/alert.ts';
import { destination } from '../../forward/destination.ts';
import { integer, text } from '../../forward/option.ts';
import { toOcsf } from '../format/index.ts';
import { awsClient, awsOptions, endpointOption } from './client.ts';
import { putObject } from './s3.ts';

/** Minutes between two objects that Security Lake recommends at least, and at most. */
const MIN_INTERVAL = 5;
const MAX_INTERVAL = 60;

export const awsSecuritylake = destination({
  name: 'aws.securitylake',
  label: 'awssecuritylake',
  group: 'siem',
  doc: 'OCSF Detection Findings as Parquet in AWS Security Lake. Alerts wait in the durable queue, not in memory.',
  options: {
    ...awsOptions,
    bucket: text('The bucket of the custom source; turns the output on, with the account.'),
    prefix: text("What object names begin with: the custom source's location.", 'ext/falco'),
    accountid: text('The account that the events belong to.'),
    interval: integer('Minutes between two objects, 5 to 60.', MIN_INTERVAL),
    batchsize: integer('Most alerts in an object.', 1000),
    endpoint: endpointOption,
  },
  enabled: (o) => o.bucket !== '' && o.accountid !== '',
  batch: (o) => ({
    count: o.batchsize,
    bytes: 64_000_000,
    linger: Math.min(MAX_INTERVAL, Math.max(MIN_INTERVAL, o.interval)) * 60_000,
  }),
  open(o, environment) {
    const aws = awsClient(o, environment);
    return {
      async send(alerts) {
        const [first] = alerts;
        const time = rfc3339(first.nanoseconds);
        const folder = `region=${aws.region}/accountId=${o.accountid}/eventDay=${time.slice(0, 10).replaceAll('-', '')}`;
        const name = `${o.prefix.replace(/\/+$/, '')}/${folder}/${first.uuid}-${alerts.length}.parquet`;
        await putObject(aws, o, name, 'application/vnd.apache.parquet', await toParquet(alerts));
      },
      check: () => aws.identify(),
    };
  },
});

/** Findings as columns; what is nested is JSON. Security Lake wants rows in the order of `time`. */
export async function toParquet(alerts: readonly Alert[]): Promise<Buffer> {
  const { parquetWriteBuffer } = await import('hyparquet-writer');
  const findings = alerts.map(toOcsf).sort((a, b) => Number(a.time) - Number(b.time));
  const columnData = Object.keys(findings[0]).map((name) => {
    const values = findings.map((finding) => finding[name]);
    const isText = typeof values[0] === 'string';
    if (name === 'time') return { name, data: values.map((value) => BigInt(value as number)), type: 'INT64' as const };
    if (typeof values[0] === 'number') return { name, data: values, type: 'INT32' as const };
    return { name, data: isText ? values : values.map((value) => JSON.stringify(value)), type: 'STRING' as const };
  });
  return Buffer.from(parquetWriteBuffer({ columnData }));
}
