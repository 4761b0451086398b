/** Actions on the host that the alert comes from, for a responder that runs there. */
import { constants } from 'node:fs';
import {
  chmod,
  copyFile,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
} from 'node:fs/promises';
import { isIP } from 'node:net';
import { tmpdir, uptime } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { systemCalls } from '../../bpf/index.ts';
import { type Alert, textOf, toJson } from '../../outputs/forward/index.ts';
import { ActionError, actionKind, type Context } from '../action.ts';
import { number } from './pod.ts';
import { field } from './target.ts';

/** The same on x86-64 and arm64 (include/uapi/asm-generic/unistd.h). */
const NR_PIDFD_SEND_SIGNAL = 424;
const NR_PIDFD_OPEN = 434;
const NR_CLOSE = process.arch === 'arm64' ? 57 : 3;
const SIGNALS = { kill: 9, stop: 19, continue: 18, terminate: 15 } as const;
/** USER_HZ: the unit of start times in /proc, 100 on every architecture that we run on. */
const TICKS = 100n;
/** How far the start time of an alert may be from /proc's, which is in hundredths of a second: nanoseconds. */
const SLACK = 30_000_000n;

/** An alert of another host is not about this one's processes. */
function assertHere(alert: Alert, { hostname }: Context): void {
  const from = textOf(alert.fields['evt.hostname']) || alert.hostname;
  if (from !== hostname) throw new ActionError(`the alert is from "${from}", and this is ${hostname}`);
}

interface Process {
  readonly pid: number;
  readonly name: string;
  readonly parent: number;
  /** Start time in ticks since the machine started: with the pid, that very process. */
  readonly ticks: bigint;
  /** `R`, `S`, `T` (stopped), `Z` … */
  readonly state: string;
}

async function processAt(pid: number, proc: string): Promise<Process | null> {
  try {
    const stat = await readFile(`${proc}/${pid}/stat`, 'latin1');
    const close = stat.lastIndexOf(')');
    const rest = stat.slice(close + 2).split(' ');
    return {
      pid,
      name: stat.slice(stat.indexOf('(') + 1, close),
      parent: Number(rest[1]),
      ticks: BigInt(rest[19]),
      state: rest[0],
    };
  } catch {
    return null;
  }
}

/** The process of the alert, if it is still the one. @throws ActionError when it is gone or another */
async function processOf(alert: Alert, context: Context): Promise<Process> {
  assertHere(alert, context);
  const pid = Number(field(alert, 'proc.pid'));
  if (!Number.isSafeInteger(pid) || pid <= 1) throw new ActionError(`${pid} is no process to act on`);
  if (pid === process.pid || pid === process.ppid) throw new ActionError('never itself');
  const started = textOf(alert.fields['proc.pid.ts']);
  if (!/^\d{15,}$/.test(started))
    throw new ActionError(
      "the alert does not say when the process started (proc.pid.ts): its number may be another one's by now",
    );
  const found = await processAt(pid, context.proc);
  if (found === null) throw new ActionError(`process ${pid} is gone`, true);
  // Both clocks in one moment: when the machine started, on the clock that alerts have.
  const boot = BigInt(Math.round(Date.now() - uptime() * 1000)) * 1_000_000n;
  const difference = boot + (found.ticks * 1_000_000_000n) / TICKS - BigInt(started);
  if (difference > SLACK || difference < -SLACK) throw new ActionError(`process ${pid} is another one by now`, true);
  return found;
}

/** Signals a process through a pidfd: whatever happens to the number in between, no other process gets it. */
async function signalExactly(target: Process, signal: number, proc: string): Promise<boolean> {
  const sys = systemCalls();
  const fd = sys.sys(NR_PIDFD_OPEN, target.pid, 0);
  if (fd < 0) return false;
  try {
    // The descriptor holds a process; now see whether it is the one.
    const found = await processAt(target.pid, proc);
    if (found === null || found.ticks !== target.ticks) return false;
    const result = sys.sys(NR_PIDFD_SEND_SIGNAL, fd, signal, 0n, 0);
    if (result === -3) return false;
    if (result < 0) throw new ActionError(`the signal was refused (errno ${-result})`);
    return true;
  } finally {
    sys.sys(NR_CLOSE, fd);
  }
}

/** Waits until a stopped process really stands still: until then it can start another one. */
async function stands(target: Process, proc: string): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const found = await processAt(target.pid, proc);
    if (found === null || found.ticks !== target.ticks || !'RSD'.includes(found.state)) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function descendants(of: Process, proc: string): Promise<Process[]> {
  const all = await Promise.all(
    (await readdir(proc)).filter((name) => /^\d+$/.test(name)).map((name) => processAt(Number(name), proc)),
  );
  const found: Process[] = [];
  const queue = [of.pid];
  for (let pid = queue.shift(); pid !== undefined; pid = queue.shift()) {
    for (const child of all) {
      if (child === null || child.parent !== pid || found.includes(child)) continue;
      found.push(child);
      queue.push(child.pid);
    }
  }
  return found;
}

