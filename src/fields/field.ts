import type { Event } from '../event/index.ts';
import type { FieldSpec, FieldType, Value } from '../rules/catalogue.ts';
import type { State } from '../state/index.ts';

/** Reads a field of the event that the state was last applied to; null is "no value". */
export type Extractor = (event: Event, state: State) => Value | null;

/**
 * What the value of a field is made of, so that it can be decided once and kept:
 * - `constant`: the same for the whole run;
 * - `thread`: `state.thread` alone, and unchanged while its `epoch` is;
 * - `lineage`: also its ancestors or other processes: unchanged while the thread's epoch and `state.lineageEpoch` are;
 * - `path`: `state.fd.path` (or `state.path` of an open that failed) alone;
 * - `fd`: `state.fd` alone (its type, flags, addresses), and whether the event is about an fd;
 * - `event`: the event's own bytes, or anything that none of the others covers;
 * - `time`: also the time of the event.
 *
 * Users and containers are extra to all of them: see `state.users.epoch` and `state.containersEpoch`.
 */
export type Depends = 'constant' | 'thread' | 'lineage' | 'path' | 'fd' | 'event' | 'time';

/** A row of the field catalogue. */
export interface Field extends FieldSpec {
  /** Group under which `--list` shows it, for instance `evt`, `process`. */
  readonly class: string;
  /** Event sources in which it can be used; empty: in all. */
  readonly sources: readonly string[];
  readonly description: string;
  readonly depends: Depends;
  /** What the argument means, for `--list`; null when it takes none. */
  readonly argumentHelp: string | null;
  /** Hidden from lists (EPF_TABLE_ONLY). */
  readonly hidden: boolean;
  /** Appended to every output by `suggested_output`. */
  readonly suggested: boolean;
  /** Numbers are printed in this base. */
  readonly format: 'decimal' | 'hex' | 'octal' | 'padded';
  /** A function that reads the field with that argument. Throws an Error with the reference's words when the argument is wrong. */
  readonly bind: (argument: string | null) => Extractor;
  /** What outputs show, where that differs from what conditions compare; null where it does not. */
  readonly bindPrint: ((argument: string | null) => Extractor) | null;
}

export interface FieldOptions {
  bindPrint?: (argument: string | null) => Extractor;
  isList?: boolean;
  argument?: 'none' | 'optional' | 'required';
  argumentHelp?: string;
  filterOnly?: boolean;
  printOnly?: boolean;
  deprecated?: boolean;
  noRhs?: boolean;
  noTransformer?: boolean;
  hidden?: boolean;
  suggested?: boolean;
  format?: Field['format'];
  multi?: 'any' | 'ends';
  sources?: readonly string[];
  checkArgument?: (argument: string) => string | null;
}

/** Makes the rows of one class: `row(name, type, depends, description, read, options)`. */
export function rowMaker(className: string, defaults: FieldOptions = {}) {
  return (
    name: string,
    type: FieldType,
    depends: Depends,
    description: string,
    read: Extractor | { readonly bind: (argument: string | null) => Extractor },
    options: FieldOptions = {},
  ): Field => {
    const all = { ...defaults, ...options };
    return {
      name,
      type,
      class: className,
      sources: all.sources ?? [],
      description,
      depends,
      isList: all.isList ?? false,
      argument: all.argument ?? 'none',
      argumentHelp: all.argumentHelp ?? null,
      filterOnly: all.filterOnly ?? false,
      printOnly: all.printOnly ?? false,
      deprecated: all.deprecated ?? false,
      noRhs: all.noRhs ?? false,
      noTransformer: all.noTransformer ?? false,
      hidden: all.hidden ?? false,
      suggested: all.suggested ?? false,
      format: all.format ?? 'decimal',
      multi: all.multi,
      checkArgument: all.checkArgument,
      bind: typeof read === 'function' ? () => read : read.bind,
      bindPrint: all.bindPrint ?? null,
    };
  };
}
