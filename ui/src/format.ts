import type { Json } from '../../src/server/api.ts';

export const number = (n: number): string => n.toLocaleString('en-US');

/** 1,234 → 1.2k: for places where the eye compares. */
export function short(n: number): string {
  if (n < 1000) return String(n);
  if (n < 10_000) return `${(n / 1000).toFixed(1)}k`;
  if (n < 1_000_000) return `${Math.round(n / 1000)}k`;
  return `${(n / 1_000_000).toFixed(1)}M`;
}

export function bytes(n: number): string {
  if (n < 1000) return `${n} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = n;
  let unit = -1;
  do {
    value /= 1000;
    unit++;
  } while (value >= 1000 && unit < units.length - 1);
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

const two = (n: number) => String(n).padStart(2, '0');

/** `14:03:22`, in local time. */
export function clock(time: number): string {
  const date = new Date(time);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `2026-11-24 14:03:22`, in local time. */
export function stamp(time: number): string {
  const date = new Date(time);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock(time)}`;
}

export function utc(time: number): string {
  return `${new Date(time).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** `3 m ago`, `in 2 h`. */
export function ago(time: number, now = Date.now()): string {
  const seconds = Math.round((now - time) / 1000);
  const amount = Math.abs(seconds);
  const text =
    amount < 60
      ? `${amount} s`
      : amount < 3600
        ? `${Math.round(amount / 60)} m`
        : amount < 172_800
          ? `${Math.round(amount / 3600)} h`
          : `${Math.round(amount / 86_400)} d`;
  if (amount < 5) return 'just now';
  return seconds < 0 ? `in ${text}` : `${text} ago`;
}

/** A field's value as text; '' for none. */
export function text(value: Json | undefined): string {
  if (value === undefined || value === null || value === '<NA>') return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** A value in a query: quoted where it has to be. */
export function quoted(value: string): string {
  return /^[\w.:/-]+$/.test(value) ? value : `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** Characters that would not show, or would turn the line around, as visible signs. */
export function visible(value: string): string {
  // The joiner of emoji stays: it draws nothing by itself and turns nothing around.
  return value.replace(/(?![\t\n\u200d])[\p{Cc}\p{Cf}]/gu, (c) =>
    c === '\r' ? '␍' : `⟨U+${(c.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0')}⟩`,
  );
}
