import { type Alert, toObject } from '../forward/alert.ts';
import { basicAuth, destination, JSON_HEADERS, join, type Refused } from '../forward/destination.ts';
import { DeliveryError, isRetryable } from '../forward/error.ts';
import { refusal } from '../forward/http.ts';
import { choice, duration, flag, integer, map, secret, text } from '../forward/option.ts';

interface BulkAnswer {
  readonly errors: boolean;
  readonly items: readonly Readonly<
    Record<string, { readonly status: number; readonly error?: { readonly type: string; readonly reason: string } }>
  >[];
}

export const elasticsearch = destination({
  name: 'elasticsearch',
  label: 'elasticsearch',
  group: 'logs',
  doc: "Documents in Elasticsearch or OpenSearch, in bulk; the alert's uuid is the document's id, so that none comes twice.",
  options: {
    hostport: text('URL of the server; turns the output on.'),
    index: text('The index, before the suffix.', 'falco'),
    type: text('The document type, for servers of old.', '_doc'),
    pipeline: text('An ingest pipeline.'),
    suffix: choice('The date at the end of the index.', ['daily', 'monthly', 'annually', 'none'], 'daily'),
    apikey: secret('An API key.'),
    username: text('A user.'),
    password: secret("The user's password."),
    flattenfields: flag('Replace dots in the names of fields by underscores.'),
    createindextemplate: flag('Make an index template before the first alert.'),
    numberofshards: integer('Shards, in the template.', 3),
    numberofreplicas: integer('Replicas, in the template.', 3),
    customheaders: map('Further HTTP headers.'),
    enablecompression: flag('Compress requests.'),
    'batching.enabled': flag(
      'Send in bulk; off: one request for each alert, without protection against repetition.',
      true,
    ),
    'batching.batchsize': integer('Bytes of a bulk request.', 5_242_880),
    'batching.flushinterval': text('How long an alert may wait for others.', '0s'),
  },
  enabled: (o) => o.hostport !== '',
  batch: (o) =>
    o['batching.enabled']
      ? { count: 1000, bytes: o['batching.batchsize'], linger: duration(o['batching.flushinterval']) }
      : { count: 1, bytes: Number.POSITIVE_INFINITY, linger: 0 },
  open(o, { http }) {
    const headers = {
      ...JSON_HEADERS,
      ...(o.apikey !== '' ? { Authorization: `APIKey ${o.apikey}` } : basicAuth(o.username, o.password)),
      ...o.customheaders,
    };
    let templated = !o.createindextemplate;
    const query = o.pipeline === '' ? '' : `?pipeline=${encodeURIComponent(o.pipeline)}`;
    const compressed = o.enablecompression ? { gzip: true } : {};

    /** The index of the day on which the alert came in, so that a repetition goes to the same one. */
    function indexOf(alert: Alert): string {
      const day = new Date(alert.received).toISOString().slice(0, 10).replaceAll('-', '.');
      const suffix = { daily: day, monthly: day.slice(0, 7), annually: day.slice(0, 4), none: '' }[o.suffix];
      return suffix === '' ? o.index : `${o.index}-${suffix}`;
    }

    function document(alert: Alert): string {
      const fields = o.flattenfields
        ? Object.fromEntries(
            Object.entries(alert.fields).map(([name, value]) => [
              name.replaceAll('.', '_').replaceAll('[', '_').replaceAll(']', ''),
              value,
            ]),
          )
        : alert.fields;
      return JSON.stringify({ ...toObject(alert), output_fields: fields, '@timestamp': alert.time });
    }

    async function makeTemplate(): Promise<void> {
      const shards = { number_of_shards: o.numberofshards, number_of_replicas: o.numberofreplicas };
      await http.send({
        method: 'PUT',
        url: join(o.hostport, `/_index_template/${encodeURIComponent(o.index)}`),
        headers,
        body: JSON.stringify({
          index_patterns: [`${o.index}-*`],
          template: {
            settings: shards,
            mappings: {
              properties: {
                '@timestamp': { type: 'date_nanos' },
                time: { type: 'date_nanos' },
                rule: { type: 'keyword' },
                priority: { type: 'keyword' },
                uuid: { type: 'keyword' },
              },
            },
          },
        }),
      });
      templated = true;
    }

    return {
      async send(alerts) {
        if (!templated) await makeTemplate();
        if (!o['batching.enabled']) {
          const [alert] = alerts;
          await http.send({
            url: join(o.hostport, `/${indexOf(alert)}/${o.type}${query}`),
            headers,
            body: document(alert),
            ...compressed,
          });
          return;
        }
        const lines = alerts.flatMap((alert) => [
          JSON.stringify({ create: { _index: indexOf(alert), _id: alert.uuid } }),
          document(alert),
        ]);
        const response = await http.exchange({
          url: join(o.hostport, `/_bulk${query}`),
          headers: { ...headers, 'Content-Type': 'application/x-ndjson' },
          body: `${lines.join('\n')}\n`,
          ...compressed,
        });
        if (response.status >= 300) throw refusal(response);
        return refused(JSON.parse(response.body) as BulkAnswer);
      },
      async check() {
        await http.send({ method: 'GET', url: join(o.hostport, '/'), headers });
      },
    };
  },
});

/** The items of a bulk answer that failed. 409: it is there already, from an earlier try. */
function refused(answer: BulkAnswer): Refused[] {
  if (!answer.errors) return [];
  return answer.items.flatMap((item, index) => {
    const [{ status, error }] = Object.values(item);
    if (status < 300 || status === 409) return [];
    return [
      { index, error: new DeliveryError(`${status} ${error?.type}: ${error?.reason}`, { retry: isRetryable(status) }) },
    ];
  });
}
