import { EVENTS } from '../event/index.ts';
import type { FieldCatalogue } from '../rules/catalogue.ts';
import type { Extractor, Field } from './field.ts';
import { rowMaker } from './field.ts';

export interface CatalogueOptions {
  /** `static_fields` of the configuration: `static.NAME` is the text. */
  readonly staticFields?: Readonly<Record<string, string>>;
}

/** A catalogue of fields that can also bind them to events. */
export interface BoundCatalogue extends FieldCatalogue {
  readonly fields: readonly Field[];
  /** Throws an Error when there is no such field in any source. */
  bind(name: string, argument: string | null): Extractor;
  get(name: string): Field | undefined;
}

/** Event sources that are known without further configuration. */
export const SOURCES = ['syscall', 'k8s_audit'] as const;

/** Codes by the name that `evt.type` prints. */
const TYPES_BY_NAME: ReadonlyMap<string, readonly number[]> = (() => {
  const map = new Map<string, number[]>();
  for (const info of EVENTS) {
    const list = map.get(info.name);
    if (list === undefined) map.set(info.name, [info.type]);
    else list.push(info.type);
  }
  return map;
})();

/** Makes the catalogue over the given rows. */
export function makeCatalogue(rows: readonly Field[], options: CatalogueOptions = {}): BoundCatalogue {
  const row = rowMaker('static', { suggested: true });
  const fixed = Object.entries(options.staticFields ?? {}).map(([name, value]) =>
    row(
      `static.${name}`,
      'CHARBUF',
      'constant',
      'A text that the configuration sets under static_fields.',
      () => value,
    ),
  );
  const fields = [...rows, ...fixed];
  const byName = new Map(fields.map((field) => [field.name, field]));
  const all = EVENTS.map((info) => info.type);
  return {
    fields,
    sources: SOURCES,
    get: (name) => byName.get(name),
    find(name, source) {
      const field = byName.get(name);
      return field !== undefined && (field.sources.length === 0 || field.sources.includes(source)) ? field : undefined;
    },
    bind(name, argument) {
      const field = byName.get(name);
      if (field === undefined) throw new Error(`nonexistent field '${name}'`);
      return field.bind(argument);
    },
    eventTypes: (name) => TYPES_BY_NAME.get(name),
    allEventTypes: () => all,
  };
}
