/** What the processes of a command do, in a form that two runs of it share. */
import { fromByteString } from '../bytes.ts';
import { EVENTS, type Event } from '../event/index.ts';
import type { Extractor } from '../fields/index.ts';
import { formatAddress } from '../rules/index.ts';
import { L4, type State } from '../state/index.ts';

/** The kinds of things that are noted, in the order of a lock file. */
export type BehaviourKind = 'programs' | 'writes' | 'reads' | 'network';

/**
 * `programs`: paths of programs started; `writes`: directories in which files were written, made, renamed or removed;
 * `reads`: top-level directories outside of the working directory in which files were read; `network`: destinations.
 * Sorted, without repetitions.
 */
export type Behaviour = Readonly<Record<BehaviourKind, readonly string[]>>;

/** What to note, and what it is held against; plain data. */
export interface BehaviourSetup {
  /** Directories of the command, absolute, that are written `.` and `~`. */
  readonly cwd: string;
  readonly home: string;
  /** What is allowed; null to note everything. An entry that ends in `*` allows all that begins so. */
  readonly locked: Behaviour | null;
}

export interface BehaviourWatch {
  /** Notes what an event shows, after the state has changed by it. Calls that failed are no behaviour. */
  event(event: Event, state: State): void;
  /** What was seen. */
  seen(): Behaviour;
  /** How much of that the lock does not allow. */
  readonly outside: number;
}

/** Things kept of each kind: bounds memory against whoever makes up ever new names. */
const MAX_ITEMS = 10_000;

const codes = (pattern: RegExp): ReadonlySet<number> =>
  new Set(EVENTS.filter(({ code }) => pattern.test(code)).map(({ type }) => type));

const EXECS = codes(/^SYSCALL_EXECVE(_19|AT)_X$/);
const OPENS = codes(/^SYSCALL_(OPEN|OPENAT_2|OPENAT2|CREAT)_X$/);
const CHANGES = codes(
  /^SYSCALL_(MKDIR_2|MKDIRAT|RMDIR_2|UNLINK_2|UNLINKAT_2|RENAME|RENAMEAT|RENAMEAT2|LINK_2|LINKAT_2|SYMLINK|SYMLINKAT|MKNOD|MKNODAT)_X$/,
);
const RENAMES = codes(/^SYSCALL_RENAME/);
const SENDS = codes(/^SOCKET_(CONNECT|SENDTO|SENDMSG|SENDMMSG)_X$/);

/** Codes of the events that show behaviour. */
export const BEHAVIOUR_EVENTS: readonly number[] = [...EXECS, ...OPENS, ...CHANGES, ...SENDS];

export interface BehaviourOptions extends BehaviourSetup {
  /** Binds a field of the catalogue. */
  bind(name: string): Extractor;
  /** Told of each thing that the lock does not allow, once, while event and state show it. */
  outside(kind: BehaviourKind, item: string, event: Event): void;
}

