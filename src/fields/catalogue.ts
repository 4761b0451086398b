import { EVENTS, EventType } from '../event/index.ts';
import type { FieldCatalogue } from '../rules/catalogue.ts';
import { dottedEvtField } from './evt.ts';
import { type Extractor, type Field, rowMaker } from './field.ts';
import { dottedCgroupField } from './process.ts';
import { SYSCALL_NAMES } from './syscalls.ts';

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

/** Fields whose names go on after the catalogue's: `evt.arg.flags`, `thread.cgroup.cpuset`. */
const dotted = (name: string): Field | undefined => dottedEvtField(name) ?? dottedCgroupField(name);

/** Codes by the name that `evt.type` prints. */
const TYPES_BY_NAME: ReadonlyMap<string, readonly number[]> = (() => {
  const map = new Map<string, number[]>();
  for (const info of EVENTS) {
    const list = map.get(info.name);
    if (list === undefined) map.set(info.name, [info.type]);
    else list.push(info.type);
  }
  // Calls without an event of their own come as the generic one.
  const generic = [EventType.GENERIC_E as number, EventType.GENERIC_X as number];
  for (const name of SYSCALL_NAMES) if (!map.has(name)) map.set(name, generic);
  return map;
})();

/** Names of calls that have no event of their own. */
const GENERIC_NAMES: readonly string[] = [...TYPES_BY_NAME].flatMap(([name, types]) =>
  types.includes(EventType.GENERIC_X) && name !== 'syscall' ? [name] : [],
);

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
  const byName = new Map<string, Field>();
  /** Fields that have the name of a field of another source. */
  const namesakes: Field[] = [];
  for (const field of fields) {
    if (byName.has(field.name)) namesakes.push(field);
    else byName.set(field.name, field);
  }
  const get = (name: string): Field | undefined => {
    const known = byName.get(name);
    if (known !== undefined) return known;
    const made = dotted(name);
    if (made !== undefined) byName.set(name, made);
    return made;
  };
  const all = EVENTS.map((info) => info.type);
  return {
    fields,
    sources: SOURCES,
    get,
    find(name, source) {
      const field = get(name);
      if (field !== undefined && (field.sources.length === 0 || field.sources.includes(source))) return field;
      return namesakes.find((one) => one.name === name && one.sources.includes(source));
    },
    bind(name, argument) {
      const field = get(name);
      if (field === undefined) throw new Error(`nonexistent field '${name}'`);
      return field.bind(argument);
    },
    eventTypes: (name) => TYPES_BY_NAME.get(name),
    allEventTypes: () => all,
    fieldNames: (source) =>
      fields.filter(({ sources }) => sources.length === 0 || sources.includes(source)).map(({ name }) => name),
    eventNames: (codes) => [
      ...new Set(
        codes.flatMap((code) =>
          code === EventType.GENERIC_E || code === EventType.GENERIC_X ? GENERIC_NAMES : [EVENTS[code]?.name ?? 'NA'],
        ),
      ),
    ],
  };
}
