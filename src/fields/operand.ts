import { evaluateOperand, type FieldRef, fieldsOf, type Operand } from '../rules/index.ts';
import type { Extractor, Field } from './field.ts';

/** A function that reads an operand of a condition or output: a field, or a transformer over fields. Its fields are bound. */
export function bindOperand(operand: Operand): Extractor {
  if (operand.kind === 'field') {
    const field = operand.spec as Field;
    const extract = field.bind(operand.argument);
    // An empty list is no value; only list-like fields pay for asking.
    if (!field.isList && field.multi === undefined && field.type !== 'DYN') return extract;
    return (event, state) => {
      const value = extract(event, state);
      return Array.isArray(value) && value.length === 0 ? null : value;
    };
  }
  const extractors = new Map<FieldRef, Extractor>();
  for (const field of fieldsOf(operand)) extractors.set(field, (field.spec as Field).bind(field.argument));
  return (event, state) => evaluateOperand(operand, (field) => (extractors.get(field) as Extractor)(event, state));
}

/** A function that reads an operand for an output, where a few fields show something else than conditions compare. */
export function bindPrinted(operand: Operand): Extractor {
  const print = operand.kind === 'field' ? (operand.spec as Field).bindPrint : null;
  return print === null || operand.kind !== 'field' ? bindOperand(operand) : print(operand.argument);
}
