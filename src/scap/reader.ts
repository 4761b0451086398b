import { EVENTS, Event, HEADER_SIZE, LARGE } from '../event/index.ts';
import { ALWAYS_DROP, ALWAYS_PASS, COMPLETE_FROM, Converter } from './convert.ts';
import type { InitialStateSink } from './entries.ts';
import {
  Block,
  MAJOR_VERSION,
  MAX_BLOCK,
  MAX_EVENT_BLOCK,
  PRIVATE_PROCESSES_V1,
  ScapError,
  SECTION_MAGIC,
  SECTION_MAGIC_SWAPPED,
  TAIL_MARK,
  TAIL_SIZE,
} from './format.ts';
import { isList, readList } from './lists.ts';
import { FIXED_PAIRS, fixedSize, ROW, TABLE_COUNT } from './sizes.ts';

export interface ReaderStats {
  /** Events given to the visitor; the last one's `num`. */
  events: number;
  /** Events that today's engine does not know as such: old enter events, unused types. They are not numbered. */
  dropped: number;
  /** Events of a type newer than our table. */
  unknown: number;
  /** Events whose lengths contradict each other; skipped. */
  malformed: number;
  /** Where the first malformed event is and what is wrong with it; null when there is none. */
  firstMalformed: string | null;
  /** Bytes of the (inflated) stream seen so far. */
  bytes: number;
}

/** An event block with all of an event's header: type and length, cpu, flags, header, trailer. */
const SMALLEST = 8 + 2 + 4 + HEADER_SIZE + 4;

const { EVENT_V2, EVENT_FLAGS_V2 } = Block;

/** What the block numbers 0x200 to 0x23f are to the reader. */
const SKIP = 0;
const LIST = 1;
const SECTION = 2;
const OLD_EVENT = 3;
const NEW_EVENT = 4;
const LARGE_EVENT = 5;

const KINDS = new Uint8Array(64);
for (const type of Object.values(Block)) if (isList(type)) KINDS[type - 0x200] = LIST;
KINDS[Block.EVENT - 0x200] = OLD_EVENT;
KINDS[Block.EVENT_FLAGS - 0x200] = OLD_EVENT;
KINDS[Block.EVENT_V2 - 0x200] = NEW_EVENT;
KINDS[Block.EVENT_FLAGS_V2 - 0x200] = NEW_EVENT;
KINDS[Block.EVENT_V2_LARGE - 0x200] = LARGE_EVENT;
KINDS[Block.EVENT_FLAGS_V2_LARGE - 0x200] = LARGE_EVENT;

function kindOf(type: number): number {
  if (type === Block.SECTION_HEADER) return SECTION;
  return type >= 0x200 && type < 0x240 ? (KINDS[type - 0x200] as number) : SKIP;
}

const hasFlags = (type: number): boolean =>
  type === Block.EVENT_FLAGS || type === Block.EVENT_FLAGS_V2 || type === Block.EVENT_FLAGS_V2_LARGE;

/** Their producers counted three bytes too many in the event's length. */
const TOO_LONG = new Set(
  EVENTS.filter(({ code }) => code === 'NOTIFICATION_E' || code === 'INFRASTRUCTURE_EVENT_E').map(({ type }) => type),
);

/**
 * Reads a .scap stream that comes in chunks of any size, in constant memory.
 *
 * The initial state goes to the sink, each event to the visitor, through the one {@link Event} that points into
 * the chunk: its bytes are valid during the call only. Blocks that cross chunks are put together in a
 * buffer of our own. The stream must be inflated already.
 */
export class ScapReader {
  /** The event that visitors are given. */
  readonly event = new Event();
  readonly stats: ReaderStats = { events: 0, dropped: 0, unknown: 0, malformed: 0, firstMalformed: null, bytes: 0 };

