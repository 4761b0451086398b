import type { Call, Check, Expr, FieldRef, Literal, Operand, Operator, Right } from './ast.ts';
import type { FieldCatalogue, FieldSpec } from './catalogue.ts';
import { listSupports, parseHex, supports } from './operators.ts';
import { ConditionError, parseOperand } from './parse.ts';
import { printOperand } from './print.ts';
import { compileRegex, isSimpleRegex, RegexError } from './regex.ts';
import { GROUP_NAMES, groupOf, type OperandType, parseConstant, typeOf, ValueError } from './types.ts';
import { fieldsOf } from './walk.ts';

/**
 * The checker: binds the fields of a resolved condition to the catalogue, and refuses what their types do not have.
 */

export interface CheckWarning {
  readonly message: string;
  /** In the text that the node was parsed from. */
  readonly offset: number;
}

export interface Checked {
  readonly expr: Expr;
  readonly warnings: readonly CheckWarning[];
}

/** Binds conditions of one source; what macros share is bound once. */
export class Checker {
  readonly #catalogue: FieldCatalogue;
  readonly #source: string;
  readonly #bound = new WeakMap<Expr, Checked>();

  constructor(catalogue: FieldCatalogue, source: string) {
    this.#catalogue = catalogue;
    this.#source = source;
  }

  /**
   * @param expr without macros.
   * @throws ConditionError in Falco's words, with the offset of the check or value in its text.
   */
  check(expr: Expr): Checked {
    const known = this.#bound.get(expr);
    if (known !== undefined) return known;
    const warnings: CheckWarning[] = [];
    const checked: Checked = { expr: this.#bind(expr, warnings), warnings };
    this.#bound.set(expr, checked);
    return checked;
  }

  /** Binds an operand of an output; the same errors. */
  operand(operand: FieldRef | Call): Operand {
    return this.#operand(operand, operand.range[0]);
  }

  #bind(expr: Expr, warnings: CheckWarning[]): Expr {
    switch (expr.kind) {
      case 'and':
      case 'or':
        return { ...expr, children: expr.children.map((child) => this.#shared(child, warnings)) };
      case 'not':
        return { ...expr, child: this.#shared(expr.child, warnings) };
      case 'check':
        return this.#comparison(expr, warnings);
      default:
        return expr;
    }
  }

  #shared(expr: Expr, warnings: CheckWarning[]): Expr {
    if (expr.kind === 'macro' || expr.kind === 'constant' || expr.macro === undefined)
      return this.#bind(expr, warnings);
    try {
      const { expr: bound, warnings: own } = this.check(expr);
      warnings.push(...own);
      return bound;
    } catch (error) {
      if (error instanceof ConditionError) error.macros.push(expr.macro);
      throw error;
    }
  }

  #comparison(check: Check, warnings: CheckWarning[]): Check {
    const at = check.range[0];
    const left = this.#operand(check.left, at);
    const type = typeOf(left);
    requireOperator(type, check, at);
    const field = left.kind === 'field' ? left : null;
    const right = check.right === null ? null : this.#right(check, check.right, left, type, field, warnings);
    return { ...check, left, right };
  }

  #right(
    check: Check,
    right: Right,
    left: Operand,
    type: OperandType,
    field: FieldRef | null,
    warnings: CheckWarning[],
  ): Right {
    if (right.kind === 'operand') return this.#rightOperand(check, right, left, type);
    const literals = literalsOf(right);
    for (const literal of literals) {
      this.#value(check, literal, type, field);
      this.#doubt(check, literal, warnings);
    }
    // The name of a list that does not exist is a value like any other.
    return right.kind === 'listRef' ? { kind: 'values', values: literals, range: right.range } : right;
  }

