import { EventType } from '../event/index.ts';
import { exact } from './evt.ts';
import { type Field, rowMaker } from './field.ts';
import { clockText, textParam, timeText } from './params.ts';
import { pluginOf } from './plugins.ts';

const row = rowMaker('evt');

const SECOND = 1000000000n;

/** `2015-12-22T06:02:50.000000000Z` */
export function iso8601(ns: bigint): string {
  const date = new Date(Number(ns / 1000000n)).toISOString();
  return `${date.slice(0, 19)}.${String(ns % SECOND).padStart(9, '0')}Z`;
}

/** Category bit of events that no system call and no tracepoint caused (EC_METAEVENT). */
const META = 1 << 12;

const ASYNC = EventType.ASYNCEVENT_E;

/** Fields that every event source has. */
export const GENERIC_FIELDS: readonly Field[] = [
  row('evt.num', 'UINT64', 'event', 'Number of the event in its source, from 1.', (event) => event.num),
  row('evt.time', 'CHARBUF', 'time', 'Time of the event with nanoseconds, local.', (event) => clockText(event.ts)),
  row('evt.time.s', 'CHARBUF', 'time', 'Time of the event to the second, local.', (event) =>
    clockText(event.ts).slice(0, 8),
  ),
  row(
    'evt.time.iso8601',
    'CHARBUF',
    'time',
    'Date and time of the event in UTC, as ISO 8601 with nanoseconds.',
    (event) => iso8601(event.ts),
  ),
  row('evt.datetime', 'CHARBUF', 'time', 'Date and time of the event with nanoseconds, local.', (event) =>
    timeText(event.ts),
  ),
  row('evt.datetime.s', 'CHARBUF', 'time', 'Date and time of the event to the second, local.', (event) =>
    timeText(event.ts).slice(0, 19),
  ),
  row('evt.rawtime', 'ABSTIME', 'time', 'Time of the event in nanoseconds since the epoch.', (event) =>
    exact(event.ts),
  ),
  row('evt.rawtime.s', 'ABSTIME', 'time', 'Whole seconds of evt.rawtime.', (event) => exact(event.ts / SECOND)),
  row('evt.rawtime.ns', 'ABSTIME', 'time', 'Nanoseconds below the second of evt.rawtime.', (event) =>
    exact(event.ts % SECOND),
  ),
  row('evt.reltime', 'RELTIME', 'time', 'Nanoseconds since the first event.', (event, state) =>
    exact(event.ts - state.firstTs),
  ),
  row('evt.reltime.s', 'RELTIME', 'time', 'Whole seconds of evt.reltime.', (event, state) =>
    exact((event.ts - state.firstTs) / SECOND),
  ),
  row('evt.reltime.ns', 'RELTIME', 'time', 'Nanoseconds below the second of evt.reltime.', (event, state) =>
    exact((event.ts - state.firstTs) % SECOND),
  ),
  row(
    'evt.pluginname',
    'CHARBUF',
    'event',
    'Name of the plugin that the event comes from.',
    (event) => pluginOf(event)?.name ?? null,
  ),
  row(
    'evt.plugininfo',
    'CHARBUF',
    'event',
    'A summary of the event in the words of its plugin.',
    (event) => pluginOf(event)?.info(event) ?? null,
  ),
  row(
    'evt.source',
    'CHARBUF',
    'event',
    'Name of the event source, for instance syscall.',
    (event) => pluginOf(event)?.source ?? 'syscall',
  ),
  row(
    'evt.is_async',
    'BOOL',
    'event',
    'Whether the event was injected besides the stream of its source.',
    (event) => (event.info.category & META) !== 0,
  ),
  row('evt.asynctype', 'CHARBUF', 'event', 'Name of such an event, for instance container.', (event) =>
    event.type === ASYNC ? textParam(event, 1) : null,
  ),
  row(
    'evt.hostname',
    'CHARBUF',
    'constant',
    'Name of the machine.',
    (_, state) => state.hostname ?? state.machineInfo?.hostname ?? null,
  ),
];

const utilRow = rowMaker('util', { hidden: true });

/** A counter that goes up whenever it is printed, as in libsinsp. */
let counter = 0;

export const UTIL_FIELDS: readonly Field[] = [
  utilRow('util.cnt', 'UINT64', 'event', 'A counter that goes up by one with each use.', () => counter++),
];
