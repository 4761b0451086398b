import { toJson } from '../forward/alert.ts';
import { destination, JSON_HEADERS, join } from '../forward/destination.ts';
import { flag, map, text } from '../forward/option.ts';

export const quickwit = destination({
  name: 'quickwit',
  label: 'quickwit',
  group: 'logs',
  doc: 'Documents in Quickwit.',
  options: {
    hostport: text('URL of the server; turns the output on.'),
    apiendpoint: text('The path of the API.', 'api/v1'),
    index: text('The index.', 'falco'),
    version: text('Version of the index configuration.', '0.7'),
    autocreateindex: flag('Make the index when it is missing.'),
    customheaders: map('Further HTTP headers.'),
  },
  enabled: (o) => o.hostport !== '',
  batch: () => ({ count: 1000, bytes: 5_000_000, linger: 0 }),
  open(o, { http }) {
    const api = join(o.hostport, `/${o.apiendpoint.replace(/^\/|\/$/g, '')}`);
    const headers = { ...JSON_HEADERS, ...o.customheaders };
    let created = !o.autocreateindex;
    async function create(): Promise<void> {
      const found = await http.exchange({ method: 'GET', url: `${api}/indexes/${o.index}`, headers });
      if (found.status === 404) {
        const field = (name: string, type: string) => ({ name, type });
        await http.send({
          url: `${api}/indexes`,
          headers,
          body: JSON.stringify({
            version: o.version,
            index_id: o.index,
            doc_mapping: {
              mode: 'dynamic',
              field_mappings: [
                { ...field('time', 'datetime'), fast: true },
                ...['output', 'rule', 'priority', 'hostname', 'source', 'uuid'].map((name) => field(name, 'text')),
                field('output_fields', 'json'),
                field('tags', 'array<text>'),
              ],
              timestamp_field: 'time',
            },
          }),
        });
      }
      created = true;
    }
    return {
      async send(alerts) {
        if (!created) await create();
        await http.send({ url: `${api}/${o.index}/ingest`, headers, body: alerts.map(toJson).join('\n') });
      },
    };
  },
});
