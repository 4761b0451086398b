import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server as HttpServer } from 'node:http';
import { createServer as createTcpServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { DEMO_RULES, demoActions, demoCommand, type Place } from '../../src/cli/demo-actions.ts';
import { SENSOR_FIELDS } from '../../src/cli/up.ts';
import { parseQuery } from '../../src/store/index.ts';
import { ROOT } from '../live/sensor.ts';
import { freePort } from '../ports.ts';
import { PASSWORD, type Running, startBrowser } from './browser.ts';

/**
 * A hub with everything around it, as on a real host: the sensor watches real acts (those of demo/actions) in the
 * kernel and stays, a forwarder brings its alerts to the hub, to the responder and to a receiver, and the responder acts.
 */
export interface World extends Running {
  /** Rule files that the sensor judges by and the hub explains with. */
  readonly rules: readonly string[];
  /** Runs lines of sh below the sensor, `n` times. */
  act(lines: string, n?: number): void;
  /** What the receiver answers: 200, or 400 to refuse for good. */
  receive(status: 200 | 400): void;
  /** The rules of the alerts that the receiver took. */
  received(): readonly string[];
  /** The answer of a route, as the admin. */
  get<T>(path: string): Promise<T>;
  /** The file of a recording, by its number. */
  recording(id: number): Promise<string>;
  /** Where the hub has written a rule file for sensors. */
  written(name: string): string;
  /** A file that an act changes and the responder takes away. */
  readonly startUpFile: string;
}

const listening = (server: Server | HttpServer): Promise<number> =>
  new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });

