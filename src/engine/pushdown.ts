import { EVENTS, EventFlag, type EventInfo } from '../event/index.ts';
import { fieldsOf, parameterOf } from '../fields/index.ts';
import { type Check, constantsOf, type FieldRef, literalsOf, print, type Rule } from '../rules/index.ts';
import { type Condition, specialise } from './specialise.ts';

/**
 * What the rules let the kernel leave out. A kernel predicate may only over-approximate: it may let an event
 * through that no rule wants, never drop one that some rule could match.
 */
export interface KernelFilter {
  /** Event codes that some rule can match, ascending. */
  readonly events: readonly number[];
  /** Which opens for reading need not be reported; null when all must be. */
  readonly opens: OpenFilter | null;
  /** Rules because of which {@link opens} is null, with the terms that the kernel cannot decide. */
  readonly defeats: readonly { readonly rule: string; readonly terms: readonly string[] }[];
}

/**
 * Opens for writing and opens of directories always pass. An open of a file for reading passes when it failed and {@link failed} is set, when the path
 * that the kernel resolved begins with one of {@link prefixes}, when the name of the thread is one of {@link comms}, or
 * when {@link dots} is set and the caller's string has two dots in a row.
 */
export interface OpenFilter {
  readonly failed: boolean;
  /** Sorted; none begins with another. */
  readonly prefixes: readonly string[];
  /** At most 15 bytes each (TASK_COMM_LEN − 1). */
  readonly comms: readonly string[];
  readonly dots: boolean;
}

const COMM_LENGTH = 15;
/** Calls that open for reading at all. */
const OPENS = EVENTS.filter(({ code }) => /^SYSCALL_(OPEN|OPENAT_2|OPENAT2)_X$/.test(code)).map(({ type }) => type);
/** Flags that an open for reading does not have. */
const WRITE_FLAG = /^O_(WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE|F_CREATED)$/;

/**
 * Derives the filter from the rules.
 *
 * For each rule and each call that opens: suppose a successful open for reading of a path under none of the prefixes.
 * Terms that this decides are put in, all others are taken as whatever helps the rule; if the rule can still be true,
 * names of programs are supposed to be none of its own; if it still can be true, it defeats the filter.
 *
 *   ok:     open_read and fd.name startswith /etc/             → the prefix /etc/
 *   ok:     open_write and fd.directory = /bin                 → nothing: opens for writing pass
 *   ok:     open_read and proc.name = sshd and fd.name contains liblzma   → the name sshd
 *   ko:     open_read and fd.name endswith .pem                reason: any path can end so
 *   ko:     open_read and not fd.name startswith /usr          reason: most paths are not below /usr
 */
export function deriveFilter(rules: readonly Rule[]): KernelFilter {
  const events = new Set<number>();
  const prefixes = new Set<string>();
  const comms = new Set<string>();
  const defeats = new Map<string, Set<string>>();
  let failed = false;
  let dots = false;
  for (const rule of rules) {
    for (const type of rule.eventTypes) {
      const condition = specialise(rule.condition, type);
      if (condition.kind === 'constant' && !condition.value) continue;
      events.add(type);
      // The probe reports calls when they return; of the codes for their beginning it knows none.
      if (EVENTS[type]?.enter === true) continue;
      if (!OPENS.includes(type)) {
        if (readsOpenFile(rule, condition, type)) defeats.set(rule.name, new Set([`${EVENTS[type]?.name}: fd.*`]));
        continue;
      }
      // A call that failed opened no file whose path the kernel could tell: only the caller's string can be looked at.
      const unsuccessful = cheapest(condition, false);
      failed ||= unsuccessful.possible;
      const successful = cheapest(condition, true);
      dots ||= unsuccessful.wanted.dots || successful.wanted.dots;
      for (const prefix of successful.wanted.prefixes) prefixes.add(prefix);
      for (const comm of successful.wanted.comms) comms.add(comm);
      if (successful.possible) {
        const terms = defeats.get(rule.name) ?? new Set();
        for (const term of successful.wanted.open) terms.add(term);
        defeats.set(rule.name, terms);
      }
    }
  }
  return {
    events: [...events].sort((a, b) => a - b),
    opens: defeats.size > 0 ? null : { failed, prefixes: shortest(prefixes), comms: [...comms].sort(), dots },
    defeats: [...defeats].map(([rule, terms]) => ({ rule, terms: [...terms] })),
  };
}

