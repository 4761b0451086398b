import { type Alert, fieldTexts, toJson } from '../../forward/alert.ts';
import { destination } from '../../forward/destination.ts';
import { flag, text } from '../../forward/option.ts';
import { awsClient, awsOptions, endpointOption } from './client.ts';

/** With more attributes SNS drops a message on its way to SQS (raw delivery) without a word. */
const MAX_ATTRIBUTES = 10;

export const awsSns = destination({
  name: 'aws.sns',
  label: 'awssns',
  group: 'queue',
  doc: 'Messages to an AWS SNS topic.',
  options: {
    ...awsOptions,
    topicarn: text('The topic; turns the output on.'),
    rawjson: flag('Send the alert as JSON instead of its output with attributes.'),
    endpoint: endpointOption,
  },
  enabled: (o) => o.topicarn !== '',
  open(o, environment) {
    const aws = awsClient(o, environment);
    const isFifo = o.topicarn.endsWith('.fifo');
    return {
      async send([alert]) {
        const form = new URLSearchParams({
          Action: 'Publish',
          Version: '2010-03-31',
          TopicArn: o.topicarn,
          Message: o.rawjson ? toJson(alert) : alert.output,
          ...(isFifo && { MessageGroupId: 'falco', MessageDeduplicationId: alert.uuid }),
        });
        if (!o.rawjson) {
          attributes(alert).forEach(([name, value], i) => {
            form.set(`MessageAttributes.entry.${i + 1}.Name`, name);
            form.set(`MessageAttributes.entry.${i + 1}.Value.DataType`, 'String');
            form.set(`MessageAttributes.entry.${i + 1}.Value.StringValue`, value);
          });
        }
        await aws.send({
          service: 'sns',
          url: o.endpoint || `https://sns.${aws.region}.amazonaws.com/`,
          headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
          body: form.toString(),
        });
      },
      check: () => aws.identify(),
    };
  },
});

function attributes(alert: Alert): [string, string][] {
  const own: [string, string][] = [
    ['priority', alert.priority],
    ['rule', alert.rule],
    ['source', alert.source],
    ['uuid', alert.uuid],
    ['tags', alert.tags.join(',')],
    ['hostname', alert.hostname],
  ];
  const fields = fieldTexts(alert).map(([name, value]): [string, string] => [name.replace(/[^\w.-]/g, '_'), value]);
  return [...own, ...fields].filter(([, value]) => value !== '').slice(0, MAX_ATTRIBUTES);
}