export function watchBehaviour(options: BehaviourOptions): BehaviourWatch {
  const { locked } = options;
  const seen: Record<BehaviourKind, Set<string>> = {
    programs: new Set(),
    writes: new Set(),
    reads: new Set(),
    network: new Set(),
  };
  const isWrite = options.bind('evt.is_open_write');
  const isServer = options.bind('fd.is_server');
  const failed = options.bind('evt.failed');
  const [name, source, target] = ['fs.path.name', 'fs.path.source', 'fs.path.target'].map(options.bind) as [
    Extractor,
    Extractor,
    Extractor,
  ];
  let outside = 0;

  function note(kind: BehaviourKind, item: string, event: Event): void {
    const items = seen[kind];
    if (items.has(item) || items.size >= MAX_ITEMS) return;
    items.add(item);
    if (locked === null || locked[kind].some((entry) => allows(entry, item))) return;
    outside++;
    options.outside(kind, item, event);
  }
  function noteWrite(path: unknown, event: Event): void {
    if (typeof path === 'string' && path.startsWith('/')) note('writes', directoryOf(placed(path, options)), event);
  }

  return {
    event(event, state) {
      const { type } = event;
      if (OPENS.has(type)) {
        const path = name(event, state);
        if (typeof path !== 'string' || failed(event, state) === true) return;
        if (isWrite(event, state) === true) noteWrite(path, event);
        else {
          const read = topLevel(placed(path, options));
          if (read !== null) note('reads', read, event);
        }
      } else if (EXECS.has(type)) {
        const path = state.thread?.exepath ?? '';
        if (path !== '' && failed(event, state) !== true) note('programs', placed(path, options), event);
      } else if (SENDS.has(type)) {
        const to = isServer(event, state) === true ? null : destination(state);
        if (to !== null) note('network', to, event);
      } else if (CHANGES.has(type)) {
        // Of calls on two paths, only a rename changes both.
        noteWrite(name(event, state) ?? source(event, state), event);
        if (RENAMES.has(type)) noteWrite(target(event, state), event);
      }
    },
    seen: () => ({
      programs: [...seen.programs].sort(),
      writes: [...seen.writes].sort(),
      reads: [...seen.reads].sort(),
      network: [...seen.network].sort(),
    }),
    get outside() {
      return outside;
    },
  };
}

function allows(entry: string, item: string): boolean {
  return entry.endsWith('*') ? item.startsWith(entry.slice(0, -1)) : entry === item;
}

/** Directories whose entries have names of the moment. */
const TEMPORARY = /^\/(tmp|var\/tmp|dev\/shm|run\/user\/\d+)\/.*$/s;

/** A path as it is the same in another run: below the working directory, the home directory, or in a place of no names. */
function placed(path: string, { cwd, home }: BehaviourSetup): string {
  const text = fromByteString(path);
  for (const [directory, short] of [
    [cwd, '.'],
    [home, '~'],
  ] as const) {
    if (directory === '/' || directory === '') continue;
    if (text === directory) return short;
    if (text.startsWith(`${directory}/`)) return `${short}${text.slice(directory.length)}`;
  }
  const temporary = TEMPORARY.exec(text);
  if (temporary !== null) return `/${temporary[1]?.replace(/\d+$/, '*')}/*`;
  return text.replace(/^\/proc\/\d+/, '/proc/*').replace(/\/task\/\d+/, '/task/*');
}

function directoryOf(path: string): string {
  if (path === '.' || path === '~') return path;
  const at = path.lastIndexOf('/');
  return at <= 0 ? '/' : path.slice(0, at);
}

/** `/usr`, `~/.ssh`; null within the working directory. */
function topLevel(path: string): string | null {
  if (path === '.' || path.startsWith('./')) return null;
  return /^(~?\/[^/]*|~)/.exec(path)?.[1] ?? null;
}

/** Ports from here on are given out by the kernel (ip_local_port_range), so on loopback they differ with each run. */
const EPHEMERAL = 32768;

/** `tcp 192.0.2.1:443`, `unix /run/x.sock`; null when nothing is known of the other end. */
function destination({ fd }: State): string | null {
  const socket = fd?.socket ?? null;
  if (fd === null || socket === null) return null;
  if (socket.destinationAddress !== '') {
    const { destinationAddress: bytes, destinationPort: port, l4 } = socket;
    // A port of zero asks for a route, and sends nothing.
    if (port === 0) return null;
    const address = formatAddress(bytes);
    const isLoopback = address === '::1' || /^(::ffff:)?127\./.test(address);
    const host = bytes.length === 16 ? `[${address}]` : address;
    const kind = l4 === L4.TCP ? 'tcp' : l4 === L4.UDP ? 'udp' : 'ip';
    return `${kind} ${host}:${isLoopback && port >= EPHEMERAL ? '*' : port}`;
  }
  const path = /\/.*$/.exec(fd.name)?.[0];
  return path === undefined ? null : `unix ${fromByteString(path)}`;
}
