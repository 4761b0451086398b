import { EVENTS, type Event, type EventInfo } from '../event/index.ts';
import { parameterOf } from '../fields/index.ts';
import type { Check, Rule } from '../rules/index.ts';
import { FdType } from '../scap/index.ts';
import type { Fd, State, Thread } from '../state/index.ts';
import { createsFd, flagsParam, Group, resultParam } from './group.ts';
import type { Placement } from './masks.ts';
import type { EventTerm } from './residual.ts';
import { type Operand, Scope } from './scope.ts';
import { SocketSignatures } from './socket-signatures.ts';
import { type Condition, forEachTerm, specialise } from './specialise.ts';
import { type BoundTerm, bindTerm, type Decides } from './terms.ts';

export interface EngineOptions {
  /** `first`: an event raises at most one alert, that of the first rule in order of definition; `all`: one for each. */
  readonly matching: 'first' | 'all';
  /** False keeps to closures instead of generated functions. */
  readonly codegen?: boolean;
  /** Called for each match, while the event and the state still show it. */
  readonly onMatch: (rule: Rule, event: Event) => void;
}

/** What the rules have cost and found since the engine was made. */
export interface RuleCost {
  readonly rule: Rule;
  /** Events on which the whole condition had to be judged. */
  readonly evaluations: number;
  readonly matches: number;
  /** Estimate from sampled evaluations. */
  readonly nanoseconds: number;
}

export interface Engine {
  /** Judges the event that {@link State.apply} was given last. */
  process(event: Event): void;
  /** One byte an event type: 1 where no rule asks for the type (see {@link State.unread}). */
  unread(): Uint8Array;
  costs(): RuleCost[];
}

/** Signatures kept in one scope before everything remembered is dropped: bounds memory against whoever makes up ever new processes. */
const SIGNATURE_LIMIT = 100_000;
/** Judgements between two looks at that; a power of two. */
const LIMIT_CHECKS = 1024;
/** One judgement in so many is timed. */
const SAMPLE = 1024;

/**
 * Compiles rules into an engine over one state.
 *
 * Design: an event of a type that no rule reads costs one look-up. Otherwise a few numbers are at hand: the
 * signatures of its process, its ancestry, its file or socket, and its outcome; each is computed once for as long as
 * that thing does not change. A signature maps to a mask of the rules that it does not exclude; the masks' intersection
 * is remembered by their numbers. It is nearly always empty, and then the event is done. Rules that are left are asked
 * for the signature of the event's parameters, too, and then judged exactly, by a generated function in which all that
 * is known is a bit test.
 */
