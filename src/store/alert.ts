import { createHash, randomBytes } from 'node:crypto';
import { PRIORITIES } from '../rules/index.ts';
import { elementTexts, type Json, memberText, parseLossless } from './json.ts';

/** An alert as it stands in JSON (Falco's `json_output`), read. */
export interface Alert {
  /** Microseconds since the epoch; the nanoseconds stay in the text. */
  readonly time: number;
  readonly rule: string;
  /** 0 (Emergency) … 7 (Debug). */
  readonly priority: number;
  readonly source: string;
  readonly hostname: string;
  readonly output: string;
  readonly tags: readonly string[];
  readonly fields: { readonly [name: string]: Json };
  readonly uuid: string | null;
}

/** One alert that came in: its text, untouched, and what it says. */
export interface Incoming {
  readonly text: string;
  readonly alert: Alert;
}

/** What an alert has in common with its neighbours. The store counts by these. */
export interface Place {
  readonly host: string;
  readonly namespace: string;
  readonly workload: string;
  readonly image: string;
}

const PRIORITY_BY_NAME = new Map<string, number>([
  ...PRIORITIES.map((name, index) => [name.toLowerCase(), index] as [string, number]),
  ['info', 6],
]);

/** 0…7 of a priority name in any case ("info" too); undefined when it is none. */
export function priorityOf(name: string): number | undefined {
  return PRIORITY_BY_NAME.get(name.toLowerCase());
}

