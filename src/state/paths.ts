import { latin1 } from '../bytes.ts';
import type { Fd } from './fd.ts';
import { Interner } from './interner.ts';

/**
 * A path as an event named it (`raw`) and as it is after joining and normalising, or as the kernel
 * resolved it (`name`). Interned: the same bytes under the same directory give the same object, so
 * whatever is derived from a path can be kept on it.
 */
export class Path {
  /** Absolute and normalised; what `fd.name` prints. */
  declare readonly name: string;
  /** As the caller wrote it; `fd.nameraw`. */
  declare readonly raw: string;
  /** Never used twice; the key under which relative names below this path are interned. */
  declare readonly id: number;
  #slash = -2;

  /**
   * What was opened here last, with what tells it from other opens of this path (as signed 32-bit numbers, beside the
   * reference so that the object itself need not be read): opening it again with the same outcome needs no new one.
   */
  opened: Fd | null = null;
  openedFlags = 0;
  openedStatus = 0;
  openedDev = 0;
  /** The one opened before that. */
  openedBefore: Fd | null = null;

  /** Room for the rule engine: what it decided about this path, and under which rule set. */
  mask = 0;
  maskEpoch = -1;
  /** The same, for a call that failed to open it. */
  failedMask = 0;
  failedMaskEpoch = -1;

  constructor(name: string, raw: string, id: number) {
    this.name = name;
    this.raw = raw;
    this.id = id;
  }

  /** What stands before the last slash; `/` for the root and what is right below it. */
  get directory(): string {
    const slash = this.#lastSlash();
    return slash <= 0 ? '/' : this.name.slice(0, slash);
  }

  /** What stands behind the last slash. */
  get filename(): string {
    return this.name.slice(this.#lastSlash() + 1);
  }

  #lastSlash(): number {
    if (this.#slash === -2) this.#slash = this.name.lastIndexOf('/');
    return this.#slash;
  }
}

/** What stands before a relative name when its directory is not known (as in Falco, without a slash). */
export const UNKNOWN_DIRECTORY = '<UNKNOWN>';

const SLASH = 47;
const DOT = 46;

/** Resolves `.`, `..` and doubled slashes; no slash at the end but for the root. Symbolic links are not followed. */
export function normalise(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return `${path.charCodeAt(0) === SLASH ? '/' : ''}${parts.join('/')}`;
}

/** The absolute, normalised form of `name`, which is relative to `directory` unless it starts with a slash. */
export function joinPath(directory: string, name: string): string {
  if (name.charCodeAt(0) === SLASH) return clean(name) ? name : normalise(name);
  const joined =
    directory === UNKNOWN_DIRECTORY || directory.charCodeAt(directory.length - 1) === SLASH
      ? directory + name
      : `${directory}/${name}`;
  return clean(joined) ? joined : normalise(joined);
}

/** True when normalising would change nothing. */
function clean(path: string): boolean {
  const last = path.length - 1;
  if (last > 0 && path.charCodeAt(last) === SLASH) return false;
  return !path.includes('/.') && !path.includes('//');
}

/** All paths that events name, interned by their bytes; bounded. */
export class PathTable {
  readonly #names: Interner<Path>;
  #next = 1;
  readonly empty = new Path('', '', 0);

  constructor(entries = 1 << 14, bytes = 1 << 21) {
    this.#names = new Interner(entries, bytes);
  }

  readonly #directories = new Map<string, Path>();

  /** A path from its text (a current directory, which may end in a slash; the initial state); the same object for the same text. */
  directory(text: string): Path {
    const name = text.length > 1 && text.endsWith('/') ? text.slice(0, -1) : text;
    let path = this.#directories.get(name);
    if (path === undefined) {
      path = new Path(name, name, this.#id());
      if (this.#directories.size >= 8192) this.#directories.clear();
      this.#directories.set(name, path);
    }
    return path;
  }

  /**
   * The path that the bytes [at, at + length) name, below `base` unless they start with a slash.
   * A null base stands for a directory that is not known.
   */
  named(buffer: Uint8Array, view: DataView, at: number, length: number, base: Path | null): Path {
    const key = buffer[at] === SLASH && length > 0 ? 0 : base === null ? -1 : base.id;
    const names = this.#names;
    const known = names.find(buffer, view, at, length, key);
    if (known !== null) return known;
    const raw = latin1(buffer, at, at + length);
    const name =
      key === 0 && isClean(buffer, at, length) ? raw : joinPath(base === null ? UNKNOWN_DIRECTORY : base.name, raw);
    const path = new Path(name, raw, this.#id());
    names.keep(buffer, view, at, length, key, path);
    return path;
  }

  /** The path whose absolute name the kernel gave, and which the caller named by other bytes. */
  resolved(
    buffer: Uint8Array,
    view: DataView,
    nameAt: number,
    nameLength: number,
    rawAt: number,
    rawLength: number,
  ): Path {
    const target = this.named(buffer, view, nameAt, nameLength, null);
    const key = ~target.id;
    const names = this.#names;
    const known = names.find(buffer, view, rawAt, rawLength, key);
    if (known !== null) return known;
    const raw = latin1(buffer, rawAt, rawAt + rawLength);
    const path = raw === target.name ? target : new Path(target.name, raw, this.#id());
    names.keep(buffer, view, rawAt, rawLength, key, path);
    return path;
  }

  #id(): number {
    this.#next = (this.#next % 0x3fffffff) + 1;
    return this.#next;
  }
}

function isClean(buffer: Uint8Array, at: number, length: number): boolean {
  const end = at + length;
  if (length > 1 && buffer[end - 1] === SLASH) return false;
  for (let i = at + 1; i < end; i++) {
    if (buffer[i - 1] === SLASH && (buffer[i] === SLASH || buffer[i] === DOT)) return false;
  }
  return true;
}
