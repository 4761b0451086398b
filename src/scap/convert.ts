/**
 * Brings events of older schemas to today's (4.x), in which enter events are gone and their parameters
 * have moved to the exit events. Rules, state and fields so have to know one form only.
 *
 * `conversion.json` lists, per event type and number of parameters, what to do (facts of
 * falcosecurity/libs 0.25, userspace/libscap/scap_convert_table): `store` keeps an enter event until its exit
 * comes, `pass` delivers it as it is, `add` appends parameters, `change` builds an event of another type. The parameters
 * come from the event (`old 3`), from the stored enter event (`enter 0`; when there is none the type's zero, or an
 * empty one with `else empty`), or are `default` (zero) or `empty` (length 0, printed as not available).
 */
import { EVENTS, EventFlag, EventType, HEADER_SIZE, LARGE } from '../event/index.ts';
import data from './conversion.json' with { type: 'json' };
import { fixedSize } from './sizes.ts';

type Instruction =
  | { from: 'old'; index: number }
  | { from: 'enter'; index: number; orEmpty: boolean }
  | { from: 'default' }
  | { from: 'empty' }
  | { from: 'container json' };

interface Step {
  action: 'store' | 'pass' | 'store and pass' | 'add' | 'change';
  to: number;
  instructions: readonly Instruction[];
}

function instruction(text: string): Instruction {
  const [from, index, ...rest] = text.split(' ');
  switch (from) {
    case 'old':
      return { from, index: Number(index) };
    case 'enter':
      return { from, index: Number(index), orEmpty: rest.join(' ') === 'else empty' };
    case 'default':
    case 'empty':
      return { from };
    default:
      return { from: 'container json' };
  }
}

const key = (type: number, params: number): number => type * 64 + params;

const STEPS: ReadonlyMap<number, Step> = new Map(
  (data as { type: string; params: number; do: Step['action']; to?: string; with?: string[] }[]).map((row) => {
    const type = EventType[row.type] as number;
    return [
      key(type, row.params),
      {
        action: row.do,
        to: row.to === undefined ? type : (EventType[row.to] as number),
        instructions: (row.with ?? []).map(instruction),
      },
    ];
  }),
);

const managed = (type: number): boolean => ((EVENTS[type]?.flags ?? 0) & EventFlag.CONVERTER_MANAGED) !== 0;
const old = (type: number): boolean => ((EVENTS[type]?.flags ?? 0) & EventFlag.OLD_VERSION) !== 0;

/** What the reader does with events of a type before it looks at more than the number of parameters. */
export const ALWAYS_PASS = 0;
export const ALWAYS_DROP = 255;
/**
 * One byte an event type: {@link ALWAYS_PASS}, {@link ALWAYS_DROP}, or the number of parameters from which on the event is
 * of today's form; with fewer it goes through {@link Converter}.
 */
export const COMPLETE_FROM: Uint8Array = Uint8Array.from(EVENTS, ({ type, flags, enter, params }) => {
  if ((flags & EventFlag.UNUSED) !== 0) return ALWAYS_DROP;
  if (!managed(type)) return old(type) && enter ? ALWAYS_DROP : ALWAYS_PASS;
  const atFull = STEPS.get(key(type, params.length));
  // One more than any real event has: each of these is looked up.
  return old(type) || (atFull !== undefined && atFull.action !== 'pass') ? 254 : params.length;
});

/** A loop in the table would otherwise hang on a hostile capture. */
const MAX_STEPS = 50;
/** Enter events that wait for their exit; older ones go first. */
const MAX_STORED = 16384;
/** Longest event that a conversion may make: no u16 length can be exceeded by copying, so only the sum can. */
const MAX_SIZE = 1 << 20;

interface Buffer {
  bytes: Uint8Array;
  view: DataView;
}

function buffer(size: number): Buffer {
  const bytes = new Uint8Array(size);
  return { bytes, view: new DataView(bytes.buffer) };
}

const PROCEXIT = new Set([EventType.PROCEXIT_E, EventType.PROCEXIT_1_E]);

/** Converts events one after the other; keeps the enter events of a stream. */
export class Converter {
  /** The result of {@link convert}: an event of {@link size} bytes at 0. Valid until the next call. */
  bytes: Uint8Array;
  view: DataView;
  size = 0;

  #from = buffer(1 << 12);
  #to = buffer(1 << 12);
  readonly #stored = new Map<number, Buffer>();
  /** Buffers of enter events that found their exit, for reuse. */
  readonly #free: Buffer[] = [];

  constructor() {
    this.bytes = this.#from.bytes;
    this.view = this.#from.view;
  }

