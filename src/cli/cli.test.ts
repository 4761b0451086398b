import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { buildEvent, EventType, viewEvent } from '../event/index.ts';
import { DumpFlag, ScapWriter } from '../scap/index.ts';
import { FALCO_VERSION, VERSION } from '../version.ts';
import { compatibilityPage } from './compatibility.ts';

const program = fileURLToPath(new URL('../main.ts', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'windhover-cli-'));
afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string, text: string | Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

interface Answer {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

const environment = {
  ...process.env,
  TZ: 'UTC',
  NO_COLOR: '1',
  FALCO_HOSTNAME: 'testhost',
  WINDHOVER_REQUIRE_SCOPE: '1',
};

function windhover(...args: string[]): Promise<Answer> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { env: environment, cwd: directory }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

const rule = (name: string, condition: string, priority = 'WARNING'): string =>
  `- rule: ${name}\n  desc: d\n  condition: ${condition}\n  output: opened %fd.name by %proc.name\n  priority: ${priority}\n  tags: [b, a]\n`;

const plain = file(
  'falco.yaml',
  'stdout_output: {enabled: true}\nlog_stderr: true\nlog_syslog: false\nappend_output: []\nengine: {kind: nodriver}\n',
);
const rules = file('rules.yaml', rule('Opened', 'evt.type = openat and fd.name startswith /etc/'));

/** A capture of opens of the given paths, a second and a nanosecond apart. */
function capture(name: string, paths: readonly string[], flags: (i: number) => number = () => 0): string {
  const pieces: Uint8Array[] = [];
  const writer = new ScapWriter((piece) => pieces.push(piece));
  paths.forEach((path, i) => {
    const bytes = buildEvent(EventType.SYSCALL_OPENAT_2_X as number, {
      ts: 1_700_000_000_000_000_000n + BigInt(i) * 1_000_000_001n,
      tid: 42,
      params: { fd: 3, dirfd: -100, name: path, flags: 1, mode: 0, dev: 1, ino: 1n },
    });
    writer.event(viewEvent(bytes, i + 1), flags(i));
  });
  writer.flush();
  return file(name, Buffer.concat(pieces));
}
const opens = capture('opens.scap', ['/etc/one', '/tmp/two', '/etc/three']);
const replay = ['-o', 'engine.kind=replay', '-o', `engine.replay.capture_file=${opens}`];

test('without any output channel, alerts are on standard output', async () => {
  const silent = file(
    'silent.yaml',
    'log_stderr: true\nlog_syslog: false\nappend_output: []\nstdout_output: {enabled: false}\n',
  );
  const { stdout, stderr } = await windhover('-c', silent, '-r', rules, ...replay);
  expect(stdout.match(/ Warning opened \/etc\//g)).toHaveLength(2);
  expect(stderr).toContain('No output channel is enabled');
});

test('events that a capture holds only for the state raise no alert', async () => {
  const flagged = capture('flagged.scap', ['/etc/one', '/etc/two', '/etc/three'], (i) =>
    i === 1 ? DumpFlag.STATE_ONLY : 0,
  );
  const { stdout } = await windhover('replay', '-c', plain, '-r', rules, flagged);
  expect(stdout.match(/opened \S+/g)).toEqual(['opened /etc/one', 'opened /etc/three']);
});

describe('without a configuration', () => {
  test('--version as text and JSON, --help, --page-size', async () => {
    expect((await windhover('--version')).stdout).toMatch(
      new RegExp(`^Windhover version: ${VERSION} .*\nFalco version: +${FALCO_VERSION} `),
    );
    const json = await windhover('--version', '-o', 'json_output=true');
    expect(JSON.parse(json.stdout)).toMatchObject({ falco_version: FALCO_VERSION, engine_version: '63' });
    const help = await windhover('--help');
    expect(help.status).toBe(0);
    expect(help.stdout).toContain('Examples:');
    expect((await windhover('--page-size')).stdout).toMatch(/^Your system page size is: \d+\n$/);
  });

  test('schemas are JSON', async () => {
    const config = JSON.parse((await windhover('--config-schema')).stdout);
    expect(config.properties.engine.properties.kind.default).toBe('modern_ebpf');
    expect(JSON.parse((await windhover('--rule-schema')).stdout)).toHaveProperty('$schema');
  });

  test('--list-events in three forms, -i', async () => {
    const text = await windhover('--list-events');
    expect(text.stdout).toContain('\n< close(ERRNO res, FD fd)\n');
    const markdown = await windhover('--list-events', '--markdown');
    expect(markdown.stdout).toContain('\nYes | `<` | `close` | ERRNO **res**, FD **fd**\n');
    const json = JSON.parse((await windhover('--list-events', '--format', 'json')).stdout);
    expect(Object.keys(json)).toEqual([
      'schema_version',
      'Syscall events',
      'Tracepoint events',
      'Plugin events',
      'Metaevents',
    ]);
    expect(json['Syscall events']).toContainEqual({
      name: 'close',
      dir: '<',
      available: true,
      params: [
        { name: 'res', type: 'ERRNO' },
        { name: 'fd', type: 'FD' },
      ],
    });
    expect((await windhover('-i')).stdout).toMatch(/^Ignored syscall\(s\):\n- .*\n- pwrite\n/s);
  });

  test('--list in three forms, names only, by source', async () => {
    expect((await windhover('--list')).stdout).toMatch(/\nproc\.name +\(Type: CHARBUF\) /);
    expect((await windhover('--list', '--format', 'markdown')).stdout).toContain('\n`proc.name` | CHARBUF | ');
    const json = JSON.parse((await windhover('--list=syscall', '-o', 'json_output=true')).stdout);
    const all = json.fieldclasses.flatMap((one: { fields: { name: string }[] }) =>
      one.fields.map((field) => field.name),
    );
    expect(all).toContain('proc.aname');
    expect(json.fieldclasses[0]).toMatchObject({ name: 'evt', event_sources: ['syscall'] });
    const names = await windhover('--list', '-N');
    expect(names.stdout.split('\n')).toContain('fd.name');
    const wrong = await windhover('--list=nowhere');
    expect(wrong).toMatchObject({ status: 1, stdout: '' });
  });

  test('wrong usage: Falco’s status for its flags, 2 for our commands', async () => {
    expect((await windhover('--no-such-flag')).status).toBe(1);
    expect((await windhover('replay')).status).toBe(2);
    expect((await windhover('rules', 'polish', rules)).status).toBe(2);
    expect((await windhover('run', '--format', 'xml', '--', 'true')).status).toBe(2);
    expect((await windhover('--format', 'xml', '--list-events')).status).toBe(1);
  });
});

describe('configuration', () => {
  test('what is wrong is said with its place and what to do, with status 1', async () => {
    const bad = file('bad.yaml', 'stdout_output:\n  enabled: true\nrule_matching: some\n');
    expect(await windhover('-c', bad, '-r', rules)).toEqual({
      status: 1,
      stdout: '',
      stderr: `Error: ${bad}:3:16: Unknown rule matching strategy "some"--must be one of first, all\n  Use one of first, all.\n`,
    });
    expect((await windhover('-c', join(directory, 'none.yaml'))).stderr).toContain('ENOENT');
    expect((await windhover('-c', plain, '-o', 'oops')).stderr).toContain('Error parsing config option "oops"');
  });

  test('rules that are missing, or whose plugin is', async () => {
    const none = await windhover('-c', plain, '-o', 'rules_files=[]');
    expect(none).toMatchObject({ status: 1, stdout: '' });
    expect(none.stderr).toContain('You must specify at least one rules file');
    expect((await windhover('-c', plain, '-r', join(directory, 'none.yaml'))).status).toBe(1);
    const needy = file('needy.yaml', '- required_plugin_versions: [{name: okta, version: 1.0.0}]\n');
    const unmet = await windhover('-c', plain, '-r', needy, ...replay);
    expect(unmet.status).toBe(1);
    expect(unmet.stderr).toContain('Plugin requirement not satisfied, must load one of: okta (>= 1.0.0)');
    const sources = await windhover(
      '-c',
      plain,
      '-r',
      rules,
      '--enable-source',
      'syscall',
      '--disable-source',
      'syscall',
    );
    expect(sources.stderr).toContain('mix --enable-source and --disable-source');
    expect((await windhover('-c', plain, '-r', rules, '--disable-source', 'syscall')).stderr).toContain(
      'at least one event source',
    );
  });

  test('a dry run loads and ends; -V, -L and -l', async () => {
    const dry = await windhover('-c', plain, '-r', rules, '--dry-run');
    expect(dry).toMatchObject({ status: 0, stdout: '' });
    const wrong = file('wrong.yaml', rule('Wrong', 'evt.type = openat and no.field = 1') + rule('Worse', 'evt.type ='));
    const invalid = await windhover('-c', plain, '-V', rules, '-V', wrong);
    expect(invalid.status).toBe(1);
    expect(invalid.stdout).toContain(`${rules}: Ok\n${wrong}: Invalid\n1 Errors:\n`);
    expect(invalid.stderr).toContain('Also wrong:');
    const listed = await windhover('-c', plain, '-r', rules, '-L');
    expect(listed.stdout).toMatch(/^Rule {47}Description\n---- {47}-----------\nOpened {45}d \n\n$/);
    const described = await windhover('-c', plain, '-r', rules, '-l', 'Opened', '-o', 'json_output=true');
    expect(JSON.parse(described.stdout).rules[0].info).toMatchObject({ name: 'Opened', tags: ['a', 'b'] });
    expect((await windhover('-c', plain, '-r', rules, '-l', 'No such')).stderr).toContain(
      'Rule "No such" is not loaded',
    );
  });

  test('--support, --list-plugins, --plugin-info', async () => {
    const support = JSON.parse((await windhover('-c', plain, '-r', rules, '--support')).stdout);
    expect(support).toMatchObject({ version: FALCO_VERSION, rules_files: [{ name: rules }] });
    expect(support.config).toBe(readFileSync(plain, 'utf8'));
    const plugins = ['-o', 'plugins[]={"name": "json"}'];
    expect((await windhover('-c', plain, ...plugins, '--list-plugins')).stdout).toMatch(
      /^1 Plugins Loaded:\n\nName: json\n/,
    );
    expect((await windhover('-c', plain, '--plugin-info', 'container')).stdout).toContain('  - Async Events\n');
    expect((await windhover('-c', plain, '--plugin-info', 'okta')).status).toBe(1);
  });
});

describe('replay', () => {
  test('as falco: alerts and statistics on stdout, the rest on stderr', async () => {
    const { status, stdout, stderr } = await windhover('-c', plain, '-r', rules, ...replay);
    expect(status).toBe(0);
    expect(stdout).toBe(
      '22:13:20.000000000: Warning opened /etc/one by <NA>\n22:13:22.000000002: Warning opened /etc/three by <NA>\n' +
        'Events detected: 2\nRule counts by severity:\n   WARNING: 2\nTriggered rules by rule name:\n   Opened: 2\n',
    );
    expect(stderr).toContain('Syscall event drop monitoring:\n   - event drop detected: 0 occurrences\n');
  });

  test('as JSON', async () => {
    const { stdout } = await windhover('-c', plain, '-r', rules, ...replay, '-o', 'json_output=true');
    expect(stdout.split('\n')[0]).toBe(
      '{"hostname":"testhost","output":"22:13:20.000000000: Warning opened /etc/one by <NA>","output_fields":{"evt.time":1700000000000000000,"fd.name":"/etc/one","proc.name":"<NA>"},"priority":"Warning","rule":"Opened","source":"syscall","tags":["a","b"],"time":"2023-11-14T22:13:20.000000000Z"}',
    );
  });

  test('-M ends it by the time in the capture; -p adds to the output', async () => {
    const { stdout } = await windhover('-c', plain, '-r', rules, ...replay, '-M', '2', '-p', 'num=%evt.num');
    expect(stdout).toMatch(/^22:13:20.000000000: Warning opened \/etc\/one by <NA> num=1\nEvents detected: 1\n/);
  });

  test('windhover replay: only alerts on stdout; --stats as JSON on stderr; the interpreter says the same', async () => {
    const { stdout, stderr } = await windhover('replay', '--stats', '-o', 'append_output=[]', '-r', rules, opens);
    expect(stdout.match(/^22:13:2.*$/gm)).toHaveLength(2);
    expect(stdout).not.toContain('Events detected');
    expect(JSON.parse(stderr.split('\n').at(-2) ?? '')).toMatchObject({
      events: 3,
      rules: [{ rule: 'Opened', alerts: 2, evaluations: 2, matches: 2 }],
    });
    const interpreted = await windhover('replay', '--no-codegen', '-o', 'append_output=[]', '-r', rules, opens);
    expect(interpreted.stdout).toBe(stdout);
  });

  test('a file that is missing, or is no capture', async () => {
    const missing = await windhover('replay', '-r', rules, join(directory, 'none.scap'));
    expect(missing).toMatchObject({ status: 1, stdout: '' });
    expect(missing.stderr).toContain('ENOENT');
    const wrong = await windhover('replay', '-r', rules, rules);
    expect(wrong.status).toBe(1);
    expect(wrong.stderr).not.toContain('    at ');
  });

  test('lost events that are simulated end a run with status 1 when told so', async () => {
    const drops = ['-o', 'syscall_event_drops.simulate_drops=true', '-o', 'syscall_event_drops.actions[0]=exit'];
    const { status, stderr } = await windhover('-c', plain, '-r', rules, ...replay, ...drops);
    expect(status).toBe(1);
    expect(stderr).toContain('Exiting.');
  });

  test('capture.enabled writes the events around an alert', async () => {
    const prefix = join(directory, 'around');
    const options = [
      '-o',
      'capture.enabled=true',
      '-o',
      'capture.mode=all_rules',
      '-o',
      `capture.path_prefix=${prefix}`,
    ];
    await windhover('-c', plain, '-r', rules, ...replay, ...options);
    const recorded = `${prefix}_01700000000000000000_00000000000000000001.scap`;
    const again = await windhover('replay', '-o', 'append_output=[]', '-r', rules, recorded);
    expect(again.stdout.match(/opened/g)).toHaveLength(2);
  });

  test('every channel of the configuration gets the alerts', async () => {
    const events = join(directory, 'events.txt');
    const program = join(directory, 'program.txt');
    await windhover(
      ...[
        '-c',
        plain,
        '-r',
        rules,
        ...replay,
        '-o',
        'file_output.enabled=true',
        '-o',
        `file_output.filename=${events}`,
      ],
      ...['-o', 'program_output.enabled=true', '-o', `program_output.program=cat >> ${program}`],
    );
    expect(readFileSync(events, 'utf8').match(/opened/g)).toHaveLength(2);
    expect(readFileSync(program, 'utf8')).toBe(readFileSync(events, 'utf8'));
  });
});

describe('rules', () => {
  test('check: all problems of all files, once each', async () => {
    const wrong = file('check.yaml', rule('A', 'evt.type = openat and no.field = 1') + rule('B', 'evt.type = nosuch'));
    const { status, stdout, stderr } = await windhover('rules', 'check', wrong, rules);
    expect(status).toBe(1);
    expect(stdout.match(/ error: /g)).toHaveLength(2);
    expect(stdout).toContain(`${wrong}:3:`);
    expect(stderr).toBe('2 files, 2 errors, 0 warnings\n');
    const json = await windhover('rules', 'check', '--json', wrong);
    expect(JSON.parse(json.stdout).problems[0].place.line).toBe(3);
    expect((await windhover('rules', 'check', rules)).status).toBe(0);
  });

  test('list and describe', async () => {
    expect((await windhover('rules', 'list', rules)).stdout).toBe('Opened  Warning        a b\n');
    const described = await windhover('rules', 'describe', '--json', '--rule', 'Opened', rules);
    expect(JSON.parse(described.stdout).rules).toHaveLength(1);
  });

  test('describe: what a rule costs, and what it asks of the kernel', async () => {
    const path = file(
      'costs.yaml',
      rule(
        'Below etc',
        'evt.type = openat and evt.is_open_read = true and fd.name startswith /etc/ and proc.name != a',
      ) + rule('Keys', 'evt.type = openat and evt.is_open_read = true and fd.name contains .pem'),
    );
    const { rules: described, kernel_filter } = JSON.parse(
      (await windhover('rules', 'describe', '--json', path)).stdout,
    );
    expect(described[0]).toMatchObject({
      cost: { events: ['openat'], terms: { flags: 1, file: 1, process: 2 }, total: 4 },
      kernel_filter: {
        events: ['openat'],
        opens: { prefixes: [{ path: '/etc/' }], comms: [], failed: 'all' },
        defeats: [],
      },
    });
    expect(described[1].kernel_filter).toMatchObject({ opens: null, defeats: [{ rule: 'Keys' }] });
    expect(kernel_filter).toMatchObject({
      opens: null,
      defeats: [{ rule: 'Keys', terms: expect.arrayContaining(['fd.name contains .pem']) }],
    });
    const text = (await windhover('rules', 'describe', path, 'Keys')).stdout;
    expect(text).toContain('needs all opens for reading');
    expect(text).toContain('undecided there: fd.name contains .pem');
    expect(text).not.toContain('Below etc');
  });

  test('fmt: order and style change, comments and meaning do not; twice is once', async () => {
    const untidy =
      '# head\n- priority: WARNING   # why\n  output: o\n  rule: A\n  desc: >\n    folded\n    text\n  condition: evt.type=open\n- list: l\n  items: [a,b]\n';
    const path = file('fmt.yaml', untidy);
    expect((await windhover('rules', 'fmt', '--check', path)).status).toBe(1);
    expect(readFileSync(path, 'utf8')).toBe(untidy);
    expect(await windhover('rules', 'fmt', path)).toMatchObject({ status: 0, stdout: `${path}\n` });
    const tidy = readFileSync(path, 'utf8');
    expect(tidy).toBe(
      '# head\n- rule: A\n  desc: >\n    folded\n    text\n  condition: evt.type=open\n  output: o\n  priority: WARNING   # why\n\n- list: l\n  items: [a,b]\n',
    );
    expect(await windhover('rules', 'fmt', '--check', path)).toMatchObject({ status: 0, stdout: '' });
  });
});

describe('backtest', () => {
  test('new, gone and unchanged alerts, by rule and workload; --fail-on-new', async () => {
    const wider = file('wider.yaml', rule('Opened', 'evt.type = openat and fd.name in (/etc/one, /tmp/two)'));
    const compare = (...flags: string[]) =>
      windhover('backtest', '--baseline', rules, '--rules', wider, '--against', opens, ...flags);
    const json = await compare('--json', '--fail-on-new');
    expect(json.status).toBe(1);
    const counts = { new: 1, gone: 1, unchanged: 1 };
    expect(JSON.parse(json.stdout)).toEqual({
      ...counts,
      rules: [
        {
          rule: 'Opened',
          ...counts,
          workloads: [{ workload: 'host', ...counts, examples: { new: [2], gone: [3] } }],
        },
      ],
    });
    const text = await compare();
    expect(text.status).toBe(0);
    expect(text.stdout).toContain('1 new, 1 gone, 1 unchanged\n');
    const same = await windhover('backtest', '-r', rules, '--rules', rules, '--against', opens, '--fail-on-new');
    expect(same).toMatchObject({ status: 0 });
    expect(same.stdout).toContain('0 new, 0 gone, 2 unchanged\n');
    expect((await windhover('backtest', '--rules', rules)).status).toBe(2);
  });
});

describe('explain', () => {
  test('each term with its truth and its values, and what was missing', async () => {
    const withMacro = file(
      'macro.yaml',
      `- macro: in_etc\n  condition: fd.name startswith /etc/\n${rule('Macro', 'evt.type = openat and in_etc')}`,
    );
    const hit = await windhover('explain', 'Macro', '--event', '1', '-r', withMacro, opens);
    expect(hit.stdout).toContain('Rule "Macro" matches event 1, openat\n');
    expect(hit.stdout).toContain('true    fd.name startswith /etc/   (macro in_etc)   [fd.name = "/etc/one"]\n');
    const miss = await windhover('explain', 'Macro', '--event', '2', '-r', withMacro, opens);
    expect(miss.stdout).toContain('does not match event 2');
    expect(miss.stdout).toContain('One term was missing:\n  fd.name startswith /etc/\n');
    const json = await windhover('explain', 'Macro', '--event', '2', '--json', '-r', withMacro, opens);
    expect(JSON.parse(json.stdout)).toMatchObject({ matched: false, nearestMiss: ['fd.name startswith /etc/'] });
  });

  test('from an alert, and what cannot be explained', async () => {
    const alert = file('alert.json', '{"rule": "Opened", "time": "2023-11-14T22:13:22.000000002Z"}');
    expect((await windhover('explain', '--alert', alert, '-r', rules, opens)).stdout).toContain('matches event 3');
    expect((await windhover('explain', 'Opened', '--event', '99', '-r', rules, opens)).stderr).toContain(
      'no such event',
    );
    expect((await windhover('explain', 'Gone', '--event', '1', '-r', rules, opens)).stderr).toContain('not loaded');
    expect((await windhover('explain', 'Opened', '-r', rules, opens)).status).toBe(2);
  });
});

describe('a running sensor', () => {
  interface Running {
    readonly child: ChildProcess;
    stderr(): string;
    stdout(): string;
    /** Resolves once stderr or stdout holds the text so many times. */
    seen(text: string, times?: number): Promise<void>;
    exit: Promise<number | null>;
  }

  function start(...args: string[]): Running {
    const child = spawn(process.execPath, [program, ...args], { env: environment, cwd: directory });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const exit = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)));
    return {
      child,
      stdout: () => stdout,
      stderr: () => stderr,
      exit,
      async seen(text, times = 1) {
        while ((stderr + stdout).split(text).length - 1 < times) {
          if (child.exitCode !== null) throw new Error(`ended without ${text}: ${stderr}`);
          await new Promise((done) => setTimeout(done, 10));
        }
      },
    };
  }

  async function freePort(): Promise<number> {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((done) => server.once('listening', done));
    const { port } = server.address() as { port: number };
    await new Promise((done) => server.close(done));
    return port;
  }

  test('ends after -M seconds, with its pid in the pidfile', async () => {
    const pidfile = join(directory, 'pid');
    const sensor = start('-c', plain, '-r', rules, '-M', '1', '-P', pidfile);
    expect(await sensor.exit).toBe(0);
    expect(readFileSync(pidfile, 'utf8')).toBe(`${sensor.child.pid}\n`);
    expect(sensor.stdout()).toBe('Events detected: 0\nRule counts by severity:\nTriggered rules by rule name:\n');
  });

  test('SIGHUP and a changed file reload; what is wrong raises the internal alert; SIGUSR1 reopens; SIGTERM ends', async () => {
    const live = file('live.yaml', rule('One', 'evt.type = openat'));
    const events = join(directory, 'live.txt');
    const config = file(
      'live-falco.yaml',
      `${readFileSync(plain, 'utf8')}watch_config_files: true\nrules_files: [${live}]\njson_output: true\n` +
        `file_output: {enabled: true, keep_alive: true, filename: ${events}}\n`,
    );
    const sensor = start('-c', config);
    await sensor.seen('Enabled event sources: syscall');
    sensor.child.kill('SIGHUP');
    await sensor.seen('SIGHUP received, restarting...');
    await sensor.seen('Reloaded', 1);
    writeFileSync(live, rule('Two', 'evt.type = openat and no.such = 1'));
    await sensor.seen('Falco internal: hot restart failure');
    const alert = JSON.parse(sensor.stdout().split('\n')[0] ?? '') as Record<string, unknown>;
    expect(alert).toMatchObject({
      rule: 'Falco internal: hot restart failure',
      priority: 'Critical',
      source: 'internal',
    });
    expect(String(alert.output)).toContain('no.such');
    while (!existsSync(events)) await new Promise((done) => setTimeout(done, 10));
    renameSync(events, `${events}.1`);
    sensor.child.kill('SIGUSR1');
    await sensor.seen('Reopening outputs');
    writeFileSync(live, rule('Three', 'evt.type = openat or'));
    while (!existsSync(events)) await new Promise((done) => setTimeout(done, 10));
    writeFileSync(live, rule('Four', 'evt.type = openat'));
    await sensor.seen('Reloaded', 2);
    appendFileSync(config, 'falco_libs: {snaplen: 160}\n');
    await sensor.seen("The change of 'falco_libs' takes effect with the next start.");
    await sensor.seen('Reloaded', 3);
    appendFileSync(config, 'priority: sometimes\n');
    await sensor.seen('Unknown priority');
    sensor.child.kill('SIGTERM');
    expect(await sensor.exit).toBe(0);
    expect(readFileSync(`${events}.1`, 'utf8')).toContain('hot restart failure');
  });

  test('health, versions and metrics; snapshots as alerts and in a file', async () => {
    const port = await freePort();
    const metrics = join(directory, 'metrics.jsonl');
    const sensor = start(
      ...[
        '-c',
        plain,
        '-r',
        rules,
        '-o',
        'json_output=true',
        '-o',
        'webserver.enabled=true',
        '-o',
        `webserver.listen_port=${port}`,
      ],
      ...['-o', 'webserver.listen_address=127.0.0.1', '-o', 'webserver.prometheus_metrics_enabled=true'],
      ...['-o', 'metrics.enabled=true', '-o', 'metrics.interval=100ms', '-o', `metrics.output_file=${metrics}`],
    );
    await sensor.seen('Falco internal: metrics snapshot', 2);
    const get = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
    };
    expect(await get('/healthz')).toEqual({ status: 200, type: 'application/json', text: '{"status": "ok"}' });
    expect(JSON.parse((await get('/versions')).text)).toMatchObject({ falco_version: FALCO_VERSION });
    const prometheus = await get('/metrics');
    expect(prometheus.type).toBe('text/plain; version=0.0.4');
    const sha256 = createHash('sha256').update(readFileSync(rules)).digest('hex');
    expect(prometheus.text).toContain(
      `falcosecurity_falco_sha256_rules_files_info{file_name="rules.yaml",sha256="${sha256}"} 1`,
    );
    expect((await get('/nothing')).status).toBe(404);
    sensor.child.kill('SIGINT');
    expect(await sensor.exit).toBe(0);
    const samples = readFileSync(metrics, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(samples[1]).toMatchObject({
      sample: 2,
      output_fields: { 'evt.source': 'syscall', 'falco.version': FALCO_VERSION },
    });
  });

  test('a webserver whose port is taken ends the start with a message', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((done) => server.once('listening', done));
    const { port } = server.address() as { port: number };
    const options = [
      '-o',
      'webserver.enabled=true',
      '-o',
      'webserver.listen_address=127.0.0.1',
      '-o',
      `webserver.listen_port=${port}`,
    ];
    const { status, stderr } = await windhover('-c', plain, '-r', rules, ...options);
    server.close();
    expect(status).toBe(1);
    expect(stderr).toContain('EADDRINUSE');
  });
});

test('the compatibility page is that of the lists', () => {
  const page = new URL('../../docs/falco-compatibility.md', import.meta.url);
  expect(readFileSync(page, 'utf8'), 'run: node docs/generate.ts').toBe(compatibilityPage());
});
