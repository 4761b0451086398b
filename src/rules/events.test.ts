import { describe, expect, it } from 'vitest';
import type { FieldCatalogue } from './catalogue.ts';
import { eventTypesOf } from './events.ts';
import { parseCondition } from './parse.ts';
import { testCatalogue } from './testing/catalogue.ts';

/** Three events; code 0 is that of every call without an event of its own. */
const NAMES: Readonly<Record<string, readonly number[]>> = { open: [1], close: [2], vhangup: [0], sysfs: [0] };
const catalogue: FieldCatalogue = {
  ...testCatalogue,
  eventTypes: (name) => NAMES[name],
  allEventTypes: () => [0, 1, 2],
  eventNames: (codes) => Object.keys(NAMES).filter((name) => NAMES[name]?.some((code) => codes.includes(code))),
};

const typesOf = (text: string) => eventTypesOf(parseCondition(text), 'syscall', catalogue);

describe('eventTypesOf', () => {
  it('follows and, or and not', () => {
    expect(typesOf('evt.type = open and proc.name = x')).toEqual([1]);
    expect(typesOf('evt.type = open or proc.name = x')).toEqual([0, 1, 2]);
    expect(typesOf('not (evt.type = open or proc.name = x)')).toEqual([0, 2]);
    expect(typesOf('evt.type != open and not evt.type in (close, vhangup)')).toEqual([0]);
    expect(typesOf('evt.type exists and not evt.type exists')).toEqual([]);
    expect(typesOf('evt.type startswith op')).toEqual([0, 1, 2]);
  });

  it('does not exclude a code that has several names because of one of them', () => {
    expect(typesOf('evt.type = sysfs')).toEqual([0]);
    expect(typesOf('evt.type != sysfs')).toEqual([0, 1, 2]);
    expect(typesOf('not evt.type in (sysfs, open)')).toEqual([0, 2]);
  });

  it('knows modifiers', () => {
    expect(typesOf('evt.type = anyof (open, close)')).toEqual([0, 1, 2]);
    expect(typesOf('evt.type = oneof (open, close) and evt.type != allof (close)')).toEqual([0, 1]);
    expect(typesOf('not evt.type = anyof (open)')).toEqual([0, 2]);
  });
});
