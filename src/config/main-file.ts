/** The main configuration file, and what is known of it without reading its YAML. */
import { existsSync, readFileSync } from 'node:fs';
import { type Kept, kept } from '../cache.ts';
import { ConfigError } from './error.ts';
import { type ConfigFile, type ConfigRequest, DEFAULT_CONFIG_FILE } from './index.ts';
import type { Config } from './schema.ts';

/** Used when there is no configuration file. */
const EMBEDDED = `
rules_files: []
engine: {kind: modern_ebpf}
stdout_output: {enabled: true}
log_stderr: true
log_syslog: false
`;

export interface MainFile extends ConfigFile {
  /** It is our own default. */
  readonly embedded: boolean;
}

/** Throws {@link ConfigError} when it cannot be read. */
export function readMainFile(request: ConfigRequest): MainFile {
  const path = request.file ?? (!request.embedded && existsSync(DEFAULT_CONFIG_FILE) ? DEFAULT_CONFIG_FILE : null);
  if (path === null) return { path: '(embedded default)', text: EMBEDDED, embedded: true };
  try {
    return { path, text: readFileSync(path, 'utf8'), embedded: false };
  } catch (error) {
    throw new ConfigError(
      `Could not read the configuration file ${path}: ${(error as NodeJS.ErrnoException).code ?? error}`,
      null,
      'Name an existing file with -c.',
    );
  }
}

/** What checks a configuration: when it changes, one that was found good may not be any more. */
const CHECKER = ['./', '../log.ts', '../../package.json'].map((path) => new URL(path, import.meta.url));

/**
 * Where a configuration that was read without a warning is kept; null when it does not follow from the file and the
 * options alone, because it includes files or names variables of the environment.
 */
export function keptConfig({ path, text }: MainFile, options: readonly string[]): Kept<Config> | null {
  if ([text, ...options].some((one) => one.includes('config_files') || one.includes('${'))) return null;
  return kept('config', [path, text, options], CHECKER);
}