  readonly #sink: InitialStateSink;
  /** Offset in the stream of the first byte of the memory that is being walked. */
  #base = 0;
  /** Offset in the stream of the current block; for messages. */
  #block = 0;
  /** Bytes of an unknown block that are still to come. */
  #skip = 0;
  #carry = new Uint8Array(1 << 16);
  #carryView = new DataView(this.#carry.buffer);
  #carried = 0;
  #sections = 0;
  #scratch = new Uint8Array(1 << 12);
  #scratchView = new DataView(this.#scratch.buffer);
  #converter: Converter | null = null;

  constructor(sink: InitialStateSink) {
    this.#sink = sink;
  }

  /**
   * Reads on. The visitor is called for each event that is complete now.
   * @throws ScapError when the stream cannot be a capture; what was delivered before stays delivered
   */
  push(chunk: Uint8Array, visit: (event: Event) => void): void {
    let at = 0;
    const end = chunk.length;
    const start = this.stats.bytes;
    this.stats.bytes += end;
    while (at < end) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, end - at);
        this.#skip -= skipped;
        at += skipped;
      } else if (this.#carried > 0) {
        at = this.#complete(chunk, at, start, visit);
      } else {
        this.#base = start;
        const view = new DataView(chunk.buffer, chunk.byteOffset, end);
        at = this.#walk(chunk, view, at, end, visit);
        if (this.#skip === 0 && at < end) {
          this.#keep(chunk, at, end);
          at = end;
        }
      }
    }
  }

  /**
   * Says that nothing more comes.
   * @throws ScapError when there was no capture at all
   * @returns how many bytes of an incomplete block were left over: 0 unless the capture was cut off
   */
  end(): number {
    if (this.stats.bytes === 0) throw new ScapError('the capture is empty', 0);
    if (this.#sections === 0) throw notACapture(this.#carry, 0, this.#carried, 0);
    return this.#carried > 0 ? this.#carried : this.#skip > 0 ? 1 : 0;
  }

  #keep(chunk: Uint8Array, from: number, to: number): void {
    const need = this.#carried + to - from;
    if (need > this.#carry.length) {
      const larger = new Uint8Array(Math.max(need, this.#carry.length * 2));
      larger.set(this.#carry.subarray(0, this.#carried));
      this.#carry = larger;
      this.#carryView = new DataView(larger.buffer);
    }
    this.#carry.set(chunk.subarray(from, to), this.#carried);
    this.#carried = need;
  }

  /** Adds to the block that an earlier chunk began; returns where the rest of the chunk starts. */
  #complete(chunk: Uint8Array, at: number, start: number, visit: (event: Event) => void): number {
    this.#base = start + at - this.#carried;
    const wanted = this.#carried < 8 ? 8 : this.#carryView.getUint32(4, true);
    const taken = Math.min(wanted - this.#carried, chunk.length - at);
    this.#keep(chunk, at, at + taken);
    if (this.#carried < wanted) return at + taken;
    const length = this.#carried;
    const done = this.#walk(this.#carry, this.#carryView, 0, length, visit);
    if (done > 0 || this.#skip > 0) {
      this.#carried = 0;
      // A single huge block must not hold its memory for the rest of the stream.
      if (this.#carry.length > 1 << 20) {
        this.#carry = new Uint8Array(1 << 16);
        this.#carryView = new DataView(this.#carry.buffer);
      }
    }
    return at + taken;
  }

  /** Delivers the complete blocks in [at, end); returns where the first incomplete one starts. */
  #walk(bytes: Uint8Array, view: DataView, at: number, end: number, visit: (event: Event) => void): number {
    const event = this.event;
    const stats = this.stats;
    event.attach(bytes, view);
    while (at + 8 <= end) {
      // Numbers that no ordinary event has are negative when they are read as signed: the compiler then needs no doubles.
      const kindOfBlock = view.getInt32(at, true);
      const size = view.getInt32(at + 4, true);
      if (
        (kindOfBlock === EVENT_V2 || kindOfBlock === EVENT_FLAGS_V2) &&
        size >= SMALLEST &&
        size <= end - at &&
        size <= MAX_EVENT_BLOCK &&
        this.#sections > 0
      ) {
        const next = at + size;
        let header = at + 10;
        event.flags = 0;
        if (kindOfBlock === EVENT_FLAGS_V2) {
          event.flags = view.getUint32(header, true);
          header += 4;
        }
        const cpu = view.getUint16(at + 8, true);
        // The ordinary event, without a further call: today's form, lengths that the table expects and that add up.
        const code = view.getUint16(header + 20, true);
        const count = view.getInt32(header + 22, true);
        if (code < EVENTS.length && count >= (COMPLETE_FROM[code] as number) && count <= ROW && LARGE[code] === 0) {
          const length = view.getInt32(header + 16, true);
          const limit = header + length;
          let len = header + HEADER_SIZE;
          const lens = len + (count << 1);
          if (length >= 0 && length <= next - 4 - header && lens <= limit) {
            let data = lens;
            let pair = code * ROW;
            let unexpected = 0;
            for (; len + 2 < lens; len += 4, pair += 2) {
              const sizes = view.getInt32(len, true);
              unexpected |= (sizes ^ (FIXED_PAIRS[pair] as number)) & (FIXED_PAIRS[pair + 1] as number);
              data += (sizes & 0xffff) + (sizes >>> 16);
            }
            if (len < lens) {
              const last = view.getUint16(len, true);
              unexpected |= (last ^ (FIXED_PAIRS[pair] as number)) & (FIXED_PAIRS[pair + 1] as number) & 0xffff;
              data += last;
            }
            if (unexpected === 0 && data <= limit) {
              if (data !== limit && this.#hasTail(view, code, count, data, limit)) {
                this.#withTail(bytes, view, header, cpu, visit);
              } else {
                event.readRegular(header, cpu, ++stats.events, code, count);
                visit(event);
              }
              at = next;
              continue;
            }
          }
        }
        this.#block = this.#base + at;
        this.#event(view, header, next - 4, cpu, visit);
        at = next;
        continue;
      }
      const type = kindOfBlock >>> 0;
      const length = size >>> 0;
      const next = at + length;
      const known = type === PRIVATE_PROCESSES_V1 ? Block.PROCESSES_V1 : type;
      const kind = kindOf(known);
      if (this.#sections === 0 && kind !== SECTION) throw notACapture(bytes, at, end, this.#base + at);
      if (length < 12) {
        throw new ScapError(`a block of type 0x${type.toString(16)} claims ${length} bytes`, this.#base + at);
      }
      if (kind === SKIP) {
        if (next <= end) {
          at = next;
          continue;
        }
        this.#skip = next - end;
        return end;
      }
      if (length - 8 > (kind === OLD_EVENT || kind === NEW_EVENT ? MAX_EVENT_BLOCK : MAX_BLOCK)) {
        throw this.#tooLong(length, at);
      }
      if (next > end) return at;
      this.#block = this.#base + at;
      switch (kind) {
        case SECTION:
          this.#section(view, at, length);
          break;
        case LIST:
          this.#checkTrailer(view, at, length);
          readList(known, bytes, view, at + 8, next - 4, this.#base, this.#sink);
          break;
        default: {
          let header = at + 10;
          event.flags = 0;
          if (hasFlags(known) && header + 4 <= next - 4) {
            event.flags = view.getUint32(header, true);
            header += 4;
          }
          const cpu = view.getUint16(at + 8, true);
          if (kind !== OLD_EVENT) this.#event(view, header, next - 4, cpu, visit);
          else {
            const size = this.#modernise(bytes, view, header, next - 4);
            if (size > 0) {
              event.attach(this.#scratch, this.#scratchView);
              this.#event(this.#scratchView, 0, size, cpu, visit);
              event.attach(bytes, view);
            }
          }
        }
      }
      at = next;
    }
    return at;
  }

  #tooLong(length: number, at: number): ScapError {
    return new ScapError(`a block of ${length} bytes is longer than the format allows`, this.#base + at);
  }

  #section(view: DataView, at: number, length: number): void {
    if (length < 28) throw new ScapError(`a section header of ${length} bytes`, this.#base + at);
    const magic = view.getUint32(at + 8, true);
    if (magic === SECTION_MAGIC_SWAPPED) throw new ScapError('the capture is big-endian', this.#base + at + 8);
    if (magic !== SECTION_MAGIC) throw new ScapError('the section header has no magic number', this.#base + at + 8);
    const major = view.getUint16(at + 12, true);
    if (major !== MAJOR_VERSION) {
      throw new ScapError(`the capture has format version ${major}, this reads version 1`, this.#base + at + 12);
    }
    this.#checkTrailer(view, at, length);
    if (this.#sections++ > 0) this.#sink.section?.();
  }

  #checkTrailer(view: DataView, at: number, length: number): void {
    const trailer = view.getUint32(at + length - 4, true);
    if (trailer !== length) {
      throw new ScapError(`a block of ${length} bytes ends with the length ${trailer}`, this.#base + at);
    }
  }

  /** Counts an event that cannot be delivered; the block is whole, so that reading goes on behind it. */
  #malformed(what: string): void {
    this.stats.malformed++;
    this.stats.firstMalformed ??= `${what} (in the block at byte ${this.#block})`;
  }

  /** Delivers the event at `header` whose block ends at `end`. */
  #event(view: DataView, header: number, end: number, cpu: number, visit: (event: Event) => void): void {
    if (header + HEADER_SIZE > end) {
      this.#malformed('an event without a whole header');
      return;
    }
    const size = view.getUint32(header + 16, true);
    const type = view.getUint16(header + 20, true);
    const count = view.getUint32(header + 22, true);
    if (type >= EVENTS.length) {
      this.stats.unknown++;
      return;
    }
    const complete = COMPLETE_FROM[type] as number;
    if (complete === ALWAYS_DROP) {
      this.stats.dropped++;
      return;
    }
    const large = LARGE[type] === 1;
    let data = header + HEADER_SIZE + count * (large ? 4 : 2);
    if (size > end - header || data > end || data > header + size) {
      this.#malformed(`an event of type ${type} that claims ${size} bytes and ${count} parameters`);
      return;
    }
    const limit = header + size;
    if (large) {
      for (let at = header + HEADER_SIZE, first = data; at < first; at += 4) data += view.getUint32(at, true);
    } else {
      for (let i = 0, at = header + HEADER_SIZE; i < count; i++, at += 2) {
        const length = view.getUint16(at, true);
        const fixed = fixedSize(type, i);
        if (fixed !== 0 && length !== fixed && length !== 0) {
          this.#malformed(`parameter ${i} of an event of type ${type} has ${length} bytes, not ${fixed}`);
          return;
        }
        data += length;
      }
    }
    if (data > limit) {
      this.#malformed(`the parameters of an event of type ${type} exceed it`);
      return;
    }
    const event = this.event;
    const { buffer } = event;
    if (complete === ALWAYS_PASS || count >= complete) {
      if (data !== limit && !large && this.#hasTail(view, type, count, data, limit)) {
        this.#withTail(buffer, view, header, cpu, visit);
        return;
      }
      event.read(header, cpu, ++this.stats.events);
      visit(event);
      return;
    }
    const converter = (this.#converter ??= new Converter());
    let wanted: boolean;
    try {
      wanted = converter.convert(buffer, header, size);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#malformed(error.message);
      return;
    }
    if (!wanted) {
      this.stats.dropped++;
      return;
    }
    const { bytes, view: converted } = converter;
    event.attach(bytes, converted);
    // An enter event that stays as it is, besides being kept for its exit.
    const same = converter.size === size && converted.getUint16(20, true) === type;
    if (same && !large && this.#hasTail(converted, type, count, data - header, size)) {
      this.#withTail(bytes, converted, 0, cpu, visit);
    } else {
      event.read(0, cpu, ++this.stats.events);
      visit(event);
    }
    event.attach(buffer, view);
  }

  /** Whether parameters stand behind those of the table (see {@link TAIL_MARK}); `data` is where those end. */
  #hasTail(view: DataView, type: number, count: number, data: number, limit: number): boolean {
    if (limit - data < TAIL_SIZE + 2 || count !== TABLE_COUNT[type]) return false;
    if (view.getUint16(limit - 2, true) !== TAIL_MARK) return false;
    const extra = view.getUint16(limit - 4, true);
    const lens = limit - TAIL_SIZE - 2 * extra;
    if (extra === 0 || count + extra > ROW || lens < data) return false;
    let sum = 0;
    for (let at = lens; at < limit - TAIL_SIZE; at += 2) sum += view.getUint16(at, true);
    return sum === lens - data;
  }

  /** Delivers an event with such a tail, its parameters put together in the scratch buffer. */
  #withTail(bytes: Uint8Array, view: DataView, header: number, cpu: number, visit: (event: Event) => void): void {
    const limit = header + view.getUint32(header + 16, true);
    const count = view.getUint32(header + 22, true);
    const extra = view.getUint16(limit - 4, true);
    const lens = limit - TAIL_SIZE - 2 * extra;
    const known = HEADER_SIZE + 2 * count;
    const size = limit - TAIL_SIZE - header;
    this.#room(size);
    const scratch = this.#scratch;
    scratch.set(bytes.subarray(header, header + known));
    scratch.set(bytes.subarray(lens, lens + 2 * extra), known);
    scratch.set(bytes.subarray(header + known, lens), known + 2 * extra);
    this.#scratchView.setUint32(16, size, true);
    this.#scratchView.setUint32(22, count + extra, true);
    const { event } = this;
    event.attach(scratch, this.#scratchView);
    event.read(0, cpu, ++this.stats.events);
    visit(event);
    event.attach(bytes, view);
  }

  #room(size: number): void {
    if (this.#scratch.length >= size) return;
    this.#scratch = new Uint8Array(size);
    this.#scratchView = new DataView(this.#scratch.buffer);
  }

  /**
   * Copies an event of the first version into the scratch buffer, adding the number of parameters, which it lacks:
   * the largest that the table knows and that makes the lengths add up.
   * @returns its size there; 0 when none does
   */
  #modernise(bytes: Uint8Array, view: DataView, header: number, end: number): number {
    const OLD_HEADER = HEADER_SIZE - 4;
    if (header + OLD_HEADER > end) {
      this.#malformed('an event without a whole header');
      return 0;
    }
    let size = view.getUint32(header + 16, true);
    const type = view.getUint16(header + 20, true);
    const info = EVENTS[type];
    if (info === undefined) {
      this.stats.unknown++;
      return 0;
    }
    if (TOO_LONG.has(type)) size -= 3;
    if (size >= OLD_HEADER && header + size <= end) {
      const width = info.large ? 4 : 2;
      for (let count = info.params.length; count >= 0; count--) {
        let at = header + OLD_HEADER;
        const data = at + count * width;
        if (data > header + size) continue;
        let sum = data - header;
        for (; at < data; at += width) sum += info.large ? view.getUint32(at, true) : view.getUint16(at, true);
        if (sum !== size) continue;
        this.#room(size + 4);
        this.#scratch.set(bytes.subarray(header, header + OLD_HEADER));
        this.#scratch.set(bytes.subarray(header + OLD_HEADER, header + size), HEADER_SIZE);
        this.#scratchView.setUint32(16, size + 4, true);
        this.#scratchView.setUint32(22, count, true);
        return size + 4;
      }
    }
    this.#malformed(`the lengths of an old event of type ${type} do not add up to ${size}`);
    return 0;
  }
}

function notACapture(bytes: Uint8Array, at: number, end: number, offset: number): ScapError {
  if (at + 2 <= end && bytes[at] === 0x1f && bytes[at + 1] === 0x8b) {
    return new ScapError('the capture is compressed: inflate it first', offset);
  }
  return new ScapError('this is not a .scap capture: it does not start with a section header', offset);
}
