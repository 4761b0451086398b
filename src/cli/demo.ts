import { createServer, type Server } from 'node:net';
import { fileURLToPath } from 'node:url';
import { styleText } from 'node:util';
import { newCommand, runCommand } from './command.ts';
import type { FalcoFlags } from './flags.ts';
import { runSensor } from './runtime.ts';
import { runInput } from './sensor.ts';
import { setUp } from './setup.ts';

/** `windhover demo` (what `npm start` runs): watches a small workload of its own and shows the alerts that it raises. */
export async function main(args: string[]): Promise<number> {
  const command = newCommand('windhover demo', 'Watch a small, harmless workload of our own and see what it raises.', [
    ['windhover demo', 'seven things that intruders do, one a second'],
    ['windhover demo --pause 0', 'all at once'],
  ])
    .option('--pause <seconds>', 'time between the steps', '1')
    .option(
      '-o, --option <key=value>',
      'set a key of the configuration; may be given more than once',
      (value: string, before: string[]) => [...before, value],
      [],
    );
  return runCommand(command, args, () => demo(command.opts<DemoFlags>()));
}

interface DemoFlags {
  readonly pause: string;
  readonly option: readonly string[];
}

async function demo({ pause, option }: DemoFlags): Promise<number> {
  say(styleText('bold', 'Windhover: a demonstration'));
  say(
    'A workload of our own starts now. It and its children are watched, and nothing else on this machine:\n' +
      'the kernel decides that before anything is copied. Alerts appear as they happen.',
  );
  const listener = await listen();
  try {
    const flags: FalcoFlags = {
      option: [
        'engine.kind=modern_ebpf',
        'append_output=[]',
        'log_level=warning',
        'syslog_output.enabled=false',
        ...option,
      ],
    };
    const input = runInput(flags, await setUp(flags, true));
    const workload = fileURLToPath(new URL('../../demo/workload.sh', import.meta.url));
    const port = String((listener.address() as { port: number }).port);
    await runSensor(
      {
        ...input,
        setup: {
          ...input.setup,
          command: ['/usr/bin/env', `WINDHOVER_DEMO_PORT=${port}`, '/bin/sh', workload, pause],
        },
      },
      {
        reread: null,
        verbose: false,
        stopAfterSeconds: 0,
        pidfile: null,
        channels: [],
        statistics: 'stderr',
      },
    );
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
