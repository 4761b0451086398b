import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromProtobuf, type Signal } from '../../src/outputs/destinations/otlp/message.ts';
import { isRawNumber } from '../../src/outputs/forward/alert.ts';
import type { HttpRequest } from '../../src/outputs/forward/http.ts';
import { SETTINGS } from './alert.ts';
import { hostile, openOutput } from './open.ts';

/**
 * The requests that Falcosidekick (after 2.34) sends for the hostile alert, recorded: what a receiver that works with
 * it relies on. Ours are equal but for the differences below, each with its reason.
 */
interface Recorded {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  // biome-ignore lint/suspicious/noExplicitAny: bodies have every shape.
  readonly body: any;
}

/** JSON with numbers as they were written, so that 1767366245123456789 is not 1767366245123456800. */
function parse(text: string) {
  const reviver = (_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' && String(value) !== context?.source ? `number ${context?.source}` : value;
  return JSON.parse(text, reviver as never);
}

const fixtures = parse(readFileSync(new URL('./fixtures/requests.json', import.meta.url), 'utf8')) as Record<
  string,
  Recorded
>;

/** Falcosidekick leaves numbers and booleans out of messages, and shows null as a text. */
const MISSING: readonly [name: string, value: string, after: string][] = [
  ['evt.time', '1767366245123456789', 'env'],
  ['fd.sport', '443', 'fd.name'],
  ['proc.is_exe_writable', 'true', 'proc.cmdline'],
  ['proc.tty', '34816', 'proc.name'],
];

function withMissing<T>(list: T[], make: (name: string, value: string) => T, nameOf: (item: T) => string): T[] {
  return MISSING.reduce((items, [name, value, after]) => {
    const at = items.findIndex((item) => nameOf(item) === after);
    return [...items.slice(0, at + 1), make(name, value), ...items.slice(at + 1)];
  }, list);
}

/** Name in the fixtures → section, and what is different on purpose: the recorded request becomes ours. */
const CASES: Record<
  string,
  { section?: string; settings?: Record<string, unknown>; better?: (recorded: Recorded) => Recorded; why?: string }
> = {
  alertmanager: {
    why: 'startsAt says when it happened',
    better: (r) => ({
      ...r,
      body: r.body.map((alert: object) => ({ ...alert, startsAt: '2026-01-02T15:04:05.123456789Z' })),
    }),
  },
  cliq: {
    why: 'all fields; our own name',
    better: (r) => {
      const table = r.body.slides[0].data;
      const rows = withMissing<{ field: string; value: string }>(
        table.rows,
        (field, value) => ({ field, value }),
        ({ field }) => field,
      );
      return {
        ...r,
        body: {
          ...r.body,
          bot: { name: 'Windhover', image: 'http://icon' },
          slides: [{ type: 'table', data: { ...table, rows } }],
        },
      };
    },
  },
  cloudevents: {
    why: "the id is the alert's: a repetition is the same event",
    better: (r) => ({ ...r, headers: { ...r.headers, 'ce-id': r.body.uuid } }),
  },
  cloudrun: { section: 'gcp.cloudrun' },
  datadog: {
    why: 'the key is in a header, not in the URL; time, host and a key to aggregate by; all fields',
    better: (r) => {
      const tags = withMissing<string>(
        r.body.tags,
        (name, value) => `${name}:${value}`,
        (tag) => tag.split(':')[0],
      );
      return {
        ...r,
        path: '/api/v1/events',
        headers: { ...r.headers, 'dd-api-key': 'KEY' },
        body: { ...r.body, tags, date_happened: 1767366245, host: 'node-1', aggregation_key: expect.any(String) },
      };
    },
  },
  datadoglogs: {},
  discord: {
    why: 'all fields',
    better: (r) => {
      const [embed] = r.body.embeds;
      const fields = withMissing<{ name: string }>(
        embed.fields,
        (name, value) => ({ name, value: `\`\`\`${value}\`\`\``, inline: true }),
        ({ name }) => name,
      );
      return { ...r, body: { ...r.body, avatar_url: 'http://icon', embeds: [{ ...embed, fields }] } };
    },
  },
  dynatrace: {
    why: 'the time keeps its milliseconds',
    better: (r) => ({ ...r, body: [{ ...r.body[0], timestamp: '2026-01-02T15:04:05.123Z' }] }),
  },
  elasticsearch: { settings: { batching: { enabled: false } } },
  googlechat: {
    settings: { card: 'v1' },
    why: 'all fields',
    better: (r) => {
      const [{ widgets }] = r.body.cards[0].sections;
      const all = withMissing<{ keyValue: { topLabel: string } }>(
        widgets,
        (topLabel, content) => ({ keyValue: { topLabel, content } }),
        (w) => w.keyValue.topLabel,
      );
      return { ...r, body: { cards: [{ ...r.body.cards[0], sections: [{ widgets: all }] }] } };
    },
  },
  gotify: {
    why: 'null is no value',
    better: (r) => ({
      ...r,
      body: { ...r.body, message: r.body.message.replace('\t- **proc.pname**: <no value>\n', '') },
    }),
  },
  grafana: {
    why: 'a fixed order; null is no value',
    better: (r) => ({
      ...r,
      body: {
        ...r.body,
        tags: expect.toSatisfy(
          (tags: string[]) =>
            tags.toSorted().join() ===
            r.body.tags
              .filter((tag: string) => tag !== '<nil>')
              .toSorted()
              .join(),
        ),
      },
    }),
  },
  grafanaoncall: {
    why: 'the same trouble has the same id, so that it is grouped',
    better: (r) => ({ ...r, body: { ...r.body, alert_uid: expect.stringMatching(/^[0-9a-f-]{36}$/) } }),
  },
  influxdb: {
    why: 'commas, spaces and quotes are escaped: the server refuses the recorded line; the point has its time',
    better: (r) => ({
      ...r,
      headers: { ...r.headers, 'content-type': 'text/plain; charset=utf-8' },
      body: expect.toSatisfy(
        (line: string) =>
          line.includes('rule=Read\\ sensitive\\ file\\ untrusted,') &&
          line.includes('proc.cmdline=sh\\ -c\\ "echo\\ a\\=b\\,c"\\ \\\\ é,') &&
          line.includes('cmd=sh -c \\"echo a=b,c\\" user=root)" 1767366245123456789'),
      ),
    }),
  },
  kafkarest: {},
  loki: {},
  mattermost: { why: 'all fields', better: attachments },
  n8n: {},
  nodered: {},
  openobserve: {},
  otlplogs: {
    section: 'otlp.logs',
    why: "the alert's own time and severity, its trace, all output fields",
    better: (r) => {
      const recorded = fromProtobuf('logs', Buffer.from(r.body.base64, 'base64')) as {
        resourceLogs: { scopeLogs: { logRecords: { attributes: { key: string }[] }[] }[] }[];
      };
      const record = recorded.resourceLogs[0].scopeLogs[0].logRecords[0];
      const attributes = record.attributes.filter(({ key }) => key !== 'timestamp');
      return {
        ...r,
        body: expect.objectContaining({
          timeUnixNano: '1767366245123456789',
          severityNumber: 13,
          severityText: 'Warning',
          attributes: expect.arrayContaining([
            ...attributes,
            { key: 'proc.cmdline', value: { stringValue: 'sh -c "echo a=b,c" \\ é' } },
          ]),
        }),
      };
    },
  },
  otlptraces: {
    section: 'otlp.traces',
    why: "the span's id follows from the alert; null is no value",
    better: (r) => {
      const recorded = fromProtobuf('traces', Buffer.from(r.body.base64, 'base64')) as {
        resourceSpans: { scopeSpans: { spans: Record<string, unknown>[] }[] }[];
      };
      const span = recorded.resourceSpans[0].scopeSpans[0].spans[0];
      const attributes = (span.attributes as { key: string; value: { stringValue?: string } }[]).filter(
        ({ key }) => key !== 'proc.pname' && key !== 'uuid',
      );
      return {
        ...r,
        body: expect.objectContaining({
          ...span,
          spanId: expect.stringMatching(/^[0-9a-f]{16}$/),
          endTimeUnixNano: '1767366246123456789',
          attributes: expect.arrayContaining(attributes),
        }),
      };
    },
  },
  quickwit: {},
  rocketchat: { why: 'all fields', better: attachments },
  slack: { why: 'all fields', better: attachments },
  splunk: {
    why: 'time, host and source, so that the event is found where it belongs',
    better: (r) => ({ ...r, body: { time: 1767366245.123, host: 'node-1', source: 'syscall', ...r.body } }),
  },
  sumologic: {},
  talon: {},
  teams: {
    why: 'all fields; our own name',
    better: (r) => {
      const [section] = r.body.sections;
      const facts = withMissing<{ name: string }>(
        section.facts,
        (name, value) => ({ name, value }),
        ({ name }) => name,
      );
      return {
        ...r,
        body: {
          ...r.body,
          sections: [{ ...section, activityTitle: 'Windhover', activityImage: 'http://icon', facts }],
        },
      };
    },
  },
  tekton: {},
  telegram: {
    why: 'the backslash is escaped, without which the message is refused; null is no value',
    better: (r) => ({
      ...r,
      body: {
        ...r.body,
        text: r.body.text.replace('\t  • *proc\\.pname*: <nil\\>\n', '').replace('" \\ é', '" \\\\ é'),
      },
    }),
  },
  webex: {
    why: 'null is no value; no trailing blanks between the lines',
    better: (r) => {
      const lines = (text: string) =>
        text
          .split('\n')
          .map((line) => line.trim())
          .filter((line) => line !== '')
          .join('\n');
      return {
        ...r,
        body: {
          markdown: expect.toSatisfy(
            (text: string) => lines(text) === lines(r.body.markdown.replace('\t* proc.pname: <no value>\n', '')),
          ),
        },
      };
    },
  },
  webhook: {},
  webui: { why: 'one output here', better: (r) => ({ ...r, body: { ...r.body, outputs: ['webui'] } }) },
  zincsearch: {},
};

function attachments(r: Recorded): Recorded {
  const [first] = r.body.attachments;
  const fields = withMissing<{ title: string }>(
    first.fields,
    (title, value) => ({ title, value, short: true }),
    ({ title }) => title,
  );
  return {
    ...r,
    body: {
      ...r.body,
      icon_url: 'http://icon',
      attachments: [{ ...first, fields, ...('footer' in first && { footer: 'http://footer' }) }],
    },
  };
}

async function requestOf(section: string, settings: Record<string, unknown>): Promise<HttpRequest> {
  const requests: HttpRequest[] = [];
  const exchange = async (request: HttpRequest) => {
    requests.push(request);
    return { status: 200, headers: {}, body: '{}' };
  };
  const { sink } = await openOutput(
    section,
    { ...SETTINGS('http://peer', 'peer', 1)[section], ...settings },
    { http: { exchange, send: exchange, close: () => {} } },
  );
  await sink.send([hostile()]);
  expect(requests).toHaveLength(1);
  return requests[0];
}

/** A body as a value that can be compared: JSON, the record of a batch, the span of a protobuf. */
function comparable(name: string, body: string | Buffer): unknown {
  if (name.startsWith('otlp')) {
    const signal = name.slice(4) as Signal;
    // biome-ignore lint/suspicious/noExplicitAny: the path to the one record.
    const decoded = fromProtobuf(signal, body as Buffer) as any;
    return signal === 'logs'
      ? decoded.resourceLogs[0].scopeLogs[0].logRecords[0]
      : decoded.resourceSpans[0].scopeSpans[0].spans[0];
  }
  const text = String(body);
  return name === 'influxdb' ? text : plain(parse(text));
}

/** Embedded JSON is compared as a value, and uuids (made by the one who receives) as equal. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null || isRawNumber(value as never)) return value;
  if ('asymmetricMatch' in value) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      if (key === 'uuid' || key === 'event.id') return [key, 'uuid'];
      if (key === 'message' && typeof item === 'string' && item.startsWith('{')) return [key, plain(parse(item))];
      if (key === 'value' && typeof item === 'string' && item.startsWith('eyJ'))
        return [key, plain(parse(Buffer.from(item, 'base64').toString()))];
      return [key, plain(item)];
    }),
  );
}

describe('requests equal the ones that Falcosidekick sends', () => {
  it('covers every recorded destination', () => {
    expect(Object.keys(CASES)).toEqual(Object.keys(fixtures));
  });

  for (const [name, { section = name, settings = {}, better = (r: Recorded) => r, why }] of Object.entries(CASES)) {
    it(`${name}${why === undefined ? '' : `, except: ${why}`}`, async () => {
      const request = await requestOf(section, settings);
      const wanted = better(fixtures[name]);
      const url = new URL(request.url);
      // The index carries the day on which the alert came in.
      expect(url.pathname + url.search).toBe(wanted.path === '' ? '/' : wanted.path);
      expect(request.method ?? 'POST').toBe(wanted.method);
      const headers = Object.fromEntries(
        Object.entries(request.headers ?? {}).map(([key, value]) => [key.toLowerCase(), value]),
      );
      const { 'ce-id': id, ...others } = wanted.headers;
      expect(headers).toMatchObject(others);
      expect(comparable(name, request.body as string)).toEqual(
        name.startsWith('otlp') ? wanted.body : plain(wanted.body),
      );
      if (id !== undefined) expect(headers['ce-id']).toMatch(/^[0-9a-f-]{36}$/);
    });
  }
});
