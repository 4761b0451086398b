/** Reading the configuration: apart, because the libraries for it are large and only needed once. */
import { existsSync, readFileSync } from 'node:fs';
import { nearest } from '../diagnostic.ts';
import { checkConfig } from './check.ts';
import { coerce } from './coerce.ts';
import { type ConfigDocument, type ConfigFile, readDocument } from './document.ts';
import { ConfigError } from './error.ts';
import { type ConfigRequest, type ConfigWarning, DEFAULT_CONFIG_FILE, type LoadedConfig } from './index.ts';
import { type Option, parseOption } from './option.ts';
import { type Config, configSchema, keyDocs } from './schema.ts';

/** Used when there is no configuration file. */
const EMBEDDED = `
rules_files: []
engine: {kind: modern_ebpf}
stdout_output: {enabled: true}
log_stderr: true
log_syslog: false
`;

/** Reads and checks the configuration; throws {@link ConfigError}. */
export function load(request: ConfigRequest): LoadedConfig {
  const options = (request.options ?? []).map((text): Option => {
    try {
      return parseOption(text);
    } catch (error) {
      throw new ConfigError((error as Error).message);
    }
  });
  const path = request.file ?? (!request.embedded && existsSync(DEFAULT_CONFIG_FILE) ? DEFAULT_CONFIG_FILE : null);
  const main = path === null ? { path: '(embedded default)', text: EMBEDDED } : readMain(path);
  const document = readDocument(main, options, request.environment ?? process.env);
  return { ...interpret(document, main.path), embedded: path === null };
}

function readMain(path: string): ConfigFile {
  try {
    return { path, text: readFileSync(path, 'utf8') };
  } catch (error) {
    throw new ConfigError(
      `Could not read the configuration file ${path}: ${(error as NodeJS.ErrnoException).code ?? error}`,
      null,
      'Name an existing file with -c.',
    );
  }
}

function interpret(document: ConfigDocument, file: string): Omit<LoadedConfig, 'embedded'> {
  const warnings: ConfigWarning[] = [];
  const warn = (path: readonly PropertyKey[], message: string): void => {
    warnings.push({ message, position: document.locate(path) });
  };
  const values = coerce(configSchema, document.root, [], {
    unknownKey(path, known) {
      const near = nearest(String(path.at(-1)), known);
      const hint = near === null ? '' : ` Did you mean '${near}'?`;
      warn(path, `Unknown configuration key '${keyText(path)}'. The key will be ignored.${hint}`);
    },
    wrongType(path, value, expected) {
      warn(path, `Configuration key '${keyText(path)}' must be ${expected}, not '${value}'. Its default is used.`);
    },
  });
  for (const key of Object.keys(configSchema.shape) as (keyof Config)[]) {
    const doc = keyDocs.get(configSchema.shape[key]);
    if (doc?.compat === 'removed' && key in document.root) {
      warn([key], `Configuration key '${key}' has no effect. ${doc.note}`);
    }
  }
  const parsed = configSchema.safeParse(values);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const at = issue?.path ?? [];
    throw new ConfigError(`Configuration key '${keyText(at)}': ${issue?.message}`, document.locate(at));
  }
  checkConfig(parsed.data, (key) => key in document.root, document.locate, file);
  const doubtful = new Set(warnings.flatMap((w) => (w.position === null ? [] : [w.position.file])));
  return {
    config: parsed.data,
    files: document.files,
    directories: document.directories,
    warnings,
    doubtful,
    locate: document.locate,
  };
}

function keyText(path: readonly PropertyKey[]): string {
  return path
    .map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i === 0 ? '' : '.'}${String(step)}`))
    .join('');
}
