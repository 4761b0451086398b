/** Falco 0.44's flags, each with what it does: the command line, `--help` and the compatibility table read this list. */
import { type Command, Option } from 'commander';

export interface FlagDoc {
  /** In commander's notation. */
  readonly flags: string;
  readonly doc: string;
  readonly compat: 'same' | 'better' | 'none' | 'own';
  readonly note?: string;
  /** May be given more than once; the values make a list. */
  readonly repeat?: true;
  /** Also taken by `run` and `replay`. */
  readonly running?: true;
}

export const FLAGS: readonly FlagDoc[] = [
  {
    flags: '-c, --config <file>',
    doc: 'Configuration file.',
    compat: 'better',
    note: 'Without one and without /etc/falco/falco.yaml an embedded default holds.',
    running: true,
  },
  { flags: '--config-schema', doc: 'Print the JSON schema of the configuration and exit.', compat: 'same' },
  { flags: '--rule-schema', doc: 'Print the JSON schema of rules files and exit.', compat: 'same' },
  { flags: '--disable-source <source>', doc: 'Turn an event source off.', compat: 'same', repeat: true },
  { flags: '--dry-run', doc: 'Load everything, but do not process events.', compat: 'same' },
  { flags: '--enable-source <source>', doc: 'Turn on this event source and no other.', compat: 'same', repeat: true },
  {
    flags: '-i, --ignored-events',
    doc: 'Print the events that are not read without base_syscalls.all, and exit.',
    compat: 'same',
  },
  { flags: '-L, --list-rules', doc: 'Describe all loaded rules, and exit.', compat: 'same' },
  { flags: '-l, --describe-rule <rule>', doc: 'Describe one rule, and exit.', compat: 'same' },
  { flags: '--list [source]', doc: 'List the fields, of one source when it is named, and exit.', compat: 'same' },
  { flags: '--list-events', doc: 'List the events with their parameters, and exit.', compat: 'same' },
  { flags: '--list-plugins', doc: 'List the loaded plugins, and exit.', compat: 'same' },
  { flags: '-M, --duration <seconds>', doc: 'Stop after so many seconds.', compat: 'same', running: true },
  { flags: '--markdown', doc: 'Same as --format markdown (deprecated).', compat: 'same' },
  { flags: '--format <format>', doc: 'Form of lists: text, markdown or json.', compat: 'same' },
  { flags: '-N, --names-only', doc: 'With --list: only the names.', compat: 'same' },
  {
    flags: '-o, --option <key=value>',
    doc: 'Set a configuration key, for instance -o json_output=true, -o rules[].disable.tag=x.',
    compat: 'same',
    repeat: true,
    running: true,
  },
  { flags: '--plugin-info <plugin>', doc: 'Print what a plugin is and takes, and exit.', compat: 'same' },
  {
    flags: '-p, --print <format>',
    doc: 'Append text to every alert (deprecated; use append_output).',
    compat: 'same',
    running: true,
  },
  { flags: '-P, --pidfile <file>', doc: 'Write the process id to this file.', compat: 'same' },
  {
    flags: '-r, --rules-file <path>',
    doc: 'Rules file, or directory of them, instead of rules_files.',
    compat: 'same',
    repeat: true,
    running: true,
  },
  { flags: '--support', doc: 'Print versions, configuration and rules as JSON, and exit.', compat: 'same' },
  { flags: '-U, --unbuffered', doc: 'Write each alert at once.', compat: 'same', running: true },
  {
    flags: '-V, --validate <file>',
    doc: 'Check a rules file, and exit.',
    compat: 'better',
    note: 'Every problem of a file is reported, not only the first.',
    repeat: true,
  },
  { flags: '-v, --verbose', doc: 'Log more.', compat: 'same', running: true },
  { flags: '--version', doc: 'Print versions, and exit.', compat: 'same' },
  { flags: '--page-size', doc: 'Print the page size of the system, and exit.', compat: 'same' },
  {
    flags: '--scope <scope>',
    doc: 'What to watch: everything, cgroup=DIRECTORY or pid=NUMBER and its descendants (windhover.scope).',
    compat: 'own',
  },
  {
    flags: '--require-scope',
    doc: 'Refuse to watch the whole host (also WINDHOVER_REQUIRE_SCOPE=1).',
    compat: 'own',
  },
  {
    flags: '--no-codegen',
    doc: 'Interpret the rules instead of compiling them to functions (windhover.code_generation).',
    compat: 'own',
    running: true,
  },
];

/** What the flags were set to; names as commander makes them. */
export interface FalcoFlags {
  config?: string;
  configSchema?: true;
  ruleSchema?: true;
  disableSource?: string[];
  dryRun?: true;
  enableSource?: string[];
  ignoredEvents?: true;
  listRules?: true;
  describeRule?: string;
  list?: string | true;
  listEvents?: true;
  listPlugins?: true;
  duration?: string;
  markdown?: true;
  format?: string;
  namesOnly?: true;
  option?: string[];
  pluginInfo?: string;
  print?: string;
  pidfile?: string;
  rulesFile?: string[];
  support?: true;
  unbuffered?: true;
  validate?: string[];
  verbose?: true;
  version?: true;
  pageSize?: true;
  scope?: string;
  requireScope?: true;
  codegen?: boolean;
}

/** Adds the flags to a command; with `running`, only those that also make sense for `run` and `replay`. */
export function addFlags(command: Command, running = false): Command {
  for (const flag of FLAGS) {
    if (running && flag.running !== true) continue;
    const option = new Option(flag.flags, flag.doc);
    if (flag.repeat) option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]);
    command.addOption(option);
  }
  return command;
}
