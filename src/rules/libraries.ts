import { createRequire } from 'node:module';

/**
 * Libraries that are large and that most starts do not need: loaded when they are first asked for. In a browser, which
 * cannot do so, libraries.browser.ts stands in this file's place (package.json, `imports`).
 */
let yamlLibrary: typeof import('yaml') | null = null;
let re2Library: typeof import('re2js') | null = null;

export function yaml(): typeof import('yaml') {
  yamlLibrary ??= createRequire(import.meta.url)('yaml') as typeof import('yaml');
  return yamlLibrary;
}

export function re2(): typeof import('re2js') {
  re2Library ??= createRequire(import.meta.url)('re2js') as typeof import('re2js');
  return re2Library;
}
