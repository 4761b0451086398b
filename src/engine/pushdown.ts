import { EVENTS, EventFlag, type EventInfo, EventType } from '../event/index.ts';
import { parameterOf } from '../fields/index.ts';
import { type Check, type FieldRef, fieldsIn, fieldsOf, literalsOf, type Rule } from '../rules/index.ts';
import { CARRIES_FILE } from '../state/index.ts';
import { type Condition, forEachTerm, specialise } from './specialise.ts';
import {
  type Asks,
  asksForBits,
  fileUsed,
  lessOf,
  nothingWanted,
  openForReading,
  otherCall,
  PROT,
  possible,
  SOCKET_FIELD,
  type Supposed,
  type Wanted,
  withoutBits,
} from './suppose.ts';

/**
 * What the rules let the kernel leave out. A kernel predicate may only over-approximate: it may let an event
 * through that no rule wants, never drop one that some rule could match.
 */
export interface KernelFilter {
  /** Event codes that some rule can match, ascending. */
  readonly events: readonly number[];
  /** Which opens for reading need not be reported; null when all must be. */
  readonly opens: OpenFilter | null;
  /**
   * Codes of calls on descriptors that no rule can match where the descriptor is of a file whose open was not
   * reported; only meant together with {@link opens}.
   */
  readonly quiet: readonly number[];
  /** Names of the calls without an event of their own that some rule can match; null: all can be. */
  readonly generic: ReadonlySet<string> | null;
  /** Event codes of calls that no rule can match unless the third argument has one of these bits. */
  readonly thirdArgument: ReadonlyMap<number, number>;
  /** Rules because of which {@link opens} is null, with the terms that the kernel cannot decide. */
  readonly defeats: readonly { readonly rule: string; readonly terms: readonly string[] }[];
}

/**
 * Opens for writing always pass. An open for reading that failed passes as {@link failed} says. One that succeeded
 * passes when the path that the kernel resolved begins with one of {@link prefixes} or ends as one of {@link tails},
 * when the program's name is one of {@link comms} or its path begins with one of {@link programs}, or when
 * {@link dots} is set and the caller's string has two dots in a row. With {@link compat} all opens by 32-bit calls pass.
 */
export interface OpenFilter {
  /** Failed opens that pass: none, those whose string has two dots in a row, or all. */
  readonly failed: 'none' | 'dots' | 'all';
  /** Sorted; none says what another says. */
  readonly prefixes: readonly PathPrefix[];
  /**
   * Ends of paths, as the kernel compares them: eight bytes; four bytes; or, beginning with a slash, a whole last
   * component of at most six bytes.
   */
  readonly tails: readonly string[];
  /** At most 15 bytes each (TASK_COMM_LEN − 1). */
  readonly comms: readonly string[];
  /** Beginnings of paths of programs, sorted; none says what another says. */
  readonly programs: readonly string[];
  readonly dots: boolean;
  /** All calls by their 32-bit numbers. */
  readonly compat: boolean;
}

/** The beginning of paths that pass, if the open has what else is asked. */
export interface PathPrefix extends Asks {
  readonly path: string;
}

/** Calls that open for reading at all. */
const OPENS = EVENTS.filter(({ code }) => /^SYSCALL_(OPEN|OPENAT_2|OPENAT2)_X$/.test(code)).map(({ type }) => type);

const codes = (...names: (keyof typeof EventType)[]): ReadonlySet<number> =>
  new Set(names.map((name) => EventType[name] as number));

/** Calls that only matter to the state when it knows their descriptor. */
const QUIET = codes('SYSCALL_CLOSE_X', 'SYSCALL_DUP_1_X', 'SYSCALL_DUP2_X', 'SYSCALL_DUP3_X', 'SYSCALL_FCNTL_X');

/** Calls whose third argument is a set of PROT_* bits. */
const PROTECTING = codes('SYSCALL_MMAP_X', 'SYSCALL_MMAP2_X', 'SYSCALL_MPROTECT_X');

/**
 * Derives the filter from the rules.
 *
 * For each rule and each call that opens: suppose a successful open for reading of a path that begins and ends as the
 * rule does not ask for. Terms that this decides are put in, all others are taken as whatever helps the rule; if the
 * rule can still be true, names and paths of programs are supposed to be none of its own; if it still can be true, it
 * defeats the filter.
 *
 *   ok:     open_read and fd.name startswith /etc/             → the prefix /etc/
 *   ok:     open_read and fd.name endswith .pem                → the tail .pem
 *   ok:     open_write and fd.directory = /bin                 → nothing: opens for writing pass
 *   ok:     open_read and proc.name = sshd and fd.name contains liblzma   → the name sshd
 *   ok:     open_read and proc.exepath = /usr/bin/x and fd.name contains secret → the program /usr/bin/x
 *   ko:     open_read and fd.name contains secret              reason: any path can hold it
 *   ko:     open_read and not fd.name startswith /usr          reason: most paths are not below /usr
 */
