/** What must hold beyond the types of single keys; the messages begin with Falco's words, which programs look for. */
import { isIP } from 'node:net';
import { LOG_LEVELS } from '../log.ts';
import { parseDuration } from './duration.ts';
import { ConfigError, type Position } from './error.ts';
import type { Config } from './schema.ts';

const PRIORITY_NAMES = [
  'emergency',
  'alert',
  'critical',
  'error',
  'warning',
  'notice',
  'informational',
  'info',
  'debug',
];
const DROP_ACTIONS = ['ignore', 'log', 'alert', 'exit'];

/** Throws {@link ConfigError} for the first thing that is wrong. */
export function checkConfig(
  config: Config,
  has: (key: string) => boolean,
  locate: (path: readonly PropertyKey[]) => Position | null,
  file: string,
): void {
  const refuse = (path: readonly PropertyKey[], message: string, remedy: string): never => {
    throw new ConfigError(message, locate(path), remedy);
  };
  const inFile = (message: string): string => `Error reading config file (${file}): ${message}`;
  const oneOf = (path: readonly PropertyKey[], value: string, allowed: readonly string[], what: string): void => {
    if (!allowed.includes(value.toLowerCase())) {
      refuse(path, `${what} "${value}"--must be one of ${allowed.join(', ')}`, `Use one of ${allowed.join(', ')}.`);
    }
  };

  if (has('rules_file') && has('rules_files')) {
    refuse(
      ['rules_file'],
      inFile("both 'rules_files' and 'rules_file' keys set"),
      "Keep only 'rules_files'; 'rules_file' is its old name.",
    );
  }
  oneOf(['priority'], config.priority, PRIORITY_NAMES, 'Unknown priority');
  oneOf(['rule_matching'], config.rule_matching, ['first', 'all'], 'Unknown rule matching strategy');
  oneOf(['log_level'], config.log_level, [...LOG_LEVELS, 'informational'], 'Unknown log level');
  oneOf(['capture', 'mode'], config.capture.mode, ['rules', 'all_rules'], 'Unknown capture mode');

  const { kind } = config.engine;
  if (!['modern_ebpf', 'kmod', 'ebpf', 'replay', 'nodriver'].includes(kind)) {
    refuse(
      ['engine', 'kind'],
      inFile(`engine.kind '${kind}' is not a valid kind.`),
      kind === 'gvisor' ? 'The gVisor engine was removed in Falco 0.44.' : 'Use modern_ebpf, replay or nodriver.',
    );
  }
  if (kind === 'replay' && config.engine.replay.capture_file === '') {
    refuse(
      ['engine', 'kind'],
      inFile("engine.kind is 'replay' but no engine.replay.capture_file specified."),
      'Set engine.replay.capture_file to a .scap file.',
    );
  }
  for (const engine of ['kmod', 'modern_ebpf'] as const) {
    const preset = config.engine[engine].buf_size_preset;
    if (preset < 1 || preset > 10) {
      refuse(['engine', engine, 'buf_size_preset'], `Invalid buffer size preset ${preset}`, 'Use 1 to 10.');
    }
  }

  const drops = config.syscall_event_drops;
  if (drops.threshold < 0 || drops.threshold > 1) {
    refuse(
      ['syscall_event_drops', 'threshold'],
      inFile('syscall event drops threshold must be a double in the range [0, 1]'),
      'Write the share as a fraction, for instance 0.1.',
    );
  }
  for (const action of drops.actions) {
    if (!DROP_ACTIONS.includes(action)) {
      refuse(
        ['syscall_event_drops', 'actions'],
        inFile(`available actions for syscall event drops are "ignore", "log", "alert", and "exit"`),
        `Replace "${action}".`,
      );
    }
  }
  const clash = drops.actions.find((action) => action === 'log' || action === 'alert');
  if (drops.actions.includes('ignore') && clash !== undefined) {
    refuse(
      ['syscall_event_drops', 'actions'],
      inFile(`syscall event drop action "${clash}" does not make sense with the "ignore" action`),
      'Remove "ignore" or the other actions.',
    );
  }
  if (config.syscall_event_timeouts.max_consecutives <= 0) {
    refuse(
      ['syscall_event_timeouts', 'max_consecutives'],
      inFile('the maximum consecutive timeouts without an event must be an unsigned integer > 0'),
      'Use a number above 0.',
    );
  }

  if (config.file_output.enabled && config.file_output.filename === '') {
    refuse(
      ['file_output'],
      inFile('file output enabled but no filename in configuration block'),
      'Set file_output.filename.',
    );
  }
  if (config.program_output.enabled && config.program_output.program === '') {
    refuse(
      ['program_output'],
      inFile('program output enabled but no program in configuration block'),
      'Set program_output.program.',
    );
  }
  if (config.http_output.enabled && !URL.canParse(config.http_output.url)) {
    refuse(
      ['http_output'],
      inFile('http output enabled but no url in configuration block'),
      'Set http_output.url to http://… or https://….',
    );
  }
  if (config.webserver.enabled && isIP(config.webserver.listen_address) === 0) {
    refuse(
      ['webserver', 'listen_address'],
      inFile(`webserver listen address "${config.webserver.listen_address}" is not a valid IP address`),
      'Use an IPv4 or IPv6 address, not a name.',
    );
  }
  if (config.metrics.enabled) {
    const interval = parseDuration(config.metrics.interval);
    if (interval === null || interval < 100) {
      refuse(
        ['metrics', 'interval'],
        inFile(`metrics interval "${config.metrics.interval}" is not a duration of at least 100 ms`),
        'Write for instance 30s, 15m or 1h30m.',
      );
    }
  }
}
