import fc from 'fast-check';
import { createEngine } from '../../src/engine/index.ts';
import { buildEvent, type Event, EventType, inetTuple, viewEvent } from '../../src/event/index.ts';
import { fieldCatalogue } from '../../src/fields/index.ts';
import { loadRules, type Rule } from '../../src/rules/index.ts';
import { State } from '../../src/state/index.ts';

/** Generated rules and events for the properties of the engine. */

const catalogue = fieldCatalogue();

const NAMES = ['sh', 'bash', 'cat', 'sshd', 'npm'];
const PATHS = ['/etc/passwd', '/etc/shadow', '/tmp/a', 'b', '../x', '/usr/bin/cat', '/home/u/.bashrc'];

const texts: [field: string, values: string[]][] = [
  ['proc.name', NAMES],
  ['proc.pname', NAMES],
  ['proc.aname[2]', NAMES],
  ['proc.aname', NAMES],
  ['proc.cmdline', ['cat -n', 'sh -c', 'npm ci', 'a']],
  ['proc.exepath', ['/usr/bin/cat', '/tmp/a', '/usr/bin']],
  ['proc.args', ['-n', '-c', 'ci']],
  ['fd.name', [...PATHS, '/etc', '127.0.0.1:80', '->10.0.0.2']],
  ['fd.directory', ['/etc', '/tmp', '/']],
  ['fd.filename', ['passwd', '.bashrc', 'a']],
  ['fd.nameraw', ['../x', 'b', '/etc/passwd']],
  ['fd.typechar', ['f', '4', 'd', 'p']],
  ['fd.type', ['file', 'ipv4', 'pipe']],
  ['fd.l4proto', ['tcp', 'udp']],
  ['evt.res', ['SUCCESS', 'ENOENT', 'EACCES']],
  ['evt.arg.flags', ['O_RDONLY', 'O_WRONLY', 'O_CREAT']],
  ['evt.arg.path', PATHS],
  ['evt.arg.name', PATHS],
  ['user.name', ['root', 'nobody']],
  ['container.id', ['host', 'aaaaaaaaaaaa']],
];
const numbers: [field: string, values: string[]][] = [
  ['evt.rawres', ['0', '-2', '3', '-13', '4']],
  ['fd.num', ['0', '3', '-1', '5']],
  ['proc.pid', ['100', '101', '102']],
  ['user.uid', ['0', '1000']],
  ['proc.tty', ['0', '34816']],
  ['fd.sport', ['80', '443', '22']],
  ['fd.port', ['80', '443', '4000']],
  ['proc.vpid', ['1', '100']],
  ['evt.num', ['0', '5']],
];
const addresses: [field: string, values: string[]][] = [
  ['fd.sip', ['127.0.0.1', '10.0.0.2']],
  ['fd.ip', ['127.0.0.1', '10.0.0.9']],
  ['fd.snet', ['127.0.0.0/8', '10.0.0.0/24']],
  ['fd.net', ['127.0.0.0/8', '0.0.0.0/0']],
];
const booleans = ['evt.is_open_write', 'evt.is_open_read', 'evt.failed', 'proc.is_exe_writable', 'fd.connected'];

const TYPES = ['openat', 'open', 'execve', 'connect', 'unlink', 'close', 'dup2'];

const quoted = (text: string): string => `"${text}"`;
const pick = <T>(list: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...list);

