/** The thread that capture-thread.ts starts. */
import { workerData } from 'node:worker_threads';
import type { Event } from '../event/index.ts';
import { type InitialStateSink, ScapError, ScapReader } from '../scap/index.ts';
import {
  ASIDE,
  INDEX,
  type Slot,
  type StateCall,
  type ThreadData,
  type ThreadMessage,
  viewSlot,
} from './capture-thread.ts';
import { openPieces } from './pieces.ts';

const { path, chunkSize, slots: memories, claims: claimed, ports } = workerData as ThreadData;
const slots = memories.map((memory) => viewSlot(memory, chunkSize));
const claims = new Int32Array(claimed);
const send = (message: ThreadMessage): void => {
  for (const port of ports) port.postMessage(message);
};

const free = slots.map((_, number) => number);
/** How many seats are done with each slot. */
const done = slots.map(() => 0);
let freed: (() => void) | null = null;
for (const port of ports) {
  port.on('message', (number: number) => {
    if (++(done[number] as number) < ports.length) return;
    done[number] = 0;
    free.push(number);
    freed?.();
    freed = null;
  });
}

// The portion that is being filled.
let slot = slots[0] as Slot;
let piece = slot.bytes;
let events = 0;
let state: StateCall[] = [];
let more: Uint8Array[] = [];
/** The buffer for events aside, its number in the index, and how far it is used. */
let aside = slot.bytes;
let asideNumber = 0;
let asideAt = 0;

const later =
  (method: keyof InitialStateSink) =>
  (entry?: unknown): void => {
    state.push({ before: events, method, entry });
  };
const reader = new ScapReader({
  machine: later('machine'),
  process: later('process'),
  fd: later('fd'),
  userOrGroup: later('userOrGroup'),
  interface: later('interface'),
  section: later('section'),
});

function visit(event: Event): void {
  let offset = event.at;
  let buffer = 0;
  if (event.buffer !== piece) {
    const size = event.length;
    if (asideAt + size > aside.length) {
      aside = new Uint8Array(new SharedArrayBuffer(Math.max(1 << 20, size)));
      asideAt = 0;
      more.push(aside);
      asideNumber = more.length;
    }
    aside.set(event.buffer.subarray(event.at, event.at + size), asideAt);
    offset = asideAt;
    buffer = asideNumber;
    asideAt += size;
  }
  const at = events * INDEX;
  slot.index[at] = offset;
  slot.index[at + 1] = event.cpu | (buffer << 16);
  slot.index[at + 2] = event.flags;
  events++;
}

async function run(): Promise<void> {
  const pieces = await openPieces(path, chunkSize);
  for (let portion = 0; ; portion++) {
    const bytes = await pieces.next();
    if (bytes === null) break;
    while (free.length === 0) {
      await new Promise<void>((resolve) => {
        freed = resolve;
      });
    }
    const number = free.shift() as number;
    Atomics.store(claims, number, 0);
    slot = slots[number] as Slot;
    slot.bytes.set(bytes);
    piece = slot.bytes.subarray(0, bytes.length);
    events = 0;
    state = [];
    more = [];
    aside = slot.bytes;
    asideNumber = 0;
    asideAt = slot.bytes.length - ASIDE;
    try {
      reader.push(piece, visit);
    } finally {
      // What came before an error is delivered before it.
      send({ slot: number, portion, events, state, more, stats: { ...reader.stats } });
    }
  }
  const truncated = reader.end() > 0;
  await pieces.close();
  send({ end: { truncated, stats: { ...reader.stats } } });
}

run().catch((error) => {
  const scap = error instanceof ScapError;
  send({
    error: {
      message: scap ? error.reason : error.message,
      code: error.code,
      scapOffset: scap ? error.offset : null,
    },
  });
});
