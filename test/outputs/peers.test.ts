import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { DESTINATIONS } from '../../src/outputs/destinations/index.ts';
import { type Alert, toJson } from '../../src/outputs/forward/alert.ts';
import { loadConfig } from '../../src/outputs/forward/config.ts';
import { RejectedError, startForwarder, startInputs } from '../../src/outputs/forward/index.ts';
import { forwardMetrics } from '../../src/outputs/forward/metrics.ts';
import { serveForwarder } from '../../src/server/forward.ts';
import { makeCertificate, missing, type Peer, type PeerName, PYTHON, removePeer, startPeer } from '../peers/index.ts';
import { HOSTILE } from './alert.ts';
import { hostile, openOutput } from './open.ts';

/** Deliveries to the real services, read back with another client than the one that wrote. */
const started: Peer[] = [];
afterAll(async () => {
  for (const peer of started.splice(0)) {
    await peer.stop();
    removePeer(peer);
  }
});

function withPeer(name: PeerName, tests: (start: (at?: Peer) => Promise<Peer>) => void): void {
  const reason = missing(name);
  describe.skipIf(reason !== null)(reason === null ? name : `${name}: ${reason}`, () => {
    const running = new Map<string, Promise<Peer>>();
    tests((at) => {
      const key = at === undefined ? 'first' : `again ${running.size}`;
      if (!running.has(key)) {
        running.set(
          key,
          startPeer(name, at).then((peer) => {
            started.push(peer);
            return peer;
          }),
        );
      }
      return running.get(key) as Promise<Peer>;
    });
  });
}

/** The hostile alert, and more of its kind. */
const alerts = (count: number): Alert[] =>
  Array.from({ length: count }, (_, i) => (i === 0 ? hostile() : hostile({ output: `é "quoted", a=b ${i}` })));
/** Number lexemes and all: compared as text. */
const sorted = (texts: readonly string[]) => texts.toSorted();

async function eventually<T>(read: () => Promise<T>, enough: (value: T) => boolean): Promise<T> {
  for (let i = 0; ; i++) {
    const value = await read();
    if (enough(value) || i > 200) return value;
    await sleep(50);
  }
}

withPeer('redis', (start) => {
  it('takes lists, hashes and streams, and comes back after a restart', async () => {
    const peer = await start();
    const { createClient } = await import('redis');
    const reader = createClient({ url: `redis://127.0.0.1:${peer.port}` }).on('error', () => {});
    await reader.connect();
    const sent = alerts(20);
    const address = `127.0.0.1:${peer.port}`;
    for (const storagetype of ['list', 'hashmap', 'stream']) {
      const { sink } = await openOutput('redis', { address, storagetype, key: storagetype });
      expect((await sink.send(sent)) ?? []).toEqual([]);
      await sink.check?.();
      if (storagetype === 'hashmap') await sink.send(sent);
      await sink.close?.();
    }
    expect(await reader.lRange('list', 0, -1)).toEqual(sent.map(toJson));
    expect(sorted(Object.values(await reader.hGetAll('hashmap')))).toEqual(sorted(sent.map(toJson)));
    expect(((await reader.xRange('stream', '-', '+')) ?? []).map((entry) => entry?.message.alert)).toEqual(
      sent.map(toJson),
    );

    const { sink } = await openOutput('redis', { address, key: 'hashmap' });
    await expect(sink.send(sent)).rejects.toMatchObject({
      retry: false,
      message: expect.stringContaining('WRONGTYPE'),
    });
    await sink.close?.();

    const kept = await openOutput('redis', { address, key: 'restart' });
    await kept.sink.send(alerts(1));
    reader.destroy();
    await peer.stop();
    await expect(kept.sink.send(alerts(1))).rejects.toMatchObject({ retry: true });
    await start(peer);
    await kept.sink.send(alerts(1));
    await kept.sink.close?.();
  });
});