async function until(what: string, done: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 120_000;
  while (!(await done())) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/**
 * What the responder does about one file of ours. The acts change others of that name in mount namespaces, and the
 * responder would take those of the machine.
 */
const response = (file: string) => `- action: Take the start-up file away
  actionner: host:quarantine-file

- rule: A start-up file of a shell was changed
  match:
    rules: [Modify Shell Configuration File]
    output_fields: ['fd.name=${file}']
  actions:
    - action: Take the start-up file away
`;

/** The acts of a place, from a file: a script on a command line would be in every alert below it. */
function commandOf(place: Place, directory: string, port: number): string[] {
  const scratch = mkdtempSync(join(directory, 'scratch-'));
  const command = demoCommand(demoActions(), place, { scratch, port, announce: false });
  const at = command.indexOf('-c');
  const file = join(directory, `${place}.sh`);
  writeFileSync(file, command[at + 1] as string);
  return [...command.slice(0, at), file, ...command.slice(at + 3)];
}

/** Starts everything, does all acts of demo/actions, and waits until their alerts are in the hub. @param executablePath of Chromium */
export async function startWorld(executablePath: string): Promise<World> {
  const directory = mkdtempSync(join(tmpdir(), 'windhover-world-'));
  for (const part of ['captures', 'rules.d']) mkdirSync(join(directory, part));
  const rules = readdirSync(join(ROOT, 'rules'))
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => join(ROOT, 'rules', name));
  const lists = DEMO_RULES.filter((path) => path.endsWith('.yaml'));
  const [forwardPort, respondPort, sensorPort] = [await freePort(), await freePort(), await freePort()];

  const peer = createTcpServer((socket) => socket.on('error', () => {}).resume());
  const peerPort = await listening(peer);
  let status: 200 | 400 = 200;
  const taken: string[] = [];
  const receiver = createServer(async (request, response) => {
    const { rule } = (await json(request)) as { rule: string };
    if (status === 200) taken.push(rule);
    response.writeHead(status).end();
  });
  const receiverPort = await listening(receiver);

  const running = await startBrowser(executablePath, {
    ruleFiles: [...rules, ...lists],
    rulesDirectory: join(directory, 'rules.d'),
    captureDirectories: [join(directory, 'captures')],
    sensors: [`http://127.0.0.1:${sensorPort}`],
    forwarders: [{ url: `http://127.0.0.1:${forwardPort}` }],
    responders: [{ url: `http://127.0.0.1:${respondPort}` }],
  });
  const token = 'wh_the-token-of-the-world';
  await running.hub.acceptToken('world', token);

  const children: ChildProcess[] = [];
  let said = '';
  function start(args: readonly string[], env: Record<string, string>): ChildProcess {
    const child = spawn(join(ROOT, 'bin/windhover'), args, {
      env: { ...process.env, ...env, WINDHOVER_REQUIRE_SCOPE: '1', NO_COLOR: '1' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    children.push(child);
    return child;
  }

  const startUpFile = join(directory, '.bashrc');
  writeFileSync(join(directory, 'response.yaml'), response(startUpFile));
  start(['respond', '-r', join(directory, 'response.yaml')], {
    LISTEN_ADDRESS: '127.0.0.1',
    LISTEN_PORT: String(respondPort),
    JOURNAL_PATH: join(directory, 'respond'),
    QUARANTINE: join(directory, 'quarantine'),
    HUB_URL: running.url,
    HUB_TOKEN: token,
  });
  start(['forward'], {
    LISTENADDRESS: '127.0.0.1',
    LISTENPORT: String(forwardPort),
    QUEUE_PATH: join(directory, 'queue'),
    WEBUI_URL: `${running.url}/api/v1/`,
    WEBUI_TOKEN: token,
    TALON_ADDRESS: `http://127.0.0.1:${respondPort}/`,
    WEBHOOK_ADDRESS: `http://127.0.0.1:${receiverPort}/`,
  });
  await until(
    'forwarder and responder',
    () => said.includes(`:${forwardPort}; outputs`) && said.includes(`:${respondPort};`),
  );

  const fifo = join(directory, 'lines');
  execFileSync('mkfifo', [fifo]);
  const quote = (words: readonly string[]) => words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  writeFileSync(
    join(directory, 'acts.sh'),
    [
      `echo true >>'${startUpFile}'`,
      quote(commandOf('container', directory, peerPort)),
      quote(commandOf('host', directory, peerPort)),
      `touch '${directory}/done'`,
      // Opened for both ways, or the first writer's end would be the end.
      `exec 3<>'${fifo}'`,
      'while read -r line <&3; do sh -c "$line"; done',
      '',
    ].join('\n'),
  );
  const settings = {
    json_output: 'true',
    rule_matching: 'all',
    rules: '[{enable: {rule: "*"}}]',
    'http_output.enabled': 'true',
    'http_output.url': `http://127.0.0.1:${forwardPort}/`,
    'capture.enabled': 'true',
    'capture.mode': 'all_rules',
    'capture.default_duration': '2000',
    'capture.path_prefix': join(directory, 'captures/alert'),
    append_output: JSON.stringify([SENSOR_FIELDS]),
    'webserver.enabled': 'true',
    'webserver.listen_address': '127.0.0.1',
    'webserver.listen_port': String(sensorPort),
    'webserver.prometheus_metrics_enabled': 'true',
    'metrics.enabled': 'true',
    'metrics.output_rule': 'false',
  };
  start(
    [
      'run',
      ...Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`]),
      ...[...rules, ...lists].flatMap((file) => ['-r', file]),
      ...['--', 'sh', join(directory, 'acts.sh')],
    ],
    {},
  );
  const stored = () => [...running.store.groups()].reduce((sum, group) => sum + group.count, 0);
  await until('the acts', () => existsSync(join(directory, 'done')));
  // What the sensor still holds for their metadata, and what the forwarder still has to deliver.
  let last = -1;
  let still = 0;
  await until('their alerts', () => {
    const now = stored();
    still = now === last && now > 100 ? still + 1 : 0;
    last = now;
    return still >= 8;
  });
  await until('the response', async () => {
    const { alerts } = await running.store.alerts(
      { from: 0, to: Number.MAX_SAFE_INTEGER, query: parseQuery(`fd.name = "${startUpFile}"`) },
      1,
    );
    return alerts.length > 0 && !existsSync(startUpFile);
  });

  return {
    ...running,
    rules: [...rules, ...lists],
    startUpFile,
    get: async <T>(path: string) => {
      const basic = Buffer.from(`admin:${PASSWORD}`).toString('base64');
      const response = await fetch(running.url + path, { headers: { authorization: `Basic ${basic}` } });
      return (await response.json()) as T;
    },
    recording: async (id) => {
      const [row] = await running.store.sql.all('SELECT path FROM captures WHERE id=?', id);
      return row?.path as string;
    },
    written: (name) => join(directory, 'rules.d', name),
    act: (lines, n = 1) => appendFileSync(fifo, `${lines}\n`.repeat(n)),
    receive: (wanted) => {
      status = wanted;
    },
    received: () => taken,
    close: async () => {
      for (const child of children.toReversed()) {
        if (child.exitCode !== null) continue;
        const ended = new Promise((resolve) => child.once('close', resolve));
        child.kill('SIGTERM');
        const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
        await ended;
        clearTimeout(late);
      }
      peer.close();
      receiver.closeAllConnections();
      receiver.close();
      await running.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
