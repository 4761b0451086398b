import { type BoundCatalogue, type CatalogueOptions, makeCatalogue } from './catalogue.ts';
import { CONTAINER_FIELDS } from './container.ts';
import { EVT_FIELDS } from './evt.ts';
import { FD_FIELDS, FDLIST_FIELDS } from './fd.ts';
import type { Field } from './field.ts';
import { FSPATH_FIELDS } from './fspath.ts';
import { GENERIC_FIELDS, UTIL_FIELDS } from './generic.ts';
import { JSON_FIELDS } from './json.ts';
import { K8SAUDIT_FIELDS } from './k8saudit.ts';
import { K8SMETA_FIELDS } from './k8smeta.ts';
import { PROCESS_FIELDS } from './process.ts';
import { GROUP_FIELDS, USER_FIELDS } from './user.ts';
import { WINDHOVER_FIELDS } from './windhover.ts';

export type { BoundCatalogue, CatalogueOptions } from './catalogue.ts';
export { dnsNames, watchNames } from './dns.ts';
export { parameterOf } from './evt.ts';
export type { Extractor, Field } from './field.ts';
export { isMetadata, keepMoment, type Moment } from './metadata.ts';
export { bindOperand, bindPrinted } from './operand.ts';
export { pathBase } from './params.ts';
export { syscallNumber, syscallNumbers } from './syscalls.ts';

/** Every field that the product knows, in the order in which lists show them. */
export const FIELDS: readonly Field[] = [
  ...EVT_FIELDS,
  ...FD_FIELDS,
  ...FDLIST_FIELDS,
  ...FSPATH_FIELDS,
  ...GENERIC_FIELDS,
  ...GROUP_FIELDS,
  ...PROCESS_FIELDS,
  ...USER_FIELDS,
  ...UTIL_FIELDS,
  ...CONTAINER_FIELDS,
  ...K8SMETA_FIELDS,
  ...K8SAUDIT_FIELDS,
  ...JSON_FIELDS,
  ...WINDHOVER_FIELDS,
];

/** The catalogue for the rule language, with the fields that the configuration adds. */
export function fieldCatalogue(options: CatalogueOptions = {}): BoundCatalogue {
  return makeCatalogue(FIELDS, options);
}

const fixed = makeCatalogue(FIELDS);

/** A function that reads a field with its argument; the argument is parsed once. Throws when there is no such field. */
export const bind = fixed.bind;
