/** Plays cases on a state of their own and judges them with the engine that the sensor has. */
import { dirname, join } from 'node:path';
import { fromByteString } from '../bytes.ts';
import { createEngine } from '../engine/index.ts';
import { Event } from '../event/index.ts';
import { type BoundCatalogue, dnsNames } from '../fields/index.ts';
import {
  type Check,
  checksOf,
  type Expr,
  type FieldRef,
  formatAddress,
  interpret,
  parseAddress,
  print,
  type ReadField,
  type Rule,
  type Value,
} from '../rules/index.ts';
import { openCapture } from '../source/index.ts';
import { State } from '../state/index.ts';
import { type Case, RuleTestError } from './document.ts';
import { makeContainer, makeProgram, USERS } from './programs.ts';
import { type Staged, stage } from './stage.ts';

export interface CaseResult {
  readonly test: Case;
  readonly passed: boolean;
  /** What was expected and what came; empty when passed. */
  readonly message: string;
  /** Explains the rule on the case's last event of a type that the rule is about; null when there was none. */
  readonly explanation: string | null;
  readonly milliseconds: number;
}

/** A term of a rule's condition that no event of any case made true, or none made false. */
export interface Uncovered {
  readonly rule: string;
  readonly term: string;
  readonly never: 'true' | 'false' | 'judged';
}

export interface RunResult {
  readonly cases: readonly CaseResult[];
  /** Terms of the tested rules, and how many of them were true at least once and false at least once. */
  readonly terms: number;
  readonly covered: number;
  readonly uncovered: readonly Uncovered[];
  /** Loaded rules without a case that fires, or without one that is silent. */
  readonly untested: readonly { readonly rule: string; readonly missing: 'fires' | 'silent' }[];
}

export interface RunOptions {
  readonly rules: readonly Rule[];
  readonly catalogue: BoundCatalogue;
  /** How a condition's truth on the event at hand is shown when a case fails. */
  readonly explain: (condition: Expr, read: ReadField) => string;
}

/** Event times of the tests start here. */
const START = 1_700_000_000_000_000_000n;
const CASE_STEP = 1_000_000_000n;
/** Cases have process ids of their own: room for the ancestors of each. */
const PIDS = 20;

/**
 * Runs all cases. Every rule is judged on every event of every case (on the events of its types), each term on its own,
 * to find the terms that never decide anything.
 */
export async function runTests(tests: readonly Case[], options: RunOptions): Promise<RunResult> {
  const { rules } = options;
  const byName = new Map(rules.map((rule) => [rule.name, rule]));
  for (const test of tests) {
    if (!byName.has(test.rule)) {
      throw new RuleTestError(`${test.file}:${test.line}: the rule '${test.rule}' is not loaded`);
    }
  }
  const coverage = new Coverage(rules);
  const stages = new Map(
    [...new Set(rules.map((rule) => rule.source))].map((source) => [source, new Stage(options, source, coverage)]),
  );
  const cases: CaseResult[] = [];
  for (const [i, test] of tests.entries()) {
    const rule = byName.get(test.rule) as Rule;
    const began = performance.now();
    const verdict =
      test.capture === null
        ? (stages.get(rule.source) as Stage).play(test, rule, i)
        : await new Stage(options, rule.source, coverage).replay(test, rule);
    cases.push({ test, ...verdict, milliseconds: performance.now() - began });
  }
  return { cases, ...coverage.result(), untested: untested(tests, rules) };
}

function untested(tests: readonly Case[], rules: readonly Rule[]): RunResult['untested'] {
  const seen = new Set(tests.map((test) => `${test.fires} ${test.rule}`));
  return rules.flatMap(({ name }) => [
    ...(seen.has(`true ${name}`) ? [] : [{ rule: name, missing: 'fires' as const }]),
    ...(seen.has(`false ${name}`) ? [] : [{ rule: name, missing: 'silent' as const }]),
  ]);
}

