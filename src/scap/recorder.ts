import type { Event } from '../event/index.ts';
import type { InitialStateSink } from './entries.ts';
import { ScapWriter } from './writer.ts';

/** Where a capture goes; opened by {@link RecorderOptions.open}. */
export interface CaptureOutput {
  /** Takes ownership of the bytes. */
  write(piece: Uint8Array): void;
  /** Resolves once everything is on disk under its name. */
  close(): Promise<void>;
}

export interface RecorderOptions {
  /** Gives the state, as it is now, of what the key stands for: the processes of a container or of a process tree. */
  snapshot(key: string, sink: InitialStateSink): void;
  /** Events that stand at the beginning of a capture and say what is known of the key by then. `ts`: nanoseconds since the epoch. */
  beginning?(key: string, ts: bigint): readonly Event[];
  open(path: string): CaptureOutput;
  /** Bytes kept of each key, its initial state included; default 1 MiB. */
  bytesPerKey?: number;
  /** Bytes kept of all keys; the key without events for longest goes first. Default 64 MiB. */
  maxBytes?: number;
  /** A capture ends when it has this many bytes (before compression); 0 = no limit. `capture.max_file_size_mb`. */
  maxFileBytes?: number;
  /** Told when a capture cannot be written; recording goes on. */
  failed?(path: string, error: Error): void;
}

export interface RecorderStats {
  /** Keys that have events in memory. */
  readonly keys: number;
  /** Bytes in memory. */
  readonly bytes: number;
  /** Events taken in. */
  readonly recorded: number;
  /** Events that made room for newer ones. */
  readonly evicted: number;
  /** Captures begun. */
  readonly captures: number;
}

/**
 * A part of a key's past: a complete .scap stream of its own (initial state, then events), so that the oldest part that is
 * left always begins with the state that its events start from.
 */
interface Segment {
  /** The stream's pieces: the first `header` of them are the initial state. */
  readonly pieces: Uint8Array[];
  readonly header: number;
  /** Time of its first event, nanoseconds since the epoch. */
  readonly from: bigint;
  readonly writer: ScapWriter;
}

interface Track {
  segments: Segment[];
  bytes: number;
  capture: Capture | null;
}

interface Capture {
  readonly path: string;
  readonly output: CaptureOutput;
  readonly writer: ScapWriter;
  /** Time of the last event that belongs in, nanoseconds since the epoch. */
  until: bigint;
  bytes: number;
}

/** A key's bytes are kept in this many parts; one part at a time is given up. */
const SEGMENTS = 4;
const PIECE = 16 << 10;

/**
 * Keeps the recent past of every container (or process tree: the caller chooses the key) and writes it, and what
 * follows, as a capture when asked to. Memory is bounded per key and in all.
 */
