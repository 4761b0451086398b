import { expect, test } from 'vitest';
import { createFormatter } from '../alert.ts';
import { buildEvent, Event, EventType } from '../event/index.ts';
import { fieldCatalogue } from '../fields/index.ts';
import { loadRules, type Rule } from '../rules/index.ts';
import { State, type Thread, unmanagedContainer } from '../state/index.ts';
import { asksMetadata, createHeldAlerts } from './held-alerts.ts';

const catalogue = fieldCatalogue();
const ID = '0123456789ab';

function rule(condition: string, output: string): Rule {
  const text = `- {rule: r, desc: d, priority: NOTICE, condition: '${condition}', output: '${output}'}`;
  const [made] = loadRules([{ name: 'r.yaml', text }], catalogue).ruleSet?.rules ?? [];
  if (made === undefined) throw new Error('the rule does not load');
  return made;
}

const formatter = createFormatter({
  json: false,
  iso8601: true,
  withOutput: true,
  withTags: true,
  withMessage: false,
  withFields: true,
  hostname: '',
  base64: false,
  extraFields: () => [],
  catalogue,
});

/** A match in a container of which nothing is known, and what became of its alert. */
function hold(condition: string, output: string, waitMs = 60_000, isStarting = false, isMatch = true) {
  const state = new State();
  state.thread = { container: ID, cgroups: '' } as Thread;
  const bytes = buildEvent(EventType.PROCEXIT_1_E, { ts: 1_000_000_000n, tid: 1n, params: {} });
  const event = new Event();
  event.attach(bytes, new DataView(bytes.buffer));
  event.read(0, 0, 1);
  const lines: string[] = [];
  let awaited = true;
  let starting = isStarting;
  const held = createHeldAlerts({
    waitMs,
    starting: () => starting,
    awaits: () => awaited,
    emit: (_rule, line) => lines.push(line.replace(/^\S+ /, '')),
  });
  const made = rule(condition, output);
  const taken = isMatch && held.take(made, event, state, formatter);
  if (!isMatch) held.consider([made], event, state, formatter);
  // The next event is of another thread.
  state.thread = null;
  return {
    taken,
    lines,
    held,
    learn(image: string) {
      state.setContainer(ID, { ...unmanagedContainer(ID, 'docker'), imageRepository: image });
      held.release();
    },
    started() {
      starting = false;
      held.release();
    },
    giveUp() {
      awaited = false;
      held.release();
    },
  };
}

const OUTPUT = 'x (image=%container.image.repository id=%container.id)';

test('an alert that shows metadata waits for it', () => {
  const { taken, lines, held, learn } = hold('evt.num > 0', OUTPUT);
  expect(taken).toBe(true);
  held.release();
  expect(lines).toEqual([]);
  learn('nginx');
  expect(lines).toEqual([`Notice x (image=nginx id=${ID})`]);
  expect(held.size).toBe(0);
});

test('without an answer it goes, and says so', () => {
  const given = hold('evt.num > 0', OUTPUT);
  given.giveUp();
  expect(given.lines).toEqual([`Notice x (image=<NA> id=${ID}) wh.container.metadata=missing`]);
  const late = hold('evt.num > 0', OUTPUT, 0);
  late.held.release();
  expect(late.lines).toEqual(given.lines);
});

test('the wait begins once the engines are connected', () => {
  const { lines, held, started, learn } = hold('evt.num > 0', OUTPUT, 400, true);
  const end = performance.now() + 600;
  while (performance.now() < end) held.release();
  expect(lines).toEqual([]);
  started();
  expect(lines).toEqual([]);
  learn('nginx');
  expect(lines).toHaveLength(1);
});

test('what its condition asks of metadata is judged when that is known', () => {
  const condition = 'evt.num > 0 and not container.image.repository in (nginx, redis)';
  const allowed = hold(condition, 'x');
  allowed.learn('redis');
  expect(allowed.lines).toEqual([]);
  const other = hold(condition, 'x');
  other.learn('miner');
  expect(other.lines).toEqual(['Notice x']);
});

test('an alert that has nothing to do with metadata does not wait', () => {
  expect(hold('evt.num > 0', 'x (type=%evt.type)').taken).toBe(false);
});

test('what matches only with the metadata waits for it', () => {
  const condition = 'evt.num > 0 and container.image.repository = nginx';
  const { lines, held, learn } = hold(condition, OUTPUT, 60_000, false, false);
  expect(held.size).toBe(1);
  learn('nginx');
  expect(lines).toEqual([`Notice x (image=nginx id=${ID})`]);

  const other = hold(condition, OUTPUT, 60_000, false, false);
  other.learn('redis');
  expect(other.lines).toEqual([]);

  const never = hold(condition, OUTPUT, 60_000, false, false);
  never.giveUp();
  expect([never.lines, never.held.size]).toEqual([[], 0]);
});

test('what is false whatever the metadata, or matched already, does not wait', () => {
  expect(hold('evt.num < 0 and container.privileged = true', OUTPUT, 60_000, false, false).held.size).toBe(0);
  expect(hold('evt.num > 0 or container.privileged = true', OUTPUT, 60_000, false, false).held.size).toBe(0);
  const matched = rule('evt.num > 0 and not container.image.repository = nginx', OUTPUT);
  expect(asksMetadata(matched.condition)).toBe(true);
  expect(hold('evt.num > 0 and not container.image.repository = nginx', OUTPUT, 60_000, false, false).held.size).toBe(
    0,
  );
  expect(asksMetadata(rule('container.id != host', OUTPUT).condition)).toBe(false);
});
