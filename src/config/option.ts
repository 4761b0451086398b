/**
 * The `-o key=value` syntax of Falco 0.44: a dotted path into the configuration, `[i]` for an element of a
 * list, `[]` for a new element at its end, and `\.`, `\[`, `\\` for these characters in a key. A value in
 * braces or brackets is YAML.
 */
import { parse } from 'yaml';

/** A value of the configuration as read: every scalar is still text. */
export type Raw = string | null | Raw[] | { [key: string]: Raw };

const APPEND = Symbol('append');
type Step = string | number | typeof APPEND;

export interface Option {
  /** As given on the command line. */
  readonly text: string;
  readonly path: readonly Step[];
  readonly value: Raw;
}

/** Parses one `-o` argument. Throws an Error with a message for the user. */
export function parseOption(text: string): Option {
  const path: Step[] = [];
  let key = '';
  let open = false;
  let i = 0;
  const flush = (): void => {
    if (open) path.push(key);
    key = '';
    open = false;
  };
  for (; i < text.length && text[i] !== '='; i++) {
    const c = text[i] as string;
    if (c === '\\' && i + 1 < text.length && '.[\\'.includes(text[i + 1] as string)) {
      key += text[++i];
      open = true;
    } else if (c === '.') {
      flush();
    } else if (c === '[') {
      flush();
      const close = text.indexOf(']', i);
      const index = close < 0 ? '?' : text.slice(i + 1, close);
      if (!/^\d*$/.test(index)) {
        throw new Error(`Error parsing config option "${text}": "[" must be followed by a number or "]"`);
      }
      path.push(index === '' ? APPEND : Number(index));
      i = close;
    } else {
      key += c;
      open = true;
    }
  }
  flush();
  if (i >= text.length || path.length === 0 || typeof path[0] !== 'string') {
    throw new Error(`Error parsing config option "${text}". Must be of the form key=val or key.subkey=val`);
  }
  const value = text.slice(i + 1);
  return { text, path, value: /^\s*[{[]/.test(value) ? parseValue(text, value) : value };
}

function parseValue(option: string, value: string): Raw {
  try {
    return parse(value, { schema: 'failsafe' }) as Raw;
  } catch (error) {
    throw new Error(`Error parsing config option "${option}": its value is not YAML: ${(error as Error).message}`);
  }
}

/** Sets the option's value in `root`, making what is missing on the way; a node of the wrong kind is replaced. */
export function applyOption(root: { [key: string]: Raw }, option: Option): void {
  let parent: Raw[] | { [key: string]: Raw } = root;
  for (let i = 0; i < option.path.length; i++) {
    const step = option.path[i] as Step;
    const last = i === option.path.length - 1;
    const next = option.path[i + 1];
    const current: Raw | undefined = read(parent, step);
    const value: Raw = last ? option.value : fitting(current, typeof next === 'string') ? current : container(next);
    if (Array.isArray(parent)) {
      if (typeof step === 'number') {
        while (parent.length < step) parent.push(null);
        parent[step] = value;
      } else {
        parent.push(value);
      }
    } else {
      parent[String(step)] = value;
    }
    if (!last) parent = value as Raw[] | { [key: string]: Raw };
  }
}

function read(parent: Raw[] | { [key: string]: Raw }, step: Step): Raw | undefined {
  if (step === APPEND) return undefined;
  if (Array.isArray(parent)) return parent[step as number];
  return Object.hasOwn(parent, step) ? parent[step] : undefined;
}

function fitting(value: Raw | undefined, asMap: boolean): value is Raw[] | { [key: string]: Raw } {
  if (typeof value !== 'object' || value === null) return false;
  return Array.isArray(value) !== asMap;
}

function container(next: Step | undefined): Raw {
  return typeof next === 'string' ? {} : [];
}