export function createEngine(rules: readonly Rule[], state: State, options: EngineOptions): Engine {
  const evaluations = new Float64Array(rules.length);
  const matches = new Float64Array(rules.length);
  const sampled = new Float64Array(rules.length);
  const samples = new Float64Array(rules.length);
  const numbers = new Map(rules.map((rule, i) => [rule, i]));
  const codegen = options.codegen ?? true;
  const first = options.matching === 'first';
  const { onMatch } = options;

  let plan = makePlan(rules, codegen);
  let sample = SAMPLE;

  function judge(group: Group, event: Event): void {
    const { scopes, signatures } = plan;
    const { process, lineage, file, result, parameters, parameterScope } = group;
    const { thread } = state;
    // One mask that leaves nothing ends it; those that are cheap to find, and that most often leave nothing, come first.
    let p = 0;
    let processMask = 0;
    if (!process.unused) {
      p = signatures.process(event, thread);
      processMask = process.of(p);
      if (processMask === process.none) return;
    }
    let f = 0;
    let fileMask = 0;
    if (!file.unused) {
      f = signatures.file(event, state.fd);
      fileMask = file.of(f);
      if (fileMask === file.none) return;
    }
    let o = 0;
    let resultMask = 0;
    if (!result.unused) {
      o = group.outcome(event, state);
      resultMask = result.of(o);
      if (resultMask === result.none) return;
    }
    let l = 0;
    let lineageMask = 0;
    if (!lineage.unused) {
      l = signatures.lineage(event, thread);
      lineageMask = lineage.of(l);
    }
    const combination = group.combination(processMask, lineageMask, fileMask, resultMask);
    let { candidates } = combination;
    if (candidates.length === 0) return;
    // Parameters are new with every event: they are read only for rules that nothing else excludes.
    let a = 0;
    if (!parameters.unused) {
      a = group.parameterSignatures.signature(event, state);
      candidates = group.narrow(combination, parameters.of(a));
    }
    const pb = scopes[0].truth[p] as Int32Array;
    const lb = scopes[1].truth[l] as Int32Array;
    const fb = scopes[2].truth[f] as Int32Array;
    const ob = scopes[3].truth[o] as Int32Array;
    const ab = parameterScope.truth[a] as Int32Array;
    for (let i = 0; i < candidates.length; i++) {
      const at = candidates[i] as number;
      const rule = group.rules[at] as Rule;
      const number = numbers.get(rule) as number;
      const residual = group.residual(at);
      evaluations[number]!++;
      let matched: boolean;
      if (--sample > 0) matched = residual(pb, lb, fb, ob, ab, event, state);
      else {
        sample = SAMPLE;
        const start = performance.now();
        matched = residual(pb, lb, fb, ob, ab, event, state);
        sampled[number]! += (performance.now() - start) * 1e6;
        samples[number]!++;
      }
      if (matched) {
        matches[number]!++;
        onMatch(rule, event);
        if (first) break;
      }
    }
  }

  function isOverLimit(): boolean {
    const scopes: Scope[] = [...plan.scopes];
    for (const group of plan.groups) if (group instanceof Group) scopes.push(group.parameterScope);
    return scopes.some((scope) => scope.count > SIGNATURE_LIMIT);
  }

  function makePlan(all: readonly Rule[], generated: boolean) {
    const compiled = compile(all, generated);
    return { ...compiled, signatures: signatureCache(compiled.scopes, state) };
  }

  return {
    process(event) {
      const group = plan.groups[event.type] ?? plan.makeGroup(event.type);
      if (group === NO_RULES) return;
      const { clock } = plan;
      clock.tick = (clock.tick + 1) & 0x3fffffff;
      judge(group, event);
      if ((clock.tick & (LIMIT_CHECKS - 1)) === 0 && isOverLimit()) plan = makePlan(rules, codegen);
    },
    unread() {
      const unread = new Uint8Array(EVENTS.length).fill(1);
      for (const rule of rules) for (const type of rule.eventTypes) unread[type] = 0;
      return unread;
    },
    costs: () =>
      rules.map((rule, i) => ({
        rule,
        evaluations: evaluations[i] as number,
        matches: matches[i] as number,
        nanoseconds:
          samples[i] === 0 ? 0 : ((sampled[i] as number) / (samples[i] as number)) * (evaluations[i] as number),
      })),
  };
}

/** In the place of a group: no rule can fire on events of that type. */
const NO_RULES = Symbol('no rules');

/**
 * Where the terms of a rule set live, and the groups by event type. A group is made when the first event of its type
 * comes: of most types there is none.
 */
