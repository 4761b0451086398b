import { writeSync } from 'node:fs';

/** Syslog's eight levels by Falco's names in `log_level`; the index is the severity, 0 the worst. */
export const LOG_LEVELS = ['emergency', 'alert', 'critical', 'error', 'warning', 'notice', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogOptions {
  /** Messages that are less severe are not written. */
  level: LogLevel;
  stderr: boolean;
  /** `2026-11-24T05:38:50+0000` in UTC instead of `Tue Nov 24 05:38:50 2026` in local time. */
  iso8601: boolean;
  /** Takes severity 0..7 and the message, when `log_syslog` is on. */
  syslog: ((severity: number, message: string) => void) | null;
}

let current: LogOptions = { level: 'info', stderr: true, iso8601: false, syslog: null };

/** Sets where log messages go; what is not named stays as it is. Applies to this thread. */
export function configureLog(options: Partial<LogOptions>): void {
  current = { ...current, ...options };
}

/**
 * The program's own messages (never alerts). Written synchronously to the descriptor, so that a message is
 * out before the process ends and also comes from worker threads in order.
 */
export const log: Readonly<Record<LogLevel, (message: string) => void>> = Object.fromEntries(
  LOG_LEVELS.map((level, severity) => [level, (message: string) => write(severity, message)]),
) as Record<LogLevel, (message: string) => void>;

function write(severity: number, message: string): void {
  if (severity > LOG_LEVELS.indexOf(current.level)) return;
  if (current.stderr) writeStderr(`${timestamp(new Date(), current.iso8601)}: ${message}\n`);
  current.syslog?.(severity, message);
}

/** Writes text to stderr; text for which a non-blocking pipe has no room is lost rather than waited for. */
export function writeStderr(text: string): void {
  try {
    writeSync(2, text);
  } catch {
    // A closed or full stderr must not end the program that is reporting through it.
  }
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** A log line's time in one of Falco's two forms. */
export function timestamp(date: Date, iso8601: boolean): string {
  if (iso8601) return `${date.toISOString().slice(0, 19)}+0000`;
  const two = (n: number): string => String(n).padStart(2, '0');
  const day = String(date.getDate()).padStart(2, ' ');
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${DAYS[date.getDay()]} ${MONTHS[date.getMonth()]} ${day} ${time} ${date.getFullYear()}`;
}
