import { toJson } from '../../forward/alert.ts';
import { destination, join } from '../../forward/destination.ts';
import { DeliveryError } from '../../forward/error.ts';
import { choice, text } from '../../forward/option.ts';
import { awsClient, awsOptions, endpointOption } from './client.ts';

export const awsLambda = destination({
  name: 'aws.lambda',
  label: 'awslambda',
  group: 'serverless',
  doc: 'The alert as JSON to an AWS Lambda function.',
  options: {
    ...awsOptions,
    functionname: text('The function; turns the output on.'),
    invocationtype: choice(
      'Whether to wait for the function.',
      ['RequestResponse', 'Event', 'DryRun'],
      'RequestResponse',
    ),
    logtype: choice('Whether the answer carries the log.', ['Tail', 'None'], 'Tail'),
    endpoint: endpointOption,
  },
  enabled: (o) => o.functionname !== '',
  open(o, environment) {
    const aws = awsClient(o, environment);
    const base = o.endpoint || `https://lambda.${aws.region}.amazonaws.com`;
    return {
      async send([alert]) {
        const { headers, body } = await aws.send({
          service: 'lambda',
          url: join(base, `/2015-03-31/functions/${encodeURIComponent(o.functionname)}/invocations`),
          headers: {
            'Content-Type': 'application/json',
            'X-Amz-Invocation-Type': o.invocationtype,
            'X-Amz-Log-Type': o.logtype,
          },
          body: toJson(alert),
        });
        const error = headers['x-amz-function-error'];
        if (error !== undefined)
          throw new DeliveryError(`the function failed (${error}): ${body.slice(0, 300)}`, { retry: false });
      },
      check: () => aws.identify(),
    };
  },
});