function compile(rules: readonly Rule[], codegen: boolean) {
  const scopes = [new Scope(), new Scope(), new Scope(), new Scope()] as const;
  const clock = { tick: 0 };
  const operands = new Map<string, Operand>();
  const bound = new Map<string, BoundTerm>();
  const terms: EventTerm[] = [];
  const eventTerms = new Map<string, number>();
  let resultLimit = 1;

  function bind(key: string, check: Check): BoundTerm {
    let term = bound.get(key);
    if (term === undefined) {
      term = bindTerm(check, clock, operands);
      bound.set(key, term);
    }
    return term;
  }

  function addTo(scope: Scope, key: string, { operand, test, check }: BoundTerm): number {
    // A path's signature is remembered with the path; remembering by value as well would only cost memory.
    return scope.add(key, () => ({ operand, term: { check, test } }), scope !== scopes[2]);
  }

  // All types share the terms on one thing, so these are known before the first event: signatures are made of all of them.
  const byType = new Map<number, Rule[]>();
  const placed = new Set<string>();
  for (const rule of rules) {
    for (const type of rule.eventTypes) {
      const own = byType.get(type);
      if (own === undefined) byType.set(type, [rule]);
      else own.push(rule);
    }
    forEachTerm(specialise(rule.condition, null), (key, check) => {
      if (placed.has(key)) return;
      placed.add(key);
      const term = bind(key, check);
      const scope = SHARED_SCOPE[term.decides];
      if (scope === undefined) return;
      if (scope === 3) for (const constant of term.constants) resultLimit = Math.max(resultLimit, constant + 1);
      addTo(scopes[scope], key, term);
    });
  }
  for (const scope of scopes) scope.finish();

  const groups: (Group | typeof NO_RULES | undefined)[] = new Array(EVENTS.length).fill(undefined);

  function makeGroup(type: number): Group | typeof NO_RULES {
    const info = EVENTS[type];
    const own: Rule[] = [];
    const conditions: Condition[] = [];
    for (const rule of byType.get(type) ?? []) {
      const condition = specialise(rule.condition, type);
      if (condition.kind === 'constant' && !condition.value) continue;
      own.push(rule);
      conditions.push(condition);
    }
    if (info === undefined || own.length === 0) {
      groups[type] = NO_RULES;
      return NO_RULES;
    }
    const places = new Map<string, Placement>();
    const parameters = new Scope();
    for (const condition of conditions) {
      forEachTerm(condition, (key, check) => {
        if (places.has(key)) return;
        const term = bind(key, check);
        const scope = scopeOf(term, info);
        if (scope >= 0) places.set(key, { scope, id: addTo(scopes[scope] ?? parameters, key, term) });
        else {
          let id = eventTerms.get(key);
          if (id === undefined) {
            id = terms.push({ test: term.evaluate, cost: term.cost }) - 1;
            eventTerms.set(key, id);
          }
          places.set(key, { scope: -1, id });
        }
      });
    }
    parameters.finish();
    const group = new Group({
      info,
      rules: own,
      conditions,
      place: (key) => places.get(key) as Placement,
      terms,
      scopes: [...scopes, parameters],
      resultLimit,
      codegen,
    });
    groups[type] = group;
    return group;
  }

  return { scopes, groups, makeGroup, clock };
}

/** The scope that all event types share for what decides a term; for some types the outcome does not decide it. */
const SHARED_SCOPE: Readonly<Partial<Record<Decides, 0 | 1 | 2 | 3>>> = {
  process: 0,
  lineage: 1,
  file: 2,
  result: 3,
  descriptor: 3,
  flags: 3,
};

/** The scope that decides a term on events of that type; −1: the event itself. */
function scopeOf(term: BoundTerm, info: EventInfo): number {
  switch (term.decides) {
    case 'process':
      return 0;
    case 'lineage':
      return 1;
    case 'file':
      return 2;
    case 'result':
      return resultParam(info) >= 0 ? 3 : -1;
    case 'descriptor':
      return createsFd(info) ? 3 : -1;
    case 'flags':
      return flagsParam(info) >= 0
        ? 3
        : term.check.left.kind === 'field' && parameterOf(term.check.left) !== null
          ? 4
          : -1;
    case 'parameter':
      return 4;
    default:
      return -1;
  }
}

/** One byte an event type: 1 for calls that open a path. */
const OPENS = Uint8Array.from(EVENTS, ({ code }) => (/^SYSCALL_(OPEN|OPENAT_2|OPENAT2|CREAT)_X$/.test(code) ? 1 : 0));

/** Programs whose signature is remembered apart from their threads; a power of two. */
const RECENT = 4096;

/** Numbers the rule sets compiled in this process, so that what one remembered on an object means nothing to the next. */
let plans = 0;