const signalling = (
  name: string,
  doc: string,
  signal: keyof typeof SIGNALS,
  tree: boolean,
  undo: keyof typeof SIGNALS | null,
) =>
  actionKind({
    name: `host:${name}`,
    doc,
    continues: true,
    repeatable: true,
    parameters: z.strictObject({}),
    async plan(alert, _parameters, context) {
      const target = await processOf(alert, context);
      return {
        target: `process ${target.pid} on ${context.hostname}`,
        async perform(dryRun) {
          // From the root down, each stopped before its children are listed: none can start another one meanwhile.
          const done: Process[] = [];
          const pending = [target];
          for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
            if (next.pid === process.pid) continue;
            if (!dryRun && tree && (await signalExactly(next, SIGNALS.stop, context.proc)))
              await stands(next, context.proc);
            done.push(next);
            if (tree)
              for (const child of await descendants(next, context.proc))
                if (![...done, ...pending].some(({ pid }) => pid === child.pid)) pending.push(child);
          }
          let count = 0;
          for (const each of done) if (dryRun || (await signalExactly(each, SIGNALS[signal], context.proc))) count++;
          if (count === 0) throw new ActionError(`process ${target.pid} is gone`, true);
          if (!dryRun && signal === 'stop') await stands(target, context.proc);
          const record = { pid: target.pid, name: target.name, ticks: String(target.ticks), parent: target.parent };
          return {
            message: `${signal} for ${count} process${count === 1 ? '' : 'es'} (${target.name}, ${target.pid})`,
            undo: undo === null ? undefined : record,
          };
        },
      };
    },
    ...(undo !== null && {
      async undo(record: Readonly<Record<string, unknown>>, context: Context) {
        const target = {
          pid: Number(record.pid),
          name: String(record.name),
          ticks: BigInt(String(record.ticks)),
          state: '',
          parent: Number(record.parent),
        };
        if (!(await signalExactly(target, SIGNALS[undo], context.proc)))
          throw new ActionError(`process ${target.pid} is gone`);
        return `${undo} for process ${target.pid}`;
      },
    }),
  });

/**
 * Where the paths of the alert's process start: it can have a mount namespace of its own without being in a container. Once
 * it is gone, a path of the host is taken as the host has it; of a container, nothing can be said any more.
 */
async function rootOf(alert: Alert, context: Context): Promise<string> {
  const container = textOf(alert.fields['container.id']);
  const isHost = container === '' || container === 'host';
  try {
    const { pid } = await processOf(alert, context);
    const mounts = (of: number) => readlink(`${context.proc}/${of}/ns/mnt`).catch(() => null);
    // The host's own paths still hold when the process has ended, which undoing asks for.
    if (isHost && (await mounts(pid)) === (await mounts(1))) return '';
    return `${context.proc}/${pid}/root`;
  } catch (error) {
    if (isHost) return '';
    throw error;
  }
}

const quarantine = actionKind({
  name: 'host:quarantine-file',
  doc: 'Moves the file of the alert away and takes all rights from it.',
  continues: true,
  repeatable: false,
  parameters: z.strictObject({ field: z.enum(['fd.name', 'proc.exepath', 'evt.arg.path']).default('fd.name') }),
  async plan(alert, parameters, context) {
    assertHere(alert, context);
    const path = field(alert, parameters.field);
    if (!path.startsWith('/') || path.includes('\0') || path.split('/').includes('..'))
      throw new ActionError(`"${path}" is no absolute path`);
    const file = `${await rootOf(alert, context)}${path}`;
    const stat = await lstat(file).catch(() => null);
    if (stat === null) throw new ActionError(`${path} is gone`, true);
    if (!stat.isFile()) throw new ActionError(`${path} is no regular file`);
    const inode = parameters.field === 'fd.name' ? textOf(alert.fields['fd.ino']) : '';
    if (/^[1-9]\d*$/.test(inode) && inode !== String(stat.ino))
      throw new ActionError(`${path} is not the file of the alert (inode ${stat.ino}, not ${inode})`);
    return {
      target: `file ${path} on ${context.hostname}`,
      async perform(dryRun) {
        const away = join(context.quarantine, `${alert.uuid}-${basename(path)}`);
        if (dryRun) return { message: `would move ${path} to ${away}` };
        await mkdir(context.quarantine, { recursive: true, mode: 0o700 });
        await moveFile(file, away, stat.ino);
        await chmod(away, 0o000);
        return { message: `moved ${path} to ${away}`, undo: { file, away, mode: stat.mode & 0o7777 } };
      },
    };
  },
  async undo(record) {
    const { file, away, mode } = record as unknown as { file: string; away: string; mode: number };
    const there = await lstat(file).catch(() => null);
    if (there !== null) throw new ActionError(`${file} exists again: left as it is`);
    await chmod(away, 0o600);
    await moveFile(away, file, (await lstat(away)).ino);
    await chmod(file, mode);
    return `moved ${file} back`;
  },
});

