/**
 * What judging costs: nanoseconds of CPU per event over a capture, warm, with a set of rules.
 *
 *   node bench/judge.ts FILE.scap[.gz] RULES.yaml… [--repeat N] [--interpret] [--closures] [--state] [--alerts OUT.jsonl]
 *
 * The capture is inflated before the clock starts and judged again and again, as one file of many sections would be. CPU time of the whole process (compiler and collector threads included), the median of the
 * repetitions, and the machine's load beside it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { createFormatter } from '../src/alert.ts';
import { createEngine, type Engine } from '../src/engine/index.ts';
import type { Event } from '../src/event/index.ts';
import { bind, fieldCatalogue } from '../src/fields/index.ts';
import { interpret, loadRules, type Rule } from '../src/rules/index.ts';
import { ScapReader } from '../src/scap/index.ts';
import { State } from '../src/state/index.ts';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    repeat: { type: 'string', default: '7' },
    interpret: { type: 'boolean', default: false },
    closures: { type: 'boolean', default: false },
    state: { type: 'boolean', default: false },
    read: { type: 'boolean', default: false },
    alerts: { type: 'string' },
  },
});
const [file, ...ruleFiles] = positionals;
if (file === undefined) throw new Error('usage: node bench/judge.ts FILE.scap RULES.yaml…');

const packed = readFileSync(file);
const bytes = packed[0] === 0x1f && packed[1] === 0x8b ? gunzipSync(packed) : packed;
const catalogue = fieldCatalogue();
const loaded = loadRules(
  ruleFiles.map((name) => ({ name, text: readFileSync(name, 'utf8') })),
  catalogue,
);
for (const result of loaded.files) for (const error of result.errors) console.error(`${result.name}: ${error.message}`);
const rules = (loaded.ruleSet?.rules ?? []).filter((rule) => rule.enabled && rule.source === 'syscall');

const cpu = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

const lines: string[] = [];
const formatter = createFormatter({
  json: true,
  iso8601: false,
  withOutput: true,
  withTags: true,
  withMessage: false,
  withFields: true,
  hostname: '',
  base64: false,
  extraFields: () => [],
  catalogue,
});

const state = new State();
let alerts = 0;
function onMatch(rule: Rule, event: Event): void {
  const line = formatter.line(rule, event, state);
  alerts++;
  if (line !== null && flags.alerts !== undefined) lines.push(line);
}

const engine: Engine = createEngine(rules, state, { matching: 'all', codegen: !flags.closures, onMatch });
// As the pipeline has it: of events that no rule reads, only what changes the state is followed.
if (!flags.interpret) state.unread = engine.unread();

/** The capture once more, as a further section of one long file. */
function pass(): number {
  const reader = new ScapReader(state.sink);
  const judge = flags.read
    ? () => {}
    : flags.state
      ? (event: Event) => state.apply(event)
      : flags.interpret
        ? (event: Event) => {
            state.apply(event);
            for (const rule of rules) {
              if (!rule.eventTypes.includes(event.type)) continue;
              if (interpret(rule.condition, (field) => bind(field.name, field.argument)(event, state))) {
                onMatch(rule, event);
              }
            }
          }
        : (event: Event) => {
            state.apply(event);
            engine.process(event);
          };
  // Pieces as the replay source delivers them.
  for (let at = 0; at < bytes.length; at += 1 << 20) reader.push(bytes.subarray(at, at + (1 << 20)), judge);
  return reader.stats.events;
}

const times: number[] = [];
let events = 0;
for (let i = 0; i < Number(flags.repeat); i++) {
  alerts = 0;
  lines.length = 0;
  const before = cpu();
  events = pass();
  times.push(((cpu() - before) * 1000) / events);
}
if (flags.alerts !== undefined) writeFileSync(flags.alerts, `${lines.join('\n')}\n`);
const warm = times.slice(Math.min(2, times.length - 1)).sort((a, b) => a - b);
const median = warm[warm.length >> 1] as number;
console.log(
  JSON.stringify({
    events,
    rules: rules.length,
    alerts,
    ns_first: Math.round(times[0] as number),
    ns_warm: Math.round(median),
    passes: times.map(Math.round),
    rss_mb: Math.round(process.memoryUsage().rss / 1e6),
    load: loadavg()[0],
  }),
);
