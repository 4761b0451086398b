import { fromByteString } from './bytes.ts';
import type { Event } from './event/index.ts';
import {
  type BoundCatalogue,
  bindPrinted,
  type Extractor,
  type Field,
  fieldsOf,
  isMetadata,
  keepMoment,
} from './fields/index.ts';
import {
  formatAddress,
  type Operand,
  type OutputPart,
  parseOutput,
  type Rule,
  typeOf,
  type Value,
} from './rules/index.ts';
import type { State } from './state/index.ts';

/** How alerts are written; the names are those of the configuration (falco.yaml). */
export interface AlertOptions {
  /** One line of JSON instead of text (`json_output`). */
  readonly json: boolean;
  /** `time_format_iso_8601`: UTC instead of local time before the text. */
  readonly iso8601: boolean;
  readonly withOutput: boolean;
  readonly withTags: boolean;
  readonly withMessage: boolean;
  readonly withFields: boolean;
  readonly hostname: string;
  /** `buffer_format_base64`. */
  readonly base64: boolean;
  /** Fields that `append_output` adds to a rule's JSON alerts: a format string, or null for the field of that name. */
  readonly extraFields: (rule: Rule) => readonly { readonly key: string; readonly format: string | null }[];
  /** Binds the fields of {@link extraFields}. */
  readonly catalogue: BoundCatalogue;
}

export interface AlertFormatter {
  /**
   * The alert's line, without line end, while the event and the state still show what matched.
   * null when the output asks to be dropped because a field has no value.
   */
  line(rule: Rule, event: Event, state: State): string | null;
  /**
   * As {@link line}, in two steps: takes what the event says now, and leaves the metadata of its container (and pod) to
   * the moment when the returned function is called. null when the alert shows no such metadata.
   */
  hold(rule: Rule, event: Event, state: State): HeldLine | null;
}

/** Makes the line with what is known now; the note stands at the end of the output. */
export type HeldLine = (note: string) => string | null;

/** What a field without value prints. */
const NOT_AVAILABLE = '<NA>';

interface Reading {
  readonly read: Extractor;
  /** It may have a value later that it does not have at the time of the event. */
  readonly late: boolean;
  readonly print: (value: Value) => string;
  readonly json: (value: Value) => string;
}

interface Plan {
  readonly readings: readonly Reading[];
  /** Text (already a JS string) or the number of a reading, with its column width. */
  readonly parts: readonly (string | { readonly reading: number; readonly width: number | null })[];
  readonly keepMissing: boolean;
  /** Members of `output_fields` in order: the key as JSON with its colon, and where the value comes from. */
  readonly members: readonly { readonly key: string; readonly value: number | 'time' | readonly OutputPart[] }[];
  /** `"priority":…,"rule":…,"source":…,"tags":[…],` */
  readonly constants: string;
  readonly extra: ReadonlyMap<string, Plan>;
}

/** Writes matches as Falco writes them: `HH:MM:SS.nnnnnnnnn: Priority output`, or JSON with sorted keys. */
export function createFormatter(options: AlertOptions): AlertFormatter {
  const plans = new Map<Rule, Plan>();
  const clock = createClock();
  const hostname = options.hostname === '' ? '' : `"hostname":${JSON.stringify(options.hostname)},`;
  const bind = (operand: Operand): Operand => bindToCatalogue(operand, options.catalogue);

  function planOf(rule: Rule): Plan {
    let plan = plans.get(rule);
    if (plan === undefined) {
      plan = makePlan(rule, options, bind);
      plans.set(rule, plan);
    }
    return plan;
  }

  function write(rule: Rule, plan: Plan, ts: bigint, { values, extra }: Values, note: string): string | null {
    const message = render(plan, values);
    if (message === null) return null;
    const text = fromByteString(message) + note;
    const output = `${options.iso8601 ? `${clock.utc(ts)}+0000` : clock.local(ts)}: ${rule.priority} ${text}`;
    if (!options.json) return escapeControls(output);
    // Joined at once: a line that waits for its channel would otherwise be a tree of a hundred small strings.
    const line = [`{${hostname}`];
    if (options.withMessage) line.push(`"message":${JSON.stringify(text)},`);
    if (options.withOutput) line.push(`"output":${JSON.stringify(output)},`);
    if (options.withFields) {
      let first = true;
      line.push('"output_fields":{');
      for (const { key, value } of plan.members) {
        if (!first) line.push(',');
        line.push(key);
        first = false;
        if (typeof value === 'number') {
          const found = values[value] as Value | null;
          line.push(found === null ? 'null' : (plan.readings[value] as Reading).json(found));
        } else if (value === 'time')
          line.push(ts.toString()); // As Falco 0.44.1 has it, under either key.
        else {
          const inner = plan.extra.get(key) as Plan;
          line.push(JSON.stringify(fromByteString(render(inner, (extra.get(key) as Values).values) ?? '')));
        }
      }
      line.push('},');
    }
    line.push(`${plan.constants}"time":"${clock.utc(ts)}Z"}`);
    return line.join('');
  }

  return {
    line(rule, event, state) {
      const plan = planOf(rule);
      return write(rule, plan, event.ts, readAll(plan, event, state), '');
    },
    hold(rule, event, state) {
      const plan = planOf(rule);
      if (!isLate(plan)) return null;
      const values = readAll(plan, event, state);
      const moment = keepMoment(event, state);
      const { ts } = event;
      return (note) => {
        readLate(plan, values, moment.event, moment.state);
        return write(rule, plan, ts, values, note);
      };
    },
  };
}

