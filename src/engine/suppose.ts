/**
 * Suppositions about an event, and whether a condition can be true under one. What a supposition does not decide is
 * taken as whatever helps the condition.
 */
import { EVENTS, EventType } from '../event/index.ts';
import { parameterOf } from '../fields/index.ts';
import { type Check, constantsOf, literalsOf, print } from '../rules/index.ts';
import type { Condition } from './specialise.ts';

/** What is supposed of a term; null: nothing. `up`: the term stands where its being true helps the condition. */
export type Suppose = (check: Check, up: boolean) => boolean | null;

/** Upper bound (`up`) or lower bound of a condition; `open` collects the terms that were left open and helped. */
export function possible(condition: Condition, up: boolean, suppose: Suppose, open: Set<string> | null): boolean {
  switch (condition.kind) {
    case 'constant':
      return condition.value;
    case 'not':
      return !possible(condition.child, !up, suppose, open);
    case 'and':
      return condition.children.every((child) => possible(child, up, suppose, open));
    case 'or':
      return condition.children.some((child) => possible(child, up, suppose, open));
    case 'term': {
      const { left, modifier, right } = condition.check;
      const simple = left.kind === 'field' && modifier === null && right?.kind !== 'operand';
      const known = simple ? suppose(condition.check, up) : null;
      if (known !== null) return known;
      if (up) open?.add(print(condition.check));
      return up;
    }
  }
}

const nameOf = ({ left }: Check): string => (left.kind === 'field' ? left.name : '');

/** What is asked of an open besides the beginning of its path. */
export interface Asks {
  /** A component of the path that begins with a dot. */
  readonly hidden: boolean;
  /** Two dots in a row in the caller's string. */
  readonly dots: boolean;
}

/** Only what both ask. */
export function lessOf(a: Asks, b: Asks | undefined): Asks {
  return b === undefined ? a : { hidden: a.hidden && b.hidden, dots: a.dots && b.dots };
}

/** What the kernel would have to test, for a supposition to be one that it can make. */
export interface Wanted {
  /** Beginnings of paths, and what else is asked of the open. */
  readonly prefixes: Map<string, Asks>;
  /** Ends of paths, in the form of `OpenFilter.tails`. */
  readonly tails: Set<string>;
  readonly comms: Set<string>;
  /** Beginnings of the paths of programs. */
  readonly programs: Set<string>;
  dots: boolean;
  /** Calls by their 32-bit numbers. */
  compat: boolean;
  /** The terms that were left open and helped. */
  readonly open: Set<string>;
}

export function nothingWanted(): Wanted {
  return {
    prefixes: new Map(),
    tails: new Set(),
    comms: new Set(),
    programs: new Set(),
    dots: false,
    compat: false,
    open: new Set(),
  };
}

const COMM_LENGTH = 15;
/** Flags that an open for reading does not have. */
const WRITE_FLAG = /^O_(WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE|F_CREATED)$/;

/** What more is supposed of an open: */
export interface Supposed {
  /** Its path neither begins nor ends as the condition asks for. */
  readonly path?: true;
  /** The caller's string has no two dots in a row. */
  readonly raw?: true;
  /** Its program has none of the names that the condition asks for, and its path does not begin as it asks for. */
  readonly programs?: true;
}

/**
 * An open for reading by a call of the machine's own numbers, of which more can be supposed. `wanted` collects what is;
 * null: nothing is.
 */
export function openForReading(succeeded: boolean, wanted: Wanted | null, { path, raw, programs }: Supposed): Suppose {
  return (check, up) => {
    switch (nameOf(check)) {
      case 'evt.is_open_write':
      case 'evt.is_open_create':
      case 'evt.is_open_exec':
        return isTrue(check) === null ? null : isTrue(check) !== true;
      case 'evt.rawres':
      case 'fd.num':
        return resultTerm(check, succeeded);
      case 'fd.name':
      case 'fd.directory':
        // Below a `not`, a term that is not decided already counts as false.
        return up && path && succeeded && wanted !== null ? pathTerm(check, wanted) : null;
      case 'fd.filename':
        return up && path && succeeded && wanted !== null ? filenameTerm(check, wanted) : null;
      case 'fd.nameraw':
        return up && raw && wanted !== null ? rawTerm(check, wanted) : null;
      case 'wh.evt.io_uring':
        // What goes through io_uring is not filtered.
        return isTrue(check) === null ? null : isTrue(check) !== true;
      case 'wh.evt.compat':
        if (wanted === null || isTrue(check) === null) return null;
        wanted.compat = true;
        return isTrue(check) !== true;
      case 'proc.name':
        return up && programs && wanted !== null ? commTerm(check, wanted) : null;
      case 'proc.exepath':
        return up && programs && wanted !== null ? programTerm(check, wanted) : null;
      default:
        return flagTerm(check);
    }
  };
}

