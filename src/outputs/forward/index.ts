export {
  type Alert,
  PRIORITIES,
  parseTime,
  priorityLevel,
  problemOf,
  readAlert,
  textOf,
  toJson,
  uuidOf,
} from './alert.ts';
export { type Condition, compileCondition } from './condition.ts';
export { type ForwardConfig, loadConfig, type Problem, parseBytes, parseDuration } from './config.ts';
export type { Sink } from './destination.ts';
export {
  type DeadLetter,
  type Forwarder,
  type Logger,
  type OutputStatus,
  RejectedError,
  redactor,
  startForwarder,
  testAlert,
} from './forwarder.ts';
export { type Input, startInputs } from './input/index.ts';
export { Metric } from './metrics.ts';
export { openSingle, problemOfSettings } from './single.ts';