/** Values of a plan's readings, and of the plans inside it. */
interface Values {
  readonly values: (Value | null)[];
  readonly extra: ReadonlyMap<string, Values>;
}

const NONE: ReadonlyMap<string, Values> = new Map();

function readAll(plan: Plan, event: Event, state: State): Values {
  const values = plan.readings.map(({ read }) => read(event, state));
  if (plan.extra.size === 0) return { values, extra: NONE };
  return { values, extra: new Map([...plan.extra].map(([key, inner]) => [key, readAll(inner, event, state)])) };
}

function isLate(plan: Plan): boolean {
  return plan.readings.some((reading) => reading.late) || [...plan.extra.values()].some(isLate);
}

/** Reads once more what had no value yet. */
function readLate(plan: Plan, { values, extra }: Values, event: Event, state: State): void {
  plan.readings.forEach(({ late, read }, i) => {
    if (late) values[i] = read(event, state);
  });
  for (const [key, inner] of plan.extra) readLate(inner, extra.get(key) as Values, event, state);
}

function render(plan: Plan, values: readonly (Value | null)[]): string | null {
  let text = '';
  for (const part of plan.parts) {
    if (typeof part === 'string') {
      text += part;
      continue;
    }
    const value = values[part.reading] as Value | null;
    if (value === null && !plan.keepMissing) return null;
    const printed = value === null ? NOT_AVAILABLE : (plan.readings[part.reading] as Reading).print(value);
    text += part.width === null ? printed : printed.slice(0, part.width).padEnd(part.width);
  }
  return text;
}

function makePlan(rule: Rule, options: AlertOptions, bind: (operand: Operand) => Operand): Plan {
  const readings: Reading[] = [];
  const byKey = new Map<string, number>();
  const reading = (key: string, operand: Operand): number => {
    let index = byKey.get(key);
    if (index === undefined) {
      index = readings.push(makeReading(operand, options.base64)) - 1;
      byKey.set(key, index);
    }
    return index;
  };
  const parts = rule.output.parts.map((part) =>
    part.kind === 'text' ? part.text : { reading: reading(part.key, part.operand), width: part.width },
  );
  const members = new Map<string, Plan['members'][number]['value']>(byKey);
  const extra = new Map<string, Plan>();
  for (const { key, format } of options.extraFields(rule)) {
    const parsed = parseOutput(`${format === null ? '%' : '*'}${format ?? key}`, bind);
    const [only] = parsed.parts;
    if (format === null && only?.kind === 'field') members.set(key, reading(key, only.operand));
    else {
      extra.set(jsonKey(key), makePlan({ ...rule, output: parsed }, { ...options, extraFields: () => [] }, bind));
      members.set(key, parsed.parts);
    }
  }
  members.set(options.iso8601 ? 'evt.time.iso8601' : 'evt.time', 'time');
  const sorted = [...members].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const tags = options.withTags ? `"tags":${JSON.stringify(rule.tags)},` : '';
  return {
    readings,
    parts,
    // Falco prints every rule's output as if it began with the star.
    keepMissing: true,
    members: sorted.map(([key, value]) => ({ key: jsonKey(key), value })),
    constants: `"priority":"${rule.priority}","rule":${JSON.stringify(rule.name)},"source":${JSON.stringify(rule.source)},${tags}`,
    extra,
  };
}