  #rightOperand(check: Check, right: Right & { kind: 'operand' }, left: Operand, type: OperandType): Right {
    const at = right.operand.range[0];
    if (check.operator === 'pmatch' || check.operator === 'regex') {
      throw new ConditionError(`operator '${check.operator.toUpperCase()}' doesn't support right-hand side fields`, at);
    }
    const operand = this.#operand(right.operand, at);
    for (const one of [left, operand]) {
      const spec = one.kind === 'field' ? one.spec : undefined;
      if (spec === undefined) continue;
      if (spec.noRhs || groupOf(spec.type) === 'network') {
        throw new ConditionError(`field '${spec.name}' doesn't support right-hand side fields`, at);
      }
    }
    const other = typeOf(operand);
    if (groupOf(other.type) !== groupOf(type.type)) {
      throw new ConditionError(
        `filter error: cannot compare '${printOperand(left)}' of type '${type.type}' with '${printOperand(operand)}' of type '${other.type}'`,
        at,
      );
    }
    return { ...right, operand };
  }

  #value(check: Check, literal: Literal, type: OperandType, field: FieldRef | null): void {
    const at = literal.range[0];
    if (field?.name === 'evt.type' && this.#catalogue.eventTypes(literal.text) === undefined) {
      const unknown = { kind: 'event type', name: literal.text } as const;
      throw new ConditionError(`unknown event type ${literal.text}`, check.range[0], { unknown });
    }
    if ((check.operator === 'bcontains' || check.operator === 'bstartswith') && parseHex(literal.text) === null) {
      throw new ConditionError('filter error: bcontains and bstartswith operator support hex strings only', at);
    }
    try {
      parseConstant(type.type, literal.text);
      if (check.operator === 'regex') compileRegex(literal.text);
    } catch (error) {
      if (error instanceof ValueError) throw new ConditionError(error.message, at);
      if (error instanceof RegexError) {
        throw new ConditionError(`invalid regular expression '${literal.text}': ${error.message}`, at);
      }
      throw error;
    }
  }

  /** Values that look as if something else was meant. */
  #doubt(check: Check, literal: Literal, warnings: CheckWarning[]): void {
    const offset = literal.range[0];
    const { text } = literal;
    if (check.operator === 'regex' && isSimpleRegex(text)) {
      warnings.push({
        message: `regex check with '${text}' may be optimized with simpler operators such as '=', 'contains', 'startswith', 'endswith'`,
        offset,
      });
    }
    // Cheap look first: nearly no value has the shape of a field or a call.
    if (!/^\s*[a-z0-9]+[.(]/i.test(text)) return;
    const operand = parseOperand(text.trim());
    if (operand === null) return;
    if (operand.kind === 'call') {
      warnings.push({ message: `'${text}' may be a valid field transformer misused as a const string value`, offset });
    } else if (this.#catalogue.find(operand.name, this.#source) !== undefined) {
      warnings.push({ message: `'${text}' may be a valid field misused as a const string value`, offset });
    }
  }

  #operand(operand: Operand, at: number): Operand {
    switch (operand.kind) {
      case 'field':
        return { ...operand, spec: this.#field(operand, at) };
      case 'call':
        return this.#call(operand, at);
      case 'list':
        return { ...operand, items: operand.items.map((item) => this.#operand(item, at)) };
      case 'literal':
        return operand;
    }
  }

  #field(field: FieldRef, at: number): FieldSpec {
    const spec = this.#catalogue.find(field.name, this.#source);
    if (spec === undefined) {
      throw new ConditionError(nonexistent(field), at, { unknown: { kind: 'field', name: field.name } });
    }
    if (field.argument === null) {
      if (spec.argument === 'required') {
        throw new ConditionError(`filter error: field '${field.name}' requires an argument but none found`, at);
      }
    } else if (spec.argument === 'none') {
      throw new ConditionError(nonexistent(field), at);
    } else {
      const wrong = spec.checkArgument?.(field.argument) ?? null;
      if (wrong !== null) throw new ConditionError(wrong, at);
    }
    return spec;
  }

  #call(call: Call, at: number): Call {
    const bound: Call = { ...call, args: call.args.map((arg) => this.#operand(arg, at)) };
    for (const arg of bound.args.flatMap((one) => (one.kind === 'list' ? one.items : [one]))) {
      if (arg.kind === 'field' && arg.spec?.noTransformer) {
        throw new ConditionError(`field '${arg.spec.name}' does not support transformers`, at);
      }
    }
    const wrong = wrongArguments(bound);
    if (wrong !== null) throw new ConditionError(wrong, at);
    return bound;
  }
}

/** The constants that a right-hand side holds; none for a field or `exists`. */
export function literalsOf(right: Right | null): readonly Literal[] {
  switch (right?.kind) {
    case 'value':
      return [right.value];
    case 'values':
      return right.values;
    case 'listRef':
      return [{ kind: 'literal', text: right.name, quoted: false, range: right.range }];
    default:
      return [];
  }
}

function nonexistent(field: FieldRef): string {
  return `filter_check called with nonexistent field ${printOperand(field)}`;
}

function requireOperator(type: OperandType, check: Check, at: number): void {
  const { operator } = check;
  if (type.isList) {
    if (listSupports(operator)) return;
    throw new ConditionError(`filter error: '${operator}' operator not supported for list filters`, at);
  }
  const group = groupOf(type.type);
  if (supports(group, operator)) return;
  if (group === 'other' || group === 'dynamic') {
    throw new ConditionError(`filter error: '${operator}' operator not supported for type '${type.type}'`, at);
  }
  const what = check.modifier === null ? 'operator' : 'with modifier';
  throw new ConditionError(`filter error: '${operator}' ${what} not supported for ${GROUP_NAMES[group]}`, at);
}

/** What is wrong with the number or the types of a transformer's arguments; null when nothing is. */
function wrongArguments(call: Call): string | null {
  const types = call.args.map(typeOf);
  const first = types[0];
  if (first === undefined) return `unknown field transfomer '${call.name}'`;
  switch (call.name) {
    case 'join': {
      const parts = types[1];
      if (parts === undefined || types.length !== 2) return `unknown field transfomer '${call.name}'`;
      if (first.isList) return 'join() first argument (separator) must be a single value, not a list';
      if (groupOf(first.type) !== 'string') return 'join() first argument (separator) must be a string';
      return parts.isList ? null : 'join() second argument must be a list';
    }
    case 'concat':
      if (types.length < 2) return 'concat() requires at least two arguments';
      return types.every((type) => !type.isList && groupOf(type.type) === 'string')
        ? null
        : 'concat() arguments must be strings';
    case 'getopt': {
      const optstring = types[1];
      if (optstring === undefined || types.length !== 2) return `unknown field transfomer '${call.name}'`;
      if (groupOf(first.type) !== 'string') return 'getopt() first argument must be a list of strings';
      if (optstring.isList) return 'getopt() second argument (optstring) must be a single value';
      if (groupOf(optstring.type) !== 'string') return 'getopt() second argument (optstring) must be a string';
      return call.argument === null || call.argument.length === 1
        ? null
        : 'getopt() field argument must be a single option character';
    }
    default:
      if (types.length !== 1) return `unknown field transfomer '${call.name}'`;
      if (call.argument !== null) return `'${call.name}' transformer does not take an argument in brackets`;
      return accepts(call.name, first) ? null : wrongType(call, first);
  }
}

function accepts(name: Call['name'], type: OperandType): boolean {
  const group = groupOf(type.type);
  switch (name) {
    case 'b64':
      return group === 'string' || group === 'buffer';
    case 'len':
      return type.isList || group === 'string' || group === 'buffer';
    default:
      return group === 'string';
  }
}

function wrongType(call: Call, type: OperandType): string {
  const [field] = fieldsOf(call);
  const on = field === undefined ? '' : ` applied on field '${field.name}'`;
  return `can't add field transformer: type '${type.type}' is not supported by '${call.name}' transformer${on}`;
}

const UNSAFE_WITH_NA: ReadonlySet<Operator> = new Set(['=', '==', '!=', 'in', 'intersects', 'pmatch']);

/** Compares with the text `<NA>` a field whose plugin may give that text: unsafe (`LOAD_UNSAFE_NA_CHECK`). */
export function isUnsafeNaCheck({ left, operator, right }: Check): boolean {
  return (
    left.kind === 'field' &&
    /^(?:ka|jevt)\./.test(left.name) &&
    UNSAFE_WITH_NA.has(operator) &&
    literalsOf(right).some(({ text }) => text === '<NA>')
  );
}
