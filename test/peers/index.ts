import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { CACHE, orFail } from '../parts.ts';
import { freePorts } from '../ports.ts';

const PATH = [
  `${CACHE}/bin`,
  `${CACHE}/venv/bin`,
  '/usr/lib/postgresql/15/bin',
  '/usr/lib/rabbitmq/bin',
  '/usr/sbin',
  ...(process.env.PATH ?? '').split(delimiter),
];
const STARTING = 90_000;

export interface Peer {
  readonly port: number;
  /** Further ports, by what they are for. */
  readonly ports: Readonly<Record<string, number>>;
  /** A folder of its own. */
  readonly folder: string;
  stop(): Promise<void>;
}

interface Recipe {
  /** What must be there; an absolute path or a command. */
  readonly needs: string;
  readonly ports?: readonly string[];
  /** Writes what it needs into the folder. @returns the command. */
  command(
    folder: string,
    port: number,
    ports: Record<string, number>,
  ): { argv: string[]; env?: Record<string, string>; cwd?: string };
  /** Ready once this path answers 2xx; default: once the port takes connections. */
  readonly path?: string;
  readonly readyOn?: string;
}

const RECIPES = {
  redis: {
    needs: 'redis-server',
    command: (folder, port) => ({
      argv: [
        'redis-server',
        '--port',
        `${port}`,
        '--bind',
        '127.0.0.1',
        '--dir',
        folder,
        '--save',
        '',
        '--appendonly',
        'no',
      ],
    }),
  },
  nats: {
    needs: 'nats-server',
    ports: ['monitor'],
    readyOn: 'monitor',
    path: '/healthz',
    command: (folder, port, { monitor }) => ({
      argv: ['nats-server', '-js', '-sd', folder, '-a', '127.0.0.1', '-p', `${port}`, '-m', `${monitor}`],
    }),
  },
  mosquitto: {
    needs: 'mosquitto',
    command(folder, port) {
      const user = process.getuid?.() === 0 ? 'user root\n' : '';
      writeFileSync(`${folder}/mosquitto.conf`, `listener ${port} 127.0.0.1\nallow_anonymous true\n${user}`);
      return { argv: ['mosquitto', '-c', `${folder}/mosquitto.conf`] };
    },
  },
  rabbitmq: {
    needs: '/usr/lib/rabbitmq/bin/rabbitmq-server',
    ports: ['distribution', 'epmd'],
    command: (folder, port, { distribution, epmd }) => ({
      argv: ['/usr/lib/rabbitmq/bin/rabbitmq-server'],
      env: {
        HOME: folder,
        RABBITMQ_NODENAME: `windhover${port}@localhost`,
        RABBITMQ_NODE_PORT: `${port}`,
        RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
        RABBITMQ_DIST_PORT: `${distribution}`,
        ERL_EPMD_PORT: `${epmd}`,
        ERL_EPMD_ADDRESS: '127.0.0.1',
        RABBITMQ_MNESIA_BASE: `${folder}/mnesia`,
        RABBITMQ_LOG_BASE: `${folder}/log`,
        RABBITMQ_PID_FILE: `${folder}/pid`,
        RABBITMQ_ENABLED_PLUGINS_FILE: `${folder}/plugins`,
      },
    }),
  },
  influxdb: {
    needs: 'influxd',
    ports: ['rpc'],
    path: '/ping',
    command(folder, port, { rpc }) {
      writeFileSync(
        `${folder}/influxdb.conf`,
        `reporting-disabled = true\nbind-address = "127.0.0.1:${rpc}"\n[meta]\ndir = "${folder}/meta"\n[data]\ndir = "${folder}/data"\nwal-dir = "${folder}/wal"\n[http]\nbind-address = "127.0.0.1:${port}"\n`,
      );
      return { argv: ['influxd', '-config', `${folder}/influxdb.conf`] };
    },
  },
  alertmanager: {
    needs: 'prometheus-alertmanager',
    path: '/-/ready',
    command(folder, port) {
      writeFileSync(`${folder}/alertmanager.yml`, 'route: {receiver: none}\nreceivers: [{name: none}]\n');
      return {
        argv: [
          'prometheus-alertmanager',
          `--config.file=${folder}/alertmanager.yml`,
          `--storage.path=${folder}/data`,
          `--web.listen-address=127.0.0.1:${port}`,
          '--cluster.listen-address=',
        ],
      };
    },
  },
  rsyslog: {
    needs: 'rsyslogd',
    ports: ['tls'],
    command(folder, port, { tls }) {
      const certificate = makeCertificate(folder);
      writeFileSync(
        `${folder}/rsyslog.conf`,
        [
          // Long messages: an alert has many fields.
          'global(maxMessageSize="256k" workDirectory="FOLDER")',
          'module(load="imudp") module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="0")',
          'global(defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="CERT" defaultNetstreamDriverCertFile="CERT" defaultNetstreamDriverKeyFile="KEY")',
          `input(type="imudp" address="127.0.0.1" port="${port}")`,
          `input(type="imtcp" address="127.0.0.1" port="${port}")`,
          `input(type="imtcp" address="127.0.0.1" port="${tls}" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")`,
          'template(name="json" type="list"){ property(name="jsonmesg") constant(value="\\n") }',
          'action(type="omfile" file="FOLDER/out.jsonl" template="json")',
        ]
          .join('\n')
          .replaceAll('FOLDER', folder)
          .replaceAll('CERT', certificate.cert)
          .replaceAll('KEY', certificate.key),
      );
      return { argv: ['rsyslogd', '-n', '-f', `${folder}/rsyslog.conf`, '-i', `${folder}/pid`] };
    },
  },
  postgres: {
    needs: '/usr/lib/postgresql/15/bin/postgres',
    command(folder, port) {
      const bin = '/usr/lib/postgresql/15/bin';
      const asPostgres =
        process.getuid?.() === 0 ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups'] : [];
      if (asPostgres.length > 0) execFileSync('chown', ['postgres', folder]);
      const [first, ...rest] = [
        ...asPostgres,
        `${bin}/initdb`,
        '-D',
        `${folder}/data`,
        '-A',
        'trust',
        '-U',
        'postgres',
        '--no-sync',
      ];
      execFileSync(first, rest, { stdio: 'ignore', cwd: '/' });
      return {
        argv: [
          ...asPostgres,
          `${bin}/postgres`,
          '-D',
          `${folder}/data`,
          '-p',
          `${port}`,
          '-h',
          '127.0.0.1',
          '-k',
          folder,
          '-F',
        ],
        cwd: '/',
      };
    },
  },
  smtp: {
    needs: `${CACHE}/venv/bin/aiosmtpd`,
    command: (folder, port) => ({
      argv: [
        `${CACHE}/venv/bin/python`,
        '-m',
        'aiosmtpd',
        '-n',
        '-l',
        `127.0.0.1:${port}`,
        '-c',
        'aiosmtpd.handlers.Mailbox',
        `${folder}/mail`,
      ],
    }),
  },
  moto: {
    needs: `${CACHE}/venv/bin/moto_server`,
    path: '/moto-api/',
    command: (_folder, port) => ({ argv: [`${CACHE}/venv/bin/moto_server`, '-H', '127.0.0.1', '-p', `${port}`] }),
  },
  azurite: {
    needs: `${CACHE}/azurite/node_modules/.bin/azurite-blob`,
    command: (_folder, port) => ({
      argv: [
        process.execPath,
        `${CACHE}/azurite/node_modules/.bin/azurite-blob`,
        ...['--blobHost', '127.0.0.1', '--blobPort', `${port}`],
        ...['--inMemoryPersistence', '--disableTelemetry', '--silent'],
      ],
    }),
  },
  pstest: {
    needs: 'pstest',
    command: (_folder, port) => ({ argv: ['pstest', `${port}`] }),
  },
  prometheus: {
    needs: 'prometheus',
    ports: ['target'],
    path: '/-/ready',
    command(folder, port, { target }) {
      writeFileSync(
        `${folder}/prometheus.yml`,
        `global: {scrape_interval: 1s}\nscrape_configs: [{job_name: forwarder, static_configs: [{targets: ["127.0.0.1:${target}"]}]}]\n`,
      );
      return {
        argv: [
          'prometheus',
          `--config.file=${folder}/prometheus.yml`,
          `--storage.tsdb.path=${folder}/data`,
          `--web.listen-address=127.0.0.1:${port}`,
        ],
      };
    },
  },
  kafka: {
    needs: `${CACHE}/kafka/lib`,
    ports: ['controller'],
    command(folder, port, { controller }) {
      writeFileSync(
        `${folder}/server.properties`,
        [
          'process.roles=broker,controller',
          'node.id=1',
          `controller.quorum.voters=1@127.0.0.1:${controller}`,
          `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
          `advertised.listeners=PLAINTEXT://127.0.0.1:${port}`,
          'controller.listener.names=CONTROLLER',
          `log.dirs=${folder}/logs`,
          'offsets.topic.replication.factor=1',
          'offsets.topic.num.partitions=1',
          'transaction.state.log.replication.factor=1',
          'transaction.state.log.min.isr=1',
          'group.initial.rebalance.delay.ms=0',
        ].join('\n'),
      );
      const java = [
        'java',
        '-Xmx512m',
        '-XX:TieredStopAtLevel=1',
        '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
        '-cp',
        `${CACHE}/kafka/lib/*`,
      ];
      execFileSync(
        java[0],
        [
          ...java.slice(1),
          'kafka.tools.StorageTool',
          'format',
          '-t',
          'MkU3OEVBNTcwNTJENDM2Qg',
          '-c',
          `${folder}/server.properties`,
        ],
        { stdio: 'ignore' },
      );
      return { argv: [...java, 'kafka.Kafka', `${folder}/server.properties`] };
    },
  },
  otelcol: {
    needs: 'otelcol',
    ports: ['grpc'],
    command(folder, port, { grpc }) {
      const pipelines = ['logs', 'traces', 'metrics'].map(
        (signal) => `${signal}: {receivers: [otlp], exporters: [debug]}`,
      );
      writeFileSync(
        `${folder}/otelcol.yaml`,
        [
          `receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:${port}"}, grpc: {endpoint: "127.0.0.1:${grpc}"}}}}`,
          'exporters: {debug: {verbosity: detailed}}',
          `service: {telemetry: {metrics: {level: none}}, pipelines: {${pipelines.join(', ')}}}`,
        ].join('\n'),
      );
      return { argv: ['otelcol', '--config', `file:${folder}/otelcol.yaml`] };
    },
  },
  opensearch: {
    needs: `${CACHE}/opensearch/OpenSearch.class`,
    path: '/_cluster/health',
    command: (folder, port) => ({
      argv: [
        'java',
        '-Xms512m',
        '-Xmx512m',
        '-XX:TieredStopAtLevel=1',
        '-Dlog4j2.disable.jmx=true',
        '-cp',
        `${CACHE}/opensearch/lib/*:${CACHE}/opensearch`,
        'OpenSearch',
        folder,
        `${port}`,
      ],
    }),
  },
} satisfies Record<string, Recipe>;
export type PeerName = keyof typeof RECIPES;