function jsonKey(key: string): string {
  return `${JSON.stringify(fromByteString(key))}:`;
}

function makeReading(operand: Operand, base64: boolean): Reading {
  const type = typeOf(operand);
  const format = operand.kind === 'field' ? (operand.spec as Field).format : 'decimal';
  const print = (value: Value): string => printValue(value, type.type, format, base64);
  return {
    read: bindPrinted(operand),
    late: fieldsOf(operand).some((field) => isMetadata(field.spec as Field)),
    print,
    json: (value) => {
      if (Array.isArray(value))
        return `[${value.map((item) => jsonScalar(item, type.type, format, base64)).join(',')}]`;
      return jsonScalar(value, type.type, format, base64);
    },
  };
}

function jsonScalar(value: Value, type: string, format: Field['format'], base64: boolean): string {
  switch (typeof value) {
    case 'number':
    case 'bigint':
    case 'boolean':
      return value.toString();
    default:
      return JSON.stringify(fromByteString(printValue(value, type, format, base64)));
  }
}

/** A value as text (a byte string), as Falco prints it. */
export function printValue(value: Value, type: string, format: Field['format'] = 'decimal', base64 = false): string {
  switch (typeof value) {
    case 'string':
      if (type === 'IPADDR' || type === 'IPNET' || type.startsWith('IPV')) return formatAddress(value);
      return type === 'BYTEBUF' ? printBuffer(value, base64) : value;
    case 'boolean':
      return value ? 'true' : 'false';
    case 'number':
    case 'bigint':
      return printNumber(value, type, format);
    default:
      return `(${value.map((item) => printValue(item, type, format, base64)).join(',')})`;
  }
}

function printNumber(value: number | bigint, type: string, format: Field['format']): string {
  if (type === 'DOUBLE') return Number(value).toFixed(6);
  switch (format) {
    case 'hex':
      return value.toString(16).toUpperCase();
    case 'octal':
      return value.toString(8);
    case 'padded':
      return value.toString().padStart(9, '0');
    default:
      return value.toString();
  }
}

/** Bytes as text: those that do not print become dots, as in Falco's own output of buffers. */
function printBuffer(bytes: string, base64: boolean): string {
  if (base64) return btoa(bytes);
  return bytes.replace(/[^\x20-\x7e]/g, '.');
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for.
const CONTROLS = /[\x00-\x1f\x7f]/g;
const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

/** Control characters as JSON writes them, so that nothing in an event can forge a second line or move a cursor. */
export function escapeControls(text: string): string {
  return text.replace(
    CONTROLS,
    (char) => SHORT_ESCAPES[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Times as text; the part down to the second is made once for all alerts of that second. */
function createClock() {
  let utcSecond = -1n;
  let utcText = '';
  let localSecond = -1n;
  let localText = '';
  const two = (n: number): string => (n < 10 ? `0${n}` : `${n}`);
  const fraction = (ts: bigint): string => (ts % 1_000_000_000n).toString().padStart(9, '0');
  return {
    /** `2026-01-02T03:04:05.000000006`, UTC. */
    utc(ts: bigint): string {
      const second = ts / 1_000_000_000n;
      if (second !== utcSecond) {
        utcSecond = second;
        utcText = new Date(Number(second) * 1000).toISOString().slice(0, 19);
      }
      return `${utcText}.${fraction(ts)}`;
    },
    /** `03:04:05.000000006`, in the machine's time zone. */
    local(ts: bigint): string {
      const second = ts / 1_000_000_000n;
      if (second !== localSecond) {
        localSecond = second;
        const date = new Date(Number(second) * 1000);
        localText = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
      }
      return `${localText}.${fraction(ts)}`;
    },
  };
}

function bindToCatalogue(operand: Operand, catalogue: BoundCatalogue): Operand {
  switch (operand.kind) {
    case 'field': {
      const spec = catalogue.get(operand.name);
      if (spec === undefined) throw new Error(`nonexistent field '${operand.name}'`);
      return { ...operand, spec };
    }
    case 'call':
      return { ...operand, args: operand.args.map((arg) => bindToCatalogue(arg, catalogue)) };
    case 'list':
      return { ...operand, items: operand.items.map((item) => bindToCatalogue(item, catalogue)) };
    default:
      return operand;
  }
}