withPeer('nats', (start) => {
  it('takes each alert once into a stream, and plain subjects', async () => {
    const peer = await start();
    const { connect } = await import('@nats-io/transport-node');
    const { jetstream } = await import('@nats-io/jetstream');
    const hostport = `nats://127.0.0.1:${peer.port}`;
    const reader = await connect({ servers: hostport });
    const plain: string[] = [];
    reader.subscribe('plain.>', {
      callback: (_error, message) => void plain.push(`${message.subject} ${message.string()}`),
    });
    await reader.flush();
    const sent = alerts(20);
    const core = await openOutput('nats', { hostport, subjecttemplate: 'plain.<priority>.<rule>' });
    await core.sink.send(sent);
    await core.sink.close?.();
    await eventually(
      async () => plain.length,
      (length) => length === 20,
    );
    expect(plain).toEqual(sent.map((alert) => `plain.warning.read_sensitive_file_untrusted ${toJson(alert)}`));

    const stream = await openOutput('nats', { hostport, jetstream: true, stream: 'FALCO' });
    await stream.sink.send(sent);
    await stream.sink.send(sent);
    await stream.sink.close?.();
    const consumer = await jetstream(reader).consumers.get('FALCO');
    const messages: string[] = [];
    for await (const message of await consumer.fetch({ max_messages: 100, expires: 1000 }))
      messages.push(message.string());
    expect(messages).toEqual(sent.map(toJson));
    await reader.close();
  });
});

/** Sensor → broker → forwarder → destination: what one wrote is read by the other's input. */
async function throughInput(
  settings: Record<string, unknown>,
  alerts: readonly Alert[],
  after: () => Promise<void>,
): Promise<string[]> {
  const got: string[] = [];
  const config = loadConfig(stringify({ input: settings, queue: { durability: 'memory' } }), 'test', {}, []);
  expect(config.problems).toEqual([]);
  let refusals = 3;
  const inputs = await startInputs(
    config.globals,
    async (body) => {
      // A full queue now and then: the message comes again.
      if (refusals-- > 0) throw new Error('full');
      if (!body.toString().startsWith('{')) throw new RejectedError('it is no JSON');
      got.push(body.toString());
    },
    { info() {}, warning() {}, error() {}, debug() {} },
  );
  await after();
  await eventually(
    async () => new Set(got).size,
    (size) => size >= alerts.length,
  );
  for (const input of inputs) await input.stop();
  return got;
}

withPeer('nats', (start) => {
  it('is an input too: acknowledged once stored, again when not', async () => {
    const peer = await start();
    const hostport = `nats://127.0.0.1:${peer.port}`;
    const sent = alerts(10);
    const { sink } = await openOutput('nats', {
      hostport,
      jetstream: true,
      stream: 'IN',
      subjecttemplate: 'in.<priority>',
    });
    await sink.send(sent.slice(0, 5));
    const got = await throughInput(
      { nats: { hostport, stream: 'IN' } },
      sent,
      async () => void (await sink.send(sent.slice(5))),
    );
    await sink.close?.();
    expect(sorted(got)).toEqual(sorted(sent.map(toJson)));
  });
});

withPeer('mosquitto', (start) => {
  it('takes messages with QoS 1, and comes back after a restart', async () => {
    const peer = await start();
    const { connectAsync } = await import('mqtt');
    const reader = await connectAsync(`mqtt://127.0.0.1:${peer.port}`, { reconnectPeriod: 0 });
    const got: string[] = [];
    reader.on('message', (_topic, payload) => void got.push(payload.toString()));
    await reader.subscribeAsync('falco/#', { qos: 1 });
    const sent = alerts(20);
    const { sink } = await openOutput('mqtt', { broker: `tcp://127.0.0.1:${peer.port}`, qos: 1 });
    await sink.send(sent);
    await eventually(
      async () => got.length,
      (length) => length === 20,
    );
    expect(got).toEqual(sent.map(toJson));
    await reader.endAsync(true);
    await peer.stop();
    await expect(sink.send(sent)).rejects.toMatchObject({ retry: true });
    await start(peer);
    await sink.send(sent);
    await sink.close?.();
  });
});

withPeer('rabbitmq', (start) => {
  it('confirms persistent messages into a durable queue', async () => {
    const peer = await start();
    const url = `amqp://guest:guest@127.0.0.1:${peer.port}`;
    const sent = alerts(20);
    const { sink } = await openOutput('rabbitmq', { url, queue: 'falco' });
    await sink.send(sent);
    await sink.close?.();
    const { connect } = await import('amqplib');
    const connection = await connect(url);
    const channel = await connection.createChannel();
    const got: string[] = [];
    for (
      let message = await channel.get('falco', { noAck: true });
      message !== false;
      message = await channel.get('falco', { noAck: true })
    ) {
      expect(message.properties).toMatchObject({ deliveryMode: 2, messageId: sent[got.length].uuid });
      got.push(message.content.toString());
    }
    expect(got).toEqual(sent.map(toJson));
    await connection.close();
  });
});

