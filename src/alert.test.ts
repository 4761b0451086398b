import { expect, test } from 'vitest';
import { type AlertOptions, createFormatter } from './alert.ts';
import { buildEvent, EventType, viewEvent } from './event/index.ts';
import { fieldCatalogue } from './fields/index.ts';
import { loadRules } from './rules/index.ts';
import { State } from './state/index.ts';

const catalogue = fieldCatalogue();
const OPTIONS: AlertOptions = {
  json: true,
  iso8601: true,
  withOutput: true,
  withTags: true,
  withMessage: false,
  withFields: true,
  hostname: '',
  base64: false,
  extraFields: () => [],
  catalogue,
};

/** JSON alerts of a rule with that output on removals of these files, which take turns. */
function alerts(output: string, paths: readonly string[], options: Partial<AlertOptions> = {}) {
  const text = JSON.stringify([{ rule: 'r', desc: 'd', condition: 'evt.type = unlink', output, priority: 'INFO' }]);
  const [rule] = loadRules([{ name: 'rules', text }], catalogue).ruleSet?.rules ?? [];
  if (rule === undefined) throw new Error('the rule does not load');
  const formatter = createFormatter({ ...OPTIONS, ...options });
  const state = new State();
  return paths.map((path, i) => {
    const spec = { ts: 1_000_000_000n + BigInt(i), tid: 1, params: { res: 0, path } };
    const event = viewEvent(buildEvent(EventType.SYSCALL_UNLINK_2_X as number, spec), i + 1);
    state.apply(event);
    return JSON.parse(formatter.line(rule, event, state));
  });
}

test('each alert shows the values of its own event, in text and fields', () => {
  const paths = ['/a', '/b"\\\n', '/b"\\\n', '/\xc3\xa9', '/a'];
  const shown = alerts('at %evt.arg.path res=%evt.arg.res', paths);
  const decoded = ['/a', '/b"\\\n', '/b"\\\n', '/é', '/a'];
  expect(shown.map(({ output_fields: fields }) => fields['evt.arg.path'])).toEqual(decoded);
  expect(shown.map(({ output }) => output)).toEqual(
    decoded.map((path, i) => `1970-01-01T00:00:01.00000000${i}+0000: Informational at ${path} res=0`),
  );
});

test.each(['time', 'evt.time.iso8601', 'x'])('an added format may have the key %s', (key) => {
  const [alert] = alerts('o', ['/a'], { extraFields: () => [{ key, format: 'removed %evt.arg.path' }] });
  const own = key === 'evt.time.iso8601';
  expect(alert.output_fields[key]).toBe(own ? 1_000_000_000 : 'removed /a');
  expect(alert.output_fields['evt.time.iso8601']).toBe(1_000_000_000);
});