export function deriveFilter(rules: readonly Rule[]): KernelFilter {
  const events = new Set<number>();
  const wanted = nothingWanted();
  const defeats = new Map<string, Set<string>>();
  const defeat = (rule: Rule, terms: Iterable<string>): void => {
    const known = defeats.get(rule.name) ?? new Set();
    for (const term of terms) known.add(term);
    defeats.set(rule.name, known);
  };
  const quiet = new Set(QUIET);
  const bits = new Map<number, number | null>();
  let failed: OpenFilter['failed'] = 'none';
  let generic: Set<string> | null = new Set();
  for (const rule of rules) {
    const shown = rule.output.parts.flatMap((part) => (part.kind === 'field' ? fieldsOf(part.operand) : []));
    for (const type of rule.eventTypes) {
      const info = EVENTS[type] as EventInfo;
      const condition = specialise(rule.condition, type);
      if (condition.kind === 'constant' && !condition.value) continue;
      events.add(type);
      // The probe reports calls when they return, with the present codes; of the others it knows none.
      if (info.enter || (info.flags & EventFlag.OLD_VERSION) !== 0) continue;
      const used = [...fieldsCompared(condition), ...shown];
      const table = used.find(({ name }) => TABLE_FIELD.test(name));
      if (table !== undefined) defeat(rule, [table.name]);
      if (type === EventType.GENERIC_X && generic !== null) {
        if (possible(condition, true, otherCall(generic), null)) generic = null;
      }
      if (PROTECTING.has(type)) bits.set(type, either(bits.get(type), bitsNeeded(condition)));
      if (OPENS.includes(type)) {
        const unsuccessful = cheapest(condition, false);
        if (unsuccessful.possible) failed = 'all';
        else if (unsuccessful.wanted.dots && failed === 'none') failed = 'dots';
        wanted.compat ||= unsuccessful.wanted.compat;
        const successful = cheapest(condition, true);
        if (successful.possible) defeat(rule, successful.wanted.open);
        else merge(wanted, successful.wanted);
      } else {
        const withFile = possible(condition, true, fileUsed(type), null);
        if (withFile) quiet.delete(type);
        if (withFile && readsOpenFile(type, used)) defeat(rule, [`${info.name}: fd.*`]);
      }
    }
  }
  const { dots, compat } = wanted;
  return {
    events: [...events].sort((a, b) => a - b),
    opens:
      defeats.size > 0
        ? null
        : {
            failed,
            prefixes: reduced(wanted),
            tails: [...wanted.tails].sort(),
            comms: [...wanted.comms].sort(),
            programs: shortest(wanted.programs),
            dots,
            compat,
          },
    quiet: [...quiet].sort((a, b) => a - b),
    generic,
    thirdArgument: new Map([...bits].filter((entry): entry is [number, number] => entry[1] !== null)),
    defeats: [...defeats].map(([rule, terms]) => ({ rule, terms: [...terms] })),
  };
}

/** Whether the filter lets an open through; what the probe computes, for tests and for explanations. */
export function passes(
  filter: OpenFilter,
  open: {
    readonly succeeded: boolean;
    readonly writes: boolean;
    readonly compat: boolean;
    readonly path: string;
    readonly raw: string;
    readonly comm: string;
    readonly exepath: string;
  },
): boolean {
  if (open.writes || (open.compat && filter.compat)) return true;
  const dots = open.raw.includes('..');
  if (!open.succeeded) return filter.failed === 'all' || (filter.failed === 'dots' && dots);
  if (filter.dots && dots) return true;
  // The root has no component to look at.
  if (open.path === '/') return true;
  const end = open.path.slice(open.path.lastIndexOf('/'));
  return (
    filter.prefixes.some(
      (prefix) =>
        open.path.startsWith(prefix.path) && (!prefix.hidden || open.path.includes('/.')) && (!prefix.dots || dots),
    ) ||
    filter.tails.some((tail) => (isComponent(tail) ? end === tail : end.endsWith(tail))) ||
    filter.comms.includes(open.comm) ||
    filter.programs.some((path) => open.exepath.startsWith(path))
  );
}

/** A {@link OpenFilter.tails} that is a slash and a whole component. */
export function isComponent(tail: string): boolean {
  return tail.length < 8 && tail.startsWith('/');
}

