import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readAlert } from '../../forward/alert.ts';
import { enricher } from '../../forward/enrich.ts';
import { toParquet } from '../aws/securitylake.ts';
import { sasToken } from '../azure/eventhub.ts';
import { fromProtobuf, toProtobuf } from '../otlp/message.ts';
import { fnv128a, spanIdOf, traceIdOf } from '../otlp/trace-id.ts';
import { body, toCef, toEcs, toOcsf } from './index.ts';

const enrich = enricher({
  customfields: {},
  templatedfields: {},
  customtags: [],
  bracketreplacer: '',
  outputFieldFormat: '',
});
const alert = (change: Record<string, unknown> = {}) =>
  enrich(
    readAlert(
      Buffer.from(
        JSON.stringify({
          rule: 'Read sensitive | file',
          priority: 'Critical',
          time: '2026-01-02T15:04:05.123456789Z',
          output: 'a=b | c\\d\nnext',
          hostname: 'node-1',
          tags: ['T1555', 'mitre_credential_access', 'T1003.008'],
          output_fields: {
            'proc.name': 'cat',
            'proc.pid': 42,
            'fd.name': '/etc/shadow',
            'fd.rip': '203.0.113.9',
            'user.name': 'root',
            'container.id': 'abc',
            'k8s.pod.name': 'p',
            'k8s.ns.name': 'n',
          },
          ...change,
        }),
      ),
      0,
    ),
  );

describe('CEF', () => {
  it('escapes the header and the values', () => {
    const text = toCef(alert());
    expect(text).toMatch(
      /^CEF:0\|Falcosecurity\|Falco\|1\.0\|Read sensitive \\\| file\|Read sensitive \\\| file\|8\|externalId=/,
    );
    expect(text).toContain(' msg=a\\=b | c\\\\d\\nnext ');
    expect(text).toContain(' dproc=cat dpid=42 suser=root filePath=/etc/shadow dst=203.0.113.9 ');
    expect(text).not.toContain('\n');
  });

  it('can be split again into what went in', () => {
    fc.assert(
      fc.property(fc.string(), (output) => {
        const text = toCef(alert({ output }));
        const found = / msg=((?:\\.|[^=\\])*?)(?= \w+=)/s.exec(text)?.[1] ?? '';
        const plain = found.replace(/\\(.)/g, (_all, c: string) => ({ n: '\n', r: '\r' })[c] ?? c);
        expect(plain).toBe(output.startsWith(' ') || output.endsWith(' ') ? plain : output);
      }),
      { numRuns: 200 },
    );
  });
});

describe('OCSF', () => {
  it('is a Detection Finding with techniques and tactics', () => {
    expect(toOcsf(alert())).toMatchObject({
      class_uid: 2004,
      type_uid: 200_401,
      severity_id: 5,
      time: 1767366245123,
      finding_info: {
        title: 'Read sensitive | file',
        attacks: [
          { technique: { uid: 'T1003.008' } },
          { technique: { uid: 'T1555' } },
          { tactic: { uid: 'TA0006', name: 'credential access' } },
        ],
      },
      evidences: [{ process: { name: 'cat', pid: 42, user: { name: 'root' } } }],
      resources: [{ type: 'host' }, { type: 'container', uid: 'abc' }, { type: 'pod', namespace: 'n' }],
    });
  });

  it('becomes Parquet that reads back, in the order of time', async () => {
    const { parquetReadObjects } = await import('hyparquet');
    const bytes = await toParquet([alert({ time: '2026-01-02T15:04:06Z' }), alert({ output: 'é "quoted"' })]);
    const rows = await parquetReadObjects({
      file: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer,
    });
    expect(rows.map(({ time }) => Number(time))).toEqual([1767366245123, 1767366246000]);
    expect(rows[0].message).toBe('é "quoted"');
    expect(JSON.parse(rows[0].finding_info as string).title).toBe('Read sensitive | file');
  });
});

describe('ECS', () => {
  it('puts fields where the schema has them', () => {
    expect(toEcs(alert())).toMatchObject({
      '@timestamp': '2026-01-02T15:04:05.123456789Z',
      event: { kind: 'alert', severity: 6 },
      process: { name: 'cat', pid: 42 },
      user: { name: 'root' },
      file: { path: '/etc/shadow' },
      orchestrator: { namespace: 'n', resource: { name: 'p' } },
      threat: { technique: [{ id: 'T1003.008' }, { id: 'T1555' }] },
    });
    expect(toEcs(alert({ output_fields: { 'fd.name': '10.0.0.1:80->10.0.0.2:90' } })).file).toBeUndefined();
  });
});

it('text is the output alone', () => {
  expect(body('text', alert())).toBe('a=b | c\\d\nnext');
});

describe('OTLP', () => {
  it('has FNV-1a of 128 bits for traces', () => {
    // The reference values of the algorithm's authors.
    expect(fnv128a('')).toBe('6c62272e07bb014262b821756295c58d');
    expect(fnv128a('a')).toBe('d228cb696f1a8caf78912b704e4a8964');
    expect(fnv128a('default:shop-7d9c')).toBe('fc79cacd990aa1a265ed2a3417878acc');
  });

  it('has a trace for what Falcosidekick drops: audit events, and alerts without container', () => {
    const audit = {
      source: 'k8s_audit',
      hostname: '',
      output_fields: { 'ka.target.resource': 'pods', 'ka.target.name': 'x' },
    };
    expect(traceIdOf(alert(audit))).toMatch(/^[0-9a-f]{32}$/);
    expect(traceIdOf(alert({ output_fields: {} }))).toBe(fnv128a('node-1'));
    expect(spanIdOf(alert())).toBe(spanIdOf(alert()));
  });

  it('encodes to protobuf what decodes to the same', () => {
    const value = fc.oneof(
      fc.record({ stringValue: fc.string() }),
      fc.record({ boolValue: fc.boolean() }),
      fc.record({ intValue: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String) }),
      fc.record({ doubleValue: fc.double({ noNaN: true }) }),
      fc.record({
        arrayValue: fc.record({
          values: fc.array(fc.record({ stringValue: fc.string() }), { minLength: 1, maxLength: 3 }),
        }),
      }),
    );
    const record = fc.record({
      timeUnixNano: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String),
      severityNumber: fc.integer({ min: 1, max: 24 }),
      severityText: fc.string(),
      body: value,
      attributes: fc.array(fc.record({ key: fc.string(), value }), { minLength: 1, maxLength: 4 }),
      traceId: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex')),
    });
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 5 }), (logRecords) => {
        const request = {
          resourceLogs: [
            {
              resource: { attributes: [{ key: 'k', value: { stringValue: 'v' } }] },
              scopeLogs: [{ scope: { name: 's' }, logRecords }],
            },
          ],
        };
        expect(fromProtobuf('logs', toProtobuf('logs', request))).toEqual(request);
      }),
      { numRuns: 100 },
    );
  });
});

it('a shared access signature covers the resource and the time', () => {
  expect(sasToken('https://ns.servicebus.windows.net/hub', 'policy', 'key', 1_767_366_245_000)).toMatch(
    /^SharedAccessSignature sr=https%3A%2F%2Fns\.servicebus\.windows\.net%2Fhub&sig=[\w%]+&se=1767366245&skn=policy$/,
  );
});
