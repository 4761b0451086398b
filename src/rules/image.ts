/**
 * Loaded rules as plain data and back, for keeping them from one start to the next.
 *
 * What judging does not need is left out: where in the text something stood, and which macro or list it came from. Then equal
 * parts are written once, and are one object again afterwards, so that rules take less memory than freshly loaded.
 */
import type { Call, Check, Expr, FieldRef, Literal, Modifier, Operand, Operator, Range, Right } from './ast.ts';
import type { FieldCatalogue } from './catalogue.ts';
import type { OutputPart, Rule } from './ruleset.ts';

/** Position of a node in {@link RulesImage.nodes}. */
type Index = number;

/** Parts of conditions and outputs, each after those that it holds. */
type Node =
  | readonly ['and' | 'or', ...Index[]]
  | readonly ['not', Index]
  | readonly ['constant', boolean]
  | readonly ['check', left: Index, Operator, Modifier | null, right: Index | null]
  | readonly ['value', Index]
  | readonly ['values', ...Index[]]
  | readonly ['operand', Index, val: boolean]
  | readonly ['field', name: string, argument: string | null, source: string]
  | readonly ['call', Call['name'], argument: string | null, ...Index[]]
  | readonly ['list', ...Index[]]
  | readonly ['literal', text: string, quoted: boolean];

type PackedPart = string | readonly [operand: Index, key: string, width: number | null];

interface PackedRule extends Omit<Rule, 'condition' | 'output'> {
  readonly condition: Index;
  readonly output: { readonly text: string; readonly parts: readonly PackedPart[]; readonly keepMissing: boolean };
}

/** Rules as plain data. */
export interface RulesImage {
  readonly nodes: readonly Node[];
  readonly rules: readonly PackedRule[];
}

export function packRules(rules: readonly Rule[]): RulesImage {
  const nodes: Node[] = [];
  const known = new Map<string, Index>();
  /** By object: macros share their parts, and are walked once. */
  const packed = new WeakMap<object, Index>();
  const add = (node: Node): Index => {
    const key = JSON.stringify(node);
    let index = known.get(key);
    if (index === undefined) {
      index = nodes.push(node) - 1;
      known.set(key, index);
    }
    return index;
  };
  const once = <T extends object>(part: T, pack: (part: T) => Node): Index => {
    let index = packed.get(part);
    if (index === undefined) {
      index = add(pack(part));
      packed.set(part, index);
    }
    return index;
  };
  const operand = (part: Operand, source: string): Index => {
    switch (part.kind) {
      case 'field':
        return add(['field', part.name, part.argument, source]);
      case 'call':
        return add(['call', part.name, part.argument, ...part.args.map((arg) => operand(arg, source))]);
      case 'list':
        return add(['list', ...part.items.map((item) => operand(item, source))]);
      case 'literal':
        return add(['literal', part.text, part.quoted]);
    }
  };
  const right = (part: Right, source: string): Index => {
    switch (part.kind) {
      case 'value':
        return add(['value', operand(part.value, source)]);
      case 'values':
        return add(['values', ...part.values.map((value) => operand(value, source))]);
      case 'operand':
        return add(['operand', operand(part.operand, source), part.val]);
      case 'listRef':
        throw new Error(`the list ${part.name} was not resolved`);
    }
  };
  const condition = (part: Expr, source: string): Index =>
    once(part, (expr): Node => {
      switch (expr.kind) {
        case 'and':
        case 'or':
          return [expr.kind, ...expr.children.map((child) => condition(child, source))];
        case 'not':
          return ['not', condition(expr.child, source)];
        case 'constant':
          return ['constant', expr.value];
        case 'check':
          return [
            'check',
            operand(expr.left, source),
            expr.operator,
            expr.modifier,
            expr.right === null ? null : right(expr.right, source),
          ];
        case 'macro':
          throw new Error(`the macro ${expr.name} was not resolved`);
      }
    });
  const packedPart = (part: OutputPart, source: string): PackedPart =>
    part.kind === 'text' ? part.text : [operand(part.operand, source), part.key, part.width];
  return {
    rules: rules.map((rule) => ({
      ...rule,
      condition: condition(rule.condition, rule.source),
      output: { ...rule.output, parts: rule.output.parts.map((part) => packedPart(part, rule.source)) },
    })),
    nodes,
  };
}

const NOWHERE: Range = [0, 0];

/** @param catalogue one with the same fields as that which the rules were loaded with */
export function unpackRules(image: RulesImage, catalogue: FieldCatalogue): Rule[] {
  const made: unknown[] = [];
  const at = <T>(index: Index): T => made[index] as T;
  const all = <T>(indexes: readonly Index[]): T[] => indexes.map((index) => made[index] as T);
  for (const node of image.nodes) made.push(unpack(node, at, all, catalogue));
  return image.rules.map((rule) => ({
    ...rule,
    condition: at<Expr>(rule.condition),
    output: {
      ...rule.output,
      parts: rule.output.parts.map(
        (part): OutputPart =>
          typeof part === 'string'
            ? { kind: 'text', text: part }
            : { kind: 'field', operand: at<Operand>(part[0]), key: part[1], width: part[2] },
      ),
    },
  }));
}

function unpack(
  node: Node,
  at: <T>(index: Index) => T,
  all: <T>(indexes: readonly Index[]) => T[],
  catalogue: FieldCatalogue,
): Expr | Right | Operand {
  const range = NOWHERE;
  switch (node[0]) {
    case 'and':
    case 'or': {
      const [kind, ...children] = node;
      return { kind, children: all<Expr>(children), range };
    }
    case 'not':
      return { kind: 'not', child: at<Expr>(node[1]), range };
    case 'constant':
      return { kind: 'constant', value: node[1], range };
    case 'check': {
      const [kind, left, operator, modifier, right] = node;
      return {
        kind,
        left: at<Operand>(left),
        operator,
        modifier,
        right: right === null ? null : at<Right>(right),
        range,
      } satisfies Check;
    }
    case 'value':
      return { kind: 'value', value: at<Literal>(node[1]) };
    case 'values': {
      const [kind, ...values] = node;
      return { kind, values: all<Literal>(values), range };
    }
    case 'operand':
      return { kind: 'operand', operand: at<Operand>(node[1]), val: node[2] };
    case 'field': {
      const [kind, name, argument, source] = node;
      const spec = catalogue.find(name, source);
      if (spec === undefined) throw new Error(`there is no field ${name}`);
      return { kind, name, argument, range, spec } satisfies FieldRef;
    }
    case 'call': {
      const [kind, name, argument, ...args] = node;
      return { kind, name, args: all<Operand>(args), argument, range };
    }
    case 'list': {
      const [kind, ...items] = node;
      return { kind, items: all<Operand>(items), range };
    }
    case 'literal':
      return { kind: 'literal', text: node[1], quoted: node[2], range };
  }
}
