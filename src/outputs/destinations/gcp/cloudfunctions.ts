import { toJson } from '../../forward/alert.ts';
import { destination, JSON_HEADERS, join } from '../../forward/destination.ts';
import { DeliveryError } from '../../forward/error.ts';
import { text } from '../../forward/option.ts';
import { gcpClient, gcpOptions } from './client.ts';

export const gcpCloudfunctions = destination({
  name: 'gcp.cloudfunctions',
  label: 'gcpcloudfunctions',
  group: 'serverless',
  doc: 'The alert as JSON to a Google Cloud Function.',
  options: {
    ...gcpOptions,
    name: text('The function (`projects/P/locations/L/functions/F`); turns the output on.'),
    endpoint: text('Another endpoint.', 'https://cloudfunctions.googleapis.com'),
  },
  enabled: (o) => o.name !== '',
  open(o, environment) {
    const send = gcpClient(o, environment);
    return {
      async send([alert]) {
        const { body } = await send({
          url: join(o.endpoint, `/v1/${o.name}:call`),
          headers: JSON_HEADERS,
          body: JSON.stringify({ data: toJson(alert) }),
        });
        const { error } = JSON.parse(body || '{}') as { error?: string };
        if (error) throw new DeliveryError(`the function failed: ${error.slice(0, 300)}`, { retry: false });
      },
    };
  },
});