/** Remembers signatures with the things that they are of. */
function signatureCache(scopes: readonly Scope[], state: State) {
  const [processScope, lineageScope, fileScope] = scopes as readonly [Scope, Scope, Scope, Scope];
  let slots = 1024;
  let processSignature = new Int32Array(slots);
  let processContent = new Float64Array(slots).fill(-1);
  const recentContent = new Float64Array(RECENT).fill(-1);
  const recentSignature = new Int32Array(RECENT);
  /** For each parent, the signature of its children's ancestry. */
  let lineageSignature = new Int32Array(slots);
  let lineageEpoch = new Float64Array(slots).fill(-1);
  let lineageGeneration = new Float64Array(slots);
  const plan = ++plans;
  const sockets = new SocketSignatures(fileScope);
  const nothing = new Int32Array(EVENTS.length).fill(-1);

  /** Users and containers that became known change what is true of any process. */
  let world = 0;
  function renew(): void {
    world = state.users.epoch + state.containersEpoch;
    processContent.fill(-1);
    recentContent.fill(-1);
    lineageEpoch.fill(-1);
  }

  function grow(slot: number): void {
    const size = Math.max(slot + 1, slots * 2);
    const bigger = <T extends Int32Array | Float64Array>(old: T, fresh: T): T => {
      fresh.set(old);
      return fresh;
    };
    processSignature = bigger(processSignature, new Int32Array(size));
    processContent = bigger(processContent, new Float64Array(size).fill(-1));
    lineageSignature = bigger(lineageSignature, new Int32Array(size));
    lineageEpoch = bigger(lineageEpoch, new Float64Array(size).fill(-1));
    lineageGeneration = bigger(lineageGeneration, new Float64Array(size));
    slots = size;
  }

  /** Signature of an event without a descriptor: of the path that could not be opened, or of nothing at all. */
  function nothingOpen(event: Event): number {
    const { path } = state;
    const { type } = event;
    if (state.thread === null || (path === null) === (OPENS[type] === 1)) return fileScope.signature(event, state);
    if (path !== null) {
      if (path.failedMaskEpoch !== plan) {
        path.failedMask = fileScope.signature(event, state);
        path.failedMaskEpoch = plan;
      }
      return path.failedMask;
    }
    // Which fields have an (empty) value then is up to the type of the event.
    let signature = nothing[type] as number;
    if (signature < 0) {
      signature = fileScope.signature(event, state);
      nothing[type] = signature;
    }
    return signature;
  }

  return {
    process(event: Event, thread: Thread | null): number {
      if (thread === null) return processScope.signature(event, state);
      const slot = thread.slot;
      if (slot >= slots) grow(slot);
      if (state.users.epoch + state.containersEpoch !== world) renew();
      const { content } = thread;
      if (processContent[slot] === content) return processSignature[slot] as number;
      // A fork of a program that is known already: ask the number that it shares before asking the program.
      const recent = content & (RECENT - 1);
      let signature: number;
      if (recentContent[recent] === content) signature = recentSignature[recent] as number;
      else {
        signature = processScope.signature(event, state);
        recentContent[recent] = content;
        recentSignature[recent] = signature;
      }
      processSignature[slot] = signature;
      processContent[slot] = content;
      return signature;
    },
    lineage(event: Event, thread: Thread | null): number {
      const parent = thread === null ? null : (thread.main ?? thread).parent;
      if (parent === null) return lineageScope.signature(event, state);
      const slot = parent.slot;
      if (slot >= slots) grow(slot);
      if (lineageEpoch[slot] === parent.epoch && lineageGeneration[slot] === state.lineageEpoch) {
        return lineageSignature[slot] as number;
      }
      const signature = lineageScope.signature(event, state);
      lineageSignature[slot] = signature;
      lineageEpoch[slot] = parent.epoch;
      lineageGeneration[slot] = state.lineageEpoch;
      return signature;
    },
    file(event: Event, fd: Fd | null): number {
      if (fd === null) return nothingOpen(event);
      if (fd.maskEpoch === plan) return fd.mask;
      // The terms of this scope do not tell two files of one path apart, so a new descriptor of a known path costs nothing.
      const path = fd.type === FdType.FILE || fd.type === FdType.FILE_V2 ? fd.path : null;
      const signature =
        fd.socket !== null
          ? sockets.signature(fd, fd.socket, event, state)
          : path !== null && path.maskEpoch === plan
            ? path.mask
            : fileScope.signature(event, state);
      fd.mask = signature;
      fd.maskEpoch = plan;
      if (path !== null) {
        path.mask = signature;
        path.maskEpoch = plan;
      }
      return signature;
    },
  };
}