const textTerm = pick(texts).chain(([field, values]) =>
  fc.oneof(
    fc
      .tuple(pick(['=', '!=', 'contains', 'startswith', 'endswith', 'icontains']), pick(values))
      .map(([operator, value]) => `${field} ${operator} ${quoted(value)}`),
    fc
      .tuple(pick(['in', 'pmatch', 'intersects']), fc.array(pick(values), { maxLength: 3 }))
      .map(([operator, list]) => `${field} ${operator} (${list.map(quoted).join(', ')})`),
    fc
      .tuple(pick(['glob', 'iglob']), pick(values), pick(['*', '?', '']))
      .map(([operator, value, star]) => `${field} ${operator} ${quoted(`${star}${value.slice(1)}${star}`)}`),
    fc
      .tuple(
        pick(['contains', 'startswith', '!=']),
        pick(['anyof', 'allof', 'oneof']),
        fc.array(pick(values), { maxLength: 3 }),
      )
      .map(([operator, modifier, list]) => `${field} ${operator} ${modifier} (${list.map(quoted).join(', ')})`),
    fc.constant(`${field} exists`),
  ),
);
const numberTerm = pick(numbers).chain(([field, values]) =>
  fc.oneof(
    fc
      .tuple(pick(['=', '!=', '<', '<=', '>', '>=']), pick(values))
      .map(([operator, value]) => `${field} ${field === 'fd.port' && operator !== '!=' ? '=' : operator} ${value}`),
    fc.array(pick(values), { minLength: 1, maxLength: 3 }).map((list) => `${field} in (${list.join(', ')})`),
  ),
);
const addressTerm = pick(addresses).chain(([field, values]) =>
  fc.oneof(
    fc.tuple(pick(['=', '!=']), pick(values)).map(([operator, value]) => `${field} ${operator} ${quoted(value)}`),
    fc
      .array(pick(values), { minLength: 1, maxLength: 2 })
      .map((list) => `${field} in (${list.map(quoted).join(', ')})`),
  ),
);
const term = fc.oneof(
  { weight: 6, arbitrary: textTerm },
  { weight: 3, arbitrary: numberTerm },
  { weight: 1, arbitrary: addressTerm },
  { weight: 2, arbitrary: fc.tuple(pick(booleans), pick(['true', 'false'])).map(([field, v]) => `${field} = ${v}`) },
  { weight: 2, arbitrary: pick(TYPES).map((name) => `evt.type = ${name}`) },
  { weight: 1, arbitrary: fc.array(pick(TYPES), { minLength: 1 }).map((list) => `evt.type in (${list.join(', ')})`) },
  { weight: 1, arbitrary: fc.constant('proc.name = val(proc.pname)') },
  { weight: 1, arbitrary: pick(NAMES).map((name) => `tolower(proc.name) = ${name}`) },
);
/** Conditions over the fields and values that the events below really have, so that terms are true as often as false. */
export const condition: fc.Arbitrary<string> = fc.letrec<{ any: string }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    term,
    fc.array(tie('any'), { minLength: 2, maxLength: 3 }).map((parts) => `(${parts.join(' and ')})`),
    fc.array(tie('any'), { minLength: 2, maxLength: 3 }).map((parts) => `(${parts.join(' or ')})`),
    tie('any').map((part) => `not (${part})`),
  ),
})).any;

const TIDS = [100, 101, 102];
/** Code of an event type by its symbol. */
export const code = (name: string): number => EventType[name] as number;

const openEvent = fc
  .record({ tid: pick(TIDS), path: pick(PATHS), fd: pick([3, 4, 5, -2, -13]), flags: pick([1, 2, 6, 3]) })
  .map(({ tid, path, fd, flags }) =>
    buildEvent(code('SYSCALL_OPENAT_2_X'), { ts: 5n, tid, params: { fd, dirfd: -100, name: path, flags } }),
  );
const execEvent = fc
  .record({ tid: pick(TIDS), comm: pick(NAMES), exe: pick(['/usr/bin/cat', '/tmp/a']), res: pick([0, 0, -2]) })
  .map(({ tid, comm, exe, res }) =>
    buildEvent(code('SYSCALL_EXECVE_19_X'), {
      ts: 5n,
      tid,
      params: {
        res,
        exe,
        comm,
        tid,
        pid: tid,
        ptid: tid - 1,
        args: ['-n', 'x'],
        cwd: '/home/u/',
        trusted_exepath: exe,
        cgroups: ['memory=/'],
        flags: 1,
      },
    }),
  );
