/**
 * Mutated rules files must never make the loader throw or hang. As a program it runs for a night:
 *
 *     node test/fuzz/rules.ts [mutations, 1000000 by default] [seed]
 */
import { fileURLToPath } from 'node:url';
import { loadRules, renderValidation } from '../../src/rules/index.ts';
import { testCatalogue } from '../../src/rules/testing/catalogue.ts';

/** Small files that use every construct. */
const CORPUS = [
  `- required_engine_version: 0.57.0
- required_plugin_versions: [{name: container, version: 0.4.0, alternatives: [{name: json, version: 0.7.0}]}]
- list: shells
  items: [bash, "sh", 'z sh', 1]
- macro: open_write
  condition: evt.type in (open, openat) and evt.is_open_write = true
- rule: Write
  desc: A write
  condition: >
    open_write and not proc.name in (shells)
    and fd.name startswith anyof (/etc/, /usr)
  output: "file=%fd.name by %10proc.name (%evt.arg.flags) %join('-',(proc.name,proc.pname))"
  priority: WARNING
  tags: [a, b]
`,
  `- rule: Write
  desc: d
  condition: evt.type = open and (proc.name regex "[a-z]+[0-9]" or fd.net in ("10.0.0.0/8", "::/0"))
  output: x
  priority: info
  exceptions:
    - name: e
      fields: [proc.name, fd.name]
      comps: [=, pmatch]
      values: [[a, [/x, /y]], ["b", "(c, d)"]]
    - {name: f, fields: proc.name, comps: in, values: [a, b c]}
- rule: Write
  exceptions: [{name: f, values: [q]}]
  condition: and proc.name != val(proc.pname) and proc.aname[2] = x
  enabled: false
  override: {exceptions: append, condition: append, enabled: replace}
`,
  `---
- list: empty
  items: []
- list: l
  items: &items [empty, x]
- list: n
  items: *items
- list: n
  items: [y]
  append: true
---
- macro: m
  condition: (evt.type = open or tolower(proc.name) contains "a\\"b")
- macro: m
  condition: or getopt(proc.args, "n:")[n] = 5 and user.uid >= 0x10
  append: true
- rule: R
  desc: d
  condition: m and len(fd.name) > 3 and evt.buffer bcontains 00ff
  output: |
    *%fd.name
  priority: Debug
  source: syscall
  warn_evttypes: false
  skip-if-unknown-filter: true
  capture: yes
  capture_duration: 100
`,
];

const TOKENS = [
  ...[
    '\n',
    '  ',
    '- ',
    ': ',
    '{',
    '}',
    '[',
    ']',
    ',',
    '"',
    "'",
    '|',
    '>',
    '&a',
    '*a',
    '---\n',
    '#',
    '%',
    '\\',
    '\t',
    '~',
  ],
  ...[
    'rule',
    'macro',
    'list',
    'items',
    'append',
    'override',
    'exceptions',
    'values',
    'fields',
    'comps',
    'true',
    'null',
  ],
  ...[
    'and',
    'or',
    'not',
    '(',
    ')',
    'in',
    'oneof',
    'exists',
    '=',
    '<NA>',
    'val(',
    'join(',
    'evt.type',
    '((((((((',
    '\x00',
  ],
  ...['é', '\u2028', '\ud800', '!!binary', '<<', '? ', '99999999999999999999'],
];

/** mulberry32: small, and the same everywhere. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function mutate(text: string, next: () => number): string {
  const below = (limit: number) => Math.floor(next() * limit);
  let out = text;
  for (let i = 1 + below(4); i > 0; i--) {
    const at = below(out.length + 1);
    const length = below(12);
    const token = TOKENS[below(TOKENS.length)] as string;
    switch (below(5)) {
      case 0:
        out = out.slice(0, at) + out.slice(at + length);
        break;
      case 1:
        out = out.slice(0, at) + token + out.slice(at);
        break;
      case 2:
        out = out.slice(0, at) + token + out.slice(at + length);
        break;
      case 3:
        out = out.slice(0, at) + String.fromCharCode(below(256)) + out.slice(at + 1);
        break;
      default: {
        const lines = out.split('\n');
        const line = lines.splice(below(lines.length), 1 + below(3));
        lines.splice(below(lines.length + 1), 0, ...line, ...(next() < 0.3 ? line : []));
        out = lines.join('\n');
      }
    }
  }
  return out;
}

/**
 * Loads mutated files.
 * @throws what the loader throws, with the file that made it in the message.
 */
export function fuzz(mutations: number, seed: number): { valid: number } {
  const next = random(seed);
  let valid = 0;
  for (let i = 0; i < mutations; i++) {
    const text = mutate(CORPUS[i % CORPUS.length] as string, next);
    try {
      const { files, ruleSet } = loadRules([{ name: 'mutated.yaml', text }], testCatalogue);
      renderValidation(files, { json: i % 2 === 0 });
      if (ruleSet !== null) valid++;
    } catch (error) {
      throw new Error(`seed ${seed}, mutation ${i}: the loader threw on ${JSON.stringify(text)}`, { cause: error });
    }
  }
  return { valid };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const mutations = Number(process.argv[2] ?? 1_000_000);
  const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);
  const { valid } = fuzz(mutations, seed);
  process.stdout.write(`${mutations} mutations (seed ${seed}), ${valid} of them valid\n`);
}