/** The Python that has boto3. */
export const PYTHON = `${CACHE}/venv/bin/python`;

function find(program: string): boolean {
  return program.startsWith('/') ? existsSync(program) : PATH.some((folder) => existsSync(join(folder, program)));
}

/** Why a peer cannot be started here; null when it can. In CI everything must be there. */
export function missing(name: PeerName): string | null {
  const { needs } = RECIPES[name];
  return find(needs) ? null : orFail(`${needs} is not installed (test/peers/setup.sh)`);
}

/** Starts a peer on loopback in a folder of its own. @param at the ports of an earlier start, to come back on them. */
export async function startPeer(name: PeerName, at?: Peer): Promise<Peer> {
  const recipe: Recipe = RECIPES[name];
  const folder = at?.folder ?? mkdtempSync(join(tmpdir(), `windhover-${name}-`));
  mkdirSync(folder, { recursive: true });
  const names = recipe.ports ?? [];
  const [port, ...others] =
    at === undefined ? await freePorts(names.length + 1) : [at.port, ...names.map((each) => at.ports[each])];
  const ports = Object.fromEntries(names.map((each, i) => [each, others[i]]));
  const { argv, env, cwd } = recipe.command(folder, port, ports);
  const output = openSync(`${folder}/output`, 'a');
  const child = spawn(argv[0], argv.slice(1), {
    cwd: cwd ?? folder,
    env: { ...process.env, PATH: PATH.join(delimiter), ...env },
    stdio: ['ignore', output, output],
    detached: true,
  });
  const peer: Peer = {
    port,
    ports,
    folder,
    stop: () => stop(child, recipe.needs.includes('rabbitmq') ? `${folder}/pid` : null),
  };
  try {
    await ready(recipe.readyOn === undefined ? port : ports[recipe.readyOn], recipe.path, child);
  } catch (error) {
    await peer.stop();
    throw new Error(
      `${name} did not start: ${(error as Error).message}\n${readFileSync(`${folder}/output`, 'utf8').slice(-2000)}`,
    );
  }
  return peer;
}

