export { createEngine, type Engine, type EngineOptions, type RuleCost } from './engine.ts';