export class FlightRecorder {
  readonly #options: RecorderOptions;
  readonly #bytesPerKey: number;
  readonly #maxBytes: number;
  /** In order of the last event: the first is the one to give up. */
  readonly #tracks = new Map<string, Track>();
  readonly #closing = new Set<Promise<void>>();
  #capturing = 0;
  #lastKey = '';
  #last: Track | null = null;
  #bytes = 0;
  #recorded = 0;
  #evicted = 0;
  #captures = 0;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#bytesPerKey = options.bytesPerKey ?? 1 << 20;
    this.#maxBytes = Math.max(options.maxBytes ?? 64 << 20, this.#bytesPerKey);
  }

  get stats(): RecorderStats {
    return {
      keys: this.#tracks.size,
      bytes: this.#bytes,
      recorded: this.#recorded,
      evicted: this.#evicted,
      captures: this.#captures,
    };
  }

  /** Takes the event that the view points at, before the state has changed by it. */
  record(key: string, event: Event, flags = 0): void {
    let track = this.#last;
    if (track === null || this.#lastKey !== key) track = this.#track(key);
    let segment = track.segments[track.segments.length - 1];
    if (segment === undefined || segment.writer.bytes >= this.#bytesPerKey / SEGMENTS) {
      segment = this.#newSegment(key, track, event.ts);
    }
    const { writer } = segment;
    const before = writer.bytes;
    writer.event(event, flags);
    const grown = writer.bytes - before;
    track.bytes += grown;
    this.#bytes += grown;
    this.#recorded++;
    if (track.capture !== null) this.#continue(track, event, flags, grown);
    if (track.bytes > this.#bytesPerKey || this.#bytes > this.#maxBytes) this.#shrink(key, track);
  }

  /**
   * Writes what is known of the key to a new capture, and goes on with its events until the time given. A
   * capture of the key that is still being written is prolonged instead.
   * @param until nanoseconds since the epoch
   * @returns the path of the capture; null when there is nothing to write
   */
  flush(key: string, path: string, until: bigint): string | null {
    const track = this.#tracks.get(key);
    if (track === undefined) return null;
    if (track.capture !== null) {
      if (until > track.capture.until) track.capture.until = until;
      return track.capture.path;
    }
    let output: CaptureOutput;
    try {
      output = this.#options.open(path);
    } catch (error) {
      this.#options.failed?.(path, error as Error);
      return null;
    }
    this.#captures++;
    let bytes = 0;
    const put = (piece: Uint8Array): void => {
      bytes += piece.length;
      output.write(piece);
    };
    track.segments.forEach((segment, index) => {
      segment.writer.flush();
      const { pieces, header, from } = segment;
      // The recorder keeps its piece, the output gets one of its own.
      if (index === 0) {
        for (const piece of pieces.slice(0, header)) put(piece.slice());
        const first = ScapWriter.continuing(put);
        for (const event of this.#options.beginning?.(key, from) ?? []) first.event(event, 0);
        first.flush();
      }
      for (const piece of pieces.slice(header)) put(piece.slice());
    });
    const writer = ScapWriter.continuing((piece) => output.write(piece));
    track.capture = { path, output, writer, until, bytes };
    this.#capturing++;
    return path;
  }

  /** Ends the captures whose time is over, also when no further event comes. `now`: nanoseconds since the epoch. */
  tick(now: bigint): void {
    if (this.#capturing === 0) return;
    for (const track of this.#tracks.values()) {
      if (track.capture !== null && now > track.capture.until) this.#finish(track);
    }
  }

  /** Forgets a key: its container or process tree is gone. A capture that is being written ends. */
  forget(key: string): void {
    const track = this.#tracks.get(key);
    if (track === undefined) return;
    this.#finish(track);
    this.#tracks.delete(key);
    this.#bytes -= track.bytes;
    if (this.#last === track) this.#last = null;
  }

  /** Ends all captures; resolves once they are on disk. */
  async close(): Promise<void> {
    for (const key of [...this.#tracks.keys()]) this.forget(key);
    await Promise.all(this.#closing);
  }

  #track(key: string): Track {
    let track = this.#tracks.get(key);
    if (track === undefined) track = { segments: [], bytes: 0, capture: null };
    else this.#tracks.delete(key);
    this.#tracks.set(key, track);
    this.#lastKey = key;
    this.#last = track;
    return track;
  }

  #newSegment(key: string, track: Track, from: bigint): Segment {
    const pieces: Uint8Array[] = [];
    const writer = new ScapWriter((piece) => pieces.push(piece), PIECE);
    this.#options.snapshot(key, writer);
    writer.flush();
    const segment = { pieces, header: pieces.length, from, writer };
    track.segments.push(segment);
    track.bytes += writer.bytes;
    this.#bytes += writer.bytes;
    return segment;
  }

  #continue(track: Track, event: Event, flags: number, grown: number): void {
    const capture = track.capture as Capture;
    if (event.ts > capture.until) {
      this.#finish(track);
      return;
    }
    capture.writer.event(event, flags);
    capture.bytes += grown;
    const limit = this.#options.maxFileBytes ?? 0;
    if (limit > 0 && capture.bytes >= limit) this.#finish(track);
  }

  #finish(track: Track): void {
    const { capture } = track;
    if (capture === null) return;
    track.capture = null;
    this.#capturing--;
    capture.writer.flush();
    const closing: Promise<void> = capture.output
      .close()
      .catch((error) => this.#options.failed?.(capture.path, error))
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  #dropSegment(track: Track): void {
    const segment = track.segments.shift() as Segment;
    track.bytes -= segment.writer.bytes;
    this.#bytes -= segment.writer.bytes;
    this.#evicted += segment.writer.events;
  }

  #shrink(key: string, track: Track): void {
    while (track.bytes > this.#bytesPerKey && track.segments.length > 1) this.#dropSegment(track);
    while (this.#bytes > this.#maxBytes) {
      const [oldestKey, oldest] = this.#tracks.entries().next().value as [string, Track];
      if (oldestKey === key) {
        if (track.segments.length <= 1) return;
        this.#dropSegment(track);
      } else {
        for (const { writer } of oldest.segments) this.#evicted += writer.events;
        this.forget(oldestKey);
      }
    }
  }
}

/** Name of a capture as Falco 0.44 makes it: prefix, time and number of the event, both with 20 digits. */
export function captureFileName(prefix: string, ts: bigint, num: number): string {
  return `${prefix}_${ts.toString().padStart(20, '0')}_${num.toString().padStart(20, '0')}.scap`;
}