  /**
   * @param header where the event starts; its lengths have been checked, `size` bytes are there
   * @returns false when the event is not to be delivered
   */
  convert(bytes: Uint8Array, header: number, size: number): boolean {
    if (this.#from.bytes.length < size) this.#from = buffer(size * 2);
    this.#from.bytes.set(bytes.subarray(header, header + size));
    this.#from.view.setUint32(16, size, true);
    const tid = this.#from.view.getInt32(8, true);
    let pass = true;
    let consumed = false;
    for (let i = 0; i < MAX_STEPS; i++) {
      const { view } = this.#from;
      const type = view.getUint16(20, true);
      if (!managed(type)) break;
      const step = STEPS.get(key(type, Math.min(63, view.getUint32(22, true))));
      if (step === undefined) {
        // Today's form; or an enter event of a form that nobody recorded, which no exit event could use.
        pass = !(old(type) && EVENTS[type]?.enter);
        break;
      }
      if (step.action === 'pass') break;
      if (step.action === 'store' || step.action === 'store and pass') {
        this.#store(tid);
        pass = step.action === 'store and pass';
        break;
      }
      consumed = this.#rebuild(step, tid) || consumed;
    }
    const done = this.#from;
    if (consumed || PROCEXIT.has(done.view.getUint16(20, true))) this.#forget(tid);
    this.bytes = done.bytes;
    this.view = done.view;
    this.size = done.view.getUint32(16, true);
    return pass;
  }

  #store(tid: number): void {
    const { bytes, view } = this.#from;
    const size = view.getUint32(16, true);
    let kept = this.#stored.get(tid);
    if (kept === undefined) {
      if (this.#stored.size >= MAX_STORED) this.#forget(this.#stored.keys().next().value as number);
      kept = this.#free.pop() ?? buffer(256);
      this.#stored.set(tid, kept);
    }
    if (kept.bytes.length < size) {
      kept = buffer(size);
      this.#stored.set(tid, kept);
    }
    kept.bytes.set(bytes.subarray(0, size));
  }

  #forget(tid: number): void {
    const kept = this.#stored.get(tid);
    if (kept === undefined) return;
    this.#stored.delete(tid);
    // Long ones are rare and would be kept for good.
    if (kept.bytes.length <= 4096 && this.#free.length < 256) this.#free.push(kept);
  }

  /** Applies one step: #from → #to, then swaps them. Returns whether an enter event was looked at. */
  #rebuild(step: Step, tid: number): boolean {
    const from = this.#from;
    const type = from.view.getUint16(20, true);
    const count = from.view.getUint32(22, true);
    const kept = step.action === 'add' ? count : 0;
    const total = kept + step.instructions.length;
    const large = LARGE[step.to] === 1;
    const width = large ? 4 : 2;
    const stored = this.#stored.get(tid);
    const enter = stored !== undefined && stored.view.getUint16(20, true) === type - 1 ? stored : undefined;

    let at = HEADER_SIZE + total * width;
    let looked = false;
    const put = (index: number, source: Uint8Array | null, offset: number, length: number): void => {
      const end = at + length;
      if (end > MAX_SIZE || (!large && length > 0xffff)) throw new RangeError('a converted event is too long');
      if (end > this.#to.bytes.length) {
        const larger = buffer(end * 2);
        larger.bytes.set(this.#to.bytes);
        this.#to = larger;
      }
      const { bytes, view } = this.#to;
      if (source === null) bytes.fill(0, at, end);
      else bytes.set(source.subarray(offset, offset + length), at);
      if (large) view.setUint32(HEADER_SIZE + index * 4, length, true);
      else view.setUint16(HEADER_SIZE + index * 2, length, true);
      at = end;
    };
    const copy = (index: number, source: Buffer, param: number): void =>
      put(index, source.bytes, offsetOf(source.view, param), lengthOf(source.view, param));
    const zero = (index: number): void => put(index, null, 0, fixedSize(step.to, index));

    if (this.#to.bytes.length < at) this.#to = buffer(at * 2);
    for (let i = 0; i < kept; i++) copy(i, from, i);
    step.instructions.forEach((what, i) => {
      const index = kept + i;
      switch (what.from) {
        case 'old':
          if (what.index < count) copy(index, from, what.index);
          else put(index, null, 0, 0);
          break;
        case 'enter':
          looked = true;
          if (enter !== undefined && what.index < enter.view.getUint32(22, true)) copy(index, enter, what.index);
          else if (what.orEmpty) put(index, null, 0, 0);
          else zero(index);
          break;
        case 'default':
          zero(index);
          break;
        case 'empty':
          put(index, null, 0, 0);
          break;
        default: {
          const json = containerJson(from, count);
          put(index, json, 0, json.length);
        }
      }
    });
    const { bytes, view } = this.#to;
    bytes.set(from.bytes.subarray(0, 16));
    view.setUint32(16, at, true);
    view.setUint16(20, step.to, true);
    view.setUint32(22, total, true);
    this.#from = this.#to;
    this.#to = from;
    return looked;
  }
}

function lengthOf(view: DataView, param: number): number {
  return LARGE[view.getUint16(20, true)] === 1
    ? view.getUint32(HEADER_SIZE + param * 4, true)
    : view.getUint16(HEADER_SIZE + param * 2, true);
}

function offsetOf(view: DataView, param: number): number {
  const width = LARGE[view.getUint16(20, true)] === 1 ? 4 : 2;
  let at = HEADER_SIZE + view.getUint32(22, true) * width;
  for (let i = 0; i < param; i++) at += lengthOf(view, i);
  return at;
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** CONTAINER_E (id, type, name, image) as the JSON text, NUL-terminated, of the container events that came after it. */
function containerJson({ bytes, view }: Buffer, count: number): Uint8Array {
  const text = (param: number): string => {
    if (param >= count) return '';
    const from = offsetOf(view, param);
    const value = decoder.decode(bytes.subarray(from, from + lengthOf(view, param)));
    const end = value.indexOf('\0');
    return end < 0 ? value : value.slice(0, end);
  };
  const type = count > 1 && lengthOf(view, 1) >= 4 ? view.getUint32(offsetOf(view, 1), true) : 0;
  const container = { id: text(0), type, name: text(2), image: text(3) };
  return encoder.encode(`${JSON.stringify({ container })}\0`);
}
