import { toJson } from '../forward/alert.ts';
import { httpDestination } from '../forward/destination.ts';
import { DeliveryError } from '../forward/error.ts';
import { refusal } from '../forward/http.ts';
import { choice, text } from '../forward/option.ts';

export const kafkarest = httpDestination({
  name: 'kafkarest',
  label: 'kafkarest',
  group: 'queue',
  doc: 'Records in Kafka through its REST proxy.',
  options: {
    address: text('URL of the topic (`http://host:8082/topics/falco`); turns the output on.'),
    version: choice("Version of the proxy's API.", ['2', '1'], '2'),
  },
  enabled: (o) => o.address !== '',
  batch: () => ({ count: 200, bytes: 700_000, linger: 0 }),
  request: (alerts, o) => ({
    url: o.address,
    headers: { 'Content-Type': `application/vnd.kafka.binary.v${o.version}+json` },
    body: JSON.stringify({
      records: alerts.map((alert) => ({ value: Buffer.from(toJson(alert)).toString('base64') })),
    }),
  }),
  /** A 200 may still hold errors for single records (error_code 1: not retriable, 2: retriable). */
  judge(response) {
    if (response.status >= 300) throw refusal(response);
    const { offsets = [] } = JSON.parse(response.body || '{}') as {
      offsets?: { error_code?: number | null; error?: string }[];
    };
    return offsets.flatMap(({ error_code, error }, index) =>
      error_code
        ? [{ index, error: new DeliveryError(error ?? `error ${error_code}`, { retry: error_code === 2 }) }]
        : [],
    );
  },
});
