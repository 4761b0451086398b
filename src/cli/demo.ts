import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { styleText } from 'node:util';
import { nearest } from '../diagnostic.ts';
import { CommandError, EXIT_USAGE, newCommand, runCommand } from './command.ts';
import { type Action, DEMO_RULES, demoActions, demoCommand, demoOptions } from './demo-actions.ts';
import type { FalcoFlags } from './flags.ts';
import { runSensor } from './runtime.ts';
import { runInput } from './sensor.ts';
import { setUp } from './setup.ts';

/**
 * `windhover demo` (what `npm start` runs): watches a small workload of its own and shows the alerts that it raises.
 * `windhover demo RULE`: does the harmless act that raises this rule, in namespaces of its own.
 */
export async function main(args: string[]): Promise<number> {
  const command = newCommand('windhover demo', 'Watch a small, harmless workload of our own and see what it raises.', [
    ['windhover demo', 'seven things that intruders do, one a second'],
    ['windhover demo --pause 0', 'all at once'],
    ['windhover demo --list', 'the rules that an act is there for'],
    ['windhover demo "Create Hardlink Over Sensitive Files"', 'the act that raises this rule (as root)'],
  ])
    .argument('[rule]', 'do what raises this rule')
    .option('--list', 'list the rules that an act is there for')
    .option('--pause <seconds>', 'time between the steps', '1')
    .option(
      '-o, --option <key=value>',
      'set a key of the configuration; may be given more than once',
      (value: string, before: string[]) => [...before, value],
      [],
    );
  return runCommand(command, args, async () => {
    const flags = command.opts<DemoFlags>();
    const actions = demoActions();
    if (flags.list) {
      process.stdout.write(actions.map(({ rule }) => `${rule}\n`).join(''));
      return 0;
    }
    const [name] = command.args;
    return name === undefined ? demo(flags) : act(findAction(actions, name), flags);
  });
}

interface DemoFlags {
  readonly list?: true;
  readonly pause: string;
  readonly option: readonly string[];
}

function findAction(actions: readonly Action[], name: string): Action {
  const found = actions.find(({ rule }) => rule.toLowerCase() === name.toLowerCase());
  if (found !== undefined) return found;
  const near = nearest(
    name,
    actions.map(({ rule }) => rule),
  );
  const hint = near === null ? 'windhover demo --list shows all of them.' : `Did you mean "${near}"?`;
  throw new CommandError(`Error: There is no act for the rule "${name}"\n  ${hint}`, EXIT_USAGE);
}

/** Does one act and shows what it raises. */
async function act(action: Action, { option }: DemoFlags): Promise<number> {
  const scratch = mkdtempSync(join(tmpdir(), 'windhover-demo-'));
  const listener = await listen();
  try {
    const { port } = listener.address() as { port: number };
    const turnedOn = `rules=[{enable: {rule: ${JSON.stringify(action.rule)}}}]`;
    await watch(demoCommand([action], action.place, { scratch, port, announce: true }), [
      'rule_matching=all',
      turnedOn,
      ...demoOptions(action.place, scratch),
      ...option,
    ]);
  } finally {
    listener.close();
    for (const path of [scratch, `${scratch}.sock`]) rmSync(path, { recursive: true, force: true });
  }
  return 0;
}

/** Runs a command in a scope of its own and prints the alerts. */
async function watch(command: readonly string[], option: readonly string[]): Promise<void> {
  const flags: FalcoFlags = {
    rulesFile: [...DEMO_RULES],
    option: [
      'engine.kind=modern_ebpf',
      'append_output=[]',
      'log_level=warning',
      'syslog_output.enabled=false',
      ...option,
    ],
  };
  const input = runInput(flags, await setUp(flags, true));
  await runSensor(
    { ...input, setup: { ...input.setup, command: [...command] } },
    { reread: null, verbose: false, stopAfterSeconds: 0, pidfile: null, channels: [], statistics: 'stderr' },
  );
}

async function demo({ pause, option }: DemoFlags): Promise<number> {
  say(styleText('bold', 'Windhover: a demonstration'));
  say(
    'A workload of our own starts now. It and its children are watched, and nothing else on this machine:\n' +
      'the kernel decides that before anything is copied. Alerts appear as they happen.',
  );
  const listener = await listen();
  try {
    const workload = fileURLToPath(new URL('../../demo/workload.sh', import.meta.url));
    const { port } = listener.address() as { port: number };
    await watch(['/usr/bin/env', `WINDHOVER_DEMO_PORT=${port}`, '/bin/sh', workload, pause], option);
  } finally {
    listener.close();
  }
  say(
    [
      '',
      styleText('bold', 'Now yours'),
      '  bin/windhover run -- CMD…        watch a command and its children (try: run -- npm ci)',
      '  bin/windhover                    watch the whole host (root; or scope it: -o windhover.scope=cgroup=/sys/fs/cgroup/…)',
      '  bin/windhover record -w a.scap -- CMD…, then bin/windhover replay a.scap',
      '  bin/windhover --help             everything else; your falco.yaml and rules work as they are',
    ].join('\n'),
  );
  return 0;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** A listener on loopback for the step that connects a shell to the network. */
function listen(): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.end());
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}
