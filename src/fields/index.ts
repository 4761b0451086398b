import { type BoundCatalogue, type CatalogueOptions, makeCatalogue } from './catalogue.ts';
import type { Field } from './field.ts';

export type { BoundCatalogue, CatalogueOptions } from './catalogue.ts';
export type { Depends, Extractor, Field } from './field.ts';
export { bindOperand, fieldsOf } from './operand.ts';

/** Every field that the product knows, in the order in which lists show them. */
export const FIELDS: readonly Field[] = [];

/** The catalogue for the rule language, with the fields that the configuration adds. */
export function fieldCatalogue(options: CatalogueOptions = {}): BoundCatalogue {
  return makeCatalogue(FIELDS, options);
}

const fixed = makeCatalogue(FIELDS);

/** A function that reads a field with its argument; the argument is parsed once. Throws when there is no such field. */
export const bind = fixed.bind;
