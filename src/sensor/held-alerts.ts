/** Alerts wait a moment for what engines and Kubernetes say of their containers; events do not. */
import type { AlertFormatter } from '../alert.ts';
import type { Event } from '../event/index.ts';
import { type Field, isMetadata, keepMoment } from '../fields/index.ts';
import { type Expr, type FieldRef, fieldsIn, interpret, type ReadField, type Rule, remainder } from '../rules/index.ts';
import type { State } from '../state/index.ts';

export interface HeldAlerts {
  /**
   * Takes over the alert for a match in a container of which nothing is known yet; false when the alert neither shows
   * its metadata nor depends on it.
   */
  take(rule: Rule, event: Event, state: State, formatter: AlertFormatter): boolean;
  /**
   * Takes over what does not match yet, but would if what is not known of the event's container were so; to be called after
   * the event was judged, with rules of its type that {@link asksMetadata}.
   */
  consider(rules: readonly Rule[], event: Event, state: State, formatter: AlertFormatter): void;
  /** Lets go what has its metadata, or has waited long enough. */
  release(): void;
  /** How many wait. */
  readonly size: number;
}

export interface HeldAlertsOptions {
  /** Longest wait, in milliseconds. */
  readonly waitMs: number;
  /** While this is so, the wait has not begun. */
  starting(): boolean;
  /** Whether the metadata of a container may still come. */
  awaits(container: string): boolean;
  /** Gets each alert's line in the end; null when the output asks to be dropped. */
  emit(rule: Rule, line: string): void;
}

/** Appended to the output of an alert that goes without. */
const MISSING = ' wh.container.metadata=missing';
/** Alerts that wait at most; further ones go as they are. */
const MAX_HELD = 10_000;

interface Held {
  readonly rule: Rule;
  readonly container: string;
  readonly until: number;
  readonly isKnown: () => boolean;
  /** What is still to be judged once the metadata is there. */
  readonly holds: () => boolean;
  readonly line: (note: string) => string;
}

export function createHeldAlerts(options: HeldAlertsOptions): HeldAlerts {
  let held: Held[] = [];
  /** When metadata was last seen to be starting: everybody waits from then on. */
  let startingAt = Number.NEGATIVE_INFINITY;

  function hold(
    rule: Rule,
    rest: Expr,
    line: ReturnType<AlertFormatter['hold']>,
    event: Event,
    state: State,
    formatter: AlertFormatter,
  ): void {
    const container = state.thread?.container ?? '';
    const moment = keepMoment(event, state);
    const now = line === null ? formatter.line(rule, event, state) : '';
    held.push({
      rule,
      container,
      until: performance.now() + options.waitMs,
      isKnown: () => state.containers.has(container),
      holds: () => judge(rest, moment),
      line: line ?? (() => now),
    });
  }

  return {
    take(rule, event, state, formatter) {
      const container = state.thread?.container ?? '';
      if (container === '' || state.containers.has(container)) return false;
      const line = formatter.hold(rule, event, state);
      if (held.length >= MAX_HELD || !options.awaits(container)) {
        if (line === null) return false;
        options.emit(rule, line(MISSING));
        return true;
      }
      const rest = remainder(rule.condition, (field) => reader(field)(event, state), isOpen);
      if (line === null && rest.kind === 'constant') return false;
      hold(rule, rest, line, event, state, formatter);
      return true;
    },
    consider(rules, event, state, formatter) {
      const container = state.thread?.container ?? '';
      if (container === '' || state.containers.has(container) || !options.awaits(container)) return;
      for (const rule of rules) {
        if (held.length >= MAX_HELD) return;
        const read: ReadField = (field) => reader(field)(event, state);
        const rest = remainder(rule.condition, read, isOpen);
        // What is true already was taken when it matched.
        if (rest.kind === 'constant' || interpret(rest, read)) continue;
        hold(rule, rest, formatter.hold(rule, event, state), event, state, formatter);
      }
    },
    release() {
      if (held.length === 0) return;
      const now = performance.now();
      if (options.starting()) startingAt = now;
      const waiting: Held[] = [];
      for (const one of held) {
        const known = one.isKnown();
        if (!known && now < Math.max(one.until, startingAt + options.waitMs) && options.awaits(one.container))
          waiting.push(one);
        else if (one.holds()) options.emit(one.rule, one.line(known ? '' : MISSING));
      }
      held = waiting;
    },
    get size() {
      return held.length;
    },
  };
}

function judge(rest: Expr, { event, state }: ReturnType<typeof keepMoment>): boolean {
  return interpret(rest, (field) => reader(field)(event, state));
}

/** Whether a condition reads what engines and Kubernetes say of containers. */
export function asksMetadata(expr: Expr): boolean {
  return fieldsIn(expr).some(isOpen);
}

/** The id is known from the control group, before anything else. */
const isOpen = (field: FieldRef): boolean => field.name !== 'container.id' && isMetadata(field.spec as Field);

const readers = new WeakMap<FieldRef, ReturnType<Field['bind']>>();

function reader(field: FieldRef): ReturnType<Field['bind']> {
  let read = readers.get(field);
  if (read === undefined) {
    read = (field.spec as Field).bind(field.argument);
    readers.set(field, read);
  }
  return read;
}
