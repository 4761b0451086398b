import type { Event } from '../event/index.ts';
import { ScapWriter } from '../scap/index.ts';
import { createCapture } from '../source/capture-file.ts';
import type { State } from '../state/index.ts';

/** Writes everything that a source gives to a .scap file. */
export interface Recording {
  /** Takes each event, before the state has changed by it. */
  event(event: Event): void;
  /** Resolves while what waits for the disk is bounded. */
  drained(): Promise<void>;
  /** Resolves once everything is on disk; rejects when it could not be written. */
  close(): Promise<void>;
}

/** Most bytes that wait for the disk before reading pauses. */
const MAX_WAITING = 64 << 20;

/** Begins a recording with the state as it is now. */
export function openRecording(path: string, state: State): Recording {
  const file = createCapture(path);
  const writer = new ScapWriter((piece) => file.write(piece));
  state.snapshot(writer);
  return {
    event: (event) => writer.event(event, 0),
    drained: () => (file.waiting > MAX_WAITING ? file.drained() : Promise.resolve()),
    async close() {
      writer.flush();
      await file.close();
    },
  };
}