/** Removes what a peer left behind. */
export function removePeer(peer: Peer): void {
  rmSync(peer.folder, { recursive: true, force: true });
}

async function ready(port: number, path: string | undefined, child: ChildProcess): Promise<void> {
  const until = Date.now() + STARTING;
  let failed: Error | null = null;
  child.once('error', (error) => {
    failed = error;
  });
  while (Date.now() < until) {
    if (failed !== null) throw failed;
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    if (path === undefined ? await canConnect(port) : await answers(`http://127.0.0.1:${port}${path}`)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`not ready after ${STARTING} ms`);
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

/** Ends the process group that was started, and no other. */
async function stop(child: ChildProcess, pidFile: string | null): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const group = -child.pid;
  if (pidFile !== null && existsSync(pidFile)) signal(Number(readFileSync(pidFile, 'utf8')), 'SIGTERM');
  signal(group, 'SIGTERM');
  const timer = setTimeout(() => signal(group, 'SIGKILL'), 8000);
  await ended;
  clearTimeout(timer);
  signal(group, 'SIGKILL');
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Gone already.
  }
}

/** A certificate for 127.0.0.1 and localhost, signed by itself. */
export function makeCertificate(folder: string): { cert: string; key: string } {
  const [cert, key] = [`${folder}/cert.pem`, `${folder}/key.pem`];
  if (!existsSync(cert)) {
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', cert, ...subject],
      { stdio: 'ignore' },
    );
  }
  return { cert, key };
}