/** Moves a file, also onto another file system; the same file as was looked at, and through no symbolic link. */
async function moveFile(from: string, to: string, inode: number): Promise<void> {
  const handle = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if ((await handle.stat()).ino !== inode) throw new ActionError(`${from} is another file by now`);
  } finally {
    await handle.close();
  }
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    await copyFile(from, to, constants.COPYFILE_EXCL);
    await rm(from);
  }
}

/** This program, as it is started without its shell wrapper. */
const PROGRAM = fileURLToPath(new URL('../../../bin/main.js', import.meta.url));
/** What loading the probe and writing the file may take besides the capture, milliseconds. */
const CAPTURE_GRACE = 60_000;

const capture = actionKind({
  name: 'host:capture',
  doc: 'Records the system calls of the process of the alert and its descendants for a time, as a `.scap` file.',
  continues: true,
  repeatable: false,
  artefact: true,
  parameters: z.strictObject({ seconds: number(10).pipe(z.number().min(1).max(120)) }),
  async plan(alert, { seconds }, context) {
    const { pid, name } = await processOf(alert, context);
    return {
      target: `process ${pid} on ${context.hostname}`,
      async perform(dryRun) {
        if (dryRun) return { message: `would record ${name} (${pid}) for ${seconds} s` };
        const folder = await mkdtemp(join(tmpdir(), 'windhover-capture-'));
        try {
          const file = join(folder, 'capture.scap');
          // The kernel sends nothing but what belongs to that process.
          const scope = ['-o', `windhover.scope=pid=${pid}`];
          const { status, stderr } = await context.run(
            [process.execPath, PROGRAM, 'record', '-w', file, '-M', String(seconds), ...scope],
            { timeout: seconds * 1000 + CAPTURE_GRACE },
          );
          if (status !== 0) throw new ActionError(`the recorder ended with ${status}: ${stderr.trim().slice(-300)}`);
          const content = await readFile(file);
          return {
            message: `recorded ${name} (${pid}) for ${seconds} s (${content.length} bytes)`,
            artefact: { name: 'capture.scap', content },
          };
        } finally {
          await rm(folder, { recursive: true, force: true });
        }
      },
    };
  },
});

const TABLE = ['inet', 'windhover'];

const block = actionKind({
  name: 'host:block-address',
  doc: 'Drops what the host exchanges with the address of the alert, by nftables, for a time.',
  continues: true,
  repeatable: true,
  parameters: z.strictObject({ seconds: number(3600) }),
  async plan(alert, { seconds }, context) {
    assertHere(alert, context);
    const address = ['fd.rip', 'fd.sip'].map((name) => textOf(alert.fields[name])).find((value) => isIP(value) !== 0);
    if (address === undefined) throw new ActionError('the alert has no address (fd.rip)');
    if (/^(127\.|0\.0\.0\.0$|::1$|::$)/.test(address)) throw new ActionError(`never ${address}`);
    const version = isIP(address);
    const set = `blocked${version}`;
    return {
      target: `address ${address} on ${context.hostname}`,
      async perform(dryRun) {
        const rules = [
          `add table ${TABLE.join(' ')}`,
          `add set ${TABLE.join(' ')} ${set} { type ipv${version}_addr; flags timeout; }`,
          `add chain ${TABLE.join(' ')} in${version} { type filter hook input priority -10; }`,
          `add chain ${TABLE.join(' ')} out${version} { type filter hook output priority -10; }`,
          `flush chain ${TABLE.join(' ')} in${version}`,
          `flush chain ${TABLE.join(' ')} out${version}`,
          `add rule ${TABLE.join(' ')} in${version} ip${version === 6 ? '6' : ''} saddr @${set} drop`,
          `add rule ${TABLE.join(' ')} out${version} ip${version === 6 ? '6' : ''} daddr @${set} drop`,
          `add element ${TABLE.join(' ')} ${set} { ${address} timeout ${seconds}s }`,
        ];
        const { status, stderr } = await context.run(['nft', ...(dryRun ? ['-c'] : []), '-f', '-'], {
          stdin: `${rules.join('\n')}\n`,
        });
        if (status !== 0) throw new ActionError(`nft: ${stderr.slice(0, 300)}`);
        return { message: `blocked ${address} for ${seconds} s`, undo: { set, address } };
      },
    };
  },
  async undo({ set, address }, context) {
    const { status, stderr } = await context.run(
      ['nft', 'delete', 'element', ...TABLE, String(set), `{ ${address} }`],
      {},
    );
    if (status !== 0) throw new ActionError(`nft: ${stderr.slice(0, 300)}`);
    return `${address} may pass again`;
  },
});