type Verdict = Pick<CaseResult, 'passed' | 'message' | 'explanation'>;

/** A state with the rules of one source over it. */
class Stage {
  readonly #options: RunOptions;
  readonly #coverage: Coverage;
  readonly #state = new State();
  readonly #engine;
  readonly #event = new Event();
  readonly #readers = new Map<string, (event: Event, state: State) => Value | null>();
  #matched: Rule[] = [];

  constructor(options: RunOptions, source: string, coverage: Coverage) {
    this.#options = options;
    this.#coverage = coverage;
    const rules = options.rules.filter((rule) => rule.source === source);
    this.#engine = createEngine(rules, this.#state, {
      matching: 'all',
      onMatch: (rule) => this.#matched.push(rule),
    });
    this.#addUsers('');
    const init = makeProgram('/usr/lib/systemd/systemd', { pid: 1, ppid: 0, ts: START, container: null });
    this.#state.sink.process(init.entry);
    // Tells which end of a connection is this machine's.
    this.#state.sink.interface({
      address: '\x0a\0\0\x05',
      netmask: '\xff\0\0\0',
      broadcast: '',
      linkSpeed: 0n,
      name: 'eth0',
    });
  }

  #addUsers(container: string): void {
    for (const [name, { uid, home, shell }] of Object.entries(USERS)) {
      this.#state.users.addUser(container, { uid, gid: uid, name, home, shell });
      this.#state.users.addGroup(container, uid, name);
    }
  }

  play(test: Case, rule: Rule, number: number): Verdict {
    let staged: Staged;
    try {
      staged = stage(test, 2000 + PIDS * (number + 1), START + CASE_STEP * BigInt(number));
    } catch (error) {
      if (error instanceof RuleTestError) throw new RuleTestError(`${test.file}:${test.line}: ${error.message}`);
      throw error;
    }
    const { sink } = this.#state;
    for (const spec of [
      test.process,
      ...test.parents,
      ...(test.container === null ? [] : [{ container: test.container }]),
    ]) {
      if (typeof spec === 'string' || spec.container === undefined || spec.container === false) continue;
      const container = makeContainer(spec.container);
      this.#state.setContainer(container.id, container);
      this.#addUsers(container.id);
    }
    for (const [address, name] of Object.entries(test.names)) {
      const bytes = parseAddress(address);
      if (bytes === null) throw new RuleTestError(`${test.file}:${test.line}: '${address}' is no address`);
      dnsNames.know(name, [bytes]);
    }
    for (const { entry } of staged.programs) sink.process(entry);
    for (const fd of staged.fds) sink.fd(fd);
    const judged = new Judged(test, rule);
    for (const [i, bytes] of staged.events.entries()) {
      this.#event.attach(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
      this.#event.read(0, 0, i + 1);
      this.#judge(this.#event, judged);
    }
    return judged.verdict();
  }

  async replay(test: Case, rule: Rule): Promise<Verdict> {
    const { file, from, to } = test.capture as NonNullable<Case['capture']>;
    const judged = new Judged(test, rule);
    const source = await openCapture(join(dirname(test.file), file), this.#state.sink);
    const visit = (event: Event): void => {
      if (event.num >= from && event.num <= to) this.#judge(event, judged);
      else this.#state.apply(event);
    };
    while (!source.ended) await source.next(visit, 1000);
    source.close();
    return judged.verdict();
  }

  #judge(event: Event, judged: Judged): void {
    this.#state.apply(event);
    this.#matched = [];
    this.#engine.process(event);
    const read: ReadField = (field) => this.#reader(field)(event, this.#state);
    const { rule, test } = judged;
    if (this.#matched.includes(rule) !== test.fires && rule.eventTypes.includes(event.type)) {
      judged.explanation = this.#options.explain(rule.condition, read);
    }
    if (this.#matched.includes(rule)) {
      judged.fired = true;
      judged.wrong = Object.entries(test.fields).flatMap(([name, wanted]) => {
        const match = /^(.*?)(?:\[(.*)\])?$/.exec(name) as RegExpExecArray;
        const field = this.#options.catalogue.get(match[1] as string);
        if (field === undefined) return [`${name} is no field`];
        const text = valueText(field.bind(match[2] ?? null)(event, this.#state), field.type);
        return text === String(wanted) ? [] : [`${name} is ${text}, not ${String(wanted)}`];
      });
    }
    this.#coverage.see(event.type, read);
  }

  #reader(field: FieldRef): (event: Event, state: State) => Value | null {
    const key = `${field.name}[${field.argument ?? ''}`;
    let read = this.#readers.get(key);
    if (read === undefined) this.#readers.set(key, (read = this.#options.catalogue.bind(field.name, field.argument)));
    return read;
  }
}

