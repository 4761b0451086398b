/** The configuration: falco.yaml, what it includes, and `-o` options, checked, with every default filled in. */
import type { ConfigFile } from './document.ts';
import type { Position } from './error.ts';
import { keptConfig, readMainFile } from './main-file.ts';
import type { Config } from './schema.ts';

export type { ConfigFile } from './document.ts';
export { parseDuration } from './duration.ts';
export { ConfigError, type Position } from './error.ts';
export { BUILT_IN_PLUGINS, type LoadedPlugin, loadedPlugins, type PluginInfo } from './plugins.ts';
export { rulesFiles } from './rules-files.ts';
export type { Config } from './schema.ts';
export { enabledRules } from './selection.ts';

/** Where Falco looks for its configuration. */
export const DEFAULT_CONFIG_FILE = '/etc/falco/falco.yaml';

export interface ConfigRequest {
  /** `-c`; without it the file at {@link DEFAULT_CONFIG_FILE}, or the embedded default when there is none. */
  readonly file?: string | undefined;
  /** `-o` arguments in order. */
  readonly options?: readonly string[];
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Leave {@link DEFAULT_CONFIG_FILE} alone (`run`, `replay`, `record`). */
  readonly embedded?: boolean;
}

export interface ConfigWarning {
  readonly message: string;
  readonly position: Position | null;
}

export interface LoadedConfig {
  readonly config: Config;
  /** The main file first; empty for the embedded default. */
  readonly files: readonly ConfigFile[];
  readonly directories: readonly string[];
  /** True when no configuration file was read. */
  readonly embedded: boolean;
  readonly warnings: readonly ConfigWarning[];
  /** Files in which something was reported. */
  readonly doubtful: ReadonlySet<string>;
}

/** Reads and checks the configuration; rejects with a {@link ConfigError}. */
export async function loadConfig(request: ConfigRequest = {}): Promise<LoadedConfig> {
  const main = readMainFile(request);
  const place = keptConfig(main, request.options ?? []);
  const known = place?.read() ?? null;
  if (known !== null) {
    const { path, text, embedded } = main;
    return { config: known, files: [{ path, text }], directories: [], embedded, warnings: [], doubtful: new Set() };
  }
  const { load } = await import('./load.ts');
  const loaded = load(request, main);
  if (loaded.warnings.length === 0) place?.write(loaded.config);
  return loaded;
}

/** The JSON schema of the configuration (`--config-schema`). */
export async function configJsonSchema(): Promise<unknown> {
  const { jsonSchema } = await import('./json-schema.ts');
  return jsonSchema();
}
