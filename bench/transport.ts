/**
 * What it costs to get an event out of the kernel's ring buffer and to a visitor, in CPU time of the consuming thread.
 *
 * A program in the kernel fills the ring; then, and only then, the clock runs: while the ring is drained, with a
 * visitor that looks at two words of each record. The baseline is the same visitor over as many bytes in
 * ordinary memory, without a ring. Run: `node bench/transport.ts [MILLIONS_OF_EVENTS]`; needs root.
 */

import { loadObject, openRing, type Ring } from '../src/bpf/index.ts';
import { MOST, request, testObject } from '../src/bpf/testdata/live.ts';

/** The goal, in nanoseconds an event. */
const GOAL = 30;
const RING = 32 << 20;

const millions = Number(process.argv[2] ?? 5);

interface Measured {
  readonly nsPerEvent: number;
  readonly events: number;
  readonly errors: number;
}

/** CPU time of this thread in microseconds. */
function cpuTime(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

function measureRing(size: 96 | 256): Measured {
  const object = loadObject(testObject('loader'), { maps: { ring: { maxEntries: RING } } });
  const ring: Ring = openRing(object.maps.get('ring')!.fd, RING);
  const produce = object.programs.get('produce')!;
  // As many runs as fit into the ring.
  const runs = Math.floor(RING / (size + 8) / MOST) - 1;
  let last = 0;
  let errors = 0;
  let events = 0;
  let time = 0;
  const { view } = ring;
  const visit = (at: number): void => {
    const sequence = view.getUint32(at, true);
    if (sequence !== last + 1 || view.getUint32(at + 8, true) !== ~sequence >>> 0) errors++;
    last = sequence;
  };
  const argument = request(MOST, size);
  for (let round = 0; events < millions * 1e6; round++) {
    for (let i = 0; i < runs; i++) produce.run(argument);
    const before = cpuTime();
    const drained = ring.drain(visit);
    // The first round is for the compiler.
    if (round > 0) {
      time += cpuTime() - before;
      events += drained;
    }
  }
  ring.close();
  object.close();
  return { nsPerEvent: (time * 1000) / events, events, errors };
}

function measureMemory(size: 96 | 256): Measured {
  const view = new DataView(new ArrayBuffer(RING));
  const record = size + 8;
  const perRound = Math.floor(RING / record);
  for (let i = 0; i < perRound; i++) {
    view.setUint32(i * record, i, true);
    view.setUint32(i * record + 8, ~i >>> 0, true);
  }
  let errors = 0;
  let events = 0;
  let time = 0;
  const visit = (at: number, sequence: number): void => {
    if (view.getUint32(at, true) !== sequence || view.getUint32(at + 8, true) !== ~sequence >>> 0) errors++;
  };
  for (let round = 0; events < millions * 1e6; round++) {
    const before = cpuTime();
    for (let i = 0; i < perRound; i++) visit(i * record, i);
    if (round > 0) {
      time += cpuTime() - before;
      events += perRound;
    }
  }
  return { nsPerEvent: (time * 1000) / events, events, errors };
}

let failed = false;
for (const size of [96, 256] as const) {
  const ring = measureRing(size);
  const memory = measureMemory(size);
  failed ||= ring.errors > 0;
  console.log(
    `ring → visitor, ${size} bytes: ${ring.nsPerEvent.toFixed(1)} ns CPU an event, ` +
      `${(ring.nsPerEvent / GOAL).toFixed(2)} of the goal (${GOAL} ns), ` +
      `${(ring.nsPerEvent / memory.nsPerEvent).toFixed(1)} × reading plain memory (${memory.nsPerEvent.toFixed(1)} ns); ` +
      `${ring.events} events, ${ring.errors} out of sequence`,
  );
}
process.exitCode = failed ? 1 : 0;
