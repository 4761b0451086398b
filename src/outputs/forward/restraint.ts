import { type Alert, type FieldValue, textOf, uuidOf } from './alert.ts';
import type { Common } from './config.ts';
import { duration } from './option.ts';

/**
 * Grouping and throttling of one output. Both let some alerts through and hold others back; what was held back is
 * told by a summary in its place, with the number, the time span and the last alert's fields.
 */
export interface Restraint {
  /** Whether an alert goes out now. */
  admits(alert: Alert): boolean;
  /** Summaries that are due. @param all also those whose time has not come, at the end. */
  due(all?: boolean): Alert[];
  /** When the next summary is due, milliseconds since the epoch; null when none is. */
  next(): number | null;
}

interface Held {
  count: number;
  readonly until: number;
  first: Alert | null;
  last: Alert | null;
}

/** null when neither is configured. */
export function createRestraint(common: Common, now: () => number): Restraint | null {
  const limit = common['throttle.count'];
  const throttleInterval = duration(common['throttle.interval']);
  const by = common['group.by'];
  const groupInterval = duration(common['group.interval']);
  if (limit <= 0 && by.length === 0) return null;

  const groups = new Map<string, Held>();
  let window = { until: 0, sent: 0 };
  let throttled: Held | null = null;

  const hold = (held: Held, alert: Alert) => {
    held.count++;
    held.first ??= alert;
    held.last = alert;
  };

  function admits(alert: Alert): boolean {
    if (alert.isTest) return true;
    const time = now();
    if (by.length > 0) {
      const key = JSON.stringify(by.map((name) => property(alert, name)));
      const group = groups.get(key);
      if (group !== undefined && group.until > time) {
        hold(group, alert);
        return false;
      }
      if (group === undefined || group.count === 0)
        groups.set(key, { count: 0, until: time + groupInterval, first: null, last: null });
    }
    if (limit > 0) {
      if (window.until <= time) window = { until: time + throttleInterval, sent: 0 };
      if (window.sent >= limit) {
        throttled ??= { count: 0, until: window.until, first: null, last: null };
        hold(throttled, alert);
        return false;
      }
      window.sent++;
    }
    return true;
  }

  function due(all = false): Alert[] {
    const time = now();
    const summaries: Alert[] = [];
    for (const [key, group] of groups) {
      if (!all && group.until > time) continue;
      groups.delete(key);
      if (group.count > 0) summaries.push(summary(group, `with the same ${by.join(', ')}`));
    }
    if (throttled !== null && (all || throttled.until <= time)) {
      summaries.push(summary(throttled, `beyond ${limit} in ${common['throttle.interval']}`));
      throttled = null;
    }
    return summaries;
  }

  return {
    admits,
    due,
    next() {
      let earliest: number | null = throttled?.until ?? null;
      for (const { until, count } of groups.values())
        if (count > 0 && (earliest === null || until < earliest)) earliest = until;
      return earliest;
    },
  };
}

function property(alert: Alert, name: string): string {
  switch (name) {
    case 'rule':
    case 'priority':
    case 'source':
    case 'hostname':
      return alert[name];
    case 'tags':
      return alert.tags.join(',');
    default:
      return textOf(alert.fields[name]);
  }
}

function summary(held: Held, why: string): Alert {
  const last = held.last as Alert;
  const first = held.first as Alert;
  const fields: Record<string, FieldValue> = {
    ...last.fields,
    'wh.held_back': held.count,
    'wh.held_back.since': first.time,
  };
  return {
    ...last,
    uuid: uuidOf(`${first.uuid} ${last.uuid} ${held.count}`),
    output: `${held.count} more alert${held.count === 1 ? '' : 's'} ${why} held back from ${first.time} to ${last.time}; the last: ${last.output}`,
    fields,
  };
}