function isTrue(check: Check): boolean | null {
  const [value] = constantsOf(check);
  return check.operator === '=' && typeof value === 'boolean' ? value : null;
}

function flagTerm(check: Check): boolean | null {
  return check.left.kind === 'field' &&
    parameterOf(check.left) === 'flags' &&
    !nameOf(check).startsWith('evt.rawarg') &&
    check.operator === 'contains' &&
    literalsOf(check.right).every(({ text }) => WRITE_FLAG.test(text))
    ? false
    : null;
}

/** Comparisons of the return value that its sign decides. A failed open has no descriptor: `fd.num` is then −1 or missing. */
function resultTerm(check: Check, succeeded: boolean): boolean | null {
  const [limit] = constantsOf(check);
  if (typeof limit !== 'number') return null;
  switch (check.operator) {
    case '>=':
      if (limit === 0) return succeeded;
      return !succeeded && limit > 0 ? false : null;
    case '>':
      if (limit === -1) return succeeded;
      return !succeeded && limit >= 0 ? false : null;
    case '<':
      return limit === 0 && nameOf(check) === 'evt.rawres' ? !succeeded : null;
    case '=':
      if (succeeded) return limit < 0 ? false : null;
      return limit >= 0 ? false : null;
    default:
      return null;
  }
}