const program = actionKind({
  name: 'program:run',
  doc: "Runs a program of the configuration's `programs`. Its arguments are fixed; the alert is JSON on its standard input.",
  continues: true,
  repeatable: false,
  parameters: z.strictObject({ program: z.string(), timeout: number(30) }),
  async plan(alert, parameters, context) {
    const argv = context.programs[parameters.program];
    if (argv === undefined) throw new ActionError(`"${parameters.program}" is not among the configured programs`);
    return {
      target: `program ${parameters.program}`,
      async perform(dryRun) {
        if (dryRun) return { message: `would run ${argv.join(' ')}` };
        const { status, stdout, stderr } = await context.run(argv, {
          stdin: toJson(alert),
          timeout: parameters.timeout * 1000,
        });
        if (status !== 0) throw new ActionError(`${parameters.program} ended with ${status}: ${stderr.slice(0, 300)}`);
        return { message: `ran ${parameters.program}`, artefact: { name: 'output.txt', content: Buffer.from(stdout) } };
      },
    };
  },
});

const notify = actionKind({
  name: 'notify',
  doc: 'Sends the alert through notifiers of the configuration.',
  continues: true,
  repeatable: false,
  parameters: z.strictObject({ notifiers: z.array(z.string()).min(1), message: z.string().default('') }),
  plan: async (alert, { notifiers, message }, context) => ({
    target: `notifiers ${notifiers.join(', ')}`,
    async perform(dryRun) {
      if (!dryRun) for (const notifier of notifiers) await context.notify(notifier, alert, message || alert.output);
      return { message: `told ${notifiers.join(', ')}` };
    },
  }),
});

const lambda = actionKind({
  name: 'aws:lambda',
  doc: 'Calls an AWS Lambda function with the alert.',
  continues: true,
  repeatable: false,
  parameters: z.strictObject({
    aws_lambda_name: z.string(),
    aws_lambda_alias_or_version: z.string().default('$LATEST'),
    aws_lambda_invocation_type: z.enum(['RequestResponse', 'Event', 'DryRun']).default('RequestResponse'),
  }),
  plan: async (alert, parameters, context) => ({
    target: `function ${parameters.aws_lambda_name}`,
    async perform(dryRun) {
      const qualifier = parameters.aws_lambda_alias_or_version;
      const functionname =
        qualifier === '$LATEST' ? parameters.aws_lambda_name : `${parameters.aws_lambda_name}:${qualifier}`;
      await context.deliver(
        'aws.lambda',
        { functionname, invocationtype: dryRun ? 'DryRun' : parameters.aws_lambda_invocation_type },
        alert,
      );
      return { message: `called ${functionname}` };
    },
  }),
});

const gcpFunction = actionKind({
  name: 'gcp:function',
  doc: 'Calls a Google Cloud Function with the alert.',
  continues: true,
  repeatable: false,
  parameters: z.strictObject({
    gcp_function_name: z.string(),
    gcp_function_location: z.string().default('us-central1'),
    gcp_function_timeout: number(10),
  }),
  plan: async (alert, { gcp_function_name, gcp_function_location }, context) => ({
    target: `function ${gcp_function_name}`,
    async perform(dryRun) {
      const project = process.env.GOOGLE_CLOUD_PROJECT ?? '';
      if (project === '') throw new ActionError('GOOGLE_CLOUD_PROJECT is not set');
      if (!dryRun)
        await context.deliver(
          'gcp.cloudfunctions',
          { name: `projects/${project}/locations/${gcp_function_location}/functions/${gcp_function_name}` },
          alert,
        );
      return { message: `called ${gcp_function_name}` };
    },
  }),
});

export const HOST_ACTIONS = [
  signalling(
    'kill-process',
    'Kills the process of the alert: that one, and no other that has got its number.',
    'kill',
    false,
    null,
  ),
  signalling('kill-tree', 'Kills the process of the alert and all its descendants.', 'kill', true, null),
  signalling('stop-process', 'Stops the process of the alert.', 'stop', false, 'continue'),
  signalling('continue-process', 'Lets the process of the alert go on.', 'continue', false, 'stop'),
  quarantine,
  block,
  capture,
  program,
  notify,
  lambda,
  gcpFunction,
];