/**
 * True when a rule on calls that use a descriptor can be about a file, and shows or asks what file it is: that is known
 * from the open, which must then be reported. Calls with which the probe sends the path itself do not need the open.
 */
function readsOpenFile(rule: Rule, condition: Condition, type: number): boolean {
  const info = EVENTS[type] as EventInfo;
  if ((info.flags & EventFlag.USES_FD) === 0 || (info.flags & EventFlag.CREATES_FD) !== 0) return false;
  if (SENDS_PATH.test(info.code)) return false;
  // Opens of directories always pass, so a call on a directory's descriptor finds it.
  if (info.params.every((param) => param.type !== 'FD' || param.name.endsWith('dirfd'))) return false;
  if (!possible(condition, true, { succeeded: null, wanted: null, names: false })) return false;
  return (
    readsFd(condition) || rule.output.parts.some((part) => part.kind === 'field' && fieldsOf(part.operand).some(isFd))
  );
}

/** Calls whose events carry the path of their descriptor (probe/family/paths.h). */
const SENDS_PATH = /^SYSCALL_(FCHMOD|FCHOWN|FCHDIR)_X$/;

/** Fields that show a descriptor: those of its own class, and the texts of all parameters. */
const isFd = ({ name }: FieldRef): boolean =>
  name.startsWith('fd.') ||
  name === 'evt.args' ||
  name === 'evt.info' ||
  name === 'evt.arg' ||
  name.startsWith('evt.arg.');

function readsFd(condition: Condition): boolean {
  switch (condition.kind) {
    case 'term': {
      const { left, right } = condition.check;
      return [...fieldsOf(left), ...(right?.kind === 'operand' ? fieldsOf(right.operand) : [])].some(
        (field) => field.name.startsWith('fd.') && !SOCKET_FIELD.test(field.name),
      );
    }
    case 'not':
      return readsFd(condition.child);
    case 'constant':
      return false;
    default:
      return condition.children.some(readsFd);
  }
}

/** Fields that have a value for sockets only. */
const SOCKET_FIELD =
  /^fd\.([cslr]?ip|[cslr]?port|[cslr]?net|[cslr]?proto|[cslr]ip\.name|l4proto|sockfamily|is_server)$/;

/** The cheapest supposition under which the rule cannot be true: that is what the kernel has to test. */
function cheapest(condition: Condition, succeeded: boolean): { possible: boolean; wanted: Wanted } {
  const steps: { path: boolean; names: boolean }[] = [
    { path: false, names: false },
    { path: true, names: false },
    ...(succeeded ? [{ path: true, names: true }] : []),
  ];
  let last = { possible: true, wanted: nothingWanted() };
  for (const { path, names } of steps) {
    const wanted = nothingWanted();
    last = { possible: possible(condition, true, { succeeded, wanted: path ? wanted : null, names }), wanted };
    if (!last.possible) break;
  }
  return last;
}

function nothingWanted(): Wanted {
  return { prefixes: new Set(), comms: new Set(), dots: false, open: new Set() };
}

/** Whether the filter lets an open through; what the probe computes, for tests and for explanations. */
export function passes(
  filter: OpenFilter,
  open: {
    readonly succeeded: boolean;
    readonly writes: boolean;
    readonly directory: boolean;
    readonly path: string;
    readonly raw: string;
    readonly comm: string;
  },
): boolean {
  if (open.writes || open.directory) return true;
  if (filter.dots && open.raw.includes('..')) return true;
  if (!open.succeeded) return filter.failed;
  return filter.prefixes.some((prefix) => open.path.startsWith(prefix)) || filter.comms.includes(open.comm);
}

/** What the kernel would have to test, for a supposition to be one that it can make. */
interface Wanted {
  readonly prefixes: Set<string>;
  readonly comms: Set<string>;
  dots: boolean;
  /** The terms that were left open and helped. */
  readonly open: Set<string>;
}

interface Supposition {
  /** Of an open for reading; null: of a call that uses a descriptor of a file. */
  readonly succeeded: boolean | null;
  /** Collects what is supposed of the path (none of these prefixes, no dots); null: nothing is supposed of it. */
  readonly wanted: Wanted | null;
  /** Whether the thread, too, is supposed to have none of the names that the rule asks for. */
  readonly names: boolean;
}