withPeer('postgres', (start) => {
  it('takes rows with all fields, each alert once', async () => {
    const peer = await start();
    const { default: pg } = await import('pg');
    const sent = alerts(20);
    const settings = {
      host: '127.0.0.1',
      port: peer.port,
      user: 'postgres',
      database: 'postgres',
      hypertablename: 'od"d',
    };
    const { sink } = await openOutput('timescaledb', settings);
    await sink.send(sent);
    await sink.send(sent);
    await sink.send([hostile({ output: 'nul \u0000', output_fields: { nul: '\u0000' } })]);
    await sink.close?.();
    const client = new pg.Client({ host: '127.0.0.1', port: peer.port, user: 'postgres', database: 'postgres' });
    await client.connect();
    const { rows } = await client.query(
      'SELECT *, output_fields->>\'evt.time\' AS nanoseconds FROM "od""d" WHERE output NOT LIKE \'nul%\'',
    );
    expect(rows).toHaveLength(20);
    expect(rows.find(({ uuid }) => uuid === sent[0].uuid)).toMatchObject({
      rule: sent[0].rule,
      hostname: 'node-1',
      tags: 'T1555,container,custom-tag,filesystem,mitre_credential_access',
      env: 'prod',
      nanoseconds: '1767366245123456789',
    });
    await client.end();
  });
});

withPeer('influxdb', (start) => {
  it('takes points whose tags hold commas, quotes and spaces', async () => {
    const peer = await start();
    const base = `http://127.0.0.1:${peer.port}`;
    await fetch(`${base}/query?q=${encodeURIComponent('CREATE DATABASE falco')}`, { method: 'POST' });
    const { sink } = await openOutput('influxdb', { hostport: base });
    await sink.check?.();
    await sink.send(alerts(1));
    await sink.close?.();
    const answer = await fetch(`${base}/query?db=falco&epoch=ns&q=${encodeURIComponent('SELECT * FROM events')}`);
    const text = await answer.text();
    expect(text).toContain('1767366245123456789');
    const [{ series }] = (JSON.parse(text) as { results: { series: { columns: string[]; values: string[][] }[] }[] })
      .results;
    const row = Object.fromEntries(series[0].columns.map((column, i) => [column, series[0].values[0][i]]));
    expect(row).toMatchObject({
      'proc.cmdline': 'sh -c "echo a=b,c" \\ é',
      rule: 'Read sensitive file untrusted',
      value: hostile().output,
    });
  });
});

withPeer('alertmanager', (start) => {
  it('takes alerts that are still firing', async () => {
    const peer = await start();
    const base = `http://127.0.0.1:${peer.port}`;
    const { sink } = await openOutput('alertmanager', {
      hostport: [base],
      expiresafter: 300,
      extralabels: { team: 'sec' },
    });
    await sink.check?.();
    await sink.send([hostile({ time: new Date().toISOString() })]);
    await sink.close?.();
    const [alert] = (await (await fetch(`${base}/api/v2/alerts`)).json()) as {
      labels: Record<string, string>;
      status: { state: string };
    }[];
    expect(alert).toMatchObject({
      labels: { alertname: 'Read sensitive file untrusted', severity: 'warning', proc_aname_2: 'systemd', team: 'sec' },
    });
    expect(alert.status.state).not.toBe('suppressed');
  });
});

withPeer('rsyslog', (start) => {
  const cases: [string, Record<string, unknown>][] = [
    ['udp', { protocol: 'udp' }],
    ['tcp', { protocol: 'tcp' }],
    ['tcp with octet counting', { protocol: 'tcp', octetcounting: true, rfc: '5424' }],
    ['tls', { protocol: 'tls', rfc: '5424' }],
    ['cef', { protocol: 'tcp', format: 'cef' }],
  ];
  it.each(cases)('reads messages over %s', async (_name, settings) => {
    const peer = await start();
    const { cert } = makeCertificate(peer.folder);
    const isTls = settings.protocol === 'tls';
    const { sink } = await openOutput(
      'syslog',
      { host: '127.0.0.1', port: isTls ? peer.ports.tls : peer.port, ...settings },
      isTls ? { tls: { ca: readFileSync(cert, 'utf8'), checkCertificate: true } } : {},
    );
    const marked = alerts(5).map((alert, i) => ({ ...alert, rule: `${JSON.stringify(settings)} ${i}` }));
    await sink.send(marked);
    await sink.close?.();
    const read = async () =>
      (existsSync(`${peer.folder}/out.jsonl`) ? readFileSync(`${peer.folder}/out.jsonl`, 'utf8') : '')
        .split('\n')
        // What follows the last line end is still being written.
        .slice(0, -1)
        .map(
          (line) =>
            JSON.parse(line) as {
              msg: string;
              hostname: string;
              'syslogseverity-text': string;
              syslogseverity: string;
              programname: string;
            },
        )
        .filter(({ msg }) =>
          marked.some((alert) => msg.includes(settings.format === 'cef' ? 'cef' : JSON.stringify(alert.rule))),
        );
    const lines = await eventually(read, (found) => found.length >= 5);
    expect(lines).toHaveLength(5);
    expect(lines[0]).toMatchObject({ hostname: 'node-1', syslogseverity: '4', programname: 'Falco' });
    if (settings.format !== 'cef') {
      expect(JSON.parse(lines[0].msg.trim())).toMatchObject({
        rule: marked[0].rule,
        output_fields: { 'fd.name': '/etc/shadow' },
      });
    }
  });
});

