import { readFileSync } from 'node:fs';
import type { Event } from '../event/index.ts';
import type { FieldRef, Rule, Value } from '../rules/index.ts';
import { loadTraceableRuleSet } from '../sensor/rule-set.ts';
import { openCapture } from '../source/index.ts';
import { State } from '../state/index.ts';
import { CommandError, EXIT_USAGE, newCommand, runCommand } from './command.ts';
import { type Explanation, explain, explanationText } from './explanation.ts';
import { addFlags, type FalcoFlags } from './flags.ts';
import { runInput } from './sensor.ts';
import { setUp } from './setup.ts';

interface ExplainFlags extends FalcoFlags {
  event?: string;
  alert?: string;
  json?: true;
}

/** `windhover explain RULE --event N FILE.scap`: why it matched, or did not, term by term. */
export async function main(args: string[]): Promise<number> {
  const command = addFlags(
    newCommand('windhover explain', 'Why a rule matched an event of a capture, or did not, term by term.', [
      ['windhover explain "Run shell in container" --event 4711 capture.scap', 'the event with evt.num 4711'],
      ['windhover explain --alert alert.json capture.scap', 'the event and the rule of a JSON alert'],
    ]),
    true,
  )
    .argument('<rule-or-capture>', 'name of the rule (left out with --alert)')
    .argument('[capture]', 'a .scap file')
    .option('--event <number>', 'evt.num of the event')
    .option('--alert <file>', 'a JSON alert; - for standard input')
    .option('--json', 'print the explanation as JSON');
  return runCommand(command, args, () => run(command.opts<ExplainFlags>(), command.args));
}

/** The event that is meant: by its number, or by its time in nanoseconds. */
type Wanted = { readonly num: number } | { readonly ts: bigint };

async function run(flags: ExplainFlags, [first = '', second]: readonly string[]): Promise<number> {
  let name = first;
  let capture = second;
  let wanted: Wanted;
  if (flags.alert !== undefined) {
    const alert = readAlert(flags.alert);
    capture = second ?? first;
    if (second === undefined) name = alert.rule;
    wanted = { ts: alert.ts };
  } else {
    if (flags.event === undefined || !/^\d+$/.test(flags.event)) {
      throw new CommandError(
        'Error: name the event with --event NUMBER, or give its alert with --alert FILE.',
        EXIT_USAGE,
      );
    }
    wanted = { num: Number(flags.event) };
  }
  if (capture === undefined) throw new CommandError('Error: name the capture after the rule.', EXIT_USAGE);
  const loaded = loadTraceableRuleSet(runInput(flags, await setUp(flags, true)).setup);
  const rule = loaded.rules.find((r) => r.name === name);
  if (rule === undefined) throw new CommandError(`Error: Rule "${name}" is not loaded`);
  const found = await explainEvent(capture, wanted, rule, (field) => loaded.catalogue.bind(field.name, field.argument));
  if (found === null) throw new CommandError(`Error: ${capture} has no such event`);
  const { explanation, num, type } = found;
  if (flags.json) process.stdout.write(`${JSON.stringify({ rule: name, event: num, type, ...explanation })}\n`);
  else {
    const verdict = explanation.matched ? 'matches' : 'does not match';
    const notes = rule.eventTypes.includes(found.code) ? '' : ' (it is not evaluated on events of this type)';
    process.stdout.write(`Rule "${name}" ${verdict} event ${num}, ${type}${notes}\n\n`);
    process.stdout.write(explanationText(explanation, process.stdout.isTTY && process.env.NO_COLOR === undefined));
  }
  return 0;
}

function readAlert(path: string): { rule: string; ts: bigint } {
  const text = readFileSync(path === '-' ? 0 : path, 'utf8');
  const alert = JSON.parse(text) as { rule: string; time: string };
  const match = /^(.*)\.(\d{9})Z$/.exec(alert.time ?? '');
  if (match === null) throw new CommandError('Error: the alert has no time with nanoseconds');
  return { rule: alert.rule, ts: BigInt(Date.parse(`${match[1]}Z`)) * 1_000_000n + BigInt(match[2] ?? 0) };
}

async function explainEvent(
  path: string,
  wanted: Wanted,
  rule: Rule,
  bind: (field: FieldRef) => (event: Event, state: State) => Value | null,
): Promise<{ explanation: Explanation; num: number; type: string; code: number } | null> {
  const state = new State();
  const source = await openCapture(path, state.sink);
  const readers = new Map<string, (event: Event, state: State) => Value | null>();
  let found: { explanation: Explanation; num: number; type: string; code: number } | null = null;
  const visit = (event: Event): void => {
    if (found !== null) return;
    state.apply(event);
    if ('num' in wanted ? event.num !== wanted.num : event.ts !== wanted.ts) return;
    const explanation = explain(rule.condition, (field) => {
      const key = `${field.name}[${field.argument ?? ''}`;
      let read = readers.get(key);
      if (read === undefined) readers.set(key, (read = bind(field)));
      return read(event, state);
    });
    // Several events may share a time: the one on which the rule matched is meant.
    if ('ts' in wanted && !explanation.matched) return;
    found = { explanation, num: event.num, type: event.info.name, code: event.type };
  };
  while (!source.ended && found === null) await source.next(visit, 1000);
  source.close();
  return found;
}
