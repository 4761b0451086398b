import { describeCode } from '../diagnostic.ts';
import type { Description } from './describe.ts';
import type { FileResult, Problem } from './report.ts';

/** Results of loading in the shapes that Falco prints them (`-V`, and what it says when it refuses to start). */

/** The results as `falco_load_results` holds them; keys in alphabetical order. */
export function resultsAsJson(files: readonly FileResult[]): object[] {
  return files.map((file) => ({
    errors: file.errors.map(problemAsJson),
    name: file.name,
    ...(file.schemaValid === null ? {} : { schema_valid: file.schemaValid, schema_warnings: file.schemaWarnings }),
    successful: file.successful,
    warnings: file.warnings.map(problemAsJson),
  }));
}

function problemAsJson(problem: Problem): object {
  return {
    code: problem.code,
    codedesc: problem.codedesc,
    context: {
      locations: problem.context.locations.map(({ item_name, item_type, position }) => ({
        item_name,
        item_type,
        position: { column: position.column, line: position.line, name: position.name, offset: position.offset },
      })),
      snippet: problem.context.snippet,
    },
    ...(problem.deprecatedField === undefined ? {} : { deprecated_field: problem.deprecatedField }),
    message: problem.message,
  };
}

/** One file as text: `file: Ok`, `file: Ok, with warnings`, or `file: Invalid` with what is wrong. */
export function resultAsText(file: FileResult, options: { readonly warnings: boolean }): string {
  const out = [`${file.name}: ${summary(file)}`];
  if (file.errors.length > 0) out.push(`${file.errors.length} Errors:`, ...file.errors.map(problemAsText));
  if (options.warnings && file.warnings.length > 0) {
    out.push(`${file.warnings.length} Warnings:`, ...file.warnings.map(problemAsText));
  }
  return out.join('\n');
}

function summary(file: FileResult): string {
  if (!file.successful) return 'Invalid';
  return file.warnings.length === 0 ? 'Ok' : 'Ok, with warnings';
}

function problemAsText(problem: Problem): string {
  const { locations, snippet } = problem.context;
  const path = locations.map(({ item_type, item_name, position }, i) => {
    const name = item_name === '' ? '' : ` '${item_name}'`;
    return `${i === 0 ? 'In ' : '    '}${item_type}${name}: (${position.name}:${position.line}:${position.column})`;
  });
  const text = `${problem.code} (${describeCode(problem.code).title}): ${problem.message}`;
  return [...path, '------', `${snippet}------`, text].join('\n');
}

export interface ValidationOptions {
  readonly json: boolean;
  /** With `-L` or `-l` beside `-V`: what is described, when all files are valid. */
  readonly description?: Description | null;
}

/** What `-V` writes; its exit code is 0 when every file is valid, else 1. */
export function renderValidation(
  files: readonly FileResult[],
  options: ValidationOptions,
): { readonly stdout: string; readonly stderr: string; readonly exitCode: 0 | 1 } {
  const successful = files.every((file) => file.successful);
  const exitCode = successful ? 0 : 1;
  if (options.json) {
    const described = successful && options.description != null ? { falco_describe_results: options.description } : {};
    const results = { ...described, falco_load_results: resultsAsJson(files) };
    return { stdout: `${JSON.stringify(results)}\n`, stderr: '', exitCode };
  }
  const stdout = files.map((file) => `${resultAsText(file, { warnings: false })}\n`).join('');
  const stderr = files
    .filter((file) => file.warnings.length > 0)
    .map((file) => `${resultAsText(file, { warnings: true })}\n`)
    .join('');
  return { stdout, stderr, exitCode };
}
