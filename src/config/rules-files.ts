import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface RulesFiles {
  /** In the order in which they are loaded. */
  readonly files: readonly string[];
  /** Directories among them, watched for new files. */
  readonly directories: readonly string[];
}

/**
 * The rules files at `paths`: a directory stands for its .yaml and .yml files in order of name. What does not
 * exist is left out, unless `required` (`-r`): then it is an Error.
 */
export function rulesFiles(paths: readonly string[], required: boolean): RulesFiles {
  const files: string[] = [];
  const directories: string[] = [];
  for (const path of paths) {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) {
      if (required) throw new Error(`Could not find rules file or directory '${path}'`);
    } else if (stat.isDirectory()) {
      directories.push(path);
      for (const name of readdirSync(path).sort()) {
        if (/\.ya?ml$/.test(name) && statSync(join(path, name)).isFile()) files.push(join(path, name));
      }
    } else {
      files.push(path);
    }
  }
  return { files, directories };
}
