import { buildEvent, Event, EventType } from '../event/index.ts';
import { ScapWriter } from '../scap/index.ts';
import { createCapture } from '../source/capture-file.ts';
import { type ContainerInfo, containerJson, type State } from '../state/index.ts';

/** Writes everything that a source gives to a .scap file. */
export interface Recording {
  /** Takes each event, after the state has changed by it. */
  event(event: Event): void;
  /** To be called between events: what was learnt of containers is written. */
  poll(): void;
  /** Resolves while what waits for the disk is bounded. */
  drained(): Promise<void>;
  /** Resolves once everything is on disk; rejects when it could not be written. */
  close(): Promise<void>;
}

/** What is being found out about containers while events are recorded. */
export interface ContainerNews {
  /**
   * Whether something is still being found out about a container. Meanwhile events are held back, so that in the file
   * what is known of a container stands before its first event.
   */
  waiting(): boolean;
  /** While this is so, the wait has not begun. */
  starting(): boolean;
  /** Longest time to hold events back, in milliseconds. */
  readonly waitMs: number;
}

/** Most bytes that wait for the disk before reading pauses. */
const MAX_WAITING = 64 << 20;
/** Most bytes that are held back for what engines say of containers. */
const MAX_HELD = 16 << 20;

const CONTAINER_EVENT = EventType.CONTAINER_JSON_2_E as number;

/**
 * The event by which recordings say what is known of a container.
 * @param ts nanoseconds since the epoch
 */
export function containerEvent(info: ContainerInfo, ts: bigint): Event {
  const bytes = buildEvent(CONTAINER_EVENT, { ts, tid: -1, params: { json: containerJson(info) } });
  const event = new Event();
  event.attach(bytes, new DataView(bytes.buffer));
  event.read(0, 0, 0);
  return event;
}

/**
 * Begins a recording with the state as it is now.
 * @param news null when the events themselves say everything of containers
 */
export function openRecording(path: string, state: State, news: ContainerNews | null): Recording {
  const file = createCapture(path);
  let held: Uint8Array[] | null = null;
  let heldBytes = 0;
  let heldUntil = 0;
  const writer = new ScapWriter((piece) => {
    if (held === null) return file.write(piece);
    held.push(piece);
    heldBytes += piece.length;
  });
  state.snapshot(writer);

  const written = new Map<string, ContainerInfo>();
  let epoch = -1;
  /** Time of the first event that is held back. */
  let heldFrom = 0n;

  /** Containers of which more is known than was written. A reader makes those of no engine by itself. */
  function writeContainers(ts: bigint): void {
    epoch = state.containersEpoch;
    for (const [id, info] of state.containers) {
      if (written.get(id) === info || info.type === 'bare') continue;
      written.set(id, info);
      writer.event(containerEvent(info, ts), 0);
    }
    for (const id of written.keys()) if (!state.containers.has(id)) written.delete(id);
  }

  function hold(ts: bigint, { waitMs }: ContainerNews): void {
    writer.flush();
    held = [];
    heldBytes = 0;
    heldFrom = ts;
    heldUntil = performance.now() + waitMs;
  }

  function release(): void {
    if (held === null) return;
    writer.flush();
    const pieces = held;
    held = null;
    writeContainers(heldFrom);
    writer.flush();
    for (const piece of pieces) file.write(piece);
  }

  return {
    event(event) {
      if (held === null && news !== null) {
        if (news.waiting()) hold(event.ts, news);
        else if (epoch !== state.containersEpoch) writeContainers(event.ts);
      }
      writer.event(event, 0);
    },
    poll() {
      if (held === null || news === null) return;
      if (news.starting()) heldUntil = performance.now() + news.waitMs;
      if (heldBytes > MAX_HELD || performance.now() > heldUntil || !news.waiting()) release();
    },
    drained: () => (file.waiting > MAX_WAITING ? file.drained() : Promise.resolve()),
    async close() {
      release();
      writer.flush();
      await file.close();
    },
  };
}
