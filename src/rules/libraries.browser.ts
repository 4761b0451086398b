import * as re2Library from 're2js';
import * as yamlLibrary from 'yaml';

/** What libraries.ts has, bundled with the rest. */
export const yaml = (): typeof import('yaml') => yamlLibrary;
export const re2 = (): typeof import('re2js') => re2Library;
