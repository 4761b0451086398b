export {
  type Alert,
  priorityLevel,
  problemOf,
  readAlert,
  textOf,
  toJson,
  uuidOf,
} from './alert.ts';
export { type Condition, compileCondition } from './condition.ts';
export { type ForwardConfig, loadConfig, parseBytes, parseDuration } from './config.ts';
export type { Sink } from './destination.ts';
export {
  type Forwarder,
  type Logger,
  RejectedError,
  startForwarder,
  testAlert,
} from './forwarder.ts';
export { type Input, startInputs } from './input/index.ts';
export { Metric } from './metrics.ts';
export { openSingle, problemOfSettings } from './single.ts';
