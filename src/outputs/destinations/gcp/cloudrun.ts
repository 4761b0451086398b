import { toJson } from '../../forward/alert.ts';
import { httpDestination, JSON_HEADERS } from '../../forward/destination.ts';
import { secret, text } from '../../forward/option.ts';

export const gcpCloudrun = httpDestination({
  name: 'gcp.cloudrun',
  label: 'gcpcloudrun',
  group: 'serverless',
  doc: 'The alert as JSON to a Google Cloud Run service.',
  options: {
    endpoint: text('URL of the service; turns the output on.'),
    jwt: secret('A token for a private service.'),
  },
  enabled: (o) => o.endpoint !== '',
  request: ([alert], o) => ({
    url: o.endpoint,
    headers: { ...JSON_HEADERS, ...(o.jwt !== '' && { Authorization: `Bearer ${o.jwt}` }) },
    body: toJson(alert),
  }),
});