/** Upper bound (`up`) or lower bound of a condition under the supposition. */
function possible(condition: Condition, up: boolean, supposed: Supposition): boolean {
  switch (condition.kind) {
    case 'constant':
      return condition.value;
    case 'not':
      return !possible(condition.child, !up, supposed);
    case 'and':
      return condition.children.every((child) => possible(child, up, supposed));
    case 'or':
      return condition.children.some((child) => possible(child, up, supposed));
    case 'term': {
      const known = decided(condition.check, up, supposed);
      if (known !== null) return known;
      if (up) supposed.wanted?.open.add(print(condition.check));
      return up;
    }
  }
}

/** What the supposition says of a term; null when nothing. */
function decided(check: Check, up: boolean, supposed: Supposition): boolean | null {
  const { left, operator, modifier } = check;
  if (left.kind !== 'field' || modifier !== null || check.right?.kind === 'operand') return null;
  if (supposed.succeeded === null) return fileTerm(check, left.name);
  if (left.name.startsWith('evt.arg') && parameterOf(left) === 'flags') {
    return operator === 'contains' && literalsOf(check.right).every(({ text }) => WRITE_FLAG.test(text)) ? false : null;
  }
  switch (left.name) {
    case 'evt.is_open_write':
    case 'evt.is_open_create':
      return isTrue(check) === null ? null : isTrue(check) !== true;
    case 'evt.rawres':
    case 'fd.num':
      return resultTerm(check, supposed.succeeded);
    case 'fd.name':
    case 'fd.directory':
      // Below a `not`, a term that is not decided already counts as false.
      return up ? pathTerm(check, supposed) : null;
    case 'fd.nameraw':
      return up ? rawTerm(check, supposed) : null;
    case 'proc.name':
      return up ? commTerm(check, supposed) : null;
    default:
      return null;
  }
}

/** Terms that a descriptor of a file decides, whichever file it is. */
function fileTerm(check: Check, name: string): boolean | null {
  if (SOCKET_FIELD.test(name)) return false;
  const literals = literalsOf(check.right).map(({ text }) => text);
  if (check.operator !== '=' && check.operator !== 'in') return null;
  if (name === 'fd.typechar') return literals.some((text) => text === 'f' || text === 'd') ? null : false;
  if (name === 'fd.type') return literals.some((text) => text === 'file' || text === 'directory') ? null : false;
  return null;
}

function isTrue(check: Check): boolean | null {
  const [value] = constantsOf(check);
  return check.operator === '=' && typeof value === 'boolean' ? value : null;
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
      return limit === 0 && check.left.kind === 'field' && check.left.name === 'evt.rawres' ? !succeeded : null;
    case '=':
      return succeeded && limit < 0 ? false : null;
    default:
      return null;
  }
}

function pathTerm(check: Check, { wanted, succeeded }: Supposition): boolean | null {
  if (wanted === null || succeeded !== true) return null;
  const literals = literalsOf(check.right).map(({ text }) => text);
  const starts: string[] = [];
  for (const text of literals) {
    const start = check.operator === 'glob' || check.operator === 'pmatch' ? text.replace(/[*?[\\].*$/s, '') : text;
    // What does not start with a slash, or only with a slash, says nothing of where the file is.
    if (!/^\/[^/]/.test(start)) return null;
    starts.push(check.operator === 'pmatch' ? start.replace(/\/+$/, '') : start);
  }
  switch (check.operator) {
    case '=':
    case 'in':
    case 'startswith':
    case 'glob':
    case 'pmatch':
      for (const start of starts) wanted.prefixes.add(start);
      return false;
    default:
      return null;
  }
}

/** Terms that no string without two dots in a row meets. */
function rawTerm(check: Check, { wanted }: Supposition): boolean | null {
  if (wanted === null) return null;
  if (!['=', 'contains', 'startswith', 'endswith', 'glob'].includes(check.operator)) return null;
  if (!literalsOf(check.right).every(({ text }) => text.includes('..'))) return null;
  wanted.dots = true;
  return false;
}

function commTerm(check: Check, { wanted, names }: Supposition): boolean | null {
  if (wanted === null || !names || (check.operator !== '=' && check.operator !== 'in')) return null;
  for (const { text } of literalsOf(check.right)) if (text.length <= COMM_LENGTH) wanted.comms.add(text);
  return false;
}

/** Drops what another covers. */
function shortest(prefixes: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (const prefix of [...prefixes].sort()) {
    const last = kept[kept.length - 1];
    if (last === undefined || !prefix.startsWith(last)) kept.push(prefix);
  }
  return kept;
}