const isObject = (value: unknown): value is { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A value as text; '' stands for "no value", which Falco writes as null or `<NA>`. */
export function textOf(value: Json | undefined): string {
  if (value === undefined || value === null || value === '<NA>') return '';
  return typeof value === 'string' ? value : typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Microseconds of an RFC 3339 time with up to nine digits of fraction; null when it is none. */
export function microseconds(time: string): number | null {
  const match = /^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?\d*(Z|[+-]\d\d:?\d\d)?$/i.exec(time);
  if (match === null) return null;
  const seconds = Date.parse(`${(match[1] as string).replace(' ', 'T')}${match[3] ?? 'Z'}`);
  if (Number.isNaN(seconds)) return null;
  return seconds * 1000 + Number((match[2] ?? '').padEnd(6, '0').slice(0, 6));
}

/** Reads an alert's text. Throws an Error that says what is wrong with it. */
export function readAlert(text: string, now = Date.now()): Incoming {
  let json: Json;
  try {
    json = parseLossless(text);
  } catch (error) {
    throw new Error(`not JSON: ${(error as Error).message}`, { cause: error });
  }
  return fromJson(text, json, now);
}

function fromJson(text: string, json: Json, now: number): Incoming {
  if (!isObject(json)) throw new Error('an alert is a JSON object');
  const { rule, output_fields: fields } = json;
  if (typeof rule !== 'string' || rule === '') throw new Error('an alert has a "rule", a text that is not empty');
  if (fields !== undefined && fields !== null && !isObject(fields)) throw new Error('"output_fields" is an object');
  const time = typeof json.time === 'string' ? microseconds(json.time) : null;
  if (time === null && json.time !== undefined) throw new Error('"time" is an RFC 3339 time');
  const priority = priorityOf(textOf(json.priority));
  if (priority === undefined) throw new Error(`"priority" is one of ${PRIORITIES.join(', ')}`);
  const tags = Array.isArray(json.tags) ? (json.tags as Json[]).map(textOf).filter((tag) => tag !== '') : [];
  return {
    text,
    alert: {
      time: time ?? now * 1000,
      rule,
      priority,
      source: textOf(json.source) || 'syscall',
      hostname: textOf(json.hostname) || textOf(fields?.['evt.hostname']),
      output: textOf(json.output),
      tags: [...new Set(tags)].sort(),
      fields: fields ?? {},
      uuid: textOf(json.uuid) || null,
    },
  };
}

/**
 * Reads what a sender posts: one alert, an array of alerts, one alert a line, or the wrapper `{event, outputs}`
 * that Falcosidekick posts to its UI. Throws an Error that says what is wrong and where.
 */
export function readAlerts(body: string, now = Date.now()): Incoming[] {
  const text = body.trim();
  let json: Json;
  try {
    json = parseLossless(text);
  } catch (error) {
    if (!text.includes('\n')) throw new Error(`not JSON: ${(error as Error).message}`, { cause: error });
    return text.split('\n').flatMap((line, index) => {
      if (line.trim() === '') return [];
      try {
        return readAlerts(line, now);
      } catch (problem) {
        throw new Error(`line ${index + 1}: ${(problem as Error).message}`, { cause: problem });
      }
    });
  }
  if (Array.isArray(json)) {
    const texts = elementTexts(text);
    return json.map((element, index) => fromJson(texts[index] as string, element, now));
  }
  if (isObject(json) && isObject(json.event as Json) && json.rule === undefined) {
    return [fromJson(memberText(text, 'event') as string, json.event as Json, now)];
  }
  return [fromJson(text, json, now)];
}

/**
 * 64 bits that name the alert. A sender that gives a `uuid` may send it twice (at least once is what forwarders
 * promise), and it is stored once; alerts without one are all different.
 */
export function uidOf(alert: Alert): bigint {
  const bytes = alert.uuid === null ? randomBytes(8) : createHash('sha256').update(alert.uuid).digest();
  return bytes.readBigInt64LE(0);
}

/** The owner of a pod from its name: what is left without the suffixes that a ReplicaSet, DaemonSet or Job adds. */
export function ownerOfPod(pod: string): string {
  return pod.replace(
    /-[bcdf-hj-np-tv-z2456789]{6,10}-[bcdf-hj-np-tv-z2456789]{5}$|-[bcdf-hj-np-tv-z2456789]{5}$|-\d+$/,
    '',
  );
}

export function placeOf(alert: Alert): Place {
  const { fields } = alert;
  const container = textOf(fields['container.name']);
  const pod = textOf(fields['k8s.pod.name']);
  return {
    host: alert.hostname,
    namespace: textOf(fields['k8s.ns.name']) || textOf(fields['ka.target.namespace']),
    workload:
      textOf(fields['k8smeta.deployment.name']) ||
      textOf(fields['wh.k8s.owner.name']) ||
      (pod !== '' ? ownerOfPod(pod) : container === 'host' ? '' : container),
    image: textOf(fields['container.image.repository']),
  };
}

/** The output without the "04:29:13.163774830: Notice " that Falco puts in front of it. */
export function messageOf(output: string): string {
  return output.replace(/^\d\d:\d\d:\d\d\.\d+: [A-Z][a-z]+ /, '');
}

/** The first part of a message, before the fields that rules append after a `|` or in brackets. */
export function titleOf(output: string): string {
  return (
    messageOf(output)
      .split(/ \| | \(/)[0]
      ?.slice(0, 300) ?? ''
  );
}

/** Names that a machine made up (digits, hashes, uuids, temporary names) become one name. */
export function mask(name: string): string {
  return name
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi, '#')
    .replace(/\b[0-9a-f]{12,}\b/gi, '#')
    .replace(/(tmp|temp)[._-]?[A-Za-z0-9]{6,}/g, '$1#')
    .replace(/\b[A-Za-z]*\d+[A-Za-z]+[A-Za-z0-9]*\b/g, (word) => (word.length < 6 ? word : '#'))
    .replace(/\d+/g, '#');
}

/** Who did it, in each source's own fields; the group's name says these. */
const ACTOR: { readonly [source: string]: readonly string[] } = {
  syscall: ['proc.name', 'proc.pname'],
  k8s_audit: ['ka.user.name', 'ka.verb', 'ka.target.resource'],
};

/**
 * The key of the group that an alert falls into: its rule, where it ran (the image; hosts are alike), and which
 * program by which parent, with made-up names masked. `fields` replaces the latter for a rule that wants it so.
 */
export function fingerprint(alert: Alert, fields?: readonly string[]): string {
  const names = fields ?? ACTOR[alert.source] ?? [];
  const image = textOf(alert.fields['container.image.repository']);
  return JSON.stringify([alert.rule, alert.source, image, ...names.map((name) => mask(textOf(alert.fields[name])))]);
}
