export { formatAddress, isIn, type Network, parseAddress, parseNetwork } from './address.ts';
export type * from './ast.ts';
export type { FieldCatalogue, FieldSpec, FieldType, Value } from './catalogue.ts';
export { Checker, literalsOf } from './check.ts';
export {
  type DescribeOptions,
  type Description,
  describeAll,
  describeRule,
  descriptionAsText,
} from './describe.ts';
export { eventTypesOf } from './events.ts';
export { FormatError, parseOutput } from './format.ts';
export { compileGlob, type Glob } from './glob.ts';
export { packRules, type RulesImage, unpackRules } from './image.ts';
export {
  compareOperands,
  constantsOf,
  evaluateOperand,
  interpret,
  matcherOf,
  type ReadField,
  type Trace,
} from './interpret.ts';
export {
  type Definitions,
  type ListDefinition,
  type LoadOptions,
  type LoadResult,
  loadRules,
  type MacroDefinition,
  type RuleDefinition,
  type RulesFile,
} from './load.ts';
export { compileMatcher, type Matcher } from './operators.ts';
export { ConditionError, parseCondition, parseOperand, positionAt } from './parse.ts';
export { compilePathPrefixes, type PathPrefixes } from './path-prefix.ts';
export { print, printOperand } from './print.ts';
export { parsePriority } from './read.ts';
export { compileRegex, RegexError } from './regex.ts';
export { remainder } from './remainder.ts';
export type { FileResult, Problem } from './report.ts';
export { renderValidation, resultAsText, resultsAsJson, type ValidationOptions } from './results.ts';
export { type OutputFormat, type OutputPart, PRIORITIES, type Priority, type Rule, type RuleSet } from './ruleset.ts';
export { RULE_SCHEMA } from './schema.ts';
export { transform } from './transformers.ts';
export { type Constant, groupOf, type OperandType, parseConstant, type TypeGroup, typeOf } from './types.ts';
export { checkPluginRequirements, ENGINE_VERSION, type PluginVersion } from './version.ts';
export { checksOf, childrenOf, fieldsIn, fieldsOf } from './walk.ts';
