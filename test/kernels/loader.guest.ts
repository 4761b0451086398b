/** Runs in a guest: what the loader makes of the test programs on this kernel, as one line of JSON. */

import { release } from 'node:os';
import {
  BpfError,
  dropCapabilities,
  effectiveCapabilities,
  type LoadOptions,
  loadObject,
  openRing,
  systemCalls,
} from '../../src/bpf/index.ts';
import { FAILING, testObject } from '../../src/bpf/testdata/live.ts';

const sys = systemCalls();
// 5.10 counts maps as locked memory.
dropCapabilities(sys, ['BPF', 'PERFMON', 'SYS_RESOURCE']);
const capabilities = effectiveCapabilities(sys).toString(16);

const before = performance.now();
const object = loadObject(testObject('loader'), {
  constants: { target: process.pid },
  optional: ['produce', 'compute'],
});
const milliseconds = Math.round(performance.now() - before);
const ring = openRing(object.maps.get('ring')!.fd, 64 << 10);
object.attach();
dropCapabilities(sys);

for (let i = 0; i < 3; i++) process.ppid;
const answers: number[][] = [];
ring.drain((at, length) => {
  answers.push(Array.from({ length: (length - 16) / 4 }, (_, i) => ring.view.getUint32(at + 4 * i, true)));
});
object.close();
ring.close();

/** The kind and text of the error with which one of the failing programs is refused. */
function refusal(only: string, options: LoadOptions = {}): string {
  try {
    loadObject(testObject('failing'), { disabled: FAILING.filter((name) => name !== only), ...options }).attach();
    return 'loaded';
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    return `${error.kind}: ${error.message.replaceAll(release(), 'KERNEL')}`;
  }
}

console.log(
  JSON.stringify({
    release: release(),
    capabilities,
    milliseconds,
    programs: [...object.programs.keys()],
    skipped: Object.fromEntries(object.skipped),
    answers: answers.map(([tgid, ...rest]) => [tgid === process.pid, ...rest]),
    withoutCapabilities: refusal('impossible'),
  }),
);
