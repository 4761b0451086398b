/** Reading the configuration: apart, because the libraries for it are large and only needed once. */
import { nearest } from '../diagnostic.ts';
import { checkConfig } from './check.ts';
import { coerce } from './coerce.ts';
import { type ConfigDocument, readDocument } from './document.ts';
import { ConfigError } from './error.ts';
import type { ConfigRequest, ConfigWarning, LoadedConfig } from './index.ts';
import { type MainFile, readMainFile } from './main-file.ts';
import { type Option, parseOption } from './option.ts';
import { type Config, configSchema, keyDocs } from './schema.ts';

interface LocatedConfig extends LoadedConfig {
  readonly locate: ConfigDocument['locate'];
}

/** Reads and checks the configuration; throws {@link ConfigError}. */
export function load(request: ConfigRequest, main: MainFile = readMainFile(request)): LocatedConfig {
  const options = (request.options ?? []).map((text): Option => {
    try {
      return parseOption(text);
    } catch (error) {
      throw new ConfigError((error as Error).message);
    }
  });
  const document = readDocument(main, options, request.environment ?? process.env);
  return { ...interpret(document, main.path), embedded: main.embedded };
}

function interpret(document: ConfigDocument, file: string): Omit<LocatedConfig, 'embedded'> {
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
