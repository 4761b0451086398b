import { toJson } from '../../forward/alert.ts';
import { destination, JSON_HEADERS, join } from '../../forward/destination.ts';
import { text } from '../../forward/option.ts';
import { gcpClient, gcpOptions } from './client.ts';

export const gcpChronicle = destination({
  name: 'gcp.chronicle',
  label: 'gcpchronicle',
  group: 'siem',
  doc: 'Raw logs in Google Security Operations (Chronicle).',
  options: {
    ...gcpOptions,
    projectid: text('The project; turns the output on, with the instance.'),
    instanceid: text('The instance (customer id).'),
    region: text('The region.', 'us'),
    logtype: text('The log type.', 'FALCO_IDS'),
    endpoint: text('Another endpoint.'),
  },
  enabled: (o) => o.projectid !== '' && o.instanceid !== '',
  batch: () => ({ count: 500, bytes: 700_000, linger: 0 }),
  open(o, environment) {
    const send = gcpClient(o, environment);
    const base = o.endpoint || `https://${o.region}-chronicle.googleapis.com`;
    const parent = `projects/${o.projectid}/locations/${o.region}/instances/${o.instanceid}/logTypes/${o.logtype}`;
    return {
      async send(alerts) {
        const logs = alerts.map((alert) => ({
          data: Buffer.from(toJson(alert)).toString('base64'),
          log_entry_time: alert.time,
          collection_time: new Date(alert.received).toISOString(),
        }));
        await send({
          url: join(base, `/v1alpha/${parent}/logs:import`),
          headers: JSON_HEADERS,
          body: JSON.stringify({ inline_source: { logs } }),
        });
      },
    };
  },
});
