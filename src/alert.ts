import { fromByteString } from './bytes.ts';
import type { Event } from './event/index.ts';
import {
  type BoundCatalogue,
  bindPrinted,
  type Extractor,
  type Field,
  isMetadata,
  keepMoment,
} from './fields/index.ts';
import { fieldsOf, formatAddress, type Operand, parseOutput, type Rule, typeOf, type Value } from './rules/index.ts';
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
   */
  line(rule: Rule, event: Event, state: State): string;
  /**
   * As {@link line}, in two steps: takes what the event says now, and leaves the metadata of its container (and pod) to
   * the moment when the returned function is called. null when the alert shows no such metadata.
   */
  hold(rule: Rule, event: Event, state: State): HeldLine | null;
}

/** Makes the line with what is known now; the note stands at the end of the output. */
export type HeldLine = (note: string) => string;

/** What a field without value prints. */
const NOT_AVAILABLE = '<NA>';

interface Reading {
  readonly read: Extractor;
  /** It may have a value later that it does not have at the time of the event. */
  readonly late: boolean;
  readonly print: (value: Value) => string;
  readonly json: (value: Value) => string;
}

/**
 * What was written last, and of which value: alerts come in bursts of one program, in which most fields stay the same.
 */
interface Memory {
  value: Value | null | undefined;
  written: string;
}

/** A piece of the output: a text, or a reading in a column of that width (null: as wide as it is). */
interface Part {
  readonly text: string;
  /** The text inside a JSON string. */
  readonly escaped: string;
  /** -1 for a text. */
  readonly reading: number;
  readonly width: number | null;
  readonly memory: Memory;
}

interface Member {
  /** As JSON, with the colon, and a comma before it unless it is the first. */
  readonly key: string;
  /** Number of the reading, or where else the value comes from; of a format, its key in {@link Plan.extra}. */
  readonly source: number | 'time' | { readonly format: string };
  readonly memory: Memory;
}

interface Plan {
  readonly readings: readonly Reading[];
  readonly parts: readonly Part[];
  /** Members of `output_fields` in order. */
  readonly members: readonly Member[];
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

  function write(rule: Rule, plan: Plan, ts: bigint, { values, extra }: Values, note: string): string {
    const head = `${options.iso8601 ? `${clock.utc(ts)}+0000` : clock.local(ts)}: ${rule.priority} `;
    if (!options.json) return escapeControls(head + fromByteString(render(plan, values)) + note);
    const text = escapedText(plan, values) + (note === '' ? '' : inString(note));
    // Joined at once: a line that waits for its channel would otherwise be a tree of a hundred small strings.
    const line = [`{${hostname}`];
    if (options.withMessage) line.push(`"message":"${text}",`);
    if (options.withOutput) line.push(`"output":"${head}`, text, '",');
    if (options.withFields) {
      line.push('"output_fields":{');
      for (const { key, source, memory } of plan.members) {
        line.push(key);
        if (typeof source === 'number') {
          const value = values[source] as Value | null;
          if (value !== memory.value) {
            memory.value = value;
            memory.written = value === null ? 'null' : (plan.readings[source] as Reading).json(value);
          }
          line.push(memory.written);
        } else if (source === 'time')
          line.push(ts.toString()); // As Falco 0.44.1 has it, under either key.
        else {
          const inner = plan.extra.get(source.format) as Plan;
          line.push(`"${escapedText(inner, (extra.get(source.format) as Values).values)}"`);
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

function printPart(plan: Plan, { reading, width }: Part, value: Value | null): string {
  const printed = value === null ? NOT_AVAILABLE : (plan.readings[reading] as Reading).print(value);
  return width === null ? printed : printed.slice(0, width).padEnd(width);
}

/** The output as a byte string. */
function render(plan: Plan, values: readonly (Value | null)[]): string {
  let text = '';
  for (const part of plan.parts) {
    text += part.reading < 0 ? part.text : printPart(plan, part, values[part.reading] as Value | null);
  }
  return text;
}

/** The output as it stands inside a JSON string. */
function escapedText(plan: Plan, values: readonly (Value | null)[]): string {
  let text = '';
  for (const part of plan.parts) {
    if (part.reading < 0) {
      text += part.escaped;
      continue;
    }
    const { memory } = part;
    const value = values[part.reading] as Value | null;
    if (value !== memory.value) {
      memory.value = value;
      memory.written = inString(fromByteString(printPart(plan, part, value)));
    }
    text += memory.written;
  }
  return text;
}

function inString(text: string): string {
  return JSON.stringify(text).slice(1, -1);
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
  const parts = rule.output.parts.map((part): Part => {
    const memory = { value: undefined, written: '' };
    return part.kind === 'text'
      ? { text: part.text, escaped: inString(fromByteString(part.text)), reading: -1, width: null, memory }
      : { text: '', escaped: '', reading: reading(part.key, part.operand), width: part.width, memory };
  });
  const members = new Map<string, Member['source']>(byKey);
  const extra = new Map<string, Plan>();
  for (const { key, format } of options.extraFields(rule)) {
    const parsed = parseOutput(`${format === null ? '%' : '*'}${format ?? key}`, bind);
    const [only] = parsed.parts;
    if (format === null && only?.kind === 'field') members.set(key, reading(key, only.operand));
    else {
      extra.set(key, makePlan({ ...rule, output: parsed }, { ...options, extraFields: () => [] }, bind));
      members.set(key, { format: key });
    }
  }
  members.set(options.iso8601 ? 'evt.time.iso8601' : 'evt.time', 'time');
  const sorted = [...members].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const tags = options.withTags ? `"tags":${JSON.stringify(rule.tags)},` : '';
  return {
    readings,
    parts,
    members: sorted.map(([key, source], i) => ({
      key: `${i === 0 ? '' : ','}${jsonKey(key)}`,
      source,
      memory: { value: undefined, written: '' },
    })),
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
  // Each alert asks twice.
  let lastTs = -1n;
  let second = -1n;
  let fraction = '';
  const split = (ts: bigint): void => {
    if (ts === lastTs) return;
    lastTs = ts;
    second = ts / 1_000_000_000n;
    fraction = Number(ts - second * 1_000_000_000n)
      .toString()
      .padStart(9, '0');
  };
  return {
    /** `2026-01-02T03:04:05.000000006`, UTC. */
    utc(ts: bigint): string {
      split(ts);
      if (second !== utcSecond) {
        utcSecond = second;
        utcText = new Date(Number(second) * 1000).toISOString().slice(0, 19);
      }
      return `${utcText}.${fraction}`;
    },
    /** `03:04:05.000000006`, in the machine's time zone. */
    local(ts: bigint): string {
      split(ts);
      if (second !== localSecond) {
        localSecond = second;
        const date = new Date(Number(second) * 1000);
        localText = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
      }
      return `${localText}.${fraction}`;
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
