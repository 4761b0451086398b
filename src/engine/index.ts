export { createEngine, type Engine, type EngineOptions, type RuleCost } from './engine.ts';
export { type RuleShape, shapeOf } from './inspect.ts';
export { deriveFilter, type KernelFilter, type OpenFilter, type PathPrefix, passes } from './pushdown.ts';