/** What a pattern has to begin with, and with what it ends, as far as that is fixed. */
function endsOf(pattern: string): { start: string; end: string; hidden: boolean } {
  const first = pattern.search(/[*?[\\]/);
  if (first < 0) return { start: pattern, end: pattern, hidden: pattern.includes('/.') };
  const start = pattern.slice(0, first);
  const end = /\\/.test(pattern) ? '' : (/[^*?\]]*$/.exec(pattern)?.[0] ?? '');
  // Only stars and question marks stand for other bytes here: a component in between is there in every path that fits.
  const plain = !/[[\\]/.test(pattern);
  return { start, end: /\[[^\]]*$/.test(pattern) ? '' : end, hidden: plain && /\/\./.test(pattern) };
}

/** Says something of where a file is: what does not start with a slash, or only with a slash, does not. */
const isPlace = (start: string): boolean => /^\/[^/]/.test(start);

function pathTerm(check: Check, wanted: Wanted): boolean | null {
  const { operator } = check;
  const texts = literalsOf(check.right).map(({ text }) => text);
  const found: (() => void)[] = [];
  for (const text of texts) {
    const { start, end, hidden } =
      operator === 'glob' || operator === 'pmatch'
        ? endsOf(text)
        : { start: text, end: text, hidden: text.includes('/.') };
    switch (operator) {
      case '=':
      case 'in':
      case 'startswith':
      case 'glob':
      case 'pmatch': {
        if (isPlace(start)) {
          const path = operator === 'pmatch' ? start.replace(/\/+$/, '') : start;
          // A prefix that has the dot itself need not ask for it.
          const only = operator === 'glob' && hidden && !start.includes('/.');
          found.push(() => wanted.prefixes.set(path, lessOf({ hidden: only, dots: false }, wanted.prefixes.get(path))));
          break;
        }
        const tail = operator === 'glob' ? tailOf(end) : null;
        if (tail === null) return null;
        found.push(() => wanted.tails.add(tail));
        break;
      }
      case 'endswith': {
        // A directory is the whole path of a directory, but not of a file.
        const tail = nameOf(check) === 'fd.name' ? tailOf(end) : null;
        if (tail === null) return null;
        found.push(() => wanted.tails.add(tail));
        break;
      }
      default:
        return null;
    }
  }
  if (nameOf(check) === 'fd.directory' && operator === 'glob' && texts.some((text) => !isPlace(endsOf(text).start)))
    return null;
  for (const want of found) want();
  return false;
}

function filenameTerm(check: Check, wanted: Wanted): boolean | null {
  const { operator } = check;
  if (operator !== '=' && operator !== 'in' && operator !== 'endswith') return null;
  const tails = literalsOf(check.right).map(({ text }) => tailOf(operator === 'endswith' ? text : `/${text}`));
  if (tails.some((tail) => tail === null)) return null;
  for (const tail of tails) wanted.tails.add(tail as string);
  return false;
}

const LONG_TAIL = 8;
const SHORT_TAIL = 4;

/** The form in which the kernel compares the end of a path, for paths that end with `end`; null when it is too short. */
function tailOf(end: string): string | null {
  const slash = end.lastIndexOf('/');
  const last = slash < 0 ? end : end.slice(slash);
  if (last.length >= LONG_TAIL) return last.slice(-LONG_TAIL);
  if (slash >= 0) return last.length > 1 ? last : null;
  return last.length >= SHORT_TAIL ? last.slice(-SHORT_TAIL) : null;
}

/** Terms that no string without two dots in a row meets. */
function rawTerm(check: Check, wanted: Wanted): boolean | null {
  if (!['=', 'contains', 'startswith', 'endswith', 'glob'].includes(check.operator)) return null;
  if (!literalsOf(check.right).every(({ text }) => text.includes('..'))) return null;
  wanted.dots = true;
  return false;
}

function commTerm(check: Check, wanted: Wanted): boolean | null {
  if (check.operator !== '=' && check.operator !== 'in') return null;
  for (const { text } of literalsOf(check.right)) if (text.length <= COMM_LENGTH) wanted.comms.add(text);
  return false;
}

/** Terms that only programs meet whose path begins in a certain way. `proc.exe` is none: any caller of exec can choose it. */
function programTerm({ operator, right }: Check, wanted: Wanted): boolean | null {
  if (!['=', 'in', 'startswith', 'glob', 'pmatch'].includes(operator)) return null;
  const starts = literalsOf(right).map(({ text }) => {
    const { start } = operator === 'glob' || operator === 'pmatch' ? endsOf(text) : { start: text };
    return operator === 'pmatch' ? start.replace(/\/+$/, '') : start;
  });
  if (starts.some((start) => start === '')) return null;
  for (const start of starts) wanted.programs.add(start);
  return false;
}

/** Fields that have a value for sockets only. */
export const SOCKET_FIELD =
  /^fd\.([cslr]?ip|[cslr]?port|[cslr]?net|[cslr]?proto|[cslr]ip\.name|l4proto|sockfamily|is_server)$/;

/** Calls that fail on a descriptor of a file. */
const NOT_ON_FILES: ReadonlySet<number> = new Set([
  ...EVENTS.filter(({ code, params }) => code.startsWith('SOCKET_') && params.some(({ name }) => name === 'fd')).map(
    ({ type }) => type,
  ),
  EventType.SYSCALL_SETNS_X,
]);

/** A call of this type on a descriptor of a file, known or not; whichever file it is. */
export function fileUsed(type: number): Suppose {
  return (check) => {
    const name = nameOf(check);
    if (SOCKET_FIELD.test(name)) return false;
    if (name === 'evt.rawres' && NOT_ON_FILES.has(type)) return resultTerm(check, false);
    if (check.operator !== '=' && check.operator !== 'in') return null;
    const texts = literalsOf(check.right).map(({ text }) => text);
    // A descriptor that is not known has the character of what is neither.
    if (name === 'fd.typechar') return texts.some((text) => ['f', 'd', 'o'].includes(text)) ? null : false;
    if (name === 'fd.type') return texts.some((text) => text === 'file' || text === 'directory') ? null : false;
    return null;
  };
}

/** Native bits of include/uapi/asm-generic/mman-common.h. */
export const PROT: Readonly<Record<string, number>> = {
  PROT_READ: 1,
  PROT_WRITE: 2,
  PROT_EXEC: 4,
  PROT_SEM: 8,
};

/** True when the term asks for bits of `evt.arg.prot` that have names here. */
export function asksForBits(check: Check): boolean {
  return (
    check.left.kind === 'field' &&
    parameterOf(check.left) === 'prot' &&
    nameOf(check).startsWith('evt.arg') &&
    check.operator === 'contains' &&
    check.modifier === null &&
    literalsOf(check.right).every(({ text }) => PROT[text] !== undefined)
  );
}

/** None of the bits of `evt.arg.prot` that the condition asks for. */
export const withoutBits: Suppose = (check) => (asksForBits(check) ? false : null);

/** A call without an event of its own, of a name that the condition does not mention; `names` collects those that it does. */
export function otherCall(names: Set<string>): Suppose {
  return (check) => {
    if (nameOf(check) !== 'evt.type' || (check.operator !== '=' && check.operator !== 'in')) return null;
    for (const { text } of literalsOf(check.right)) names.add(text);
    return false;
  };
}
