import type { Message } from '../outputs/channel.ts';
import { PRIORITIES, type Priority } from '../rules/ruleset.ts';

/** An alert that the sensor raises without a rule: about itself (its rule names are Falco's), or about a lock file. */
export interface InternalAlert {
  readonly rule: string;
  readonly priority: Priority;
  readonly message: string;
  readonly fields: Readonly<Record<string, string | number>>;
  /** Nanoseconds since the epoch. */
  readonly time: bigint;
  /** What it is about; `internal` when left out. */
  readonly source?: string;
}

export interface InternalAlertForm {
  readonly json: boolean;
  /** UTC in ISO 8601 instead of local time, in text. */
  readonly iso8601: boolean;
  readonly hostname: string;
  readonly withOutput: boolean;
  readonly withFields: boolean;
  readonly withMessage: boolean;
}

/** The line that the channels get. */
export function formatInternalAlert(alert: InternalAlert, form: InternalAlertForm): Message {
  const severity = PRIORITIES.indexOf(alert.priority);
  const text = `${timeText(alert.time, form.iso8601)}: ${alert.priority} ${alert.message}`;
  if (!form.json) {
    const fields = Object.keys(alert.fields)
      .sort()
      .map((name) => `${name}=${JSON.stringify(String(alert.fields[name]))}`);
    return { severity, line: `${text} (${fields.join(' ')})` };
  }
  const line = JSON.stringify({
    hostname: form.hostname,
    ...(form.withMessage ? { message: alert.message } : {}),
    ...(form.withOutput ? { output: text } : {}),
    ...(form.withFields ? { output_fields: alert.fields } : {}),
    priority: alert.priority,
    rule: alert.rule,
    source: alert.source ?? 'internal',
    time: `${isoSeconds(alert.time)}.${nanoseconds(alert.time)}Z`,
  });
  return { severity, line };
}

function timeText(time: bigint, iso8601: boolean): string {
  if (iso8601) return `${isoSeconds(time)}.${nanoseconds(time)}+0000`;
  const date = new Date(Number(time / 1_000_000n));
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${nanoseconds(time)}`;
}

function isoSeconds(time: bigint): string {
  return new Date(Number(time / 1_000_000n)).toISOString().slice(0, 19);
}

function nanoseconds(time: bigint): string {
  return String(time % 1_000_000_000n).padStart(9, '0');
}
