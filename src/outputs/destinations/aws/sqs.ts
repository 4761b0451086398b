import { toJson } from '../../forward/alert.ts';
import { destination } from '../../forward/destination.ts';
import { DeliveryError } from '../../forward/error.ts';
import { text } from '../../forward/option.ts';
import { awsClient, awsOptions, endpointOption } from './client.ts';

interface Answer {
  readonly Failed?: readonly {
    readonly Id: string;
    readonly Code: string;
    readonly Message?: string;
    readonly SenderFault: boolean;
  }[];
}

export const awsSqs = destination({
  name: 'aws.sqs',
  label: 'awssqs',
  group: 'queue',
  doc: 'The alert as JSON to an AWS SQS queue, ten in a request; a FIFO queue takes each alert once.',
  options: { ...awsOptions, url: text('URL of the queue; turns the output on.'), endpoint: endpointOption },
  enabled: (o) => o.url !== '',
  batch: () => ({ count: 10, bytes: 240_000, linger: 0 }),
  open(o, environment) {
    const aws = awsClient(o, environment);
    const isFifo = o.url.endsWith('.fifo');
    return {
      async send(alerts) {
        const { Failed = [] } = await aws.json<Answer>(
          'sqs',
          o.endpoint || o.url,
          'AmazonSQS.SendMessageBatch',
          {
            QueueUrl: o.url,
            Entries: alerts.map((alert, i) => ({
              Id: String(i),
              MessageBody: toJson(alert),
              ...(isFifo && {
                MessageGroupId: alert.rule.replace(/[^\w!-/:-@[-`{-~]/g, '-').slice(0, 128),
                MessageDeduplicationId: alert.uuid,
              }),
            })),
          },
          '1.0',
        );
        return Failed.map(({ Id, Code, Message, SenderFault }) => ({
          index: Number(Id),
          error: new DeliveryError(`${Code}: ${Message ?? ''}`, { retry: !SenderFault }),
        }));
      },
      check: () => aws.identify(),
    };
  },
});