const cloneEvent = fc.record({ tid: pick(TIDS), comm: pick(NAMES) }).map(({ tid, comm }) =>
  buildEvent(code('SYSCALL_CLONE_20_X'), {
    ts: 5n,
    tid,
    params: { res: tid + 1, exe: comm, comm, tid, pid: tid, ptid: tid - 1, args: ['-c'], vtid: tid, vpid: tid },
  }),
);
const connectEvent = fc
  .record({
    tid: pick(TIDS),
    fd: pick([3, 4]),
    res: pick([0, -115, -111]),
    port: pick([80, 443, 22]),
    host: pick([2, 9]),
  })
  .map(({ tid, fd, res, port, host }) =>
    buildEvent(code('SOCKET_CONNECT_X'), {
      ts: 5n,
      tid,
      params: { res, fd, tuple: inetTuple('127.0.0.1', 4000, `10.0.0.${host}`, port) },
    }),
  );
const plainEvent = fc
  .record({
    tid: pick(TIDS),
    kind: pick(['SYSCALL_UNLINK_2_X', 'SYSCALL_CLOSE_X', 'SYSCALL_DUP2_X', 'SYSCALL_SETUID_X']),
    path: pick(PATHS),
    res: pick([0, -2]),
    fd: pick([3, 4, 0]),
  })
  .map(({ tid, kind, path, res, fd }) =>
    buildEvent(code(kind), {
      ts: 5n,
      tid,
      params:
        kind === 'SYSCALL_UNLINK_2_X'
          ? { res, path }
          : kind === 'SYSCALL_SETUID_X'
            ? { res, uid: fd === 3 ? 1000 : 0 }
            : kind === 'SYSCALL_DUP2_X'
              ? { res: fd, oldfd: 3, newfd: fd }
              : { res, fd },
    }),
  );
/** Events of three threads that open, start, fork, connect and remove. */
export const stream = fc.array(fc.oneof(openEvent, execEvent, cloneEvent, connectEvent, plainEvent), {
  minLength: 5,
  maxLength: 40,
});

/** Rules r0, r1 … with these conditions; throws when one does not compile. */
export function load(conditions: readonly string[]): Rule[] {
  const text = conditions
    .map(
      (text, i) =>
        `- rule: r${i}\n  desc: d\n  condition: ${JSON.stringify(text)}\n  output: o\n  priority: INFO\n  warn_evttypes: false\n`,
    )
    .join('');
  const result = loadRules([{ name: 'generated.yaml', text }], catalogue);
  if (result.ruleSet === null) throw new Error(result.files[0]?.errors[0]?.message);
  return [...result.ruleSet.rules];
}

/** Names of the rules that match each event, as `report` changes it; events of which it gives null are neither applied nor judged. */
export function judge(
  rules: readonly Rule[],
  events: readonly Uint8Array[],
  report: (event: Event, state: State, bytes: Uint8Array) => Uint8Array | null,
): string[][] {
  const state = new State();
  let found: string[] = [];
  const engine = createEngine(rules, state, { matching: 'all', onMatch: (rule) => found.push(rule.name) });
  return events.map((bytes, i) => {
    found = [];
    const reported = report(viewEvent(bytes, i + 1), state, bytes);
    if (reported !== null) {
      const event = viewEvent(reported, i + 1);
      state.apply(event);
      engine.process(event);
    }
    return found;
  });
}

/** What the kernel knows of an open. */
export const OPEN = {
  code: code('SYSCALL_OPENAT_2_X'),
  of(event: Event, state: State) {
    if (event.type !== OPEN.code) return null;
    const raw = event.str(2) ?? '';
    const thread = state.threads.get(event.tid);
    const directory = thread?.cwd?.name ?? '/nowhere';
    const path: string[] = [];
    for (const part of (raw.startsWith('/') ? raw : `${directory}/${raw}`).split('/')) {
      if (part === '..') path.pop();
      else if (part !== '' && part !== '.') path.push(part);
    }
    return {
      succeeded: event.lo(0) >= 0,
      // O_WRONLY and what makes files (PPM_O_*).
      writes: (event.i32(3) & 6) !== 0,
      compat: false,
      path: `/${path.join('/')}`,
      raw,
      comm: thread?.comm ?? '',
      exepath: thread?.exepath ?? '',
    };
  },
};
