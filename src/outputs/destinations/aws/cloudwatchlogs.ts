import { toJson } from '../../forward/alert.ts';
import { destination } from '../../forward/destination.ts';
import type { DeliveryError } from '../../forward/error.ts';
import { text } from '../../forward/option.ts';
import { awsClient, awsOptions, endpointOption } from './client.ts';

export const awsCloudwatchlogs = destination({
  name: 'aws.cloudwatchlogs',
  label: 'awscloudwatchlogs',
  group: 'logs',
  doc: 'Log events in AWS CloudWatch Logs.',
  options: {
    ...awsOptions,
    loggroup: text('The log group; turns the output on.'),
    logstream: text('The log stream; made when it is missing.', 'falcosidekick'),
    endpoint: endpointOption,
  },
  enabled: (o) => o.loggroup !== '',
  // At most 10,000 events and 1 MiB, counting 26 bytes for each (CloudWatch Logs, PutLogEvents).
  batch: () => ({ count: 1000, bytes: 900_000, linger: 0 }),
  open(o, environment) {
    const aws = awsClient(o, environment);
    const call = <T>(action: string, body: unknown) =>
      aws.json<T>('logs', o.endpoint || `https://logs.${aws.region}.amazonaws.com/`, `Logs_20140328.${action}`, body);
    const where = { logGroupName: o.loggroup, logStreamName: o.logstream };
    return {
      async send(alerts) {
        const logEvents = alerts
          .map((alert) => ({ timestamp: Number(alert.nanoseconds / 1_000_000n), message: toJson(alert) }))
          .sort((a, b) => a.timestamp - b.timestamp);
        try {
          await call('PutLogEvents', { ...where, logEvents });
        } catch (error) {
          if (!(error as DeliveryError).message.includes('ResourceNotFoundException')) throw error;
          await call('CreateLogStream', where);
          await call('PutLogEvents', { ...where, logEvents });
        }
      },
      check: () => aws.identify(),
    };
  },
});
