/**
 * Blocks addresses for real, in a network namespace that block.test.ts made for it: `node block.ts FOLDER`. What could be
 * reached before, while and after it was blocked is printed as JSON.
 */
import { execFileSync } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { loadResponseConfig, loadRules, startResponder } from '../../src/response/index.ts';

const folder = process.argv[2] as string;
const HERE = { 4: '10.9.0.2', 6: 'fd00:9::2' } as const;
const BLOCKED = { 4: '10.9.0.1', 6: 'fd00:9::1' } as const;
const OTHER = { 4: '10.9.0.3', 6: 'fd00:9::3' } as const;
type Version = keyof typeof HERE;

execFileSync('ip', ['link', 'set', 'lo', 'up']);
for (const addresses of [HERE, BLOCKED, OTHER]) {
  for (const address of Object.values(addresses)) {
    const isSix = address.includes(':');
    execFileSync('ip', ['address', 'add', `${address}/${isSix ? 128 : 32}`, ...(isSix ? ['nodad'] : []), 'dev', 'lo']);
  }
}
const ports: Record<Version, number> = { 4: 0, 6: 0 };
for (const version of [4, 6] as const) {
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, HERE[version], resolve));
  ports[version] = (server.address() as { port: number }).port;
  server.unref();
}

/** Whether a connection from an address is answered. */
function reaches(version: Version, from: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: HERE[version], port: ports[version], localAddress: from, timeout: 400 });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.on('connect', () => end(true));
    socket.on('timeout', () => end(false));
    socket.on('error', () => end(false));
  });
}
const look = async (version: Version) => ({
  blocked: await reaches(version, BLOCKED[version]),
  other: await reaches(version, OTHER[version]),
});
const ruleset = () => execFileSync('nft', ['list', 'ruleset'], { encoding: 'utf8' });

let serial = 0;
async function block(version: Version, seconds: number, config: Record<string, unknown> = {}) {
  const { rules } = loadRules([
    {
      name: 'r',
      text: stringify([
        { rule: 'r', match: {}, actions: [{ action: 'b', actionner: 'host:block-address', parameters: { seconds } }] },
      ]),
    },
  ]);
  const responder = await startResponder({
    config: loadResponseConfig(stringify({ journal: { path: join(folder, String(serial++)) }, ...config }), 'c', {}),
    rules,
    cluster: () => {
      throw new Error('there is no cluster');
    },
    logger: { info() {}, warning() {}, error() {}, debug() {} },
  });
  const alert = {
    rule: 'Outbound',
    priority: 'Critical',
    time: new Date().toISOString(),
    hostname: hostname(),
    output: 'a connection',
    output_fields: { 'fd.rip': BLOCKED[version] },
  };
  await responder.accept(Buffer.from(JSON.stringify(alert)));
  await responder.idle();
  return responder;
}

const result: Record<string, unknown> = {};
const dry = await block(4, 60, { guards: { dry_run: true } });
result.dryRun = { state: dry.log()[0]?.state, message: dry.log()[0]?.message, ruleset: ruleset() };
await dry.stop(0);
for (const version of [4, 6] as const) {
  const before = await look(version);
  const responder = await block(version, 60);
  const [entry] = responder.log();
  const during = await look(version);
  const undone = await responder.undo(entry?.id ?? '');
  result[version] = {
    state: entry?.state,
    message: entry?.message,
    before,
    during,
    undone,
    after: await look(version),
  };
  await responder.stop(0);
}
// It ends by itself, too.
const brief = await block(4, 2);
const during = await reaches(4, BLOCKED[4]);
let after = false;
for (let i = 0; i < 50 && !after; i++) after = await reaches(4, BLOCKED[4]);
result.brief = { during, after };
await brief.stop(0);
process.stdout.write(`${JSON.stringify(result)}\n`);
process.exit(0);