function valueText(value: Value | null, type: string): string {
  if (value === null) return '<NA>';
  if (type === 'IPADDR') return formatAddress(value as string);
  return Array.isArray(value) ? `(${value.join(',')})` : fromByteString(String(value));
}

/** What has come of a case so far. */
class Judged {
  readonly test: Case;
  readonly rule: Rule;
  fired = false;
  wrong: readonly string[] = [];
  explanation: string | null = null;

  constructor(test: Case, rule: Rule) {
    this.test = test;
    this.rule = rule;
  }

  verdict(): Verdict {
    const { test, fired, wrong } = this;
    if (fired === test.fires && wrong.length === 0) return { passed: true, message: '', explanation: null };
    const message =
      fired === test.fires
        ? wrong.join('; ')
        : fired
          ? 'it fired, and should be silent'
          : 'it was silent, and should fire';
    const none = 'No event of the case has a type that the rule is about.\n';
    return { passed: false, message, explanation: fired === test.fires ? null : (this.explanation ?? none) };
  }
}

interface Term {
  readonly check: Check;
  readonly text: string;
  seen: number;
}

/** Which terms have been true (1) and false (2). */
class Coverage {
  readonly #rules: readonly {
    readonly rule: Rule;
    readonly types: ReadonlySet<number>;
    readonly terms: readonly Term[];
  }[];

  constructor(rules: readonly Rule[]) {
    this.#rules = rules.map((rule) => {
      const terms = new Map<string, Term>();
      for (const check of checksOf(rule.condition)) {
        if (decidedByType(check) || isToBeFilled(check)) continue;
        const text = fromByteString(print(check));
        terms.set(text, { check, text, seen: 0 });
      }
      return { rule, types: new Set(rule.eventTypes), terms: [...terms.values()] };
    });
  }

  see(type: number, read: ReadField): void {
    for (const { types, terms } of this.#rules) {
      if (!types.has(type)) continue;
      for (const term of terms) if (term.seen !== 3) term.seen |= interpret(term.check, read) ? 1 : 2;
    }
  }

  result(): Pick<RunResult, 'terms' | 'covered' | 'uncovered'> {
    let terms = 0;
    const uncovered: Uncovered[] = [];
    for (const { rule, terms: own } of this.#rules) {
      terms += own.length;
      for (const { text, seen } of own) {
        if (seen !== 3)
          uncovered.push({ rule: rule.name, term: text, never: seen === 0 ? 'judged' : seen === 1 ? 'false' : 'true' });
      }
    }
    return { terms, covered: terms - uncovered.length, uncovered };
  }
}

/** `evt.type` is decided before a rule is judged, so such terms need not be false in a test; `evt.dir` never changes. */
function decidedByType(check: Check): boolean {
  return check.left.kind === 'field' && ['evt.type', 'evt.dir', 'syscall.type'].includes(check.left.name);
}

/** An empty list is never matched: it is there to be filled by users. */
function isToBeFilled({ right }: Check): boolean {
  return right?.kind === 'values' && right.values.length === 0;
}