/** Fields whose value is of the whole table of descriptors, files included. */
const TABLE_FIELD = /^(fd\.types|fdlist\..*|proc\.fdopencount|proc\.fdusage)$/;

/**
 * True when fields of a rule on calls that use a descriptor show or ask what file it is: that is known from the open,
 * which must then be reported. Calls with which the probe sends the path itself do not need the open.
 */
function readsOpenFile(type: number, used: readonly FieldRef[]): boolean {
  const info = EVENTS[type] as EventInfo;
  if ((info.flags & EventFlag.USES_FD) === 0 || (info.flags & EventFlag.CREATES_FD) !== 0) return false;
  if (CARRIES_FILE[type] === 1) return false;
  // Where a relative name starts from is sent with the call.
  if (info.params.every((param) => param.type !== 'FD' || param.name.endsWith('dirfd'))) return false;
  return used.some((field) => isFd(field, info));
}

/** Fields that show a descriptor: those of its own class, and the texts of parameters. */
function isFd(field: FieldRef, { params }: EventInfo): boolean {
  const { name } = field;
  if (name.startsWith('fd.')) return !SOCKET_FIELD.test(name);
  if (name === 'evt.args' || name === 'evt.info') return true;
  const which = parameterOf(field);
  return params.some((param, i) => param.type === 'FD' && (param.name === which || String(i) === which));
}

function fieldsCompared(condition: Condition): FieldRef[] {
  return checksOf(condition).flatMap(fieldsIn);
}

function checksOf(condition: Condition): Check[] {
  const checks: Check[] = [];
  forEachTerm(condition, (_key, check) => checks.push(check));
  return checks;
}

/** The cheapest supposition under which the rule cannot be true: that is what the kernel has to test. */
function cheapest(condition: Condition, succeeded: boolean): { possible: boolean; wanted: Wanted } {
  const attempt = (supposed: Supposed | null) => {
    const wanted = nothingWanted();
    const suppose = openForReading(succeeded, supposed === null ? null : wanted, supposed ?? {});
    return { possible: possible(condition, true, suppose, wanted.open), wanted };
  };
  const plain = attempt(null);
  if (!plain.possible) return plain;
  const raw = attempt({ raw: true });
  if (!succeeded) return raw;
  const path = attempt({ path: true });
  if (!path.possible) {
    // Of a rule that asks for two dots, too, a path alone is not enough.
    const { prefixes, tails } = path.wanted;
    if (!raw.possible && tails.size === 0)
      for (const [start, asks] of prefixes) prefixes.set(start, { ...asks, dots: true });
    return path;
  }
  if (!raw.possible) return raw;
  const both = attempt({ path: true, raw: true });
  return both.possible ? attempt({ path: true, raw: true, programs: true }) : both;
}

function merge(into: Wanted, from: Wanted): void {
  for (const [path, asks] of from.prefixes) into.prefixes.set(path, lessOf(asks, into.prefixes.get(path)));
  for (const tail of from.tails) into.tails.add(tail);
  for (const comm of from.comms) into.comms.add(comm);
  for (const program of from.programs) into.programs.add(program);
  into.dots ||= from.dots;
  into.compat ||= from.compat;
}

/**
 * Drops what another covers. The kernel looks at the longest prefix only, so that none asks for what one that is
 * shorter does not ask.
 */
function reduced({ prefixes }: Wanted): PathPrefix[] {
  const kept: PathPrefix[] = [];
  for (const path of [...prefixes.keys()].sort()) {
    const shorter = kept.filter((other) => path.startsWith(other.path));
    const own = prefixes.get(path) as Asks;
    const least = shorter.reduce((asks, other) => lessOf(asks, other), own);
    if (!shorter.some((other) => other.hidden === least.hidden && other.dots === least.dots))
      kept.push({ path, ...least });
  }
  return kept;
}

/** Those that do not begin with another, sorted. */
function shortest(prefixes: Iterable<string>): string[] {
  const kept: string[] = [];
  for (const path of [...prefixes].sort()) if (!kept.some((other) => path.startsWith(other))) kept.push(path);
  return kept;
}

/** The PROT_* bits of which the condition needs one; null when it can be true without. */
function bitsNeeded(condition: Condition): number | null {
  const named = new Set<string>();
  for (const check of checksOf(condition)) {
    if (asksForBits(check)) for (const { text } of literalsOf(check.right)) named.add(text);
  }
  if (named.size === 0 || possible(condition, true, withoutBits, null)) return null;
  return [...named].reduce((bits, name) => bits | (PROT[name] as number), 0);
}

/** Undefined: no rule yet; null: some rule needs no bit. */
function either(known: number | null | undefined, more: number | null): number | null {
  return known === undefined ? more : known === null || more === null ? null : known | more;
}
