import { type Alert, fieldTexts, fingerprint, rfc3339, textOf } from '../../forward/alert.ts';
import { cut, destination, join } from '../../forward/destination.ts';
import { DeliveryError } from '../../forward/error.ts';
import { text } from '../../forward/option.ts';
import { awsClient, awsOptions, endpointOption } from './client.ts';

/** Severity labels of the AWS Security Finding Format, by priority. */
const SEVERITY = [
  'CRITICAL',
  'CRITICAL',
  'CRITICAL',
  'HIGH',
  'MEDIUM',
  'LOW',
  'INFORMATIONAL',
  'INFORMATIONAL',
] as const;
/** Longest texts, and most product fields, of a finding. */
const MAX_TITLE = 256;
const MAX_DESCRIPTION = 1024;
const MAX_FIELDS = 50;
const MAX_FIELD = 2048;

interface Answer {
  readonly FailedFindings?: readonly {
    readonly Id: string;
    readonly ErrorCode: string;
    readonly ErrorMessage: string;
  }[];
}

export const awsSecurityhub = destination({
  name: 'aws.securityhub',
  label: 'awssecurityhub',
  group: 'siem',
  doc: 'Findings in AWS Security Hub (BatchImportFindings).',
  options: {
    ...awsOptions,
    accountid: text('The account that the findings belong to; turns the output on.'),
    productarn: text("The product that they are of; default: the account's own."),
    endpoint: endpointOption,
  },
  enabled: (o) => o.accountid !== '',
  // At most 100 findings in a request.
  batch: () => ({ count: 100, bytes: 5_000_000, linger: 0 }),
  open(o, environment) {
    const aws = awsClient(o, environment);
    const product = o.productarn || `arn:aws:securityhub:${aws.region}:${o.accountid}:product/${o.accountid}/default`;
    const url = join(o.endpoint || `https://securityhub.${aws.region}.amazonaws.com`, '/findings/import');
    return {
      async send(alerts) {
        const { body } = await aws.send({
          service: 'securityhub',
          url,
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({ Findings: alerts.map((alert) => finding(alert, o.accountid, product)) }),
        });
        const failed = new Map(
          ((JSON.parse(body || '{}') as Answer).FailedFindings ?? []).map((each) => [each.Id, each]),
        );
        return alerts.flatMap(({ uuid }, index) => {
          const found = failed.get(uuid);
          if (found === undefined) return [];
          const retry = /Internal|Throttl|Limit/i.test(found.ErrorCode);
          return [{ index, error: new DeliveryError(`${found.ErrorCode}: ${found.ErrorMessage}`, { retry }) }];
        });
      },
      check: () => aws.identify(),
    };
  },
});

/** A finding in the AWS Security Finding Format (2018-10-08). The same alert gives the same finding. */
function finding(alert: Alert, account: string, product: string): unknown {
  const field = (name: string) => textOf(alert.fields[name]);
  const time = rfc3339(alert.nanoseconds);
  const pod = field('k8s.pod.name');
  const container = field('container.id');
  const resource =
    pod !== ''
      ? { Type: 'Other', Id: `k8s/${field('k8s.ns.name')}/${pod}` }
      : container !== '' && container !== 'host'
        ? { Type: 'Container', Id: container }
        : { Type: 'Other', Id: alert.hostname || 'host' };
  const pid = Number(field('proc.pid'));
  return {
    SchemaVersion: '2018-10-08',
    Id: alert.uuid,
    ProductArn: product,
    AwsAccountId: account,
    GeneratorId: alert.rule,
    Types: ['TTPs', 'Unusual Behaviors/Process'],
    FirstObservedAt: time,
    CreatedAt: time,
    UpdatedAt: time,
    Severity: { Label: SEVERITY[alert.level], Original: alert.priority },
    Title: cut(alert.rule, MAX_TITLE),
    Description: cut(alert.output || alert.rule, MAX_DESCRIPTION),
    Resources: [resource],
    ...(field('proc.name') !== '' && {
      Process: {
        Name: cut(field('proc.name'), 64),
        ...(field('proc.exepath') !== '' && { Path: cut(field('proc.exepath'), 512) }),
        ...(Number.isSafeInteger(pid) && pid > 0 && { Pid: pid }),
      },
    }),
    ProductFields: Object.fromEntries([
      ['falco/source', alert.source],
      ['falco/tags', cut(alert.tags.join(','), MAX_FIELD)],
      ['falco/fingerprint', fingerprint(alert)],
      ...fieldTexts(alert)
        .filter(([, value]) => value !== '')
        .slice(0, MAX_FIELDS - 3)
        .map(([name, value]) => [cut(`falco/${name}`, 128), cut(value, MAX_FIELD)]),
    ]),
    RecordState: 'ACTIVE',
    Workflow: { Status: 'NEW' },
  };
}
