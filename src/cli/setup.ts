/** What every command that reads a configuration does first. */
import {
  ConfigError,
  type ConfigRequest,
  type LoadedConfig,
  loadConfig,
  type Position,
  rulesFiles,
} from '../config/index.ts';
import { configureLog, log } from '../log.ts';
import { CommandError } from './command.ts';
import type { FalcoFlags } from './flags.ts';

/** Loads the configuration that the flags name and sets up logging by it; rejects with a {@link CommandError}. */
export async function setUp(flags: FalcoFlags, embedded = false): Promise<LoadedConfig> {
  const options = [
    ...(flags.option ?? []),
    ...(flags.scope === undefined ? [] : [`windhover.scope=${flags.scope}`]),
    ...(flags.requireScope ? ['windhover.require_scope=true'] : []),
    ...(flags.codegen === false ? ['windhover.code_generation=false'] : []),
  ];
  const request: ConfigRequest = { file: flags.config, options, embedded };
  let loaded: LoadedConfig;
  try {
    loaded = await loadConfig(request);
  } catch (error) {
    if (error instanceof ConfigError) throw new CommandError(`Error: ${configErrorText(error)}`);
    throw error;
  }
  configureLog({ stderr: loaded.config.log_stderr, iso8601: loaded.config.time_format_iso_8601 });
  for (const warning of loaded.warnings) log.warning(`${where(warning.position)}${warning.message}`);
  return loaded;
}

/** The message with its place and its remedy, where it has them, as it is shown to the user. */
export function configErrorText(error: Error): string {
  if (!(error instanceof ConfigError)) return error.message;
  const remedy = error.remedy === null ? '' : `\n  ${error.remedy}`;
  return `${where(error.position)}${error.message}${remedy}`;
}

function where(position: Position | null): string {
  if (position === null) return '';
  return position.line === 0 ? `${position.file}: ` : `${position.file}:${position.line}:${position.column}: `;
}

/** The rules files that a run loads: `-r`, else `rules_files`, else those that come with the program. */
export function rulesToLoad(
  flags: FalcoFlags,
  loaded: LoadedConfig,
): { files: readonly string[]; directories: readonly string[] } {
  if (flags.rulesFile !== undefined) {
    try {
      return rulesFiles(flags.rulesFile, true);
    } catch (error) {
      throw new CommandError(`Error: ${(error as Error).message}`);
    }
  }
  const { rules_files, rules_file } = loaded.config;
  const shipped = new URL('../../rules', import.meta.url).pathname;
  const found = rulesFiles(
    loaded.embedded && rules_files.length === 0 ? [shipped] : (rules_file ?? rules_files),
    false,
  );
  if (found.files.length === 0) {
    throw new CommandError(
      'Error: You must specify at least one rules file/directory via a command line argument or the rules_files key.\n' +
        '  Name one with -r, or set rules_files in the configuration.',
    );
  }
  return found;
}