withPeer('smtp', (start) => {
  it('gets mails that an alert cannot add headers to', async () => {
    const peer = await start();
    const { sink } = await openOutput('smtp', {
      hostport: `127.0.0.1:${peer.port}`,
      tls: false,
      from: 'falco@example.com',
      to: 'a@example.com,b@example.com',
    });
    await sink.check?.();
    await sink.send([hostile({ output: 'first line\r\nBcc: evil@example.com\r\n\r\n<script>é</script>' })]);
    await sink.close?.();
    const folder = `${peer.folder}/mail/new`;
    const [file] = readdirSync(folder).sort(
      (a, b) => statSync(`${folder}/${a}`).mtimeMs - statSync(`${folder}/${b}`).mtimeMs,
    );
    const read = `
import email, email.policy, json, sys
m = email.message_from_file(open(sys.argv[1]), policy=email.policy.default)
print(json.dumps({"subject": m["subject"], "to": m["to"], "bcc": m["bcc"], "id": m["message-id"], "html": m.get_body(("html",)).get_content(), "text": m.get_body(("plain",)).get_content()}))`;
    const mail = JSON.parse(execFileSync(PYTHON, ['-c', read, `${folder}/${file}`], { encoding: 'utf8' })) as Record<
      string,
      string
    >;
    expect(mail).toMatchObject({
      subject: '[Warning] first line Bcc: evil@example.com <script>é</script>',
      to: 'a@example.com, b@example.com',
      bcc: null,
    });
    expect(mail.html).toContain('&lt;script&gt;é&lt;/script&gt;');
    expect(mail.text).toContain('fd.name: /etc/shadow');
  });
});

