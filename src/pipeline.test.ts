import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { load as loadConfig } from './config/load.ts';
import { buildEvent, Event, EventType } from './event/index.ts';
import type { Message } from './outputs/index.ts';
import { openPipeline } from './pipeline.ts';
import type { PipelineSetup } from './sensor/contract.ts';
import type { OpenSource } from './sensor/open-source.ts';
import { State } from './state/index.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'windhover-pipeline-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function setupOf(rules: string, options: readonly string[] = []): PipelineSetup {
  const file = join(directory, 'rules.yaml');
  writeFileSync(file, rules);
  const { config } = loadConfig({ embedded: true, options: ['append_output=[]', 'engine.kind=nodriver', ...options] });
  return {
    config,
    rulesFiles: [file],
    print: '',
    enabledSources: [],
    disabledSources: [],
    hostname: 'host',
    stopAfterNs: 0,
    command: null,
    record: null,
  };
}

const rule = (name: string, condition: string, priority = 'WARNING'): string =>
  `- rule: ${name}\n  desc: d\n  condition: ${condition}\n  output: "%evt.num %fd.name"\n  priority: ${priority}\n`;

/** A source of opens of /etc/N that goes on until it is told to end. */
function opens(batch: number): { open: () => Promise<OpenSource[]>; produced: () => number; end: () => void } {
  const event = new Event();
  let produced = 0;
  let ended = false;
  const next = (visit: (event: Event) => void): void => {
    for (let i = 0; i < batch; i++) {
      const bytes = buildEvent(EventType.SYSCALL_OPENAT_2_X as number, {
        ts: 1_700_000_000_000_000_000n + BigInt(produced) * 1000n,
        tid: 42,
        params: { fd: 3, dirfd: -100, name: `/etc/${produced % 10}`, flags: 1, mode: 0, dev: 1, ino: 1n },
      });
      event.attach(bytes, new DataView(bytes.buffer));
      event.read(0, 0, ++produced);
      visit(event);
    }
  };
  return {
    produced: () => produced,
    end: () => {
      ended = true;
    },
    open: async () => [
      {
        name: 'syscall',
        engine: 'test',
        state: new State(),
        totals: () => ({ events: produced, drops: 0, byReason: {} }),
        source: {
          name: 'syscall',
          async next(visit) {
            await new Promise(setImmediate);
            next(visit);
            return batch;
          },
          get ended() {
            return ended;
          },
          stats: () => ({ events: produced, drops: {} }),
          close() {},
        },
      },
    ],
  };
}

test('a thousand reloads under load: every event is judged once, and memory does not grow', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const sets = ['one', 'two'].map((name) => rule(name, 'evt.type in (open, openat) and fd.name startswith /etc/'));
  let alerts = 0;
  let last = 0;
  const source = opens(50);
  const pipeline = await openPipeline(
    setupOf(sets[0] as string),
    {
      alerts(messages: readonly Message[]) {
        for (const { line } of messages) {
          const num = Number(/Warning (\d+) /.exec(line)?.[1]);
          if (num === last + 1) alerts++;
          last = num;
        }
      },
      room: null,
    },
    source.open,
  );
  const running = pipeline.run();
  const heap: number[] = [];
  for (let i = 1; i <= 1000; i++) {
    await pipeline.reload(setupOf(sets[i % 2] as string));
    await new Promise(setImmediate);
    if (i % 250 === 0) {
      collect();
      heap.push(process.memoryUsage().heapUsed);
    }
  }
  source.end();
  await running;
  expect(source.produced()).toBeGreaterThan(40_000);
  expect(alerts).toBe(source.produced());
  const { rules } = await pipeline.snapshot();
  expect(rules.map((one) => one.rule).sort()).toEqual(['one', 'two']);
  expect(rules.reduce((sum, { count }) => sum + count, 0)).toBe(source.produced());
  expect((heap.at(-1) as number) - (heap[0] as number)).toBeLessThan(8 << 20);
}, 120_000);

test('a rule set that is wrong changes nothing', async () => {
  const lines: string[] = [];
  const source = opens(1);
  const pipeline = await openPipeline(
    setupOf(rule('kept', 'evt.type = openat')),
    { alerts: (messages) => lines.push(...messages.map(({ line }) => line)), room: null },
    source.open,
  );
  const running = pipeline.run();
  await expect(pipeline.reload(setupOf(rule('bad', 'evt.type = openat and nonsense.field = 1')))).rejects.toThrow(
    'nonsense.field',
  );
  await expect(pipeline.reload({ ...setupOf(''), rulesFiles: [join(directory, 'missing.yaml')] })).rejects.toThrow(
    'missing.yaml',
  );
  const before = lines.length;
  while (lines.length === before) await new Promise(setImmediate);
  source.end();
  await running;
  expect(lines).toHaveLength(source.produced());
});

test('a rule set that cannot be loaded at the start is refused', async () => {
  const open = openPipeline(setupOf('- rule: x\n'), { alerts() {}, room: null }, opens(1).open);
  await expect(open).rejects.toMatchObject({ name: 'RulesError' });
});

test('stop, priority, first or all matches, rules turned off, a limit in event time', async () => {
  const rules =
    rule('first', 'evt.type = openat') +
    rule('second', 'evt.type = openat', 'DEBUG') +
    rule('off', 'evt.type = openat');
  const run = async (options: string[], stopAfterNs = 0): Promise<string[]> => {
    const lines: string[] = [];
    const source = opens(10);
    const setup = { ...setupOf(rules, ['rules[].disable.rule=o*', 'json_output=true', ...options]), stopAfterNs };
    const pipeline = await openPipeline(
      setup,
      {
        alerts(messages) {
          lines.push(...messages.map(({ line }) => (JSON.parse(line) as { rule: string }).rule));
          if (stopAfterNs === 0) pipeline.stop('SIGTERM');
        },
        room: null,
      },
      source.open,
    );
    const end = await pipeline.run();
    expect(end.kind).toBe('stopped');
    return lines;
  };
  expect(await run([])).toEqual(Array(10).fill('first'));
  expect(await run(['rule_matching=all'])).toEqual(Array(10).fill(['first', 'second']).flat());
  expect(await run(['rule_matching=all', 'priority=notice'])).toEqual(Array(10).fill('first'));
  expect(await run([], 5000)).toEqual(Array(5).fill('first'));
});

test('time-outs without an event raise an internal alert', async () => {
  const lines: string[] = [];
  let ended = false;
  const source = opens(1);
  const pipeline = await openPipeline(
    setupOf(rule('x', 'evt.type = openat'), ['syscall_event_timeouts.max_consecutives=3']),
    {
      alerts(messages) {
        lines.push(...messages.map(({ line }) => line));
        ended = true;
      },
      room: null,
    },
    async () => {
      const [opened] = await source.open();
      if (opened === undefined) throw new Error('no source');
      const idle = { ...opened.source, next: () => new Promise<number>((done) => setImmediate(done, 0)) };
      return [{ ...opened, source: Object.defineProperty(idle, 'ended', { get: () => ended }) }];
    },
  );
  await pipeline.run();
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(
    /Debug Falco internal: timeouts notification\. 3 consecutive timeouts without event\. \(last_event_time="none"\)/,
  );
});
