import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { workload } from '../actions/watch.ts';
import { type GuestResult, guestsUnavailable, kernels, runInGuest } from './guest.ts';

/** Debian 11, 12, 12 with a newer kernel, and unstable. */
const KERNELS = ['5.10', '6.1', '6.12', 'sid'] as const;

const LOADER = 'test/kernels/loader.guest.ts';
const EVENTS = 'test/kernels/events.guest.ts';

const GOLDEN = new URL('../actions/golden/', import.meta.url);
const FAMILIES = readdirSync(GOLDEN).map((file) => file.replace('.txt', ''));

/** Why there are no guests here. */
let unavailable: string | undefined;

beforeAll(() => {
  unavailable = guestsUnavailable();
}, 600_000);

describe.each(KERNELS)('kernel %s', (kernel) => {
  let guest: GuestResult | undefined;

  beforeAll(async () => {
    // Under emulation Node itself crashes now and then, and the workload can lose a race: such a guest is booted again.
    for (let boots = 0; unavailable === undefined && boots < 3; boots++) {
      guest = await runInGuest(kernel, [LOADER, EVENTS], workload()!);
      const fault = faultOf(guest);
      if (fault === undefined) break;
      console.warn(`kernel ${kernel}, boot ${boots + 1}: ${fault}`);
    }
  }, 900_000);

  it('takes the loader’s programs, with the capabilities that loading needs, and gives the right answers', (ctx) => {
    if (guest === undefined) return ctx.skip(unavailable);
    const [loader] = guest.runs;
    expect(loader.status, guest.console).toBe(0);
    const report = JSON.parse(loader.output);
    expect(report.release).toBe(kernels().find(({ name }) => name === kernel)?.version);
    // Programs of type `syscall` came with 5.14.
    expect(report.programs).toEqual(
      kernel === '5.10' ? ['ask', 'called', 'typed'] : ['produce', 'compute', 'ask', 'called', 'typed'],
    );
    const answer = [true, 0, 1, 16, 1, 1, 1, 0, 0, 0, 1, 4, 1];
    expect(report.answers).toEqual([answer, answer, answer]);
    expect(report.withoutCapabilities).toMatch(/^permission: .*Missing CAP_BPF and CAP_PERFMON/);
  });

  it('takes the probe', (ctx) => {
    if (guest === undefined) return ctx.skip(unavailable);
    const [, events] = guest.runs;
    expect(events.status, guest.console).toBe(0);
  });

  it('gives the same events through a ring for each CPU', (ctx) => {
    if (guest === undefined) return ctx.skip(unavailable);
    const { lines, lost } = JSON.parse(guest.runs[1].output).rings;
    expect(`${lines.join('\n')}\n`).toBe(golden('processes'));
    expect(lost).toBe(0);
  });

  it('leaves out opens that nobody wants, and their closes', (ctx) => {
    if (guest === undefined) return ctx.skip(unavailable);
    const { unfiltered, filtered, others, everyProgram } = JSON.parse(guest.runs[1].output);
    for (const code of ['SYSCALL_OPENAT_2_X', 'SYSCALL_CLOSE_X']) {
      expect(filtered[code], code).toBeLessThan(unfiltered[code]);
    }
    expect(filtered.SYSCALL_CREAT_X).toBe(unfiltered.SYSCALL_CREAT_X);
    expect(others.SYSCALL_OPENAT_2_X).toBe(filtered.SYSCALL_OPENAT_2_X);
    // Failed ones are not asked for.
    expect(everyProgram.SYSCALL_OPENAT_2_X).toBeGreaterThan(filtered.SYSCALL_OPENAT_2_X);
  });

  it.for(FAMILIES)('gives the events of the family %s', (family, ctx) => {
    if (guest === undefined) return ctx.skip(unavailable);
    if (family === 'uring' && kernel === '5.10') return ctx.skip('5.10 lacks operations that are used');
    const report = JSON.parse(guest.runs[1].output);
    const { lines, lost } = report.families[family];
    expect(`${lines.join('\n')}\n`).toBe(golden(family));
    expect(lost).toBe(0);
  });
});

function golden(family: string): string {
  return readFileSync(new URL(`${family}.txt`, GOLDEN), 'utf8');
}

/** What the tests of a guest will find wrong; undefined when nothing. */
function faultOf({ runs }: GuestResult): string | undefined {
  if (runs.some(({ status }) => status !== 0)) return 'a program crashed';
  const { families, rings, missed } = JSON.parse(runs[1]?.output ?? '{}');
  const text = ({ lines }: { lines: string[] }): string => `${lines.join('\n')}\n`;
  // 5.10 lacks operations of that family.
  const other = FAMILIES.filter((family) => family !== 'uring').find(
    (family) => text(families[family]) !== golden(family),
  );
  if (other !== undefined) return `other events in the family ${other} (missed by preemption: ${missed})`;
  if (text(rings) !== golden('processes'))
    return `other events through a ring for each CPU (lost: ${rings.lost}, missed by preemption: ${missed})`;
  return undefined;
}