withPeer('moto', (start) => {
  it('is AWS: SQS, SNS, S3, Kinesis, CloudWatch Logs, Security Lake', async () => {
    const peer = await start();
    const endpoint = `http://127.0.0.1:${peer.port}`;
    const prepare = `
import boto3, json, sys
args = dict(endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="AKID", aws_secret_access_key="secretkey")
c = lambda s: boto3.client(s, **args)
q = c("sqs").create_queue(QueueName="alerts")["QueueUrl"]
sub = c("sqs").create_queue(QueueName="subscribed")["QueueUrl"]
t = c("sns").create_topic(Name="alerts")["TopicArn"]
c("sns").subscribe(TopicArn=t, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:subscribed")
c("s3").create_bucket(Bucket="alerts")
c("kinesis").create_stream(StreamName="alerts", ShardCount=1)
c("logs").create_log_group(logGroupName="alerts")
print(json.dumps({"queue": q, "topic": t}))`;
    const { queue, topic } = JSON.parse(
      execFileSync(PYTHON, ['-c', prepare, endpoint], { encoding: 'utf8' }),
    ) as Record<string, string>;
    const keys = { accesskeyid: 'AKID', secretaccesskey: 'secretkey', region: 'us-east-1', endpoint };
    const sent = alerts(3);
    const deliver = async (name: string, settings: Record<string, unknown>, batch: readonly Alert[]) => {
      const { sink } = await openOutput(name, { ...keys, ...settings });
      expect((await sink.send(batch)) ?? []).toEqual([]);
      await sink.close?.();
    };
    await deliver('aws.sqs', { url: queue }, sent);
    await deliver('aws.sns', { topicarn: topic }, sent.slice(0, 1));
    await deliver('aws.kinesis', { streamname: 'alerts' }, sent);
    await deliver('aws.cloudwatchlogs', { loggroup: 'alerts' }, [hostile({ time: new Date().toISOString() })]);
    for (const alert of sent) await deliver('aws.s3', { bucket: 'alerts', prefix: 'single' }, [alert]);
    await deliver('aws.s3', { bucket: 'alerts', prefix: 'many', batching: { enabled: true } }, sent);
    await deliver('aws.securitylake', { bucket: 'alerts', accountid: '123456789012' }, sent);
    await expect(deliver('aws.s3', { bucket: 'nowhere' }, sent.slice(0, 1))).rejects.toMatchObject({ retry: false });

    const readBack = `
import base64, boto3, gzip, json, sys
args = dict(endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="AKID", aws_secret_access_key="secretkey")
c = lambda s: boto3.client(s, **args)
sqs = c("sqs"); k = c("kinesis"); s3 = c("s3")
queue = [m["Body"] for m in sqs.receive_message(QueueUrl=sys.argv[2], MaxNumberOfMessages=10)["Messages"]]
sub = sqs.receive_message(QueueUrl=sys.argv[2].replace("alerts", "subscribed"), MaxNumberOfMessages=10)["Messages"]
shard = k.describe_stream(StreamName="alerts")["StreamDescription"]["Shards"][0]["ShardId"]
it = k.get_shard_iterator(StreamName="alerts", ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
records = [r["Data"].decode() for r in k.get_records(ShardIterator=it)["Records"]]
logs = [e["message"] for e in c("logs").get_log_events(logGroupName="alerts", logStreamName="falcosidekick", startFromHead=True)["events"]]
objects = {o["Key"]: s3.get_object(Bucket="alerts", Key=o["Key"])["Body"].read() for o in s3.list_objects_v2(Bucket="alerts")["Contents"]}
text = {n: (gzip.decompress(b).decode() if n.endswith(".gz") else base64.b64encode(b).decode() if n.endswith(".parquet") else b.decode()) for n, b in objects.items()}
print(json.dumps({"queue": queue, "sub": [json.loads(m["Body"]) for m in sub], "records": records, "logs": logs, "objects": text}))`;
    const found = JSON.parse(execFileSync(PYTHON, ['-c', readBack, endpoint, queue], { encoding: 'utf8' })) as {
      queue: string[];
      sub: { Message: string; MessageAttributes: Record<string, { Value: string }> }[];
      records: string[];
      logs: string[];
      objects: Record<string, string>;
    };
    expect(sorted(found.queue)).toEqual(sorted(sent.map(toJson)));
    expect(found.records).toEqual(sent.map(toJson));
    expect(found.logs).toHaveLength(1);
    expect(found.sub[0].Message).toBe(sent[0].output);
    expect(found.sub[0].MessageAttributes.rule.Value).toBe(sent[0].rule);
    const objects = Object.entries(found.objects);
    expect(objects.filter(([name]) => name.startsWith('single/2026-01-02/'))).toHaveLength(3);
    const [, many] = objects.find(([name]) => name.startsWith('many/date=2026-01-02/hour=15/')) as [string, string];
    expect(many).toBe(`${sent.map(toJson).join('\n')}\n`);
    const [lake, parquet] = objects.find(([name]) => name.endsWith('.parquet')) as [string, string];
    expect(lake).toMatch(/^ext\/falco\/region=us-east-1\/accountId=123456789012\/eventDay=20260102\//);
    const { parquetReadObjects } = await import('hyparquet');
    const bytes = Buffer.from(parquet, 'base64');
    const rows = await parquetReadObjects({
      file: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer,
    });
    expect(rows).toHaveLength(3);
    expect(rows[0]).toMatchObject({ class_uid: 2004, severity: 'Medium', message: sent[0].output });
  });
});

withPeer('moto', (start) => {
  it('is AWS: Lambda and Security Hub', async () => {
    const peer = await start();
    const endpoint = `http://127.0.0.1:${peer.port}`;
    const keys = { accesskeyid: 'AKID', secretaccesskey: 'secretkey', region: 'us-east-1', endpoint };
    const none = await openOutput('aws.lambda', { ...keys, functionname: 'none' });
    await expect(none.sink.send([hostile()])).rejects.toMatchObject({ retry: false });
    await none.sink.close?.();
    // Without Docker, functions are not run but taken for done.
    await fetch(`${endpoint}/moto-api/config`, {
      method: 'POST',
      body: JSON.stringify({ lambda: { use_docker: false } }),
    });
    const python = (script: string) =>
      execFileSync(
        PYTHON,
        [
          '-c',
          `import boto3, io, json, sys, zipfile\nargs = dict(endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="AKID", aws_secret_access_key="secretkey")\nc = lambda s: boto3.client(s, **args)\n${script}`,
          endpoint,
        ],
        { encoding: 'utf8' },
      );
    python(`
code = io.BytesIO()
with zipfile.ZipFile(code, "w") as z: z.writestr("f.py", "def handler(event, context): return event")
trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
role = c("iam").create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
c("lambda").create_function(FunctionName="alerts", Runtime="python3.12", Role=role, Handler="f.handler", Code={"ZipFile": code.getvalue()})
c("securityhub").enable_security_hub()`);
    for (const invocationtype of ['Event', 'RequestResponse']) {
      const { sink } = await openOutput('aws.lambda', { ...keys, functionname: 'alerts', invocationtype });
      await sink.send([hostile()]);
      await sink.close?.();
    }

    const { sink } = await openOutput('aws.securityhub', { ...keys, accountid: '123456789012' });
    const sent = alerts(3);
    expect(await sink.send(sent)).toEqual([]);
    // The same alerts again are the same findings.
    expect(await sink.send(sent)).toEqual([]);
    await sink.close?.();
    const found = JSON.parse(python('print(json.dumps(c("securityhub").get_findings()["Findings"]))')) as {
      Id: string;
      Title: string;
      Severity: { Label: string };
      Resources: { Id: string }[];
    }[];
    expect(sorted(found.map(({ Id }) => Id))).toEqual(sorted(sent.map(({ uuid }) => uuid)));
    expect(found[0]).toMatchObject({
      Title: sent[0]?.rule,
      Severity: { Label: 'MEDIUM' },
      Resources: [{ Id: 'k8s/default/shop-7d9c' }],
    });
  });
});

withPeer('azurite', (start) => {
  /** The account and key that every Azurite has. */
  const account = 'devstoreaccount1';
  const key = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';
  it('takes blobs that are signed with the key of the account, and no others', async () => {
    const peer = await start();
    const base = `http://127.0.0.1:${peer.port}/${account}`;
    const settings = { account, container: 'alerts', key, endpoint: base };
    const sent = alerts(3);
    const missing = await openOutput('azure.blob', settings);
    await expect(missing.sink.send(sent.slice(0, 1))).rejects.toMatchObject({
      retry: false,
      message: expect.stringContaining('ContainerNotFound'),
    });
    await missing.sink.close?.();

    const client = (path: string, method = 'GET') => azurite(`${base}${path}`, method, account, key);
    expect((await client('/alerts?restype=container', 'PUT')).status).toBe(201);
    const single = await openOutput('azure.blob', { ...settings, prefix: 'a b/é' });
    for (const alert of sent) await single.sink.send([alert]);
    await single.sink.send(sent.slice(0, 1));
    await single.sink.close?.();
    const many = await openOutput('azure.blob', { ...settings, prefix: 'many', batching: { enabled: true } });
    await many.sink.send(sent);
    await many.sink.close?.();
    const wrong = await openOutput('azure.blob', { ...settings, key: 'd3Jvbmc=' });
    await expect(wrong.sink.send(sent.slice(0, 1))).rejects.toMatchObject({ message: expect.stringContaining('403') });
    await wrong.sink.close?.();

    const list = await (await client('/alerts?comp=list&restype=container')).text();
    const names = [...list.matchAll(/<Name>([^<]*)<\/Name>/g)].map(([, name]) => name as string);
    expect(names.filter((name) => name.startsWith('a b/é/2026-01-02/'))).toHaveLength(3);
    const [batch] = names.filter((name) => name.startsWith('many/date=2026-01-02/hour=15/'));
    const bytes = Buffer.from(
      await (await client(`/alerts/${(batch as string).split('/').map(encodeURIComponent).join('/')}`)).arrayBuffer(),
    );
    expect(gunzipSync(bytes).toString()).toBe(`${sent.map(toJson).join('\n')}\n`);
  });
});

withPeer('pstest', (start) => {
  it("takes messages from gRPC, which Google's own client then reads", async () => {
    const peer = await start();
    process.env.PUBSUB_EMULATOR_HOST = `127.0.0.1:${peer.port}`;
    const sent = alerts(20);
    try {
      const { sink } = await openOutput('gcp.pubsub', {
        projectid: 'shop',
        topic: 'falco',
        customattributes: { team: 'sec' },
      });
      await eventually(
        () =>
          sink.send(sent).then(
            () => true,
            // The topic is made a moment after the port is open.
            (error: Error) => !error.message.includes('status 5'),
          ),
        (done) => done,
      );
      await sink.close?.();
      const none = await openOutput('gcp.pubsub', { projectid: 'shop', topic: 'none' });
      await expect(none.sink.send(sent)).rejects.toMatchObject({
        retry: false,
        message: expect.stringContaining('status 5'),
      });
      await none.sink.close?.();
    } finally {
      delete process.env.PUBSUB_EMULATOR_HOST;
    }
    const lines = await eventually(
      async () =>
        readFileSync(`${peer.folder}/output`, 'utf8')
          .split('\n')
          .filter((line) => line.startsWith('{')),
      (found) => found.length >= 20,
    );
    const got = lines.map((line) => JSON.parse(line) as { data: string; attributes: Record<string, string> });
    expect(sorted(got.map(({ data }) => data))).toEqual(sorted(sent.map(toJson)));
    expect(got.find(({ data }) => data === toJson(sent[0] as Alert))?.attributes).toEqual({
      uuid: sent[0]?.uuid,
      team: 'sec',
    });
  });
});

withPeer('kafka', (start) => {
  it('takes records with acks of all replicas', async () => {
    const peer = await start();
    const broker = `127.0.0.1:${peer.port}`;
    const sent = alerts(20);
    const { sink } = await openOutput('kafka', { hostport: [broker], topic: 'falco', topiccreation: true });
    // The first calls meet a broker that is still making the topic.
    await eventually(
      () =>
        sink.send(sent.slice(0, 1)).then(
          () => true,
          () => false,
        ),
      (done) => done,
    );
    await sink.send(sent.slice(1));
    await sink.close?.();
    const { Consumer, stringDeserializers } = await import('@platformatic/kafka');
    const consumer = new Consumer({
      groupId: 'test',
      clientId: 'test',
      bootstrapBrokers: [broker],
      deserializers: stringDeserializers,
    });
    const stream = await consumer.consume({ topics: ['falco'], mode: 'earliest', autocommit: false });
    const got: string[] = [];
    for await (const message of stream) {
      got.push(message.value as string);
      expect(message.key).toBe('node-1');
      if (got.length === 20) break;
    }
    await consumer.close(true);
    expect(got).toEqual(sent.map(toJson));
    const again = await throughInput({ kafka: { hostport: [broker], topic: 'falco' } }, sent, async () => {});
    expect(again).toEqual(sent.map(toJson));
  });
});

withPeer('otelcol', (start) => {
  it.each(['http/protobuf', 'http/json', 'grpc'])('understands logs, traces and metrics over %s', async (protocol) => {
    const peer = await start();
    const marked = hostile({ output: `é over ${protocol}`, rule: `Rule over ${protocol}` });
    for (const signal of ['logs', 'traces', 'metrics']) {
      const endpoint =
        protocol === 'grpc' ? `http://127.0.0.1:${peer.ports.grpc}` : `http://127.0.0.1:${peer.port}/v1/${signal}`;
      const { sink } = await openOutput(`otlp.${signal}`, { endpoint, protocol });
      expect((await sink.send([marked])) ?? []).toEqual([]);
      await sink.close?.();
    }
    const seen = await eventually(
      async () => readFileSync(`${peer.folder}/output`, 'utf8'),
      (text) =>
        [
          `Body: Str(é over ${protocol})`,
          `Name           : Rule over ${protocol}`,
          `rule: Str(Rule over ${protocol})`,
        ].every((part) => text.includes(part)),
    );
    expect(seen).toContain(`Body: Str(é over ${protocol})`);
    expect(seen).toContain('Timestamp: 2026-01-02 15:04:05.123456789 +0000 UTC');
    expect(seen).toContain('SeverityNumber: Warn(13)');
    expect(seen).toContain(`Name           : Rule over ${protocol}`);
    expect(seen).toContain('-> Name: falcosecurity_falco_rules_matches_total');
  });
});

withPeer('opensearch', (start) => {
  it('takes each document once, and says which one it refuses', async () => {
    const peer = await start();
    const base = `http://127.0.0.1:${peer.port}`;
    const { sink } = await openOutput('elasticsearch', { hostport: base, suffix: 'none', index: 'falco' });
    const sent = alerts(10);
    await sink.check?.();
    expect(await sink.send(sent)).toEqual([]);
    expect(await sink.send(sent)).toEqual([]);
    // A text where the index has a number.
    const bad = hostile({ output: 'bad', output_fields: { 'fd.sport': 'no number' } });
    const refused = (await sink.send([hostile({ output: 'good' }), bad])) ?? [];
    expect(refused).toEqual([
      {
        index: 1,
        error: expect.objectContaining({ retry: false, message: expect.stringContaining('mapper_parsing_exception') }),
      },
    ]);
    await sink.close?.();
    await fetch(`${base}/falco/_refresh`, { method: 'POST' });
    const { hits } = (await (await fetch(`${base}/falco/_search?size=50`)).json()) as {
      hits: { hits: { _id: string }[] };
    };
    expect(sorted(hits.hits.map(({ _id }) => _id))).toEqual(
      sorted([...sent.map(({ uuid }) => uuid), hostile({ output: 'good' }).uuid]),
    );
  });
});

withPeer('prometheus', (start) => {
  it('scrapes a forwarder', async () => {
    const peer = await start();
    const folder = mkdtempSync(join(tmpdir(), 'windhover-scraped-'));
    const config = loadConfig(
      stringify({
        listenaddress: '127.0.0.1',
        listenport: peer.ports.target,
        queue: { path: folder },
        customfields: { team: 'a "quoted" one' },
        webhook: { address: 'http://127.0.0.1:9/' },
      }),
      'test',
      {},
      DESTINATIONS,
    );
    const forwarder = await startForwarder(config, { info() {}, warning() {}, error() {}, debug() {} });
    const server = await serveForwarder(
      config,
      async () => forwarder,
      async () => '',
    );
    try {
      for (let i = 0; i < 3; i++) {
        const answer = await fetch(`http://127.0.0.1:${peer.ports.target}/`, { method: 'POST', body: HOSTILE });
        expect(answer.status).toBe(200);
      }
      const ask = async (query: string) => {
        const answer = await fetch(`http://127.0.0.1:${peer.port}/api/v1/query?query=${encodeURIComponent(query)}`);
        const { data } = (await answer.json()) as {
          data: { result: { metric: Record<string, string>; value: [number, string] }[] };
        };
        return data.result;
      };
      const [events] = await eventually(
        () => ask('falcosecurity_falcosidekick_falco_events_total'),
        (found) => found[0]?.value[1] === '3',
      );
      expect(events?.value[1]).toBe('3');
      expect(events?.metric).toMatchObject({
        rule: 'Read sensitive file untrusted',
        k8s_ns_name: 'default',
        team: 'a "quoted" one',
      });
      expect((await ask('windhover_forward_queue_depth'))[0]).toMatchObject({
        metric: { output: 'webhook' },
        value: [expect.any(Number), '3'],
      });
    } finally {
      await server.close();
      await forwarder.stop(0);
      rmSync(folder, { recursive: true });
    }
  });
});

describe('Prometheus', () => {
  it('can read our metrics', (context) => {
    const metrics = forwardMetrics();
    metrics.events.add({ rule: 'a "quoted" \\ rule\nwith a break', hostname: 'é' });
    metrics.depth.set({ output: 'slack:ops' }, 3);
    let answer: string;
    try {
      answer = execFileSync('promtool', ['check', 'metrics'], {
        input: Object.values(metrics)
          .map((metric) => metric.text())
          .join(''),
        encoding: 'utf8',
        stdio: 'pipe',
      });
    } catch (error) {
      const { code, status, stdout, stderr } = error as NodeJS.ErrnoException & {
        status: number;
        stdout: string;
        stderr: string;
      };
      if (code === 'ENOENT' && !process.env.CI) return context.skip('promtool is not installed (test/peers/setup.sh)');
      // 3: it reads them, and has remarks on names (Falcosidekick's are what they are).
      expect(status, stdout + stderr).toBe(3);
      return;
    }
    expect(answer).toBe('');
  });
});

/** A request to Azurite, signed as a client of its own would. */
function azurite(url: string, method: string, account: string, key: string): Promise<Response> {
  const { pathname, searchParams } = new URL(url);
  const headers = { 'x-ms-date': new Date().toUTCString(), 'x-ms-version': '2021-12-02' };
  const canonical = [
    ...Object.entries(headers).map(([name, value]) => `${name}:${value}`),
    `/${account}${pathname}`,
    ...[...searchParams].sort().map(([name, value]) => `${name}:${value}`),
  ];
  const text = [method, ...new Array(11).fill(''), ...canonical].join('\n');
  const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('base64');
  return fetch(url, { method, headers: { ...headers, Authorization: `SharedKey ${account}:${signature}` } });
}
