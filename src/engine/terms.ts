import type { Event } from '../event/index.ts';
import { bindOperand, type Extractor, type Field, parameterOf } from '../fields/index.ts';
import {
  type Check,
  compareOperands,
  constantsOf,
  type FieldRef,
  fieldsIn,
  matcherOf,
  printOperand,
  type Value,
} from '../rules/index.ts';
import type { State } from '../state/index.ts';
import type { Operand } from './scope.ts';

/**
 * What decides a term: the process (and whatever changes with it), its ancestors, the file or socket, the
 * return value, the returned descriptor, the flags parameter, one parameter, or the event as a whole.
 */
export type Decides = 'process' | 'lineage' | 'file' | 'result' | 'descriptor' | 'flags' | 'parameter' | 'event';

/** A comparison bound to events. */
export interface BoundTerm {
  readonly check: Check;
  readonly decides: Decides;
  readonly operand: Operand;
  /** The comparison on the operand's value; false for null. */
  readonly test: (value: Value | null) => boolean;
  /** Operand and comparison in one. */
  readonly evaluate: (event: Event, state: State) => boolean;
  /** Rough, to order terms: 1 is a bit test. */
  readonly cost: number;
  /** Numbers that the operand is compared with. */
  readonly constants: readonly number[];
}

/** Fields that are a function of the parent thread (and what is above it), as long as no index points at the process itself. */
const ANCESTRY = /^proc\.(pname|pexe|pexepath|pcmdline|ppid|aname|aexe|aexepath|acmdline|apid)$/;
/** Fields of a process that its forks do not share (see Thread.content). */
const PER_PROCESS =
  /^(proc\.(pid|vpid|pvpid|sid|pgid|vpgid|is_.*_leader|duration|pid\.ts|vmsize|vmrss|vmswap|fdopencount|fdlimit|fdusage|nthreads|nchilds|loginshellid)|thread\.(tid|vtid|ismain|pf.*|vm.*|exectime|totexectime|nametid|cpu.*))$/;
/** Fields of a descriptor that two opens of one path need not share, or that something else can change. */
const PER_OPEN =
  /^(wh\.fd\.(deleted|resolved)|fd\.(dev|dev\.major|dev\.minor|ino|uid|num|is_upper_layer|is_lower_layer|types|container.*|.ip\.name))$/;

/**
 * Binds a check to events.
 * @param clock its tick changes with every event judged; values that several terms read are kept for one tick
 */
export function bindTerm(check: Check, clock: { readonly tick: number }, operands: Map<string, Operand>): BoundTerm {
  const fields = fieldsIn(check);
  if (check.right?.kind === 'operand') {
    // Both sides are read, so the term as a whole is the operand: its value is its truth.
    const left = bindOperand(check.left);
    const right = bindOperand(check.right.operand);
    const read: Extractor = (event, state) => {
      const value = left(event, state);
      const other = value === null ? null : right(event, state);
      return value !== null && other !== null && compareOperands(check, value, other);
    };
    return {
      check,
      decides: decides(fields),
      operand: {
        key: `${printOperand(check.left)} ${check.operator} ${printOperand(check.right.operand)}`,
        text: false,
        read,
      },
      test: (value) => value === true,
      evaluate: (event, state) => read(event, state) === true,
      cost: 40,
      constants: [],
    };
  }
  const key = printOperand(check.left);
  let operand = operands.get(key);
  if (operand === undefined) {
    operand = { key, text: isText(check), read: remembered(bindOperand(check.left), clock) };
    operands.set(key, operand);
  }
  const { read } = operand;
  const exists = check.operator === 'exists';
  const matches = exists ? () => true : matcherOf(check);
  const test = (value: Value | null): boolean => value !== null && matches(value);
  return {
    check,
    decides: decides(fields),
    operand,
    test,
    evaluate: (event, state) => {
      const value = read(event, state);
      return value !== null && matches(value);
    },
    cost: exists ? 3 : cost(check),
    constants: exists ? [] : constantsOf(check).filter((constant) => typeof constant === 'number'),
  };
}

/** Reads once an event, however many terms ask. */
function remembered(read: Extractor, clock: { readonly tick: number }): Extractor {
  let tick = -1;
  let value: Value | null = null;
  return (event, state) => {
    if (tick !== clock.tick) {
      value = read(event, state);
      tick = clock.tick;
    }
    return value;
  };
}

function decides(fields: readonly FieldRef[]): Decides {
  const kinds = new Set(fields.map(decidesField).filter((kind) => kind !== 'constant'));
  if (kinds.size === 0) return 'process';
  return kinds.size === 1 ? ([...kinds][0] as Decides) : 'event';
}

function decidesField(ref: FieldRef): Decides | 'constant' {
  const field = ref.spec as Field;
  switch (field.name) {
    case 'evt.rawres':
    case 'evt.res':
    case 'evt.failed':
      return 'result';
    case 'fd.num':
      return 'descriptor';
    case 'evt.is_open_read':
    case 'evt.is_open_write':
      return 'flags';
  }
  // Both are read from the event whenever they are asked for.
  const parameter = parameterOf(ref);
  if (parameter !== null) return parameter === 'flags' && field.name.startsWith('evt.arg') ? 'flags' : 'parameter';
  if (field.name.startsWith('fs.path.')) return 'parameter';
  switch (field.depends) {
    case 'constant':
      return 'constant';
    case 'thread':
      return PER_PROCESS.test(field.name) ? 'event' : 'process';
    case 'lineage':
      return ANCESTRY.test(field.name) && ref.argument !== '0' ? 'lineage' : 'event';
    case 'path':
    case 'fd':
      return PER_OPEN.test(field.name) ? 'event' : 'file';
    default:
      return 'event';
  }
}

/** True when values are strings and the literals of the check are compared with them as they stand. */
function isText(check: Check): boolean {
  const { left } = check;
  if (left.kind !== 'field') return false;
  const field = left.spec as Field;
  return (
    (field.type === 'CHARBUF' || field.type === 'FSPATH' || field.type === 'FSRELPATH') &&
    !field.isList &&
    field.multi !== 'ends'
  );
}

function cost(check: Check): number {
  switch (check.operator) {
    case 'regex':
    case 'glob':
    case 'iglob':
      return 60;
    case 'contains':
    case 'icontains':
    case 'bcontains':
    case 'pmatch':
      return 30;
    default:
      return check.left.kind === 'field' && check.left.spec?.type === 'CHARBUF' ? 15 : 8;
  }
}
